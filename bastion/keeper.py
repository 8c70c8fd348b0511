"""Housekeeping of a running bastion: approvals expire, a changed configuration is taken over, readiness is known."""

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

from bastion.audit import Event, EventType
from bastion.channel.services import Ruling, Services
from bastion.config.file import load
from bastion.config.schema import Config
from bastion.errors import BastionError, ConfigError, UnavailableError
from bastion.metrics import Metrics
from bastion.presence import Presence
from bastion.session.orders import Orders
from bastion.store.base import ApprovalState
from recorder.errors import RecordingError

log = logging.getLogger(__name__)

PERIOD = 2.0  # seconds
REFRESH_ROUNDS = 1800  # an hour
AT_START = {
    "server": ("listen", "host_keys", "metrics", "workers", "grace"),
    "store": ("database", "recordings"),
}
"""What is read when the bastion starts and never again."""


class Keeper:
    """Keeps one bastion in order.

    Parameters
    ----------
    path: bastion.toml; it is taken over anew when the file changes, or on `reload`.
    make_ruling: turns a configuration into what is asked.
    refresh: called after a new configuration is in force, and each hour, for what grows old (host certificates).
    presence, orders: kept going, see there.
    """

    def __init__(
        self,
        path: Path,
        services: Services,
        metrics: Metrics,
        make_ruling: Callable[[Config], Ruling],
        refresh: Callable[[], Awaitable[None]],
        presence: Presence,
        orders: Orders,
    ) -> None:
        self._path = path
        self._services = services
        self._metrics = metrics
        self._make_ruling = make_ruling
        self._refresh = refresh
        self._presence = presence
        self._orders = orders
        self._rounds = 0
        self._seen = services.ruling.config.stamp  # not the one of now: it may have changed since it was read
        self._wanted = asyncio.Event()
        self._unready = ""

    def reload(self) -> None:
        """Have the configuration read anew now, changed or not."""
        self._wanted.set()

    def unready(self) -> str:
        """Return why the bastion can't serve now, or an empty text. Safe to call from any thread."""
        return "the bastion is being stopped" if self._services.draining else self._unready

    async def run(self) -> None:
        """Keep order until cancelled."""
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wanted.wait(), PERIOD)
            try:
                await self._round()
                self._judge("", "")
            except BastionError as error:
                self._judge(str(error), error.log)
            except RecordingError as error:
                self._judge("recordings can't be written; see the log", str(error))
            except Exception:
                self._unready = "housekeeping failed; see the log"
                log.exception("housekeeping failed; trying again")

    def _judge(self, unready: str, detail: str) -> None:
        """Take note whether the bastion can serve; the log hears of it when that changes."""
        if unready != self._unready:
            log.log(logging.ERROR if unready else logging.INFO, "not ready: %s" if unready else "ready again%s", detail)
        self._unready = unready

    async def _round(self) -> None:
        stamp = _stamp(self._path)
        if self._wanted.is_set() or stamp != self._seen:
            self._wanted.clear()
            self._seen = stamp
            await self._reload()
        services = self._services
        await self._presence.beat()
        await self._presence.bury()
        await services.approvals.sweep()
        pending = await services.thread.run(
            services.thread.store.approvals.list, states=(ApprovalState.PENDING,), limit=1000
        )
        self._metrics.waiting.set(len(pending))
        self._metrics.recorder_lag.set(await asyncio.to_thread(services.recordings.probe))
        self._rounds += 1
        if self._rounds % REFRESH_ROUNDS == 0:
            await self._refresh()
            await self._orders.forget()

    async def _reload(self) -> None:
        """Take over a changed configuration; a bad one changes nothing, and what runs goes on."""
        record = self._services.audit.record
        try:
            ruling = self._make_ruling(await asyncio.to_thread(load, self._path, os.environ))
        except ConfigError as error:
            for line in str(error).splitlines():
                log.error("reload refused: %s", line)  # noqa: TRY400 - the text says it all
            with suppress(UnavailableError):
                await record(Event(EventType.CONFIG_RELOAD, data={"accepted": False}))
            return
        await record(Event(EventType.CONFIG_RELOAD, data={"accepted": True}))
        for warning in (*ruling.config.warnings, *_only_at_start(self._services.ruling.config, ruling.config)):
            log.warning("%s", warning)
        self._services.ruling = ruling
        await self._refresh()
        log.info("configuration reloaded")


def _only_at_start(old: Config, new: Config) -> list[str]:
    """Return a line for each key that changed and that a reload does not change."""
    return [
        f"{section}.{key}: has changed; that takes a restart"
        for section, keys in AT_START.items()
        for key in keys
        if getattr(getattr(old, section), key) != getattr(getattr(new, section), key)
    ]


def _stamp(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except OSError:
        return (0, 0)
    return (status.st_mtime_ns, status.st_ino)
