"""Commands of the server's machine: init, check, db upgrade, in a real folder."""

import os
import stat
import subprocess
from pathlib import Path

import pytest

from tests.cli.door import PROGRAM

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"
CONFIG = f"""\
[server]
listen = "127.0.0.1:2222"
names = ["localhost"]

[store]
database = "sqlite:///var/bastion.db"
recordings = "var/recordings"

[issuers.corp]
url = "https://idp.example.com"
client_id = "bastion"
audience = "bastion"

[targets.web-1]
protocol = "ssh"
address = "127.0.0.1:22"
host_key = "{KEY}"
credential = {{ kind = "certificate" }}

[roles.engineer]
groups = ["eng"]
targets = ["web-1"]
logins = ["deploy"]
channels = ["exec"]
"""


def bastion(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    return subprocess.run(
        [PROGRAM, *arguments], cwd=folder, env=environment, check=False, capture_output=True, text=True, timeout=30
    )


def test_init_writes_a_configuration_and_keys(tmp_path: Path) -> None:
    done = bastion(tmp_path, "init", "here", "--name", "gate.example.com")
    assert (done.returncode, done.stderr) == (0, "")
    assert "next:\n" in done.stdout
    assert "bastion check -c here/bastion.toml" in done.stdout
    assert '"gate.example.com"' in (tmp_path / "here" / "bastion.toml").read_text()
    for name in ("ssh_host_ed25519_key", "host_ca", "user_ca", "target_ca"):
        key = tmp_path / "here" / "hostkeys" / name
        assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_init_changes_nothing_that_is_there(tmp_path: Path) -> None:
    bastion(tmp_path, "init")
    config, key = tmp_path / "bastion.toml", tmp_path / "hostkeys" / "user_ca"
    config.write_text(CONFIG)
    before = key.read_bytes()
    done = bastion(tmp_path, "init", ".")
    assert done.returncode == 0
    assert "was there already, unchanged" in done.stdout
    assert (config.read_text(), key.read_bytes()) == (CONFIG, before)


def test_init_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = bastion(tmp_path, "init", "file/below")
    assert done.returncode == 2
    assert done.stderr.startswith("bastion: ")
    assert "Traceback" not in done.stderr


def test_check(tmp_path: Path) -> None:
    (tmp_path / "bastion.toml").write_text(CONFIG)
    done = bastion(tmp_path, "check")
    assert (done.returncode, done.stdout) == (0, "bastion.toml: OK\n")
    done = bastion(tmp_path, "check", "-c", "bastion.toml", "--json")
    assert done.returncode == 0
    assert done.stdout.startswith('{\n  "ok": true')


def test_check_names_every_mistake(tmp_path: Path) -> None:
    (tmp_path / "bastion.toml").write_text(CONFIG.replace("names =", "nmaes =").replace('"exec"', '"exce"'))
    done = bastion(tmp_path, "check", "-c", "bastion.toml")
    assert done.returncode == 2
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert len(lines) == 2
    assert all(line.startswith("bastion: ") for line in lines)
    assert "server.nmaes" in done.stderr
    done = bastion(tmp_path, "check", "-c", "bastion.toml", "--json")
    assert done.returncode == 2
    assert '"ok": false' in done.stdout


@pytest.mark.parametrize("command", [["check"], ["serve"], ["db", "upgrade"]])
def test_without_a_configuration(tmp_path: Path, command: list[str]) -> None:
    done = bastion(tmp_path, *command, "-c", "nowhere.toml")
    assert done.returncode == 2
    assert done.stderr.startswith("bastion: nowhere.toml: no such file")
    assert done.stderr.count("\n") == 1


def test_db_upgrade(tmp_path: Path) -> None:
    (tmp_path / "bastion.toml").write_text(CONFIG)
    done = bastion(tmp_path, "db", "upgrade", "-c", "bastion.toml")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "the database is up to date (it was new)\n"
    assert (tmp_path / "var" / "bastion.db").exists()
    assert bastion(tmp_path, "db", "upgrade", "-c", "bastion.toml").returncode == 0


def test_help_of_the_program(tmp_path: Path) -> None:
    done = bastion(tmp_path, "--help")
    assert done.returncode == 0
    assert done.stdout.startswith("Usage: bastion [OPTIONS] COMMAND")
    nothing = bastion(tmp_path)
    assert nothing.returncode == 2
    assert nothing.stderr.startswith("Usage: bastion")


def test_a_defect_shows_no_traceback(tmp_path: Path) -> None:
    script = (
        "import sys, cli.main, cli.commands.check as check\n"
        "def broken(*_): raise ZeroDivisionError('detail')\n"
        "check.load = broken\n"
        "sys.argv = ['bastion', 'check']\n"
        "cli.main.main()\n"
    )
    python = str(Path(PROGRAM).with_name("python"))
    for debug, traceback in (("", False), ("1", True)):
        done = subprocess.run(
            [python, "-c", script], check=False, capture_output=True, text=True, env={"BASTION_DEBUG": debug}
        )
        assert done.returncode == 1
        assert "bastion: internal error; run it again with BASTION_DEBUG=1" in done.stderr
        assert ("Traceback" in done.stderr) is traceback
