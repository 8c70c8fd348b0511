"""Everything that is forwarded on one leg: may it open, the journal, and what is open now.

Each opening is checked against the grant, the certificate's time and the bastion's own state as they are at that
moment. What leads into the target's network is judged by the rules as a shell is: its bytes are not read either. An
approval is not waited for, since there is nobody to be told; the next try finds it.
"""

import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import asyncssh

from bastion.audit import Event, EventType
from bastion.channel.bridge import Bridge
from bastion.channel.forward import Forward, Passage, facts
from bastion.channel.gate import Gate
from bastion.channel.requests import NOT_WAITING, ChannelRequest
from bastion.errors import AccessDenied, BastionError, UnavailableError
from bastion.inspectors.actions import Allowed
from bastion.inspectors.messages import visible, wording
from bastion.model import ChannelKind, Grant
from bastion.session.connection import ClientConnection, Way

log = logging.getLogger(__name__)

MAX_FORWARDS = 256  # open at once, a client connection: a stopped reader of each holds a window of bytes
MAX_LISTENERS = 64  # a leg
SHOWN = 200  # characters of what others wrote
INTERNAL = "internal error; the server's log has the details"
GONE = "the client is gone"

Check = Callable[[], None]
Join = Callable[[Bridge, Grant], Awaitable[object]]
Start = Callable[[Grant], Awaitable[asyncssh.SSHListener]]


class Listening(asyncssh.SSHListener):
    """A port or socket of the target that leads to the client; closing it cancels it on the target."""

    def __init__(self, listener: asyncssh.SSHListener, gone: Callable[["Listening"], None]) -> None:
        super().__init__()
        self._listener = listener
        self._gone = gone

    def get_port(self) -> int:
        """Return the port the target listens on, 0 for a socket."""
        return self._listener.get_port()

    def close(self) -> None:
        """Listen no more; connections that came stay."""
        self._listener.close()
        self._gone(self)


class Forwards:
    """The forwards of one leg."""

    def __init__(self, client: ClientConnection, way: Way) -> None:
        self._client = client
        self._services = client.services
        self._way = way
        self._open: set[Forward] = set()
        self._opening = 0
        self._listening: set[Listening] = set()
        self._closed = False

    def __len__(self) -> int:
        return len(self._open) + self._opening

    async def open(self, passage: Passage, join: Join, check: Check | None = None) -> Bridge:
        """Return a bridge whose far end `join` has brought to its channel.

        `check` raises AccessDenied for a place nobody may go to. Raises asyncssh.ChannelOpenError, and nothing else.
        """
        forward: Forward | None = None
        try:
            with self._place():
                grant = await self._permit(passage, check)
                forward = Forward(
                    self._services, grant, self._client.origin, passage, self._client.later, self._open.discard
                )
                self._open.add(forward)
            await forward.begin()
            await join(forward.bridge, grant)
        except Exception as error:
            refusal = self._refusal(passage, error)
            if forward is not None:
                forward.bridge.abort(refusal.reason)
            raise refusal from error
        if self._closed or forward.bridge.over:
            forward.bridge.abort(GONE)
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_CONNECT_FAILED, "closed meanwhile")
        return forward.bridge

    async def listen(self, passage: Passage, start: Start, check: Check) -> asyncssh.SSHListener | bool:
        """Return a listener of the target's, or False where it is refused. Raises nothing."""
        begun: Grant | None = None

        def free_place() -> None:
            if len(self._listening) >= MAX_LISTENERS:
                raise UnavailableError(f"{MAX_LISTENERS} ports and sockets lead to you already; cancel some")
            check()

        try:
            grant = await self._permit(passage, free_place)
            await self._services.audit.record(self._event(EventType.FORWARD_LISTEN, passage, grant))
            begun = grant
            listening = Listening(await start(grant), lambda one: self._cancelled(one, passage, grant))
        except Exception as error:  # noqa: BLE001 - whatever it is, this forward is refused and nothing else ends
            refusal = self._refusal(passage, error)
            if begun is not None:
                self._note(self._event(EventType.FORWARD_CANCEL, passage, begun, why=refusal.reason))
            return False
        self._listening.add(listening)
        if self._closed:
            listening.close()
            return False
        return listening

    def may(self, kind: ChannelKind) -> bool:
        """Return whether this may be asked of the target; a refusal is journalled."""
        try:
            self._client.grant(self._way, kind)
        except BastionError as error:
            self._refusal(Passage(kind, "client"), error)
            return False
        return True

    def cut(self, why: str) -> None:
        """End everything that is forwarded now."""
        for forward in list(self._open):
            forward.bridge.abort(why)

    def close(self) -> None:
        """End everything, and let nothing open any more: the client is gone."""
        self._closed = True
        self.cut(GONE)

    @contextmanager
    def _place(self) -> Iterator[None]:
        """Count an opening before it takes any time. Raises UnavailableError where there are too many."""
        if self._client.forwards_open >= MAX_FORWARDS:
            raise UnavailableError(f"{MAX_FORWARDS} connections of yours are forwarded already; close some")
        self._opening += 1
        try:
            yield
        finally:
            self._opening -= 1

    # Whether it may be

    async def _permit(self, passage: Passage, check: Check | None) -> Grant:
        """Return the grant for it. Raises AccessDenied and UnavailableError."""
        grant = self._client.grant(self._way, passage.kind)
        if check is not None:
            check()
            await self._judge(passage, grant)
        return grant

    async def _judge(self, passage: Passage, grant: Grant) -> None:
        place = passage.place.encode()
        request = ChannelRequest(passage.kind, place, None, NOT_WAITING)
        gate = Gate(self._services, grant, request, self._client.origin.connection)
        decision = await gate.settle(place, await gate.judge(place), lambda _: None)
        if not isinstance(decision, Allowed):
            raise AccessDenied(wording(decision).removeprefix("bastion: "))

    def _refusal(self, passage: Passage, error: Exception) -> asyncssh.ChannelOpenError:
        """Return what the other side is told of an error; what was denied is journalled."""
        match error:
            case asyncssh.ChannelOpenError():  # the far side's own words
                return asyncssh.ChannelOpenError(error.code, visible(error.reason)[:SHOWN])
            case asyncssh.ChannelListenError():
                return asyncssh.ChannelOpenError(asyncssh.OPEN_CONNECT_FAILED, "the target refuses to listen there")
            case AccessDenied():
                data = {"target": self._way.target[:SHOWN], "login": self._way.login[:SHOWN], "why": error.log}
                origin = self._client.origin
                where = {"connection": origin.connection, "address": origin.address}
                kind, name = EventType.FORWARD_DENIED, self._client.identity.name
                self._note(Event(kind, name, "", data | where | passage.facts()))
                return asyncssh.ChannelOpenError(asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED, str(error))
            case BastionError():
                log.warning("%s to %r refused: %s", passage.kind, passage.place, error.log, extra=self._facts)
                return asyncssh.ChannelOpenError(asyncssh.OPEN_CONNECT_FAILED, str(error))
            case _:
                log.error("%s to %r failed closed", passage.kind, passage.place, exc_info=error, extra=self._facts)
                return asyncssh.ChannelOpenError(asyncssh.OPEN_CONNECT_FAILED, INTERNAL)

    # The books

    def _cancelled(self, listening: Listening, passage: Passage, grant: Grant) -> None:
        self._listening.discard(listening)
        self._note(self._event(EventType.FORWARD_CANCEL, passage, grant, port=listening.get_port(), why="cancelled"))

    @property
    def _facts(self) -> dict[str, object]:
        return {"facts": {**self._client.facts, "target": self._way.target, "login": self._way.login}}

    def _event(self, kind: EventType, passage: Passage, grant: Grant, **data: object) -> Event:
        known = facts(grant, self._client.origin) | passage.facts()
        return Event(kind, grant.identity.name, "", known | data)

    def _note(self, event: Event) -> None:
        """Journal what is no precondition of anything: nothing waits for it."""

        async def record() -> None:
            await self._services.audit.record(event)

        self._client.later(record())
