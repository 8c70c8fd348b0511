"""Commands of the server's machine: init, check, db upgrade, in a real folder."""

import json
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


def bastion(folder: Path, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    command = [PROGRAM, *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment, input=stdin, check=False, capture_output=True, text=True, timeout=30
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
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("warning: bastion.toml: masking: is missing")
    assert done.stdout.endswith("\nbastion.toml: OK\n")
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


def test_a_command_that_reads_alike_is_named(tmp_path: Path) -> None:
    done = bastion(tmp_path, "aprovals")
    assert done.returncode == 2
    assert "no such command 'aprovals'. Did you mean 'approvals'?" in done.stderr


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


@pytest.mark.parametrize(("command", "module"), [("serve", "uvloop"), ("check", "asyncio")])
def test_the_server_alone_runs_on_the_fast_event_loop(command: str, module: str) -> None:
    script = (
        "import asyncio, sys, cli.main\n"
        "async def run(*_, **__): print(type(asyncio.get_running_loop()).__module__)\n"
        "cli.main.run = run\n"
        f"sys.argv = ['bastion', '{command}', '-c', 'bastion.toml']\n"
        "cli.main.main()\n"
    )
    python = str(Path(PROGRAM).with_name("python"))
    done = subprocess.run([python, "-c", script], check=False, capture_output=True, text=True)
    assert done.stdout.startswith(module), done.stderr


RULES = """
[[rules]]
name = "wipe"
action = "deny"
commands = ["rm -rf /"]
reason = "destroys the host"

[[rules]]
name = "change"
action = "approve"
commands = ["deploy **"]
approvers = ["sre"]
"""

WHO = ("--user", "alice", "--groups", "eng", "--target", "web-1")


@pytest.mark.parametrize(
    ("command", "verdict", "rule"),
    [
        (["rm -fr //"], "deny", "wipe"),
        (["rm", "-rf", "/"], "deny", "wipe"),
        (["sudo deploy shop"], "approve", "change"),
        (["ls -l"], "allow", ""),
        (["ls -l; $X"], "approve", "change"),  # what cannot be known may be it
    ],
)
def test_policy_explain(tmp_path: Path, command: list[str], verdict: str, rule: str) -> None:
    (tmp_path / "bastion.toml").write_text(CONFIG + RULES)
    done = bastion(tmp_path, "policy", "explain", *WHO, "--json", "--", *command)
    assert (done.returncode, done.stderr) == (0, "")
    answer = json.loads(done.stdout)
    assert set(answer) >= {"verdict", "rule", "approvers", "reason", "commands", "opaque"}
    assert (answer["verdict"], answer["rule"]) == (verdict, rule)
    assert answer["approvers"] == (["sre"] if verdict == "approve" else [])
    drawn = bastion(tmp_path, "policy", "explain", *WHO, "--", *command)
    assert drawn.stdout.startswith(f"{verdict} by ")
    assert "\x1b" not in drawn.stdout
    assert ("not certain (unknown-command)" in drawn.stdout) == ("$X" in command[0])


def test_policy_explain_for_somebody_without_access(tmp_path: Path) -> None:
    (tmp_path / "bastion.toml").write_text(CONFIG + RULES)
    for who in (["--groups", "other"], ["--groups", "eng", "--login", "root"]):
        done = bastion(tmp_path, "policy", "explain", "--user", "a", "--target", "web-1", *who, "--", "ls")
        assert done.stdout.startswith("deny: no role lets this user reach web-1")


def test_policy_explain_of_nothing_that_exists(tmp_path: Path) -> None:
    (tmp_path / "bastion.toml").write_text(CONFIG)
    done = bastion(tmp_path, "policy", "explain", "--user", "a", "--target", "web-2", "--", "ls")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("bastion: bastion.toml: there is no target web-2; there are web-1")


def test_policy_explain_at_a_time_and_from_standard_input(tmp_path: Path) -> None:
    night = RULES.replace('name = "wipe"', 'name = "wipe"\ntimes = ["22:00-06:00"]')
    (tmp_path / "bastion.toml").write_text(CONFIG + night)
    for at, said in (("2026-11-27T12:00Z", "allow by default"), ("2026-11-27T23:00", "deny by rule wipe")):
        done = bastion(tmp_path, "policy", "explain", *WHO, "--at", at, "--", "-", stdin="echo a\nrm -rf /\n")
        assert done.stdout.startswith(said)
    assert bastion(tmp_path, "policy", "explain", *WHO, "--at", "noon", "--", "ls").returncode == 2


def test_policy_packs(tmp_path: Path) -> None:
    listed = bastion(tmp_path, "policy", "packs", "--json")
    assert {"files", "secrets", "persistence"} <= {row["name"] for row in json.loads(listed.stdout)}
    assert "mkfs **" in bastion(tmp_path, "policy", "packs", "disks").stdout
    assert bastion(tmp_path, "policy", "packs", "disk").returncode == 2
    (tmp_path / "bastion.toml").write_text(
        CONFIG
        + RULES
        + """
[[rules]]
name = "dangerous"
action = "deny"
packs = ["disks"]
"""
    )
    done = bastion(tmp_path, "policy", "explain", *WHO, "--", "mkfs.ext4 /dev/sdb1")
    assert done.stdout.startswith("deny by rule dangerous: changes disks, partitions or file systems")


def test_check_reads_the_rules_patterns(tmp_path: Path) -> None:
    (tmp_path / "bastion.toml").write_text(CONFIG + RULES.replace('"rm -rf /"', "'''rm \"'''"))
    done = bastion(tmp_path, "check")
    assert done.returncode == 2
    assert "rules[0].commands[0]" in done.stderr
