"""Approvals: a command is held until people say yes. Silence is denial, and nobody approves their own request.

Every change of state and its journal entry are one transaction: neither is ever there without the other, over threads,
processes and crashes. An approval is bound to a digest of who, where and the exact bytes, used at most once and lapses.
Not here: what needs an approval (`bastion.policy`), how people are told, and who holds the right to approve
(`bastion.auth.access`), which comes in as `may_approve`.
"""

import asyncio
import hashlib
import secrets
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import ParamSpec, TypeVar

from bastion.audit import Event, EventType
from bastion.errors import AccessDenied, BastionError, ConfigError, NotFoundError, UnavailableError
from bastion.journal import AuditLog
from bastion.model import Action, Identity, Verdict, rfc3339
from bastion.store.base import ApprovalDecision, ApprovalRow, ApprovalScope, ApprovalState, Viewer
from bastion.store.thread import StoreThread
from bastion.store.watch import ApprovalWatch

P = ParamSpec("P")
T = TypeVar("T")

MAX_COMMAND = 1024 * 1024
"""Bytes of a command that can be held; they are kept exactly until the request is over, and masked from then on."""

MAX_REASON = 1000
"""Characters of a reason."""

MAX_PENDING = 100
"""Requests of one person that may be pending at once."""

MAX_LIFETIME = timedelta(hours=24)
"""The longest time an approval may be usable after it was given."""

_ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"  # nothing that reads like another: no 0 o, 1 i l
_ID_LENGTH = 8  # 31 ** 8 is 850 thousand million


def digest(issuer: str, subject: str, target: str, login: str, channel: str, command: bytes) -> str:
    """Return what an approval is bound to, as hexadecimal SHA-256.

    Hashed are the text `bastion approval 1` and the six arguments in this order, each preceded by its length in bytes
    (8 bytes, big-endian), texts as UTF-8; so no two different requests give the same input.
    """
    texts = (issuer, subject, target, login, channel)
    fields = [b"bastion approval 1", *(text.encode(errors="surrogatepass") for text in texts), command]
    whole = hashlib.sha256()
    for field in fields:
        whole.update(len(field).to_bytes(8, "big"))
        whole.update(field)
    return whole.hexdigest()


def kept_open(verdict: Verdict) -> Verdict:
    """Return what is asked: the request outlives the client's wait, so that "still open" is true when it is said."""
    return replace(verdict, timeout=verdict.timeout * 2)


def is_own(row: ApprovalRow, identity: Identity) -> bool:
    """Return whether this person asked for it: the same issuer and subject, or the same name at any issuer."""
    same_name = row.requester.casefold() == identity.name.casefold()
    return same_name or _is_requester(row, identity)


class Approvals:
    """The life of approvals; used from one event loop. Errors are as in `bastion.errors`, each safe to show."""

    def __init__(self, thread: StoreThread, audit: AuditLog, clock: Callable[[], datetime]) -> None:
        self._thread = thread
        self._audit = audit
        self._clock = clock
        self._watch = ApprovalWatch(thread)

    async def submit(
        self,
        identity: Identity,
        target: str,
        login: str,
        channel: str,
        command: bytes,
        verdict: Verdict,
        connection: str = "",
        session: str = "",
        *,
        masked: bytes | None = None,
    ) -> ApprovalRow:
        """Ask for a command, and return the request; one of the same digest and rule that is still live is reused.

        `masked` is the command as it is kept for good, by default as it is. An APPROVED one is returned as it is:
        `use` it. Raise ConfigError for a command over `MAX_COMMAND`, UnavailableError with `MAX_PENDING` requests open.
        """
        if verdict.action is not Action.APPROVE:
            raise ValueError("only what needs an approval can be asked for")
        if len(command) > MAX_COMMAND:
            raise ConfigError(
                f"the command is {len(command)} bytes long and only {MAX_COMMAND} can be held for approval;"
                " put it into a file and run that"
            )
        now = self._clock()
        row = ApprovalRow(
            id=_new_id(),
            digest=digest(identity.issuer, identity.subject, target, login, channel, command),
            state=ApprovalState.PENDING,
            rule=verdict.rule,
            requester=identity.name,
            issuer=identity.issuer,
            subject=identity.subject,
            kind=identity.kind,
            target=target,
            login=login,
            channel=str(channel),
            command=command,
            reason=verdict.reason[:MAX_REASON],
            approvers=verdict.approvers,
            approvals=verdict.approvals,
            created=now,
            expires=now + timedelta(seconds=verdict.timeout),
            connection=connection,
            session=session,
            masked=command if masked is None else masked,
        )
        return await self._change(self._submit, row)

    async def wait(self, approval_id: str, until: datetime) -> ApprovalRow:
        """Return the approval as soon as it is not pending any more, else as it is at `until`.

        A decision made by another process is seen within a quarter of a second. Raise NotFoundError for an unknown id.
        """
        with self._watch.waiting(approval_id) as changed:
            while True:
                changed.clear()
                row = await self._thread.run(self._existing, approval_id)
                now = self._clock()
                if row.state is ApprovalState.PENDING and row.expires <= now:
                    await self.sweep()
                    row = await self._thread.run(self._existing, approval_id)
                if row.state is not ApprovalState.PENDING or until <= now:
                    return row
                await _until(changed, (min(until, row.expires) - now).total_seconds())

    async def decide(
        self,
        identity: Identity,
        approval_id: str,
        *,
        approve: bool,
        reason: str,
        lifetime: timedelta | None,
        may_approve: bool,
        scope: ApprovalScope = ApprovalScope.ONCE,
    ) -> ApprovalRow:
        """Say yes or no to a pending request, and return it as it is then: still PENDING where more people must agree.

        `lifetime` is how long it may be used once approved (the last to agree sets it), by default as long as it could
        have been pending; `scope` says how often, and is the last one's likewise. `may_approve` says whether the
        caller's roles hold the right to approve. Raise AccessDenied for who may not decide it, NotFoundError for an
        approver's unknown id, BastionError where it is too late.
        """
        if len(reason) > MAX_REASON:
            raise ConfigError(f"the reason is {len(reason)} characters long; use at most {MAX_REASON}")
        if lifetime is not None and not timedelta(seconds=1) <= lifetime <= MAX_LIFETIME:
            raise ConfigError("an approval can be good for 1s to 24h; give another time")
        decision = ApprovalDecision(
            identity.name, identity.issuer, identity.subject, approve, _visible(reason), self._clock()
        )
        return await self._change(self._decide, identity, approval_id, decision, lifetime, may_approve, scope)

    async def use(self, request_digest: str, connection: str = "") -> ApprovalRow | None:
        """Use the approval of a digest: one of scope ONCE is returned once, to one caller; None where there is none.

        On return its use is in store and journal, and the caller may run exactly the bytes of `command`, which are
        kept no longer where it was the only use.
        """
        return await self._change(self._use, request_digest, connection)

    async def withdraw(self, approval_id: str, identity: Identity) -> bool:
        """Take back the own request; False when it is not pending any more. Raise NotFoundError where it isn't own."""
        return await self._change(self._withdraw, approval_id, identity)

    async def sweep(self) -> Sequence[ApprovalRow]:
        """Expire what is over its time, and return it; to be called every few seconds."""
        return await self._change(self._sweep)

    async def get(self, approval_id: str, viewer: Identity, *, may_approve: bool) -> ApprovalRow:
        """Return one approval; raise NotFoundError where there is none, or none that this person may see."""
        row = await self._thread.run(self._thread.store.approvals.get, approval_id)
        if row is None or not visible_to(row, viewer, may_approve=may_approve):
            raise NotFoundError(f"there is no approval {_visible(approval_id)}")
        return row

    async def list(
        self, viewer: Identity, *, may_approve: bool, states: Sequence[ApprovalState] = (), limit: int = 100
    ) -> Sequence[ApprovalRow]:
        """Return the approvals that this person may see, newest first."""
        who = Viewer(viewer.issuer, viewer.subject, viewer.groups if may_approve else ())
        return await self._thread.run(self._thread.store.approvals.list, states=states, limit=limit, viewer=who)

    async def subscribe(self) -> AsyncGenerator[None, None]:
        """Yield once at first, then after each change of any approval, for screens that are drawn anew.

        Changes while the caller is busy are yielded as one. Close it (`contextlib.aclosing`) when done.
        """
        with self._watch.waiting() as changed:
            while True:
                changed.clear()
                yield
                await changed.wait()

    async def close(self) -> None:
        """Stop watching the store."""
        await self._watch.close()

    async def _change(self, step: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a step on the store's thread as one transaction, and let those who wait look at what became of it."""
        result = await self._thread.run(self._whole, partial(step, *args, **kwargs))
        self._watch.poke()
        return result

    # Below: steps, on the store's thread, within one transaction. An exception undoes them, journal entries too.

    def _whole(self, step: Callable[[], T]) -> T:
        with self._thread.store.transaction():
            return step()

    def _submit(self, row: ApprovalRow) -> ApprovalRow:
        self._sweep()
        store = self._thread.store.approvals
        while store.get(row.id) is not None:
            row = replace(row, id=_new_id())
        kept = store.add(row)
        if kept.id != row.id:
            if _same_terms(kept, row) and not _of_another_session(kept, row):
                return kept
            # the rules changed, or it was good for another session: it must not stand for what is asked now
            why = "the same was asked elsewhere" if _same_terms(kept, row) else "the rules changed"
            store.lapse(kept.id)
            self._note(EventType.APPROVAL_EXPIRED, kept, "", why=why)
            kept = store.add(row)
        if store.count_pending(row.issuer, row.subject, row.created) > MAX_PENDING:
            raise UnavailableError(
                f"{MAX_PENDING} requests of yours wait for approval already; withdraw some or wait for decisions"
            )
        command = row.masked.decode(errors="backslashreplace")
        digests = {"digest": row.digest, "sha256": hashlib.sha256(row.command).hexdigest()}
        terms = {"approvers": row.approvers, "approvals": row.approvals, "expires": rfc3339(row.expires)}
        self._note(EventType.APPROVAL_REQUESTED, kept, row.requester, command=command, **digests, **terms)
        return kept

    def _decide(
        self,
        identity: Identity,
        approval_id: str,
        decision: ApprovalDecision,
        lifetime: timedelta | None,
        may_approve: bool,
        scope: ApprovalScope,
    ) -> ApprovalRow:
        store = self._thread.store.approvals
        row = store.get(approval_id)
        shown = _visible(approval_id)
        if row is not None and is_own(row, identity) and (may_approve or _is_requester(row, identity)):
            raise AccessDenied(f"approval {shown} is your own request; somebody else must decide it")
        if not may_approve:  # the same for ids that exist and others: nothing to be learnt
            raise AccessDenied("you may not decide approvals")
        if row is None:
            raise NotFoundError(f"there is no approval {shown}")
        if not set(row.approvers) & set(identity.groups):
            raise AccessDenied(f"you may not decide approval {shown}: you are in none of its approvers' groups")
        expires = decision.time + (row.expires - row.created if lifetime is None else lifetime)
        decided = store.decide(approval_id, decision, expires, scope)
        if decided is None:
            raise BastionError(_too_late(row, decision.time))
        more = {"approve": decision.approve, "reason": decision.reason, "state": str(decided.state)}
        if decision.approve:
            more["scope"] = str(scope)
        self._note(EventType.APPROVAL_DECIDED, decided, identity.name, expires=rfc3339(decided.expires), **more)
        return decided

    def _use(self, request_digest: str, connection: str) -> ApprovalRow | None:
        row = self._thread.store.approvals.use(request_digest, self._clock(), connection)
        if row is not None:
            self._note(EventType.APPROVAL_USED, row, row.requester, digest=row.digest)
        return row

    def _withdraw(self, approval_id: str, identity: Identity) -> bool:
        store = self._thread.store.approvals
        row = store.get(approval_id)
        if row is None or not _is_requester(row, identity):
            raise NotFoundError(f"there is no request {_visible(approval_id)} of yours")
        withdrawn = store.withdraw(approval_id, self._clock())
        if withdrawn:
            self._note(EventType.APPROVAL_WITHDRAWN, row, identity.name)
        return withdrawn

    def _sweep(self) -> Sequence[ApprovalRow]:
        rows = self._thread.store.approvals.expire(self._clock())
        for row in rows:
            self._note(EventType.APPROVAL_EXPIRED, row, "", why="nobody decided or used it in time")
        return rows

    def _existing(self, approval_id: str) -> ApprovalRow:
        row = self._thread.store.approvals.get(approval_id)
        if row is None:
            raise NotFoundError(f"there is no approval {_visible(approval_id)}")
        return row

    def _note(self, event: EventType, row: ApprovalRow, who: str, **more: object) -> None:
        about = {"approval": row.id, "rule": row.rule, "requester": row.requester}
        where = {"target": row.target, "login": row.login, "channel": row.channel}
        self._audit.write(Event(event, who, row.session, {**about, **where, **more}))


def visible_to(row: ApprovalRow, identity: Identity, *, may_approve: bool) -> bool:
    """Return whether a person may see this approval: who asked for it, and who may be asked to decide it."""
    asked = may_approve and bool(set(row.approvers) & set(identity.groups))
    return asked or _is_requester(row, identity)


def _is_requester(row: ApprovalRow, identity: Identity) -> bool:
    return (row.issuer, row.subject) == (identity.issuer, identity.subject)


def _same_terms(one: ApprovalRow, other: ApprovalRow) -> bool:
    return (one.rule, set(one.approvers), one.approvals) == (other.rule, set(other.approvers), other.approvals)


def _of_another_session(live: ApprovalRow, asked: ApprovalRow) -> bool:
    approved = live.state is ApprovalState.APPROVED and live.scope is ApprovalScope.SESSION
    return approved and live.connection != asked.connection


def _too_late(row: ApprovalRow, now: datetime) -> str:
    """Return why a decision on this row, as it was just before, was not taken."""
    if (row.state is ApprovalState.PENDING and row.expires <= now) or row.state is ApprovalState.EXPIRED:
        return f"approval {row.id} has expired; the command must be asked for again"
    if row.state is ApprovalState.PENDING:
        return f"you have decided approval {row.id} already; somebody else must agree"
    by = f" by {_visible(row.decisions[-1].who)}" if row.decisions else ""
    return f"approval {row.id} was {row.state} already{by if row.state is not ApprovalState.USED else ''}"


def _new_id() -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(_ID_LENGTH))


def _visible(text: str) -> str:
    """Return text of a person's as one printable line: whatever else (bidi controls too) becomes its escape."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


async def _until(changed: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(max(seconds, 0)):
            await changed.wait()
    except TimeoutError:
        pass
