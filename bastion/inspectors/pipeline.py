"""The order in which everything happens to a channel's bytes: codec, policy, mask, record, send.

A plain object: bytes and a time go in, a list of actions comes out. It opens nothing and waits for nothing; while a
command is held, what the client sends after it is kept here, and the relay stops reading from the client.
"""

from enum import Enum, auto

from bastion.errors import LocalProtocolError
from bastion.inspectors.actions import (
    Action,
    Allowed,
    Ask,
    Decision,
    End,
    Exit,
    Open,
    Save,
    Send,
    Waiting,
    WakeAt,
    Withdraw,
)
from bastion.inspectors.mask import Masking
from bastion.inspectors.messages import STATUS, Worded, wording
from bastion.model import Stream
from bastion.protocols.base import Codec, Command, Data, Event

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

    def __init__(self, codec: Codec, masking: Masking, *, terminal: bool, record_input: bool) -> None:
        self._codec = codec
        self._masking = masking
        self._terminal = terminal
        self._record_input = record_input
        self._state = _State.NEW
        self._kept: list[Event | End] = []

    @property
    def holding(self) -> bool:
        """Whether a command waits for a decision; the client should not be read meanwhile."""
        return self._state is _State.HELD

    def start(self, now: float) -> list[Action]:
        """Begin: ask about the command the channel was opened for, or open the target's side."""
        self._expect(_State.NEW)
        events = self._codec.start()
        if not any(isinstance(event, Command) for event in events):
            self._state = _State.OPEN
            return [Open(), *self._pass(events, now)]
        actions: list[Action] = []
        for event in events:
            if isinstance(event, Command):
                self._state = _State.HELD
                actions.append(Ask(event.raw))
            else:
                self._kept.append(event)
        return actions

    def receive(self, stream: Stream, data: bytes, now: float) -> list[Action]:
        """Take bytes: STDIN from the client, the others from the target."""
        if self._state is _State.ENDED:
            return []
        if stream is Stream.STDIN and self._state is not _State.OPEN:
            if self._terminal and self._state is _State.HELD and INTERRUPT in data:
                return [Withdraw()]
            self._kept.append(Data(stream, data))
            return []
        return self._pass(self._codec.feed(stream, data), now)

    def close(self, stream: Stream, now: float) -> list[Action]:
        """Take the end of a stream: EOF of the client (STDIN) or of the target (STDOUT and STDERR)."""
        if self._state is _State.ENDED:
            return []
        if stream is Stream.STDIN and self._state is not _State.OPEN:
            self._kept.append(End(stream))
            return []
        return self._end(stream, now)

    def resolve(self, decision: Decision, now: float) -> list[Action]:
        """Take what was decided on the held command."""
        self._expect(_State.HELD)
        if isinstance(decision, Allowed):
            self._state = _State.OPEN
            kept, self._kept = self._kept, []
            actions: list[Action] = [Open()]
            for event in kept:
                if isinstance(event, End):
                    actions += self._end(event.stream, now)
                else:
                    actions += self._pass([event], now)
            return actions
        actions = self._say(decision)
        if isinstance(decision, Waiting):
            return actions
        self._state = _State.ENDED
        self._kept.clear()
        return [*actions, Exit(STATUS[type(decision)])]

    def wake(self, now: float) -> list[Action]:
        """Release what maskers may release after a pause."""
        actions: list[Action] = []
        for stream, data in self._masking.wake(now):
            actions.append(Save(stream, data))
            if not self._masking.passes(stream):  # else it was sent at once
                actions.append(Send(stream, data))
        return self._with_wake(actions)

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
        if rest := self._masking.end(stream):
            actions.append(Save(stream, rest))
            if not self._masking.passes(stream):
                actions.append(Send(stream, rest))
        return [*actions, End(stream)]

    def _pass(self, events: list[Event], now: float) -> list[Action]:
        actions: list[Action] = []
        for event in events:
            if isinstance(event, Command):
                raise LocalProtocolError("a codec named a command in mid-stream, which this pipeline does not hold")
            stream, raw = event.stream, event.raw
            if stream is Stream.STDIN:
                self._masking.typed(raw)
            if stream is Stream.STDIN and not self._record_input:
                actions.append(Send(stream, raw))
                continue
            masked = self._masking.feed(stream, raw, now)
            going = raw if self._masking.passes(stream) else masked
            if masked:
                actions.append(Save(stream, masked))
            if going:
                actions.append(Send(stream, going))
        return self._with_wake(actions)

    def _with_wake(self, actions: list[Action]) -> list[Action]:
        if (due := self._masking.next_wake()) is not None:
            actions.append(WakeAt(due))
        return actions

    def _expect(self, state: _State) -> None:
        if self._state is not state:
            raise LocalProtocolError(f"the pipeline is {self._state.name.lower()}, not {state.name.lower()}")
