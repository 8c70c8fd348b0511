"""A channel that turns out to copy files, or to be fed a script: the plain pipeline until it is decided, another then.

Whether a command is the far half of scp or rsync, or a shell that reads its input, is known only once its text was
read, which takes a moment; nothing has reached the target until then, so that the change costs nothing.
"""

import re
from collections.abc import Callable

from bastion.inspectors.actions import Action, Allowed, Decision, Exit, Save, Send, Waiting
from bastion.inspectors.base import ChannelPipeline
from bastion.inspectors.messages import STATUS, wording
from bastion.model import Stream
from bastion.policy.copying import Copy

# Only for how a refusal is worded; what a command is, the policy's reading says.
_SCP = re.compile(rb"scp (?:-\S+ )*-[a-zA-Z]*[ft] ")


class SwitchingPipeline:
    """One channel without a terminal.

    Parameters
    ----------
    plain: the pipeline of a command of which the rest does not matter.
    copying: makes the pipeline of one that copies files.
    scripted: makes the pipeline of a shell whose input is held and read.
    """

    def __init__(
        self,
        plain: ChannelPipeline,
        copying: Callable[[Copy], ChannelPipeline],
        scripted: Callable[[], ChannelPipeline],
        command: bytes,
    ) -> None:
        self._current: ChannelPipeline = plain
        self._copying = copying
        self._scripted = scripted
        self._command = command
        self._kept: list[bytes | None] | None = []  # what the client sent before the decision; None is its end

    @property
    def holding(self) -> bool:
        """Whether something waits for a decision."""
        return self._current.holding

    @property
    def keeps(self) -> bool:
        """Whether output waits for a decision."""
        return self._current.keeps

    def start(self, now: float) -> list[Action]:
        """Begin."""
        return self._current.start(now)

    def receive(self, stream: Stream, data: bytes, now: float) -> list[Action]:
        """Take bytes."""
        if self._kept is not None:
            self._kept.append(data)
            return []
        return self._current.receive(stream, data, now)

    def close(self, stream: Stream, now: float) -> list[Action]:
        """Take the end of a stream."""
        if self._kept is not None:
            self._kept.append(None)
            return []
        return self._current.close(stream, now)

    def resolve(self, decision: Decision, now: float) -> list[Action]:
        """Take what was decided; once it is, this pipeline or the other takes what was kept."""
        if self._kept is None or isinstance(decision, Waiting):
            return self._current.resolve(decision, now)
        if not isinstance(decision, Allowed):
            return self._refuse(decision, now)
        kept, self._kept = self._kept, None
        if decision.copy is not None or decision.script:
            self._current = self._copying(decision.copy) if decision.copy is not None else self._scripted()
            actions = self._current.start(now)
        else:
            actions = self._current.resolve(decision, now)
        for data in kept:
            if data is None:
                actions += self._current.close(Stream.STDIN, now)
            else:
                actions += self._current.receive(Stream.STDIN, data, now)
        return actions

    def wake(self, now: float) -> list[Action]:
        """Do what waited for this time."""
        return self._current.wake(now)

    def note(self, text: str) -> list[Action]:
        """Tell the client a line of the bastion's own."""
        return self._current.note(text)

    def finish(self, now: float) -> list[Action]:
        """Flush everything."""
        return self._current.finish(now)

    def resize(self, columns: int, rows: int) -> None:
        """Take the terminal's new size."""
        self._current.resize(columns, rows)

    def masked(self) -> dict[str, int]:
        """Return how many values were masked for the client, by type."""
        return self._current.masked()

    def _refuse(self, decision: Decision, now: float) -> list[Action]:
        """Refuse the command; to scp in its own words, as it shows nothing else."""
        assert not isinstance(decision, Allowed | Waiting)
        self._kept = None
        if not _SCP.match(self._command + b" "):
            return self._current.resolve(decision, now)
        self._current.resolve(decision, now)  # ends it; what it would say is said otherwise
        line = wording(decision).encode()
        said = Save(Stream.STDERR, line + b"\n")
        return [said, Send(Stream.STDOUT, b"\x02" + line + b"\n"), Exit(STATUS[type(decision)])]
