"""Approvals in an SQL database. Each change of state is one transaction that first takes the row of `approval_clock`.

That row makes writers wait for each other in every database, and numbers the changes in the order they are committed
in, which is what `revision` and `changed` rest on.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, Table, TextClause, exists, func, insert, or_, select, update

from bastion.model import Kind
from bastion.store import tables
from bastion.store.base import ApprovalDecision, ApprovalRow, ApprovalScope, ApprovalState, Viewer
from bastion.store.database import Database

_TABLE = tables.approvals
_APPROVERS = tables.approval_approvers
_DECISIONS = tables.approval_decisions
_CLOCK = tables.approval_clock


Condition = ColumnElement[bool] | TextClause


class SQLApprovals:
    """See `ApprovalStore`. What ends an approval also has the exact bytes leave the database's files."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, row: ApprovalRow) -> ApprovalRow:
        """See `ApprovalStore.add`."""
        with self._database.write() as connection:
            revision = _next_revision(connection)
            for found in _rows(connection, _TABLE.c.digest == row.digest, tables.LIVE):
                if found.expires > row.created:
                    return found
                self._over(connection, found.id, revision, ApprovalState.EXPIRED)
            _tick(connection, revision)
            connection.execute(insert(_TABLE).values(_values(row) | {"revision": revision}))
            approvers = [
                {"approval": row.id, "position": position, "name": name} for position, name in enumerate(row.approvers)
            ]
            if approvers:
                connection.execute(insert(_APPROVERS), approvers)
        return row

    def get(self, approval_id: str) -> ApprovalRow | None:
        """See `ApprovalStore.get`."""
        with self._database.read() as connection:
            return _one(connection, approval_id)

    def list(
        self, *, states: Sequence[ApprovalState] = (), limit: int = 100, viewer: Viewer | None = None
    ) -> Sequence[ApprovalRow]:
        """See `ApprovalStore.list`."""
        conditions: list[Condition] = []
        if states:
            conditions.append(_TABLE.c.state.in_(states))
        if viewer is not None:
            conditions.append(_visible(viewer))
        with self._database.read() as connection:
            return _rows(connection, *conditions, limit=limit)

    def count_pending(self, issuer: str, subject: str, now: datetime) -> int:
        """See `ApprovalStore.count_pending`."""
        query = select(func.count()).where(
            _TABLE.c.issuer == issuer,
            _TABLE.c.subject == subject,
            _TABLE.c.state == ApprovalState.PENDING,
            _TABLE.c.expires > now,
        )
        with self._database.read() as connection:
            count: int = connection.execute(query).scalar_one()
        return count

    def decide(
        self,
        approval_id: str,
        decision: ApprovalDecision,
        expires: datetime,
        scope: ApprovalScope = ApprovalScope.ONCE,
    ) -> ApprovalRow | None:
        """See `ApprovalStore.decide`."""
        with self._database.write() as connection:
            revision = _next_revision(connection)
            row = _one(connection, approval_id)
            if row is None or row.state is not ApprovalState.PENDING or row.expires <= decision.time:
                return None
            if any(_same_person(decision, earlier) for earlier in row.decisions):
                return None
            values = {
                "approval": row.id,
                "position": len(row.decisions),
                "who": decision.who,
                "issuer": decision.issuer,
                "subject": decision.subject,
                "approve": decision.approve,
                "reason": decision.reason,
                "time": decision.time,
            }
            connection.execute(insert(_DECISIONS).values(values))
            if not decision.approve:
                self._over(connection, row.id, revision, ApprovalState.DENIED)
            elif len(row.decisions) + 1 >= row.approvals:  # a denial would have ended it: all earlier ones agreed
                _change(connection, row.id, revision, state=ApprovalState.APPROVED, expires=expires, scope=scope)
            else:
                _change(connection, row.id, revision)
            return _one(connection, approval_id)

    def use(self, digest: str, now: datetime, connection: str = "") -> ApprovalRow | None:
        """See `ApprovalStore.use`."""
        usable = (_TABLE.c.digest == digest, _is(ApprovalState.APPROVED), _TABLE.c.expires > now)
        with self._database.write() as held:
            revision = _next_revision(held)
            row = next(iter(_rows(held, *usable)), None)
            if row is None or (row.scope is ApprovalScope.SESSION and row.connection != connection):
                return None
            if row.scope is ApprovalScope.ONCE:
                self._over(held, row.id, revision, ApprovalState.USED)
                return replace(row, state=ApprovalState.USED)
            return row

    def withdraw(self, approval_id: str, now: datetime) -> bool:
        """See `ApprovalStore.withdraw`. One over its time expires and isn't withdrawn."""
        pending = (_is(ApprovalState.PENDING), _TABLE.c.expires > now)
        return self._end(ApprovalState.WITHDRAWN, _TABLE.c.id == approval_id, *pending) is not None

    def lapse(self, approval_id: str) -> ApprovalRow | None:
        """See `ApprovalStore.lapse`."""
        return self._end(ApprovalState.EXPIRED, _TABLE.c.id == approval_id, tables.LIVE)

    def expire(self, now: datetime) -> Sequence[ApprovalRow]:
        """See `ApprovalStore.expire`."""
        over = (_TABLE.c.expires <= now, tables.LIVE)
        with self._database.write() as connection:
            revision = _next_revision(connection)
            ids = [row.id for row in _rows(connection, *over)]
            for approval_id in ids:
                self._over(connection, approval_id, revision, ApprovalState.EXPIRED)
            return _rows(connection, _TABLE.c.id.in_(ids))

    def revision(self) -> int:
        """See `ApprovalStore.revision`."""
        with self._database.read() as connection:
            revision: int = connection.execute(select(_CLOCK.c.revision)).scalar_one()
        return revision

    def changed(self, after: int) -> Sequence[str]:
        """See `ApprovalStore.changed`."""
        with self._database.read() as connection:
            return connection.execute(select(_TABLE.c.id).where(_TABLE.c.revision > after)).scalars().all()

    def _over(self, connection: Connection, approval_id: str, revision: int, state: ApprovalState) -> None:
        """Give an approval its last state; the exact bytes are of no more use then."""
        _change(connection, approval_id, revision, state=state, command=_TABLE.c.masked)
        self._database.forget()

    def _end(self, state: ApprovalState, *conditions: Condition) -> ApprovalRow | None:
        """Give the one approval that meets the conditions its last state, and return it."""
        with self._database.write() as connection:
            revision = _next_revision(connection)
            found = connection.execute(select(_TABLE.c.id).where(*conditions)).scalar_one_or_none()
            if found is None:
                return None
            self._over(connection, found, revision, state)
            return _one(connection, found)


def _next_revision(connection: Connection) -> int:
    """Lock the clock, so that this is the only writer, and return the number this change will have if it is one."""
    revision: int = connection.execute(select(_CLOCK.c.revision).with_for_update()).scalar_one()
    return revision + 1


def _tick(connection: Connection, revision: int) -> None:
    connection.execute(update(_CLOCK).values(revision=revision))


def _change(connection: Connection, approval_id: str, revision: int, **values: object) -> None:
    _tick(connection, revision)
    connection.execute(update(_TABLE).where(_TABLE.c.id == approval_id).values(revision=revision, **values))


def _is(state: ApprovalState) -> ColumnElement[bool]:
    return _TABLE.c.state == state


def _visible(viewer: Viewer) -> ColumnElement[bool]:
    own = (_TABLE.c.issuer == viewer.issuer) & (_TABLE.c.subject == viewer.subject)
    asked = exists().where(_APPROVERS.c.approval == _TABLE.c.id, _APPROVERS.c.name.in_(viewer.groups))
    return or_(own, asked)


def _same_person(one: ApprovalDecision, other: ApprovalDecision) -> bool:
    same_name = one.who.casefold() == other.who.casefold()
    return same_name or (one.issuer, one.subject) == (other.issuer, other.subject)


def _one(connection: Connection, approval_id: str) -> ApprovalRow | None:
    return next(iter(_rows(connection, _TABLE.c.id == approval_id)), None)


def _rows(connection: Connection, *conditions: Condition, limit: int | None = None) -> list[ApprovalRow]:
    query = select(_TABLE).where(*conditions).order_by(_TABLE.c.created.desc(), _TABLE.c.id.desc()).limit(limit)
    found = connection.execute(query).mappings().all()
    ids = [row["id"] for row in found]
    approvers: dict[str, list[str]] = defaultdict(list)
    for name in connection.execute(_children(_APPROVERS, ids)):
        approvers[name.approval].append(name.name)
    decisions: dict[str, list[ApprovalDecision]] = defaultdict(list)
    for made in connection.execute(_children(_DECISIONS, ids)):
        decision = ApprovalDecision(made.who, made.issuer, made.subject, made.approve, made.reason, made.time)
        decisions[made.approval].append(decision)
    return [_approval(dict(row), approvers[row["id"]], decisions[row["id"]]) for row in found]


def _children(table: Table, ids: Sequence[str]) -> Select[Any]:
    return select(table).where(table.c.approval.in_(ids)).order_by(table.c.approval, table.c.position)


def _approval(values: dict[str, Any], approvers: Sequence[str], decisions: Sequence[ApprovalDecision]) -> ApprovalRow:
    del values["revision"]
    values |= {"state": ApprovalState(values["state"]), "kind": Kind(values["kind"])}
    values["scope"] = ApprovalScope(values["scope"])
    return ApprovalRow(**values, approvers=tuple(approvers), decisions=tuple(decisions))


def _values(row: ApprovalRow) -> dict[str, Any]:
    names = [column.name for column in _TABLE.columns if column.name != "revision"]
    return {name: getattr(row, name) for name in names}
