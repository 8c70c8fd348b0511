"""Logging in: keyboard-interactive to the bastion, then its command `login` with the public key on standard input.

The first hop is authenticated by the proof alone, without certificate. The token goes from file to server: never onto
a command line, a screen or a log.
"""

import sys
from collections.abc import Sequence
from enum import Enum, auto

import asyncssh

from bastion.errors import BastionError, ConfigError, LoginError
from bastion.model import utcnow
from cli.client import DoorClient, connect, passphrase
from cli.console import Console, moment, safe
from cli.credentials import Credentials, add_to_agent, create_key, describe, load_key, reason, store_certificate
from cli.local import LocalContext, LocalTerminal
from cli.settings import Settings, load_settings

TOKEN_MAX = 64 * 1024  # bytes
LOGIN_SECONDS = 1800  # a person in a browser; issuers' codes expire before
CERTIFICATE_MAX = 128 * 1024


class Method(Enum):
    """How to prove who one is."""

    ANY = auto()  # a token where the environment holds one, else in a browser
    DEVICE = auto()
    TOKEN = auto()


class LoginClient(DoorClient):
    """Answers the bastion's questions: a token once asked for it, nothing while a browser is waited for."""

    def __init__(self, terminal: LocalTerminal, token: str, issuer: str) -> None:
        super().__init__()
        self._terminal = terminal
        self._token = token
        self._issuer = issuer
        self._tried = False
        self.problem: BastionError | None = None

    def kbdint_auth_requested(self) -> str | None:
        """Say how, once; a refused proof is not sent again."""
        if self._tried:
            return None
        self._tried = True
        method = "bastion-token" if self._token else "bastion-device"
        return f"{method}:{self._issuer}" if self._issuer else method

    def kbdint_challenge_received(
        self, name: str, instructions: str, lang: str, prompts: Sequence[tuple[str, bool]]
    ) -> list[str] | None:
        """Show what the server says and answer what it asks."""
        del name, lang
        for line in instructions.splitlines():
            self._terminal.error(f"{safe(line)}\n".encode())
        return self._answer(prompts)

    def _answer(self, prompts: Sequence[tuple[str, bool]]) -> list[str] | None:
        if not prompts:
            return []
        if self._token and len(prompts) == 1 and prompts[0][0].strip() == "Token:":
            return [self._token]
        if self._token or not self._terminal.can_ask():
            asked = ", ".join(safe(prompt.strip(" :")) for prompt, _ in prompts)
            hint = "; name one with --issuer" if asked.startswith("Issuer") else ""
            self.problem = ConfigError(f"the bastion asks for what cannot be answered here: {asked}{hint}")
            return None
        return [self._terminal.ask(prompt, echo=echo) for prompt, echo in prompts]


async def login(context: LocalContext, method: Method, *, token_file: str | None, issuer: str | None) -> int:
    """Obtain, store and announce a certificate; returns the exit status."""
    settings = load_settings(context.options, context.environment, context.home)
    terminal = context.terminal
    token = _token(context, method, token_file)
    key = _key(settings, terminal)
    client = LoginClient(terminal, token, issuer or settings.issuer)
    options = {"client_keys": None, "preferred_auth": "keyboard-interactive", "login_timeout": LOGIN_SECONDS}
    try:
        async with connect(settings, terminal, client, **options) as connection:
            line = await _certify(connection, key, terminal)
    except BastionError:
        if client.problem is not None:
            raise client.problem from None
        raise
    certificate = store_certificate(settings.certificate, line, key)
    await _tell_agent(context, Credentials(key, certificate))
    who = describe(certificate)
    groups = f" ({', '.join(who.groups)})" if who.groups else ""
    Console(terminal).line(f"logged in as {who.name}{groups} until {moment(who.expires)}")
    return 0


async def _certify(connection: asyncssh.SSHClientConnection, key: asyncssh.SSHKey, terminal: LocalTerminal) -> str:
    """Send the public key to the bastion's command `login` and return the certificate's line."""
    public = key.export_public_key("openssh").decode()
    try:
        done = await connection.run("login", input=public, check=False, errors="replace")
    except asyncssh.Error as error:
        raise LoginError(f"the bastion refused to issue a certificate: {safe(reason(error))}") from None
    out, err = str(done.stdout or ""), str(done.stderr or "")
    if done.exit_status != 0:
        said = [line.removeprefix("bastion: ") for line in err.splitlines() if line.strip()]
        raise LoginError(said[-1] if said else "the bastion issued no certificate; its log has the reason")
    for line in err.splitlines():
        terminal.error(f"{safe(line)}\n".encode())
    if len(out) > CERTIFICATE_MAX:
        raise LoginError("the bastion's answer is no certificate: it is too long")
    return out


def _key(settings: Settings, terminal: LocalTerminal) -> asyncssh.SSHKey:
    if settings.identity.exists():
        return load_key(settings.identity, passphrase(settings, terminal))
    key = create_key(settings.identity)
    terminal.error(f"bastion: created the key {safe(str(settings.identity))}\n".encode())
    return key


def _token(context: LocalContext, method: Method, file: str | None) -> str:
    """Return the token to log in with, empty for a login in a browser."""
    if method is Method.DEVICE:
        return ""
    if file is None:
        return context.environment.get("BASTION_ID_TOKEN", "").strip()
    try:
        with open(sys.stdin.fileno() if file == "-" else file, "rb", closefd=file != "-") as stream:
            content = stream.read(TOKEN_MAX + 1)
    except OSError as error:
        raise ConfigError(f"{file}: {reason(error)}") from None
    where = "standard input" if file == "-" else file
    token = content.decode("ascii", "replace").strip()
    if not token or len(content) > TOKEN_MAX or not token.isprintable() or " " in token:
        raise ConfigError(f"{where} holds no token: one line such as eyJ… is needed")
    return token


async def _tell_agent(context: LocalContext, credentials: Credentials) -> None:
    """Put the new certificate into ssh-agent; one that cannot take it costs a warning only."""
    socket = context.environment.get("SSH_AUTH_SOCK", "")
    if not socket:
        return
    lifetime = int((describe(credentials.certificate).expires - utcnow()).total_seconds())
    try:
        await add_to_agent(socket, credentials, max(1, lifetime))
    except (OSError, ValueError, asyncssh.Error) as error:
        Console(context.terminal).error(f"warning: ssh-agent did not take the certificate: {reason(error)}")
