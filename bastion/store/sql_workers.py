"""Workers and the orders they are given, in an SQL database.

Orders are written under the lock of `approval_clock`, so that their numbers are committed in order: who saw number 7
will never find a 6 later.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import bindparam, delete, func, insert, select, update

from bastion.errors import NotFoundError
from bastion.store import tables
from bastion.store.base import OrderKind, OrderRow, WorkerRow
from bastion.store.database import Database, columns

_WORKERS = tables.workers
_ORDERS = tables.orders
# Asked several times a second, and so put together once
_AFTER = select(_ORDERS).where(_ORDERS.c.number > bindparam("seen")).order_by(_ORDERS.c.number)


class SQLWorkers:
    """See `WorkerStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, row: WorkerRow) -> None:
        """See `WorkerStore.add`."""
        with self._database.write() as connection:
            connection.execute(insert(_WORKERS), columns(row))

    def beat(self, worker_id: str, now: datetime) -> None:
        """See `WorkerStore.beat`."""
        with self._database.write() as connection:
            done = connection.execute(update(_WORKERS).where(_WORKERS.c.id == worker_id).values(seen=now))
            if done.rowcount != 1:
                raise NotFoundError(f"there is no worker {worker_id}")

    def list(self) -> Sequence[WorkerRow]:
        """See `WorkerStore.list`."""
        with self._database.read() as connection:
            found = connection.execute(select(_WORKERS).order_by(_WORKERS.c.id))
            return [WorkerRow(**row._mapping) for row in found]  # noqa: SLF001 - a public name of SQLAlchemy's

    def remove(self, worker_id: str) -> None:
        """See `WorkerStore.remove`."""
        with self._database.write() as connection:
            connection.execute(delete(_WORKERS).where(_WORKERS.c.id == worker_id))


class SQLOrders:
    """See `OrderStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def give(self, kind: OrderKind, subjects: Sequence[str], *, by: str, reason: str, now: datetime) -> None:
        """See `OrderStore.give`."""
        if not subjects:
            return
        order = {"kind": kind, "by": by, "reason": reason, "given": now}
        with self._database.write() as connection:
            connection.execute(select(tables.approval_clock.c.revision).with_for_update())
            connection.execute(insert(_ORDERS), [{**order, "subject": subject} for subject in subjects])

    def latest(self) -> int:
        """See `OrderStore.latest`."""
        with self._database.read() as connection:
            return connection.execute(select(func.max(_ORDERS.c.number))).scalar_one_or_none() or 0

    def after(self, number: int) -> Sequence[OrderRow]:
        """See `OrderStore.after`."""
        with self._database.read() as connection:
            found = connection.execute(_AFTER, {"seen": number})
            rows = [dict(row._mapping) for row in found]  # noqa: SLF001 - see `SQLWorkers.list`
        return [OrderRow(**row | {"kind": OrderKind(row["kind"])}) for row in rows]

    def forget(self, before: datetime) -> None:
        """See `OrderStore.forget`."""
        with self._database.write() as connection:
            connection.execute(delete(_ORDERS).where(_ORDERS.c.given < before))
