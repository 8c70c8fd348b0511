"""A channel whose caller asks to see values in clear, with a reason: people decide before anything begins.

Only then is the channel's own pipeline made, in clear or not at all; what the client sends until then is kept. Its
recording stays masked.
"""

from collections import deque
from collections.abc import Callable

from bastion.audit import EventType
from bastion.errors import UnavailableError
from bastion.inspectors.actions import Action, Allowed, Decision, Exit, Journal, Read, Settle, Waiting, Withdraw
from bastion.inspectors.base import ChannelPipeline
from bastion.inspectors.messages import STATUS, wording
from bastion.inspectors.pipeline import INTERRUPT
from bastion.model import Stream, Verdict

MOST_KEPT = 1024 * 1024  # bytes the client may send before the decision


class UnmaskPipeline:
    """Asks first, then hands over.

    Parameters
    ----------
    masked: the channel's pipeline as it is without the question: words what is said before the decision.
    clear: makes the one that shows values to the caller.
    command: what the channel is opened for; people are asked about it with `verdict`.
    """

    def __init__(
        self,
        masked: ChannelPipeline,
        clear: Callable[[], ChannelPipeline],
        command: bytes,
        verdict: Verdict,
        *,
        terminal: bool,
    ) -> None:
        self._current = masked
        self._clear = clear
        self._command = command
        self._verdict = verdict
        self._terminal = terminal
        self._asking = True
        self._ended = False
        self._kept: deque[bytes | None] = deque()  # None is the client's end
        self._size = 0

    @property
    def holding(self) -> bool:
        """Whether something waits for a decision."""
        return self._asking or self._current.holding

    @property
    def keeps(self) -> bool:
        """Whether output waits for a decision."""
        return not self._asking and self._current.keeps

    def start(self, now: float) -> list[Action]:
        """Ask."""
        del now
        facts = {
            "command": self._command.decode("utf-8", "backslashreplace"),
            "action": str(self._verdict.action),
            "rule": self._verdict.rule,
            "reason": self._verdict.reason,
        }
        return [Journal(EventType.COMMAND_VERDICT, facts), Settle(self._command, self._verdict, "unmasked")]

    def receive(self, stream: Stream, data: bytes, now: float) -> list[Action]:
        """Take bytes."""
        if self._ended:
            return []
        if not self._asking:
            return self._current.receive(stream, data, now)
        self._size += len(data)
        if self._size > MOST_KEPT:
            raise UnavailableError("too much came while a decision was waited for; try again once it is made")
        self._kept.append(data)
        return [Withdraw()] if self._terminal and INTERRUPT in data else []

    def close(self, stream: Stream, now: float) -> list[Action]:
        """Take the end of a stream."""
        if self._ended:
            return []
        if not self._asking:
            return self._current.close(stream, now)
        self._kept.append(None)
        return []

    def resolve(self, decision: Decision, now: float) -> list[Action]:
        """Take what was decided."""
        if not self._asking:
            return self._current.resolve(decision, now)
        if isinstance(decision, Waiting):
            return self._current.note(wording(decision))
        self._asking = False
        if not isinstance(decision, Allowed):
            self._ended = True
            return [*self._current.note(wording(decision)), Exit(STATUS[type(decision)])]
        self._current = self._clear()
        actions = self._current.start(now)
        while self._kept:
            data = self._kept.popleft()
            if data is None:
                actions += self._current.close(Stream.STDIN, now)
            else:
                actions += self._current.receive(Stream.STDIN, data, now)
        return [*actions, Read(True)] if not self._current.holding else actions

    def wake(self, now: float) -> list[Action]:
        """Do what waited for this time."""
        return [] if self._ended else self._current.wake(now)

    def note(self, text: str) -> list[Action]:
        """Tell the client a line of the bastion's own."""
        return self._current.note(text)

    def finish(self, now: float) -> list[Action]:
        """Flush everything: the channel is over."""
        return [] if self._asking or self._ended else self._current.finish(now)

    def resize(self, columns: int, rows: int) -> None:
        """Take the terminal's new size."""
        self._current.resize(columns, rows)

    def masked(self) -> dict[str, int]:
        """Return how many values were masked for the client, by type."""
        return {} if self._asking else self._current.masked()
