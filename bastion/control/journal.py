"""The audit journal: read and checked with the right `audit`; both leave an entry themselves."""

from collections.abc import Sequence

from bastion.audit import EventType, JournalEntry, VerifyResult
from bastion.control.services import Control
from bastion.model import ControlRight


async def read(
    control: Control, *, after: int | None, limit: int, types: Sequence[EventType]
) -> Sequence[JournalEntry]:
    """Return entries in order: those after a number, or the newest; the types are or-ed, none means all."""
    control.require(ControlRight.AUDIT, "read the journal")
    await control.record(EventType.JOURNAL_READ, after=after, limit=limit, types=[str(kind) for kind in types])
    names = tuple(str(kind) for kind in types)
    return await control.run(
        control.store.journal.list, after=after or 0, limit=limit, types=names, newest=after is None
    )


async def verify(control: Control) -> VerifyResult:
    """Check the whole hash chain, and that its end was not cut off."""
    control.require(ControlRight.AUDIT, "verify the journal")
    result = await control.services.audit.verify()
    await control.record(EventType.JOURNAL_VERIFIED, ok=result.ok, count=result.count, why=result.why)
    return result
