"""What asyncssh's connections and channels keep and never look at again, let go of: a mixin for either, on both legs.

Most connections are idle, so that what they keep is what they cost. Leans on internals of asyncssh;
`tests/bastion/test_thrift.py` notices when a new one changes them. Nothing of the protocol changes.

- Both sides' KEXINIT are part of what a key exchange signs (RFC 4253 section 8), and of nothing later.
- An event that nobody waits for is a flag.
"""

import asyncio
from typing import TYPE_CHECKING, Any

from asyncssh.channel import SSHChannel
from asyncssh.connection import SSHConnection

if TYPE_CHECKING:
    _Connection = SSHConnection
    _Channel = SSHChannel[bytes]
else:
    _Connection = _Channel = object


class Ended(asyncio.Event):
    """An event that is set once; what waiting takes is made when somebody waits."""

    def __init__(self) -> None:
        self._over = False
        self._event: asyncio.Event | None = None

    def is_set(self) -> bool:
        """Whether it was set."""
        return self._over

    def set(self) -> None:
        """Set it for good."""
        self._over = True
        if self._event is not None:
            self._event.set()

    async def wait(self) -> bool:  # type: ignore[override]  # as typeshed has it: always True
        """Wait until it is set."""
        if not self._over:
            self._event = self._event or asyncio.Event()
            await self._event.wait()
        return True


class ThriftyConnection(_Connection):
    """Mixed in before `SSHServerConnection` or `SSHClientConnection`."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._close_event = Ended()

    def send_newkeys(self, k: bytes, h: bytes) -> None:
        """Forget what a key exchange began with, of which `h` was made, and finish it: which may begin the next one."""
        self._client_kexinit = self._server_kexinit = b""
        super().send_newkeys(k, h)


class ThriftyChannel(_Channel):
    """Mixed in before any of asyncssh's channels."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._close_event = Ended()
