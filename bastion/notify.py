"""Tells approvers that something waits for them: Slack, Teams, mail, webhooks and more, by Apprise URLs.

Fed by the audit events of this process, so that a request is announced once however many processes there are. A dead
notifier delays nothing and loses no request: sending happens on threads of its own, is tried a few times and then given
up, with a line in the log. The command is shown escaped and cut; what it prints or reads is never sent.
"""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from apprise import Apprise, NotifyFormat, NotifyType

from bastion.audit import Event, EventType
from bastion.config.schema import Config, Notifier
from bastion.inspectors.messages import visible

log = logging.getLogger(__name__)

THREADS = 4
MAX_WAITING = 1000  # announcements not sent yet; more are dropped, with a line in the log
PAUSES = (0.0, 5.0, 30.0)  # seconds before each try
LONGEST_COMMAND = 500  # characters shown


class Notifications:
    """Announces approval requests.

    Parameters
    ----------
    config: returns the configuration in force.
    pauses: seconds before each try of one announcement.
    """

    def __init__(self, config: Callable[[], Config], pauses: tuple[float, ...] = PAUSES) -> None:
        self._config = config
        self._pauses = pauses
        self._loop = asyncio.get_running_loop()
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="notify")
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
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _announce(self, event: Event) -> None:
        config = self._config()
        asked = set(event.data.get("approvers", ()))
        title, body = wording(event, config)
        for notifier in config.notifiers.values():
            if asked.isdisjoint(notifier.groups):
                continue
            if len(self._sending) >= MAX_WAITING:
                log.error("notifier %s: approval %s is not announced, too many wait", notifier.name, title)
                continue
            task = self._loop.create_task(self._send(notifier, title, body))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)

    async def _send(self, notifier: Notifier, title: str, body: str) -> None:
        for pause in self._pauses:
            await asyncio.sleep(pause)
            try:
                if await self._loop.run_in_executor(self._threads, partial(_deliver, notifier, title, body)):
                    return
            except Exception as error:  # noqa: BLE001 - whatever a service's plugin raises, the next try is ours
                log.warning("notifier %s: %s", notifier.name, type(error).__name__)
        log.error("notifier %s: given up after %d tries: %s", notifier.name, len(self._pauses), title)


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
    """Send once; whether the service took it. Blocks for as long as the service's own time-outs allow."""
    service = Apprise()
    service.add(notifier.url.reveal())
    return bool(service.notify(body=body, title=title, notify_type=NotifyType.INFO, body_format=NotifyFormat.TEXT))
