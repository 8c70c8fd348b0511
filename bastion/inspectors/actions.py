"""What the pipeline asks the relay to do. Nothing else has effects.

Actions are performed in list order, so "recorded before relayed" is the order of a list.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from bastion.audit import EventType
from bastion.model import Stream, Verdict
from bastion.policy.copying import Copy
from bastion.protocols.base import Line


@dataclass(frozen=True, slots=True)
class Save:
    """Write these bytes of a stream to the recording. They are masked already."""

    stream: Stream
    data: bytes


@dataclass(frozen=True, slots=True)
class Send:
    """Pass these bytes on: STDIN to the target, the others to the client."""

    stream: Stream
    data: bytes


@dataclass(frozen=True, slots=True)
class Again:
    """Call `receive` for this stream again, with no bytes and before more of them: some are left that take long."""

    stream: Stream


@dataclass(frozen=True, slots=True)
class End:
    """Half-close: nothing more comes on STDIN (to the target) or STDOUT (to the client)."""

    stream: Stream


@dataclass(frozen=True, slots=True)
class Ask:
    """Find out what the rules, and a person where they say so, decide on exactly these bytes; then `resolve`."""

    command: bytes


@dataclass(frozen=True, slots=True)
class AskLine:
    """Find out what the rules, and a person where they say so, decide on a line typed in mid-stream; then `resolve`."""

    line: Line


@dataclass(frozen=True, slots=True)
class Settle:
    """Find out what people decide on exactly these bytes, as the verdict of the rules asks; then `resolve`.

    `aspect` says what is asked about beside the command itself: an approval is good for one of them alone.
    """

    command: bytes
    verdict: Verdict
    aspect: str = ""


@dataclass(frozen=True, slots=True)
class Journal:
    """Write an entry to the journal; nothing waits for it."""

    kind: EventType
    facts: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Read:
    """Start or stop reading from the client."""

    reading: bool


@dataclass(frozen=True, slots=True)
class Hold:
    """Stop or start reading from the target."""

    holding: bool


@dataclass(frozen=True, slots=True)
class Open:
    """Open the target's side of the channel; not one byte has reached it before.

    `command` runs there in place of the shell that the client asked for.
    """

    command: bytes | None = None


@dataclass(frozen=True, slots=True)
class WakeAt:
    """Call `wake` at this time, unless asked anew before then. Seconds, on the same clock as `now`."""

    time: float


@dataclass(frozen=True, slots=True)
class Withdraw:
    """The client gave up waiting for a decision."""


@dataclass(frozen=True, slots=True)
class Exit:
    """End the channel with this exit status."""

    status: int


Action = Save | Send | Again | End | Ask | AskLine | Settle | Journal | Read | Hold | Open | WakeAt | Withdraw | Exit


@dataclass(frozen=True, slots=True)
class Allowed:
    """Decision: the command may run, by rule or by an approval.

    `copy` is set where it does nothing but copy files; `script` where it is a shell whose input is to be read statement
    by statement. Of lines, `more` says that the command goes on in the next; of scripts, `release` is what may go on.
    """

    copy: Copy | None = None
    script: bool = False
    more: bool = False
    release: bytes = b""


@dataclass(frozen=True, slots=True)
class DeniedByRule:
    """Decision: a rule says no."""

    rule: str
    reason: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """Not yet a decision: people were asked, and have until this RFC 3339 time."""

    approval: str
    rule: str
    approvers: tuple[str, ...]
    until: str


@dataclass(frozen=True, slots=True)
class DeniedByPerson:
    """Decision: a person said no."""

    approval: str
    who: str
    reason: str


@dataclass(frozen=True, slots=True)
class Unanswered:
    """Nobody answered in time, or the client does not wait; the approval stays open."""

    approval: str


@dataclass(frozen=True, slots=True)
class Lapsed:
    """The approval expired, or somebody else used it."""

    approval: str


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """The requester took the request back."""

    approval: str


Decision = Allowed | DeniedByRule | Waiting | DeniedByPerson | Unanswered | Lapsed | Withdrawn


class ExitStatus(int, Enum):
    """Exit statuses the bastion itself gives an ssh channel (see the contract)."""

    DENIED = 126
    TRY_AGAIN = 75
    INTERRUPTED = 130
    FAILED = 255
