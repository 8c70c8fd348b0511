"""Recordings in forms for others: stock players, text tools, programs, browsers.

cast  asciicast v2 as stock players know it: one stream "o", U+FFFD for what is not UTF-8, no keys of our own
text  the lines of the transcript
json  everything, one object: header, events with the names of their streams, base64 for what is not UTF-8
html  one page with a player of its own, which loads nothing and may load nothing

Whatever is meant to be played is sanitised, since a player passes on all that it holds; `json`, and the recording's
own file, keep every byte. Exports are made piece by piece, with bounded memory, and raise RecordingError while being
read where the recording is damaged.
"""

import hashlib
import html
import json
import re
from base64 import b64encode
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

from recorder.asciicast import STREAMS, Code, Event
from recorder.errors import RecordingError
from recorder.reader import Recording
from recorder.sanitise import Sanitiser, visible
from recorder.transcript import transcript

_NAMES = {Code.OUTPUT: "stdout", Code.ERROR: "stderr", Code.INPUT: "stdin"}


def export(recording: Recording, form: str) -> Iterator[bytes]:
    """Yield the recording in one of `FORMATS`, in pieces; raises RecordingError where there is no such format."""
    maker = _MAKERS.get(form)
    if maker is None:
        raise RecordingError(f"there is no export format {visible(form)}; choose one of {', '.join(FORMATS)}")
    return maker(recording)


def _cast(recording: Recording) -> Iterator[bytes]:
    header = recording.header
    fields: dict[str, Any] = {
        "version": 2,
        "width": header.width,
        "height": header.height,
        "timestamp": header.timestamp,
        "env": {"TERM": header.term} if header.term else {},
    }
    fields |= {key: text for key, text in (("command", header.command), ("title", header.title)) if text}
    yield _dump(fields) + b"\n"
    for event, text in _drawn(recording):
        code = event.code if event.code is not Code.ERROR else Code.OUTPUT
        if text:
            yield _dump([event.time, code.value, text]) + b"\n"


def _text(recording: Recording) -> Iterator[bytes]:
    for line in transcript(recording):
        yield line.text.encode() + b"\n"


def _json(recording: Recording) -> Iterator[bytes]:
    header, ending = recording.header, recording.ending
    fields = {
        "width": header.width,
        "height": header.height,
        "started": _moment(header.timestamp),
        "command": header.command,
        "title": header.title,
        "term": header.term,
        "bastion": header.bastion,
        "duration": ending.duration,
        "ended": ending.ended,
        "exit_status": ending.exit_status,
    }
    yield b'{"header": ' + _dump(fields) + b', "events": ['
    separator = b"\n"
    for event in recording.events():
        yield separator + _dump(_described(event))
        separator = b",\n"
    yield b"\n]}\n"


def _html(recording: Recording) -> Iterator[bytes]:
    header = recording.header
    script, style = _page("player.js"), _page("page.css")
    facts = "".join(f"<dt>{html.escape(key)}</dt><dd>{html.escape(text)}</dd>" for key, text in _facts(recording))
    parts = {
        "policy": f"default-src 'none'; script-src '{_source(script)}'; style-src '{_source(style)}'; "
        "base-uri 'none'; form-action 'none'",
        "title": html.escape(visible(header.title or header.command or recording.name)),
        "style": style,
        "facts": facts,
        "script": script,
    }
    before, after = _page("page.html").split("@events@")
    yield _filled(before, parts)
    yield _embedded([header.width, header.height])
    for event, text in _drawn(recording):
        if event.code is Code.RESIZE:
            yield b",\n" + _embedded([event.time, *event.size])
        elif text and event.code in {Code.OUTPUT, Code.ERROR}:
            yield b",\n" + _embedded([event.time, text])
    yield _filled(after, parts)


def _drawn(recording: Recording) -> Iterator[tuple[Event, str]]:
    """Yield each event and its text; of streams, what of it may be given to a terminal."""
    sanitisers = {code: Sanitiser() for code in STREAMS}
    returns = not recording.header.term
    for event in recording.events():
        sanitiser = sanitisers.get(event.code)
        if sanitiser is None:
            yield event, event.text
            continue
        text = sanitiser.feed(event.data)
        yield event, text.replace("\n", "\r\n") if returns else text


def _described(event: Event) -> dict[str, Any]:
    if event.code is Code.RESIZE:
        columns, rows = event.size
        return {"time": event.time, "type": "resize", "columns": columns, "rows": rows}
    if event.code is Code.MARKER:
        return {"time": event.time, "type": "marker", "text": event.text}
    described: dict[str, Any] = {"time": event.time, "type": _NAMES[event.code]}
    try:
        return described | {"text": event.data.decode()}
    except UnicodeDecodeError:
        return described | {"base64": b64encode(event.data).decode()}


def _facts(recording: Recording) -> Iterator[tuple[str, str]]:
    """Yield what the page says about the recording, names and texts, fit to be shown."""
    header, ending = recording.header, recording.ending
    for key, text in header.bastion.items():
        yield visible(key), visible(text)
    if header.command:
        yield "command", visible(header.command)
    yield "started", _moment(header.timestamp)
    yield "duration", f"{ending.duration:.1f} s"
    yield "ended", visible(ending.exit_status or "yes") if ending.ended else "cut off"


def _moment(timestamp: int) -> str:
    try:
        return datetime.fromtimestamp(timestamp, UTC).isoformat().replace("+00:00", "Z")
    except (ValueError, OverflowError, OSError):
        return "unknown"


def _dump(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")


def _embedded(value: Any) -> bytes:
    """Return JSON that cannot end the script element it stands in."""
    return _dump(value).replace(b"<", b"\\u003c")


def _page(name: str) -> str:
    return (files("recorder.page") / name).read_text("utf-8")


def _filled(template: str, parts: dict[str, str]) -> bytes:
    """Put each part in the place that bears its name; once, so that a part may hold such a name itself."""
    return re.sub("@([a-z]+)@", lambda match: parts[match[1]], template).encode("utf-8", "replace")


def _source(text: str) -> str:
    """Return the CSP source expression that allows this inline text and no other."""
    return "sha256-" + b64encode(hashlib.sha256(text.encode()).digest()).decode()


_MAKERS: dict[str, Callable[[Recording], Iterator[bytes]]] = {
    "cast": _cast,
    "text": _text,
    "json": _json,
    "html": _html,
}
FORMATS = tuple(_MAKERS)
