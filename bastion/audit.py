"""The audit journal's events: a closed, versioned list, and the hash chain that binds them.

Every event has a type from `EventType`; `data` holds plain JSON values and never a secret. The chain functions are
pure: `chain` makes the next entry, `Verifier` (or `verify` for a whole list) checks entries in order. An entry's hash
is the SHA-256 of the canonical JSON of its other fields, `prev` among them. The chain shows what was changed; against
someone who rewrites all of it, head included, only a head (seq and hash) kept elsewhere helps.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from bastion.model import rfc3339

GENESIS = "0" * 64
"""`prev` of the first entry."""

MAX_TEXT = 4096
"""Characters kept of one string in an entry; a longer one is cut and says how long it was, with its SHA-256."""

MAX_ITEMS = 256
"""Items kept of one list or object in an entry."""

MAX_DEPTH = 8
"""Levels of lists and objects kept in an entry; deeper ones become their JSON text."""

MAX_DATA = 65536
"""Bytes of canonical JSON kept of an entry's `data`; more becomes one cut text under the key `cut`."""


class EventType(StrEnum):
    """Every kind of entry the journal may hold. Names are never reused for another meaning."""

    SERVER_START = "server.start"
    SERVER_STOP = "server.stop"
    CONFIG_RELOAD = "config.reload"
    LOGIN = "login"  # a person or agent proved who they are (OIDC)
    LOGIN_FAILED = "login.failed"
    CERTIFICATE_ISSUED = "certificate.issued"
    CERTIFICATE_REVOKED = "certificate.revoked"
    CONNECTION_OPEN = "connection.open"  # a certificate opened the door
    CONNECTION_CLOSE = "connection.close"
    ACCESS_GRANTED = "access.granted"
    ACCESS_DENIED = "access.denied"
    CHANNEL_OPEN = "channel.open"
    CHANNEL_CLOSE = "channel.close"
    FORWARD_LISTEN = "forward.listen"  # the target listens for a client
    FORWARD_CANCEL = "forward.cancel"  # and does so no longer
    FORWARD_OPEN = "forward.open"  # one connection through a forward, agent or display
    FORWARD_CLOSE = "forward.close"
    FORWARD_DENIED = "forward.denied"
    SHELL_HOOK = "shell.hook"  # a shell asks before it runs anything, or does so no more
    COMMAND_VERDICT = "command.verdict"
    FILE_DOWNLOAD = "file.download"  # a file was read by sftp or scp, or rsync was told to
    FILE_UPLOAD = "file.upload"
    FILE_OPERATION = "file.operation"  # removed, renamed, attributes changed and the like
    APPROVAL_REQUESTED = "approval.requested"
    APPROVAL_DECIDED = "approval.decided"
    APPROVAL_EXPIRED = "approval.expired"
    APPROVAL_WITHDRAWN = "approval.withdrawn"
    APPROVAL_USED = "approval.used"
    RECORDING_REPLAYED = "recording.replayed"
    RECORDING_EXPORTED = "recording.exported"
    RECORDING_SEARCHED = "recording.searched"
    JOURNAL_READ = "journal.read"
    JOURNAL_VERIFIED = "journal.verified"
    SESSION_WATCHED = "session.watched"  # while it went on
    SESSION_KILLED = "session.killed"
    FAILURE = "failure"  # something failed closed


@dataclass(frozen=True, slots=True)
class Event:
    """What happened. `identity` names who did it, `session` is the id of the session concerned; both may be empty."""

    type: EventType
    identity: str = ""
    session: str = ""
    data: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One entry of the audit journal, chained: `hash` = SHA-256 over the canonical JSON of all other fields."""

    seq: int
    time: str
    node: str
    type: str
    identity: str
    session: str
    data: dict[str, Any]
    prev: str
    hash: str


@dataclass(frozen=True, slots=True)
class Head:
    """The end of a chain: the last entry's `seq` and `hash`; 0 and `GENESIS` for an empty one."""

    seq: int = 0
    hash: str = GENESIS


@dataclass(frozen=True, slots=True)
class VerifyResult:
    """What checking a chain found. `count` entries were right before the first fault, `head` is the last of them.

    With `ok` false, `first_bad_seq` is the number of the first entry that is changed, missing, extra or out of order,
    and `why` says which, in one line.
    """

    count: int
    ok: bool
    first_bad_seq: int | None
    why: str
    head: Head


def canonical(value: object) -> bytes:
    """Return the one JSON text of a value: sorted keys, no whitespace, UTF-8, no NaN. Raise TypeError or ValueError."""
    return _json(value).encode()


def clean(event: Event) -> Event:
    """Return the event as an entry will hold it: plain JSON, every part within its bound, encodable as UTF-8.

    Raise TypeError for a value that is no JSON, ValueError for NaN and infinities: defects of the caller.
    """
    data = {_cut(key): _plain(value, 1) for key, value in _first(event.data)}
    size = canonical(data)
    if len(size) > MAX_DATA:
        data = {"cut": _cut(size.decode())}
    return Event(event.type, _name(event.identity), _name(event.session), data)


def chain(event: Event, seq: int, time: datetime, node: str, prev: str) -> JournalEntry:
    """Return the entry number `seq` for an event, following the entry whose hash is `prev`."""
    event = clean(event)
    entry = JournalEntry(
        seq, rfc3339(time), _name(node), str(event.type), event.identity, event.session, event.data, prev, hash=""
    )
    return JournalEntry(
        seq, entry.time, entry.node, entry.type, entry.identity, entry.session, entry.data, prev, entry_hash(entry)
    )


def entry_hash(entry: JournalEntry) -> str:
    """Return the hash an entry must carry: hexadecimal SHA-256 over its other fields."""
    fields = {
        "data": entry.data,
        "identity": entry.identity,
        "node": entry.node,
        "prev": entry.prev,
        "seq": entry.seq,
        "session": entry.session,
        "time": entry.time,
        "type": entry.type,
    }
    return hashlib.sha256(canonical(fields)).hexdigest()


class Verifier:
    """Checks a chain piece by piece, from its first entry, in constant memory."""

    def __init__(self) -> None:
        self.head = Head()
        self._fault: tuple[int, str] | None = None
        self._expected: Head | None = None
        self._met = False

    def expect(self, head: Head) -> None:
        """Ask that the chain hold this entry; call before feeding. Entries after it are checked, but not asked for."""
        self._expected = head
        self._met = head == Head()

    def feed(self, entries: Iterable[JournalEntry]) -> bool:
        """Check the next entries; return False once a fault was found (more is ignored)."""
        for entry in entries:
            if self._fault is None:
                self._fault = self._check(entry)
        return self._fault is None

    def result(self) -> VerifyResult:
        """Return what was found, once everything was fed."""
        fault = self._fault
        if fault is None and self._expected is not None and not self._met:
            missing = self.head.seq + 1
            fault = (missing, f"entry {missing} and what follows is missing, up to entry {self._expected.seq}")
        count = self.head.seq
        if fault is None:
            return VerifyResult(count, ok=True, first_bad_seq=None, why="", head=self.head)
        return VerifyResult(count, ok=False, first_bad_seq=fault[0], why=fault[1], head=self.head)

    def _check(self, entry: JournalEntry) -> tuple[int, str] | None:
        seq = self.head.seq + 1
        if entry.seq > seq:
            return seq, f"entry {seq} is missing: {entry.seq} follows {seq - 1}"
        if entry.seq < seq:
            return entry.seq, f"entry {entry.seq} stands after entry {seq - 1}"
        if entry.prev != self.head.hash:
            return seq, f"entry {seq} does not follow entry {seq - 1}: its prev is not that entry's hash"
        if not _intact(entry):
            return seq, f"entry {seq} was changed: its hash does not fit its content"
        if self._expected is not None and seq == self._expected.seq:
            if entry.hash != self._expected.hash:
                return seq, f"entry {seq} was replaced: its hash is not the expected one"
            self._met = True
        self.head = Head(seq, entry.hash)
        return None


def verify(entries: Iterable[JournalEntry], *, head: Head | None = None) -> VerifyResult:
    """Check a whole chain from its first entry; with `head`, also that it reaches that entry (nothing cut off)."""
    verifier = Verifier()
    if head is not None:
        verifier.expect(head)
    verifier.feed(entries)
    return verifier.result()


def _intact(entry: JournalEntry) -> bool:
    try:
        return entry_hash(entry) == entry.hash
    except (TypeError, ValueError):  # a field that no entry of ours can hold
        return False


def _json(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _plain(value: object, depth: int) -> object:
    match value:
        case None | bool() | int() | float():
            return value
        case str():
            return _cut(value)
        case dict() | list() | tuple() if depth >= MAX_DEPTH:
            return _cut(_json(value))
        case dict():
            return {_cut(key): _plain(item, depth + 1) for key, item in _first(value)}
        case list() | tuple():
            items = [_plain(item, depth + 1) for item in value[:MAX_ITEMS]]
            return items if len(value) <= MAX_ITEMS else [*items, f"… [{len(value)} items]"]
        case _:
            raise TypeError(f"the journal takes plain JSON only, not {type(value).__name__}")


def _first(data: dict[Any, Any]) -> list[tuple[str, object]]:
    """Return the items of an object in order of keys, the first `MAX_ITEMS` and a note of how many there were."""
    items: list[tuple[str, object]] = []
    for key, value in data.items():
        if not isinstance(key, str):
            raise TypeError(f"the journal takes text keys only, not {type(key).__name__}")
        items.append((key, value))
    if len(items) <= MAX_ITEMS:
        return items
    return [*sorted(items)[:MAX_ITEMS], ("…", f"[{len(items)} keys]")]


def _name(text: str) -> str:
    """Return the text as a column of any database can hold it: as in `_cut`, and NUL as its escape."""
    return _cut(text.replace("\0", "\\x00"))


def _cut(text: str) -> str:
    """Return the text, encodable (a lone surrogate becomes its escape) and within `MAX_TEXT` plus a note."""
    raw = str(text).encode(errors="backslashreplace")
    text = raw.decode()
    if len(text) <= MAX_TEXT:
        return text
    return f"{text[:MAX_TEXT]}… [{len(text)} characters, sha256 {hashlib.sha256(raw).hexdigest()}]"
