"""What people and programs may do with approvals, what they are told, and what the journal says of it."""

import hashlib
import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bastion import approvals
from bastion.approvals import MAX_COMMAND, MAX_PENDING, MAX_REASON, digest
from bastion.errors import AccessDenied, BastionError, ConfigError, NotFoundError, UnavailableError
from bastion.model import Action, Identity, Verdict
from bastion.store.base import ApprovalState, JournalEntry
from tests.bastion.desk import ALICE, BOB, CAROL, DAVE, START, Clock, Desk, person

# the digest


def test_the_digest_is_the_documented_one() -> None:
    fields = [b"bastion approval 1", b"corp", "sübject".encode(), b"web-1", b"deploy", b"exec", b"ls \xff"]
    text = b"".join(len(part).to_bytes(8, "big") + part for part in fields)
    assert digest("corp", "sübject", "web-1", "deploy", "exec", b"ls \xff") == hashlib.sha256(text).hexdigest()


parts = st.tuples(
    st.text(max_size=3), st.text(max_size=3), st.text(max_size=3), st.text(max_size=3), st.text(max_size=3)
)


@given(parts, st.binary(max_size=3), parts, st.binary(max_size=3))
def test_different_requests_have_different_digests(
    one: tuple[str, str, str, str, str], command: bytes, other: tuple[str, str, str, str, str], another: bytes
) -> None:
    assert (digest(*one, command) == digest(*other, another)) == ((one, command) == (other, another))


def test_no_field_runs_into_the_next() -> None:
    digests = [
        digest(*cut, b"x") for cut in (("ab", "c", "", "", ""), ("a", "bc", "", "", ""), ("abc", "", "", "", ""))
    ]
    assert all(one != other for one, other in combinations(digests, 2))


# asking


async def test_a_request_says_what_is_asked(counter: Desk) -> None:
    row = await counter.ask(b"rm \xff\x00")
    assert re.fullmatch("[2-9a-hjkmnp-z]{8}", row.id)
    assert (row.state, row.rule, row.reason) == (ApprovalState.PENDING, "prod", "changes production")
    assert (row.requester, row.issuer, row.subject, row.kind) == ("alice", "corp", "s-alice", ALICE.kind)
    assert (row.target, row.login, row.channel, row.command) == ("web-1", "deploy", "exec", b"rm \xff\x00")
    assert (row.approvers, row.approvals) == (("sre",), 1)
    assert (row.created, row.expires) == (START, START + timedelta(seconds=600))
    (entry,) = counter.journal()
    assert (entry.type, entry.identity, entry.node) == ("approval.requested", "alice", "node-1")
    assert entry.data == {
        "approval": row.id,
        "rule": "prod",
        "requester": "alice",
        "target": "web-1",
        "login": "deploy",
        "channel": "exec",
        "command": "rm \\xff\0",
        "sha256": hashlib.sha256(b"rm \xff\x00").hexdigest(),
        "digest": row.digest,
        "approvers": ["sre"],
        "approvals": 1,
        "expires": "2026-11-22T20:59:00.000Z",
    }


async def test_asking_again_is_the_same_request(counter: Desk) -> None:
    row = await counter.ask()
    assert await counter.ask() == row
    assert (await counter.ask(b"reboot ")).id != row.id
    assert (await counter.ask(who=BOB)).id != row.id
    approved = await counter.decide(BOB, row)
    assert await counter.ask() == approved
    assert counter.events().count("approval.requested") == 3


async def test_where_and_how_it_runs_belong_to_the_request(counter: Desk) -> None:
    wanted = Verdict(Action.APPROVE, "r", "", ("sre",), 1, 600)
    places = [
        ("web-1", "deploy", "exec"),
        ("web-2", "deploy", "exec"),
        ("web-1", "root", "exec"),
        ("web-1", "deploy", "shell"),
    ]
    rows = [await counter.approvals.submit(ALICE, *place, b"x", wanted) for place in places]
    rows.append(await counter.approvals.submit(person("alice", issuer="other"), *places[0], b"x", wanted))
    assert len({row.id for row in rows}) == 5


@pytest.mark.parametrize("approved", [False, True])
@pytest.mark.parametrize("terms", [{"rule": "other"}, {"approvers": ("dba",)}, {"approvals": 2}], ids=str)
async def test_an_approval_under_other_rules_does_not_count(
    counter: Desk, approved: bool, terms: dict[str, Any]
) -> None:
    old = await counter.ask()
    if approved:
        await counter.decide(BOB, old)
    new = await counter.ask(**terms)
    assert (new.id != old.id, new.state) == (True, ApprovalState.PENDING)
    assert await counter.approvals.use(old.digest) is None
    assert (await counter.approvals.get(old.id, BOB, may_approve=True)).state is ApprovalState.EXPIRED
    assert counter.events()[-2:] == ["approval.expired", "approval.requested"]


async def test_a_large_command_is_kept_exactly_and_a_larger_one_refused(counter: Desk) -> None:
    command = bytes(range(256)) * (MAX_COMMAND // 256)
    row = await counter.ask(command)
    assert (await counter.approvals.get(row.id, BOB, may_approve=True)).command == command
    assert len(str(counter.journal()[0].data)) < 10_000
    with pytest.raises(ConfigError, match="1048577 bytes long and only 1048576"):
        await counter.ask(command + b"x")
    assert len(counter.journal()) == 1


async def test_nobody_floods_the_approvers(counter: Desk) -> None:
    for n in range(MAX_PENDING):
        await counter.ask(b"%d" % n)
    with pytest.raises(UnavailableError, match="100 requests of yours wait"):
        await counter.ask(b"more")
    assert (await counter.ask(b"0")).state is ApprovalState.PENDING
    assert (await counter.ask(b"more", who=BOB)).state is ApprovalState.PENDING
    assert len(counter.journal()) == MAX_PENDING + 1


async def test_ids_are_unique(counter: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = iter(["same", "same", "other"])
    monkeypatch.setattr(approvals, "_new_id", lambda: next(ids))
    assert [(await counter.ask(b"1")).id, (await counter.ask(b"2")).id] == ["same", "other"]


async def test_what_needs_no_approval_cannot_be_asked_for(counter: Desk) -> None:
    with pytest.raises(ValueError, match="needs an approval"):
        await counter.approvals.submit(ALICE, "web-1", "deploy", "exec", b"x", Verdict(Action.DENY))


# deciding


async def test_approved_by_one(counter: Desk, clock: Clock) -> None:
    row = await counter.ask()
    clock.advance(60)
    approved = await counter.decide(BOB, row, reason="go\nbastion: denied\u202e")
    assert approved.state is ApprovalState.APPROVED
    assert approved.expires == clock.now + timedelta(seconds=600)
    (decision,) = approved.decisions
    assert (decision.who, decision.reason) == ("bob", "go\\nbastion: denied\\u202e")
    entry = counter.journal()[-1]
    assert (entry.type, entry.identity) == ("approval.decided", "bob")
    expected = {"approval": row.id, "approve": True, "reason": "go\\nbastion: denied\\u202e", "state": "approved"}
    assert entry.data.items() >= {**expected, "requester": "alice", "expires": "2026-11-22T21:00:00.000Z"}.items()


async def test_the_approver_chooses_the_lifetime(counter: Desk, clock: Clock) -> None:
    row = await counter.decide(BOB, await counter.ask(), lifetime=timedelta(seconds=30))
    assert row.expires == START + timedelta(seconds=30)
    clock.advance(30)
    assert await counter.approvals.use(row.digest) is None


@pytest.mark.parametrize("lifetime", [timedelta(0), timedelta(seconds=-1), timedelta(hours=24, seconds=1)])
async def test_lifetimes_are_bounded(counter: Desk, lifetime: timedelta) -> None:
    row = await counter.ask()
    with pytest.raises(ConfigError, match="1s to 24h"):
        await counter.decide(BOB, row, lifetime=lifetime)
    assert (await counter.approvals.get(row.id, BOB, may_approve=True)).state is ApprovalState.PENDING


async def test_reasons_are_bounded(counter: Desk) -> None:
    row = await counter.ask()
    with pytest.raises(ConfigError, match="1001 characters long"):
        await counter.decide(BOB, row, reason="x" * (MAX_REASON + 1))
    assert (await counter.decide(BOB, row, reason="x" * MAX_REASON)).state is ApprovalState.APPROVED


async def test_several_people(counter: Desk) -> None:
    row = await counter.ask(approvers=("sre", "dba"), approvals=2)
    assert (await counter.decide(CAROL, row)).state is ApprovalState.PENDING
    with pytest.raises(BastionError, match=f"you have decided approval {row.id} already"):
        await counter.decide(CAROL, row)
    with pytest.raises(BastionError, match="you have decided"):
        await counter.decide(person("CAROL", "dba", issuer="other"), row)
    assert await counter.approvals.use(row.digest) is None
    assert (await counter.decide(DAVE, row)).state is ApprovalState.APPROVED
    assert counter.events() == ["approval.requested", "approval.decided", "approval.decided"]


async def test_one_denial_is_enough(counter: Desk) -> None:
    row = await counter.ask(approvals=3)
    await counter.decide(BOB, row)
    denied = await counter.decide(CAROL, row, yes=False, reason="no")
    assert denied.state is ApprovalState.DENIED
    assert await counter.approvals.use(row.digest) is None
    with pytest.raises(BastionError, match=f"approval {row.id} was denied already by carol") as caught:
        await counter.decide(person("erin", "sre"), row)
    assert caught.value.exit_status == 1


OWN = [
    ALICE,
    replace(ALICE, name="renamed"),
    person("alice", "sre", issuer="other"),
    person("Alice", "sre", subject="x"),
]


@pytest.mark.parametrize("who", OWN, ids=lambda who: f"{who.name}@{who.issuer}")
@pytest.mark.parametrize("yes", [True, False])
async def test_nobody_decides_their_own(counter: Desk, who: Identity, yes: bool) -> None:
    row = await counter.ask()
    with pytest.raises(AccessDenied, match="is your own request"):
        await counter.decide(replace(who, groups=("sre",)), row, yes=yes)
    assert (await counter.approvals.get(row.id, BOB, may_approve=True)).decisions == ()
    assert counter.events() == ["approval.requested"]


async def test_the_group_must_fit(counter: Desk) -> None:
    row = await counter.ask()
    with pytest.raises(AccessDenied, match="in none of its approvers' groups"):
        await counter.decide(DAVE, row)
    assert counter.events() == ["approval.requested"]


async def test_without_the_right_nothing_is_learnt(counter: Desk) -> None:
    row = await counter.ask()

    async def answer(approval_id: str, who: Identity = BOB) -> tuple[type[BaseException], str]:
        with pytest.raises(BastionError) as caught:
            await counter.approvals.decide(
                who,
                approval_id,
                approve=True,
                reason="",
                lifetime=None,
                may_approve=False,
            )
        return type(caught.value), str(caught.value)

    assert await answer(row.id) == await answer("22222222") == (AccessDenied, "you may not decide approvals")
    # nor by somebody at another issuer who bears the requester's name
    assert await answer(row.id, person("alice", issuer="other")) == await answer("22222222")


@pytest.mark.parametrize(("approval_id", "shown"), [("nope", "nope"), ("\x1b[2J\n", r"\x1b[2J\n")])
async def test_an_approver_hears_of_unknown_ids(counter: Desk, approval_id: str, shown: str) -> None:
    with pytest.raises(NotFoundError) as caught:
        await counter.approvals.decide(BOB, approval_id, approve=True, reason="", lifetime=None, may_approve=True)
    assert str(caught.value) == f"there is no approval {shown}"


async def test_too_late(counter: Desk, clock: Clock) -> None:
    row = await counter.ask()
    clock.advance(600)
    with pytest.raises(BastionError, match="has expired"):
        await counter.decide(BOB, row)
    await counter.approvals.sweep()
    with pytest.raises(BastionError, match="has expired"):
        await counter.decide(BOB, row)
    assert await counter.approvals.use(row.digest) is None


# using, taking back, lapsing


async def test_used_exactly_once(counter: Desk) -> None:
    row = await counter.ask(b"x")
    assert await counter.approvals.use(row.digest) is None
    await counter.decide(BOB, row)
    used = await counter.approvals.use(row.digest)
    assert used is not None
    assert (used.id, used.state, used.command) == (row.id, ApprovalState.USED, b"x")
    assert await counter.approvals.use(row.digest) is None
    with pytest.raises(BastionError, match=f"{row.id} was used already"):
        await counter.decide(CAROL, row)
    assert counter.events() == ["approval.requested", "approval.decided", "approval.used"]
    assert counter.journal()[-1].identity == "alice"
    assert (await counter.ask(b"x")).id != row.id


async def test_taken_back(counter: Desk) -> None:
    row = await counter.ask()
    for who in (BOB, person("alice", issuer="other")):
        with pytest.raises(NotFoundError, match=f"no request {row.id} of yours"):
            await counter.approvals.withdraw(row.id, who)
    with pytest.raises(NotFoundError):
        await counter.approvals.withdraw("nope", ALICE)
    assert await counter.approvals.withdraw(row.id, ALICE)
    assert not await counter.approvals.withdraw(row.id, ALICE)
    with pytest.raises(BastionError, match="was withdrawn already"):
        await counter.decide(BOB, row)
    assert counter.events() == ["approval.requested", "approval.withdrawn"]


async def test_silence_is_denial(counter: Desk, clock: Clock) -> None:
    pending, approved = await counter.ask(b"1"), await counter.ask(b"2")
    await counter.decide(BOB, approved, lifetime=timedelta(seconds=700))
    clock.advance(600)
    assert [row.id for row in await counter.approvals.sweep()] == [pending.id]
    clock.advance(100)
    assert [row.id for row in await counter.approvals.sweep()] == [approved.id]
    assert await counter.approvals.sweep() == []
    assert await counter.approvals.use(approved.digest) is None
    assert counter.events()[-2:] == ["approval.expired", "approval.expired"]


async def test_asking_again_after_it_lapsed_notes_both(counter: Desk, clock: Clock) -> None:
    old = await counter.ask()
    clock.advance(600)
    new = await counter.ask()
    assert new.id != old.id
    assert counter.events() == ["approval.requested", "approval.expired", "approval.requested"]


# the journal


async def test_what_cannot_be_journalled_does_not_happen(
    counter: Desk, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    pending, approved = await counter.ask(b"1"), await counter.decide(BOB, await counter.ask(b"2"))
    journal = counter.thread.store.journal
    before = list(journal.list())

    def append(*_: object) -> list[JournalEntry]:
        raise UnavailableError("the disk is full")

    monkeypatch.setattr(journal, "append", append)
    attempts: list[Callable[[], Awaitable[object]]] = [
        lambda: counter.ask(b"3"),
        lambda: counter.decide(BOB, pending),
        lambda: counter.decide(BOB, pending, yes=False),
        lambda: counter.approvals.withdraw(pending.id, ALICE),
        lambda: counter.approvals.use(approved.digest),
    ]
    for attempt in attempts:
        with pytest.raises(UnavailableError, match="the disk is full"):
            await attempt()
    clock.advance(600)
    with pytest.raises(UnavailableError, match="the disk is full"):
        await counter.approvals.sweep()
    assert set(await counter.approvals.list(BOB, may_approve=True)) == {pending, approved}
    assert journal.list() == before


# seeing


async def test_everyone_sees_their_own_part(counter: Desk) -> None:
    first, second = await counter.ask(b"1"), await counter.ask(b"2", who=BOB, approvers=("dba",))

    async def seen(who: Identity, *, may_approve: bool) -> set[str]:
        found = await counter.approvals.list(who, may_approve=may_approve)
        for row in (first, second):
            if row in found:
                assert await counter.approvals.get(row.id, who, may_approve=may_approve) == row
            else:
                with pytest.raises(NotFoundError, match=f"there is no approval {row.id}"):
                    await counter.approvals.get(row.id, who, may_approve=may_approve)
        return {row.id for row in found}

    assert await seen(ALICE, may_approve=False) == {first.id}
    assert await seen(BOB, may_approve=False) == {second.id}
    assert await seen(BOB, may_approve=True) == {first.id, second.id}
    assert await seen(DAVE, may_approve=True) == {second.id}
    assert await seen(DAVE, may_approve=False) == set()
    assert await seen(person("alice", issuer="other"), may_approve=True) == set()
