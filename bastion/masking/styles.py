"""How a value is replaced.

`tag` says what stood there (`[EMAIL]`); `fixed` and `partial` keep the length, for tables and files; `pseudonym` is a
keyed token that is equal for equal values, so that rows can still be joined; `general` leaves the year of a date and
the network of an address. No replacement is a value itself, so
masking twice is masking once. Pseudonyms stay personal data for whoever holds the key; without one there are none,
since plain hashes of numbers are guessed in minutes.
"""

import hmac
import ipaddress
import re
from functools import cache
from hashlib import sha256
from typing import Protocol

from bastion.errors import ConfigError

_TOKEN_LETTERS = bytes.maketrans(b"0123456789abcdef", b"abcdefghijklmnop")
_LEAST = 8  # shorter values show nothing of themselves
_YEAR = re.compile(rb"(?<![0-9])(?:1[89]|20)[0-9]{2}(?=(?:[01][0-9][0-3][0-9])?(?![0-9]))")
_NUMBERS = frozenset(("card", "iban", "phone", "national-id"))


class Style(Protocol):
    """Makes replacements. One that keeps the length fills with `*` what it can't see whole."""

    keeps_length: bool

    def replace(self, kind: str, value: bytes) -> bytes:
        """Return what goes out in place of `value`, of the same length if `keeps_length`."""


@cache
def _tag(kind: str) -> bytes:
    return b"[" + kind.upper().encode() + b"]"


class TagStyle:
    """`[EMAIL]`, `[IP]`, `[NATIONAL-ID]`: the detector's name in capitals and brackets."""

    keeps_length = False

    def replace(self, kind: str, value: bytes) -> bytes:
        """Return the tag."""
        del value
        return _tag(kind)


class FixedStyle:
    """One `*` for each byte."""

    keeps_length = True

    def replace(self, kind: str, value: bytes) -> bytes:
        """Return as many stars as the value has bytes."""
        del kind
        return b"*" * len(value)


class PartialStyle:
    """Stars, and the end of a number: a quarter of it, four characters at most, nothing of a short one.

    Shown are the last digits of cards, IBANs, telephone numbers and national identifiers, never their first ones as
    well. Of everything else nothing is shown.
    """

    keeps_length = True

    def replace(self, kind: str, value: bytes) -> bytes:
        """Return the stars with what is left."""
        shown = min(4, len(value) // 4) if kind in _NUMBERS and len(value) >= _LEAST else 0
        if not value[len(value) - shown :].isalnum():
            shown = 0
        return b"*" * (len(value) - shown) + value[len(value) - shown :]


class PseudonymStyle:
    """`[EMAIL:pd-kfhlmbaeiognjcpd]`: the kind, the key's id, and 64 bits of HMAC-SHA-256 over kind and canonical value.

    The token holds letters alone, so that no number is found in it. The key's id is made from the key: after a change
    of the key old and new tokens can be told apart.
    """

    keeps_length = False

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._id = hmac.digest(key, b"key id", sha256).hex()[:2].encode().translate(_TOKEN_LETTERS)

    def replace(self, kind: str, value: bytes) -> bytes:
        """Return the token."""
        digest = hmac.digest(self._key, kind.encode() + b"\0" + canonical(kind, value), sha256)
        token = digest[:8].hex().encode().translate(_TOKEN_LETTERS)
        return b"[" + kind.upper().encode() + b":" + self._id + b"-" + token + b"]"


def canonical(kind: str, value: bytes) -> bytes:
    """Return the form in which equal values are equal bytes: what a pseudonym is made of."""
    if kind == "email":
        local, _, domain = value.rpartition(b"@")
        return local.lower() + b"@" + domain.decode("utf-8", "replace").lower().encode()
    if kind == "ip":
        try:
            return ipaddress.ip_address(value.decode("ascii", "replace")).exploded.encode()
        except ValueError:
            return value
    if kind in _NUMBERS or kind == "mac":
        number = compact_of(value)
        if kind != "phone":
            return number
        if value.lstrip().startswith((b"+", b"00")) and b"(0)" in value:
            number = compact_of(value.replace(b"(0)", b"", 1))  # dialled inside the country alone
        return number[2:] if number[:2] == b"00" else number
    return value


def compact_of(value: bytes) -> bytes:
    """Return the ASCII letters, as capitals, and digits of a value."""
    return bytes(byte for byte in value.upper() if chr(byte).isalnum() and byte < 0x80)


class GeneralStyle:
    """What many share: `1985` of a date, `[IP:203.0.113/24]` or `[IP:2001-db8-85a3/48]` of an address; else the tag.

    The address is written in a way that is none, so that masking it again changes nothing.
    """

    keeps_length = False

    def replace(self, kind: str, value: bytes) -> bytes:
        """Return the year, the network, or the tag."""
        if kind == "birth-date" and (year := _YEAR.search(value)) is not None:
            return year[0]
        if kind == "ip":
            try:
                address = ipaddress.ip_address(value.decode("ascii", "replace"))
            except ValueError:
                return b"[IP]"
            if address.version == 4:
                return b"[IP:" + b".".join(value.split(b".")[:3]) + b"/24]"
            groups = [f"{int(group, 16):x}" for group in address.exploded.split(":")[:3]]
            return b"[IP:" + "-".join(groups).encode() + b"/48]"
        return b"[" + kind.upper().encode() + b"]"


def style_for(name: str, key: bytes | None) -> Style:
    """Return the style of this name: tag, fixed, partial, general or pseudonym.

    Raises ConfigError where a pseudonym lacks its key (32 bytes at least) or the name is unknown.
    """
    if name == "pseudonym":
        if key is None or len(key) < 32:
            raise ConfigError("masking.style: pseudonym needs a secret key of at least 32 bytes; give one, or use tag")
        return PseudonymStyle(key)
    styles: dict[str, Style] = {
        "tag": TagStyle(),
        "fixed": FixedStyle(),
        "partial": PartialStyle(),
        "general": GeneralStyle(),
    }
    if name not in styles:
        raise ConfigError(f"masking.style: there is no {name!r}; use tag, fixed, partial, general or pseudonym")
    return styles[name]
