"""What every store must do: the processes that serve, and the orders they are given."""

import pytest

from bastion.errors import NotFoundError
from bastion.store.base import OrderKind, Store, WorkerRow
from tests.bastion.store.rows import LATER, NOW
from tests.bastion.store.threads import at_once


def worker(worker_id: str) -> WorkerRow:
    return WorkerRow(worker_id, "host", "boot:1", 4711, "123", NOW)


def test_workers_come_and_go(store: Store) -> None:
    for name in "ba":
        store.workers.add(worker(name))
    assert store.workers.list() == [worker("a"), worker("b")]
    store.workers.beat("a", LATER)
    assert [row.seen for row in store.workers.list()] == [LATER, NOW]
    store.workers.remove("a")
    store.workers.remove("a")
    assert store.workers.list() == [worker("b")]
    with pytest.raises(NotFoundError):
        store.workers.beat("a", LATER)


def test_orders_are_read_in_the_order_they_were_given(store: Store) -> None:
    assert (store.orders.latest(), store.orders.after(0)) == (0, [])
    store.orders.give(OrderKind.KILL, ["s1"], by="b\udcffb", reason="why\0", now=NOW)
    store.orders.give(OrderKind.DISCONNECT, ["7", "8"], by="carol", reason="", now=LATER)
    store.orders.give(OrderKind.DISCONNECT, [], by="carol", reason="", now=LATER)
    first, *rest = store.orders.after(0)
    assert (first.kind, first.subject, first.by, first.reason, first.given) == (
        OrderKind.KILL, "s1", "b\\udcffb", "why\\x00", NOW,
    )  # fmt: skip
    assert [(row.kind, row.subject) for row in rest] == [(OrderKind.DISCONNECT, "7"), (OrderKind.DISCONNECT, "8")]
    assert store.orders.latest() == rest[-1].number
    assert store.orders.after(first.number) == rest
    assert store.orders.after(store.orders.latest()) == []


def test_numbers_of_forgotten_orders_are_not_used_again(store: Store) -> None:
    store.orders.give(OrderKind.KILL, ["s1", "s2"], by="bob", reason="", now=NOW)
    last = store.orders.latest()
    store.orders.forget(LATER)
    assert store.orders.after(0) == []
    store.orders.give(OrderKind.KILL, ["s3"], by="bob", reason="", now=LATER)
    store.orders.forget(LATER)
    assert [row.subject for row in store.orders.after(last)] == ["s3"]


def test_many_give_orders_at_once(store: Store) -> None:
    at_once(20, lambda n: store.orders.give(OrderKind.KILL, [str(n), str(n)], by="bob", reason="", now=NOW))
    given = store.orders.after(0)
    assert sorted(int(row.subject) for row in given) == sorted([*range(20), *range(20)])
    assert [row.number for row in given] == sorted({row.number for row in given})
