"""Puts out raw bytes for the text that they show: clear stretches byte for byte, values replaced.

What shows nothing (colours and the like, see `visible`) goes out in order even inside a value; what was overwritten
inside a value does not. A writer serves one view and is moved forward only.
"""

from collections.abc import Callable

from bastion.masking.visible import Before, Kind, Piece, View


class Writer:
    """Walks over a view's pieces.

    `firsts` are the bytes a value can begin with; `payload` masks the text an operating system command carries.
    """

    def __init__(self, view: View, before: Before, firsts: bytes, payload: Callable[[bytes], bytes]) -> None:
        self.out: list[bytes] = []
        self._raw = view.raw
        self._pieces = view.pieces or ((Piece(Kind.TEXT, 0, 0, view.used),) if view.used else ())
        self._used = view.used
        self._before = before
        self._firsts = firsts
        self._payload = payload
        self._index = 0
        self._position = 0
        self._shown = before.shown
        self._gap = before.gap

    def clear(self, until: int) -> None:
        """Put out everything up to position `until` of the text as it is."""
        self._walk(until, hidden=False)

    def replace(self, start: int, end: int, replacement: bytes, until: int) -> None:
        """Put out `replacement` for the value at `start`..`end`, and move on to `until`, maybe before its end."""
        self.clear(start)
        self._edge(start)
        if self._is_utf16(start, end):
            replacement = b"\0".join(replacement[index : index + 1] for index in range(len(replacement)))
        self.out.append(replacement)
        self._walk(until, hidden=True)

    def hide(self, until: int) -> None:
        """Move on to `until` inside a value that was replaced before."""
        self._walk(until, hidden=True)

    def finish(self, *, final: bool) -> None:
        """Put out what shows nothing and follows the text put out so far, up to where the next value might matter."""
        while self._index < len(self._pieces):
            piece = self._pieces[self._index]
            if piece.width or piece.at > self._position or (not final and self._may_begin(piece)):
                return
            self._pass(piece, hidden=False)

    def rest(self) -> tuple[bytes, Before]:
        """Return the raw bytes not put out yet, and what reading them needs to know."""
        cut = self._used
        if self._index < len(self._pieces):
            piece = self._pieces[self._index]
            cut = piece.begin + max(0, self._position - piece.at)
        raw = self._raw
        last = raw[max(0, cut - 2) : cut] if cut >= 2 else (self._before.raw + raw[:cut])[-2:]
        return raw[cut:], Before(last, self._shown, self._gap)

    def _walk(self, until: int, *, hidden: bool) -> None:
        while self._index < len(self._pieces):
            piece = self._pieces[self._index]
            width = piece.width
            if max(piece.at, self._position) >= until:
                return
            if not width:
                self._pass(piece, hidden=hidden)
                continue
            stop = min(piece.at + width, until)
            self._show(piece, stop, hidden=hidden)
            if stop < piece.at + width:
                return
            self._index += 1

    def _show(self, piece: Piece, stop: int, *, hidden: bool) -> None:
        begin, end = piece.begin, piece.end
        if piece.kind is Kind.TEXT:
            begin, end = begin + max(0, self._position - piece.at), begin + stop - piece.at
            self._shown = (self._shown + self._raw[max(begin, end - 4) : end])[-4:]
        else:
            self._shown = b""
        self._gap = 0
        self._position = stop
        if not hidden:
            self.out.append(self._raw[begin:end])

    def _pass(self, piece: Piece, *, hidden: bool) -> None:
        self._index += 1
        self._shown = b""
        self._gap += piece.end - piece.begin
        raw = self._raw[piece.begin : piece.end]
        if piece.kind is Kind.OSC:
            self.out.append(self._payload(raw))
        elif not hidden or piece.kind is Kind.KEPT:
            self.out.append(raw)

    def _edge(self, start: int) -> None:
        """Pass what stands right before the first byte of a value; an overwritten character may be the same letter."""
        while self._index < len(self._pieces):
            piece = self._pieces[self._index]
            if piece.width or piece.at > start:
                return
            self._pass(piece, hidden=self._may_begin(piece))

    def _may_begin(self, piece: Piece) -> bool:
        """Whether the piece is an overwritten character that would be held back if it stood at the end."""
        return piece.kind is Kind.STRUCK and piece.end - piece.begin > 1 and self._raw[piece.begin] in self._firsts

    def _is_utf16(self, start: int, end: int) -> bool:
        """Whether every second byte of the value's raw bytes is NUL."""
        count = 0
        for piece in self._pieces[self._index :]:
            if piece.at >= end:
                break
            count += piece.kind is Kind.NUL and piece.at > start
        return count * 2 >= end - start > 1
