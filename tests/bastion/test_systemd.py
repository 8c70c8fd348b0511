"""What systemd is told, and that it accepts the unit that `bastion init` writes."""

import asyncio
import re
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from bastion.config.template import unit
from bastion.systemd import ServiceManager

WORST = 2.0  # of what systemd-analyze calls exposure: 0 is none, 10 all


@pytest.fixture
def heard(tmp_path: Path) -> Iterator[socket.socket]:
    """What systemd would hear."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(tmp_path / "notify"))
        sock.settimeout(10)
        yield sock


async def test_it_is_ready_alive_and_stops(heard: socket.socket) -> None:
    told = {"NOTIFY_SOCKET": heard.getsockname(), "WATCHDOG_USEC": "2000", "WATCHDOG_PID": "7"}
    async with ServiceManager(told, 7).serving(20):
        assert heard.recv(100) == b"READY=1"
        for _ in range(3):
            assert await asyncio.to_thread(heard.recv, 100) == b"WATCHDOG=1"
    last = b""
    while not last.startswith(b"STOPPING"):
        last = heard.recv(100)
    assert last == b"STOPPING=1\nEXTEND_TIMEOUT_USEC=20000000"


@pytest.mark.parametrize(
    "told", [{}, {"NOTIFY_SOCKET": "/nowhere"}, {"WATCHDOG_USEC": "x"}, {"WATCHDOG_USEC": "2000", "WATCHDOG_PID": "8"}]
)
async def test_without_systemd_nothing_happens(told: dict[str, str]) -> None:
    async with ServiceManager(told, 7).serving(1):
        assert len(asyncio.all_tasks()) == 1


def write_unit(folder: Path) -> Path:
    program = folder / "bin" / "bastion"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    path = folder / "bastion.service"
    path.write_text(unit(folder, program))
    return path


def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    path = write_unit(tmp_path)
    done = subprocess.run(["systemd-analyze", "verify", str(path)], capture_output=True, text=True, check=False)
    assert (done.returncode, [line for line in done.stderr.splitlines() if "bastion" in line]) == (0, [])


def test_the_sandbox_is_tight(tmp_path: Path) -> None:
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager", str(write_unit(tmp_path))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    level = re.search(r"Overall exposure level.*?: ([0-9.]+)", done.stdout)
    assert level is not None, done.stderr
    assert float(level[1]) <= WORST


@pytest.mark.parametrize(("folder", "home"), [("/srv/bastion", "yes"), ("/home/ops/100%", "read-only")])
def test_homes_are_hidden_unless_it_lives_in_one(folder: str, home: str) -> None:
    text = unit(Path(folder), Path("/opt/bastion/bin/bastion"))
    assert f"ProtectHome={home}\n" in text
    assert f"ReadWritePaths={folder.replace('%', '%%')}\n" in text
    assert "@" not in re.sub(r"@(?:system-service|privileged|resources)", "", text)
