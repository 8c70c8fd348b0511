"""Who asks the control plane, and what it has to answer with. Every function of this package takes a `Control`.

Rights come from the configuration as it is now, not as it was when the connection opened.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import ParamSpec, TypeVar

from bastion.approvals import Approvals
from bastion.audit import Event, EventType
from bastion.auth.access import Access
from bastion.config.schema import Config
from bastion.control.live import LiveSessions
from bastion.errors import AccessDenied
from bastion.journal import AuditLog
from bastion.model import ControlRight, Grant, Identity, Verdict
from bastion.policy.understanding import Understanding
from bastion.store.base import Store
from bastion.store.thread import StoreThread
from recorder.storage import RecordingStorage

Given = ParamSpec("Given")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class ControlServices:
    """What the control plane works with, the same for all callers.

    `config` and `access` return what is in force now. `host_ca` is the public key line of the CA that certifies
    host keys, `port` the TCP port that clients reach. `judge` says what the rules say of a command under a grant,
    `understand` what a command would run, `masked` what of a command is kept for good.
    """

    config: Callable[[], Config]
    access: Callable[[], Access]
    judge: Callable[[Grant, bytes], Awaitable[Verdict]]
    understand: Callable[[bytes], Awaitable[Understanding]]
    masked: Callable[[Grant, bytes], bytes]
    approvals: Approvals
    audit: AuditLog
    thread: StoreThread
    live: LiveSessions
    recordings: RecordingStorage
    host_ca: str
    port: int
    clock: Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class Control:
    """The control plane on behalf of one identity."""

    identity: Identity
    services: ControlServices

    @property
    def now(self) -> datetime:
        """Return the present time."""
        return self.services.clock()

    @property
    def store(self) -> Store:
        """Return the store, whose methods may only be called through `run`."""
        return self.services.thread.store

    def may(self, right: ControlRight) -> bool:
        """Return whether the caller has a right."""
        return right in self.services.access().control_rights(self.identity)

    def require(self, right: ControlRight, what: str) -> None:
        """Raise AccessDenied unless the caller has a right; `what` completes "you may not …"."""
        if not self.may(right):
            raise AccessDenied(f'you may not {what}: that takes a role with control = ["{right}"]')

    async def run(self, function: Callable[Given, Result], *arguments: Given.args, **options: Given.kwargs) -> Result:
        """Call a method of the store in its thread."""
        return await self.services.thread.run(function, *arguments, **options)

    async def record(self, event: EventType, session: str = "", **data: object) -> None:
        """Put into the journal what the caller does. It is written before the caller sees anything."""
        await self.services.audit.record(Event(event, self.identity.name, session, data))
