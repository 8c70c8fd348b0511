"""Recordings and the journal: what happened can be listed, replayed, exported and proven, and tampering shows."""

import json
import re
import shutil
import sqlite3
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import PROMPT, Reach, open_shell
from tests.lab.bastion import Bastion, World, program, run_bastion
from tests.lab.client import Client

SESSION_FIELDS = {
    "id", "identity", "kind", "target", "login", "channel", "command", "started", "ended", "exit_status", "verdict",
    "bytes_in", "bytes_out", "recording", "masked",
}  # fmt: skip
ENTRY_FIELDS = {"seq", "time", "node", "type", "identity", "session", "data", "prev", "hash"}


def newest(client: Client) -> dict[str, Any]:
    """Return the newest session a client may see."""
    row = client.json("sessions", "list")[0]
    assert isinstance(row, dict)
    return row


def test_session_of_a_command(reach: Reach, alice: Client, world: World) -> None:
    assert reach("wc -c; exit 43", stdin=b"12345").status == 43
    row = newest(alice)
    assert set(row) >= SESSION_FIELDS
    assert (row["identity"], row["target"], row["login"]) == ("alice", "web-1", world.login)
    assert (row["channel"], row["command"], row["exit_status"]) == ("exec", "wc -c; exit 43", "43")
    assert (row["bytes_in"], row["bytes_out"], row["verdict"]) == (5, 2, "allow")
    assert row["started"] < row["ended"]
    assert row["ended"].endswith("Z")


def test_denied_command_is_kept(alice: Client, world: World) -> None:
    assert alice.jump(f"{world.login}@web-1", "rm -rf /").status == 126
    row = newest(alice)
    assert (row["verdict"], row["exit_status"]) == ("deny", "126")


def test_show(alice: Client) -> None:
    row = newest(alice)
    assert alice.json("sessions", "show", row["id"]) == row
    done = alice.cli("sessions", "show", row["id"])
    assert (done.status, row["id"] in done.text) == (0, True)
    missing = alice.cli("sessions", "show", "nonsense")
    assert (missing.status, len(missing.said)) == (4, 1)


def test_people_see_their_own_sessions(alice: Client, bob: Client, people: dict[str, Client], world: World) -> None:
    assert alice.jump(f"{world.login}@web-1", "true").status == 0
    row = newest(alice)
    assert any(other["id"] == row["id"] for other in bob.json("sessions", "list")), "who may replay sees all"
    assert all(other["identity"] == "erin" for other in people["erin"].json("sessions", "list"))
    for command in (["show"], ["play"], ["export", "--format", "cast"]):
        assert people["erin"].cli("sessions", *command, row["id"]).status in {3, 4}


def test_export_is_asciicast_and_plays_in_stock_asciinema(alice: Client, world: World, tmp_path: Path) -> None:
    text = "line ążź 日本 🙂"
    assert alice.jump(f"{world.login}@web-1", f"echo '{text}'; echo second >&2").status == 0
    exported = alice.cli("sessions", "export", newest(alice)["id"], "--format", "cast")
    assert exported.status == 0
    header, *events = (json.loads(line) for line in exported.text.splitlines())
    assert header["version"] == 2
    assert {"width", "height", "timestamp"} <= set(header)
    assert text in "".join(event[2] for event in events if event[1] == "o")
    assert [event[0] for event in events] == sorted(event[0] for event in events)
    cast = tmp_path / "session.cast"
    cast.write_bytes(exported.out)
    played = alice.terminal([program("asciinema"), "play", "-s", "20", str(cast)], rows=30, columns=100)
    played.expect_exact(text)
    played.expect_exact("second")
    assert played.wait() == 0
    assert (
        text in subprocess.run([program("asciinema"), "cat", cast], check=True, capture_output=True, text=True).stdout
    )


def test_play(alice: Client, world: World) -> None:
    """On a terminal, by plain ssh and by the program, from a shell with a resize in it."""
    shell = open_shell(alice, "-J", "bastion", f"{world.login}@web-1")
    shell.setwinsize(30, 90)
    shell.sendline("echo marvel$((1))lous")
    shell.expect("marvel1lous")
    shell.expect_exact(PROMPT)
    shell.sendline("exit 3")
    shell.wait()
    row = newest(alice)
    assert (row["channel"], row["exit_status"]) == ("shell", "3")
    for command in (
        alice.ssh_command("-t", "bastion", f"sessions play --speed 16 {row['id']}"),
        alice.cli_command("sessions", "play", "--speed", "16", row["id"]),
    ):
        player = alice.terminal(command, rows=40, columns=120)
        player.expect("marvel1lous")
        player.send("q")
        player.wait()
        assert player.exitstatus == 0


def test_recording_is_written_before_the_bytes_go_on(alice: Client, world: World) -> None:
    """While a session lives, what its client has seen is in the file."""
    running = alice.start(alice.ssh_command("-J", "bastion", f"{world.login}@web-1", "echo visible-now; cat"))
    running.wait_for("^visible-now$")
    live = [path for path in world.bastion.files() if path.suffix != ".db" and b"visible-now" in path.read_bytes()]
    assert live
    assert running.finish().status == 0


def test_audit_log_tells_the_story(alice: Client, bob: Client, world: World) -> None:
    before = bob.json("audit", "log")[-1]["seq"]
    assert alice.jump(f"{world.login}@web-1", "echo story; exit 2").status == 2
    assert alice.jump(f"{world.login}@web-1", "rm -rf /").status == 126
    entries = [entry for entry in bob.json("audit", "log") if entry["seq"] > before]
    assert all(set(entry) >= ENTRY_FIELDS for entry in entries)
    types = [entry["type"] for entry in entries if entry["identity"] == "alice"]
    for expected in ("connection.open", "access.granted", "channel.open", "command.verdict", "channel.close"):
        assert expected in types, types
    verdicts = [entry["data"] for entry in entries if entry["type"] == "command.verdict"]
    assert "wipe" in json.dumps(verdicts)


def test_logins_and_exports_are_in_the_journal(alice: Client, bob: Client) -> None:
    row = newest(alice)
    assert bob.cli("sessions", "export", row["id"], "--format", "cast").status == 0
    types = {entry["type"] for entry in bob.json("audit", "log", "--limit", "100000")}
    assert {"login", "certificate.issued", "recording.exported"} <= types


def test_audit_is_for_auditors(alice: Client, people: dict[str, Client]) -> None:
    for name in ("alice", "mallory"):
        for command in ("log", "verify"):
            done = people[name].cli("audit", command)
            assert (done.status, done.out, len(done.said)) == (3, b"", 1)


def test_audit_verifies(bob: Client) -> None:
    done = bob.cli("audit", "verify")
    assert (done.status, done.errors) == (0, "")
    assert bob.ssh("bastion", "audit", "verify").status == 0


@pytest.mark.parametrize("change", ["data", "delete", "identity"])
def test_tampering_shows(world: World, bob: Client, change: str, tmp_path: Path) -> None:
    """On a copy of what the bastion keeps, one entry is changed with another program."""
    copy = tmp_path / "bastion"
    (copy / "var").mkdir(parents=True)
    shutil.copytree(world.bastion.folder / "hostkeys", copy / "hostkeys")
    with (
        sqlite3.connect(world.bastion.folder / "var" / "bastion.db") as live,
        sqlite3.connect(copy / "var" / "bastion.db") as other,
    ):
        live.backup(other)
        table = next(
            name for (name,) in other.execute("select name from sqlite_master where type='table'") if "journal" in name
        )
        middle = other.execute(f"select max(seq) / 2 from {table}").fetchone()[0]
        statement = {
            "data": f"update {table} set data = '{{}}' where seq = {middle}",
            "delete": f"delete from {table} where seq = {middle}",
            "identity": f"update {table} set identity = 'nobody' where seq = {middle}",
        }[change]
        for (trigger,) in other.execute("select name from sqlite_master where type='trigger'").fetchall():
            other.execute(f"drop trigger {trigger}")  # the database itself refuses changes at first
        assert other.execute(statement).rowcount == 1
    other.close()
    live.close()
    (copy / "var" / "bastion.db").chmod(0o600)
    bastion = Bastion(copy, world.config())
    try:
        auditor = Client(tmp_path / "auditor", bastion, "bob", world.login)
        auditor.sign_in(world.people.token("bob"))
        done = auditor.cli("audit", "verify")
    finally:
        bastion.stop()
    assert done.status == 1
    assert re.search(rf"\b({middle}|{middle + 1})\b", done.text + done.errors)


def test_check(world: World) -> None:
    done = run_bastion("check", "-c", str(world.bastion.config), cwd=world.folder)
    assert (done.returncode, done.stderr) == (0, "")
