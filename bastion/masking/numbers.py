"""All numbers that a layout proves, found together: one trigger for their skeletons, one look-up for each.

The skeleton of a text has `9` for a digit, `A` for a capital letter, `a` for a small one and a blank for a separator
other than a dot.
Every template (see `shapes`) stands for some skeletons; the trigger matches how they begin, and a dictionary tells
which layouts a skeleton may be. What the layout's own pattern and check digits say is final, so this is only the fast
way to ask all of them.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import product

from bastion.masking.checksums import Check
from bastion.masking.engine import Trigger
from bastion.masking.rows import Numbers
from bastion.masking.shapes import APART_LEFT, BLANK, HYPHEN, RIGHT, SEPARATOR, compact, layout, parts

_BEGINNING = 10  # letters and digits of a skeleton that the trigger looks at
_UNBROKEN = 13  # the same where they are all digits, since shorter numbers are everywhere
_REACH = 33  # no match of the trigger is longer behind its first byte, typographic separators included
_NO_WORD = rb"(?:[^a-z]|$)"  # digests and identifiers of programs go on with small letters, numbers never do

_SYMBOLS = bytes.maketrans(
    b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz -", b"9" * 10 + b"A" * 26 + b"a" * 26 + b"  "
)
_SEEN = _SYMBOLS[:0x2D] + b"-" + _SYMBOLS[0x2E:]  # the same, with hyphens as they are
_CLASSES = {"9": rb"[0-9]", "A": rb"[A-Z]", " ": BLANK, ".": rb"\.", "(": rb"\(", ")": rb"\)", "+": rb"\+", "/": rb"/"}
_TYPOGRAPHIC = re.compile(rb"\xc2\xa0|\xe2\x80[\x90-\x95\xaf]")
_WIDE = b"\x80"
_BESIDE = 2  # bytes before a number that decide whether it is one
_KNOWN = 4096  # answers kept
_RUN = rb"(?<![9Aa])(?<!9[\-.])(?=[(+]*[9A])(?=([9A .()+/\-\x80]{%d,%d}a?))"
"""What may be a number, and a letter that touches it. None begins behind a hyphen or dot with a digit before it."""
_OPTIONAL = re.compile(r"<[^>]*>|\[[^]]*\]")  # of a template, and what is one of several
_ENDS = re.compile(rb"(?<=[9A])(?![9Aa])|(?<=\))")


@dataclass(frozen=True, slots=True, eq=False)
class _Entry:
    """One layout of one row: its pattern, and that for text without typographic separators, which is faster.

    `hyphened` is whether no number of it goes without a hyphen.
    """

    row: int
    pattern: re.Pattern[bytes]
    plain: re.Pattern[bytes]
    check: Check
    hyphened: bool


def _entry(row: int, template: str, check: Check) -> _Entry:
    pattern = rb"(?:" + layout(template) + rb")" + RIGHT
    plain = pattern.replace(SEPARATOR[:-1], rb"(?:[ .\-]").replace(HYPHEN, b"-")
    return _Entry(row, re.compile(pattern), re.compile(plain), check, "-" in _OPTIONAL.sub("", template))


_Test = tuple[Callable[[bytes, int], re.Match[bytes] | None], Check, int]
"""What matches a layout, the check, and the row."""


class NumberTable:
    """Finds the numbers of all rows that have layouts. `numbers` gives for each row its layouts, or None."""

    def __init__(self, numbers: Sequence[Numbers | None]) -> None:
        self._entries: dict[bytes, tuple[_Entry, ...]] = {}
        for row, wanted in enumerate(numbers):
            for template in wanted.layouts if wanted is not None else ():
                assert wanted is not None
                entry = _entry(row, template, wanted.check)
                for skeleton in skeletons(template):
                    self._entries[skeleton.encode()] = (*self._entries.get(skeleton.encode(), ()), entry)
        self._prefixes = {skeleton[: end.end()] for skeleton in self._entries for end in _ENDS.finditer(skeleton)}
        self._longest = 1 + max(map(len, self._entries), default=0)
        self._runs = re.compile(_RUN % (min(map(len, self._entries), default=1), self._longest))
        self._wide_runs = re.compile(_RUN % (min(map(len, self._entries), default=1), 3 * self._longest))
        self._known: dict[bytes, tuple[_Test, ...]] = {}
        beginnings = _beginnings(self._entries)
        self._reach = 1 + max((len(begin) for group in beginnings for begin in group), default=0)
        self.triggers = [
            Trigger(APART_LEFT + rb"(?:" + _trie(group) + rb")" + _NO_WORD, apart=True) for group in beginnings
        ]

    def locate(self, text: bytes, hits: Iterable[int]) -> list[tuple[int, int, int]]:
        """Return start, end and row of every number that begins shortly before a hit."""
        found = []
        candidates = self._known
        for first, last in _windows(sorted(hits)):
            low = max(0, first - _REACH - _BESIDE)
            window = text[low : last + 3 * self._longest]
            runs, reach = self._runs, self._reach
            if not window.isascii():
                window = _TYPOGRAPHIC.sub(_widened, window)
                runs, reach = self._wide_runs, _REACH
            for run in runs.finditer(window.translate(_SEEN), max(min(_BESIDE, low), first - reach - low)):
                start = low + run.start()
                if start >= last:
                    break
                skeleton = run[1]
                tests = candidates.get(skeleton)
                if tests is None:
                    tests = self._candidates(skeleton)
                proved = end = start  # of numbers that end at the same place the first row names the number
                digits = b""
                for match, check, row in tests:
                    number = match(text, start)
                    if number is None or number.end() == proved:
                        continue
                    if number.end() != end:
                        end, digits = number.end(), compact(number[0])
                    if check(digits):
                        proved = end
                        found.append((start, proved, row))
        return found

    def _candidates(self, skeleton: bytes) -> tuple[_Test, ...]:
        """Return the layouts that what begins like this may have, and keep the answer."""
        wanted: dict[_Entry, None] = {}
        narrow = skeleton.translate(_SYMBOLS, _WIDE)
        wide = _WIDE in skeleton
        hyphens = wide or b"-" in skeleton
        for end in _ENDS.finditer(narrow):
            if narrow[: end.end()] not in self._prefixes:
                break
            wanted.update(dict.fromkeys(self._entries.get(narrow[: end.end()], ())))
        if len(self._known) >= _KNOWN:
            self._known.clear()
        entries = [entry for entry in wanted if hyphens or not entry.hyphened]
        tests = tuple(((entry.pattern if wide else entry.plain).match, entry.check, entry.row) for entry in entries)
        return self._known.setdefault(skeleton, tests)


def _windows(hits: Iterable[int]) -> list[tuple[int, int]]:
    """Return the first and the last of hits whose numbers may overlap, for all of them."""
    windows: list[tuple[int, int]] = []
    for hit in hits:
        if windows and hit - _REACH <= windows[-1][1]:
            windows[-1] = (windows[-1][0], hit)
        else:
            windows.append((hit, hit))
    return windows


def _widened(separator: re.Match[bytes]) -> bytes:
    """Return a separator of one byte, filled up to the same length."""
    return b" " + _WIDE * (len(separator[0]) - 1)


def skeletons(template: str) -> set[str]:
    """Return all skeletons that a template stands for."""
    stack: list[list[str]] = []
    done = [""]
    for part in parts(template):
        if part == "<":
            stack.append(done)
            done = [""]
        elif part == ">":
            before = stack.pop()
            done = [*before, *(head + tail for head, tail in product(before, done))]
        else:
            done = [head + tail for head, tail in product(done, _variants(part))]
    return set(done)


def _variants(part: str) -> list[str]:
    """Return what one part of a template may be in a skeleton."""
    if part in {" ", "~"}:
        return [" ", "."] if part == " " else ["", " ", "."]
    atom, least, most = _repeated(part)
    one = "9A" if atom == "X" else atom.encode().translate(_SYMBOLS).decode()
    if atom.startswith("["):
        pattern = re.compile(atom.encode())
        allowed = bytes(byte for byte in range(0x20, 0x7F) if pattern.fullmatch(bytes([byte])))
        one = "".join(sorted(set(allowed.translate(_SYMBOLS).decode())))
    return ["".join(chosen) for count in range(least, most + 1) for chosen in product(one, repeat=count)]


def _repeated(part: str) -> tuple[str, int, int]:
    """Split a part into what is repeated, and how often at least and at most."""
    if part.endswith("?") and len(part) > 1:
        return part[:-1], 0, 1
    if part.endswith("}"):
        atom, _, count = part[:-1].rpartition("{")
        least, _, most = count.partition(",")
        return atom, int(least), int(most or least)
    return part, 1, 1


def _beginnings(found: Iterable[bytes]) -> list[set[str]]:
    """Return how skeletons begin, as long as the trigger needs, grouped by their first character."""
    groups: dict[str, set[str]] = {}
    for skeleton in found:
        text = skeleton.decode()
        places = [place for place, symbol in enumerate(text) if symbol in "9A"]
        wanted = _UNBROKEN if text.startswith("9" * _UNBROKEN) else _BEGINNING
        cut = text if len(places) <= wanted else text[: places[wanted - 1] + 1]
        groups.setdefault(cut[0], set()).add(cut)
    return list(groups.values())


def _trie(beginnings: Iterable[str]) -> bytes:
    """Return a pattern for all beginnings in which common heads stand once; a head that is complete ends the match."""
    heads: dict[str, list[str]] = {}
    for beginning in beginnings:
        if not beginning:
            return b""
        heads.setdefault(beginning[0], []).append(beginning[1:])
    branches = [_CLASSES[symbol] + _trie(tails) for symbol, tails in sorted(heads.items())]
    return branches[0] if len(branches) == 1 else rb"(?:" + b"|".join(branches) + rb")"
