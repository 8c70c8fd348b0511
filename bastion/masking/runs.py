"""Runs: stretches of base64 or hexadecimal digits, over any number of lines, and what they say.

A run begins with a word of at least 40 characters; further lines of at least 16 belong to it, each maybe with padding
at its end. Here is what can be told of a text as it stands; who reads a stream has to know what may still go on.
"""

import base64
import re
from binascii import unhexlify
from collections.abc import Iterable

from bastion.masking.inside import MAGIC, magic_of

RUN = 40
"""Characters of an encoding that are looked at."""
LINE = 16
"""Characters that make a further line of a run."""
WORD = rb"[A-Za-z0-9+/_\-]"
SIGNS = bytes(set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_="))
"""All characters of an encoding, with padding."""
LETTERS = SIGNS.replace(b"=", b"")
"""The same without: behind padding in the same line something else begins."""

_SHORT = 256  # decoded bytes of a run that is looked into only if it may be text
_SHOWN = bytes(range(0x20, 0x7F)) + b"\r\n\t\x00"
_FIRSTS = frozenset(magic[0] for magic, _ in MAGIC)
_HEX = b"0123456789ABCDEFabcdef"
_STANDARD = bytes.maketrans(b"-_", b"+/")
_OUTLINE = bytes(0x77 if byte in SIGNS and byte != 0x3D else 0x20 for byte in range(256))  # words as w, the rest blank
_LONG = b"w" * RUN
_ENDINGS = frozenset(b"=\r\n")
_MORE = re.compile(rb"=*(?:\r?\n" + WORD + rb"{%d,}=*)*" % LINE)
_WORD_END = re.compile(WORD + rb"*=*")
_GOES_ON = re.compile(rb"\r?\n?[A-Za-z0-9+/_\-=]{0,%d}" % (LINE - 1))


def find_runs(text: bytes) -> list[tuple[int, int]]:
    """Return where runs begin and end, in order.

    They are looked for in an outline of the text: a plain search for a long word there, and for the blank behind it, is
    several times as fast as an expression.
    """
    outline = text.translate(_OUTLINE)
    find, length = outline.find, len(text)
    runs = []
    start = find(_LONG)
    while start >= 0:
        end = find(b" ", start + RUN)
        if end < 0:
            end = length
        elif text[end] in _ENDINGS:
            more = _MORE.match(text, end)
            assert more is not None  # it matches nothing too
            end = more.end()
        runs.append((start, end))
        start = find(_LONG, end)
    return runs


def may_go_on(text: bytes, end: int) -> bool:
    """Return whether more text could go on with the run that ends there."""
    return len(text) - end <= LINE + 1 and _GOES_ON.fullmatch(text, end) is not None


def run_end(text: bytes) -> tuple[int, bool]:
    """Return where the run that begins a text ends, and whether that is certain: more text may go on with it."""
    size = 0
    while True:
        found = _WORD_END.match(text, size)
        assert found is not None  # it matches nothing too
        word = found.end() - size
        if size and word < LINE:
            return size, size + word < len(text)
        size += word
        ending = text[size : size + 2]
        if not ending or ending == b"\r":
            return len(text), False
        if ending[:1] != b"\n" and ending != b"\r\n":
            return size, True
        size += 2 if ending == b"\r\n" else 1


def is_hex(signs: bytes) -> bool:
    """Return whether a text is hexadecimal digits alone."""
    return bool(signs) and not signs.translate(None, _HEX)


def telling(text: bytes, runs: Iterable[tuple[int, int]]) -> list[tuple[bytes, str]]:
    """Return what those runs say, and how they are encoded, but for noise that begins as no container does.

    Noise is what is short as a key or a digest and looks like one: by far no text.
    """
    told = []
    for start, stop in runs:
        run = text[start:stop]
        try:
            said, form, texts = unhexlify(run), "hex", []  # as most are: digests
        except ValueError:
            said, form = _decoded(run)
            texts = _padded(run)
        readable = len(said) >= _SHORT or len(said) >= 4 * len(said.translate(None, _SHOWN))
        if readable or any(map(_is_readable, texts)) or (said[0] in _FIRSTS and magic_of(said)):
            told.append((said, form))
    return told


def _is_readable(said: bytes) -> bool:
    return len(said) >= 4 * len(said.translate(None, _SHOWN))


def _padded(run: bytes) -> list[bytes]:
    """Return what texts say that each end with padding, where there are several: another may be out of step."""
    parts = run.translate(None, b"\r\n").rstrip(b"=").split(b"=")
    return [from_base64(part) for part in parts if part] if len(parts) > 1 else []


def _decoded(run: bytes) -> tuple[bytes, str]:
    """Return what a whole run says, and how it is encoded."""
    signs = run.translate(None, b"\r\n")
    return (from_hex(signs), "hex") if is_hex(signs) else (from_base64(*signs.split(b"=")), "base64")


def from_hex(signs: bytes) -> bytes:
    """Decode hexadecimal digits; nothing where there are others."""
    try:
        return unhexlify(signs[: len(signs) // 2 * 2])
    except ValueError:  # it was none after all
        return b""


def from_base64(*texts: bytes) -> bytes:
    """Decode texts that were encoded one by one: each stood before padding, which ends what was encoded together."""
    parts = []
    for signs in texts:
        rest = len(signs) % 4
        padded = signs[:-1] if rest == 1 else signs + b"=" * (-rest % 4)
        parts.append(base64.b64decode(padded.translate(_STANDARD)))
    return b"".join(parts)
