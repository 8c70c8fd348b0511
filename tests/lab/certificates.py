"""Forged user certificates: a real one, taken apart (PROTOCOL.certkeys of OpenSSH), changed in one field, signed anew.

Only for attacks in tests. Works on ssh-ed25519-cert-v01@openssh.com alone.
"""

import base64
import struct
from dataclasses import dataclass, replace
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_ssh_private_key

ALGORITHM = b"ssh-ed25519-cert-v01@openssh.com"


@dataclass(frozen=True, slots=True)
class Certificate:
    """The fields of a certificate, in their order on the wire. `after` and `before` are seconds since 1970."""

    nonce: bytes
    key: bytes
    serial: int
    type: int
    key_id: bytes
    principals: tuple[bytes, ...]
    after: int
    before: int
    critical: bytes
    extensions: bytes
    reserved: bytes

    def signed(self, ca: Path) -> str:
        """Return the certificate as a line, signed by the private key in the file `ca`."""
        signer = load_ssh_private_key(ca.read_bytes(), None)
        assert isinstance(signer, Ed25519PrivateKey)
        body = b"".join(
            [
                _string(ALGORITHM),
                _string(self.nonce),
                _string(self.key),
                struct.pack(">QI", self.serial, self.type),
                _string(self.key_id),
                _string(b"".join(map(_string, self.principals))),
                struct.pack(">QQ", self.after, self.before),
                _string(self.critical),
                _string(self.extensions),
                _string(self.reserved),
                _string(_blob(signer)),
            ]
        )
        signature = _string(b"ssh-ed25519") + _string(signer.sign(body))
        return f"{ALGORITHM.decode()} {base64.b64encode(body + _string(signature)).decode()} forged\n"


def read(path: Path) -> Certificate:
    """Take a certificate file apart."""
    data = base64.b64decode(path.read_text(encoding="utf-8").split()[1])
    algorithm, data = _take(data)
    assert algorithm == ALGORITHM
    nonce, data = _take(data)
    key, data = _take(data)
    serial, kind = struct.unpack_from(">QI", data)
    key_id, data = _take(data[12:])
    principals, data = _take(data)
    after, before = struct.unpack_from(">QQ", data)
    critical, data = _take(data[16:])
    extensions, data = _take(data)
    reserved, _ = _take(data)
    names = []
    while principals:
        name, principals = _take(principals)
        names.append(name)
    return Certificate(nonce, key, serial, kind, key_id, tuple(names), after, before, critical, extensions, reserved)


def with_key(certificate: Certificate, public: Path) -> Certificate:
    """Return the certificate for another Ed25519 public key, read from its file."""
    _, rest = _take(base64.b64decode(public.read_text(encoding="utf-8").split()[1]))
    return replace(certificate, key=_take(rest)[0])


def _string(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


def _take(data: bytes) -> tuple[bytes, bytes]:
    (size,) = struct.unpack_from(">I", data)
    return data[4 : 4 + size], data[4 + size :]


def _blob(signer: Ed25519PrivateKey) -> bytes:
    return _string(b"ssh-ed25519") + _string(signer.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))
