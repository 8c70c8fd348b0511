"""Live sessions as the control plane sees them: a protocol that the server implements."""

from typing import Protocol


class LiveSessions(Protocol):
    """What cuts connections and channels that are open now, whichever process has them."""

    async def kill(self, session_id: str, *, by: str, reason: str) -> bool:
        """Cut one session now, telling its user who did it and why; False when no process that lives has it."""

    async def disconnect(self, serials: frozenset[int], *, by: str) -> int:
        """Close every connection that one of these certificates opened; return how many of them were here."""
