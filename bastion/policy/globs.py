"""File name patterns: whether two of them can match the same text, and patterns as regular expressions.

A pattern is a sequence of symbols: one character, `ONE` (any one character), or `STAR` (any text); commands' file
name patterns use `ONE_NAME` and `STAR_NAME`, which stop at slashes. Time is the product of both lengths.
"""

import re
from collections.abc import Sequence
from enum import Enum
from functools import lru_cache

from bastion.policy.understanding import Hole, Word

MAX_SYMBOLS = 4096


class Symbol(Enum):
    """A place in a pattern where several texts fit."""

    ONE = 0
    STAR = 1
    ONE_NAME = 2  # not a slash
    STAR_NAME = 3  # no slash
    VISIBLE = 5  # one character, neither a slash nor a dot
    BELOW = 6  # any text without `..` in it
    DIGITS = 4  # one or more of -0123456789


Item = str | Symbol
_LOOPS = frozenset({Symbol.STAR, Symbol.BELOW, Symbol.STAR_NAME, Symbol.DIGITS})
_HOLES = {
    Hole.ANY: Symbol.STAR,
    Hole.BELOW: Symbol.BELOW,
    Hole.STAR: Symbol.STAR_NAME,
    Hole.ONE: Symbol.ONE_NAME,
    Hole.NUMBER: Symbol.DIGITS,
    Hole.NUMBERS: Symbol.DIGITS,
}


@lru_cache(maxsize=4096)
def compile_glob(pattern: str) -> tuple[Item, ...]:
    """Return the symbols of a glob written in a rule: `*`, `?` and `[...]` also match a slash; `\\` quotes."""
    items: list[Item] = []
    position = 0
    while position < len(pattern):
        char = pattern[position]
        if char == "*":
            if not items or items[-1] is not Symbol.STAR:
                items.append(Symbol.STAR)
        elif char == "?":
            items.append(Symbol.ONE)
        elif char == "[" and (match := re.compile(r"\[[!^]?\]?[^\]]*\]").match(pattern, position)):
            items.append(match[0] if len(match[0]) > 1 else char)
            position = match.end() - 1
        elif char == "\\" and position + 1 < len(pattern):
            position += 1
            items.append(pattern[position])
        else:
            items.append(char)
        position += 1
    return tuple(items)


def word_symbols(word: Word) -> tuple[Item, ...]:
    """Return the symbols of a word of a command."""
    items: list[Item] = []
    for part in word.parts:
        if isinstance(part, str):
            items.extend(part)
        elif part.hole is Hole.HOME:
            items.append("~")
        elif part.hole is Hole.PIPE:
            items.extend([*"/dev/fd/", Symbol.DIGITS])
        else:
            items.append(_HOLES[part.hole])
    return tuple(items)


@lru_cache(maxsize=1024)
def _class(text: str) -> re.Pattern[str]:
    body = text[1:-1]
    negated = body[:1] in {"!", "^"}
    body = body[1:] if negated else body
    safe = body.replace("\\", r"\\").replace("[", r"\[").replace("]", r"\]").replace("^", r"\^")
    try:
        return re.compile(f"[{'^' if negated else ''}{safe}]", re.DOTALL)
    except re.error:
        return re.compile(".", re.DOTALL)


def _fits(one: Item, other: Item) -> bool:
    """Whether two symbols can stand for the same single character."""
    if isinstance(one, Symbol) and isinstance(other, Symbol):
        return True
    if isinstance(other, Symbol):
        one, other = other, one
    if isinstance(one, Symbol):
        char = other if isinstance(other, str) else ""
        if len(char) > 1:
            return True
        if one in {Symbol.ONE_NAME, Symbol.STAR_NAME}:
            return char != "/"
        if one is Symbol.VISIBLE:
            return char not in {"/", "."}
        return one is not Symbol.DIGITS or char in "-0123456789"
    assert isinstance(other, str)
    if len(one) > 1 and len(other) > 1:
        return True
    if len(one) > 1:
        return _class(one).fullmatch(other) is not None
    if len(other) > 1:
        return _class(other).fullmatch(one) is not None
    return one == other


def can_meet(first: Sequence[Item], second: Sequence[Item]) -> bool:
    """Whether some text matches both patterns."""
    if len(first) > MAX_SYMBOLS or len(second) > MAX_SYMBOLS:
        return True
    if first and second and first[0] not in _LOOPS and second[0] not in _LOOPS and not _fits(first[0], second[0]):
        return False
    places = _closure({0}, second)
    for item in first:
        if item in _LOOPS:
            places = _loop(item, places, second)
        else:
            moved = {
                place + 1
                for place in places
                if place < len(second) and second[place] not in _LOOPS and _fits(item, second[place])
            }
            moved |= {
                place
                for place in places
                if place < len(second) and second[place] in _LOOPS and _fits(item, second[place])
            }
            places = _closure(moved, second)
        if not places:
            return False
    return len(second) in places


def _closure(places: set[int], pattern: Sequence[Item]) -> set[int]:
    """Add the places reached without a character: loops may be left at once."""
    result = set(places)
    for place in sorted(places):
        position = place
        while position < len(pattern) and pattern[position] in _LOOPS:
            position += 1
            result.add(position)
    return result


def _loop(item: Item, places: set[int], pattern: Sequence[Item]) -> set[int]:
    """Return where `pattern` can be after a symbol that takes any number of characters."""
    reached = set(places)
    queue = sorted(places)
    while queue:
        place = queue.pop()
        if place < len(pattern) and _fits(item, pattern[place]):
            for following in _closure({place + 1}, pattern):
                if following not in reached:
                    reached.add(following)
                    queue.append(following)
    return reached


def to_regex(word: Word) -> str | None:
    """Return a shell pattern (as of `case`) as a regular expression for RE2; None where it is not known."""
    if word.many:
        return None
    result: list[str] = []
    for part in word.parts:
        if isinstance(part, str):
            result.append(re.escape(part))
        elif part.hole is Hole.STAR and part.shown == "*":
            result.append(".*")
        elif part.hole is Hole.ONE:
            result.append("." if part.shown == "?" else _class(part.shown).pattern)
        else:
            return None
    return "".join(result)
