"""What a terminal would show of raw bytes, so that values cut by colours or overstruck are still seen as one.

`view` splits raw bytes into pieces. Colours, erase-in-line, character sets, bells, shifts and operating system commands
don't move the cursor: they are passed over, and kept in the output. A single backspace takes back the character right
before it (`_ BS x`, `x BS x`, as `man` prints). A step to the right counts as a space. NUL bytes at every second place
are taken as UTF-16, other ones as they are. Every other control sequence stands as one
byte that no value contains, as do CR and LF.

This is no screen: what full-screen programs paint by moving the cursor is not put together, and several backspaces in a
row or a carriage return start afresh. Sequences longer than the limits below are read as text. Reading may stop at any
shown character and go on later with the same result, given the state in `Before`.
"""

import re
from dataclasses import dataclass
from enum import Enum

BARRIER = b"\x1b"
OSC_LIMIT = 1024
_GAP_LIMIT = 2048  # raw bytes that may stand between two characters of one value


class Kind(Enum):
    """What a piece of raw bytes is."""

    TEXT = "text"  # shown byte for byte
    CELL = "cell"  # a sequence that counts as one byte of text
    KEPT = "kept"  # shows nothing, goes out in any case
    OSC = "osc"  # as KEPT, but carries a text of its own
    STRUCK = "struck"  # a character that was overwritten, and the backspace; goes out unless inside a value
    NUL = "nul"  # high half of a UTF-16 character; goes out unless inside a value


Piece = tuple[Kind, int, int, int, int]
"""Kind, position in the text, raw begin and end, and how many bytes of the text it makes up (TEXT and CELL alone)."""


@dataclass(frozen=True, slots=True)
class Before:
    """What reading needs to know of the bytes that went before.

    `raw` are the last two raw bytes; `shown` is the text shown so far as far as it can be taken back, empty where the
    last piece was not TEXT; `gap` counts raw bytes since then that showed nothing, `under` those before the last
    character, which count again when it is taken back.
    """

    raw: bytes = b""
    shown: bytes = b""
    gap: int = 0
    under: int = 0


@dataclass(frozen=True, slots=True)
class View:
    """The text shown by `raw[:used]`; the rest is a sequence that isn't complete yet.

    `pieces` is empty where the text is just the raw bytes. `popped` is how many bytes of the text before this view
    were taken back by its first piece.
    """

    text: bytes
    raw: bytes
    used: int
    pieces: tuple[Piece, ...] = ()
    popped: int = 0


_TOKEN = re.compile(
    rb"(?P<kept>(?:[\x07\x0e\x0f]|\x1b\[[0-9;:]{0,64}m|\x1b\[[0-2]?K"
    rb"|\x1b\[\?(?!(?:47|1047|1049)[hl])[0-9;]{1,32}[hl]|\x1b[()*+][ -/]?[0-~]){1,8})"
    rb"|(?P<osc>\x1b\][^\x00-\x1f]{0,%d}(?:\x07|\x1b\\))"
    rb"|(?P<space>\x1b\[1?C)"
    rb"|(?P<back>\x08)"
    rb"|(?P<nul>(?<=\x00[^\x00])\x00|\x00(?=[^\x00]\x00))"
    rb"|(?P<part>\x00[^\x00]?\Z|\x1b\Z|\x1b\[[0-?]{0,64}[ -/]{0,8}\Z"
    rb"|\x1b[()*+][ -/]?\Z|\x1b\][^\x00-\x1f]{0,%d}\x1b?\Z)"
    rb"|(?P<barrier>\x1b\[[0-?]{0,64}[ -/]{0,8}[@-~]|\x1b[ -~]|\x1b)" % (OSC_LIMIT, OSC_LIMIT)
)


def is_plain(raw: bytes) -> bool:
    """Return whether the raw bytes are just the text."""
    return not (
        b"\x1b" in raw or b"\x08" in raw or b"\x00" in raw or b"\x07" in raw or b"\x0e" in raw or b"\x0f" in raw
    )


# A NUL that is no half of a character of UTF-16, and an escape that begins nothing, stand as they are: no value holds
# them either. So do control characters behind half a character of UTF-8, since only binary data has those.
_SPECIAL = re.compile(
    rb"[\x00\x07\x08\x0e\x0f\x1b](?:(?<=\x1b)(?=[ -~]|\Z)"
    rb"|(?<=[\x07\x08\x0e\x0f])(?<![\xc0-\xff].)(?<![\x00-\x7f][\x80-\xbf].)"
    rb"|(?<=\x00[^\x00]\x00)|(?<=\x00)(?=[^\x00]\x00|[^\x00]?\Z|\x00{8}))",
    re.DOTALL,
)
_ZEROS = re.compile(rb"\x00+")


class _Builder:
    """Gathers pieces and text while raw bytes are read from left to right."""

    def __init__(self, before: Before) -> None:
        self.text = bytearray()
        self.pieces: list[Piece] = []
        self.popped = 0
        self._before = before
        self._gap = before.gap
        self._under = 0

    def show(self, kind: Kind, begin: int, end: int, text: bytes) -> None:
        """Add what is shown."""
        self._under = self._gap
        self.pieces.append((kind, len(self.text), begin, end, len(text)))
        self.text += text
        self._gap = 0

    def hide(self, kind: Kind, begin: int, end: int) -> None:
        """Add what shows nothing, unless there is too much of it in one place."""
        self._gap += end - begin
        if self._gap > _GAP_LIMIT:
            self.show(Kind.CELL, begin, end, BARRIER)
        else:
            self.pieces.append((kind, len(self.text), begin, end, 0))

    def back(self, begin: int) -> None:
        """Take back the printed character right before; where there is none, the cursor just moves."""
        if not self.pieces:
            self.popped = _printed(self._before.shown)
            if self.popped:
                self._gap = self._before.under + self.popped
                self.hide(Kind.STRUCK, begin, begin + 1)
                return
        else:
            kind, at, first, end, width = self.pieces[-1]
            length = _printed(self.text[max(at, len(self.text) - 4) :]) if kind is Kind.TEXT else 0
            if length:
                del self.text[-length:]
                self.pieces.pop()
                self._gap = self._under
                if width > length:
                    self._gap = 0
                    self.pieces.append((kind, at, first, end - length, width - length))
                self.hide(Kind.STRUCK, begin - length, begin + 1)
                return
        self.show(Kind.CELL, begin, begin + 1, BARRIER)


def last_character(text: bytes | bytearray, end: int) -> int:
    """Return how many bytes the last character of `text[:end]` takes, read as UTF-8; 0 when there is none."""
    start = end - 1
    while start > max(0, end - 4) and 0x80 <= text[start] < 0xC0:
        start -= 1
    if start < 0:
        return 0
    return end - start if text[start] >= 0xC0 else 1


def _printed(text: bytes | bytearray) -> int:
    """Return the length of the last character of `text` if it is printed, otherwise 0."""
    length = last_character(text, len(text))
    return length if length and text[-length] >= 0x20 else 0


def view(raw: bytes, before: Before, *, final: bool) -> View:
    """Read `raw`. With `final` nothing follows: what is incomplete stands as a barrier then."""
    if is_plain(raw):
        return View(raw, raw, len(raw))
    builder = _Builder(before)
    skip = len(before.raw)
    whole = before.raw + raw
    position = seek = skip
    while (special := _SPECIAL.search(whole, seek)) is not None:
        begin = special.start()
        if whole.startswith(b"\0" * 8, begin) and (zeros := _ZEROS.match(whole, begin)) is not None:
            seek = zeros.end() - 1
            if begin < 2 or whole[begin - 2] or not whole[begin - 1]:
                continue  # no half of a character of UTF-16
        token = _TOKEN.match(whole, begin)
        assert token is not None
        end = token.end()
        if begin > position:
            builder.show(Kind.TEXT, position - skip, begin - skip, whole[position:begin])
        position = seek = end
        kind = token.lastgroup
        if kind == "kept":
            builder.hide(Kind.KEPT, begin - skip, end - skip)
        elif kind == "back":
            builder.back(begin - skip)
        elif kind == "part" and not final:
            return View(bytes(builder.text), raw, begin - skip, tuple(builder.pieces), builder.popped)
        elif kind == "part" and whole[begin] == 0:
            builder.show(Kind.TEXT, begin - skip, end - skip, whole[begin:end])
        elif kind in {"nul", "osc"}:
            builder.hide(Kind.NUL if kind == "nul" else Kind.OSC, begin - skip, end - skip)
        else:
            builder.show(Kind.CELL, begin - skip, end - skip, b" " if kind == "space" else BARRIER)
    if position == skip:
        return View(raw, raw, len(raw))
    if position < len(whole):
        builder.show(Kind.TEXT, position - skip, len(raw), whole[position:])
    return View(bytes(builder.text), raw, len(raw), tuple(builder.pieces), builder.popped)
