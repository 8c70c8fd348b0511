"""Lays replacements over the values found, in order, and remembers what reaches into the bytes to come.

Values that overlap are one: it is named by the one that begins first and is longest, and covers all of them, so that no
part of a value stays because another one began inside it. A value that reaches beyond what may go out now is replaced
at once, and the rest of it dropped when it comes. A row's sink makes a value longer for as long as its bytes follow.
"""

from collections import Counter

from bastion.masking.finder import Finder, Found
from bastion.masking.rows import Sink, Span
from bastion.masking.styles import Style
from bastion.masking.writer import PlainWriter, Writer

AnyWriter = Writer | PlainWriter


class Cover:
    """Replaces values for one stream. Positions are those of the text passed to `lay`, unless said otherwise."""

    def __init__(self, finder: Finder, style: Style) -> None:
        self.counts: Counter[str] = Counter()
        self.carry = 0  # how many bytes behind what went out belong to a value already replaced
        self._kinds, self._sinks_of = finder.kinds, finder.sinks
        self._style = style
        self._glued = False  # the last byte that went out belonged to a value, which may go on
        self._sinks: list[tuple[int, Sink, int]] = []  # where (from what went out on), what, in which state
        self._runs: dict[Sink, tuple[int, int]] = {}  # what each sink swallowed last
        self._owed = b""  # what replaces the bytes to come, where the style keeps the length
        self._masked = 0
        self._replaced = False

    def lay(self, writer: AnyWriter, text: bytes, base: int, stop: int, found: list[Found]) -> None:
        """Put out `text[base:stop]` with the values replaced; what stands before `base` went out earlier."""
        self._masked = base + self.carry
        self._replaced = self._glued or self.carry > 0
        if self.carry:
            self._fill(writer, base, min(self._masked, stop), b"")
        pending, self._sinks = self._sinks, []
        self._runs.clear()
        for place, open_sink, state in pending:
            self._swallow(writer, text, base, stop, (base + place, open_sink, state))
        kinds, sinks, counts, replace = self._kinds, self._sinks_of, self.counts, self._style.replace
        for start, end, row in found:
            if self._replaced and start < self._masked:
                if end > self._masked:
                    self._extend(writer, end, base, stop)
            elif end > base:  # what stands before was shown earlier
                kind = kinds[row]
                counts[kind] += 1
                replacement = replace(kind, text[start:end])
                if self._style.keeps_length:
                    self._overlay(writer, base, stop, (start, end), replacement)
                else:
                    if writer.position < self._masked - base:
                        self._fill(writer, base, self._masked, b"")
                    begin = start - base if start > base else 0
                    until = end - base if end < stop else stop - base
                    writer.replace(begin, until, end - base, replacement)
                self._masked, self._replaced = end, True
            else:
                continue
            sink = sinks[row]
            if sink is not None and (end >= stop or text[end] in sink.firsts):
                self._swallow(writer, text, base, stop, (end, sink, 0))
        self._fill(writer, base, min(self._masked, stop), b"")
        writer.clear(stop - base)
        self.carry = max(0, self._masked - stop) if self._replaced else 0
        self._glued = self._replaced and self._masked >= stop

    @property
    def goes_on(self) -> bool:
        """Whether what follows may belong to a secret that was replaced."""
        return bool(self._sinks)

    def unglue(self) -> None:
        """What went out last was no value."""
        self._glued = False

    def _overlay(self, writer: AnyWriter, base: int, stop: int, value: Span, replacement: bytes) -> None:
        """Replace a new value byte by byte."""
        start, end = value
        begin = max(start, base)
        writer.clear(begin - base)
        writer.edge(begin - base)
        self._fill(writer, base, min(end, stop), replacement if begin == start else b"*" * (end - begin))

    def _extend(self, writer: AnyWriter, end: int, base: int, stop: int) -> None:
        """Let the value replaced last reach up to `end`, further than it did. What that hides is passed later."""
        if self._style.keeps_length:
            self._fill(writer, base, min(end, stop), b"*" * (end - self._masked))
        self._masked = end

    def _fill(self, writer: AnyWriter, base: int, until: int, more: bytes) -> None:
        """Move on to `until` inside a value, putting out what replaces it byte by byte, where the style does so."""
        owed = self._owed + more
        if until - base > writer.position:
            count = until - base - writer.position
            writer.hide(until - base, owed[:count])
            owed = owed[count:]
        self._owed = owed

    def _swallow(self, writer: AnyWriter, text: bytes, base: int, stop: int, pending: tuple[int, Sink, int]) -> None:
        """Run a sink from its place as far as the text may go out, and keep it when it may go on."""
        place, sink, state = pending
        known = self._runs.get(sink)
        if known is not None and known[0] <= place <= known[1] and sink.uniform:
            return  # it would end where the other one did
        begin = place
        if place < stop:
            place, state = sink.swallow(text, place, stop, state)
            if place > self._masked:
                self._extend(writer, place, base, stop)
        self._runs[sink] = (begin, place)
        if state >= 0:
            self._sinks.append((place - stop, sink, state))
