"""How a value is replaced.

`tag` says what stood there (`[EMAIL]`); `fixed` and `partial` keep the length, for tables and files; `pseudonym` is a
keyed token by which equal values can be told to be equal. No replacement is a value itself, so masking twice is masking
once. Pseudonyms are personal data still for whoever holds the key.
"""

from typing import Protocol


class Style(Protocol):
    """Makes replacements."""

    keeps_length: bool

    def replace(self, kind: str, value: bytes) -> bytes:
        """Return what goes out in place of `value`, of the same length if `keeps_length`."""


class TagStyle:
    """`[EMAIL]`, `[IP]`, `[NATIONAL-ID]`: the detector's name in capitals and brackets."""

    keeps_length = False

    def replace(self, kind: str, value: bytes) -> bytes:  # noqa: ARG002 - a tag says nothing of the value
        """Return the tag."""
        return b"[" + kind.upper().encode() + b"]"


class FixedStyle:
    """One `*` for each byte."""

    keeps_length = True

    def replace(self, kind: str, value: bytes) -> bytes:  # noqa: ARG002 - stars say nothing of the value's kind
        """Return as many stars as the value has bytes."""
        return b"*" * len(value)
