"""The three certificate authorities: for users, for hosts, and for the bastion itself at its targets.

They sign what they are told and decide nothing about access. Who asks for a user certificate must have proved who they
are just before (see `oidc`): an identity that was itself read from a certificate is refused, so that nobody can
prolong a certificate with a certificate. Lifetimes are counted from `now`, which is an argument.
"""

import base64
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import asyncssh

from bastion.auth.certificate import IDENTITY_EXTENSION, MAX_SERIAL, encode_identity
from bastion.auth.spelling import check_groups, check_name, check_subject
from bastion.auth.userkeys import check_key_blob
from bastion.auth.wire import CERTIFICATE_ALGORITHMS, MAX_CERTIFICATE, USER_CERTIFICATE, CertificateFields, encode
from bastion.config.schema import CertificateConfig
from bastion.errors import LoginError
from bastion.model import Identity, Kind
from bastion.names import is_login, is_plain_name
from bastion.store.base import CertificateRow

CLOCK_SKEW = timedelta(seconds=60)  # how far another machine's clock may be behind ours
HOST_BACKDATE = timedelta(hours=1)  # laptops' clocks are worse than servers'
HOST_LIFETIME = timedelta(days=7)
SIGN_IN_BACKDATE = timedelta(seconds=30)
SIGN_IN_LIFETIME = timedelta(seconds=60)
MAX_HOST_CERTIFICATES = 4096

# What OpenSSH and asyncssh want to see for `-J`, terminals and agents on the way to the bastion; roles decide the rest.
_PERMISSIONS = ("permit-agent-forwarding", "permit-port-forwarding", "permit-pty")


@dataclass(frozen=True, slots=True)
class IssuedCertificate:
    """A user certificate: the line for `FILE-cert.pub` (without newline), and what the store keeps of it."""

    line: str
    row: CertificateRow


def certificate_lifetime(config: CertificateConfig, kind: Kind) -> timedelta:
    """Return how long a login of this kind of user is good for."""
    if kind is Kind.HUMAN:
        return config.lifetime
    return min(config.lifetime, config.agent_lifetime)


class UserAuthority:
    """Issues the certificates that people and agents log in with."""

    def __init__(self, user_ca: asyncssh.SSHKey, config: CertificateConfig) -> None:
        self._ca = user_ca
        self._config = config

    def lifetime(self, kind: Kind) -> timedelta:
        """Return how long a certificate of this kind of user lives."""
        return certificate_lifetime(self._config, kind)

    def issue(self, identity: Identity, public_key: asyncssh.SSHKey, now: datetime, serial: int) -> IssuedCertificate:
        """Sign a certificate over a user's public key, or raise LoginError.

        `serial` is a random number from 1 to MAX_SERIAL that was never used before. The certificate is valid from a
        minute ago until `now` plus the lifetime of its kind, and its one principal is the identity's name.
        """
        if identity.serial:
            raise LoginError("a certificate cannot prolong itself; log in again without it")
        if not 0 < serial <= MAX_SERIAL:
            raise ValueError("a serial number lies between 1 and MAX_SERIAL")
        key_blob = public_key.public_data
        try:
            algorithm = check_key_blob(key_blob)
            fields = self._fields(identity, key_blob, now, serial)
        except ValueError as error:
            raise LoginError(f"no certificate can be issued: {error}") from None
        blob = encode(fields, self._sign)
        if len(blob) > MAX_CERTIFICATE:
            raise LoginError(f"no certificate can be issued: it would be longer than {MAX_CERTIFICATE} bytes")
        line = f"{CERTIFICATE_ALGORITHMS[algorithm]} {base64.b64encode(blob).decode()} {identity.name}"
        row = CertificateRow(
            serial=serial,
            identity=identity.name,
            issuer=identity.issuer,
            subject=identity.subject,
            kind=identity.kind,
            fingerprint=public_key.get_fingerprint(),
            issued=now,
            expires=datetime.fromtimestamp(fields.valid_before, UTC),
        )
        return IssuedCertificate(line, row)

    def _fields(self, identity: Identity, key_blob: bytes, now: datetime, serial: int) -> CertificateFields:
        name, subject = check_name(identity.name), check_subject(identity.subject)
        check_groups(identity.groups)
        if not is_plain_name(identity.issuer):
            raise ValueError("an issuer cannot be called so")
        return CertificateFields(
            nonce=secrets.token_bytes(32),
            public_key=key_blob,
            serial=serial,
            type=USER_CERTIFICATE,
            key_id=f"{identity.issuer}/{name} sub={quote(subject, safe='@:/|')}",
            principals=(name,),
            valid_after=int((now - CLOCK_SKEW).timestamp()),
            valid_before=int((now + self.lifetime(identity.kind)).timestamp()),
            critical_options=(),
            extensions=(
                (IDENTITY_EXTENSION, encode_identity(identity)),
                *((permission, b"") for permission in _PERMISSIONS),
            ),
            signature_key=self._ca.public_data,
        )

    def _sign(self, data: bytes) -> bytes:
        return self._ca.sign(data, b"ssh-ed25519")


class HostAuthority:
    """Certifies host keys: the bastion's own for `server.names`, and the one shown for each ssh target's name."""

    def __init__(self, host_ca: asyncssh.SSHKey) -> None:
        self._ca = host_ca
        self._issued: dict[tuple[bytes, tuple[str, ...]], tuple[datetime, asyncssh.SSHCertificate]] = {}

    def certify(self, host_key: asyncssh.SSHKey, names: Sequence[str], now: datetime) -> asyncssh.SSHCertificate:
        """Return a certificate of this host key for these names, valid for at least half of HOST_LIFETIME from now.

        Names are put in lower case, which is how OpenSSH's client compares them. Certificates are kept and renewed
        half way; whoever holds one for longer than that must ask again.
        """
        principals = tuple(dict.fromkeys(name.lower() for name in names))
        if not principals or any(not name or "," in name or not name.isprintable() for name in principals):
            raise ValueError("a host certificate needs names without commas and control characters")
        place = (host_key.public_data, principals)
        issued, certificate = self._issued.pop(place, (None, None))
        if issued is None or certificate is None or not timedelta(0) <= now - issued < HOST_LIFETIME / 2:
            issued, certificate = now, self._sign(host_key, principals, now)
        self._issued[place] = (issued, certificate)  # last again: the one that was not asked for longest goes first
        while len(self._issued) > MAX_HOST_CERTIFICATES:
            del self._issued[next(iter(self._issued))]
        return certificate

    def _sign(self, host_key: asyncssh.SSHKey, principals: Sequence[str], now: datetime) -> asyncssh.SSHCertificate:
        return self._ca.generate_host_certificate(
            host_key.convert_to_public(),
            f"ssh-bastion host {principals[0]}",
            serial=secrets.randbelow(MAX_SERIAL) + 1,
            principals=list(principals),
            valid_after=int((now - HOST_BACKDATE).timestamp()),
            valid_before=int((now + HOST_LIFETIME).timestamp()),
            comment=None,
        )


@dataclass(frozen=True, slots=True)
class SignIn:
    """A private key made for one connection to a target, and its certificate."""

    key: asyncssh.SSHKey
    certificate: asyncssh.SSHCertificate


class TargetAuthority:
    """Signs the bastion in at targets that trust `target_ca.pub`."""

    def __init__(self, target_ca: asyncssh.SSHKey) -> None:
        self._ca = target_ca

    def sign_in(
        self,
        login: str,
        key_id: str,
        now: datetime,
        *,
        forwards: bool = False,
        agent: bool = False,
        x11: bool = False,
    ) -> SignIn:
        """Return a fresh key and a certificate for this login, valid from 30 s ago for one minute from now.

        `key_id` is what the target's sshd writes into its log: who is behind this login, and which session. What is
        not permitted here the target itself refuses, whatever the bastion would let through.
        """
        if not is_login(login):
            raise ValueError("no login can be spelt so")
        if not key_id.isprintable() or len(key_id) > 512:
            raise ValueError("a key id is one line of at most 512 characters")
        key = asyncssh.generate_private_key("ssh-ed25519")
        certificate = self._ca.generate_user_certificate(
            key.convert_to_public(),
            key_id,
            serial=secrets.randbelow(MAX_SERIAL) + 1,
            principals=[login],
            valid_after=int((now - SIGN_IN_BACKDATE).timestamp()),
            valid_before=int((now + SIGN_IN_LIFETIME).timestamp()),
            permit_x11_forwarding=x11,
            permit_agent_forwarding=agent,
            permit_port_forwarding=forwards,
            comment=None,
        )
        return SignIn(key, certificate)
