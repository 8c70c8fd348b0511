"""A bastion's door as the CLI meets it: a real asyncssh server on loopback around a `World`, and laptops that call it.

Logging in answers as the contract with the server says; everything behind it is the product's own code.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import asyncssh

from bastion.auth.authority import HostAuthority, UserAuthority
from bastion.config.schema import CertificateConfig
from bastion.door.console import Console
from bastion.model import Identity
from cli.server import run_command
from tests.cli.world import ALICE, Ran, World

PROGRAM = str(Path(sys.executable).with_name("bastion"))
TOKEN = "eyJhbGciOi.a-token-that-is-never-shown.c2ln"

Challenge = bool | tuple[str, str, str, Sequence[tuple[str, bool]]]


@dataclass
class Door:
    """The server. What it shall do stands in the first fields, what it saw in the last ones."""

    world: World
    who: Identity = ALICE
    issuers: Sequence[str] = ("corp",)
    refusal: str = ""
    answer: str = ""  # instead of a certificate
    port: int = 0
    user_ca: asyncssh.SSHKey = field(default_factory=lambda: asyncssh.generate_private_key("ssh-ed25519"))
    host_ca: asyncssh.SSHKey = field(default_factory=lambda: asyncssh.generate_private_key("ssh-ed25519"))
    host_key: asyncssh.SSHKey = field(default_factory=lambda: asyncssh.generate_private_key("ssh-ed25519"))
    submethods: list[str] = field(default_factory=list)
    answers: list[list[str]] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    terminals: list[tuple[str, int, int]] = field(default_factory=list)
    connections: list[asyncssh.SSHServerConnection] = field(default_factory=list)

    def hang_up(self) -> None:
        """Cut every connection, as a server that is killed does."""
        for connection in self.connections:
            connection.abort()

    @property
    def host_ca_line(self) -> str:
        """The CA's public key as known_hosts has it."""
        return " ".join(self.host_ca.export_public_key("openssh").decode().split()[:2])

    def certify(self, key: asyncssh.SSHKey, now: datetime | None = None) -> str:
        """Return the line of a certificate over somebody's public key."""
        proven = Identity(**{name: getattr(self.who, name) for name in self.who.__slots__} | {"serial": 0})
        authority = UserAuthority(self.user_ca, CertificateConfig())
        return authority.issue(proven, key, now or datetime.now(UTC), 4711).line

    async def work(self, command: str, terminal: Console) -> int:
        """Run a command line, as the server does."""
        self.commands.append(command)
        if terminal.is_tty:
            self.terminals.append((terminal.term, terminal.columns, terminal.rows))
        if command == "login":
            public = b""
            while data := await terminal.read():
                public += data
            terminal.write((self.answer or self.certify(asyncssh.import_public_key(public))).encode() + b"\n")
            return 0
        return await run_command(command, self.world.control(self.who), terminal)


class _Server(asyncssh.SSHServer):
    def __init__(self, door: Door) -> None:
        self._door = door
        self._connection: asyncssh.SSHServerConnection | None = None

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn
        self._door.connections.append(conn)

    def begin_auth(self, username: str) -> bool:
        assert self._connection is not None
        authority = self._door.user_ca.export_public_key("openssh").decode()
        line = f'cert-authority,principals="{self._door.who.name}" {authority}'
        self._connection.set_authorized_keys(asyncssh.import_authorized_keys(line))
        return True

    def kbdint_auth_supported(self) -> bool:
        return True

    def get_kbdint_challenge(self, username: str, lang: str, submethods: str) -> Challenge:
        self._door.submethods.append(submethods)
        if submethods.startswith("bastion-token"):
            return "bastion login", "", "", [("Token: ", False)]
        if ":" not in submethods and len(self._door.issuers) > 1:
            return "bastion login", "", "", [(f"Issuer ({', '.join(self._door.issuers)}): ", True)]
        return "bastion login", "open https://idp.example/device and compare ABCD-EFGH", "", []

    def validate_kbdint_response(self, username: str, responses: Sequence[str]) -> Challenge:
        assert self._connection is not None
        self._door.answers.append(list(responses))
        if self._door.refusal:
            self._connection.send_auth_banner(f"bastion: {self._door.refusal}\n")
            return False
        return True

    def session_requested(self) -> Console:
        return Console(self._door.work)


@asynccontextmanager
async def open_door(world: World) -> AsyncIterator[Door]:
    """Listen on a free port of loopback."""
    door = Door(world)
    certificate = HostAuthority(door.host_ca).certify(door.host_key, ["127.0.0.1", "localhost"], datetime.now(UTC))
    server = await asyncssh.listen(
        "127.0.0.1",
        0,
        server_factory=lambda: _Server(door),
        server_host_keys=[(door.host_key, certificate)],
        encoding=None,
        line_editor=False,
        password_auth=False,
    )
    door.port = server.get_port()
    try:
        yield door
    finally:
        server.close()
        await server.wait_closed()


class Laptop:
    """A home folder and the program `bastion`."""

    def __init__(self, home: Path, door: Door) -> None:
        home.mkdir()
        self.home = home
        self.door = door
        self.key = home / ".ssh" / "id_ed25519"
        self.certificate = home / ".ssh" / "id_ed25519-cert.pub"
        self.known_hosts = home / ".ssh" / "known_hosts"
        self.settings = home / ".config" / "bastion" / "client.toml"
        self.settings.parent.mkdir(parents=True)
        self.settings.write_text(f'server = "127.0.0.1:{door.port}"\n')
        self.known_hosts.parent.mkdir(mode=0o700)

    def trust(self) -> None:
        """Put the host CA into known_hosts."""
        self.known_hosts.write_text(f"@cert-authority * {self.door.host_ca_line}\n")

    def sign_in(self, now: datetime | None = None) -> None:
        """Put a key and a certificate in place without a login."""
        self.trust()
        key = asyncssh.generate_private_key("ssh-ed25519")
        key.write_private_key(str(self.key))
        self.certificate.write_text(self.door.certify(key, now) + "\n")

    def environment(self, more: Mapping[str, str]) -> dict[str, str]:
        """Return the program's environment: its own home, nothing of the caller's."""
        return {"HOME": str(self.home), "PATH": os.environ["PATH"], "TERM": "xterm-256color"} | dict(more)

    async def run(self, *arguments: str, stdin: bytes = b"", **environment: str) -> Ran:
        """Run `bastion …` to its end, without a terminal."""
        process = await asyncio.create_subprocess_exec(
            PROGRAM,
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=self.environment(environment),
            cwd=self.home,
        )
        async with asyncio.timeout(30):
            out, err = await process.communicate(stdin)
        assert process.returncode is not None
        return Ran(process.returncode, out.decode(), err.decode())
