"""A provider's public keys (RFC 7517), and which of them signed a token. Pure; the arithmetic is joserfc's.

Symmetric keys, private keys, keys for encryption and keys too small or too large are not taken at all, so no token can
make use of them. What a token says about its own key (`jwk`, `jku`, `x5c`, `x5u`) is never looked at.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

MAX_KEYS = 100
MAX_TRIES = 10  # keys without an id that are tried for one token
MIN_RSA_BITS = 2048
MAX_RSA_BITS = 8192
_RSA_ALGORITHMS = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"})
_CURVE_ALGORITHMS = {
    ("EC", "P-256"): frozenset({"ES256"}),
    ("EC", "P-384"): frozenset({"ES384"}),
    ("EC", "P-521"): frozenset({"ES512"}),
    ("OKP", "Ed25519"): frozenset({"EdDSA", "Ed25519"}),  # the same thing before and after RFC 9864
}
ALGORITHMS = _RSA_ALGORITHMS.union(*_CURVE_ALGORITHMS.values())


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """A public key, the id it goes by (empty: none) and the algorithms it may be used with."""

    kid: str
    algorithms: frozenset[str]
    key: RSAKey | ECKey | OKPKey


def parse_keys(document: dict[str, Any]) -> tuple[VerificationKey, ...]:
    """Return the usable keys of a JWK set, or raise ValueError where it is none or has no usable key."""
    found = document.get("keys")
    if not isinstance(found, list):
        raise ValueError("it publishes no set of keys")  # noqa: TRY004 (a wrong document, not a wrong call)
    if len(found) > MAX_KEYS:
        raise ValueError(f"it publishes more than {MAX_KEYS} keys")
    keys = tuple(key for value in found if (key := _usable(value)) is not None)
    if not keys:
        raise ValueError("it publishes no key that may be used for signatures")
    return keys


def candidates(keys: Sequence[VerificationKey], algorithm: str, kid: str) -> tuple[VerificationKey, ...]:
    """Return the keys that may have signed with this algorithm and key id (empty: the token names none).

    A token that names a key is checked with the keys of that id; where there are none, with those that go by no id.
    """
    fitting = [key for key in keys if algorithm in key.algorithms]
    if not kid:
        return tuple(fitting[:MAX_TRIES])
    named = [key for key in fitting if key.kid == kid]
    return tuple(named or [key for key in fitting if not key.kid])[:MAX_TRIES]


def is_signed(signed: bytes, signature: bytes, algorithm: str, keys: Sequence[VerificationKey]) -> bool:
    """Return whether one of the `candidates` signed these bytes with this algorithm, which is one of ALGORITHMS."""
    return any(_is_signed_by(signed, signature, algorithm, key) for key in keys)


def _is_signed_by(signed: bytes, signature: bytes, algorithm: str, key: VerificationKey) -> bool:
    # The table is used directly, since going through joserfc's tokens warns about EdDSA on each use.
    model = JWSRegistry.algorithms[algorithm]
    try:
        model.check_key(key.key)
        return model.verify(signed, signature, key.key)
    except (JoseError, ValueError):
        return False


def _usable(value: object) -> VerificationKey | None:
    if not isinstance(value, dict) or "d" in value or value.get("use", "sig") != "sig":
        return None
    operations = value.get("key_ops", ["verify"])
    if not isinstance(operations, list) or "verify" not in operations:
        return None
    try:
        key, algorithms = _import(value)
    except (JoseError, ValueError, TypeError, KeyError):
        return None
    if value.get("alg") is not None:
        algorithms = algorithms & {value["alg"]} if isinstance(value["alg"], str) else frozenset()
    kid = value.get("kid", "")
    return VerificationKey(kid, algorithms, key) if algorithms and isinstance(kid, str) else None


def _import(value: dict[str, Any]) -> tuple[RSAKey | ECKey | OKPKey, frozenset[str]]:
    kind, curve = value.get("kty"), value.get("crv")
    if kind == "RSA":
        # Before the key is made: a base64 character holds 6 bits.
        if not MIN_RSA_BITS <= 6 * len(value["n"]) <= MAX_RSA_BITS + 64:
            raise ValueError("the key's size is not taken")
        rsa = RSAKey.import_key(value)
        if not MIN_RSA_BITS <= rsa.public_key.key_size <= MAX_RSA_BITS:
            raise ValueError("the key's size is not taken")
        return rsa, _RSA_ALGORITHMS
    algorithms = _CURVE_ALGORITHMS[str(kind), str(curve)]
    return (ECKey if kind == "EC" else OKPKey).import_key(value), algorithms
