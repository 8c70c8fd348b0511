"""Puts out raw bytes for the text that they show: clear stretches byte for byte, values replaced.

What shows nothing (colours and the like, see `visible`) goes out in order even inside a value; what was overwritten
inside a value does not. A writer serves one view and is moved forward only.
"""

import re
from collections.abc import Callable

from bastion.masking.visible import CELL, HIDDEN, KEPT, NUL, OSC, STRUCK, TEXT, Before, View, last_character

_PIECE = re.compile(rb"T+|c*C|K+|o*O|s*S|N")
_TEXT = re.compile(rb"T*")
_STAYS = re.compile(rb"K+|o*O")  # even inside a value
_OSC = re.compile(rb"oo*O")  # begins with a letter that is found fast
_GAP = re.compile(rb"[%b]*" % HIDDEN)


class PlainWriter:
    """The same for raw bytes that are just the text, which most are."""

    def __init__(self, raw: bytes, before: Before) -> None:
        self.out: list[bytes] = []
        self.position = 0
        self._raw = raw
        self._before = before

    def clear(self, until: int) -> None:
        """See `Writer.clear`."""
        if until > self.position:
            self.out.append(self._raw[self.position : until])
            self.position = until

    def edge(self, start: int) -> None:
        """Nothing but text is here."""

    def replace(self, start: int, until: int, end: int, replacement: bytes) -> None:
        """See `Writer.replace`."""
        del end
        if start > self.position:
            self.out.append(self._raw[self.position : start])
        self.out.append(replacement)
        self.position = until

    def hide(self, until: int, stars: bytes) -> None:
        """See `Writer.hide`."""
        self.out.append(stars)
        self.position = max(self.position, until)

    def finish(self, *, final: bool, goes_on: bool) -> None:
        """Nothing but text is here."""

    def rest(self) -> tuple[bytes, Before]:
        """See `Writer.rest`."""
        cut = self.position
        if not cut:
            return self._raw, self._before
        last = self._raw[max(0, cut - 4) : cut]
        alone = not self._before.shown and last_character(last, len(last)) == cut
        if cut < 4:
            last = (self._before.shown + last)[-4:]
        return self._raw[cut:], Before((self._before.raw + last)[-2:], last, 0, self._before.gap if alone else 0)


class Writer:
    """Walks over a view's raw bytes.

    `firsts` are the bytes a value can begin with; `payload` masks the text an operating system command carries.
    """

    def __init__(self, view: View, before: Before, firsts: bytes, payload: Callable[[bytes], bytes]) -> None:
        self.out: list[bytes] = []
        self._raw = view.raw
        self._kinds = view.kinds
        self._hidden = view.hidden
        self._before = before
        self._firsts = firsts
        self._payload = payload
        self.position = 0  # in the text
        self._cut = 0  # in the raw bytes
        self._even = 0  # up to where they are plain text
        self._payloads = OSC in view.kinds

    def clear(self, until: int) -> None:
        """Put out everything up to position `until` of the text as it is."""
        if until <= self.position:
            return
        end = self._cut + until - self.position
        self._put_out(end if end <= self._even else self._behind(until))
        self.position = until

    def _put_out(self, end: int) -> None:
        """Put out the raw bytes up to `end`."""
        if self._payloads:
            for found in _OSC.finditer(self._kinds, self._cut, end):
                begin, stop = found.span()
                self.out += [self._raw[self._cut : begin], self._payload(self._raw[begin:stop])]
                self._cut = stop
        self.out.append(self._raw[self._cut : end])
        self._cut = end

    def _behind(self, until: int) -> int:
        """Return the position in the raw bytes right behind those of the text up to `until`."""
        place, missing = self._cut, until - self.position
        if place >= self._even and (text := _TEXT.match(self._kinds, place)) is not None:
            self._even = text.end()
        if place + missing <= self._even:
            return place + missing
        while missing > 0:
            place = self._hidden.find(0, place)
            if place < 0:
                return len(self._hidden)
            there = place + missing
            missing -= self._hidden.count(0, place, there)
            place = there
        return place

    def replace(self, start: int, until: int, end: int, replacement: bytes) -> None:
        """Put out all up to `start`, and what replaces the whole value that begins there; move on to `until` in it.

        `end` is where the value ends, which may be further on.
        """
        self.clear(start)
        if self._cut >= self._even:
            self._edge(keep_length=False)
        stop = self._behind(end)
        if stop <= self._even:  # within plain text, as most values
            self.out.append(replacement)
            self.position, self._cut = until, stop - end + until
            return
        # As UTF-16 where every second byte of the value's raw bytes is NUL.
        if self._kinds.count(NUL, self._cut, stop) * 2 >= end - start > 1:
            replacement = replacement.decode("latin-1").encode("utf-16-le")[:-1]
        self.out.append(replacement)
        self._hide(until, stop if until == end else self._behind(until), b"")

    def edge(self, start: int) -> None:
        """Put out all up to `start`, and what stands right before a value that is replaced byte by byte."""
        self.clear(start)
        self._edge(keep_length=True)

    def _edge(self, *, keep_length: bool) -> None:
        """Pass what stands right before the first byte of a value; an overwritten character may be the same letter.

        What was overwritten before a character that no value begins with might have gone out earlier, so it does now.
        """
        gap = _GAP.match(self._kinds, self._cut)
        assert gap is not None
        if STRUCK not in gap[0]:
            self._put_out(gap.end())
            return
        pieces = self._gap()
        clear = 0
        for index, (kind, begin, end) in enumerate(pieces, 1):
            if kind == STRUCK and not self._may_begin(kind, begin, end):
                clear = index
        for index, (kind, begin, end) in enumerate(pieces):
            hidden = index >= clear and self._may_begin(kind, begin, end)
            self._pass(kind, begin, end, hidden=hidden, keep_length=keep_length)

    def hide(self, until: int, stars: bytes) -> None:
        """Move on to `until` inside a value.

        What shows nothing goes out even here, each byte of the text as the next of `stars`, if there are any.
        """
        self._hide(until, self._behind(until), stars)

    def _hide(self, until: int, stop: int, stars: bytes) -> None:
        """Move on to `until`, which is at `stop` in the raw bytes."""
        raw, kinds, out, place = self._raw, self._kinds, self.out, 0
        for found in (_PIECE if stars else _STAYS).finditer(kinds, self._cut, stop):
            begin, end = found.span()
            kind = kinds[end - 1]
            if kind == KEPT:
                out.append(raw[begin:end])
            elif kind == TEXT:
                out.append(stars[place : place + end - begin])
                place += end - begin
            elif kind == CELL:
                out.append(raw[begin:end])
                place += 1
            else:
                self._pass(kind, begin, end, hidden=True, keep_length=bool(stars))
        self.position, self._cut = max(self.position, until), stop

    def finish(self, *, final: bool, goes_on: bool) -> None:
        """Put out what shows nothing and follows the text put out so far, up to where the next value might matter.

        `goes_on` is whether the value before may go on; what is hidden inside a value then has to wait.
        """
        for kind, begin, end in self._gap():
            if not final and (self._may_begin(kind, begin, end) or (goes_on and kind in {STRUCK, NUL})):
                return
            self._pass(kind, begin, end, hidden=False, keep_length=False)

    def rest(self) -> tuple[bytes, Before]:
        """Return the raw bytes not put out yet, and what reading them needs to know."""
        raw, cut, before = self._raw, self._cut, self._before
        if not cut:
            return raw, before
        last = raw[cut - 2 : cut] if cut >= 2 else (before.raw + raw[:cut])[-2:]
        gap = self._gap_before(cut)
        if gap or self._kinds[cut - 1] != TEXT:
            return raw[cut:], Before(last, gap=gap)
        low = max(0, cut - 8)  # more than what can be taken back
        begin = low + len(self._kinds[low:cut].rstrip(b"T"))
        shown = raw[max(begin, cut - 4) : cut]
        if not begin and before.shown:
            return raw[cut:], Before(last, (before.shown + shown)[-4:])
        under = 0 if last_character(shown, len(shown)) < cut - begin else self._gap_before(begin)
        return raw[cut:], Before(last, shown, 0, under)

    def _gap_before(self, place: int) -> int:
        """Return how many raw bytes in a row show nothing before a place."""
        shows = len(self._kinds[:place].rstrip(HIDDEN))
        return place - shows + (0 if shows else self._before.gap)

    def _gap(self) -> list[tuple[int, int, int]]:
        """Return kind, begin and end of the pieces that come next and show nothing."""
        gap = _GAP.match(self._kinds, self._cut)
        if gap is None or not gap[0]:
            return []
        pieces = (piece.span() for piece in _PIECE.finditer(self._kinds, *gap.span()))
        return [(self._kinds[end - 1], begin, end) for begin, end in pieces]

    def _pass(self, kind: int, begin: int, end: int, *, hidden: bool, keep_length: bool) -> None:
        """Move over a piece that shows nothing. What was overwritten inside a value is hidden with it."""
        self._cut = end
        if kind == OSC:
            self.out.append(self._payload(self._raw[begin:end]))
        elif not hidden or kind == KEPT:
            self.out.append(self._raw[begin:end])
        elif keep_length:
            self.out.append(b"*" * (end - begin - 1) + self._raw[end - 1 : end])

    def _may_begin(self, kind: int, begin: int, end: int) -> bool:
        """Whether a piece is an overwritten character that would be held back if it stood at the end."""
        return kind == STRUCK and end - begin > 1 and self._raw[begin] in self._firsts
