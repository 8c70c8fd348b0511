"""Recordings for tests, made in memory."""

from collections.abc import Sequence
from io import BytesIO

from recorder.asciicast import Encoder, Header, encode_header
from recorder.reader import Recording

Made = Sequence[tuple[float, str, bytes]]


def make(events: Made, *, header: Header | None = None, end: str | None = "0", closed: bool = True) -> Recording:
    """Return a recording of (time, code, data); the data of "r" is b"80x24"."""
    encoder = Encoder()
    parts = [encode_header(header or Header(term="xterm"))]
    last = 0.0
    for last, code, data in events:
        if code == "m":
            parts.append(encoder.marker(data.decode(), last))
        elif code == "r":
            columns, _, rows = data.partition(b"x")
            parts.append(encoder.resize(int(columns), int(rows), last))
        else:
            parts += encoder.stream(code, data, last)
    content = b"".join([*parts, *(encoder.end(end, last) if closed else [])])
    return Recording(lambda: BytesIO(content), "test")


def output(data: bytes, header: Header | None = None) -> Recording:
    """Return a recording of one piece of output."""
    return make([(1.0, "o", data)], header=header)
