"""What the tests of auth share: keys made once, an identity, and certificates forged field by field."""

import functools
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import asyncssh

from bastion.auth.authority import IssuedCertificate, UserAuthority
from bastion.auth.wire import CertificateFields, decode, encode
from bastion.config.schema import CertificateConfig
from bastion.model import Identity, Kind

NOW = datetime(2026, 11, 22, 12, 0, 0, 250_000, tzinfo=UTC)
CONFIG = CertificateConfig(lifetime=timedelta(hours=8), agent_lifetime=timedelta(minutes=15))
ALICE = Identity("alice@example.org", "corp", "s-1|ä", ("eng", "Größe 2/äöü"), Kind.HUMAN, 0, NOW + timedelta(hours=1))


@functools.cache
def key(name: str, algorithm: str = "ssh-ed25519", size: int = 2048) -> asyncssh.SSHKey:
    """Return a private key that is the same each time it is asked for by this name."""
    assert name
    if algorithm == "ssh-rsa":
        return asyncssh.generate_private_key(algorithm, key_size=size)
    return asyncssh.generate_private_key(algorithm)


def issue(
    identity: Identity = ALICE, user_key: asyncssh.SSHKey | None = None, now: datetime = NOW, serial: int = 7
) -> IssuedCertificate:
    """Issue a certificate of the user_ca `key("user_ca")`."""
    user_key = user_key or key("alice")
    return UserAuthority(key("user_ca"), CONFIG).issue(identity, user_key.convert_to_public(), now, serial)


def blob(issued: IssuedCertificate) -> bytes:
    """Return the bytes of an issued certificate."""
    return asyncssh.import_certificate(issued.line).public_data


def sign_with(name: str) -> Callable[[bytes], bytes]:
    """Return what signs as the key of this name."""
    return lambda data: key(name).sign(data, b"ssh-ed25519")


def forge(ca: str = "user_ca", **changes: object) -> bytes:
    """Return alice's certificate with some fields changed, properly signed by the named key."""
    fields: CertificateFields = replace(decode(blob(issue())).fields, signature_key=key(ca).public_data)
    return encode(replace(fields, **changes), sign_with(ca))  # type: ignore[arg-type]  # the table's values vary
