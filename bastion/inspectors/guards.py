"""Output that can't be masked is stopped, or waits for a person: it is watched before it comes to the masking.

Wraps the pipeline of a channel. What a watch recognises (an archive, encoded values, a full-screen program) ends the
channel, or holds its output until it is decided; nothing of it is sent or recorded before. Not here: what is
recognised, and what of it is let through.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from bastion.audit import EventType
from bastion.errors import UnavailableError
from bastion.inspectors.actions import (
    Action,
    Allowed,
    Decision,
    DeniedByRule,
    Exit,
    ExitStatus,
    Hold,
    Journal,
    Read,
    Settle,
    Waiting,
    WakeAt,
    Withdraw,
)
from bastion.inspectors.base import ChannelPipeline
from bastion.inspectors.mask import PROGRAM_PAUSE, TERMINAL_PAUSE
from bastion.inspectors.messages import STATUS, wording
from bastion.inspectors.pipeline import INTERRUPT
from bastion.model import Action as Ruled
from bastion.model import Stream, Verdict

MOST_KEPT = 4 * 1024 * 1024  # bytes kept while a decision is waited for; the target is not read meanwhile
MASKING = "masking"
"""Named in the place of a rule where what is asked for can't be masked."""


class Watch(Protocol):
    """Looks at one stream of output; what it is not sure of it holds back."""

    @property
    def held(self) -> int:
        """Bytes held back now."""

    @property
    def finding(self) -> str:
        """What was recognised, as the reason that people read; empty for nothing. Nothing goes on from then on."""

    def typed(self, data: bytes) -> None:
        """Note bytes the client just sent, so that their echo is not delayed."""

    def feed(self, data: bytes) -> bytes:
        """Take bytes, return what may go on."""

    def idle(self) -> bytes:
        """Return what may go on after a pause."""

    def end(self) -> bytes:
        """Return the rest."""

    def pass_all(self) -> bytes:
        """Look no more, and return what is held."""


@dataclass(frozen=True, slots=True)
class Guard:
    """A watch, and what happens to what it recognises; the finding takes the place of the verdict's reason."""

    watch: Watch
    verdict: Verdict


class GuardedPipeline:
    """A channel whose output is watched.

    Parameters
    ----------
    inner: what decides for the channel otherwise.
    guards: what watches each stream, in order.
    command: what the channel was opened for; people are asked about these bytes.
    terminal: whether the client has a PTY.
    """

    def __init__(
        self, inner: ChannelPipeline, guards: Mapping[Stream, Sequence[Guard]], command: bytes, *, terminal: bool
    ) -> None:
        self._inner = inner
        self._guards = guards
        self._command = command
        self._terminal = terminal
        self._pause = TERMINAL_PAUSE if terminal else PROGRAM_PAUSE
        self._stopped: tuple[Stream, Guard] | None = None  # what is asked about, or will be
        self._asking = False
        self._ended = False
        self._kept: deque[tuple[Stream, bytes | None]] = deque()  # None is the end of a stream
        self._size = 0
        self._due: float | None = None
        self._inner_due: float | None = None
        self._reading = True

    @property
    def holding(self) -> bool:
        """Whether something waits for a decision."""
        return self._asking or self._inner.holding

    @property
    def keeps(self) -> bool:
        """Whether output waits for a decision."""
        return self._stopped is not None and not self._ended

    def start(self, now: float) -> list[Action]:
        """Begin."""
        return self._seen(self._inner.start(now))

    def receive(self, stream: Stream, data: bytes, now: float) -> list[Action]:
        """Take bytes."""
        if self._ended:
            return []
        if self._stopped is not None and (self._asking or stream is not Stream.STDIN):
            self._keep(stream, data)
            interrupted = self._terminal and stream is Stream.STDIN and INTERRUPT in data
            return [Withdraw()] if interrupted else []
        if stream is Stream.STDIN:
            for guard in self._guards.get(Stream.STDOUT, ()):
                guard.watch.typed(data)
            return self._seen(self._inner.receive(stream, data, now))
        return self._timed(self._watched(stream, 0, data, now), now)

    def close(self, stream: Stream, now: float) -> list[Action]:
        """Take the end of a stream."""
        if self._ended:
            return []
        if self._stopped is not None and (self._asking or stream is not Stream.STDIN):
            self._kept.append((stream, None))
            return []
        return self._timed(self._close(stream, now), now)

    def resolve(self, decision: Decision, now: float) -> list[Action]:
        """Take what was decided: on what is kept, or on what the inner pipeline asked."""
        if not self._asking:
            actions = self._seen(self._inner.resolve(decision, now))
            if self._stopped is not None and not self._inner.holding:
                actions += self._ask(*self._stopped)
            return actions
        if isinstance(decision, Waiting):
            return self._inner.note(wording(decision))
        assert self._stopped is not None
        stream, guard = self._stopped
        self._asking = False
        if not isinstance(decision, Allowed):
            return self._end(wording(decision), STATUS[type(decision)])
        self._stopped = None
        place = self._guards[stream].index(guard) + 1
        actions = self._watched(stream, place, guard.watch.pass_all(), now)
        return self._timed([*actions, *self._go_on(now)], now)

    def wake(self, now: float) -> list[Action]:
        """Do what waited for this time."""
        actions: list[Action] = []
        if self._due is not None and self._due <= now:
            self._due = None
            for stream, guards in self._guards.items():
                for place, guard in enumerate(guards):
                    if self._stopped is None and not self._ended and guard.watch.held:
                        actions += self._passed(stream, place, guard, guard.watch.idle(), now)
        if self._inner_due is not None and self._inner_due <= now:
            self._inner_due = None
            actions += self._inner.wake(now)
        return self._timed(actions, now)

    def note(self, text: str) -> list[Action]:
        """Tell the client a line of the bastion's own."""
        return self._inner.note(text)

    def finish(self, now: float) -> list[Action]:
        """Flush everything; what was not decided never goes on."""
        actions: list[Action] = []
        if self._stopped is None and not self._ended:
            for stream in self._guards:
                actions += self._rest(stream, now)
        self._ended = True
        return [*actions, *self._inner.finish(now)]

    def resize(self, columns: int, rows: int) -> None:
        """Take the terminal's new size."""
        self._inner.resize(columns, rows)

    def masked(self) -> dict[str, int]:
        """Return how many values were masked for the client, by type."""
        return self._inner.masked()

    # Inside

    def _watched(self, stream: Stream, place: int, data: bytes, now: float) -> list[Action]:
        """Have the guards of a stream from `place` on look at bytes; what they let go goes to the inner pipeline."""
        guards = self._guards.get(stream, ())
        if not data and place:
            return []
        if data and place < len(guards):
            guard = guards[place]
            return self._passed(stream, place, guard, guard.watch.feed(data), now)
        return self._inner.receive(stream, data, now)

    def _passed(self, stream: Stream, place: int, guard: Guard, data: bytes, now: float) -> list[Action]:
        """Hand on what a guard let go, and stop where it recognised something."""
        actions = self._watched(stream, place + 1, data, now)
        if guard.watch.finding and self._stopped is None and not self._ended:
            actions += self._stop(stream, guard)
        return actions

    def _rest(self, stream: Stream, now: float) -> list[Action]:
        actions: list[Action] = []
        for place, guard in enumerate(self._guards.get(stream, ())):
            if self._stopped is None and not self._ended:
                actions += self._passed(stream, place, guard, guard.watch.end(), now)
        return actions

    def _close(self, stream: Stream, now: float) -> list[Action]:
        actions = self._rest(stream, now)
        if self._ended:
            return actions
        if self._stopped is not None:
            self._kept.append((stream, None))
            return actions
        return [*actions, *self._inner.close(stream, now)]

    def _stop(self, stream: Stream, guard: Guard) -> list[Action]:
        self._stopped = (stream, guard)
        if guard.verdict.action is Ruled.DENY:
            said = wording(DeniedByRule(guard.verdict.rule, guard.watch.finding))
            return [self._journal(guard), *self._end(said, ExitStatus.DENIED)]
        # Two questions at once could not be told apart: a held line comes first.
        return [Hold(True)] if self._inner.holding else self._ask(stream, guard)

    def _ask(self, stream: Stream, guard: Guard) -> list[Action]:
        del stream
        self._asking = True
        verdict = replace(guard.verdict, reason=guard.watch.finding)
        return [self._journal(guard), Hold(True), Read(False), Settle(self._command, verdict, "unmasked")]

    def _end(self, said: str, status: int) -> list[Action]:
        actions = [*self._inner.note(said), Exit(status)]
        self._ended = True
        self._kept.clear()
        return actions

    def _journal(self, guard: Guard) -> Journal:
        facts = {
            "command": self._command.decode("utf-8", "backslashreplace"),
            "action": str(guard.verdict.action),
            "rule": guard.verdict.rule,
            "reason": guard.watch.finding,
        }
        return Journal(EventType.COMMAND_VERDICT, facts)

    def _keep(self, stream: Stream, data: bytes) -> None:
        self._size += len(data)
        if self._size > MOST_KEPT:
            raise UnavailableError("too much came while a decision was waited for; try again once it is made")
        self._kept.append((stream, data))

    def _go_on(self, now: float) -> list[Action]:
        """Work off what was kept, up to where something is recognised again."""
        actions: list[Action] = [Hold(False), Read(self._reading)]
        while self._kept and self._stopped is None and not self._ended:
            stream, data = self._kept.popleft()
            self._size -= len(data or b"")
            if data is None:
                actions += self._close(stream, now)
            elif stream is Stream.STDIN:
                actions += self._inner.receive(stream, data, now)
            else:
                actions += self._watched(stream, 0, data, now)
        return actions

    def _seen(self, actions: list[Action]) -> list[Action]:
        """Note when the inner pipeline wants to be woken, and whether it reads the client."""
        out: list[Action] = []
        for action in actions:
            if isinstance(action, WakeAt):
                self._inner_due = action.time
                continue
            if isinstance(action, Read) and not self._asking:
                self._reading = action.reading
            out.append(action)
        dues = [due for due in (self._due, self._inner_due) if due is not None]
        return [*out, *([WakeAt(min(dues))] if dues else [])]

    def _timed(self, actions: list[Action], now: float) -> list[Action]:
        """Note when what the watches hold is looked at again."""
        held = any(guard.watch.held for guards in self._guards.values() for guard in guards)
        self._due = now + self._pause if held and self._stopped is None and not self._ended else None
        return self._seen(actions)
