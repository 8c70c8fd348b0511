"""One authenticated client connection: who it is, and the channels to targets it opens.

All channels, through `-J` as well as through `login%target`, share this object and its connections to targets.
"""

import asyncio
import logging
import secrets
from collections.abc import Coroutine, Sized
from dataclasses import dataclass, replace
from typing import Any, Protocol

import asyncssh

from bastion import environment
from bastion.audit import Event, EventType
from bastion.channel.client import ClientSession
from bastion.channel.codecs import codec_for
from bastion.channel.ledger import Ledger, Origin
from bastion.channel.masks import DUMB, build_masking, guarded, is_clear, is_dumb, unmasking
from bastion.channel.relay import Relay
from bastion.channel.requests import ChannelRequest
from bastion.channel.services import Ruling, Services
from bastion.channel.transfers import copy_pipeline, sftp_pipeline
from bastion.errors import AccessDenied, UnavailableError
from bastion.inspectors.base import ChannelPipeline
from bastion.inspectors.messages import visible
from bastion.inspectors.pipeline import Pipeline
from bastion.inspectors.switch import SwitchingPipeline
from bastion.inspectors.unmask import UnmaskPipeline
from bastion.logs import about
from bastion.model import ChannelKind, Grant, Identity
from bastion.protocols.base import Codec, HoldingCodec
from bastion.protocols.script import ScriptCodec
from bastion.protocols.shell import ShellCodec
from bastion.target.pool import TargetPool

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Way:
    """Where a channel wants to go: a target's name and a login on it, as the client typed them."""

    target: str
    login: str


class ClientLeg(Protocol):
    """What a connection knows of its legs (`bastion.session.leg`)."""

    @property
    def forwards(self) -> Sized:
        """What is forwarded now."""

    def close(self) -> None:
        """Free everything."""


class ClientConnection:
    """A client whose identity is proven. `transport` is the connection at the door, which is cut to disconnect it."""

    def __init__(
        self, services: Services, identity: Identity, address: str, transport: asyncssh.SSHServerConnection
    ) -> None:
        self.identity = identity
        self.origin = Origin(secrets.token_hex(8), address)
        self.refusal: UnavailableError | None = None  # why nothing may be opened, where that is so
        self.services = services
        self.pool = TargetPool(services.dialer)
        self.legs: set[ClientLeg] = set()
        self._transport = transport
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def facts(self) -> dict[str, str]:
        """What lines of the log say they belong to."""
        return {"connection": self.origin.connection, "identity": self.identity.name}

    @property
    def serial(self) -> int:
        """The serial of the certificate that opened the connection, 0 without one."""
        return self.identity.serial

    @property
    def forwards_open(self) -> int:
        """How many connections are forwarded now, to all targets together."""
        return sum(len(leg.forwards) for leg in self.legs)

    def disconnect(self, *, by: str) -> None:
        """Close the connection with every channel in it."""
        self._transport.disconnect(asyncssh.DISC_BY_APPLICATION, f"disconnected by {visible(by)}")

    async def close(self) -> None:
        """Close the connections to targets, and the books."""
        for leg in list(self.legs):
            leg.close()
        await self.pool.close()
        while self._tasks:
            await asyncio.wait(set(self._tasks))

    def later(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something that nothing waits for, such as the note of a refusal: what is refused stays refused."""

        async def guarded() -> None:
            try:
                with about(**self.facts):
                    await work
            except UnavailableError as failure:
                log.error(  # noqa: TRY400 - the cause is in it
                    "something could not be journalled: %s", failure.log, extra={"facts": self.facts}
                )
            except Exception:
                log.exception("a background task failed", extra={"facts": self.facts})

        task = asyncio.get_running_loop().create_task(guarded())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def relay(self, way: Way, request: ChannelRequest, client: ClientSession, pool: TargetPool) -> Relay:
        """Return what moves the bytes of a session channel. Raises BastionError where it may not be."""
        try:
            grant = self.grant(way, request.kind)
            _check_terminal(way, request, grant)
        except AccessDenied as error:
            self._note_refusal(way, request, error)
            raise
        services = self.services
        request = _allowed(request, grant)
        if request.terminal is not None and is_dumb(services.ruling, grant):
            request = replace(request, terminal=replace(request.terminal, term=DUMB))
        pipeline = pipeline_for(services.ruling, grant, request)
        ledger = Ledger(services, grant, self.origin, request)
        return Relay(services, grant, request, pipeline, ledger, pool, client)

    def grant(self, way: Way, kind: ChannelKind) -> Grant:
        """Return the grant for something that opens now. Raises AccessDenied, and UnavailableError for a bad moment."""
        services = self.services
        if self.refusal is not None:
            raise self.refusal
        if services.draining:
            raise UnavailableError("the bastion is being stopped; try again in a moment")
        if self.identity.expires <= services.clock():
            raise AccessDenied("your certificate expired meanwhile; run: bastion login")
        grant = services.ruling.access.grant(self.identity, way.target, way.login)
        if not grant.opens(kind):
            raise AccessDenied(f"{kind} channels are not open to you on {way.target}")
        return grant

    def _note_refusal(self, way: Way, request: ChannelRequest, error: AccessDenied) -> None:
        """Journal a refusal; nobody's masking is in force on a target that is not open."""
        mask = self.services.ruling.masking.base.mask
        data = {
            "target": way.target[:200],
            "login": mask(way.login[:200].encode(errors="backslashreplace")).decode(errors="backslashreplace"),
            "channel": str(request.kind),
            "command": mask(request.command[:4000]).decode(errors="backslashreplace")[:1000],
            "why": error.log,
            "connection": self.origin.connection,
            "address": self.origin.address,
        }
        self.later(self.services.audit.record(Event(EventType.ACCESS_DENIED, self.identity.name, "", data)))


def pipeline_for(ruling: Ruling, grant: Grant, request: ChannelRequest) -> ChannelPipeline:
    """Return what decides for such a channel."""
    clear, asked = is_clear(ruling, grant), unmasking(ruling, grant, request)
    pipeline = _pipeline(ruling, grant, request, clear=clear)
    if asked is None:
        return pipeline
    terminal = request.terminal is not None
    return UnmaskPipeline(
        pipeline, lambda: _pipeline(ruling, grant, request, clear=True), request.command, asked, terminal=terminal
    )


def _pipeline(ruling: Ruling, grant: Grant, request: ChannelRequest, *, clear: bool) -> ChannelPipeline:
    if request.kind is ChannelKind.SFTP:
        return sftp_pipeline(ruling, grant, request, clear=clear)
    terminal = request.terminal is not None

    def watched(codec: Codec | HoldingCodec, *, record_input: bool) -> ChannelPipeline:
        masking = build_masking(ruling, grant, terminal=terminal, clear=clear)
        pipeline = Pipeline(codec, masking, terminal=terminal, record_input=record_input)
        return pipeline if clear else guarded(pipeline, ruling, grant, request)

    codec = codec_for(ruling, grant, request)
    plain = watched(codec, record_input=not terminal)
    if terminal or isinstance(codec, ShellCodec):
        return plain
    return SwitchingPipeline(
        plain,
        lambda copy: copy_pipeline(ruling, grant, request, copy, clear=clear),
        lambda: watched(ScriptCodec(), record_input=True),
        request.command,
    )


def _check_terminal(way: Way, request: ChannelRequest, grant: Grant) -> None:
    if request.terminal is not None and not grant.pty:
        raise AccessDenied(f"terminals are not open to you on {way.target}; run the command without one (-T)")


def _allowed(request: ChannelRequest, grant: Grant) -> ChannelRequest:
    """Keep what the roles let through, and the variables that are meant for the bastion itself."""
    kept = tuple(
        (name, value)
        for name, value in request.env
        if name.startswith(environment.OWN) or environment.may_pass(name, grant.env)
    )
    agent = request.agent and grant.opens(ChannelKind.AGENT)
    display = request.display if grant.opens(ChannelKind.X11) else None
    return replace(request, env=kept, agent=agent, display=display)
