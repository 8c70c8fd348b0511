"""Builds all parts from the configuration, starts them, keeps them in order, and stops them.

The one file that names concrete classes and reads the environment.
"""

import asyncio
import errno
import logging
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import httpx

from bastion.approvals import Approvals
from bastion.audit import Event, EventType
from bastion.auth.access import Access
from bastion.auth.authority import TargetAuthority
from bastion.auth.keys import load_or_create, load_or_create_masking_key
from bastion.auth.oidc import Issuers
from bastion.auth.web import open_client
from bastion.channel.gate import Gate
from bastion.channel.live import Live
from bastion.channel.requests import ChannelRequest
from bastion.channel.services import Ruling, Services
from bastion.config.file import load
from bastion.config.schema import Config
from bastion.control.services import ControlServices
from bastion.door.host import DoorHost, RunCommand
from bastion.door.outer import OuterServer
from bastion.ending import Ending, drain, longest
from bastion.errors import ConfigError, UnavailableError
from bastion.following import follow
from bastion.health import HealthEndpoint
from bastion.heap import keep_freed_blocks, set_aside
from bastion.journal import AuditLog
from bastion.keeper import Keeper
from bastion.logs import set_up_logging
from bastion.masking.engine import choose_engine
from bastion.masking.masker import MaskingPolicies
from bastion.metrics import Metrics
from bastion.model import ChannelKind, ControlRight, Grant, Verdict, utcnow
from bastion.notify import Notifications
from bastion.policy.rules import RuleSet
from bastion.presence import Presence
from bastion.reading import CommandReader
from bastion.seat import Condition, Seat, report, take
from bastion.session.orders import Orders
from bastion.sockets import open_sockets
from bastion.store.opening import open_store
from bastion.store.thread import StoreThread
from bastion.supervisor import Supervisor
from bastion.systemd import ServiceManager
from bastion.target.dial import Dialer
from recorder.errors import RecordingError
from recorder.storage import DiskStorage

log = logging.getLogger(__name__)

T = TypeVar("T")

NODE = socket.gethostname()
FASTEST = "hyperscan"
ENGINE_SECONDS = 20.0  # for a child process to try an engine


@dataclass(frozen=True, slots=True)
class RulingMaker:
    """Makes of each version of the configuration what is asked.

    `client` reaches identity providers; `engine` finds what to mask, `key` is the secret of pseudonyms.
    """

    client: httpx.AsyncClient
    engine: str
    key: bytes | None

    def __call__(self, config: Config) -> Ruling:
        """Return what a configuration says. Raises ConfigError."""
        return Ruling(
            config,
            Access(config),
            RuleSet(config.rules, _approvers(config)),
            MaskingPolicies(config, self.key, self.engine),
            Issuers(config.issuers, self.client),
        )


def _approvers(config: Config) -> list[str]:
    """Return the groups that may approve: they are asked where no rule names anybody."""
    return [group for role in config.roles.values() if ControlRight.APPROVE in role.control for group in role.groups]


def _runs(code: str) -> bool:
    """Return whether a line of Python runs in a child process: a library built for another CPU kills but the child."""
    try:
        done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, timeout=ENGINE_SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


async def serve(path: Path, run_command: RunCommand) -> int:
    """Run the bastion until SIGTERM or SIGINT; return the process's exit status.

    Parameters
    ----------
    path: bastion.toml.
    run_command: runs one control-plane command line; the CLI passes its own.

    Raises ConfigError and UnavailableError where it cannot start, with a text for the administrator.
    """
    seat, manager = take(os.environ), ServiceManager(os.environ, os.getpid())
    set_up_logging(sys.stderr, worker=seat.number if seat is not None else 0)
    config = load(path, os.environ)
    if seat is not None:
        return await _work(path, config, run_command, seat, ServiceManager({}, 0))
    for warning in config.warnings:
        log.warning("%s", warning)
    count = config.server.workers or os.cpu_count() or 1
    if count > 1:
        return await _supervise(config, count, manager)
    return await _work(path, config, run_command, Seat(), manager)


async def _supervise(config: Config, count: int, manager: ServiceManager) -> int:
    """Be the parent of several workers, which do all the work."""
    loop = asyncio.get_running_loop()
    supervisor = Supervisor(config.server.listen, count)
    ending = Ending(supervisor.hurry)
    ending.on_signals(supervisor.reload)

    def ask(question: Callable[[], Coroutine[Any, Any, T]]) -> T:
        return asyncio.run_coroutine_threadsafe(question(), loop).result()

    async with AsyncExitStack() as stack:
        if config.server.metrics is not None:
            metrics, unready = partial(ask, supervisor.metrics), partial(ask, supervisor.unready)
            stack.enter_context(HealthEndpoint(config.server.metrics, metrics, unready))
        starting = loop.create_task(supervisor.start())
        await asyncio.wait(
            {starting, stopped := loop.create_task(ending.asked.wait())}, return_when=asyncio.FIRST_COMPLETED
        )
        if starting.done() and (status := starting.result()):
            return status
        if not ending.asked.is_set():
            _say_listening(config, supervisor.port)
            async with manager.serving(longest(config.server)):
                await stopped
        starting.cancel()
        status = await supervisor.stop(longest(config.server))
    ending.over()
    return status


async def _work(path: Path, config: Config, run_command: RunCommand, seat: Seat, manager: ServiceManager) -> int:
    """Serve, alone or as one of several."""
    keep_freed_blocks()
    ending = Ending()
    ending.on_signals(lambda: None)  # what is read now is new
    async with AsyncExitStack() as stack:
        services, metrics, maker = await _build(config, stack)
        given = [socket.socket(fileno=descriptor) for descriptor in seat.listening]
        sockets = given or open_sockets(config.server.listen, 1)[0]
        presence, orders = await _arrive(services, seat)
        host = DoorHost(services, _control(services, orders), run_command, share=seat.count)
        await host.prepare()
        set_aside()
        keeper = Keeper(path, services, metrics, maker, host.prepare, presence, orders)
        if config.server.metrics is not None and seat.count == 1:
            stack.enter_context(HealthEndpoint(config.server.metrics, metrics.text, keeper.unready))
        port = await host.listen(sockets, lambda: OuterServer(host))
        ending.on_signals(keeper.reload)
        tasks = [asyncio.create_task(work) for work in (keeper.run(), orders.run())]
        await report(seat, lambda: Condition(keeper.unready(), metrics.text().decode()), ending.ask)
        if seat.count == 1:
            _say_listening(config, port)
        async with manager.serving(longest(config.server)):
            await ending.asked.wait()
        await drain(services, host, config.server, ending)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        with suppress(UnavailableError):
            await services.audit.record(Event(EventType.SERVER_STOP))
            await presence.leave()
    ending.over()
    return 0


async def _arrive(services: Services, seat: Seat) -> tuple[Presence, Orders]:
    """Write down that this process serves, and close the books of those that were killed."""
    presence = Presence(services.thread, services.audit, NODE, utcnow, time.monotonic)
    orders = Orders(services.live, services.thread, utcnow)
    services.worker = presence.id
    await orders.begin()
    data = {"pid": os.getpid(), "worker": seat.number, "workers": seat.count}
    await services.audit.record(Event(EventType.SERVER_START, data=data))
    await presence.arrive()
    return presence, orders


def _say_listening(config: Config, port: int) -> None:
    host = config.server.listen.host
    spelt = f"[{host}]" if ":" in host else host
    print(f"bastion: listening on {spelt}:{port}", file=sys.stderr, flush=True)  # noqa: T201 - the contract


async def _build(config: Config, stack: AsyncExitStack) -> tuple[Services, Metrics, RulingMaker]:
    """Make and open all parts; `stack` closes them in the right order."""
    keys = load_or_create(config.server.host_keys)
    client, metrics, live = open_client(), Metrics(), Live()
    stack.push_async_callback(client.aclose)
    thread = StoreThread(await asyncio.to_thread(open_store, config.store.database))
    stack.push_async_callback(thread.close)
    await thread.run(thread.store.check)
    loop = asyncio.get_running_loop()
    metrics.live(
        sessions=lambda: len(live.ids()),
        connections=lambda: live.connections,
        tasks=lambda: len(asyncio.all_tasks(loop)),
    )

    def observe(event: Event) -> None:
        metrics.observe(event)
        follow(event)
        notifications.observe(event)

    audit = AuditLog(thread, NODE, utcnow, observe)
    stack.push_async_callback(audit.close)
    reader = CommandReader()
    stack.push_async_callback(reader.close)
    approvals = Approvals(thread, audit, utcnow)
    stack.push_async_callback(approvals.close)
    engine = await asyncio.to_thread(choose_engine, _runs)
    if engine != FASTEST:
        log.warning("masking uses the engine %s: %s does not run on this machine", engine, FASTEST)
    maker = RulingMaker(client, engine, load_or_create_masking_key(config.server.host_keys))
    services = Services(
        ruling=maker(config),
        keys=keys,
        reader=reader,
        approvals=approvals,
        audit=audit,
        thread=thread,
        recordings=await _open_recordings(config.store.recordings),
        dialer=Dialer(TargetAuthority(keys.target_ca)),
        live=live,
        clock=utcnow,
    )
    notifications = Notifications(lambda: services.ruling.config)
    stack.push_async_callback(notifications.close)
    return services, metrics, maker


async def _open_recordings(folder: Path) -> DiskStorage:
    """Return the folder of recordings. Raises ConfigError where nothing can be written there.

    A disk that is full keeps nobody from starting: no session opens then, but old recordings can be read and removed.
    """
    storage = DiskStorage(folder)
    try:
        await asyncio.to_thread(storage.probe)
    except RecordingError as error:
        if getattr(error.__cause__, "errno", None) not in (errno.ENOSPC, errno.EDQUOT):
            raise ConfigError(f"store.recordings: {error}; make it a folder of the bastion's own") from None
        log.error("%s", error)  # noqa: TRY400 - the text says it all
    return storage


def _control(services: Services, orders: Orders) -> ControlServices:
    async def judge(grant: Grant, command: bytes) -> Verdict:
        return await Gate(services, grant, ChannelRequest(ChannelKind.EXEC, command, None, ()), "").judge(command)

    return ControlServices(
        config=lambda: services.ruling.config,
        access=lambda: services.ruling.access,
        judge=judge,
        understand=partial(services.reader.understand, thorough=True),
        masked=lambda grant, command: services.ruling.masks(grant).mask(command),
        approvals=services.approvals,
        audit=services.audit,
        thread=services.thread,
        live=orders,
        recordings=services.recordings,
        host_ca=services.keys.host_ca.export_public_key("openssh").decode().strip(),
        port=services.ruling.config.server.listen.port,
        clock=services.clock,
    )
