"""Brace expansion of bash (`{a,b}`, `{1..9}`), on the parts of a word. Not for dash, which has none.

A token is one character of unquoted text, an escaped pair such as `\\{`, or a syntax node that braces pass by.
Limits: `MAX_WORDS` results; beyond that `expand` returns None.
"""

import itertools
import re
from collections.abc import Sequence
from typing import Any

Node = dict[str, Any]
Token = str | Node

MAX_WORDS = 256

_SEQUENCE = re.compile(r"(-?\d+|[A-Za-z])\.\.(-?\d+|[A-Za-z])(?:\.\.(-?\d+))?\Z")
_ESCAPE = re.compile(r"\\.|.", re.DOTALL)


def tokens(parts: Sequence[Node]) -> list[Token]:
    """Return a word's parts as tokens."""
    result: list[Token] = []
    for part in parts:
        if part["Type"] == "Lit":
            result.extend(_ESCAPE.findall(part.get("Value", "")))
        else:
            result.append(part)
    return result


def parts(items: Sequence[Token]) -> list[Node]:
    """Return tokens as parts of a word again."""
    result: list[Node] = []
    for is_text, group in itertools.groupby(items, key=lambda item: isinstance(item, str)):
        if is_text:
            result.append({"Type": "Lit", "Value": "".join(str(item) for item in group)})
        else:
            result.extend(item for item in group if isinstance(item, dict))
    return result


def expand(items: Sequence[Token]) -> list[list[Token]] | None:
    """Return every word the tokens stand for, in order, or None where there are too many."""
    results: list[list[Token]] = [[]]
    position = 0
    while position < len(items):
        choices: list[list[Token]] | None = [[items[position]]]
        end = position + 1
        if items[position] == "{":
            close = _closing(items, position)
            if close is not None:
                choices, end = _alternatives(items[position + 1 : close]), close + 1
        if choices is None or len(results) * len(choices) > MAX_WORDS:
            return None
        results = [before + choice for before in results for choice in choices]
        position = end
    return results


def _closing(items: Sequence[Token], start: int) -> int | None:
    """Return where the brace opened at `start` closes, if what it holds is a list or a sequence."""
    depth, comma = 0, False
    for position in range(start, len(items)):
        item = items[position]
        if item == "{":
            depth += 1
        elif item == "," and depth == 1:
            comma = True
        elif item == "}":
            depth -= 1
            if depth == 0:
                inner = items[start + 1 : position]
                return position if comma or _sequence_match(inner) else None
    return None


def _alternatives(inner: Sequence[Token]) -> list[list[Token]] | None:
    match = _sequence_match(inner)
    if match is not None:
        return _sequence(match)
    results: list[list[Token]] = []
    for member in _members(inner):
        expanded = expand(member)
        if expanded is None or len(results) + len(expanded) > MAX_WORDS:
            return None
        results += expanded
    return results


def _members(inner: Sequence[Token]) -> list[list[Token]]:
    members: list[list[Token]] = [[]]
    depth = 0
    for item in inner:
        depth += (item == "{") - (item == "}")
        if item == "," and depth == 0:
            members.append([])
        else:
            members[-1].append(item)
    return members


def _sequence_match(inner: Sequence[Token]) -> re.Match[str] | None:
    if not all(isinstance(item, str) for item in inner):
        return None
    match = _SEQUENCE.match("".join(str(item) for item in inner))
    if match is None or match[1].isalpha() != match[2].isalpha():
        return None
    return match


def _sequence(match: re.Match[str]) -> list[list[Token]] | None:
    letters = match[1].isalpha()
    first, last = (ord(match[1]), ord(match[2])) if letters else (int(match[1]), int(match[2]))
    step = abs(int(match[3] or 1)) or 1
    if abs(last - first) // step >= MAX_WORDS:
        return None
    values = range(first, last + 1, step) if first <= last else range(first, last - 1, -step)
    if letters:
        return [[chr(value)] for value in values]
    padded = any(re.match(r"-?0\d", bound) for bound in (match[1], match[2]))
    width = max(len(match[1]), len(match[2])) if padded else 0
    return [list(str(value).zfill(width)) for value in values]
