"""What every store must do with approvals: the states, and of many at once only one."""

from dataclasses import replace
from datetime import timedelta

import pytest

from bastion.store.base import ApprovalRow, ApprovalState, Store, Viewer
from tests.bastion.store.rows import LATER, NOW, approval, says
from tests.bastion.store.threads import at_once


def test_an_approval_comes_back_as_it_was(store: Store) -> None:
    assert store.approvals.add(approval()) == approval()
    assert store.approvals.get("a1") == approval()
    assert store.approvals.get("a2") is None


def test_a_live_one_of_the_same_digest_is_reused(store: Store) -> None:
    store.approvals.add(approval("a1"))
    assert store.approvals.add(approval("a2")) == approval("a1")
    assert store.approvals.get("a2") is None
    store.approvals.decide("a1", says("bob"), LATER)
    assert store.approvals.add(approval("a3")).state is ApprovalState.APPROVED
    assert store.approvals.add(approval("b1", "d2")).id == "b1"


@pytest.mark.parametrize("approved", [False, True])
def test_one_over_its_time_is_not_reused(store: Store, approved: bool) -> None:
    store.approvals.add(approval("a1"))
    if approved:
        store.approvals.decide("a1", says("bob"), LATER)
    assert store.approvals.add(approval("a2", created=LATER, expires=LATER + timedelta(1))).id == "a2"
    old = store.approvals.get("a1")
    assert old is not None
    assert old.state is ApprovalState.EXPIRED


def test_one_person_is_enough_for_one(store: Store) -> None:
    store.approvals.add(approval())
    row = store.approvals.decide("a1", says("bob"), LATER + timedelta(1))
    expected = approval(state=ApprovalState.APPROVED, expires=LATER + timedelta(1), decisions=(says("bob"),))
    assert row == expected
    assert store.approvals.get("a1") == expected


def test_n_different_people_are_needed(store: Store) -> None:
    store.approvals.add(approval(approvals=3))
    assert store.approvals.decide("a1", says("bob"), LATER) == approval(approvals=3, decisions=(says("bob"),))
    assert store.approvals.decide("a1", says("bob"), LATER) is None
    assert store.approvals.decide("a1", says("Bob", issuer="other"), LATER) is None
    assert store.approvals.decide("a1", replace(says("bob"), who="robert"), LATER) is None
    row = store.approvals.decide("a1", says("carol"), LATER)
    assert row is not None
    assert row.state is ApprovalState.PENDING
    row = store.approvals.decide("a1", says("dave"), LATER)
    assert row is not None
    assert row.state is ApprovalState.APPROVED
    assert [decision.who for decision in row.decisions] == ["bob", "carol", "dave"]


def test_one_denial_denies(store: Store) -> None:
    store.approvals.add(approval(approvals=3))
    store.approvals.decide("a1", says("bob"), LATER)
    row = store.approvals.decide("a1", says("carol", yes=False), LATER + timedelta(1))
    decisions = (says("bob"), says("carol", yes=False))
    over = approval(approvals=3, state=ApprovalState.DENIED, decisions=decisions, command=b"")
    assert row == over, "the exact bytes are kept only while they may run"
    assert store.approvals.decide("a1", says("dave"), LATER) is None
    assert store.approvals.use("d1", NOW) is None


def test_an_approval_is_used_once(store: Store) -> None:
    store.approvals.add(approval())
    assert store.approvals.use("d1", NOW) is None
    store.approvals.decide("a1", says("bob"), LATER)
    assert store.approvals.use("d2", NOW) is None
    used = store.approvals.use("d1", NOW)
    assert used is not None
    assert used == approval(state=ApprovalState.USED, decisions=(says("bob"),))
    assert store.approvals.use("d1", NOW) is None
    assert store.approvals.add(approval("a2")).id == "a2"


def test_time_ends_everything(store: Store) -> None:
    store.approvals.add(approval())
    assert store.approvals.decide("a1", says("bob", at=LATER), LATER) is None
    assert not store.approvals.withdraw("a1", LATER)
    store.approvals.decide("a1", says("bob"), LATER)
    assert store.approvals.use("d1", LATER) is None
    store.approvals.add(approval("b1", "d2"))
    store.approvals.add(approval("c1", "d3", expires=LATER + timedelta(1)))
    assert not store.approvals.expire(LATER - timedelta(microseconds=1))
    assert {(row.id, row.state) for row in store.approvals.expire(LATER)} == {
        ("a1", ApprovalState.EXPIRED),
        ("b1", ApprovalState.EXPIRED),
    }
    assert not store.approvals.expire(LATER)
    assert store.approvals.use("d1", NOW) is None


def test_only_a_pending_one_is_withdrawn(store: Store) -> None:
    store.approvals.add(approval())
    assert store.approvals.withdraw("a1", NOW)
    assert not store.approvals.withdraw("a1", NOW)
    assert not store.approvals.withdraw("a2", NOW)
    assert store.approvals.decide("a1", says("bob"), LATER) is None
    assert store.approvals.add(approval("a3")).id == "a3"
    store.approvals.decide("a3", says("bob"), LATER)
    assert not store.approvals.withdraw("a3", NOW)


def test_a_live_one_lapses(store: Store) -> None:
    store.approvals.add(approval())
    lapsed = store.approvals.lapse("a1")
    assert lapsed == approval(state=ApprovalState.EXPIRED, command=b"")
    assert store.approvals.lapse("a1") is None
    assert store.approvals.lapse("a2") is None
    store.approvals.add(approval("a3"))
    store.approvals.decide("a3", says("bob"), LATER)
    assert store.approvals.lapse("a3") is not None
    assert store.approvals.use("d1", NOW) is None


def test_approvals_are_listed_newest_first(store: Store) -> None:
    for n in range(4):
        store.approvals.add(approval(str(n), f"d{n}", created=NOW + timedelta(seconds=n)))
    store.approvals.decide("2", says("bob"), LATER)
    assert [row.id for row in store.approvals.list()] == list("3210")
    assert [row.id for row in store.approvals.list(limit=2)] == list("32")
    assert [row.id for row in store.approvals.list(states=[ApprovalState.PENDING])] == list("310")
    both = [ApprovalState.PENDING, ApprovalState.APPROVED]
    assert [row.id for row in store.approvals.list(states=both, limit=3)] == list("321")
    assert store.approvals.list(limit=2)[1].decisions == (says("bob"),)


def test_everyone_sees_their_own_part(store: Store) -> None:
    store.approvals.add(approval("1", "d1", approvers=("sre",)))
    store.approvals.add(approval("2", "d2", approvers=("dba", "sre"), created=NOW + timedelta(seconds=1)))
    store.approvals.add(approval("3", "d3", subject="s-bob", approvers=(), created=NOW + timedelta(seconds=2)))

    def seen(viewer: Viewer) -> str:
        return "".join(row.id for row in store.approvals.list(viewer=viewer))

    assert seen(Viewer("corp", "s-alice")) == "21"
    assert seen(Viewer("corp", "s-bob")) == "3"
    assert seen(Viewer("corp", "s-bob", ("dba",))) == "32"
    assert seen(Viewer("corp", "s-carol", ("sre", "dba"))) == "21"
    assert seen(Viewer("corp", "s-carol", ("eng",))) == ""
    assert seen(Viewer("other", "s-alice")) == ""
    assert [row.id for row in store.approvals.list(viewer=Viewer("corp", "s-alice"), limit=1)] == ["2"]


def test_pending_ones_are_counted_by_person(store: Store) -> None:
    for n in range(3):
        store.approvals.add(approval(str(n), f"d{n}"))
    store.approvals.add(approval("9", "d9", subject="s-bob"))
    store.approvals.decide("1", says("bob"), LATER)
    assert store.approvals.count_pending("corp", "s-alice", NOW) == 2
    assert store.approvals.count_pending("corp", "s-alice", LATER) == 0
    assert store.approvals.count_pending("other", "s-alice", NOW) == 0


def test_each_change_has_its_number(store: Store) -> None:
    seen = store.approvals.revision()

    def changed() -> list[str]:
        nonlocal seen
        after, seen = seen, store.approvals.revision()
        found = sorted(store.approvals.changed(after))
        assert (seen > after) == bool(found)
        return found

    store.approvals.add(approval("a1"))
    store.approvals.add(approval("b1", "d2"))
    assert changed() == ["a1", "b1"]
    store.approvals.add(approval("a2"))
    store.approvals.get("a1")
    assert changed() == []
    store.approvals.decide("a1", says("bob"), LATER)
    assert changed() == ["a1"]
    store.approvals.use("d1", NOW)
    assert changed() == ["a1"]
    assert store.approvals.use("d1", NOW) is None
    assert not store.approvals.withdraw("a1", NOW)
    assert changed() == []
    store.approvals.expire(LATER)
    assert changed() == ["b1"]


def test_fifty_deciding_at_once_make_one_decision(store: Store) -> None:
    store.approvals.add(approval())
    rows = at_once(50, lambda n: store.approvals.decide("a1", says(f"p{n}", yes=n % 2 == 0), LATER))
    (won,) = [row for row in rows if row is not None]
    assert store.approvals.get("a1") == won
    assert isinstance(won, ApprovalRow)
    (decision,) = won.decisions
    assert won.state is (ApprovalState.APPROVED if decision.approve else ApprovalState.DENIED)


def test_fifty_agreeing_at_once_are_counted_to_the_limit(store: Store) -> None:
    store.approvals.add(approval(approvals=3))
    rows = [row for row in at_once(50, lambda n: store.approvals.decide("a1", says(f"p{n}"), LATER)) if row]
    assert len(rows) == 3
    row = store.approvals.get("a1")
    assert row is not None
    assert row.state is ApprovalState.APPROVED
    assert len(row.decisions) == 3


def test_one_person_fifty_times_at_once_counts_once(store: Store) -> None:
    store.approvals.add(approval(approvals=3))
    rows = at_once(50, lambda _: store.approvals.decide("a1", says("bob"), LATER))
    assert len([row for row in rows if row is not None]) == 1


def test_fifty_using_at_once_use_it_once(store: Store) -> None:
    store.approvals.add(approval())
    store.approvals.decide("a1", says("bob"), LATER)
    rows = at_once(50, lambda _: store.approvals.use("d1", NOW))
    assert len([row for row in rows if row is not None]) == 1


def test_fifty_asking_at_once_ask_once(store: Store) -> None:
    rows = at_once(50, lambda n: store.approvals.add(approval(f"a{n}")))
    assert len({row.id for row in rows if isinstance(row, ApprovalRow)}) == 1
    assert len(store.approvals.list()) == 1


def test_withdrawn_or_approved_never_both(store: Store) -> None:
    for n in range(10):
        store.approvals.add(approval(str(n), f"d{n}"))

        def race(number: int, n: int = n) -> object:
            if number:
                return store.approvals.withdraw(str(n), NOW)
            return store.approvals.decide(str(n), says("bob"), LATER)

        decided, withdrawn = at_once(2, race)
        assert (decided is None) == withdrawn
        assert (store.approvals.use(f"d{n}", NOW) is None) == withdrawn
