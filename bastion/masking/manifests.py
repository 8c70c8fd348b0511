"""Reads what stands under `data:` in a manifest of Kubernetes': values of secrets, which are base64 whatever they are.

Whether it is a secret's is said further down, if at all, so the values themselves have to tell: what is base64 of text,
or long and mixed as keys are. A configuration's values hardly ever are.
"""

import base64
import binascii
import re
from dataclasses import dataclass

from bastion.masking.engine import Trigger
from bastion.masking.units import Unit

TRIGGER = Trigger(rb"(?:\n[ ]*data:|\"data\":[ ]?\{)[ ]*\r?\n")
"""The head, whose end is the beginning of the first line under it."""

_LINE = re.compile(rb"[ \t]+\"?[A-Za-z0-9_.\-]+\"?:[ ]?\"?(?P<value>[^\"\r\n,]*)[^\r\n]*")
_BASE64 = re.compile(rb"(?:[A-Za-z0-9+/]{4})+(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")
_MIXED = re.compile(rb"(?=.*[a-z])(?=.*[A-Z])(?=.*[0-9]).{16,}")
_PRINTED = bytes(range(0x20, 0x7F)) + b"\t\r\n"


@dataclass(frozen=True, slots=True)
class Entries:
    """The lines of names and values."""

    def read(self, text: bytes, start: int, end: int, *, final: bool) -> Unit | None:
        """See `Reader`. What is no such line ends them."""
        stop = text.find(b"\n", start, end) + 1
        if not stop and not final:
            return None
        line = _LINE.fullmatch(text[start : stop or end].rstrip(b"\r\n"))
        if line is None:
            return (start, (), None)
        low, high = (start + place for place in line.span("value"))
        cells = ((low, high, "secret"),) if _is_encoded(line["value"]) else ()
        return (stop or end, cells, self if stop else None)

    def free(self, text: bytes, start: int) -> int:
        """Return where the value begins."""
        sign = text.find(b":", start)
        return len(text) if sign < 0 else sign + 1


def _is_encoded(value: bytes) -> bool:
    if len(value) < 8 or _BASE64.fullmatch(value) is None:
        return False
    try:
        decoded = base64.b64decode(value, validate=True)
    except binascii.Error:
        return False
    return not decoded.translate(None, _PRINTED) or _MIXED.fullmatch(value) is not None
