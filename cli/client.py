"""The way from a laptop to the bastion: one SSH connection, one session channel, the same command line there.

Thin on purpose: what a command does and how it looks is decided on the bastion (`cli.server`). Standard input is
passed on only from a terminal; no command reads anything else, and a loop's input must not be swallowed.
"""

import asyncio
import shlex
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import asyncssh

from bastion.errors import BastionError, LoginError, UnavailableError
from cli.console import safe
from cli.credentials import Credentials, load_credentials, reason
from cli.local import LocalContext, LocalTerminal, raw
from cli.settings import Settings, load_settings
from cli.trust import ShownKey, decide, pattern, read_known_hosts

PREFIX = "bastion: "
CONNECT_SECONDS = 20
PLAIN_SCREEN = b"\x1b[?1049l\x1b[?25h\x1b[m"  # no alternate screen, a cursor, no colours
AGAIN = "try again later"  # a refusal that says so is not final: exit status 75
USER_NAME = "bastion"  # on the bastion's own hop the certificate says who calls, not the name


class DoorClient(asyncssh.SSHClient):
    """Answers asyncssh's questions while a connection is made, and remembers what the server showed and said."""

    def __init__(self) -> None:
        self.shown: ShownKey | None = None
        self.refusals: list[str] = []

    def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        """Refuse a host key that known_hosts does not hold, and keep it for the question."""
        del host, addr, port
        self.shown = ShownKey(key, authority=False)
        return False

    def validate_host_ca_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        """Refuse a host CA that known_hosts does not hold, and keep it for the question."""
        del host, addr, port
        self.shown = ShownKey(key, authority=True)
        return False

    def auth_banner_received(self, msg: str, lang: str) -> None:
        """Keep the reasons the server gives for refusing: banner lines that start with `bastion: `."""
        del lang
        lines = (line.strip() for line in msg.splitlines())
        self.refusals += [line.removeprefix(PREFIX) for line in lines if line.startswith(PREFIX)]


@asynccontextmanager
async def connect(
    settings: Settings, terminal: LocalTerminal, client: DoorClient, **authentication: Any
) -> AsyncIterator[asyncssh.SSHClientConnection]:
    """Open the connection, asking about an unknown host key where somebody can answer.

    Raises LoginError (refused), UnavailableError (no answer) or BastionError (not the right host).
    """
    try:
        connection = await _connect(settings, client, authentication)
    except asyncssh.HostKeyNotVerifiable as error:
        if client.shown is None:
            raise BastionError(
                f"{pattern(settings.server)} did not prove to be the bastion: {reason(error)}; "
                "use the name that its host certificate carries, or ask its operator"
            ) from None
        decide(client.shown, settings.server, settings.known_hosts, terminal)
        connection = await _connect(settings, client, authentication)
    try:
        yield connection
    finally:
        connection.close()
        await connection.wait_closed()


async def _connect(
    settings: Settings, client: DoorClient, authentication: dict[str, Any]
) -> asyncssh.SSHClientConnection:
    where = pattern(settings.server)
    address = (settings.server.host, settings.server.port)
    try:
        # asyncssh's own connect_timeout would also count the time a person spends in a browser
        sock = await asyncio.to_thread(socket.create_connection, address, CONNECT_SECONDS)
        sock.setblocking(False)
        return await asyncssh.connect(
            *address,
            sock=sock,
            config=None,
            known_hosts=read_known_hosts(settings.known_hosts),
            client_factory=lambda: client,
            username=USER_NAME,
            agent_path=None,
            gss_host=None,
            password=None,
            keepalive_interval=15,
            **authentication,
        )
    except asyncssh.HostKeyNotVerifiable:
        raise
    except asyncssh.PermissionDenied:
        raise _refused(client) from None
    except (TimeoutError, asyncssh.TimeoutError):
        raise UnavailableError(f"{where} does not answer; {AGAIN}") from None
    except socket.gaierror as error:
        raise UnavailableError(f"cannot find {settings.server.host}: {reason(error)}") from None
    except OSError as error:
        raise UnavailableError(f"cannot connect to {where}: {reason(error)}; is the bastion running?") from None
    except asyncssh.Error as error:
        raise UnavailableError(f"the connection to {where} broke: {safe(reason(error))}; {AGAIN}") from None


def _refused(client: DoorClient) -> BastionError:
    if not client.refusals:
        return LoginError("the bastion did not accept your certificate; run: bastion login")
    message = client.refusals[-1]
    return UnavailableError(message) if AGAIN in message else LoginError(message)


async def forward(context: LocalContext) -> int:
    """Run the command line on the bastion as the holder of the certificate, and return its exit status."""
    terminal = context.terminal
    settings = load_settings(context.options, context.environment, context.home)
    credentials = load_credentials(
        settings.identity, settings.certificate, datetime.now(UTC), passphrase(settings, terminal)
    )
    async with connect(settings, terminal, DoorClient(), **by_certificate(credentials)) as connection:
        return await relay(connection, shlex.join(context.arguments), terminal)


def by_certificate(credentials: Credentials) -> dict[str, Any]:
    """Return asyncssh's options for a login with a certificate and nothing else."""
    return {
        "client_keys": [(credentials.key, credentials.certificate)],
        "preferred_auth": "publickey",
        "login_timeout": 30,
    }


def passphrase(settings: Settings, terminal: LocalTerminal) -> Any:
    """Return the function that asks for the key's passphrase, or None where nobody can answer."""
    if not terminal.can_ask():
        return None
    return lambda: terminal.ask(f"Passphrase for {settings.identity}: ", echo=False)


class _Relay(asyncssh.SSHClientSession[bytes]):
    """Writes what the channel brings to the local streams."""

    def __init__(self, terminal: LocalTerminal) -> None:
        self._terminal = terminal
        self.ended = asyncio.Event()
        self.unread = False

    def data_received(self, data: bytes, datatype: asyncssh.DataType) -> None:
        write = self._terminal.error if datatype == asyncssh.EXTENDED_DATA_STDERR else self._terminal.write
        try:
            write(data)
        except BrokenPipeError:  # `| head` has seen enough
            self.unread = True
            self.ended.set()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self.ended.set()


async def relay(connection: asyncssh.SSHClientConnection, line: str, terminal: LocalTerminal) -> int:
    """Run one command line in a session channel; on a terminal with a PTY in raw mode that follows the window."""
    interactive = terminal.is_tty
    session = _Relay(terminal)
    try:
        channel, _ = await connection.create_session(
            lambda: session,
            line,
            encoding=None,
            term_type=(terminal.term or "dumb") if interactive else None,
            term_size=_window(terminal) if interactive else (),
        )
    except asyncssh.Error as error:
        raise BastionError(f"the bastion refused the command: {safe(reason(error))}") from None
    async with asyncio.TaskGroup() as tasks:
        if interactive:
            with raw(lambda: channel.change_terminal_size(*_window(terminal))):
                keys = tasks.create_task(_send_keys(terminal, channel))
                await session.ended.wait()
                keys.cancel()
        else:
            channel.write_eof()
            await session.ended.wait()
    status = 1 if session.unread else channel.get_exit_status()
    if status is None:
        if interactive:  # whatever was drawn there cannot be taken back by the bastion any more
            terminal.write(PLAIN_SCREEN)
        raise UnavailableError(f"the connection to the bastion was lost; {AGAIN}")
    return status


async def _send_keys(terminal: LocalTerminal, channel: asyncssh.SSHClientChannel[bytes]) -> None:
    while data := await terminal.read():
        channel.write(data)
    channel.write_eof()


def _window(terminal: LocalTerminal) -> tuple[int, int]:
    return terminal.columns, terminal.rows
