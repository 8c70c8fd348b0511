"""Finds values in lines that are written from their ends (`rev`): addresses, IBANs, cards.

Addresses of common domains and IBANs are believed. One of twenty-five other numbers is a card from its end, so it takes
that the first three in a stream are. A line is looked at once it is whole, or in stretches where it is long.
"""

import re

import re2

from bastion.masking.accounts import IBAN_LENGTHS
from bastion.masking.checksums import mod97
from bastion.masking.finder import Finder

_DOMAINS = rb"(?:moc|gro|ten|ude|vog|ofni|zib|tni|oi|ue|ed|rf|ku|lp|ti|se|ln|hc|ta|su)"
_COUNTRIES = rb"(?:" + b"|".join(sorted(country[::-1] for country in IBAN_LENGTHS)) + rb")"
_ADDRESS = _DOMAINS + rb"\.[a-z0-9.\-]+@"
MARKS = (
    _ADDRESS,
    rb"[0-9]{2}[A-Z]{2}(?:[^0-9A-Za-z]|$)",
    rb"[0-9]{4}[ \-]?[0-9]{4}[ \-]?[0-9]{4}[ \-]?[0-9]+(?:[^0-9A-Za-z]|$)",
)
"""One of these, as patterns of an engine, is in each line with a value. More exact ones would take twice as long."""

LINE = 256
"""How much of a line that goes on may be held back."""

_STRETCH = 1024  # of a line that is looked at together
_OVERLAP = 128  # of two stretches
_ENOUGH = 100  # values: no more are counted in what comes at once
_KINDS = ("email", "iban", "card")
_FEW = 3  # numbers that are looked at, as to whether they are cards


def _compiled(pattern: bytes) -> "re.Pattern[bytes]":
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    compiled: re.Pattern[bytes] = re2.compile(pattern, options)
    return compiled


_BEGUN = _compiled(rb"[0-9A-Z]{8}|[0-9]{2}[ \-][0-9]{4}|@|\b" + _DOMAINS + rb"\.")
_IBAN = rb"\b(?:[0-9A-Z][ \-]?){11,}[0-9]{2}" + _COUNTRIES + rb"\b"
_NUMBER = rb"\b(?:[0-9]{13,19}|[0-9]{4}(?:[ \-][0-9]{4}){3})\b"
_WHOSE = rb"\b" + _ADDRESS + rb"[A-Za-z0-9._%+\-'\x80-\xff]"
_TELLING = _compiled(_WHOSE + rb"|" + _IBAN)
_TELLING_AT_FIRST = _compiled(_WHOSE + rb"|" + _IBAN + rb"|" + _NUMBER)
_TELLS_IBAN = re.compile(rb"[0-9][A-Z]{2}\Z")
_COUNTRY = re.compile(rb"[0-9]{2}[A-Z]{2}(?![0-9A-Za-z_])")
_IBAN_LONGEST = 2 * max(IBAN_LENGTHS.values())  # with a separator behind each letter
_ADDRESSES, _NUMBERS = re.compile(_WHOSE), re.compile(_NUMBER)


class Backwards:
    """Reads the lines of one stream from their ends."""

    def __init__(self, finder: Finder) -> None:
        self._finder = finder
        self._cards = 0  # numbers that are a card from their end alone
        self._numbers = 0  # all that are as long as cards, up to the first few
        self.line = b""  # what came of a line that goes on, but for what was read

    @property
    def marks(self) -> int:
        """How many of `MARKS` matter by now, from the first one on."""
        return len(MARKS) if self._numbers < _FEW else len(MARKS) - 1

    @property
    def _telling(self) -> "re.Pattern[bytes]":
        return _TELLING if self._numbers >= _FEW else _TELLING_AT_FIRST

    def feed(self, text: bytes, *, marked: bool) -> int:
        """Take what follows in and return how many values there are in lines that are whole now.

        `marked` is whether one of the marks that matter may be in `line` with the text behind it.
        """
        if not marked:
            last = text.rfind(b"\n") + 1
            self.line = _stretches(text[last:] if last else self.line + text)[-1]
            return 0
        whole, _, line = (self.line + text).rpartition(b"\n")
        values = place = 0
        while values < _ENOUGH and (found := self._telling.search(whole, place)) is not None:
            place = found.end()
            if _tells(found[0]):
                begin, end = whole.rfind(b"\n", 0, found.start()) + 1, whole.find(b"\n", place)
                place = len(whole) if end < 0 else end
                values += sum(map(self._read, _stretches(whole[begin:place])))
        *stretches, self.line = _stretches(line)
        return values + sum(map(self._read, stretches))

    def end(self) -> int:
        """Return how many values there are in the rest of the line."""
        return self._read(self.line)

    def may_begin(self, text: bytes, begin: int) -> bool:
        """Return whether the line that begins there, or goes on with the text, may hold the beginning of a value."""
        return _BEGUN.search(text[begin:] if begin else self.line + text) is not None

    def _read(self, line: bytes) -> int:
        """Return how many values there are in a line from its end, where there are none of their kinds as it is."""
        if self._telling.search(line) is None:
            return 0
        there, back = self._found(line)
        values = back["iban"] if not there["iban"] else 0
        if back["email"] and not there["email"] and _ADDRESSES.search(line) is not None:
            values += back["email"]
        if self._numbers < _FEW:
            self._numbers += len(_NUMBERS.findall(line))
            self._cards += back["card"] if not there["card"] else 0
            if self._cards >= _FEW:
                values += self._cards
        return values

    def _found(self, line: bytes) -> tuple[dict[str, int], dict[str, int]]:
        """Return how many values there are of each kind in the line, and from its end."""
        counts = dict.fromkeys(_KINDS, 0), dict.fromkeys(_KINDS, 0)
        for start, _, row in self._finder.find(line + b"\n" + line[::-1], 0, 2 * len(line) + 1):
            kind = self._finder.rows[row].kind
            if kind in _KINDS:
                counts[start > len(line)][kind] += 1
        return counts


def _tells(text: bytes) -> bool:
    """Return whether what was found is no IBAN or holds one with its check digits, which most such texts do not."""
    return _TELLS_IBAN.search(text) is None or any(
        _is_iban(text[max(0, country.end() - _IBAN_LONGEST) : country.end()]) for country in _COUNTRY.finditer(text)
    )


def _is_iban(text: bytes) -> bool:
    number = text.translate(None, b" -")[::-1]
    length = IBAN_LENGTHS.get(number[:2], 0)
    return len(number) >= length > 0 and mod97(number[:length])


def _stretches(line: bytes) -> list[bytes]:
    """Return the stretches of a line that are looked at together."""
    last = max(0, len(line) - _OVERLAP) // (_STRETCH - _OVERLAP)
    return [line[place * (_STRETCH - _OVERLAP) :][:_STRETCH] for place in range(last + 1)]
