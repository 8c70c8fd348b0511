"""The order in which everything happens to a channel's bytes: codec, policy, mask, record, send.

A plain object: bytes and a time go in, a list of actions comes out. It opens nothing and waits for nothing. While the
command a channel was opened for is held, what the client sends after it is kept here; a line held in mid-stream is
kept by its codec, output goes on meanwhile, and the client is read until the codec is full.
"""

from enum import Enum, auto

from bastion.audit import EventType
from bastion.errors import LocalProtocolError
from bastion.inspectors.actions import (
    Action,
    Again,
    Allowed,
    Ask,
    AskLine,
    Decision,
    End,
    Exit,
    Journal,
    Open,
    Read,
    Save,
    Send,
    Waiting,
    WakeAt,
    Withdraw,
)
from bastion.inspectors.mask import Masking, failures
from bastion.inspectors.messages import STATUS, Worded, wording
from bastion.model import Stream
from bastion.protocols.base import Boot, Codec, Command, Data, Event, HoldingCodec, Hook, Line, Pause

INTERRUPT = b"\x03"


class _State(Enum):
    NEW = auto()
    HELD = auto()
    OPEN = auto()
    ENDED = auto()


class Pipeline:
    """One channel.

    Parameters
    ----------
    codec: reads the channel's protocol.
    masking: its maskers.
    terminal: whether the client has a PTY (then Ctrl-C withdraws a held command).
    record_input: whether STDIN is saved; a terminal's is not, since its echo is and typed passwords must not be.
    """

    def __init__(self, codec: Codec | HoldingCodec, masking: Masking, *, terminal: bool, record_input: bool) -> None:
        self._codec = codec
        self._holding: HoldingCodec | None = codec if isinstance(codec, HoldingCodec) else None
        self._asked = False  # a line waits in mid-stream
        self._full = False
        self._ending = False  # the client's EOF waits until all input has gone on
        self._pause: float | None = None
        self._masking = masking
        self._terminal = terminal
        self._record_input = record_input
        self._state = _State.NEW
        self._kept: list[Event | End] = []

    @property
    def holding(self) -> bool:
        """Whether a command waits for a decision."""
        return self._state is _State.HELD or self._asked

    @property
    def keeps(self) -> bool:
        """Whether output waits for a decision."""
        return False

    def start(self, now: float) -> list[Action]:
        """Begin: ask about the command the channel was opened for, or open the target's side."""
        self._expect(_State.NEW)
        events = self._codec.start()
        if not any(isinstance(event, Command) for event in events):
            self._state = _State.OPEN
            boot = next((event.command for event in events if isinstance(event, Boot)), None)
            return [Open(boot), *self._pass([event for event in events if not isinstance(event, Boot)], now)]
        actions: list[Action] = []
        for event in events:
            if isinstance(event, Command):
                self._state = _State.HELD
                actions.append(Ask(event.raw))
            else:
                self._kept.append(event)
        return actions

    def receive(self, stream: Stream, data: bytes, now: float) -> list[Action]:
        """Take bytes: STDIN from the client, the others from the target. None: go on with those that were left."""
        if self._state is _State.ENDED:
            return []
        if stream is Stream.STDIN and self._state is not _State.OPEN:
            if self._terminal and self._state is _State.HELD and INTERRUPT in data:
                return [Withdraw()]
            self._kept.append(Data(stream, data))
            return []
        if not data:
            return self._with_wake(self._masked(stream, data, now), now)
        actions = self._pass(self._codec.feed(stream, data), now)
        if self._asked and stream is Stream.STDIN and self._terminal and INTERRUPT in data:
            actions.append(Withdraw())
        return actions

    def close(self, stream: Stream, now: float) -> list[Action]:
        """Take the end of a stream: EOF of the client (STDIN) or of the target (STDOUT and STDERR)."""
        if self._state is _State.ENDED:
            return []
        if stream is Stream.STDIN and self._state is not _State.OPEN:
            self._kept.append(End(stream))
            return []
        if stream is Stream.STDIN and self._holding is not None:
            self._ending = True
            return self._pass(self._codec.end(stream), now)
        return self._end(stream, now)

    def resolve(self, decision: Decision, now: float) -> list[Action]:
        """Take what was decided on the held command or line."""
        if self._asked:
            return self._resolve_line(decision, now)
        self._expect(_State.HELD)
        if isinstance(decision, Allowed):
            self._state = _State.OPEN
            kept, self._kept = self._kept, []
            actions: list[Action] = [Open()]
            for event in kept:
                if isinstance(event, End):
                    actions += self.close(event.stream, now)
                elif isinstance(event, Data) and self._holding is not None:
                    actions += self._pass(self._codec.feed(event.stream, event.raw), now)
                else:
                    actions += self._pass([event], now)
            return actions
        actions = self._say(decision)
        if isinstance(decision, Waiting):
            return actions
        self._state = _State.ENDED
        self._kept.clear()
        return [*actions, Exit(STATUS[type(decision)])]

    def _resolve_line(self, decision: Decision, now: float) -> list[Action]:
        assert self._holding is not None
        if isinstance(decision, Allowed):
            self._asked = False
            going = self._holding.decided(allowed=True, more=decision.more, release=decision.release)
            return self._pass(going, now)
        said = self._say(decision)
        if isinstance(decision, Waiting):  # who gave up before it was said is heard too
            return [*said, *([Withdraw()] if self._holding.interrupted() else [])]
        self._asked = False
        if not self._terminal:  # a script goes no further; on a terminal, the line is taken away
            self._state = _State.ENDED
            return [*said, Exit(STATUS[type(decision)])]
        return [*said, *self._pass(self._holding.decided(allowed=False, more=False, release=b""), now)]

    def resize(self, columns: int, rows: int) -> None:
        """Take the terminal's new size."""
        if self._holding is not None:
            self._holding.resize(columns, rows)

    def wake(self, now: float) -> list[Action]:
        """Release what maskers may release after a pause, and tell the codec of one it waits for."""
        actions: list[Action] = []
        if self._holding is not None and self._pause is not None and self._pause <= now:
            self._pause = None
            actions += self._pass(self._holding.quiet(), now)
        for stream, saved, going in self._masking.wake(now):
            actions += self._out(stream, saved, going)
        return self._with_wake(actions, now)

    def note(self, text: str) -> list[Action]:
        """Tell the client a line of the bastion's own."""
        stream, data = self._codec.message(text)
        return [Save(stream, data), Send(stream, data)]

    def finish(self, now: float) -> list[Action]:
        """Flush everything: the channel is over. Nothing goes on afterwards."""
        if self._state is _State.ENDED:
            return []
        actions: list[Action] = []
        for stream in (Stream.STDIN, Stream.STDOUT, Stream.STDERR):
            actions += (a for a in self._end(stream, now) if not isinstance(a, End))
        self._state = _State.ENDED
        return actions

    def masked(self) -> dict[str, int]:
        """Return how many values were masked for the client, by type."""
        return self._masking.counts()

    def _say(self, decision: Worded) -> list[Action]:
        return self.note(wording(decision))

    def _end(self, stream: Stream, now: float) -> list[Action]:
        actions = self._pass(self._codec.end(stream), now)
        return [*actions, *self._out(stream, *self._masking.end(stream)), End(stream)]

    def _out(self, stream: Stream, saved: bytes, going: bytes) -> list[Action]:
        actions: list[Action] = [Journal(EventType.FAILURE, failure) for failure in failures(self._masking)]
        if saved:
            actions.append(Save(stream, saved))
        if going:
            actions.append(Send(stream, going))
        return actions

    def _pass(self, events: list[Event], now: float) -> list[Action]:
        actions: list[Action] = []
        for event in events:
            if isinstance(event, Command | Boot):
                raise LocalProtocolError("a codec named a command in mid-stream, which this pipeline does not hold")
            if isinstance(event, Hook):
                actions.append(Journal(EventType.SHELL_HOOK, {"state": str(event.state), "shell": event.shell}))
                continue
            if isinstance(event, Pause):
                self._pause = now + event.seconds
                continue
            if isinstance(event, Line):
                self._asked, self._pause = True, None
                actions.append(AskLine(event))
                continue
            stream, raw = event.stream, event.raw
            if stream is Stream.STDIN:
                self._masking.typed(raw)
            if stream is Stream.STDIN and not self._record_input:
                actions.append(Send(stream, raw))
                continue
            actions += self._masked(stream, raw, now)
        return self._with_wake(actions, now)

    def _masked(self, stream: Stream, raw: bytes, now: float) -> list[Action]:
        actions = self._out(stream, *self._masking.feed(stream, raw, now, whole=False))
        return [*actions, Again(stream)] if self._masking.is_behind(stream) else actions

    def _with_wake(self, actions: list[Action], now: float) -> list[Action]:
        if self._ending and self._holding is not None and self._holding.drained:
            self._ending = False
            actions += self._end(Stream.STDIN, now)
        if self._holding is not None and self._holding.full is not self._full:
            self._full = not self._full
            actions.append(Read(not self._full))
        dues = [due for due in (self._masking.next_wake(), self._pause) if due is not None]
        if dues:
            actions.append(WakeAt(min(dues)))
        return actions

    def _expect(self, state: _State) -> None:
        if self._state is not state:
            raise LocalProtocolError(f"the pipeline is {self._state.name.lower()}, not {state.name.lower()}")
