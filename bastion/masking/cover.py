"""Lays replacements over the values found, in order, and remembers what reaches into the bytes to come.

Values that overlap are one: it is named by the one that begins first and is longest, and covers all of them, so that no
part of a value stays because another one began inside it. A value that reaches beyond what may go out now is replaced
at once, and the rest of it dropped when it comes. A row's sink makes a value longer for as long as its bytes follow.
"""

from collections import Counter

from bastion.masking.finder import Finder, Found
from bastion.masking.rows import Sink
from bastion.masking.styles import Style
from bastion.masking.writer import Writer

PARTIAL = "partial"
NO_ROW = -1


class Cover:
    """Replaces values for one stream. Positions are those of the text passed to `lay`, unless said otherwise."""

    def __init__(self, finder: Finder, style: Style) -> None:
        self.counts: Counter[str] = Counter()
        self.carry = 0  # how many bytes behind what went out belong to a value already replaced
        self._finder = finder
        self._style = style
        self._glued = False  # the last byte that went out belonged to a value, which may go on
        self._sinks: list[tuple[int, Sink, int]] = []  # where (from what went out on), what, in which state
        self._masked = 0
        self._replaced = False

    def lay(self, writer: Writer, text: bytes, base: int, stop: int, found: list[Found]) -> None:
        """Put out `text[base:stop]` with the values replaced; what stands before `base` went out earlier."""
        self._masked = base + self.carry
        self._replaced = self._glued or self.carry > 0
        if self.carry:
            writer.hide(min(self._masked, stop) - base)
        pending, self._sinks = self._sinks, []
        for place, sink, state in pending:
            self._swallow(writer, text, base, stop, (base + place, sink, state))
        for value in found:
            if self._replaced and value.start < self._masked:
                self._extend(writer, value.end, base, stop)
            elif value.end > base:
                begin = max(value.start, base)
                replacement = self._replacement(value, text, begin)
                writer.replace(begin - base, value.end - base, replacement, min(value.end, stop) - base)
                self._masked, self._replaced = value.end, True
            else:
                continue
            if value.row != NO_ROW and (endless := self._finder.rows[value.row].sink) is not None:
                self._swallow(writer, text, base, stop, (value.end, endless, 0))
        writer.clear(stop - base)
        self.carry = max(0, self._masked - stop) if self._replaced else 0
        self._glued = self._replaced and self._masked >= stop

    def unglue(self) -> None:
        """What went out last was no value."""
        self._glued = False

    def _extend(self, writer: Writer, end: int, base: int, stop: int) -> None:
        """Let the value replaced last reach up to `end`."""
        if end > self._masked:
            writer.out.append(self._filling(end - self._masked))
            writer.hide(min(end, stop) - base)
            self._masked = end

    def _swallow(self, writer: Writer, text: bytes, base: int, stop: int, pending: tuple[int, Sink, int]) -> None:
        """Run a sink from its place as far as the text may go out, and keep it when it may go on."""
        place, sink, state = pending
        if place < stop:
            place, state = sink.swallow(text, place, stop, state)
            self._extend(writer, place, base, stop)
        if state >= 0:
            self._sinks.append((place - stop, sink, state))

    def _replacement(self, value: Found, text: bytes, begin: int) -> bytes:
        """Count the value and return what replaces `text[begin:value.end]`; what stands before was shown earlier."""
        kind = PARTIAL if value.row == NO_ROW else self._finder.rows[value.row].kind
        self.counts[kind] += 1
        if begin > value.start and self._style.keeps_length:
            return self._filling(value.end - begin)
        return self._style.replace(kind, text[value.start : value.end])

    def _filling(self, length: int) -> bytes:
        """Return what stands for `length` more bytes of a value that was replaced already."""
        return b"*" * length if self._style.keeps_length else b""
