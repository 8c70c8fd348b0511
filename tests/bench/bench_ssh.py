"""Measures ssh through the bastion against `ssh -J` through a stock sshd: connect latency and bulk throughput.

Everything runs on this machine with stock OpenSSH clients, in one process tree, the ways taken in turns (A B C A B C),
so that what else the machine does falls on all alike. Ratios matter, absolute numbers are this machine's. The bastion
records, masks and checks rules meanwhile, as it would in use. Run `make bench`; `--size` and `--rounds` shorten it.
"""

import argparse
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.lab.bastion import World
from tests.lab.client import Client
from tests.lab.process import LabError
from tests.lab.sshd import SSHD, keygen

MEGABYTE = 1_000_000
Ways = Mapping[str, list[str]]


def stock_client(world: World, jump: SSHD, folder: Path) -> list[str]:
    """Return the command line of `ssh -J` through a stock sshd, with a certificate that both servers believe."""
    folder.mkdir()
    key = folder / "key"
    keygen(key, "bench")
    ca = world.bastion.folder / "hostkeys" / "target_ca"
    sign = ["ssh-keygen", "-q", "-s", str(ca), "-I", "bench", "-n", world.login, "-V", "-1m:+1d", f"{key}.pub"]
    subprocess.run(sign, check=True)
    known_hosts = folder / "known_hosts"
    keys = {jump.port: jump.host_key, world.target.port: world.target.host_key}
    known_hosts.write_text("".join(f"[127.0.0.1]:{port} {line}\n" for port, line in keys.items()), encoding="utf-8")
    config = folder / "config"
    lines = [
        f"Host jump\n HostName 127.0.0.1\n Port {jump.port}",
        f"Host web-1\n HostName 127.0.0.1\n Port {world.target.port}",
        f"Host *\n User {world.login}\n IdentityFile {key}\n IdentitiesOnly yes\n IdentityAgent none\n BatchMode yes",
        f" UserKnownHostsFile {known_hosts}\n StrictHostKeyChecking yes\n",
    ]
    config.write_text("\n".join(lines), encoding="utf-8")
    return ["ssh", "-F", str(config), "-J", "jump", "web-1"]


def timed(command: Sequence[str], stdin: Path | None = None) -> float:
    """Run a command to its end and return how many seconds it took."""
    with Path(stdin or os.devnull).open("rb") as source:
        begin = time.perf_counter()
        done = subprocess.run(command, check=False, stdin=source, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        seconds = time.perf_counter() - begin
    if done.returncode:
        raise LabError(f"{' '.join(command)} ended with {done.returncode}: {done.stderr.decode()}")
    return seconds


def in_turns(ways: Ways, rounds: int, measure: Callable[[list[str]], float]) -> dict[str, list[float]]:
    """Measure each way once a round; the first round warms up and is dropped."""
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name, command in ways.items():
            seconds = measure(command)
            if number:
                taken[name].append(seconds)
    return taken


def payloads(folder: Path, size: int) -> dict[str, Path]:
    """Write what is copied: lines of text, and random bytes; `size` bytes each."""
    block = os.urandom(MEGABYTE)
    line = b"2026-11-22T20:49:00Z host-17 app[4711]: request 0123456789abcdef took 12.5 ms, status 200\n"
    files = {"text": (line * (MEGABYTE // len(line) + 1))[:MEGABYTE], "binary": block}
    for name, content in files.items():
        with (folder / name).open("wb") as file:
            for _ in range(size // MEGABYTE):
                file.write(content)
        (folder / name).chmod(0o644)
    return {name: folder / name for name in files}


def measure_all(world: World, ways: Ways, size: int, rounds: int) -> list[tuple[str, dict[str, float], bool]]:
    """Return (what, median by way, whether more is better) of every measurement."""
    results: list[tuple[str, dict[str, float], bool]] = []

    def add(what: str, taken: dict[str, list[float]], convert: Callable[[float], float], *, more: bool) -> None:
        results.append((what, {name: convert(statistics.median(times)) for name, times in taken.items()}, more))

    connect = in_turns(ways, max(rounds * 4, 5), lambda way: timed([*way, "true"]))
    add("connect, ms", connect, lambda seconds: seconds * 1000, more=False)
    for kind, file in payloads(world.scratch, size).items():
        for direction in ("download", "upload"):

            def copy(way: list[str], file: Path = file, direction: str = direction) -> float:
                if direction == "download":
                    return timed([*way, f"cat {file}"])
                return timed([*way, "cat >/dev/null"], stdin=file)

            add(f"{direction} {kind}, MB/s", in_turns(ways, rounds, copy), lambda s: size / MEGABYTE / s, more=True)
    return results


def show(results: list[tuple[str, dict[str, float], bool]], base: str) -> None:
    """Print the medians and, beside each, how many times better than the base it is."""
    table = Table(title="medians; in brackets how many times as good as the stock jump host")
    table.add_column("what")
    for name in results[0][1]:
        table.add_column(name, justify="right")
    for what, values, more in results:
        cells = []
        for value in values.values():
            ratio = value / values[base] if more else values[base] / value
            cells.append(f"{value:.0f} ({ratio:.2f})")
        table.add_row(what, *cells)
    Console().print(table)


def main() -> None:
    """Build a world, measure, print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=256, help="megabytes a copy")
    parser.add_argument("--rounds", type=int, default=3, help="measured rounds a way")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bastion-bench-") as folder, World(Path(folder)) as world:
        jump = SSHD(Path(folder), "jump", world.bastion.folder / "hostkeys" / "target_ca.pub")
        try:
            client = Client(Path(folder) / "client", world.bastion, "alice", world.login)
            client.sign_in(world.people.token("alice"))
            base = "ssh -J sshd"
            ways = {
                base: stock_client(world, jump, Path(folder) / "stock"),
                "ssh -J bastion": client.ssh_command("-J", "bastion", f"{world.login}@web-1"),
                "login%target": client.ssh_command(f"{world.login}%web-1@bastion"),
            }
            show(measure_all(world, ways, options.size * MEGABYTE, options.rounds), base)
        finally:
            jump.stop()


if __name__ == "__main__":
    main()
