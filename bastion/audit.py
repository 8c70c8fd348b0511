"""The audit journal's events: a closed, versioned list, and the hash chain that binds them.

Every event has a type from `EventType`; `data` holds plain JSON values and never a secret.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class EventType(StrEnum):
    """Every kind of entry the journal may hold. Names are never reused for another meaning."""

    SERVER_START = "server.start"
    SERVER_STOP = "server.stop"
    CONFIG_RELOAD = "config.reload"
    LOGIN = "login"  # a person or agent proved who they are (OIDC)
    LOGIN_FAILED = "login.failed"
    CERTIFICATE_ISSUED = "certificate.issued"
    CERTIFICATE_REVOKED = "certificate.revoked"
    CONNECTION_OPEN = "connection.open"  # a certificate opened the door
    CONNECTION_CLOSE = "connection.close"
    ACCESS_GRANTED = "access.granted"
    ACCESS_DENIED = "access.denied"
    CHANNEL_OPEN = "channel.open"
    CHANNEL_CLOSE = "channel.close"
    COMMAND_VERDICT = "command.verdict"
    APPROVAL_REQUESTED = "approval.requested"
    APPROVAL_DECIDED = "approval.decided"
    APPROVAL_EXPIRED = "approval.expired"
    APPROVAL_WITHDRAWN = "approval.withdrawn"
    APPROVAL_USED = "approval.used"
    RECORDING_REPLAYED = "recording.replayed"
    RECORDING_EXPORTED = "recording.exported"
    JOURNAL_READ = "journal.read"
    JOURNAL_VERIFIED = "journal.verified"
    SESSION_KILLED = "session.killed"
    FAILURE = "failure"  # something failed closed


@dataclass(frozen=True, slots=True)
class Event:
    """What happened. `identity` is the name of who did it, `session` the id of the session concerned; both may be empty."""

    type: EventType
    identity: str = ""
    session: str = ""
    data: dict[str, Any] = field(default_factory=dict)
