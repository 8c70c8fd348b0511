"""Live sessions as the control plane sees them: a protocol that the server's registry implements."""

from typing import Protocol


class LiveSessions(Protocol):
    """The registry of connections and channels that are open now on this node."""

    def ids(self) -> frozenset[str]:
        """Return the ids of all live sessions."""

    async def kill(self, session_id: str, *, by: str, reason: str) -> bool:
        """Cut one session now, telling its user who did it and why; False when it isn't live here."""

    async def disconnect(self, serials: frozenset[int], *, by: str) -> int:
        """Close every connection that one of these certificates opened; return how many there were."""
