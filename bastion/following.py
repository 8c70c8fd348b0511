"""Journal events as lines of the log, so that an operator can follow what happens without the database.

A line holds what tells where an event belongs and how it ended, each a field of its own. Commands, paths and people's
reasons stay in the journal alone: they may hold what the log's readers may not see.
"""

import logging

from bastion.audit import Event, EventType

log = logging.getLogger("bastion.events")

SHOWN = (
    *("connection", "address", "target", "login", "via", "channel", "kind", "place", "origin", "how", "why", "action"),
    *("rule", "approval", "approve", "state", "by", "serial", "issuer", "exit_status", "verdict", "bytes_in"),
    *("bytes_out", "accepted", "pid", "workers"),
)
"""Data that is shown, in this order."""

QUIET = frozenset(
    {
        EventType.ACCESS_GRANTED,  # a channel that opens says it
        EventType.FILE_DOWNLOAD,  # too many
        EventType.FILE_UPLOAD,
        EventType.FILE_OPERATION,
        EventType.FAILURE,  # was logged where it happened
    }
)
_LOUD = frozenset({EventType.LOGIN_FAILED, EventType.ACCESS_DENIED, EventType.FORWARD_DENIED})


def follow(event: Event) -> None:
    """Log an event that was journalled. May be called from any thread."""
    if event.type in QUIET:
        return
    facts: dict[str, object] = {"event": str(event.type), "session": event.session, "identity": event.identity}
    facts |= {key: event.data[key] for key in SHOWN if key in event.data}
    log.log(logging.WARNING if event.type in _LOUD else logging.INFO, "%s", event.type, extra={"facts": facts})
