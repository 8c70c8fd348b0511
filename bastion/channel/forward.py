"""One connection through a forward: its bridge, its journal entries, and its place among what is live.

The journal knows of it before the other side does, and how it ended: bytes each way, how long, why. Not here: who may
(`bastion.session.leg`), and how the bytes pass (`bastion.channel.bridge`).
"""

import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from bastion.audit import Event, EventType
from bastion.channel.bridge import SPEAKS_SSH, Bridge
from bastion.channel.ledger import Origin, new_session_id
from bastion.channel.limits import TimeKeeper
from bastion.channel.services import Services
from bastion.model import ChannelKind, Grant

Later = Callable[[Coroutine[Any, Any, None]], None]


@dataclass(frozen=True, slots=True)
class Passage:
    """What is to be forwarded: `place` is where to (host and port, a path), `origin` who connects, as its side says."""

    kind: ChannelKind
    place: str
    origin: str = ""

    def facts(self) -> dict[str, str]:
        """Return what the journal says of it."""
        origin = {"origin": self.origin} if self.origin else {}
        return {"kind": str(self.kind), "place": self.place, **origin}


class Forward:
    """The books of one connection; its `id` is the session of its journal entries.

    `later` runs what nobody waits for, `gone` is told once it is over.
    """

    def __init__(
        self,
        services: Services,
        grant: Grant,
        origin: Origin,
        passage: Passage,
        later: Later,
        gone: Callable[["Forward"], None],
    ) -> None:
        self.id = new_session_id(services.clock())
        self.bridge = Bridge(self._over)
        self._services = services
        self._grant = grant
        self._origin = origin
        self._passage = passage
        self._later = later
        self._gone = gone
        self._started = time.monotonic()
        self._time: TimeKeeper | None = None

    async def begin(self) -> None:
        """Write down that it opens. Raises UnavailableError, and then it must not."""
        self._services.live.add(self.id, self)
        ends = self.bridge.client, self.bridge.target
        self._time = TimeKeeper(self, self._grant, self._services.clock(), lambda: sum(end.received for end in ends))
        await self._services.audit.record(self._event(EventType.FORWARD_OPEN))

    def tell(self, text: str) -> None:
        """Say nothing: there is no room for words in a forward."""

    def kill(self, *, by: str, reason: str) -> None:
        """End it now."""
        self.bridge.abort(f"ended by {by}: {reason}")

    def _over(self, why: str) -> None:
        if self._time is not None:
            self._time.stop()
        self._gone(self)
        self._later(self._close_books(why))

    async def _close_books(self, why: str) -> None:
        ends = self.bridge.client.received, self.bridge.target.received
        seconds = round(time.monotonic() - self._started, 3)
        denied = [self._event(EventType.FORWARD_DENIED, why=why)] if why == SPEAKS_SSH else []
        try:
            await self._services.audit.record(
                *denied,
                self._event(EventType.FORWARD_CLOSE, bytes_in=ends[0], bytes_out=ends[1], seconds=seconds, why=why),
            )
        finally:
            self._services.live.remove(self.id)

    def _event(self, kind: EventType, **data: object) -> Event:
        known = facts(self._grant, self._origin) | self._passage.facts()
        return Event(kind, self._grant.identity.name, self.id, known | data)


def facts(grant: Grant, origin: Origin) -> dict[str, str]:
    """Return what the journal says of everything on a target."""
    return {
        "target": grant.target,
        "login": grant.login,
        "connection": origin.connection,
        "address": origin.address,
        **({"via": ", ".join(grant.via)} if grant.via else {}),
    }
