"""The line gate of a terminal: every byte that may run a line is held until the line was read and decided.

The line is read twice, from the screen and from the keys; what each is worth is judged elsewhere
(`bastion.inspectors.lines`). Keys that run nothing pass at once. After a line was given to the shell, input that came
with it waits a moment for the next prompt. A line that may not run is taken away again as its editor takes it, so that
the shell is where it was; where that fails, by the interrupt key. Programs that read single keys, and keys bound by
start-up files, are beyond what can be seen here. Nothing here has a clock; `Pause` asks for one.
"""

from enum import Enum, auto

from bastion.model import Stream
from bastion.protocols.base import Command, Data, Event, Line, Pause, Place
from bastion.protocols.keys import PASTE_END, Keys, Setting, Stop, burst
from bastion.protocols.watch import (
    INTERRUPT,
    LONG_PASTE,
    ODD_KEY,
    Rest,
    Shown,
    Watcher,
    Window,
    driver_erased,
    only_erases,
    same,
)

QUEUE_MAX = 64 * 1024
"""Bytes of input that are kept; more is not read from the client."""

_QUIET = 0.07  # without output for so long, the screen shows what was typed
_PATIENCE = 4  # such pauses until typed text without an echo is taken for one that has none
_EVALUATIONS = 64  # looks at the screen until a line is taken as it is, whatever goes on
_SETTLE = 0.15  # for a prompt after a line was run, before input that came with it goes on
_PROMPT_DRAWN = 0.02
_CLEARED = 0.25
_PASTE_PATIENCE = 2.0


class _Phase(Enum):
    FREE = auto()
    READING = auto()  # an end of line is held, the screen may not show all of the line yet
    ASKED = auto()
    CLEARING = auto()  # the line is being taken away
    SETTLING = auto()
    PASTING = auto()


class TerminalCodec:
    """Reads one terminal. `command` is what the channel was opened for, None for a shell.

    `wary`: take nothing on trust that a user could have forged; pastes are decided before they reach the shell, too.
    """

    def __init__(self, window: Window, *, wary: bool, command: bytes | None = None) -> None:
        self._window = window
        self._wary = wary
        self._command = command
        self._watcher = Watcher(window.columns, window.rows)
        self._keys = Keys()
        self._phase = _Phase.FREE
        self._queue = bytearray()
        self._held = b""
        self._stop = Stop.ACCEPT
        self._line: Line | None = None
        self._looks = 0
        self._silences = 0
        self._more = False
        self._told = False
        self._rest = Rest.NONE
        self._swallowed = b""
        self._taken = ""

    @property
    def full(self) -> bool:
        """Whether so much input is kept that the client should not be read."""
        return len(self._queue) >= QUEUE_MAX and self._phase is not _Phase.PASTING

    @property
    def editing(self) -> bool:
        """Whether a line editor reads the keys."""
        return self._watcher.editor

    @property
    def drained(self) -> bool:
        """Whether all input that came has gone on."""
        return not self._queue and self._phase is _Phase.FREE

    def start(self) -> list[Event]:
        """Return the command the channel was opened for, if there is one."""
        return [] if self._command is None else [Command(self._command)]

    def feed(self, stream: Stream, data: bytes) -> list[Event]:
        """Take bytes: keys from the client, or output."""
        if stream is not Stream.STDIN:
            return self._output(stream, data)
        free = self._phase is _Phase.FREE and not self._queue
        if free and self._rest is Rest.NONE and self._watcher.editing and self._keys.plain(data):
            return [Data(stream, data)]
        self._queue += data
        if self._phase is _Phase.PASTING:
            return self._collect()
        return self._pump() if self._phase is _Phase.FREE else []

    def end(self, stream: Stream) -> list[Event]:
        """Pass on what was held only to be tidy; a line that was not decided is not run."""
        if stream is Stream.STDIN or not self._swallowed:
            return []
        swallowed, self._swallowed = self._swallowed, b""
        return [Data(Stream.STDOUT, swallowed)]

    def message(self, text: str) -> tuple[Stream, bytes]:
        """Word a line of its own below the line being typed."""
        below = "" if self._told else "\n" * self._watcher.rows_below() + "\r\n"
        self._told = self._phase is _Phase.ASKED
        return Stream.STDOUT, f"{below}{text}\r\n".encode()

    def resize(self, columns: int, rows: int) -> None:
        """Take the terminal's new size."""
        self._watcher.resize(columns, rows)

    def interrupted(self) -> bool:
        """Whether the input kept behind the line holds Ctrl-C."""
        return INTERRUPT in self._queue

    def decided(self, *, allowed: bool, more: bool, release: bytes = b"") -> list[Event]:  # noqa: ARG002 - of scripts
        """Give the held bytes to the target, or take the line away there."""
        assert self._line is not None
        line, self._line, self._told = self._line, None, False
        if line.place is Place.PASTE:
            return self._paste_decided(line.raw, allowed=allowed)
        if allowed:
            self._more = more
            return [Data(Stream.STDIN, line.raw), *self._run(line.raw)]
        if INTERRUPT in self._queue:
            del self._queue[: self._queue.rindex(INTERRUPT) + 1]
        return self._take_away(line)

    def quiet(self) -> list[Event]:
        """Nothing came for as long as was asked for."""
        match self._phase:
            case _Phase.READING:
                self._silences += 1
                return self._look(final=self._watcher.echoed or self._silences >= _PATIENCE)
            case _Phase.CLEARING:
                return self._cleared() if self._is_cleared() else self._not_cleared()
            case _Phase.PASTING:
                return self._ask_paste(bytes(self._queue), ())
            case _Phase.SETTLING:
                return self._go_on()
        return []

    def ran(self) -> None:
        """Take that a line ran of which somebody else read the keys."""
        self._more = False
        self._keys.accepted()
        self._watcher.end()

    def hand_over(self) -> bytes | None:
        """Give up the input that is kept to who reads it from here on; None while a line is decided or taken away."""
        if self._phase in (_Phase.ASKED, _Phase.CLEARING):
            return None
        kept = (self._held if self._phase is _Phase.READING else b"") + bytes(self._queue)
        self._queue.clear()
        self._phase, self._rest = _Phase.FREE, Rest.NONE
        self._keys.drop_paste()
        self.ran()
        return kept

    # Output

    def _output(self, stream: Stream, data: bytes) -> list[Event]:
        seen = self._watcher.output(data)
        if seen.prompted:
            self._keys.prompted()
        if self._phase is _Phase.CLEARING:
            self._swallowed += data
            too_much = len(self._swallowed) > QUEUE_MAX
            return self._cleared() if self._is_cleared() else self._not_cleared() if too_much else []
        events: list[Event] = [Data(stream, data)]
        if self._phase is _Phase.READING:
            events += self._look(final=False)
        elif self._phase is _Phase.SETTLING and seen.prompted:
            events.append(Pause(_PROMPT_DRAWN))
        return events

    # Input

    def _pump(self) -> list[Event]:
        events: list[Event] = []
        while self._queue and self._phase is _Phase.FREE:
            if self._rest is not Rest.NONE:
                if (rest := self._rest_of_paste()) is None:
                    break
                events += rest
                continue
            watcher = self._watcher
            if not watcher.editing:
                watcher.begin(self._keys)
            setting = Setting(watcher.editor, self._wary, self._wary or not watcher.editor, self._substitutes())
            count, stop = self._keys.take(bytes(self._queue), setting)
            if count:
                events.append(Data(Stream.STDIN, bytes(self._queue[:count])))
                del self._queue[:count]
            if stop is Stop.PASTE:
                self._phase = _Phase.PASTING
                events += self._collect()
            elif stop is not None:
                events += self._hold(stop)
        return events

    def _substitutes(self) -> bool:
        """Whether a Tab may run a part of the line, as zsh expands it."""
        if not self._wary or 0x09 not in self._queue or not self._watcher.editor:
            return False
        shown, typed = self._watcher.read(self._keys), self._keys.whole.text
        texts = [shown.text or "", typed or "", *shown.others, self._queue.decode("utf-8", "replace")]
        return (shown.text is None and typed is None) or any("(" in text or "`" in text for text in texts)

    def _hold(self, stop: Stop) -> list[Event]:
        """Hold the byte that may run the line, and with it a burst of further lines."""
        self._held, self._stop = bytes(self._queue[:1]), stop
        del self._queue[:1]
        self._phase, self._looks, self._silences = _Phase.READING, 0, 0
        if (burst := self._burst()) is not None:
            return self._ask(burst)
        return self._look(final=False)

    def _burst(self) -> Line | None:
        """Return many lines that came at once as one, where nothing but the terminal's driver edits them."""
        if self._watcher.editor or self._stop is not Stop.ACCEPT or self._keys.whole.text is None:
            return None
        chunk, text = burst(self._queue)
        if not chunk:
            return None
        del self._queue[: len(chunk)]
        return self._worded(Shown(None), f"{self._keys.whole.text}\n{text}", (), self._held + chunk)

    def _look(self, *, final: bool) -> list[Event]:
        """Read the line; ask when screen and keys agree, or when nothing more is to be seen."""
        keys, watcher = self._keys, self._watcher
        self._looks += 1
        if keys.line.empty and keys.whole.empty and self._nothing_at_all():
            return [Data(Stream.STDIN, self._held), *self._run(self._held)]
        shown = watcher.read(keys)
        typed = () if watcher.released else (keys.line.text, keys.whole.text)
        for text in typed:
            if text is not None and shown.text is not None and same(shown.text, text) and not shown.doubts:
                return self._ask(self._worded(Shown(text, shown.others, shown.prompt), text, ()))
        if not final and self._looks < _EVALUATIONS:
            return [Pause(_QUIET)]
        whole = keys.whole.text if typed else None
        doubts, echo = watcher.doubts(shown, whole)
        return self._ask(self._worded(shown, whole, doubts, echo=echo))

    def _nothing_at_all(self) -> bool:
        """Whether Enter on an empty line can't run anything: nothing typed, and the prompt is the one seen before."""
        watcher = self._watcher
        if self._more or self._stop is Stop.ODD or watcher.released or watcher.full:
            return False
        shown = watcher.read(self._keys)
        return shown.text == "" and not shown.others

    def _worded(
        self, shown: Shown, typed: str | None, doubts: tuple[str, ...], raw: bytes = b"", *, echo: bool = True
    ) -> Line:
        watcher = self._watcher
        place = Place.PROMPT if watcher.editor else Place.PROGRAM
        if watcher.full and not watcher.at_known_prompt:
            place = Place.SCREEN
        if self._stop is Stop.ODD:
            doubts = (*doubts, ODD_KEY)
        interrupted, self._keys.interrupted = self._keys.interrupted, False
        reading = (shown.text, typed, shown.others, shown.prompt, doubts)
        return Line(raw or self._held, place, *reading, echo, interrupted, watcher.at_known_prompt)

    def _ask(self, line: Line) -> list[Event]:
        self._line, self._phase = line, _Phase.ASKED
        return [line]

    # After a line

    def _run(self, raw: bytes) -> list[Event]:
        """The line is over: what came with it waits for the prompt."""
        self._watcher.ran_line(prefills=raw in (b"\x0f", b"a", b"A"))
        self._keys.accepted()
        if not self._queue:
            self._phase = _Phase.FREE
            return []
        self._phase = _Phase.SETTLING
        return [Pause(_SETTLE)]

    def _go_on(self) -> list[Event]:
        self._phase = _Phase.FREE
        return self._pump()

    def _take_away(self, line: Line) -> list[Event]:
        """Have the target forget the line."""
        simple = line.place in (Place.PROMPT, Place.PROGRAM) and not self._more and self._stop is Stop.ACCEPT
        if not simple or self._watcher.released:
            return self._interrupt()
        return self._clear(line.screen or line.typed or "")

    def _clear(self, text: str) -> list[Event]:
        self._phase, self._swallowed, self._taken = _Phase.CLEARING, b"", text
        kill = b"\x05\x15" if self._watcher.editor else self._window.kill  # to the end of the line first
        return [Data(Stream.STDIN, kill), Pause(_CLEARED)]

    def _cleared(self) -> list[Event]:
        """The line is gone; what the target did to the screen for that is replaced by a fresh prompt."""
        swallowed, self._swallowed = self._swallowed, b""
        prompt = self._watcher.again()
        self._keys.accepted()
        shown = b"" if only_erases(swallowed, prompt + self._taken.encode()) else swallowed
        return [Data(Stream.STDOUT, shown + prompt), *self._go_on()]

    def _not_cleared(self) -> list[Event]:
        """The line is still there, as far as can be seen: an editor is interrupted, a program is left alone."""
        swallowed, self._swallowed = self._swallowed, b""
        shown: list[Event] = [Data(Stream.STDOUT, swallowed)] if swallowed else []
        if self._watcher.editor:
            return [*shown, *self._interrupt()]
        self._keys.lose()
        return [*shown, *self._go_on()]

    def _is_cleared(self) -> bool:
        """Whether the line is gone. The terminal's driver can't erase it from the screen beyond its last row."""
        taken = self._taken.rpartition("\n")[2].rstrip()
        return self._watcher.empty() or (not self._watcher.editor and driver_erased(self._swallowed, len(taken)))

    def _interrupt(self) -> list[Event]:
        self._more = False
        self._keys.accepted()
        self._keys.interrupted = True
        self._phase = _Phase.SETTLING
        return [Data(Stream.STDIN, self._window.interrupt), Pause(_SETTLE)]

    # Pastes

    def _collect(self) -> list[Event]:
        """Wait for the end of a paste, and ask about it as a whole where it holds line ends."""
        end = self._queue.find(PASTE_END)
        if end < 0:
            return [Pause(_PASTE_PATIENCE)] if len(self._queue) < QUEUE_MAX else self._ask_long_paste()
        raw = bytes(self._queue[: end + len(PASTE_END)])
        del self._queue[: len(raw)]
        return self._ask_paste(raw, ())

    def _ask_paste(self, raw: bytes, doubts: tuple[str, ...]) -> list[Event]:
        if raw and not raw.endswith(PASTE_END):  # it never ended
            del self._queue[: len(raw)]
        body = raw.removesuffix(PASTE_END)
        if not any(end in body for end in (b"\r", b"\n", b"\x0f")):
            return [*self._pasted(raw), *self._go_on()]
        shown = self._watcher.read(self._keys)
        before = self._keys.whole.text if self._keys.whole.text is not None else shown.text
        text = body.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n")
        typed = None if before is None or doubts else before + text.rstrip("\n")
        self._held, self._stop = raw, Stop.ACCEPT
        return self._ask(Line(raw, Place.PASTE, None, typed, (), shown.prompt, doubts))

    def _ask_long_paste(self) -> list[Event]:
        raw = bytes(self._queue)
        self._queue.clear()
        return self._ask_paste(raw, (LONG_PASTE,))

    def _pasted(self, raw: bytes) -> list[Event]:
        """Give a paste to the target, and to the model of the line."""
        self._keys.take(raw, Setting(editor=True, wary=False, whole_pastes=False))
        return [Data(Stream.STDIN, raw)]

    def _paste_decided(self, raw: bytes, *, allowed: bool) -> list[Event]:
        endless = not raw.endswith(PASTE_END) and len(raw) >= QUEUE_MAX
        if endless:
            self._rest = Rest.PASS if allowed else Rest.DROP
        if allowed:
            events = self._pasted(raw)
            if not self._watcher.editor:
                self._keys.accepted()
                self._watcher.end()
            return [*events, *self._go_on()]
        self._keys.drop_paste()
        if not self._watcher.editor:  # the beginning of the paste is part of the line there
            return self._clear("")
        line = self._keys.whole.text or ""
        shown = Data(Stream.STDOUT, self._watcher.prompt_bytes + line.encode())
        return [Data(Stream.STDIN, PASTE_END), shown, *self._go_on()]

    def _rest_of_paste(self) -> list[Event] | None:
        """Pass or drop what comes of a paste after its beginning was decided, up to its end; None to wait for more."""
        end = self._queue.find(PASTE_END)
        size = end + len(PASTE_END) if end >= 0 else len(self._queue) - len(PASTE_END) + 1
        if size <= 0:
            return None
        raw = bytes(self._queue[:size])
        del self._queue[:size]
        passing = self._rest is Rest.PASS
        if end >= 0:
            self._rest = Rest.NONE
        return self._pasted(raw) if passing else []
