"""Builds all parts from the configuration, starts them, keeps them in order, and stops them.

The one file that names concrete classes and reads the environment.
"""

import asyncio
import logging
import os
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path

import httpx

from bastion.approvals import Approvals
from bastion.audit import Event, EventType
from bastion.auth.access import Access
from bastion.auth.authority import TargetAuthority
from bastion.auth.keys import ServerKeys, load_or_create
from bastion.auth.oidc import Issuers
from bastion.auth.web import open_client
from bastion.channel.live import Live
from bastion.channel.services import Ruling, Services
from bastion.config import Config
from bastion.configfile import load
from bastion.control.services import ControlServices
from bastion.door.host import DoorHost, RunCommand
from bastion.door.outer import OuterServer
from bastion.errors import BastionError, ConfigError, UnavailableError
from bastion.journal import AuditLog
from bastion.logs import set_up_logging
from bastion.masking.masker import MaskingPolicy
from bastion.model import utcnow
from bastion.policy.rules import RuleSet
from bastion.reading import CommandReader
from bastion.store.opening import open_store
from bastion.store.thread import StoreThread
from bastion.target.dial import Dialer
from recorder.storage import DiskStorage

log = logging.getLogger(__name__)

SWEEP_SECONDS = 2.0
STOP_SECONDS = 5.0


def make_ruling(config: Config, client: httpx.AsyncClient) -> Ruling:
    """Return what a configuration says, ready to be asked. `client` reaches identity providers."""
    issuers = Issuers(config.issuers, client)
    return Ruling(config, Access(config), RuleSet(config.rules), MaskingPolicy(config.masking), issuers)


async def serve(path: Path, run_command: RunCommand) -> None:
    """Run the bastion until SIGTERM or SIGINT.

    Parameters
    ----------
    path: bastion.toml.
    run_command: runs one control-plane command line; the CLI passes its own.

    Raises ConfigError and UnavailableError where it cannot start, with a text for the administrator.
    """
    set_up_logging(sys.stderr)
    config = load(path, os.environ)
    for warning in config.warnings:
        log.warning("%s", warning)
    app = await App.start(config, run_command)
    try:
        await app.run()
    finally:
        await app.stop()


class App:
    """One running bastion."""

    def __init__(
        self, path: Path, services: Services, host: DoorHost, listener: asyncio.Server, client: httpx.AsyncClient
    ) -> None:
        self._path = path
        self._services = services
        self._host = host
        self._listener = listener
        self._client = client
        self._seen = _stamp(path)

    @classmethod
    async def start(cls, config: Config, run_command: RunCommand) -> "App":
        """Build and open everything; on return the bastion accepts connections."""
        keys = load_or_create(config.server.host_keys)
        client = open_client()
        thread = StoreThread(await asyncio.to_thread(open_store, config.store.database))
        try:
            await thread.run(thread.store.check)
            services = _services(config, keys, thread, client)
            await _recover(services)
            address = config.server.listen
            control = _control(services, address.port)
            host = DoorHost(services, control, run_command)
            await host.prepare()
            listener, port = await host.listen(address, lambda: OuterServer(host))
        except BaseException:
            await client.aclose()
            await thread.close()
            raise
        print(f"bastion: listening on {_spelt(address.host)}:{port}", file=sys.stderr, flush=True)  # noqa: T201 - contract
        return cls(config.path, services, host, listener, client)

    async def run(self) -> None:
        """Serve until a signal says stop; reload on SIGHUP and when the file changes."""
        loop = asyncio.get_running_loop()
        stop, reload = asyncio.Event(), asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        loop.add_signal_handler(signal.SIGHUP, reload.set)
        keeper = loop.create_task(self._keep(reload))
        try:
            await stop.wait()
        finally:
            keeper.cancel()
            with suppress(asyncio.CancelledError):
                await keeper

    async def stop(self) -> None:
        """Close the door, end what is open, and write down that the bastion stopped."""
        services = self._services
        self._listener.close()
        for session in services.live.ids():
            await services.live.kill(session, by="the bastion", reason="it is being stopped")
        services.live.disconnect_all(by="the bastion, which is being stopped")
        await self._host.settle(STOP_SECONDS)
        with suppress(UnavailableError):
            await services.audit.record(Event(EventType.SERVER_STOP))
        await services.approvals.close()
        await services.reader.close()
        await services.audit.close()
        await services.thread.close()
        await self._client.aclose()

    async def _keep(self, reload: asyncio.Event) -> None:
        """Every few seconds: expire approvals, and look whether the configuration changed."""
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(reload.wait(), SWEEP_SECONDS)
            try:
                await self._services.approvals.sweep()
                stamp = _stamp(self._path)
                if reload.is_set() or stamp != self._seen:
                    reload.clear()
                    self._seen = stamp
                    await self._reload()
            except BastionError as error:
                log.error("%s", error.log)  # noqa: TRY400 - the text says it all
            except Exception:
                log.exception("housekeeping failed; trying again")

    async def _reload(self) -> None:
        """Take over a changed configuration; a bad one changes nothing."""
        try:
            config = await asyncio.to_thread(load, self._path, os.environ)
            ruling = make_ruling(config, self._client)
        except ConfigError as error:
            for line in str(error).splitlines():
                log.error("reload refused: %s", line)  # noqa: TRY400 - the text says it all
            await self._services.audit.record(Event(EventType.CONFIG_RELOAD, data={"accepted": False}))
            return
        await self._services.audit.record(Event(EventType.CONFIG_RELOAD, data={"accepted": True}))
        self._services.ruling = ruling
        await self._host.prepare()
        log.info("configuration reloaded")


def _services(config: Config, keys: ServerKeys, thread: StoreThread, client: httpx.AsyncClient) -> Services:
    audit = AuditLog(thread, socket.gethostname(), utcnow)
    return Services(
        ruling=make_ruling(config, client),
        keys=keys,
        reader=CommandReader(),
        approvals=Approvals(thread, audit, utcnow),
        audit=audit,
        thread=thread,
        recordings=DiskStorage(config.store.recordings),
        dialer=Dialer(TargetAuthority(keys.target_ca)),
        live=Live(),
        clock=utcnow,
    )


def _control(services: Services, port: int) -> ControlServices:
    return ControlServices(
        config=lambda: services.ruling.config,
        access=lambda: services.ruling.access,
        approvals=services.approvals,
        audit=services.audit,
        thread=services.thread,
        live=services.live,
        recordings=services.recordings,
        host_ca=services.keys.host_ca.export_public_key("openssh").decode().strip(),
        port=port,
        clock=services.clock,
    )


async def _recover(services: Services) -> None:
    """Close the books of what a killed process left open, and write down that the bastion starts."""
    orphans = await services.thread.run(services.thread.store.sessions.close_orphans, services.clock())
    await services.audit.record(
        Event(EventType.SERVER_START, data={"pid": os.getpid()}),
        *(
            Event(
                EventType.CHANNEL_CLOSE, row.identity, row.id, {"why": "the bastion was killed", "target": row.target}
            )
            for row in orphans
        ),
    )


def _stamp(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except OSError:
        return (0, 0)
    return (status.st_mtime_ns, status.st_ino)


def _spelt(host: str) -> str:
    return f"[{host}]" if ":" in host else host
