"""The file format: asciicast v2 with a few additions, as pure functions between events and lines.

A recording is one UTF-8 file of JSON lines: a header object, then events `[time, code, data]`. `time` is in seconds
since the start with six decimals and never decreases. Codes on disk:

    o  output (stdout, or the terminal)     ob  the same, base64, where the bytes are not UTF-8,
    e  stderr of a channel without terminal eb or hardly text
    i  input                                ib
    r  new size, "COLUMNSxROWS"             m   marker

Players skip codes they don't know. Additions to asciicast v2 are the codes e, ob, eb, ib and the header's key
"bastion". The last event of a recording that was closed is the marker "exit", or "exit STATUS".

Limits: a line is at most `LINE_MAX` bytes; data is split into pieces of `PIECE_MAX`, so that this always holds. Of
each stream at most 3 bytes are kept back, until the rest of their UTF-8 character comes. No I/O here, and no clock.
"""

import codecs
import json
from binascii import Error as Base64Error
from binascii import a2b_base64, b2a_base64
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from json.encoder import encode_basestring
from typing import Any

from recorder.errors import RecordingError

LINE_MAX = 2 << 20
PIECE_MAX = 128 << 10
TIME_MAX = 1e9  # seconds; what lies beyond is a defect of a clock
SIZE_MAX = 9999  # columns or rows
END = "exit"
CUT_OFF = "cut off"


class Code(StrEnum):
    """What an event is. Text and binary forms of one stream (o, ob) are the same code."""

    OUTPUT = "o"
    ERROR = "e"
    INPUT = "i"
    RESIZE = "r"
    MARKER = "m"


STREAMS = (Code.OUTPUT, Code.ERROR, Code.INPUT)
# Control characters that hardly occur in text; each takes six bytes in JSON. Data full of them, such as zeros of a disk
# image, is smaller and faster in base64.
_RARE = bytes(code for code in range(32) if code not in b"\t\n\r\x1b")
_EACH_RARE = tuple(bytes([code]) for code in _RARE)  # to look for one by one is three times as fast as to delete all
_RARE_MAX = 64
_ASCII_TEXT = bytes(code for code in range(128) if code not in _RARE)
_KEYS = 64  # bytes; what a person types, and its echo, comes in such pieces, and they wait for it
_BINARY = {f"{code}b": code for code in STREAMS}
_TEXTUAL = {code.value: code for code in Code}


@dataclass(frozen=True, slots=True)
class Header:
    """What a recording says about itself.

    `width` and `height` are the terminal's size at the start in characters, `timestamp` the start in seconds since
    1970, `term` its TERM, empty where the channel had no terminal. `bastion` holds what the caller wants kept, such
    as session, identity, target, login and channel.
    """

    width: int = 80
    height: int = 24
    timestamp: int = 0
    command: str = ""
    title: str = ""
    term: str = ""
    bastion: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Event:
    """One event. `data` holds the very bytes of a stream; of RESIZE and MARKER the text in UTF-8."""

    time: float
    code: Code
    data: bytes

    @property
    def text(self) -> str:
        """The data as text, with U+FFFD for what is not UTF-8."""
        return self.data.decode("utf-8", "replace")

    @property
    def size(self) -> tuple[int, int]:
        """(columns, rows) of a RESIZE event."""
        columns, _, rows = self.data.partition(b"x")
        return int(columns), int(rows)

    @property
    def closes(self) -> bool:
        """Whether this is the marker that ends a recording which was closed properly."""
        return self.code is Code.MARKER and (self.data == b"exit" or self.data.startswith(b"exit "))


def encode_header(header: Header) -> bytes:
    """Return the header as the first line of a file; raises RecordingError where it is longer than `LINE_MAX`."""
    fields: dict[str, Any] = {
        "version": 2,
        "width": _dimension(header.width, 80),
        "height": _dimension(header.height, 24),
        "timestamp": int(header.timestamp),
        "env": {"TERM": header.term} if header.term else {},
    }
    fields |= {key: text for key, text in (("command", header.command), ("title", header.title)) if text}
    if header.bastion:
        fields["bastion"] = header.bastion
    line = json.dumps(fields, ensure_ascii=False).encode("utf-8", "replace") + b"\n"
    if len(line) > LINE_MAX:
        raise RecordingError(f"the header of a recording may hold {LINE_MAX} bytes, this one has {len(line)}")
    return line


def decode_header(line: bytes) -> Header:
    """Return what a file's first line says; raises RecordingError where it is no asciicast v2 header."""
    fields = _loads(line)
    if not isinstance(fields, dict) or fields.get("version") != 2:
        raise RecordingError("the first line is no asciicast v2 header")
    env, own, timestamp = fields.get("env"), fields.get("bastion"), fields.get("timestamp")
    return Header(
        width=_dimension(fields.get("width"), 80),
        height=_dimension(fields.get("height"), 24),
        timestamp=int(timestamp) if isinstance(timestamp, int | float) and 0 <= timestamp < 1 << 53 else 0,
        command=str(fields.get("command") or ""),
        title=str(fields.get("title") or ""),
        term=str(env.get("TERM") or "") if isinstance(env, dict) else "",
        bastion={key: str(text) for key, text in own.items()} if isinstance(own, dict) else {},
    )


def decode_event(line: bytes) -> Event | None:
    """Return the event of one line, or None for a code that is not known; raises RecordingError where it is corrupt."""
    match _loads(line):
        case [int() | float() as time, str() as code, str() as text] if 0 <= time < TIME_MAX:
            pass
        case _:
            raise RecordingError("the line is no event")
    if (known := _TEXTUAL.get(code)) is not None:
        if known is Code.RESIZE:
            columns, _, rows = text.partition("x")
            if not (_is_dimension(columns) and _is_dimension(rows)):
                raise RecordingError("the line holds no size")
        return Event(float(time), known, text.encode("utf-8", "replace"))
    if (known := _BINARY.get(code)) is None:
        return None
    try:
        return Event(float(time), known, a2b_base64(text, strict_mode=True))
    except (Base64Error, ValueError) as error:
        raise RecordingError("the line's base64 is damaged") from error


class Encoder:
    """Turns events into lines. Keeps the time from going back and joins characters cut between chunks."""

    def __init__(self) -> None:
        self._last = 0.0
        self._pending: dict[str, bytes] = dict.fromkeys(STREAMS, b"")
        self._size = (80, 24)
        self.events = 0

    def stream(self, code: str, data: bytes, time: float) -> Iterable[bytes]:
        """Return the lines for bytes of one stream; none while they are but the beginning of a character."""
        stamp, pending = self._stamp(time), self._pending[code]
        if len(data) <= _KEYS and not pending and not data.translate(None, _ASCII_TEXT):
            return (self._line(stamp, code, _quote(data)),) if data else ()
        return self._pieces(code, pending + data, stamp)

    def _pieces(self, code: str, data: bytes, stamp: bytes) -> Iterator[bytes]:
        if len(data) <= PIECE_MAX:
            yield from self._piece(code, data, stamp)
            return
        view = memoryview(data)
        self._pending[code] = b""
        for start in range(0, len(data), PIECE_MAX):
            yield from self._piece(code, self._pending[code] + view[start : start + PIECE_MAX], stamp)

    def resize(self, columns: int, rows: int, time: float) -> bytes:
        """Return the line for a new size; a zero means "unchanged" (RFC 4254 section 6.7)."""
        self._size = _dimension(columns, self._size[0]), _dimension(rows, self._size[1])
        return self._line(self._stamp(time), Code.RESIZE, b'"%dx%d"' % self._size)

    def marker(self, text: str, time: float) -> bytes:
        """Return the line for a marker. A text that would read as the recording's end is prefixed with "note: "."""
        if text == END or text.startswith(END + " "):
            text = "note: " + text
        return self._marker(text[:PIECE_MAX], time)

    def end(self, status: str | None, time: float) -> Iterator[bytes]:
        """Yield the last lines: what was kept back, then the marker that says the recording was closed."""
        stamp = self._stamp(time)
        for code, pending in self._pending.items():
            if pending:
                yield self._line(stamp, code + "b", _base64(pending))
        yield self._marker(END if status is None else f"{END} {status}", time)

    def _marker(self, text: str, time: float) -> bytes:
        return self._line(self._stamp(time), Code.MARKER, encode_basestring(text).encode("utf-8", "replace"))

    def _piece(self, code: str, data: bytes, stamp: bytes) -> Iterator[bytes]:
        try:
            consumed = len(data) if data.isascii() else codecs.utf_8_decode(data, "strict", False)[1]
        except UnicodeDecodeError:
            self._pending[code] = b""
            yield self._line(stamp, code + "b", _base64(data))
            return
        self._pending[code] = data[consumed:]
        if not consumed:
            return
        text = data[:consumed]
        rare = any(code in text for code in _EACH_RARE) and consumed - len(text.translate(None, _RARE))
        if rare > _RARE_MAX and rare * 8 > consumed:
            yield self._line(stamp, code + "b", _base64(text))
        else:
            yield self._line(stamp, code, _quote(text) if not rare else encode_basestring(text.decode()).encode())

    def _line(self, stamp: bytes, code: str, data: bytes) -> bytes:
        self.events += 1
        return b'[%b, "%b", %b]\n' % (stamp, code.encode(), data)

    def _stamp(self, time: float) -> bytes:
        if self._last <= time < TIME_MAX:  # false for NaN as well
            self._last = time
        return b"%.6f" % self._last


def _quote(data: bytes) -> bytes:
    """Return UTF-8 bytes without rare controls as a JSON string: as `encode_basestring` does, but twice as fast."""
    escaped = data.replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\n", b"\\n").replace(b"\r", b"\\r")
    return b'"%b"' % escaped.replace(b"\t", b"\\t").replace(b"\x1b", b"\\u001b")


def _base64(data: bytes) -> bytes:
    return b'"%b"' % b2a_base64(data, newline=False)


def _dimension(value: object, default: int) -> int:
    return min(value, SIZE_MAX) if isinstance(value, int) and value > 0 else default


def _is_dimension(text: str) -> bool:
    return text.isascii() and text.isdecimal() and 0 < int(text[:8]) <= SIZE_MAX


def _loads(line: bytes) -> Any:
    try:
        return json.loads(line.decode())
    except (ValueError, RecursionError) as error:
        raise RecordingError("the line is no JSON") from error
