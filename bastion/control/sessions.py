"""Recorded sessions: everyone reads their own, the right `replay` extends to all; cutting one takes the right `kill`.

Without the right, a session of somebody else and one that doesn't exist get the same answer.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from itertools import islice

from bastion.audit import EventType
from bastion.control.services import Control
from bastion.errors import NotFoundError, UnavailableError
from bastion.model import ControlRight
from bastion.store.base import SessionRow
from recorder.errors import RecordingMissingError
from recorder.reader import Recording
from recorder.search import Found
from recorder.search import search as search_recording
from recorder.storage import RecordingStorage


async def find(control: Control, *, live: bool | None, own: bool, limit: int) -> Sequence[SessionRow]:
    """Return sessions the caller may see, newest first."""
    everything = control.may(ControlRight.REPLAY) and not own
    identity = None if everything else (control.identity.name, control.identity.issuer)
    return await control.run(control.store.sessions.list, identity=identity, limit=limit, live=live)


async def get(control: Control, session_id: str) -> SessionRow:
    """Return one session; raises NotFoundError, also for one that the caller may not see."""
    row = await control.run(control.store.sessions.get, session_id)
    if row is not None and (_is_own(control, row) or control.may(ControlRight.REPLAY)):
        return row
    raise NotFoundError(f"there is no session {session_id} that you may see; look at: bastion sessions list")


def _is_own(control: Control, row: SessionRow) -> bool:
    return (row.identity, row.issuer) == (control.identity.name, control.identity.issuer)


async def replay(control: Control, session_id: str, event: EventType, **data: str) -> tuple[SessionRow, Recording]:
    """Return a session with its recording, to be played or exported, once the journal says so."""
    row = await get(control, session_id)
    recording = open_recording(control, row)
    await control.record(event, row.id, user=row.identity, target=row.target, **data)
    return row, recording


async def watch(control: Control, session_id: str) -> tuple[SessionRow, Recording]:
    """Return a session that goes on with its recording, to be followed, once the journal says so."""
    row = await get(control, session_id)
    if row.ended is not None:
        raise NotFoundError(f"session {row.id} is over; replay it: bastion sessions play {row.id}")
    recording = open_recording(control, row)
    await control.record(EventType.SESSION_WATCHED, row.id, user=row.identity, target=row.target)
    return row, recording


def open_recording(control: Control, row: SessionRow) -> Recording:
    """Return the recording of a session; raises NotFoundError where none was made."""
    if not row.recording:
        raise NotFoundError(f"session {row.id} has no recording")
    return control.services.recordings.open(row.recording, tolerant=True)


async def search(
    control: Control, text: str, *, regex: bool, limit: int, most: int
) -> AsyncIterator[tuple[SessionRow, Found]]:
    """Look through the newest `limit` sessions the caller may see; yield at most `most` lines that match.

    The journal holds what was searched for before anything is found. Files are read in threads; a recording that is
    gone by now is passed over.
    """
    await control.record(EventType.RECORDING_SEARCHED, text=text, regex=regex, limit=limit)
    for row in await find(control, live=None, own=False, limit=limit):
        if row.recording and most > 0:
            found = await asyncio.to_thread(_search, control.services.recordings, row.recording, text, regex, most)
            most -= len(found)
            for line in found:
                yield row, line


def _search(recordings: RecordingStorage, key: str, text: str, regex: bool, most: int) -> list[Found]:
    try:
        return list(islice(search_recording(recordings.open(key, tolerant=True), text, regex=regex), most))
    except RecordingMissingError:
        return []


async def kill(control: Control, session_id: str, reason: str) -> SessionRow:
    """Cut a live session; raises AccessDenied, or NotFoundError where there is none that lives."""
    control.require(ControlRight.KILL, "end sessions")
    row = await control.run(control.store.sessions.get, session_id)
    if row is None or row.ended is not None:
        raise NotFoundError(f"no live session has the id {session_id}; see: bastion sessions list --live")
    await control.record(EventType.SESSION_KILLED, row.id, user=row.identity, target=row.target, reason=reason)
    if not await control.services.live.kill(session_id, by=control.identity.name, reason=reason):
        raise UnavailableError(f"session {session_id} did not end: the process that has it does not answer; try again")
    return row
