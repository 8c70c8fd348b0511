"""What every store must do: sessions, journal, certificates and transactions. Approvals stand beside this file."""

from dataclasses import replace
from datetime import timedelta

import pytest

from bastion.audit import GENESIS, Event, EventType, Head, verify
from bastion.errors import NotFoundError
from bastion.store.base import ApprovalScope, Store
from tests.bastion.store.rows import LATER, NOW, approval, certificate, says, session
from tests.bastion.store.threads import at_once


def test_a_session_comes_back_as_it_was(store: Store) -> None:
    store.sessions.add(session())
    assert store.sessions.get("1") == session()
    assert store.sessions.get("2") is None
    ended = session(
        ended=LATER,
        exit_status="SIGTERM",
        verdict="allow",
        bytes_in=1,
        bytes_out=2**40,
        recording="a/b.cast",
        sha256="0" * 64,
        masked=(("email", 2), ("iban", 1)),
    )
    store.sessions.finish(ended)
    assert store.sessions.get("1") == ended


def test_a_session_that_is_unknown_cannot_end(store: Store) -> None:
    with pytest.raises(NotFoundError):
        store.sessions.finish(session("nope"))


def test_sessions_are_listed_newest_first(store: Store) -> None:
    for n in range(5):
        ended = LATER if n % 2 else None
        who = "alice" if n < 3 else "bob"
        store.sessions.add(session(str(n), started=NOW + timedelta(seconds=n), ended=ended, identity=who))
    assert [row.id for row in store.sessions.list()] == list("43210")
    assert [row.id for row in store.sessions.list(limit=2)] == list("43")
    assert [row.id for row in store.sessions.list(live=True)] == list("420")
    assert [row.id for row in store.sessions.list(live=False)] == list("31")
    assert [row.id for row in store.sessions.list(identity=("alice", "corp"))] == list("210")
    assert not store.sessions.list(identity=("alice", "other"))


def test_orphans_are_ended_once(store: Store) -> None:
    store.sessions.add(session("1", worker="dead"))
    store.sessions.add(session("2", worker="dead", ended=NOW))
    store.sessions.add(session("3", worker="living"))
    assert not store.sessions.close_orphans(LATER, [])
    assert [(row.id, row.ended) for row in store.sessions.close_orphans(LATER, ["dead", "none"])] == [("1", LATER)]
    assert store.sessions.get("1") == session("1", worker="dead", ended=LATER)
    assert store.sessions.get("2") == session("2", worker="dead", ended=NOW)
    assert store.sessions.get("3") == session("3", worker="living")
    assert not store.sessions.close_orphans(LATER, ["dead"])


def test_a_command_that_is_no_text_is_kept_readable(store: Store) -> None:
    store.sessions.add(session(command="a\udcff\0b\x1b"))
    row = store.sessions.get("1")
    assert row is not None
    assert row.command == "a\\udcff\\x00b\x1b"


def event(number: int = 0) -> Event:
    return Event(EventType.LOGIN, "älice", "s", {"n": number, "t": "\x1b\n\u202e", "l": [1, None, {"x": 1.5}]})


def test_the_journal_is_a_chain(store: Store) -> None:
    assert store.journal.head() == Head(0, GENESIS)
    assert not store.journal.append([], NOW)
    first = store.journal.append([event(1), event(2)], NOW, "n1")
    second = store.journal.append([event(3)], LATER)
    listed = store.journal.list()
    assert listed == [*first, *second]
    assert [entry.seq for entry in listed] == [1, 2, 3]
    assert [entry.node for entry in listed] == ["n1", "n1", ""]
    assert listed[0].time == "2026-11-22T20:49:00.123Z"
    assert listed[0].data == event(1).data
    assert store.journal.head() == Head(3, listed[-1].hash)
    assert verify(listed, head=store.journal.head()).ok


def test_the_journal_is_listed_in_order(store: Store) -> None:
    kinds = [EventType.LOGIN, EventType.ACCESS_DENIED]
    store.journal.append([Event(kinds[n % 2]) for n in range(10)], NOW)

    def seqs(**query: object) -> list[int]:
        return [entry.seq for entry in store.journal.list(**query)]  # type: ignore[arg-type]  # queries as below

    assert seqs() == list(range(1, 11))
    assert seqs(after=7) == [8, 9, 10]
    assert seqs(limit=3) == [1, 2, 3]
    assert seqs(limit=3, newest=True) == [8, 9, 10]
    assert seqs(types=["login"]) == [1, 3, 5, 7, 9]
    assert seqs(types=["login"], limit=2, newest=True) == [7, 9]
    assert seqs(after=8, limit=5, newest=True) == [9, 10]


def test_many_writers_make_one_chain(store: Store) -> None:
    at_once(20, lambda n: [store.journal.append([event(n), event(n)], NOW) for _ in range(5)])
    entries = store.journal.list()
    result = verify(entries, head=store.journal.head())
    assert (result.ok, result.count) == (True, 200)
    # the events of one call stand together
    assert all(a.data == b.data for a, b in zip(entries[::2], entries[1::2], strict=True))


def test_a_certificate_comes_back_as_it_was(store: Store) -> None:
    store.certificates.add(certificate(2**64 - 1))
    assert store.certificates.list() == [certificate(2**64 - 1)]


def test_certificates_are_listed_newest_first(store: Store) -> None:
    for n in range(1, 4):
        who = "bob" if n == 2 else "alice"
        store.certificates.add(certificate(n, issued=NOW + timedelta(seconds=n), identity=who))
    assert [row.serial for row in store.certificates.list()] == [3, 2, 1]
    assert [row.serial for row in store.certificates.list(limit=1)] == [3]
    assert [row.serial for row in store.certificates.list(identity="alice")] == [3, 1]


def test_revoked_and_unknown_certificates_are_revoked(store: Store) -> None:
    store.certificates.add(certificate(1))
    assert not store.certificates.is_revoked(1)
    assert store.certificates.is_revoked(2)
    assert store.certificates.revoke(1, NOW)
    assert store.certificates.revoke(1, LATER)
    assert not store.certificates.revoke(2, NOW)
    assert store.certificates.is_revoked(1)
    assert store.certificates.list() == [certificate(1, revoked=NOW)]


def test_a_transaction_is_kept_whole(store: Store) -> None:
    with store.transaction():
        store.approvals.add(approval())
        store.journal.append([event()], NOW)
        assert store.approvals.get("a1") == approval()
    assert store.approvals.get("a1") == approval()
    assert store.journal.head().seq == 1


def test_a_transaction_that_fails_is_undone_whole(store: Store) -> None:
    store.approvals.add(approval("a1"))

    def change_and_fail() -> None:
        with store.transaction():
            store.sessions.add(session())
            store.certificates.add(certificate())
            store.approvals.decide("a1", says("bob"), LATER)
            store.approvals.add(approval("b1", "d2"))
            store.journal.append([event()], NOW)
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        change_and_fail()
    assert store.sessions.list() == []
    assert store.certificates.list() == []
    assert store.approvals.list() == [approval("a1")]
    assert store.journal.head() == Head()
    assert store.journal.list() == []
    store.journal.append([event()], NOW)
    assert verify(store.journal.list(), head=store.journal.head()).ok


def test_a_store_in_order_says_nothing(store: Store) -> None:
    before = store.approvals.revision()
    store.check()
    assert store.approvals.revision() == before


@pytest.mark.parametrize(
    ("scope", "connection", "times"),
    [
        (ApprovalScope.ONCE, "c1", 1),
        (ApprovalScope.COMMAND, "c1", 3),
        (ApprovalScope.COMMAND, "elsewhere", 3),
        (ApprovalScope.SESSION, "c1", 3),
        (ApprovalScope.SESSION, "elsewhere", 0),
    ],
)
def test_the_scope_says_how_often_and_where(store: Store, scope: ApprovalScope, connection: str, times: int) -> None:
    asked = store.approvals.add(replace(approval(), connection="c1"))
    approved = store.approvals.decide(asked.id, says("bob"), asked.expires, scope)
    assert approved is not None
    assert approved.scope is scope
    uses = [store.approvals.use(asked.digest, asked.created, connection) for _ in range(3)]
    assert sum(use is not None for use in uses) == times
    assert store.approvals.use(asked.digest, asked.expires, connection) is None
