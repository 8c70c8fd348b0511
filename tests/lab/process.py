"""Child processes of the lab: started with a log file, waited for by what they do, and always stopped.

Each runs in a process group of its own, so that Ctrl-C in a terminal reaches the demo alone, which then stops its
children in order. Nothing here knows what the programs are.
"""

import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self, TypeVar

T = TypeVar("T")
POLL = 0.02  # seconds between two looks at a condition


class LabError(Exception):
    """A server of the lab did not do what it should; the message holds the end of its log."""


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def wait_until(what: str, condition: Callable[[], T | None], timeout: float = 20) -> T:
    """Return the first true answer of `condition`; raise LabError naming `what` when `timeout` seconds are over."""
    deadline = time.monotonic() + timeout
    while True:
        if answer := condition():
            return answer
        if time.monotonic() > deadline:
            raise LabError(f"waited {timeout:g} s in vain for {what}")
        time.sleep(POLL)


def accepts(port: int, address: str = "127.0.0.1") -> bool:
    """Return whether someone listens on this port of a loopback address."""
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as probe:
        probe.settimeout(1)
        return probe.connect_ex((address, port)) == 0


class Server:
    """A running child process. `log` receives its stdout and stderr; use it as a context manager, or call `stop`."""

    def __init__(
        self, name: str, command: Sequence[str], log: Path, *, cwd: Path, env: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        self.log = log
        with log.open("ab") as output:
            self._begin = output.tell()
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=cwd,
                env={**os.environ, **(env or {})},
                start_new_session=True,
            )

    def output(self) -> str:
        """Return all it has printed since this start."""
        return self.log.read_bytes()[self._begin :].decode(errors="replace")

    def wait_for(self, what: str, condition: Callable[[], object], timeout: float = 30) -> None:
        """Wait for a condition; raise LabError with the end of the log when the process ends first or time is over."""

        def ready() -> bool:
            if self.process.poll() is not None:
                raise LabError(f"{self.name} ended with status {self.process.returncode}:\n{self.output()[-2000:]}")
            return bool(condition())

        try:
            wait_until(what, ready, timeout)
        except LabError as error:
            raise LabError(f"{self.name}: {error}\n{self.output()[-2000:]}") from None

    def wait_for_line(self, pattern: str, timeout: float = 30) -> re.Match[str]:
        """Wait for a line of output that matches, and return the match."""
        self.wait_for(repr(pattern), lambda: re.search(pattern, self.output(), re.MULTILINE), timeout)
        found = re.search(pattern, self.output(), re.MULTILINE)
        assert found is not None
        return found

    def stop(self, timeout: float = 10) -> int:
        """End the process and what it started: asked first, forced after `timeout` seconds. Returns its status."""
        if self.process.poll() is None:
            self._signal(signal.SIGTERM)
            try:
                self.process.wait(timeout)
            except subprocess.TimeoutExpired:
                self._signal(signal.SIGKILL)
        status = self.process.wait()
        self._signal(signal.SIGKILL)  # what the process left behind in its group
        return status

    def _signal(self, number: signal.Signals) -> None:
        """Signal the whole process group, which may be gone already."""
        try:
            os.killpg(self.process.pid, number)
        except (ProcessLookupError, PermissionError):
            return

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
