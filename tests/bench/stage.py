"""What the benches of ssh share: the servers, the ways to a target, measuring in turns, and the table with its bars.

Everything runs on this machine with stock OpenSSH clients, the ways taken in turns (A B C A B C), so that what else it
does falls on all alike. Ratios matter, absolute numbers are this machine's. Two bastions record and check rules, as
they would in use; one of them masks too. The bars are for the one that does not.
"""

import argparse
import os
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

from tests.lab.bastion import Bastion, World
from tests.lab.client import Client
from tests.lab.process import LabError
from tests.lab.sshd import SSHD, keygen

MEGABYTE = 1_000_000
STOCK, JUMP, DIRECT, JUMP_MASKED, DIRECT_MASKED = "sshd -J", "-J", "login%target", "-J, masked", "login%target, masked"
PLAIN = (STOCK, JUMP, DIRECT)
WAYS = (*PLAIN, JUMP_MASKED, DIRECT_MASKED)
DETECTORS = '["email", "phone", "iban", "card", "national-id", "secret"]'


@dataclass(frozen=True, slots=True)
class Way:
    """How ssh reaches the target: options that scp, sftp and rsync take too, and what stands in the host's place."""

    options: tuple[str, ...]
    host: str

    def ssh(self, *command: str) -> list[str]:
        """Return the command line of ssh."""
        return ["ssh", *self.options, self.host, *command]

    @property
    def shell(self) -> str:
        """The text that rsync starts ssh by."""
        return shlex.join(["ssh", *self.options])


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table.

    `values` are medians by way; `more` says that more is better. `bars` are what the ways shall reach: a ratio to the
    stock jump host, or with `absolute` the value itself.
    """

    what: str
    values: Mapping[str, float]
    more: bool = False
    bars: Mapping[str, float] = field(default_factory=dict)
    absolute: bool = False

    def score(self, way: str) -> float:
        """Return what is compared with the bar: the value, or the ratio of values."""
        return self.values[way] if self.absolute else self.values[way] / self.values[STOCK]

    def reached(self) -> bool:
        """Whether every bar is reached."""
        return all(
            self.score(way) >= bar if self.more else self.score(way) <= bar
            for way, bar in self.bars.items()
            if way in self.values
        )


class Stage(World):
    """The servers: a target, a stock sshd to jump over, and a bastion that masks nothing beside one that masks."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        with ExitStack() as stack:
            stack.callback(self.close)
            home = self.bastion.folder
            self.jump = SSHD(folder, "jump", home / "hostkeys" / "target_ca.pub")
            self._stops.append(self.jump)
            masked = folder / "masked"
            shutil.copytree(home / "hostkeys", masked / "hostkeys")
            self.masking = Bastion(masked, super().config().replace('["email"]', DETECTORS))
            self._stops.append(self.masking)
            self.client = self._person(self.bastion, "client")
            self.ways = {STOCK: self._stock(folder / "stock"), **self._through(self.client, JUMP, DIRECT)}
            self.ways |= self._through(self._person(self.masking, "watched"), JUMP_MASKED, DIRECT_MASKED)
            stack.pop_all()

    def config(self, *, port: int = 0) -> str:
        """Return the configuration of the bastion that masks nothing."""
        return super().config(port=port).replace('["email"]', "[]")

    @property
    def server(self) -> psutil.Process:
        """The process of the bastion that masks nothing."""
        return psutil.Process(self.bastion.server.process.pid)

    def _person(self, bastion: Bastion, folder: str) -> Client:
        client = Client(self.folder / folder, bastion, "alice", self.login)
        client.sign_in(self.people.token("alice"))
        return client

    def _through(self, client: Client, jump: str, direct: str) -> dict[str, Way]:
        options = ("-F", str(client.config))
        return {
            jump: Way((*options, "-o", "ProxyJump=bastion"), f"{self.login}@web-1"),
            direct: Way(options, f"{self.login}%web-1@bastion"),
        }

    def _stock(self, folder: Path) -> Way:
        """Return the way through a stock sshd, with a certificate that both servers believe."""
        folder.mkdir()
        key, known_hosts, config = folder / "key", folder / "known_hosts", folder / "config"
        keygen(key, "bench")
        ca = self.bastion.folder / "hostkeys" / "target_ca"
        sign = ["ssh-keygen", "-q", "-s", str(ca), "-I", "bench", "-n", self.login, "-V", "-1m:+1d", f"{key}.pub"]
        subprocess.run(sign, check=True)
        keys = {self.jump.port: self.jump.host_key, self.target.port: self.target.host_key}
        known_hosts.write_text("".join(f"[127.0.0.1]:{port} {line}\n" for port, line in keys.items()), encoding="utf-8")
        lines = [
            f"Host jump\n HostName 127.0.0.1\n Port {self.jump.port}",
            f"Host web-1\n HostName 127.0.0.1\n Port {self.target.port}",
            f"Host *\n User {self.login}\n IdentityFile {key}\n IdentitiesOnly yes\n IdentityAgent none",
            f" BatchMode yes\n UserKnownHostsFile {known_hosts}\n StrictHostKeyChecking yes\n",
        ]
        config.write_text("\n".join(lines), encoding="utf-8")
        return Way(("-F", str(config), "-o", "ProxyJump=jump"), "web-1")


def timed(command: Sequence[str], stdin: Path | None = None) -> float:
    """Run a command to its end and return how many seconds it took."""
    with Path(stdin or os.devnull).open("rb") as source:
        begin = time.perf_counter()
        done = subprocess.run(command, check=False, stdin=source, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        seconds = time.perf_counter() - begin
    if done.returncode:
        raise LabError(f"{shlex.join(command)} ended with {done.returncode}: {done.stderr.decode()}")
    return seconds


def in_turns(ways: Sequence[str], rounds: int, measure: Callable[[str], float]) -> dict[str, float]:
    """Measure each way once a round and return the medians."""
    taken: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(rounds):
        for way in ways:
            taken[way].append(measure(way))
    return {way: statistics.median(values) for way, values in taken.items()}


def cpu(process: psutil.Process) -> float:
    """Return the seconds of CPU time a process and its children have taken so far."""
    return sum(sum(one.cpu_times()[:2]) for one in (process, *process.children(recursive=True)))


def payload(path: Path, size: int, block: bytes) -> Path:
    """Write a file of `size` bytes that repeats a block; everybody may read it."""
    with path.open("wb") as file:
        for _ in range(size // len(block) + 1):
            file.write(block)
        file.truncate(size)
    path.chmod(0o644)
    return path


def show(title: str, rows: Sequence[Row]) -> None:
    """Print a table: the medians, in brackets their ratio to the stock jump host, and whether the bars are reached."""
    table = Table(title=title)
    table.add_column("what")
    for way in WAYS:
        table.add_column(way, justify="right")
    table.add_column("to reach")
    table.add_column("reached")
    for row in rows:
        bars = ", ".join(_bar(row, bar) for bar in dict.fromkeys(row.bars.values()))
        verdict = "" if not row.bars else "yes" if row.reached() else "[bold red]no[/]"
        table.add_row(row.what, *(_cell(row, way) for way in WAYS), bars, verdict)
    Console(width=None if sys.stdout.isatty() else 150).print(table)


def _bar(row: Row, bar: float) -> str:
    return f"{'≥' if row.more else '≤'} {bar:g}{'' if row.absolute else ' x'}"


def _cell(row: Row, way: str) -> str:
    if way not in row.values:
        return ""
    value = row.values[way]
    text = f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 1 else f"{value:.2f}"
    return text if row.absolute or way == STOCK or STOCK not in row.values else f"{text} ({row.score(way):.2f})"


@contextmanager
def stage() -> Iterator[Stage]:
    """Set up everything for a bench, and take it down."""
    with tempfile.TemporaryDirectory(prefix="bastion-bench-") as folder, Stage(Path(folder)) as made:
        yield made


def alone(title: str, measure: Callable[[Stage, bool], list[Row]], doc: str | None) -> None:
    """Be the program of one bench: read `--quick`, measure, print."""
    parser = argparse.ArgumentParser(description=doc)
    parser.add_argument("--quick", action="store_true", help="less data and fewer rounds: a first impression")
    quick = parser.parse_args().quick
    with stage() as made:
        show(title, measure(made, quick))
