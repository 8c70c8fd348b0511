"""Masks one stream of bytes as it comes in, with the same result however it is cut.

`StreamMasker` holds back what might still become a value and lets everything else go at once. One serves one direction
of one channel (stdout and stderr apart) and is fed raw bytes before any decoding. It has no clock: who owns it calls
`idle` when nothing came for about 30 ms on a terminal, and again after about 400 ms.

Limits: at most about 320 shown characters are held, with what shows nothing between them. On an idle terminal the
budget of each row is shown of a value that isn't complete (an e-mail's local part, four digits of a number). What the
client typed and the terminal echoes is shown to the client who typed it.
"""

from collections.abc import Mapping, Sequence

from bastion.masking.cover import Cover
from bastion.masking.echo import Echo
from bastion.masking.engine import DenseError
from bastion.masking.finder import NO_ROW, Finder, Found, order
from bastion.masking.rows import REACH
from bastion.masking.structure import Head, Structure
from bastion.masking.styles import Style
from bastion.masking.visible import Before, View, is_plain, view
from bastion.masking.writer import PlainWriter, Writer

BLOCK = 32768
_PORTION = 4096  # bytes taken at once of what takes long
_MANY = 400  # places worth a closer look, which take a few microseconds each
_LINE = 24  # bytes; tables of shorter lines take long
_CLIPBOARD = b"52;"
_KNOWN = 64  # masked titles and links


class StreamMasker:
    """Masks the bytes of one stream. After `end` it must not be used any more."""

    def __init__(self, finder: Finder, style: Style, *, interactive: bool) -> None:
        self._finder = finder
        self._style = style
        self._interactive = interactive
        self._late = b""  # not looked at yet
        self._raw = b""  # not put out yet
        self._before = Before()
        self._context = b""  # shown before `_raw`, clear
        self._decided = 0  # position in `_context`: what begins before is settled
        self._cover = Cover(finder, style)
        self._structure = Structure()
        self._echo = Echo(terminal=interactive)
        self._idles = 0
        self._popped = False  # what the backspace that `_raw` begins with takes back is out of the context
        self._payloads: dict[bytes, tuple[bytes, Mapping[str, int]]] = {}

    @property
    def held(self) -> int:
        """How many raw bytes are held back, or left for later."""
        return len(self._raw) + len(self._late)

    @property
    def counts(self) -> Mapping[str, int]:
        """How many values were masked, by kind."""
        return self._cover.counts

    def typed(self, data: bytes) -> None:
        """Note what the client just sent, so that its echo needn't wait."""
        self._echo.typed(data)

    def feed(self, data: bytes) -> bytes:
        """Take bytes in and return what may go out now."""
        self._idles = 0
        if not self._echo.waits and len(data) <= BLOCK:
            self._raw += data
            return self._advance(final=False)
        out = []
        if self._echo.waits:
            echoed = self._echoed(data)
            out.append(data[:echoed])
            data = data[echoed:]
        for begin in range(0, len(data), BLOCK):
            self._raw += data[begin : begin + BLOCK]
            out.append(self._advance(final=False))
        return b"".join(out)

    def step(self, data: bytes) -> bytes:
        """Do as `feed` does, but leave bytes for later where they take long: call again, with or without more of them.

        What comes out of all calls is the same. One takes a few milliseconds at most, whatever the bytes are.
        """
        if not self._late and len(data) <= _PORTION:
            return self.feed(data)
        self._late += data
        piece = self._late[:BLOCK]
        out = self._at_once(piece) if len(piece) > _PORTION else None
        if out is None:
            piece = piece[:_PORTION]
            out = self.feed(piece)
        self._late = self._late[len(piece) :]
        return out

    @property
    def behind(self) -> bool:
        """Whether `step` left bytes for later."""
        return bool(self._late)

    def _at_once(self, piece: bytes) -> bytes | None:
        """Do what `feed` does, unless that would take long."""
        held = self._raw
        if self._echo.waits or piece.count(b"\n") * _LINE > len(piece) or not is_plain(held + piece):
            return None
        self._idles = 0
        self._raw += piece
        try:
            return self._advance(final=False, most=_MANY)
        except DenseError:
            self._raw = held
            return None

    def idle(self) -> bytes:
        """Nothing came for a while: return what the budget lets out.

        The first call after data shows the budget and masks values that are complete. On a terminal the second one
        masks what is still held, since the prompt waiting there may otherwise never be seen whole.
        """
        if not self._raw or self._late:
            return b""
        self._idles += 1
        shown, text = self._look(final=False)
        if self._raw[shown.used : shown.used + 1] == b"\0":
            # Half a character of UTF-16 in text, but a whole answer in dialogues of programs such as scp.
            shown, text = self._look(final=True)
        base = len(self._context)
        live = max(self._decided, self._finder.undecided(text))
        found, heads = self._finder.scan(text, self._decided, len(text), every=True)
        cells, live = self._settle(text, live, heads)
        stop = min(self._finder.free(text, live), self._structure.free(text, live))
        stop = max(base + self._cover.carry, stop)
        found = sorted(found + cells, key=order)
        for start, end, _ in found:
            if start < stop:
                stop = max(stop, end)
        found = [value for value in found if value[0] < stop]
        if self._interactive and self._idles > 1 and stop < len(text):
            found.append((stop, len(text), NO_ROW))
            stop = len(text)
        return self._put(shown, text, found, stop, live, final=False)

    def end(self) -> bytes:
        """Return the rest, with the end of the stream as a boundary."""
        late, self._late = self._late, b""
        return self.feed(late) + self._advance(final=True)

    def _echoed(self, data: bytes) -> int:
        """Return how many bytes of `data` are the echo of typed ones; they count as shown."""
        if self._raw or self._cover.carry:
            self._echo.forget()
            return 0
        size, typed = self._echo.take(data)
        if not is_plain(typed):
            self._echo.forget()
            return 0
        if typed:
            text = self._context + typed
            self._before = Before((self._before.raw + data[:size])[-2:], (self._before.shown + typed)[-4:])
            self._cover.unglue()
            live = max(self._decided, self._finder.undecided(text))
            heads = self._finder.scan(text, self._decided, live)[1] if live > self._decided else []
            _, live = self._settle(text, live, heads)
            self._remember(text, len(text), live)
        return size if typed else 0

    def _look(self, *, final: bool) -> tuple[View, bytes]:
        """Read the raw bytes held; return them as shown, and the same with the context in front."""
        shown = view(self._raw, self._before, final=final)
        if shown.popped and not self._popped:
            self._popped = True
            self._context = self._context[: -shown.popped]
            self._structure.pop(self._decided - len(self._context))
            self._decided = min(self._decided, len(self._context))
        return shown, self._context + shown.text

    def _advance(self, *, final: bool, most: int = 0) -> bytes:
        """Put out all that is decided. For `most` see `Finder.scan`: where it raises, nothing was done."""
        shown, text = self._look(final=final)
        live = len(text) if final else max(self._decided, self._finder.undecided(text))
        base = len(self._context)
        if live <= base and not shown.kinds and not final:
            return b""  # most keystrokes: a word goes on
        found: list[Found] = []
        if live > self._decided or final:
            found, heads = self._finder.scan(text, self._decided, live, most=most)
            cells, settled = self._settle(text, live, heads, final=final)
            if cells or settled < live:
                live = settled
                found = [value for value in found if value[0] < live]
                found = sorted(found + cells, key=order) if found else cells
        stop = max(live, base)
        return self._put(shown, text, found, stop, live, final=final)

    def _settle(self, text: bytes, live: int, heads: Sequence[Head], *, final: bool = False) -> tuple[list[Found], int]:
        """Return the values known by their field or column, by start, and up to where the text is settled."""
        cells, live = self._structure.settle(text, self._decided, live, heads, final=final)
        return self._finder.chosen(cells), live

    def _put(self, shown: View, text: bytes, found: list[Found], stop: int, live: int, *, final: bool) -> bytes:
        """Put out the text up to `stop` with the values found replaced; what begins before `live` is settled then."""
        writer: Writer | PlainWriter
        if shown.kinds or shown.used != len(self._raw):
            payloads = shown.payloads()
            if payloads and _CLIPBOARD not in payloads and not self._finder.engine.find(payloads):
                shown = shown.with_payloads_kept()
            writer = Writer(shown, self._before, self._finder.firsts, self._mask_payload)
        else:
            writer = PlainWriter(self._raw, self._before)
        self._cover.lay(writer, text, len(self._context), stop, found)
        if not self._cover.carry:
            writer.finish(final=final, goes_on=self._cover.goes_on)
        held = len(self._raw)
        self._raw, self._before = writer.rest()
        self._popped = self._popped and len(self._raw) == held
        self._remember(text, stop, live)
        return b"".join(writer.out)

    def _remember(self, text: bytes, stop: int, live: int) -> None:
        """Keep what later values look back at; `text[:stop]` is out, and what begins before `live` is settled."""
        low = max(0, live - REACH)
        self._context = text[low:stop]
        self._decided = live - low

    def _mask_payload(self, sequence: bytes) -> bytes:
        """Mask the text of an operating system command (title, link); what sets the clipboard is dropped.

        Answers are kept, since the same titles come again and again.
        """
        known = self._payloads.get(sequence)
        if known is None:
            if len(self._payloads) >= _KNOWN:
                self._payloads.clear()
            known = self._payloads[sequence] = self._masked_payload(sequence)
        masked, counts = known
        if counts:
            self._cover.counts.update(counts)
        return masked

    def _masked_payload(self, sequence: bytes) -> tuple[bytes, Mapping[str, int]]:
        """Return what goes out for a command, and what was masked in it."""
        payload = sequence[2:].rstrip(b"\x07\x1b\\")
        end = sequence[2 + len(payload) :]
        if payload.startswith(_CLIPBOARD):
            return sequence[:2] + b"*" * len(payload) + end if self._style.keeps_length else b"", {"clipboard": 1}
        found, heads = self._finder.scan(payload, 0, len(payload), every=True)
        if not found and not heads:
            return sequence, {}
        cells, _ = Structure().settle(payload, 0, len(payload), heads, final=True)
        cover, writer = Cover(self._finder, self._style), PlainWriter(payload, Before())
        cover.lay(writer, payload, 0, len(payload), sorted(found + self._finder.chosen(cells), key=order))
        return sequence[:2] + b"".join(writer.out) + end, cover.counts
