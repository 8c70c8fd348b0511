"""The words everything else speaks in: who calls, what they want, what was decided. No behaviour, no I/O."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum


class Kind(StrEnum):
    """What an issuer's tokens make of a user."""

    HUMAN = "human"
    AGENT = "agent"
    WORKLOAD = "workload"


class ChannelKind(StrEnum):
    """What a channel is used for; roles grant each kind apart."""

    SHELL = "shell"
    EXEC = "exec"
    SFTP = "sftp"  # both of the next two
    UPLOAD = "upload"  # files to the target, and everything that changes files: remove, rename, mkdir …
    DOWNLOAD = "download"  # files from the target
    SUBSYSTEM = "subsystem"
    FORWARD = "forward"  # on ssh targets all of `FORWARDS`; the way to targets of other protocols
    LOCAL_FORWARD = "local-forward"  # TCP connections the client has the target make (-L, -D, -W)
    REMOTE_FORWARD = "remote-forward"  # TCP ports of the target that lead to the client (-R)
    LOCAL_SOCKET = "local-socket"  # the same two with unix sockets of the target
    REMOTE_SOCKET = "remote-socket"
    AGENT = "agent"  # the client's ssh-agent, for programs on the target (-A)
    X11 = "x11"  # the client's display, for programs on the target (-X, -Y)


FORWARDS = frozenset(
    {ChannelKind.LOCAL_FORWARD, ChannelKind.REMOTE_FORWARD, ChannelKind.LOCAL_SOCKET, ChannelKind.REMOTE_SOCKET}
)
"""What `forward` in a role stands for on an ssh target. Agent and X11 reach back to the client and are named apart."""

TRANSFERS = frozenset({ChannelKind.UPLOAD, ChannelKind.DOWNLOAD})
"""What `sftp` in a role stands for. Programs that copy over an exec channel (scp, rsync) need `exec` besides."""


class ControlRight(StrEnum):
    """What a role may do in the control plane."""

    APPROVE = "approve"
    REPLAY = "replay"
    AUDIT = "audit"
    KILL = "kill"
    REVOKE = "revoke"


class Action(StrEnum):
    """What a rule does with a command; the strictest that matches wins."""

    ALLOW = "allow"
    APPROVE = "approve"
    DENY = "deny"


class ShellGate(StrEnum):
    """How well lines typed into a shell are held to the rules, from the weakest; each says what it is good against."""

    MISTAKES = "mistakes"  # the line that is likely run; a guard against slips
    STRICT = "strict"  # what can't be read with certainty is asked about
    HOOK = "hook"  # bash, zsh and fish say themselves what they are about to run; elsewhere as strict


class Stream(StrEnum):
    """One direction of bytes in a channel, named after the target process's descriptors."""

    STDIN = "stdin"
    STDOUT = "stdout"
    STDERR = "stderr"


@dataclass(frozen=True, slots=True)
class Identity:
    """Proof of who is calling. Made only in `bastion.auth`.

    `name` is what people read and approvals name (from `username_claim`); `issuer` is the issuer's name in
    bastion.toml and `subject` its `sub`; both together never change for a user. `serial` is the certificate's
    serial number, 0 for a login good for one connection alone. `expires` is UTC.
    """

    name: str
    issuer: str
    subject: str
    groups: tuple[str, ...]
    kind: Kind
    serial: int
    expires: datetime


@dataclass(frozen=True, slots=True)
class TimeLimits:
    """How long a channel or forward may live: `idle` without a byte either way, `total` from its start, None for ever.

    With `at_expiry` it also ends when the certificate does, else only nothing new opens then.
    """

    idle: timedelta | None = None
    total: timedelta | None = None
    at_expiry: bool = False


NO_LIMITS = TimeLimits()


@dataclass(frozen=True, slots=True)
class Grant:
    """Proof of "may": this identity may reach this target as this login. Made only in `bastion.auth.access`.

    Without one nothing is dialled. `channels` are the kinds of channel its roles grant together; `default` is what
    happens to a command no rule matches. `env` are the names (globs) of variables the client may set on the target.
    `via` are the gateways on the way there, each as `login@target`, in the order they are passed. `shell` says how
    well lines typed into a shell are held to the rules, `pty` whether a terminal may be had at all. `roles` are the
    names of the roles it comes from, `limits` how long what opens may live.
    """

    identity: Identity
    target: str
    login: str
    channels: frozenset[ChannelKind]
    default: Action
    env: tuple[str, ...] = ()
    via: tuple[str, ...] = ()
    shell: ShellGate = ShellGate.MISTAKES
    pty: bool = True
    roles: tuple[str, ...] = ()
    limits: TimeLimits = NO_LIMITS

    def opens(self, kind: ChannelKind) -> bool:
        """Return whether channels of this kind are granted: by their own name, as one of the `FORWARDS`, or by `sftp`.

        An sftp channel opens for whoever may upload or download; each file is asked about then.
        """
        if kind is ChannelKind.SFTP:
            return not self.channels.isdisjoint({ChannelKind.SFTP, *TRANSFERS})
        wider = ChannelKind.FORWARD if kind in FORWARDS else ChannelKind.SFTP if kind in TRANSFERS else kind
        return kind in self.channels or wider in self.channels


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the rules say of one command. `rule` is empty where no rule matched and the default applies."""

    action: Action
    rule: str = ""
    reason: str = ""
    approvers: tuple[str, ...] = ()
    approvals: int = 1
    timeout: float = 0.0  # seconds an approval stays open; 0 unless action is APPROVE


def utcnow() -> datetime:
    """Return the present time, UTC and aware. Only the outermost layers call this; the rest is told the time."""
    return datetime.now(UTC)


def rfc3339(moment: datetime) -> str:
    """Format an aware datetime as RFC 3339 in UTC with milliseconds, as in `2026-11-22T20:49:00.000Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def strictest(actions: Iterable[Action]) -> Action:
    """Return the strictest of the actions: deny beats approve beats allow; allow when there are none."""
    order = (Action.ALLOW, Action.APPROVE, Action.DENY)
    return max(actions, key=order.index, default=Action.ALLOW)
