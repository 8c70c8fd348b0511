"""`make soak`: a bastion under a mix of everything for half an hour; memory, descriptors and tasks must stay flat.

Not part of CI. Stock clients open shells, run commands, copy files, forward, are denied, wait for approvals and fail to
log in, at a low rate, while one connection stays open all the time and carries sessions too. Each minute prints the
lowest figures seen in it, as what is open at a moment counts too. After a warm-up, a straight line through each row
of figures must not rise by more than its allowance from end to end, and once everybody has left, descriptors and tasks
must be back where they were before. `--minutes` shortens it; a short one says little of memory.
"""

import argparse
import random
import shutil
import socketserver
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from urllib.request import urlopen

import pexpect
import psutil
from prometheus_client.parser import text_string_to_metric_families

from tests.lab.bastion import Bastion, World
from tests.lab.client import Client
from tests.lab.process import free_port, wait_until

LOOK_SECONDS = 2.0
PAUSE_SECONDS = 4.0  # between two things of one kind, on average
WARM_UP = 0.25  # of the run
MOST_MEMORY = 0.04  # of itself, from the end of the warm-up to the end of the run
MOST_OTHERS = 3.0


@dataclass(frozen=True)
class Figures:
    """What one look found: memory in MiB, all processes of the server together."""

    rss: float
    descriptors: float
    tasks: float
    threads: float


class Watcher:
    """Looks at the server's processes."""

    def __init__(self, bastion: Bastion, metrics: int) -> None:
        self._process = psutil.Process(bastion.server.process.pid)
        self._url = f"http://127.0.0.1:{metrics}/metrics"

    def look(self) -> Figures:
        with urlopen(self._url, timeout=20) as answer:
            families = text_string_to_metric_families(answer.read().decode())
        tasks = next(family.samples[0].value for family in families if family.name == "bastion_tasks")
        processes = [self._process, *self._process.children(recursive=True)]
        return Figures(
            sum(one.memory_info().rss for one in processes) / 2**20,
            self._process.num_fds(),
            tasks,
            self._process.num_threads(),
        )

    def lowest(self, seconds: float) -> Figures:
        """Look for so long and return the lowest of each figure."""
        end, looks = time.monotonic() + seconds, [self.look()]
        while time.monotonic() < end:
            time.sleep(min(LOOK_SECONDS, seconds))
            looks.append(self.look())
        return Figures(*(min(getattr(look, field.name) for look in looks) for field in fields(Figures)))


class _Echo(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        while data := self.request.recv(65536):
            self.request.sendall(data)


class Mix:
    """What callers do; each method is one thing of its kind and raises where it does not go as it should."""

    def __init__(self, world: World, bastion: Bastion, folder: Path, echo: int) -> None:
        self._world = world
        self._echo = echo
        self._alice, self._bob = (Client(folder / name, bastion, name, world.login) for name in ("alice", "bob"))
        self._alice.sign_in(world.people.token("alice"))
        self._bob.sign_in(world.people.token("bob"))
        self._stranger = Client(folder / "stranger", bastion, "stranger", world.login)
        self._web, self._stage = f"{world.login}%web-1@bastion", f"{world.login}%stage-1@bastion"
        self._master = folder / "m"
        self._file = folder / "file"
        self._file.write_bytes(random.randbytes(3_000_000))
        shared = self._alice.ssh_command("-M", "-S", str(self._master), "-N", self._stage)
        self.staying = self._alice.start(shared)
        wait_until("the connection that stays", self._master.exists)

    def kinds(self) -> list[Callable[[], None]]:
        return [
            self.shell, self.command, self.jump, self.shared, self.files, self.forward, self.denied, self.stranger,
            self.approval, self.control, self.killed,
        ]  # fmt: skip

    def shell(self) -> None:
        shell = self._alice.terminal(self._alice.ssh_command("-tt", self._stage))
        for number in range(3):
            shell.sendline(f"echo line $((40 + {number})); customers")
            shell.expect(f"line {40 + number}")
        shell.sendline("exit")
        shell.expect(pexpect.EOF)
        shell.close()

    def command(self) -> None:
        self._expect(self._alice.ssh(self._web, "customers; seq 20000").status, 0)

    def jump(self) -> None:
        self._expect(self._alice.jump(f"{self._world.login}@web-1", "cat >/dev/null; echo done").status, 0)

    def shared(self) -> None:
        self._expect(self._alice.ssh("-S", str(self._master), self._stage, "seq 100").status, 0)

    def files(self) -> None:
        name = f"soak-{random.randrange(10**9)}"
        there = self._world.scratch / name
        batch = f"put {self._file} {there}\nget {there} {self._file}.{name}\nrm {there}\n"
        sftp = ["sftp", "-F", str(self._alice.config), "-b", "-", self._stage]
        self._expect(self._alice.run(sftp, stdin=batch.encode()).status, 0)
        Path(f"{self._file}.{name}").unlink()

    def forward(self) -> None:
        way = ("-J", "bastion", "-W", f"127.0.0.1:{self._echo}", f"{self._world.login}@stage-1")
        self._expect(self._alice.ssh(*way, stdin=b"hello" * 1000).out[:5], b"hello")

    def denied(self) -> None:
        self._expect(self._alice.ssh(self._web, "touch /nowhere/forbidden").status, 126)

    def stranger(self) -> None:
        self._expect(self._stranger.ssh("bastion", "whoami").status, 255)

    def approval(self) -> None:
        running = self._alice.start(self._alice.ssh_command(self._web, "deploy soak"))
        name = running.wait_for(r"waiting for approval (\w+)")[1]
        verb, status = random.choice((("approve", 0), ("deny", 126)))
        self._expect(self._bob.ssh("bastion", "approvals", verb, name).status, 0)
        self._expect(running.finish().status, status)

    def control(self) -> None:
        for command in (["sessions", "list", "--json"], ["whoami"], ["audit", "log", "--limit", "20"]):
            self._expect(self._bob.ssh("bastion", *command).status, 0)

    def killed(self) -> None:
        """A client that is gone without a word."""
        running = self._alice.start(self._alice.ssh_command(self._stage, "echo up; cat"))
        running.wait_for("^up$")
        running.process.kill()
        running.finish()

    def _expect(self, found: object, wanted: object) -> None:
        if found != wanted:
            raise AssertionError(f"{found!r} instead of {wanted!r}")

    def leave(self) -> None:
        self.staying.process.terminate()
        self.staying.finish()


class Load:
    """One thread a kind, each doing its thing again and again until stopped."""

    def __init__(self, kinds: Sequence[Callable[[], None]]) -> None:
        self.done: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._repeat, args=(kind,)) for kind in kinds]
        for thread in self._threads:
            thread.start()

    def _repeat(self, kind: Callable[[], None]) -> None:
        while not self._stop.wait(random.expovariate(1 / PAUSE_SECONDS)):
            try:
                kind()
                self.done[kind.__name__] += 1
            except Exception as error:  # noqa: BLE001 - counted, shown, and makes the run fail
                self.faults[f"{kind.__name__}: {str(error)[:200]}"] += 1

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


def rise(values: Sequence[float]) -> float:
    """Return by how much the straight line through the values rises from the first to the last."""
    return statistics.linear_regression(range(len(values)), values).slope * (len(values) - 1)


def verdicts(rows: Sequence[Figures], before: Figures, after: Figures) -> list[tuple[bool, str]]:
    """Return of each criterion whether it is met, and the words for it."""
    steady = rows[int(len(rows) * WARM_UP) :]
    found = []
    for field in fields(Figures):
        values = [getattr(row, field.name) for row in steady]
        allowed = MOST_MEMORY * values[0] if field.name == "rss" else MOST_OTHERS
        grown = rise(values) if len(values) > 1 else 0.0
        found.append((grown <= allowed, f"{field.name} rises by {grown:+.1f}, {allowed:.1f} allowed"))
    for name in ("descriptors", "tasks"):
        left = getattr(after, name) - getattr(before, name)
        found.append((left <= 1, f"{name} once everybody left: {left:+.0f}, 1 allowed"))
    return found


def run(minutes: int, folder: Path) -> bool:
    """Do it all, and return whether everything stayed flat."""
    with World(folder / "world") as world, socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Echo) as echo:
        threading.Thread(target=echo.serve_forever, daemon=True).start()
        (folder / "bastion").mkdir()
        shutil.copytree(world.bastion.folder / "hostkeys", folder / "bastion" / "hostkeys")
        port = free_port()
        config = world.config().replace("[server]", f'[server]\nmetrics = "127.0.0.1:{port}"', 1)
        bastion = Bastion(folder / "bastion", config)
        try:
            return _watch(minutes, Watcher(bastion, port), lambda: Mix(world, bastion, folder, echo.server_address[1]))
        finally:
            bastion.stop()
            echo.shutdown()


def _watch(minutes: int, watcher: Watcher, make_mix: Callable[[], Mix]) -> bool:
    mix = make_mix()
    for kind in mix.kinds():  # so that what is made at the first use of something is there already
        kind()
    before = watcher.lowest(20)
    _show("before", before)
    load = Load(mix.kinds())
    rows = []
    try:
        for minute in range(1, minutes + 1):
            rows.append(watcher.lowest(60))
            _show(f"{minute} min", rows[-1], f"{load.done.total()} done, {load.faults.total()} faults")
    finally:
        load.stop()
    after = watcher.lowest(20)
    _show("after", after)
    mix.leave()
    print("done:", ", ".join(f"{number} {kind}" for kind, number in sorted(load.done.items())))
    for fault, number in load.faults.items():
        print(f"FAULT {number} times: {fault}")
    found = verdicts(rows, before, after)
    for good, text in found:
        print("ok  " if good else "FAIL", text)
    passed = all(good for good, _ in found) and not load.faults
    print("PASS" if passed else "FAIL")
    return passed


def _show(when: str, figures: Figures, more: str = "") -> None:
    cells = f"RSS {figures.rss:7.1f} MiB  descriptors {figures.descriptors:4.0f}  tasks {figures.tasks:4.0f}"
    print(f"{when:>8}  {cells}  threads {figures.threads:3.0f}  {more}", flush=True)


def main() -> int:
    """Run the soak; status 1 where something grew or went wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=int, default=30)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bastion-soak-") as folder:
        return 0 if run(arguments.minutes, Path(folder)) else 1


if __name__ == "__main__":
    sys.exit(main())
