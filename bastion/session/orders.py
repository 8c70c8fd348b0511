"""Killing and disconnecting across all processes on one database: what is not open here is ordered through the store.

Each process looks for new orders several times a second and carries out those for what it has. Its own it carries out
at once. Implements `bastion.control.live.LiveSessions`.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from bastion.channel.live import Live
from bastion.errors import UnavailableError
from bastion.store.base import OrderKind, OrderRow
from bastion.store.thread import StoreThread

log = logging.getLogger(__name__)

INTERVAL = 0.25  # seconds until an order of another process is seen
ANSWER_SECONDS = 3.0  # what another process has to carry out an order that somebody waits for
KEPT = timedelta(hours=1)  # by then a process has read it, or has lost all its connections anyway


class Orders:
    """Gives orders, and carries out those that come. Call `begin` before the first connection is accepted."""

    def __init__(self, live: Live, thread: StoreThread, clock: Callable[[], datetime]) -> None:
        self._live = live
        self._thread = thread
        self._clock = clock
        self._seen = 0

    async def begin(self) -> None:
        """Take what was ordered so far for done: nothing is open yet."""
        self._seen = await self._thread.run(self._thread.store.orders.latest)

    async def kill(self, session_id: str, *, by: str, reason: str) -> bool:
        """Cut one session, telling its user who did it and why; False when no process that lives has it."""
        if await self._live.kill(session_id, by=by, reason=reason):
            return True
        await self._give(OrderKind.KILL, [session_id], by, reason)
        sessions = self._thread.store.sessions
        deadline = asyncio.get_running_loop().time() + ANSWER_SECONDS
        while asyncio.get_running_loop().time() < deadline:
            row = await self._thread.run(sessions.get, session_id)
            if row is None or row.ended is not None:
                return row is not None
            await asyncio.sleep(INTERVAL / 2)
        return False

    async def disconnect(self, serials: frozenset[int], *, by: str) -> int:
        """Close every connection that one of these certificates opened; return how many of them were here."""
        await self._give(OrderKind.DISCONNECT, [str(serial) for serial in sorted(serials)], by, "")
        return await self._live.disconnect(serials, by=by)

    async def run(self) -> None:
        """Carry out orders until cancelled."""
        while True:
            await asyncio.sleep(INTERVAL)
            try:
                for order in await self._thread.run(self._thread.store.orders.after, self._seen):
                    self._seen = order.number
                    await self._carry_out(order)
            except UnavailableError as error:
                log.warning("orders can't be read now: %s", error.log)
            except Exception:
                log.exception("an order could not be carried out")

    async def forget(self) -> None:
        """Remove orders that everybody has read."""
        await self._thread.run(self._thread.store.orders.forget, self._clock() - KEPT)

    async def _carry_out(self, order: OrderRow) -> None:
        match order.kind:
            case OrderKind.KILL:
                await self._live.kill(order.subject, by=order.by, reason=order.reason)
            case OrderKind.DISCONNECT:
                await self._live.disconnect(frozenset({int(order.subject)}), by=order.by)

    async def _give(self, kind: OrderKind, subjects: list[str], by: str, reason: str) -> None:
        orders = self._thread.store.orders
        await self._thread.run(orders.give, kind, subjects, by=by, reason=reason, now=self._clock())
