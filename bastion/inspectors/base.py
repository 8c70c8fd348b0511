"""What the relay needs of the plain object that decides for a channel: `Pipeline`, or one for other traffic."""

from typing import Protocol

from bastion.inspectors.actions import Action, Decision
from bastion.model import Stream


class ChannelPipeline(Protocol):
    """Takes bytes, decisions and the time; returns what to do, in order."""

    @property
    def holding(self) -> bool:
        """Whether something waits for a decision."""

    @property
    def keeps(self) -> bool:
        """Whether output waits for a decision, so that the channel outlives the target's side."""

    def start(self, now: float) -> list[Action]:
        """Begin."""

    def receive(self, stream: Stream, data: bytes, now: float) -> list[Action]:
        """Take bytes: STDIN from the client, the others from the target. None: see `Again`."""

    def close(self, stream: Stream, now: float) -> list[Action]:
        """Take the end of a stream."""

    def resolve(self, decision: Decision, now: float) -> list[Action]:
        """Take what was decided."""

    def wake(self, now: float) -> list[Action]:
        """Do what waited for this time."""

    def note(self, text: str) -> list[Action]:
        """Tell the client a line of the bastion's own."""

    def finish(self, now: float) -> list[Action]:
        """Flush everything: the channel is over."""

    def resize(self, columns: int, rows: int) -> None:
        """Take the terminal's new size."""

    def masked(self) -> dict[str, int]:
        """Return how many values were masked for the client, by type."""
