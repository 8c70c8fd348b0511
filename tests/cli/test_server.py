"""The control plane as typed: `ssh bastion …`, with real services over the memory store."""

import asyncio
import json
from datetime import timedelta
from unittest.mock import patch

import pytest

from bastion.errors import UnavailableError
from bastion.model import Action, Verdict
from tests.cli.world import ALICE, BOB, CAROL, HOST_CA, ROBOT, MemoryTerminal, World

APPROVAL = {
    "id", "state", "rule", "requester", "kind", "target", "login", "command", "reason", "approvers", "decisions",
    "created", "expires",
}  # fmt: skip
SESSION = {
    "id", "identity", "kind", "target", "login", "channel", "command", "started", "ended", "exit_status", "verdict",
    "bytes_in", "bytes_out", "recording", "masked",
}  # fmt: skip
ENTRY = {"seq", "time", "node", "type", "identity", "session", "data", "prev", "hash"}


async def test_whoami(world: World) -> None:
    ran = await world.run(ALICE, "whoami --json")
    assert ran.status == 0
    assert ran.json == {
        "identity": "alice",
        "issuer": "corp",
        "subject": "sub-alice",
        "groups": ["sre"],
        "kind": "human",
        "rights": ["approve", "audit", "kill", "replay", "revoke"],
        "certificate": {"serial": "11", "expires": "2026-11-23T04:49:00.000Z"},
    }
    plain = await world.run(ALICE, "whoami")
    assert "identity:    alice\n" in plain.out
    assert "11, until 2026-11-23 04:49:00Z (8h00m left)" in plain.out


async def test_whoami_without_a_certificate(world: World) -> None:
    from tests.cli.world import identity

    ran = await world.run(identity("dave", serial=0), "whoami --json")
    assert ran.json["certificate"] is None


async def test_targets(world: World) -> None:
    ran = await world.run(BOB, "targets --json")
    assert ran.json == [
        {"name": "orders", "protocol": "postgres", "labels": {}, "logins": [], "channels": ["forward"],
         "access": "granted"},
        {"name": "web-1", "protocol": "ssh", "labels": {"env": "prod"}, "logins": ["deploy"],
         "channels": ["exec", "forward", "shell"], "access": "granted"},
    ]  # fmt: skip
    assert (await world.run(ALICE, "targets --json")).json == []


async def test_ssh_config(world: World) -> None:
    ran = await world.run(BOB, "ssh-config")
    assert "    HostName bastion.example.com\n    Port 2222\n" in ran.out
    assert "Host web-1\n    ProxyJump bastion\n" in ran.out
    line = ran.out.splitlines()[-1]
    kind, key = HOST_CA.split()[:2]
    assert line == f"@cert-authority [bastion.example.com]:2222,[gate]:2222,web-1 {kind} {key}"
    assert (await world.run(BOB, "ssh-config --json")).json["known_hosts"] == line


async def test_approvals_list_shows_own_and_those_to_decide(world: World) -> None:
    row = await world.ask(BOB)
    for who, ids in [(ALICE, [row.id]), (BOB, [row.id]), (ROBOT, []), (CAROL, [])]:
        ran = await world.run(who, "approvals list --json")
        assert [entry["id"] for entry in ran.json] == ids, who.name
    entry = (await world.run(ALICE, "approvals list --json")).json[0]
    assert set(entry) >= APPROVAL
    assert entry["requester"] == "bob"
    assert entry["kind"] == "human"
    assert entry["created"] == "2026-11-22T20:49:00.000Z"
    assert entry["expires"] == "2026-11-22T20:59:00.000Z"


async def test_approvals_list_by_state(world: World) -> None:
    await world.ask(BOB)
    assert len((await world.run(ALICE, "approvals list --json --state pending")).json) == 1
    assert (await world.run(ALICE, "approvals list --json --state denied --state used")).json == []
    assert (await world.run(ALICE, "approvals list --state nonsense")).status == 2


async def test_approve(world: World) -> None:
    row = await world.ask(BOB)
    ran = await world.run(ALICE, f"approvals approve {row.id} --reason 'as agreed' --for 10m --json")
    assert ran.status == 0
    assert ran.json["state"] == "approved"
    assert ran.json["expires"] == "2026-11-22T20:59:00.000Z"
    [decision] = ran.json["decisions"]
    assert (decision["who"], decision["approve"], decision["reason"]) == ("alice", True, "as agreed")
    shown = await world.run(BOB, f"approvals show {row.id}")
    assert "approved:  alice, 2026-11-22 20:49:00Z: as agreed\n" in shown.out


async def test_deny(world: World) -> None:
    row = await world.ask(BOB)
    ran = await world.run(ALICE, f"approvals deny {row.id} --reason no")
    assert (ran.status, ran.out) == (0, f"approval {row.id} denied\n")


async def test_one_of_two_approvals(world: World) -> None:
    row = await world.ask(BOB, verdict=Verdict(Action.APPROVE, "two", "", ("sre",), 2, 600.0))
    ran = await world.run(ALICE, f"approvals approve {row.id}")
    assert ran.out == f"approval {row.id} has 1 of 2 approvals, until 2026-11-22T20:59:00.000Z\n"


@pytest.mark.parametrize("verb", ["approve", "deny"])
async def test_who_may_not_decide(world: World, verb: str) -> None:
    row = await world.ask(BOB)
    own = await world.ask(ALICE, b"reboot")
    for who, approval, status in [
        (BOB, row.id, 3),  # one's own
        (ALICE, own.id, 3),  # one's own, with the right
        (ROBOT, row.id, 3),  # without the right
        (ROBOT, "zzzzzzzz", 3),  # without the right nothing is told of ids
        (CAROL, row.id, 3),  # the right, but none of the approvers
        (ALICE, "zzzzzzzz", 4),
    ]:
        ran = await world.run(who, f"approvals {verb} {approval}")
        assert ran.status == status, (who.name, approval)
        assert ran.out == ""
        assert ran.err.startswith("bastion: ")
        assert ran.err.count("\n") == 1
    assert (await world.approvals.get(row.id, BOB, may_approve=False)).state == "pending"


async def test_the_answer_does_not_tell_whether_an_approval_exists(world: World) -> None:
    row = await world.ask(BOB)
    for command in ("show", "approve", "deny"):
        there = await world.run(ROBOT, f"approvals {command} {row.id}")
        nowhere = await world.run(ROBOT, f"approvals {command} zzzzzzzz")
        assert (there.status, there.err.replace(row.id, "zzzzzzzz")) == (nowhere.status, nowhere.err)
        assert there.status == (4 if command == "show" else 3)


async def test_deciding_twice_fails_with_a_reason(world: World) -> None:
    row = await world.ask(BOB)
    assert (await world.run(ALICE, f"approvals deny {row.id}")).status == 0
    ran = await world.run(ALICE, f"approvals approve {row.id}")
    assert ran.status == 1
    assert row.id in ran.err


async def test_sessions_are_ones_own_without_the_right(world: World) -> None:
    world.add_session("s1", BOB)
    world.add_session("s2", ROBOT)
    assert [row["id"] for row in (await world.run(BOB, "sessions list --json")).json] == ["s1"]
    assert {row["id"] for row in (await world.run(ALICE, "sessions list --json")).json} == {"s1", "s2"}
    assert (await world.run(ALICE, "sessions list --json --mine")).json == []
    entry = (await world.run(BOB, "sessions show s1 --json")).json
    assert set(entry) >= SESSION
    assert (entry["masked"], entry["exit_status"], entry["bytes_out"]) == ({"email": 2}, "0", 1234)
    hidden = await world.run(BOB, "sessions show s2")
    missing = await world.run(BOB, "sessions show s3")
    assert (hidden.status, hidden.err.replace("s2", "s3")) == (missing.status, missing.err)
    assert hidden.status == 4
    assert (await world.run(ALICE, "sessions show nope")).status == 4


async def test_live_sessions(world: World) -> None:
    world.add_session("s1", BOB)
    world.add_session("s2", BOB, ended=None, exit_status=None)
    assert [row["id"] for row in (await world.run(BOB, "sessions list --json --live")).json] == ["s2"]
    assert [row["id"] for row in (await world.run(BOB, "sessions list --json --ended")).json] == ["s1"]
    assert "live" in (await world.run(BOB, "sessions list --live")).out


async def test_kill(world: World) -> None:
    world.add_session("s1", BOB, ended=None)
    world.live.live = {"s1"}
    for who, session, status in [(BOB, "s1", 3), (BOB, "nope", 3), (ALICE, "nope", 4)]:
        assert (await world.run(who, f"sessions kill {session}")).status == status
    assert world.live.killed == []
    ran = await world.run(ALICE, "sessions kill s1 --reason 'wrong host'")
    assert (ran.status, ran.out) == (0, "ended session s1 of bob on deploy@web-1\n")
    assert world.live.killed == [("s1", "alice", "wrong host")]
    assert ("session.killed", "alice") in world.events()


async def test_audit_log(world: World) -> None:
    await world.ask(BOB)
    assert (await world.run(BOB, "audit log")).status == 3
    entries = (await world.run(ALICE, "audit log --json")).json
    assert set(entries[0]) == ENTRY
    assert [entry["type"] for entry in entries] == ["approval.requested", "journal.read"]
    assert entries[1]["identity"] == "alice"
    later = (await world.run(ALICE, "audit log --json --after 1 --type journal.read --limit 1")).json
    assert [entry["seq"] for entry in later] == [2]
    assert (await world.run(ALICE, "audit log --type no.such.type")).status == 2


async def test_audit_verify(world: World) -> None:
    await world.ask(BOB)
    assert (await world.run(BOB, "audit verify")).status == 3
    ran = await world.run(ALICE, "audit verify --json")
    assert ran.status == 0
    assert (ran.json["ok"], ran.json["count"]) == (True, 1)
    assert ("journal.verified", "alice") in world.events()
    world.store.data.journal.pop(0)
    broken = await world.run(ALICE, "audit verify --json")
    assert broken.status == 1
    assert (broken.json["ok"], broken.json["first_bad_seq"]) == (False, 1)
    assert broken.err.startswith("bastion: the journal ")


async def test_certs(world: World) -> None:
    world.add_certificate(BOB, 100)
    world.add_certificate(BOB, 101, expires=world.now - timedelta(hours=1))
    world.add_certificate(ROBOT, 200)
    mine = (await world.run(BOB, "certs list --json")).json
    assert {row["serial"]: row["state"] for row in mine} == {"100": "valid", "101": "expired"}
    assert len((await world.run(ALICE, "certs list --json")).json) == 3
    assert (await world.run(BOB, "certs revoke 200")).status == 3
    assert (await world.run(BOB, "certs revoke 999")).err == (await world.run(BOB, "certs revoke 200")).err
    assert (await world.run(ALICE, "certs revoke 999")).status == 4
    assert world.live.disconnected == []
    ran = await world.run(ALICE, "certs revoke robot")
    assert (ran.status, ran.out) == (0, "revoked 200 of robot\n")
    assert world.store.certificates.is_revoked(200)
    assert world.live.disconnected == [(frozenset({200}), "alice")]
    assert (await world.run(BOB, "certs revoke 100")).status == 0
    assert (await world.run(BOB, "certs revoke 100")).status == 4
    assert [event for event, _ in world.events()].count("certificate.revoked") == 2


@pytest.mark.parametrize("line", ["approvals list 'open", 'x "', "a \\"])
async def test_lines_that_cannot_be_read(world: World, line: str) -> None:
    ran = await world.run(BOB, line)
    assert ran.status == 2
    assert ran.err.startswith("bastion: cannot read the command line: ")


@pytest.mark.parametrize("line", ["nope", "approvals nope", "approvals approve", "approvals approve X --for 10"])
async def test_lines_that_are_wrong(world: World, line: str) -> None:
    ran = await world.run(BOB, line)
    assert (ran.status, ran.out) == (2, "")
    assert ran.err.startswith("Usage: bastion ")
    assert ran.err.splitlines()[-1].startswith("bastion: ")


async def test_a_text_that_lost_its_quotes(world: World) -> None:
    ran = await world.run(BOB, "approvals deny X --reason too risky")
    assert ran.status == 2
    assert """write texts with spaces as "'two words'";""" in ran.err.splitlines()[-1]


async def test_a_group_alone_shows_its_commands_on_stderr(world: World) -> None:
    ran = await world.run(BOB, "approvals")
    assert (ran.status, ran.out) == (2, "")
    assert "approve" in ran.err


async def test_nothing_a_user_chose_reaches_the_terminal_raw(world: World) -> None:
    evil = "rm \x1b[2J\x9b31m\u202egpj.exe\u200b\r\nbastion: approved"
    await world.ask(BOB, evil.encode())
    await world.ask(BOB, b"\xff\xfe raw")
    world.add_session("s1", BOB, command=evil)
    for tty in (False, True):
        for line in ("approvals list", "sessions list", "sessions show s1", "audit log"):
            ran = await world.run(ALICE, line, MemoryTerminal(tty=tty, columns=200))
            assert ran.status == 0
            assert not set(ran.out) & set("\x1b\x9b\u202e\u200b"), line
            assert not any(text.startswith("bastion: approved") for text in ran.out.splitlines())
    assert r"\udcff\udcfe raw" in (await world.run(ALICE, "approvals list")).out
    listed = (await world.run(ALICE, "approvals list --json")).out
    assert listed.isascii()
    assert evil in [entry["command"] for entry in json.loads(listed)]


async def test_many_callers_at_once_get_their_own_answers(world: World) -> None:
    names = [ALICE, BOB, CAROL, ROBOT] * 10
    lines = ["whoami --json", "whoami --help", "whoami --json", "nonsense"] * 10
    answers = await asyncio.gather(*(world.run(who, line) for who, line in zip(names, lines, strict=True)))
    for who, line, ran in zip(names, lines, answers, strict=True):
        if line == "whoami --json":
            assert ran.json["identity"] == who.name
        else:
            assert who.name not in ran.out + ran.err


async def test_a_defect_shows_a_reference_and_no_traceback(world: World, caplog: pytest.LogCaptureFixture) -> None:
    with patch("cli.commands.whoami.whoami", side_effect=ZeroDivisionError("secret detail")):
        ran = await world.run(BOB, "whoami")
    assert ran.status == 1
    assert ran.err.startswith("bastion: internal error; the server's log has the details (ref ")
    assert "secret detail" not in ran.err
    reference = ran.err.rpartition("ref ")[2].strip(")\n")
    assert reference in caplog.text
    assert "ZeroDivisionError" in caplog.text


async def test_a_store_that_does_not_answer(world: World) -> None:
    with patch.object(world.store.approvals, "list", side_effect=UnavailableError("the database is locked")):
        ran = await world.run(BOB, "approvals list")
    assert (ran.status, ran.err) == (75, "bastion: the database is locked\n")


@pytest.mark.parametrize("size", [0, 1, 2**32 - 1])
async def test_window_sizes_that_no_terminal_has(world: World, size: int) -> None:
    await world.ask(BOB)
    for line in ("approvals list", "whoami", "approvals list --help", "audit log"):
        ran = await world.run(ALICE, line, MemoryTerminal(tty=True, columns=size, rows=size))
        assert ran.status == 0
        assert len(ran.out) < 100_000


async def test_on_a_terminal_lines_end_with_carriage_returns(world: World) -> None:
    terminal = MemoryTerminal(tty=True)
    await world.run(BOB, "whoami", terminal)
    assert "\r\n" in terminal.out
    assert terminal.out.count("\n") == terminal.out.count("\r\n")
    failing = MemoryTerminal(tty=True)
    await world.run(BOB, "nope", failing)
    assert failing.err.endswith("\r\n")


async def test_a_command_can_be_asked_for_beforehand(world: World) -> None:
    ran = await world.run(BOB, 'approvals request web-1 -- ask "twice  over"')
    assert ran.status == 0
    (row,) = await world.approvals.list(BOB, may_approve=False)
    assert (row.command, row.login, row.channel) == (b"ask twice  over", "deploy", "exec")
    assert ran.out.startswith(f"approval {row.id} asked of sre, open until ")
    again = await world.run(BOB, 'approvals request web-1 --json -- "ask twice  over"')
    assert again.json["id"] == row.id


@pytest.mark.parametrize(
    ("line", "status", "says"),
    [
        ("approvals request web-1 -- uptime", 0, "no approval is needed; just run it\n"),
        ("approvals request web-1 -- deny", 3, "bastion: denied by rule never: not here\n"),
        (
            "approvals request vault -- ask",
            3,
            'bastion: no target of that name is open to you; "bastion targets" lists',
        ),
        (
            "approvals request nowhere -- ask",
            3,
            'bastion: no target of that name is open to you; "bastion targets" lists',
        ),
        ("approvals request web-1 --login root -- ask", 3, "bastion: no target of that name is open to you"),
        ("approvals request web-1", 2, "CMD"),
    ],
)
async def test_what_asking_beforehand_answers(world: World, line: str, status: int, says: str) -> None:
    ran = await world.run(BOB, line)
    assert ran.status == status
    assert says in ran.out + ran.err
    assert await world.approvals.list(BOB, may_approve=False) == []
