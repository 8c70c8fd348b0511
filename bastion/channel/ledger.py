"""What is written down about one channel: its session row, its journal entries and its recording.

The recording file is written by the caller's own thread as bytes pass; rows and journal go through the store thread.
"""

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from bastion.audit import Event, EventType
from bastion.channel.events import EventBatch
from bastion.channel.requests import ChannelRequest
from bastion.channel.services import Services
from bastion.model import Grant, Stream, Verdict, rfc3339
from bastion.store.base import SessionRow
from recorder.asciicast import Header
from recorder.storage import key_for
from recorder.writer import RecordingWriter

_CODES = {Stream.STDOUT: "o", Stream.STDERR: "e", Stream.STDIN: "i"}
_ID_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_COMMAND_SHOWN = 16 * 1024  # of a command in rows and listings; the journal names the digest of all of it

_SAID = frozenset(("path", "other", "detail", "reason", "why"))
"""Facts of the journal that repeat what people, programs or files are called: kept masked, as output is."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a channel came from: the client connection's id and the peer's address."""

    connection: str
    address: str


def new_session_id(now: datetime) -> str:
    """Return an id that sorts by time: 9 characters of milliseconds, 11 of randomness (55 bits)."""
    stamp, digits = int(now.timestamp() * 1000), ""
    for _ in range(9):
        stamp, digit = divmod(stamp, 32)
        digits = _ID_ALPHABET[digit] + digits
    return digits + "".join(secrets.choice(_ID_ALPHABET) for _ in range(11))


class Ledger:
    """Keeps the books of one channel."""

    def __init__(self, services: Services, grant: Grant, origin: Origin, request: ChannelRequest) -> None:
        now = services.clock()
        self.session_id = new_session_id(now)
        self._services = services
        self._grant = grant
        self._origin = origin
        self._request = request
        self._started = time.monotonic()
        self._opened = False
        self._events = EventBatch(services.audit)
        self._mask = services.ruling.masks(grant).mask
        key = key_for(self.session_id, now)
        identity = grant.identity
        self._row = SessionRow(
            id=self.session_id,
            connection=origin.connection,
            identity=identity.name,
            issuer=identity.issuer,
            kind=identity.kind,
            target=grant.target,
            login=grant.login,
            channel=str(request.kind),
            command=self._shown(request.command),
            started=now,
            recording=key,
            worker=services.worker,
        )
        self._writer = RecordingWriter(services.recordings.create(key), self._header(now))

    def _shown(self, command: bytes) -> str:
        """Return a command as it is kept: masked, as output is, and not longer than people read."""
        masked = self._mask(command[: 2 * _COMMAND_SHOWN])
        return masked.decode("utf-8", "backslashreplace")[:_COMMAND_SHOWN]

    def _masked(self, text: str) -> str:
        return self._mask(text.encode(errors="backslashreplace")).decode(errors="backslashreplace")

    def _header(self, now: datetime) -> Header:
        terminal = self._request.terminal
        row = self._row
        return Header(
            width=(terminal.columns if terminal else 0) or 80,
            height=(terminal.rows if terminal else 0) or 24,
            timestamp=int(now.timestamp()),
            command=row.command,
            title=f"{row.identity} {row.login}@{row.target}",
            term=terminal.term if terminal else "",
            bastion={
                "session": row.id,
                "identity": row.identity,
                "issuer": row.issuer,
                "target": row.target,
                "login": row.login,
                "channel": row.channel,
                "started": rfc3339(now),
            },
        )

    @property
    def facts(self) -> dict[str, str]:
        """What lines of the log say they belong to."""
        row = self._row
        where = {"channel": row.channel, "target": row.target, "login": row.login}
        return {"connection": row.connection, "session": row.id, "identity": row.identity, **where}

    @property
    def connection(self) -> str:
        """The id of the client connection."""
        return self._origin.connection

    def save(self, stream: Stream, data: bytes) -> None:
        """Record bytes before they go on. Raises RecordingError."""
        self._writer.write(_CODES[stream], data, time.monotonic() - self._started)

    def resize(self, columns: int, rows: int) -> None:
        """Record a window change. Raises RecordingError."""
        self._writer.resize(columns, rows, time.monotonic() - self._started)

    def note(self, kind: EventType, facts: Mapping[str, object]) -> None:
        """Have something written down soon, at the latest before the books are closed. Raises UnavailableError."""
        said = {name: self._masked(text) for name, text in facts.items() if name in _SAID and isinstance(text, str)}
        named = {"command": self._shown(str(facts["command"]).encode())} if "command" in facts else {}
        self._events.add(self._event(kind, **{**facts, **said, **named}))

    def line(self, command: bytes, verdict: Verdict) -> None:
        """Have written down soon what the rules said of a line that was typed. Raises UnavailableError."""
        facts = {"action": str(verdict.action), "rule": verdict.rule, "reason": verdict.reason}
        self.note(EventType.COMMAND_VERDICT, {"command": self._shown(command), **facts})

    async def open(self, verdict: Verdict | None) -> None:
        """Write down, once and before anything reaches the target, that the channel opens and what the rules said."""
        if self._opened:
            return
        self._opened = True
        await self._write(
            self._services.thread.store.sessions.add,
            self._event(EventType.ACCESS_GRANTED, channels=sorted(self._grant.channels)),
            self._event(
                EventType.CHANNEL_OPEN,
                channel=self._row.channel,
                command=self._row.command,
                terminal=self._request.terminal is not None,
                recording=self._row.recording,
            ),
            *([self._verdict(verdict)] if verdict is not None else []),
        )

    async def close(
        self, *, exit_status: str | None, verdict: str, traffic: tuple[int, int], masked: Mapping[str, int]
    ) -> None:
        """Seal the recording and write down how the channel ended."""
        sealed = self._writer.close(time.monotonic() - self._started, exit_status)
        if not self._opened:
            await self.open(None)
        await self._events.flush()
        self._row = replace(
            self._row,
            ended=self._services.clock(),
            exit_status=exit_status,
            verdict=verdict,
            bytes_in=traffic[0],
            bytes_out=traffic[1],
            sha256=sealed.sha256,
            masked=tuple(sorted(masked.items())),
        )
        await self._write(
            self._services.thread.store.sessions.finish,
            self._event(
                EventType.CHANNEL_CLOSE,
                exit_status=exit_status,
                verdict=verdict,
                bytes_in=traffic[0],
                bytes_out=traffic[1],
                masked=dict(masked),
                recording=self._row.recording,
                sha256=sealed.sha256,
                size=sealed.size,
            ),
        )

    async def failure(self, where: str, why: str) -> None:
        """Write down that something failed, and so was not done."""
        await self._services.audit.record(self._event(EventType.FAILURE, where=where, why=why))

    async def _write(self, keep: Callable[[SessionRow], None], *events: Event) -> None:
        """Store the row and its events in one transaction: both are on the disk, or neither."""
        row, services = self._row, self._services

        def whole() -> None:
            with services.thread.store.transaction():
                keep(row)
                services.audit.write(*events)

        await services.thread.run(whole)

    def _verdict(self, verdict: Verdict) -> Event:
        return self._event(
            EventType.COMMAND_VERDICT,
            command=self._row.command,
            action=str(verdict.action),
            rule=verdict.rule,
            reason=verdict.reason,
        )

    def _event(self, kind: EventType, **data: object) -> Event:
        facts = {
            "target": self._grant.target,
            "login": self._grant.login,
            "connection": self._origin.connection,
            "address": self._origin.address,
            **({"via": ", ".join(self._grant.via)} if self._grant.via else {}),
        }
        return Event(kind, self._grant.identity.name, self.session_id, {**facts, **data})
