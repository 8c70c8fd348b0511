"""The user's key and certificate on their own machine: read, created, stored beside each other, put into ssh-agent.

File names are OpenSSH's: `FILE`, `FILE.pub`, `FILE-cert.pub`. Private keys are created with mode 0600 and never
replaced. Nothing is verified here; what a certificate says is taken as a hint for messages only.
"""

import json
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import asyncssh

from bastion.auth.certificate import IDENTITY_EXTENSION
from bastion.auth.wire import CertificateFields, Reader, WireError, decode
from bastion.errors import LoginError

RENEW = "run: bastion login"


@dataclass(frozen=True, slots=True)
class Credentials:
    """A private key and the certificate over it."""

    key: asyncssh.SSHKey
    certificate: asyncssh.SSHCertificate


def load_credentials(
    identity: Path, certificate: Path, now: datetime, ask_passphrase: Callable[[], str] | None
) -> Credentials:
    """Read both files, or raise LoginError that says what is missing and what to run."""
    try:
        signed = asyncssh.read_certificate(str(certificate))
    except FileNotFoundError:
        raise LoginError(f"there is no certificate {certificate}; {RENEW}") from None
    except (OSError, asyncssh.KeyImportError) as error:
        raise LoginError(f"{certificate}: {reason(error)}; {RENEW}") from None
    key = load_key(identity, ask_passphrase)
    if signed.key.public_data != key.convert_to_public().public_data:
        raise LoginError(f"{certificate} belongs to another key than {identity}; {RENEW}")
    expires = describe(signed).expires
    if now >= expires:
        raise LoginError(f"your certificate expired at {expires:%Y-%m-%dT%H:%M:%SZ}; {RENEW}")
    return Credentials(key, signed)


def load_key(path: Path, ask_passphrase: Callable[[], str] | None) -> asyncssh.SSHKey:
    """Read a private key; one with a passphrase is asked for where somebody can answer."""
    try:
        try:
            return asyncssh.read_private_key(str(path))
        except (asyncssh.KeyEncryptionError, asyncssh.KeyImportError) as error:
            if not isinstance(error, asyncssh.KeyEncryptionError) and "assphrase" not in str(error):
                raise
            if ask_passphrase is None:
                raise LoginError(f"{path} needs a passphrase; run this on a terminal") from None
            return asyncssh.read_private_key(str(path), ask_passphrase())
    except FileNotFoundError:
        raise LoginError(f"there is no key {path}; {RENEW}") from None
    except asyncssh.KeyEncryptionError:
        raise LoginError(f"{path}: that is not its passphrase") from None
    except (OSError, asyncssh.KeyImportError) as error:
        raise LoginError(f"{path}: {reason(error)}") from None


def create_key(path: Path) -> asyncssh.SSHKey:
    """Create an Ed25519 key in a file that must not be there yet, with its `.pub`; the folder gets mode 0700."""
    key = asyncssh.generate_private_key("ssh-ed25519", comment=f"bastion login {datetime.now(UTC):%Y-%m-%d}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(key.export_private_key("openssh"))
        replace(path.with_name(f"{path.name}.pub"), key.export_public_key("openssh"))
    except OSError as error:
        raise LoginError(f"{error.filename or path}: {reason(error)}") from None
    return key


def store_certificate(path: Path, line: str, key: asyncssh.SSHKey) -> asyncssh.SSHCertificate:
    """Check that a line is a certificate over this key, and put it into the file, whole or not at all."""
    try:
        certificate = asyncssh.import_certificate(line)
    except asyncssh.KeyImportError as error:
        raise LoginError(f"the bastion's answer is no certificate: {reason(error)}") from None
    if certificate.key.public_data != key.convert_to_public().public_data:
        raise LoginError("the bastion certified another key than yours; nothing was stored")
    try:
        replace(path, line.strip().encode() + b"\n")
    except OSError as error:
        raise LoginError(f"{path}: {reason(error)}") from None
    return certificate


def replace(path: Path, content: bytes) -> None:
    """Put content into a file of mode 0644 in one step, so that no reader sees half of it."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


async def add_to_agent(socket: str, credentials: Credentials, lifetime: int) -> None:
    """Put key and certificate into ssh-agent for as long as the certificate lives; raises OSError or ValueError."""
    async with asyncssh.connect_agent(socket) as agent:
        await agent.add_keys([(credentials.key, credentials.certificate)], lifetime=lifetime)


@dataclass(frozen=True, slots=True)
class Description:
    """What a certificate says of its holder, unverified."""

    name: str
    groups: tuple[str, ...]
    expires: datetime


def describe(certificate: asyncssh.SSHCertificate) -> Description:
    """Read a certificate for a message; raises LoginError where it cannot be read."""
    try:
        fields = decode(certificate.public_data).fields
        expires = datetime.fromtimestamp(min(fields.valid_before, 253402300799), UTC)  # 9999-12-31, "forever"
        return Description(", ".join(fields.principals), _groups(fields), expires)
    except (WireError, ValueError) as error:
        raise LoginError(f"the certificate cannot be read: {error}; {RENEW}") from None


def _groups(fields: CertificateFields) -> tuple[str, ...]:
    packed = dict(fields.extensions).get(IDENTITY_EXTENSION)
    if packed is None:
        return ()
    carried = json.loads(Reader(packed).text())
    return tuple(str(group) for group in carried.get("groups", ())) if isinstance(carried, dict) else ()


def reason(error: Exception) -> str:
    """Return the cause of an error as the middle of a line: lower case, no full stop."""
    text = (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
    text = text.strip().rstrip(".") or type(error).__name__
    return text[:1].lower() + text[1:]
