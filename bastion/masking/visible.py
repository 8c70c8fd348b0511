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
from dataclasses import dataclass, replace

BARRIER = b"\x1b"
OSC_LIMIT = 1024
_GAP_LIMIT = 2048  # raw bytes that may stand between two characters of one value

TEXT, CELL, KEPT, OSC, STRUCK, NUL = b"TCKOSN"
"""Kinds of pieces of raw bytes: shown byte for byte; a sequence that counts as one byte of text; shows nothing and goes
out in any case; the same with a text of its own; a character that was overwritten, and the backspace; high half of a
UTF-16 character. The last two go out unless inside a value."""


@dataclass(frozen=True, slots=True)
class Before:
    """What reading needs to know of the bytes that went before.

    `raw` are the last two raw bytes; `shown` is the text shown so far as far as it can be taken back, empty where the
    last piece was not text; `gap` counts raw bytes since then that showed nothing, `under` those before the last
    character, which count again when it is taken back.
    """

    raw: bytes = b""
    shown: bytes = b""
    gap: int = 0
    under: int = 0


@dataclass(frozen=True, slots=True)
class View:
    """The text shown by `raw[:used]`; the rest is a sequence that isn't complete yet.

    `kinds` has the letter of a kind for each byte used, in capitals for the last one of a piece: `TTKKKKTsSTooooO` (all
    bytes of text and of what is kept have capitals). So texts full of tiny pieces take few operations, however hostile
    they are. `hidden` has a 1 for each byte that is none of the text, otherwise 0. Both are empty where the text is
    just the raw bytes. `popped` is how many bytes of the text before this view were taken back by its first byte.
    """

    text: bytes
    raw: bytes
    used: int
    kinds: bytes = b""
    hidden: bytes = b""
    popped: int = 0

    def payloads(self) -> bytes:
        """Return all that operating system commands carry, one after the other, with barriers in between."""
        if b"O" not in self.kinds:
            return b""
        return _without(self.raw[: self.used], self.kinds.translate(_TO_NO_OSC)).replace(b"\x1b]", BARRIER)

    def with_payloads_kept(self) -> "View":
        """Return the same with nothing to be done about what operating system commands carry."""
        return replace(self, kinds=self.kinds.replace(b"o", b"K").replace(b"O", b"K"))


def is_plain(raw: bytes) -> bool:
    """Return whether the raw bytes are just the text."""
    return not (
        b"\x1b" in raw or b"\x08" in raw or b"\x00" in raw or b"\x07" in raw or b"\x0e" in raw or b"\x0f" in raw
    )


# Letters of bytes whose kind is not known yet: p is printed, l and m are the first and further bytes of a character of
# UTF-8, b is a backspace, z is NUL, t is other text. Those that stay so are text.
_LETTERS = bytes.maketrans(
    bytes(range(256)),
    b"zttttttKbtttttKK" + b"t" * 16 + b"p" * 96 + b"m" * 64 + b"l" * 64,
)
_TO_KINDS = bytes.maketrans(b"plmtz", b"TTTTT")
HIDDEN = b"KoOsSN"
_TO_HIDDEN = bytes(byte in HIDDEN + b"c" for byte in range(256))
_TO_NO_OSC = bytes(byte not in b"oO" for byte in range(256))

# Control characters behind half a character of UTF-8 stand as they are, since only binary data has those.
_BINARY = re.compile(rb"[bK](?:(?<=l.)|(?<=[^lm]m.))")
# A NUL that is no half of a character of UTF-16 stands as it is, too: no value holds one.
_WIDE = re.compile(rb"z[^z]z")
_HALF = re.compile(rb"z(?:(?=[^z]z)|(?<=z[^z]z))")
_HALF_AT_END = re.compile(rb"z[^z]?\Z")
_STRUCK = tuple((character + b"b", b"s" * len(character) + b"S") for character in (b"p", b"lmmm", b"lmm", b"lm", b"m"))
_KEPT = rb"(?:\[[0-9;:]{0,64}m|\[[0-2]?K|\[\?(?!(?:47|1047|1049)[hl])[0-9;]{1,32}[hl]|[()*+][ -/]?[0-~])"
# An escape that begins none of these stands as it is, and is a barrier as well.
_SEQUENCE = re.compile(
    rb"\x1b(?:(%b(?:\x1b%b)*)"
    rb"|(\][^\x00-\x1f]{0,%d}(?:\x07|\x1b\\))"
    rb"|(\[1?C)"
    rb"|(\Z|\[[0-?]{0,64}[ -/]{0,8}\Z|[()*+][ -/]?\Z|\][^\x00-\x1f]{0,%d}\x1b?\Z)"
    rb"|\[[0-?]{0,64}[ -/]{0,8}[@-~]|[ -~])" % (_KEPT, _KEPT, OSC_LIMIT, OSC_LIMIT)
)
_IS_KEPT, _IS_OSC, _IS_STEP, _IS_PART = range(1, 5)
_SOME_KEPT = re.compile(rb"(?:[\x07\x0e\x0f]|\x1b%b){1,8}" % _KEPT)
_LONG_GAP = re.compile(rb"(?<![%b])[%b]{%d,}" % (HIDDEN, HIDDEN, _GAP_LIMIT + 1))
_TOO_MUCH = bytes([1]) * (_GAP_LIMIT + 1)
_HIDDEN_PIECE = re.compile(rb"o*O|s*S|N")


class _Reading:
    """The letters of raw bytes as they are found out, and what each of the bytes that aren't hidden is shown as."""

    def __init__(self, raw: bytes, context: bytes) -> None:
        self.raw = raw
        whole = context + raw
        letters = whole.translate(_LETTERS)
        if not whole.isascii():
            letters = _BINARY.sub(b"t", letters)
        if b"z" in letters and _WIDE.search(letters.replace(b"z" * 16, b"z")) is not None:  # long runs are common
            letters = _HALF.sub(b"N", letters)
        self.letters = bytearray(letters[len(context) :])
        self.shown = bytearray(raw)

    def find_sequences(self, *, final: bool) -> None:
        """Find escape sequences. What is incomplete at the end is cut off, unless it is final."""
        raw, letters = self.raw, self.letters
        half = _HALF_AT_END.search(letters, max(0, len(raw) - 2))
        for found in _SEQUENCE.finditer(raw):
            begin, end = found.span()
            which = found.lastindex
            if which == _IS_KEPT:
                letters[begin:end] = b"K" * (end - begin)
            elif which == _IS_OSC:
                letters[begin:end] = b"O".rjust(end - begin, b"o")
            elif which == _IS_PART and not final:
                del letters[begin:]
            else:
                letters[begin:end] = b"C".rjust(end - begin, b"c")
                self.shown[end - 1] = 0x20 if which == _IS_STEP else 0x1B
        if half is not None and final:
            letters[half.start() :] = b"t" * len(half[0])
            self.shown[half.start() :] = raw[half.start() :]
        elif half is not None:
            del letters[half.start() :]

    def find_struck(self) -> None:
        """Find what single backspaces take back; all other ones just move the cursor."""
        for character, struck in _STRUCK:
            if b"b" in self.letters:
                self.letters = self.letters.replace(character, struck)
        place = -1
        while (place := self.letters.find(b"b", place + 1)) >= 0:
            self.letters[place], self.shown[place] = CELL, BARRIER[0]

    def bound_gaps(self, gap: int) -> None:
        """Let what shows nothing count as a barrier where there is too much of it in one place.

        `gap` is how much of it stands before.
        """
        for found in _LONG_GAP.finditer(b"S" * gap + self.letters):
            size = 0 if found.start() else gap
            end, limit = max(0, found.start() - gap), found.end() - gap
            while (too_much := end + _GAP_LIMIT - size) < limit:
                begin, end = self._piece_over(too_much, end)
                self.letters[begin:end] = b"C".rjust(end - begin, b"c")
                self.shown[end - 1] = 0x1B
                size = 0

    def _piece_over(self, place: int, low: int) -> tuple[int, int]:
        """Return where the piece over a place in a gap begins and ends; what is kept goes eight by eight from `low`."""
        if self.letters[place] != KEPT:
            begin = low + len(self.letters[low:place].rstrip(b"os"))
            piece = _HIDDEN_PIECE.match(self.letters, begin)
        else:
            begin = low + len(self.letters[low:place].rstrip(b"K"))
            piece = next(some for some in _SOME_KEPT.finditer(self.raw, begin) if some.end() > place)
        assert piece is not None
        return piece.span()

    def hidden(self) -> bytes:
        """Return for each byte whether it is no byte of the text, as 0 or 1."""
        return bytes(self.letters.translate(_TO_HIDDEN))


def _without(data: bytes | bytearray, hidden: bytes) -> bytes:
    """Return the bytes that are not hidden, with one operation for all: hidden ones are made to be no Latin-1."""
    mixed = bytearray(2 * len(hidden))
    mixed[::2], mixed[1::2] = data, hidden
    return mixed.decode("utf-16-le").encode("latin-1", "ignore")


def last_character(text: bytes | bytearray, end: int) -> int:
    """Return how many bytes the last character of `text[:end]` takes, read as UTF-8; 0 when there is none."""
    start = end - 1
    while start > max(0, end - 4) and 0x80 <= text[start] < 0xC0:
        start -= 1
    if start < 0:
        return 0
    return end - start if text[start] >= 0xC0 else 1


def before_cut(text: bytes, end: int) -> int:
    """Return `end`, or where the character of UTF-8 begins of which `text[:end]` has only the first bytes."""
    for place in range(end - 1, max(-1, end - 4), -1):
        if text[place] >= 0xC0:
            length = 2 if text[place] < 0xE0 else 3 if text[place] < 0xF0 else 4
            return place if place + length > end else end
        if text[place] < 0x80:
            break
    return end


def _printed(text: bytes | bytearray) -> int:
    """Return the length of the last character of `text` if it is printed, otherwise 0."""
    length = last_character(text, len(text))
    return length if length and text[-length] >= 0x20 else 0


def view(raw: bytes, before: Before, *, final: bool) -> View:
    """Read `raw`. With `final` nothing follows: what is incomplete stands as a barrier then."""
    if is_plain(raw):
        return View(raw, raw, len(raw))
    reading = _Reading(raw, before.raw)
    reading.find_sequences(final=final)
    letters = reading.letters
    popped, gap = 0, before.gap
    if letters.startswith(b"b") and (popped := _printed(before.shown)):
        letters[0] = STRUCK
        gap = before.under + popped
    reading.find_struck()
    hidden = reading.hidden()
    if _TOO_MUCH in _TOO_MUCH[:gap] + hidden:
        reading.bound_gaps(gap)
        hidden = reading.hidden()
    kinds = bytes(reading.letters.translate(_TO_KINDS))
    used = len(kinds)
    if used == len(raw) and not kinds.strip(b"T"):
        return View(raw, raw, used)  # not one of the special bytes is in its place
    return View(_without(reading.shown[:used], hidden), raw, used, kinds, hidden, popped)
