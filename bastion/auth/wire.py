"""OpenSSH certificates as bytes: a strict reader and a writer (OpenSSH's PROTOCOL.certkeys).

asyncssh reads certificates too, but it drops extensions it does not know, does not tell a repeated option from a
single one, and cannot write an extension of our own. This module neither verifies nor decides: what it returns is
what the bytes say. Its limits are below; nothing longer is looked at.
"""

from collections.abc import Callable
from dataclasses import dataclass

MAX_CERTIFICATE = 64 * 1024  # bytes of a whole certificate
MAX_PRINCIPALS = 256  # as OpenSSH's SSHKEY_CERT_MAX_PRINCIPALS
USER_CERTIFICATE = 1

# certificate's algorithm: (key's algorithm, how many strings or mpints its public part has)
KEY_LAYOUTS = {
    "ssh-ed25519-cert-v01@openssh.com": ("ssh-ed25519", 1),
    "ecdsa-sha2-nistp256-cert-v01@openssh.com": ("ecdsa-sha2-nistp256", 2),
    "ecdsa-sha2-nistp384-cert-v01@openssh.com": ("ecdsa-sha2-nistp384", 2),
    "ecdsa-sha2-nistp521-cert-v01@openssh.com": ("ecdsa-sha2-nistp521", 2),
    "ssh-rsa-cert-v01@openssh.com": ("ssh-rsa", 2),
    "sk-ssh-ed25519-cert-v01@openssh.com": ("sk-ssh-ed25519@openssh.com", 2),
    "sk-ecdsa-sha2-nistp256-cert-v01@openssh.com": ("sk-ecdsa-sha2-nistp256@openssh.com", 3),
}
CERTIFICATE_ALGORITHMS = {key: certificate for certificate, (key, _) in KEY_LAYOUTS.items()}


class WireError(ValueError):
    """The bytes are not what they should be."""


@dataclass(frozen=True, slots=True)
class CertificateFields:
    """What a certificate says. Times are Unix seconds; options are (name, value) in order, values still packed.

    `public_key` and `signature_key` are whole public key blobs, with the algorithm's name in front.
    """

    nonce: bytes
    public_key: bytes
    serial: int
    type: int
    key_id: str
    principals: tuple[str, ...]
    valid_after: int
    valid_before: int
    critical_options: tuple[tuple[str, bytes], ...]
    extensions: tuple[tuple[str, bytes], ...]
    signature_key: bytes


@dataclass(frozen=True, slots=True)
class SignedFields:
    """A certificate taken apart: `signature` covers `signed`, which is where `fields` were read from."""

    fields: CertificateFields
    signed: bytes
    signature: bytes


class Reader:
    """Reads SSH's data types (RFC 4251, section 5) from bytes; raises WireError where they end too early."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.position = 0

    def __bool__(self) -> bool:
        return self.position < len(self._data)

    def number(self, size: int) -> int:
        """Read an unsigned number of `size` bytes."""
        return int.from_bytes(self._take(size), "big")

    def string(self) -> bytes:
        """Read one string, or the bytes of one mpint."""
        return self._take(self.number(4))

    def text(self) -> str:
        """Read one string of UTF-8."""
        try:
            return self.string().decode()
        except UnicodeDecodeError:
            raise WireError("a text is not UTF-8") from None

    def end(self) -> None:
        """Raise WireError unless everything was read."""
        if self:
            raise WireError("bytes are left over")

    def _take(self, size: int) -> bytes:
        if size > len(self._data) - self.position:
            raise WireError("the bytes end too early")
        self.position += size
        return self._data[self.position - size : self.position]


def string(value: bytes | str) -> bytes:
    """Pack one string (RFC 4251, section 5)."""
    data = value.encode() if isinstance(value, str) else value
    return len(data).to_bytes(4, "big") + data


def encode(fields: CertificateFields, sign: Callable[[bytes], bytes]) -> bytes:
    """Write a certificate; `sign` gets the bytes to sign and returns an SSH signature blob."""
    key = Reader(fields.public_key)
    algorithm = CERTIFICATE_ALGORITHMS[key.text()]
    signed = b"".join(
        (
            string(algorithm),
            string(fields.nonce),
            fields.public_key[key.position :],
            fields.serial.to_bytes(8, "big"),
            fields.type.to_bytes(4, "big"),
            string(fields.key_id),
            string(b"".join(string(principal) for principal in fields.principals)),
            fields.valid_after.to_bytes(8, "big"),
            fields.valid_before.to_bytes(8, "big"),
            string(_pack_options(fields.critical_options)),
            string(_pack_options(fields.extensions)),
            string(b""),
            string(fields.signature_key),
        )
    )
    return signed + string(sign(signed))


def decode(blob: bytes) -> SignedFields:
    """Take a certificate apart, or raise WireError. Nothing is verified."""
    if len(blob) > MAX_CERTIFICATE:
        raise WireError(f"longer than {MAX_CERTIFICATE} bytes")
    reader = Reader(blob)
    algorithm = reader.text()
    if algorithm not in KEY_LAYOUTS:
        raise WireError(f"algorithm {algorithm[:80]!r} is not taken")
    key_algorithm, parts = KEY_LAYOUTS[algorithm]
    nonce = reader.string()
    public_key = string(key_algorithm) + b"".join(string(reader.string()) for _ in range(parts))
    serial, kind = reader.number(8), reader.number(4)
    key_id, principals = reader.text(), _unpack_principals(reader.string())
    valid_after, valid_before = reader.number(8), reader.number(8)
    critical_options, extensions = _unpack_options(reader.string()), _unpack_options(reader.string())
    reader.string()  # reserved: "the reserved field is currently unused and is ignored in this version"
    signature_key = reader.string()
    signed = blob[: reader.position]
    signature = reader.string()
    reader.end()
    fields = CertificateFields(
        nonce=nonce,
        public_key=public_key,
        serial=serial,
        type=kind,
        key_id=key_id,
        principals=principals,
        valid_after=valid_after,
        valid_before=valid_before,
        critical_options=critical_options,
        extensions=extensions,
        signature_key=signature_key,
    )
    return SignedFields(fields, signed, signature)


def _pack_options(options: tuple[tuple[str, bytes], ...]) -> bytes:
    return b"".join(string(name) + string(value) for name, value in options)


def _unpack_options(data: bytes) -> tuple[tuple[str, bytes], ...]:
    reader = Reader(data)
    options: list[tuple[str, bytes]] = []
    while reader:
        option = (reader.text(), reader.string())
        if options and option[0] <= options[-1][0]:
            raise WireError("options are out of order or repeated")
        options.append(option)
    return tuple(options)


def _unpack_principals(data: bytes) -> tuple[str, ...]:
    reader = Reader(data)
    principals: list[str] = []
    while reader:
        if len(principals) == MAX_PRINCIPALS:
            raise WireError(f"more than {MAX_PRINCIPALS} principals")
        principals.append(reader.text())
    return tuple(principals)
