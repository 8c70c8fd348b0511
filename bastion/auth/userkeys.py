"""Which public keys users may have, and how one is read from what they paste.

The same limits hold for a key that asks for a certificate and for the key inside a certificate presented. Sizes are
checked before any arithmetic is done with a key. Private keys are refused unread, and never repeated in a message.
"""

import base64
import binascii

import asyncssh

from bastion.auth.spelling import quoted
from bastion.auth.wire import CERTIFICATE_ALGORITHMS, Reader, WireError
from bastion.errors import LoginError

MAX_LINE = 16 * 1024  # characters; an RSA key of 8192 bits takes 1,500
MIN_RSA_BITS = 2048  # certificates live for hours, and NIST SP 800-131A allows 2048 until 2030
MAX_RSA_BITS = 8192
MAX_EXPONENT_BITS = 64


def parse_public_key(text: str) -> asyncssh.SSHKey:
    """Read one line of an OpenSSH public key file, or raise LoginError saying what was given instead."""
    if len(text) > MAX_LINE:
        raise LoginError(
            f"the public key is longer than {MAX_LINE} characters; give one line, the content of a .pub file"
        )
    line = text.strip()
    if not line:
        raise LoginError("no public key was given; pass one on stdin, as in: ssh HOST login < ~/.ssh/id_ed25519.pub")
    if "PRIVATE KEY" in line:
        raise LoginError("that is a private key; keep it secret and give the file that ends in .pub")
    if line.startswith(("-----BEGIN", "---- BEGIN")):
        raise LoginError("the public key is not in OpenSSH format; convert it with: ssh-keygen -i -m PKCS8 -f FILE")
    if len(line.splitlines()) > 1:
        raise LoginError("more than one line was given; give one public key, the content of one .pub file")
    algorithm, _, rest = line.partition(" ")
    encoded = rest.split(maxsplit=1)
    if "-cert-v0" in algorithm:
        raise LoginError("that is a certificate; give the public key it was made for, in the file that ends in .pub")
    if algorithm not in CERTIFICATE_ALGORITHMS or not encoded:
        known = "ed25519, ecdsa, rsa, ed25519-sk, ecdsa-sk"
        raise LoginError(f"{quoted(line, 40)} is no public key that is taken; give an OpenSSH key of type {known}")
    try:
        blob = base64.b64decode(encoded[0], validate=True)
    except (binascii.Error, ValueError):
        raise LoginError("the public key is damaged: it is not base64; give the unchanged .pub file") from None
    return _import(algorithm, blob)


def check_key_blob(blob: bytes) -> str:
    """Return the algorithm of a public key blob, or raise ValueError where the key's type or size is not taken."""
    reader = Reader(blob)
    algorithm = reader.text()
    if algorithm not in CERTIFICATE_ALGORITHMS:
        raise ValueError(f"keys of type {quoted(algorithm)} are not taken")
    if algorithm == "ssh-rsa":
        exponent, modulus = (int.from_bytes(reader.string(), "big") for _ in range(2))
        bits = modulus.bit_length()
        if not MIN_RSA_BITS <= bits <= MAX_RSA_BITS:
            raise ValueError(f"an RSA key of {bits} bits is not taken, only {MIN_RSA_BITS} to {MAX_RSA_BITS} bits are")
        if exponent < 3 or exponent % 2 == 0 or exponent.bit_length() > MAX_EXPONENT_BITS:
            raise ValueError("an RSA key with such an exponent is not taken")
    return algorithm


def _import(algorithm: str, blob: bytes) -> asyncssh.SSHKey:
    try:
        inner = check_key_blob(blob)
    except WireError:
        raise LoginError("the public key is damaged; give the unchanged .pub file") from None
    except ValueError as error:
        raise LoginError(f"{error}; make one with: ssh-keygen -t ed25519") from None
    if inner != algorithm:
        raise LoginError("the public key is damaged: its type and its content differ; give the unchanged .pub file")
    try:
        return asyncssh.import_public_key(f"{algorithm} {base64.b64encode(blob).decode()}")
    except (asyncssh.KeyImportError, ValueError):
        raise LoginError("the public key is damaged; give the unchanged .pub file") from None
