"""Tells systemd how the service is: ready, alive, stopping (sd_notify(3)). Started by anybody else, it says nothing."""

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress


class ServiceManager:
    """Who started this process, if it wants to know.

    Parameters
    ----------
    environment: NOTIFY_SOCKET says where to tell, WATCHDOG_USEC how often, WATCHDOG_PID which process is asked for it.
    pid: this process.
    """

    def __init__(self, environment: Mapping[str, str], pid: int) -> None:
        address = environment.get("NOTIFY_SOCKET", "")
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        asked = environment.get("WATCHDOG_PID", str(pid)) == str(pid)
        limit = environment.get("WATCHDOG_USEC", "")
        self._seconds = int(limit) / 2_000_000 if asked and limit.isdecimal() else 0.0

    @asynccontextmanager
    async def serving(self, stop_seconds: float) -> AsyncIterator[None]:
        """Tell that the service is ready, and alive as long as the event loop turns; at the end, that it stops.

        `stop_seconds` is how long stopping may take.
        """
        self._tell("READY=1")
        alive = asyncio.create_task(self._alive()) if self._seconds else None
        try:
            yield
        finally:
            if alive is not None:
                alive.cancel()
            self._tell(f"STOPPING=1\nEXTEND_TIMEOUT_USEC={int(stop_seconds * 1_000_000)}")

    async def _alive(self) -> None:
        while True:
            self._tell("WATCHDOG=1")
            await asyncio.sleep(self._seconds)

    def _tell(self, state: str) -> None:
        if not self._address:
            return
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
            sock.sendto(state.encode(), self._address)
