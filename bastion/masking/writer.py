"""Puts out raw bytes for the text that they show: clear stretches byte for byte, values replaced.

What shows nothing (colours and the like, see `visible`) goes out in order even inside a value; what was overwritten
inside a value does not. A writer serves one view and is moved forward only.
"""

from collections.abc import Callable

from bastion.masking.visible import Before, Kind, Piece, View, last_character


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
    """Walks over a view's pieces.

    `firsts` are the bytes a value can begin with; `payload` masks the text an operating system command carries.
    """

    def __init__(self, view: View, before: Before, firsts: bytes, payload: Callable[[bytes], bytes]) -> None:
        self.out: list[bytes] = []
        self._raw = view.raw
        self._pieces = view.pieces
        self._before = before
        self._firsts = firsts
        self._payload = payload
        self._index = 0  # the piece to put out next
        self.position = 0  # in the text
        self._cut = 0  # in the raw bytes
        self._used = view.used

    def clear(self, until: int) -> None:
        """Put out everything up to position `until` of the text as it is."""
        pieces, index, cut = self._pieces, self._index, self._cut
        count = len(pieces)
        while index < count:
            kind, at, begin, end, width = pieces[index]
            if at >= until:
                break
            if kind is Kind.OSC:
                self.out += [self._raw[cut:begin], self._payload(self._raw[begin:end])]
                cut = end
            elif at + width > until:
                self._goto(index, until, begin + until - at, cut)
                return
            index += 1
        self._goto(index, max(until, self.position), pieces[index][2] if index < count else self._used, cut)

    def _goto(self, index: int, position: int, cut: int, since: int) -> None:
        """Move on, putting out the raw bytes from `since` on."""
        if cut > since:
            self.out.append(self._raw[since:cut])
        self._index, self.position, self._cut = index, position, max(cut, since)

    def replace(self, start: int, until: int, end: int, replacement: bytes) -> None:
        """Put out all up to `start`, and what replaces the whole value that begins there; move on to `until` in it.

        `end` is where the value ends, which may be further on.
        """
        self.clear(start)
        if self._index < len(self._pieces):
            kind, at, begin, _, width = self._pieces[self._index]
            if kind is Kind.TEXT and until < at + width and end <= at + width:  # most values, within one piece
                self.out.append(replacement)
                self.position, self._cut = until, begin + until - at
                return
        self._edge(start, keep_length=False)
        self._put(start, end, replacement)
        self.hide(until, b"")

    def edge(self, start: int) -> None:
        """Pass what stands right before a value that is replaced byte by byte."""
        self._edge(start, keep_length=True)

    def _edge(self, start: int, *, keep_length: bool) -> None:
        """Pass what stands right before the first byte of a value; an overwritten character may be the same letter.

        What was overwritten before a character that no value begins with might have gone out earlier, so it does now.
        """
        pieces = self._pieces
        end = self._index
        while end < len(pieces) and not pieces[end][4] and pieces[end][1] <= start:
            end += 1
        clear = next(
            (index for index in range(end, self._index, -1) if self._is_struck_clear(pieces[index - 1])), self._index
        )
        while self._index < end:
            piece = pieces[self._index]
            self._pass(piece, hidden=self._index >= clear and self._may_begin(piece), keep_length=keep_length)

    def _put(self, start: int, end: int, replacement: bytes) -> None:
        """Put out what replaces the whole value at `start`..`end`, as UTF-16 where the value is."""
        if self._is_utf16(start, end):
            replacement = b"\0".join(replacement[index : index + 1] for index in range(len(replacement)))
        self.out.append(replacement)

    def hide(self, until: int, stars: bytes) -> None:
        """Move on to `until` inside a value.

        What shows nothing goes out even here, each byte of the text as the next of `stars`, if there are any.
        """
        used = -self.position
        while self._index < len(self._pieces):
            piece = self._pieces[self._index]
            kind, at, begin, _, width = piece
            if at >= until:
                break
            if not width:
                self._pass(piece, hidden=True, keep_length=bool(stars))
                continue
            stop = min(at + width, until)
            if kind is Kind.CELL and stars:
                self.out.append(self._raw[begin : piece[3]])
            else:
                self.out.append(stars[self.position + used : stop + used])
            self.position = stop
            if stop < at + width:
                self._cut = begin + stop - at
                break
            self._cut = piece[3]
            self._index += 1
        self.position = max(self.position, until)

    def finish(self, *, final: bool, goes_on: bool) -> None:
        """Put out what shows nothing and follows the text put out so far, up to where the next value might matter.

        `goes_on` is whether the value before may go on; what is hidden inside a value then has to wait.
        """
        while self._index < len(self._pieces):
            piece = self._pieces[self._index]
            if piece[4] or piece[1] > self.position:
                return
            if not final and (self._may_begin(piece) or (goes_on and piece[0] in {Kind.STRUCK, Kind.NUL})):
                return
            self._pass(piece, hidden=False, keep_length=False)

    def rest(self) -> tuple[bytes, Before]:
        """Return the raw bytes not put out yet, and what reading them needs to know."""
        raw, cut = self._raw, self._cut
        last = raw[max(0, cut - 2) : cut] if cut >= 2 else (self._before.raw + raw[:cut])[-2:]
        index = self._index
        if index < len(self._pieces) and cut > self._pieces[index][2]:
            index += 1  # cut inside this one
        if not index:
            return raw[cut:], Before(last, self._before.shown, self._before.gap, self._before.under)
        gap, index = self._gap_before(index)
        if gap or not index or self._pieces[index - 1][0] is not Kind.TEXT:
            return raw[cut:], Before(last, gap=gap)
        begin = self._pieces[index - 1][2]
        shown = raw[max(begin, cut - 4) : cut]
        under = 0 if last_character(shown, len(shown)) < cut - begin else self._gap_before(index - 1)[0]
        if index == 1 and begin == 0 and self._before.shown:
            shown, under = (self._before.shown + shown)[-4:], 0
        return raw[cut:], Before(last, shown, 0, under)

    def _gap_before(self, index: int) -> tuple[int, int]:
        """Return how many raw bytes in a row show nothing before a piece, and the first piece of them."""
        gap = 0
        while index and not self._pieces[index - 1][4]:
            index -= 1
            gap += self._pieces[index][3] - self._pieces[index][2]
        return gap if index else gap + self._before.gap, index

    def _pass(self, piece: Piece, *, hidden: bool, keep_length: bool) -> None:
        """Move over a piece that shows nothing. What was overwritten inside a value is hidden with it."""
        kind, _, begin, end, _ = piece
        self._index += 1
        self._cut = end
        if kind is Kind.OSC:
            self.out.append(self._payload(self._raw[begin:end]))
        elif not hidden or kind is Kind.KEPT:
            self.out.append(self._raw[begin:end])
        elif keep_length:
            self.out.append(b"*" * (end - begin - 1) + self._raw[end - 1 : end])

    def _may_begin(self, piece: Piece) -> bool:
        """Whether the piece is an overwritten character that would be held back if it stood at the end."""
        kind, _, begin, end, _ = piece
        return kind is Kind.STRUCK and end - begin > 1 and self._raw[begin] in self._firsts

    def _is_struck_clear(self, piece: Piece) -> bool:
        """Whether the piece is an overwritten character that no value begins with."""
        return piece[0] is Kind.STRUCK and not self._may_begin(piece)

    def _is_utf16(self, start: int, end: int) -> bool:
        """Whether every second byte of the value's raw bytes is NUL."""
        count = 0
        for index in range(self._index, len(self._pieces)):
            kind, at, _, _, _ = self._pieces[index]
            if at >= end:
                break
            count += kind is Kind.NUL and at > start
        return count * 2 >= end - start > 1
