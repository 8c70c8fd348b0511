"""How a bastion ends: it is asked to, what runs gets its time, and what is left is cut; every recording is sealed.

From the first signal on nothing new opens. Whoever waits at the door for a person in a browser is turned away at once,
sessions are told and may end by themselves within the grace period. A second signal ends that period.
"""

import asyncio
import logging
import signal
from collections.abc import Callable

from bastion.channel.limits import spelt
from bastion.channel.services import Services
from bastion.config.schema import ServerConfig
from bastion.door.host import DoorHost
from bastion.errors import UnavailableError

log = logging.getLogger(__name__)

CLOSE_SECONDS = 5.0  # what each step of closing the books may take, after the grace period
STEPS = 3
AGAIN_SECONDS = 1.0  # Ctrl-C reaches a worker twice, from the terminal and from its parent; that is one request
_ENDS = (signal.SIGTERM, signal.SIGINT)
STOPPING = "the bastion is being stopped"


class Ending:
    """Whether the end was asked for, and whether in a hurry. `again` is called at each further request."""

    def __init__(self, again: Callable[[], None] = lambda: None) -> None:
        self.asked = asyncio.Event()
        self.hurried = asyncio.Event()
        self._again = again
        self._since = 0.0

    def ask(self) -> None:
        """Ask for the end; a second time, for a sooner one."""
        now = asyncio.get_running_loop().time()
        if not self.asked.is_set():
            self._since = now
            self.asked.set()
        elif now - self._since >= AGAIN_SECONDS:
            self.hurried.set()
            self._again()

    def on_signals(self, reload: Callable[[], None]) -> None:
        """Have SIGTERM and SIGINT ask for the end, and SIGHUP reload."""
        loop = asyncio.get_running_loop()
        for number in _ENDS:
            loop.add_signal_handler(number, self.ask)
        loop.add_signal_handler(signal.SIGHUP, reload)

    def over(self) -> None:
        """Ignore signals from now on: everything is done, and one that comes late must not change the exit status."""
        loop = asyncio.get_running_loop()
        for number in (*_ENDS, signal.SIGHUP):
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_IGN)


def longest(server: ServerConfig) -> float:
    """Return the seconds within which a process must have ended."""
    return server.grace.total_seconds() + STEPS * CLOSE_SECONDS


async def drain(services: Services, host: DoorHost, server: ServerConfig, ending: Ending) -> None:
    """Let what runs come to its end, and cut what does not."""
    services.draining = True
    host.close()
    host.turn_away(UnavailableError(f"{STOPPING}; try again in a moment"))
    log.info("stopping: %d sessions have %s left", len(services.live.ids()), spelt(server.grace))
    services.live.tell(f"{STOPPING}; this session ends in {spelt(server.grace)}")
    settled = asyncio.create_task(services.live.settle(server.grace.total_seconds()))
    hurried = asyncio.create_task(ending.hurried.wait())
    await asyncio.wait({settled, hurried}, return_when=asyncio.FIRST_COMPLETED)
    for task in (settled, hurried):
        task.cancel()
    for session in services.live.ids():
        await services.live.kill(session, by="the bastion", reason="it is being stopped")
    await services.live.settle(CLOSE_SECONDS)
    services.live.disconnect_all(by="the bastion, which is being stopped")
    await host.settle(CLOSE_SECONDS)
