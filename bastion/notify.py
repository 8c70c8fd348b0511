"""Tells approvers that something waits for them: Slack, Teams, mail, webhooks and more, by Apprise URLs.

Fed by the audit events of this process, so that a request is announced once however many processes there are. A dead
notifier delays nothing, loses no request and holds up no other notifier: each sends on threads of its own, tries a few
times and then gives up, with a line in the log. A service may answer for ever, and a thread can't be ended: it is left
behind, no more than a few of one notifier, and none keeps the process alive. The command is shown escaped and cut; what
it prints or reads is never sent.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from threading import Thread

from apprise import Apprise, AppriseAsset, NotifyFormat, NotifyType

from bastion.audit import Event, EventType
from bastion.config.schema import Config, Notifier
from bastion.inspectors.messages import visible

log = logging.getLogger(__name__)

THREADS = 4  # of one notifier
SECONDS = 30.0  # that one try may take, and wait for its turn
MAX_WAITING = 1000  # announcements of one notifier not sent yet; more are dropped, with a line in the log
PAUSES = (0.0, 5.0, 30.0)  # seconds before each try
LONGEST_COMMAND = 500  # characters shown


class Notifications:
    """Announces approval requests.

    Parameters
    ----------
    config: returns the configuration in force.
    pauses: seconds before each try of one announcement.
    seconds: how long one try may take, and wait for its turn.
    """

    def __init__(
        self, config: Callable[[], Config], pauses: tuple[float, ...] = PAUSES, seconds: float = SECONDS
    ) -> None:
        self._config = config
        self._pauses = pauses
        self._seconds = seconds
        self._loop = asyncio.get_running_loop()
        self._turns: dict[str, asyncio.Semaphore] = {}
        self._waiting: Counter[str] = Counter()
        self._sending: set[asyncio.Task[None]] = set()

    def observe(self, event: Event) -> None:
        """Take an event that was journalled; may be called from any thread."""
        if event.type is EventType.APPROVAL_REQUESTED:
            self._loop.call_soon_threadsafe(self._announce, event)

    async def close(self) -> None:
        """Give up what is not sent yet."""
        for task in self._sending:
            task.cancel()
        await asyncio.gather(*self._sending, return_exceptions=True)

    def _announce(self, event: Event) -> None:
        config = self._config()
        asked = set(event.data.get("approvers", ()))
        title, body = wording(event, config)
        for notifier in config.notifiers.values():
            if asked.isdisjoint(notifier.groups):
                continue
            if self._waiting[notifier.name] >= MAX_WAITING:
                log.error("notifier %s: too many wait, not announced: %s", notifier.name, title)
                continue
            self._waiting[notifier.name] += 1
            task = self._loop.create_task(self._send(notifier, title, body))
            self._sending.add(task)
            task.add_done_callback(partial(self._sent, notifier.name))

    def _sent(self, name: str, task: asyncio.Task[None]) -> None:
        self._sending.discard(task)
        self._waiting[name] -= 1

    async def _send(self, notifier: Notifier, title: str, body: str) -> None:
        turns = self._turns.setdefault(notifier.name, asyncio.Semaphore(THREADS))
        for pause in self._pauses:
            await asyncio.sleep(pause)
            try:
                async with asyncio.timeout(self._seconds):
                    await turns.acquire()  # given back by the thread, whenever it ends
                    if await self._on_a_thread(partial(_deliver, notifier, title, body), turns):
                        return
            except Exception as error:  # noqa: BLE001 - whatever a service's plugin raises, the next try is ours
                log.warning("notifier %s: %s", notifier.name, type(error).__name__)
        log.error("notifier %s: given up after %d tries: %s", notifier.name, len(self._pauses), title)

    async def _on_a_thread(self, deliver: Callable[[], bool], turns: asyncio.Semaphore) -> bool:
        """Deliver on a thread that nobody need wait for."""
        answer: asyncio.Future[bool] = self._loop.create_future()

        def run() -> None:
            result: bool | Exception
            try:
                result = deliver()
            except Exception as error:  # noqa: BLE001 - it is told to who waits
                result = error
            with suppress(RuntimeError):  # the loop is closed, nobody waits
                self._loop.call_soon_threadsafe(done, result)

        def done(result: bool | Exception) -> None:
            turns.release()
            if not answer.done():
                answer.set_exception(result) if isinstance(result, Exception) else answer.set_result(result)

        Thread(target=run, name="notify", daemon=True).start()
        return await answer


def wording(event: Event, config: Config) -> tuple[str, str]:
    """Return title and text of an announcement, with the exact lines that decide it."""
    data = {key: visible(str(value)) for key, value in event.data.items()}
    who, where = visible(event.identity), f"{data.get('login', '')}@{data.get('target', '')}"
    command = data.get("command", "")
    shown = command if len(command) <= LONGEST_COMMAND else f"{command[:LONGEST_COMMAND]}… ({len(command)} characters)"
    listen, name = config.server.listen, config.server.names[0]
    ssh = f"ssh {name}" if listen.port == 22 else f"ssh -p {listen.port} {name}"
    approval = data.get("approval", "")
    lines = [
        f"{who} wants to run on {where}:",
        "",
        f"    {shown}",
        "",
        f"rule {data.get('rule', '')}, open until {data.get('expires', '')}",
        "",
        f"{ssh} approvals show {approval}",
        f"{ssh} approvals approve {approval}",
        f"{ssh} approvals deny {approval} --reason '…'",
    ]
    return f"approval {approval}: {who} on {where}", "\n".join(lines)


def _deliver(notifier: Notifier, title: str, body: str) -> bool:
    """Send once; whether the service took it. Blocks for as long as the service likes to answer."""
    # without a time limit Apprise sends on this very thread, not on a pool of its own that all notifiers would share
    service = Apprise(asset=AppriseAsset(service_timeout=0))
    service.add(notifier.url.reveal())
    return bool(service.notify(body=body, title=title, notify_type=NotifyType.INFO, body_format=NotifyFormat.TEXT))
