"""A terminal whose shell asks the bastion itself before each command (`bastion.shellhook`).

At its prompt, keys are nobody's business: whatever they have the shell run, it asks with the text it will really run.
While a program reads, and wherever the hook is missing, lines are read as `TerminalCodec` reads them. The shell's
messages are taken out of the output. A line that went to the shell, and that it did not ask about, ends the trust.
"""

import re
from enum import Enum, auto

from bastion.model import Stream
from bastion.protocols.base import Boot, Data, Event, Hook, HookState, Line, Pause, Place
from bastion.protocols.keys import PASTE_END
from bastion.protocols.terminal import QUEUE_MAX, TerminalCodec
from bastion.protocols.watch import INTERRUPT
from bastion.shellhook.boot import boot_command
from bastion.shellhook.messages import Kind, Message, MessageReader, answer

_ASKS = 0.3  # for the question or a prompt after a line end, before input that came with it goes on
_SETTLE = 0.15
_SILENT = 8  # such pauses, while no line editor reads, until the shell is taken for one that does not ask
_EDITOR_OFF = b"\x1b[?2004l"  # bracketed paste goes, as the editor gives the line away
_PASTE_BEGIN = b"\x1b[200~"
_GIVES = re.compile(rb"[\r\n\x0f]|" + re.escape(_PASTE_BEGIN))
BLIND = "the shell does not know its text"
FISH = "fish may read it otherwise than the shells that are known here"
# Quotes, substitutions and words of which other shells know nothing, or something else
_FISH_OWN = re.compile(
    r"[\\(){}`^?]|[&|][|&]?[|>]|\b(?:and|or|not|begin|end|else|function|switch|case|builtin|source|exec|bind|abbr)\b"
)


class _Phase(Enum):
    AWAY = auto()  # a program reads, or there is no hook
    PROMPT = auto()
    GIVEN = auto()  # a line went to the shell
    ASKED = auto()
    ANSWERED = auto()  # the shell has yet to say what was typed ahead of the answer
    RUNNING = auto()  # the line runs; input that came with it waits a moment for the next prompt


class HookedCodec:
    """Reads one shell. `token` is the secret that marks its messages; `terminal` reads what has no hook, strictly."""

    def __init__(self, terminal: TerminalCodec, token: str) -> None:
        self._terminal = terminal
        self._token = token
        self._reader = MessageReader(token)
        self._phase = _Phase.AWAY
        self._state: HookState | None = None
        self._shell = ""
        self._queue = bytearray()
        self._pasting = False
        self._question: Message | None = None
        self._waiting: Message | None = None  # a question while a line that a program would get is decided
        self._yes = False
        self._pauses = 0
        self._left = False  # since the line was given, the line editor let go of it
        self._fresh = True  # the cursor stands at the beginning of a row

    @property
    def full(self) -> bool:
        """Whether so much input is kept that the client should not be read."""
        return len(self._queue) >= QUEUE_MAX or self._terminal.full

    @property
    def drained(self) -> bool:
        """Whether all input that came has gone on."""
        return not self._queue and self._phase in (_Phase.AWAY, _Phase.PROMPT) and self._terminal.drained

    def start(self) -> list[Event]:
        """Have the target start a shell with the hook."""
        return [Boot(boot_command(self._token))]

    def feed(self, stream: Stream, data: bytes) -> list[Event]:
        """Take bytes: keys from the client, or output."""
        if stream is not Stream.STDIN:
            return self._output(stream, data)
        if self._phase is _Phase.AWAY:
            return self._read(data)
        self._queue += data
        return self._pump()

    def end(self, stream: Stream) -> list[Event]:
        """Pass on what may have been a message."""
        kept = self._reader.end() if stream is not Stream.STDIN else b""
        events: list[Event] = [Data(stream, kept)] if kept else []
        return [*events, *self._terminal.end(stream)]

    def message(self, text: str) -> tuple[Stream, bytes]:
        """Word a line of its own."""
        if self._phase is not _Phase.ASKED:
            return self._terminal.message(text)
        below = "" if self._fresh else "\r\n"
        return Stream.STDOUT, f"{below}{text}\r\n".encode()

    def resize(self, columns: int, rows: int) -> None:
        """Take the terminal's new size."""
        self._terminal.resize(columns, rows)

    def interrupted(self) -> bool:
        """Whether the input kept behind the line holds Ctrl-C."""
        return INTERRUPT in self._queue if self._phase is _Phase.ASKED else self._terminal.interrupted()

    def decided(self, *, allowed: bool, more: bool, release: bytes = b"") -> list[Event]:
        """Answer the shell, or leave the line to whom it belongs."""
        if self._question is None:
            events = self._terminal.decided(allowed=allowed, more=more, release=release)
            waiting, self._waiting = self._waiting, None
            return events if waiting is None else [*events, *self._asked(waiting)]
        question, self._question = self._question, None
        if not allowed and INTERRUPT in self._queue:
            del self._queue[: self._queue.rindex(INTERRUPT) + 1]
        self._phase, self._yes, self._pauses = _Phase.ANSWERED, allowed, 0
        return [Data(Stream.STDIN, answer(self._token, question.challenge, yes=allowed)), Pause(_ASKS)]

    def quiet(self) -> list[Event]:
        """Nothing came for as long as was asked for."""
        if self._phase is _Phase.RUNNING:
            return self._go_away()
        if self._phase not in (_Phase.GIVEN, _Phase.ANSWERED):
            return self._terminal.quiet()
        self._pauses += 1
        if self._phase is _Phase.GIVEN and self._terminal.editing:
            return self._at_prompt()  # it went into the line, or began one of several lines
        if self._pauses < _SILENT:
            return [Pause(_ASKS)]
        return [*self._told(HookState.SILENT), *self._go_away()]

    # Output

    def _output(self, stream: Stream, data: bytes) -> list[Event]:
        events: list[Event] = []
        for found in self._reader.feed(data):
            events += self._take(found) if isinstance(found, Message) else self._show(stream, found)
        return events

    def _show(self, stream: Stream, data: bytes) -> list[Event]:
        if visible := data.replace(_EDITOR_OFF, b"").rstrip(b"\r"):
            self._fresh = visible.endswith(b"\n")
        events = self._terminal.feed(stream, data)
        if self._phase is _Phase.GIVEN:
            self._left = self._left or _EDITOR_OFF in data or not self._terminal.editing
            if self._left and self._terminal.editing:
                return [*events, *self._at_prompt()]
        if self._phase is _Phase.AWAY and self._state is None and any(isinstance(event, Line) for event in events):
            return [*self._told(HookState.ABSENT), *events]
        return events

    def _take(self, message: Message) -> list[Event]:
        match message.kind:
            case Kind.PROMPT:
                self._shell = message.texts[0] or ""
                told = self._told(HookState.IN_PLACE)
                return [*told, *self._at_prompt()] if self._phase is not _Phase.ASKED else told
            case Kind.AHEAD:
                return self._typed_ahead(message.texts[0] if message.texts else None)
            case Kind.LINE | Kind.COMMAND | Kind.BLIND:
                return self._asked(message)

    def _told(self, state: HookState) -> list[Event]:
        if state is self._state:
            return []
        self._state = state
        return [Hook(state, self._shell)]

    # Questions

    def _asked(self, message: Message) -> list[Event]:
        """Hand on a question. What was kept of keys that a program would have got comes after it."""
        if self._phase is _Phase.AWAY:
            handed = self._terminal.hand_over()
            if handed is None:
                self._waiting = message
                return []
            self._queue[:0] = handed
        self._phase, self._question = _Phase.ASKED, message
        text, *more = message.texts or (None,)
        if message.kind is Kind.BLIND or text is None or None in more:
            return [Line(b"", Place.HOOK, None, None, doubts=(BLIND,))]
        if message.kind is Kind.COMMAND:
            return [Line(b"", Place.HOOK, None, None, others=(text,))]
        doubts = (FISH,) if self._shell.startswith("fish") and _FISH_OWN.search(text) else ()
        return [
            Line(
                b"",
                Place.HOOK,
                text,
                None,
                doubts=doubts,
                others=tuple(_shown_as(text, other) for other in more if other),
            )
        ]

    def _typed_ahead(self, text: str | None) -> list[Event]:
        if self._phase is not _Phase.ANSWERED:
            return []
        self._queue[:0] = (text or "").encode("utf-8", "surrogateescape")
        if self._yes and self._queue:
            self._phase = _Phase.RUNNING
            return [Pause(_SETTLE)]
        if self._yes:
            return self._go_away()
        self._phase, self._pauses, self._left = _Phase.GIVEN, 0, True
        return [Pause(_ASKS)]

    # Input

    def _at_prompt(self) -> list[Event]:
        if self._phase is _Phase.AWAY:
            handed = self._terminal.hand_over()
            if handed is None:  # decided first; the shell asks for itself then
                return []
            self._queue[:0] = handed
        self._phase, self._pasting = _Phase.PROMPT, False
        return self._pump()

    def _go_away(self) -> list[Event]:
        """What is typed from here on is for a program."""
        self._phase, self._pasting = _Phase.AWAY, False
        self._terminal.ran()
        queue = bytes(self._queue)
        self._queue.clear()
        return self._read(queue) if queue else []

    def _read(self, data: bytes) -> list[Event]:
        events = self._terminal.feed(Stream.STDIN, data)
        if self._state is None and any(isinstance(event, Line) for event in events):
            return [*self._told(HookState.ABSENT), *events]
        return events

    def _pump(self) -> list[Event]:
        """Give keys to the shell, up to one that may end its line."""
        if self._phase is not _Phase.PROMPT or not self._queue:
            return []
        size = self._up_to_an_end()
        given = bytes(self._queue[:size])
        del self._queue[:size]
        events: list[Event] = [Data(Stream.STDIN, given)] if given else []
        if size and not self._pasting and given[-1:] in (b"\r", b"\n", b"\x0f"):
            self._phase, self._pauses, self._left = _Phase.GIVEN, 0, False
            events.append(Pause(_ASKS))
        return events

    def _up_to_an_end(self) -> int:
        """Return how much goes on: line ends inside a bracketed paste are none."""
        place = 0
        while True:
            if self._pasting:
                end = self._queue.find(PASTE_END, place)
                if end < 0:
                    return self._all_but_a_beginning()
                place, self._pasting = end + len(PASTE_END), False
            found = _GIVES.search(self._queue, place)
            if found is None:
                return len(self._queue)
            if found.group() != _PASTE_BEGIN:
                return found.end()
            place, self._pasting = found.end(), True

    def _all_but_a_beginning(self) -> int:
        """Return how much there is before what may be the beginning of the end of a paste."""
        size = len(self._queue)
        last = self._queue.rfind(b"\x1b", max(size - len(PASTE_END), 0))
        return last if last >= 0 and PASTE_END.startswith(self._queue[last:]) else size


def _shown_as(text: str, other: str) -> str:
    """Return what a line becomes by aliases: definitions stand in front of it, what they became in its place."""
    return f"{other}{text}" if other.endswith("\n") else other
