"""A presented user certificate becomes an Identity, or a LoginError.

Everything about the certificate is decided here, from its bytes: what an SSH library checked before does not count.
That the client holds the private key is for the door to see to (by the signature of the login), and whether the
serial was revoked is for the store. The user reads one constant text; the log gets the precise reason.

The identity travels in an extension of our own, `identity@ssh-bastion`, as JSON, so that no look-up is needed and any
node with the same CA understands it. OpenSSH ignores extensions it does not know.
"""

import json
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import asyncssh

from bastion.auth.spelling import check_groups, check_name, check_subject, quoted
from bastion.auth.userkeys import check_key_blob
from bastion.auth.wire import USER_CERTIFICATE, CertificateFields, Reader, decode, string
from bastion.errors import LoginError
from bastion.model import Identity, Kind
from bastion.names import is_plain_name

IDENTITY_EXTENSION = "identity@ssh-bastion"
REFUSAL = "the certificate is not accepted; run bastion login to get a new one"
MAX_SERIAL = 2**63 - 1  # what a database's signed integer holds
_VERSION = 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def identify(
    certificate: asyncssh.SSHCertificate | bytes, user_ca: asyncssh.SSHKey, peer_address: str, now: datetime
) -> Identity:
    """Return who a user certificate speaks for, or raise LoginError (constant text; `log` says why).

    `certificate` may be the raw blob. `user_ca` may be the private or the public key. `peer_address` is the IP address
    the client comes from, as the socket says it.
    """
    blob = certificate if isinstance(certificate, bytes) else certificate.public_data
    try:
        return _identify(blob, user_ca, peer_address, now)
    except ValueError as error:
        raise LoginError(REFUSAL, log=f"certificate refused: {error}") from None


def encode_identity(identity: Identity) -> bytes:
    """Return the identity as the packed value of our extension."""
    carried = {
        "v": _VERSION,
        "issuer": identity.issuer,
        "subject": identity.subject,
        "name": identity.name,
        "groups": identity.groups,
        "kind": identity.kind.value,
    }
    return string(json.dumps(carried, ensure_ascii=True, separators=(",", ":")))


def _identify(blob: bytes, user_ca: asyncssh.SSHKey, peer_address: str, now: datetime) -> Identity:
    certificate = decode(blob)
    fields = certificate.fields
    # Byte for byte, and before any arithmetic: a certificate in the place of the CA's key can never be equal to it.
    if fields.signature_key != user_ca.public_data:
        raise ValueError("it was not signed by this bastion's user_ca")
    if not user_ca.convert_to_public().verify(certificate.signed, certificate.signature):
        raise ValueError("its signature is wrong")
    if fields.type != USER_CERTIFICATE:
        raise ValueError("it is not a user certificate")
    check_key_blob(fields.public_key)
    if not 0 < fields.serial <= MAX_SERIAL:
        raise ValueError(f"its serial number {fields.serial} was never issued")
    expires = _check_window(fields, now)
    _check_options(fields, peer_address)
    identity = _carried_identity(fields, expires)
    if fields.principals != (identity.name,):
        raise ValueError(f"its principals {quoted(','.join(fields.principals))} are not its identity's name")
    return identity


def _check_window(fields: CertificateFields, now: datetime) -> datetime:
    seconds = (now - _EPOCH) / timedelta(seconds=1)
    if seconds < fields.valid_after:
        raise ValueError("it is not valid yet")
    if seconds >= fields.valid_before:
        raise ValueError("it has expired")
    try:
        return _EPOCH + timedelta(seconds=fields.valid_before)
    except OverflowError:
        raise ValueError("it never expires") from None


def _check_options(fields: CertificateFields, peer_address: str) -> None:
    for name, value in fields.critical_options:
        # force-command is among those refused: this bastion never issues it and would not carry it out.
        if name != "source-address":
            raise ValueError(f"critical option {quoted(name)} is not supported")
        packed = Reader(value)
        networks = packed.text()
        packed.end()
        peer = _peer(peer_address)
        if not any(peer in ip_network(network) for network in networks.split(",")):
            raise ValueError(f"it may not be used from {quoted(peer_address)}")


def _peer(address: str) -> IPv4Address | IPv6Address:
    peer = ip_address(address.partition("%")[0])
    mapped = peer.ipv4_mapped if isinstance(peer, IPv6Address) else None
    return mapped or peer


def _carried_identity(fields: CertificateFields, expires: datetime) -> Identity:
    packed = dict(fields.extensions).get(IDENTITY_EXTENSION)
    if packed is None:
        raise ValueError(f"it carries no {IDENTITY_EXTENSION}")
    reader = Reader(packed)
    text = reader.text()
    reader.end()
    try:
        carried = json.loads(text)
    except RecursionError:
        raise ValueError(f"its {IDENTITY_EXTENSION} is nested too deeply") from None
    match carried:
        case {
            "v": 1,
            "issuer": str(issuer),
            "subject": str(subject),
            "name": str(name),
            "groups": [*groups],
            "kind": str(kind),
        } if len(carried) == 6:
            texts = tuple(group for group in groups if isinstance(group, str))
            if len(texts) != len(groups):
                raise ValueError(f"its {IDENTITY_EXTENSION} holds a group that is no text")
            if not is_plain_name(issuer):
                raise ValueError(f"its issuer is called {quoted(issuer)}")
            return Identity(
                name=check_name(name),
                issuer=issuer,
                subject=check_subject(subject),
                groups=check_groups(texts),
                kind=Kind(kind),
                serial=fields.serial,
                expires=expires,
            )
        case _:
            raise ValueError(f"its {IDENTITY_EXTENSION} is not of version {_VERSION}")
