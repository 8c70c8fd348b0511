"""Reads a regular expression of a detector of one's own, and refuses what can't be masked with in a stream.

Wanted are expressions of a bounded length over named characters: then it is known how much of a cut text has to be held
back, and they run in linear time. `+` and `*` behind a single character or class mean up to 32 of it. Refused are
repetitions of repetitions, `.` and negated classes, `^` and `$`, look-around and references, and what is so open that
it would match nearly everything. ASCII alone; words of other scripts belong into a list of words.
"""

import importlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import log2
from string import ascii_letters, digits
from typing import Any

LONGEST = 64
"""Most bytes of a value."""

_OPEN_END = 32  # what + and * mean
_LEAST = 4
_BITS = 18.0  # how much must be fixed, in bits: three letters that stand for themselves, or seven digits
_BITS_IN_CONTEXT = 8.0
_ALPHABET = 64  # characters that text is made of, for this purpose
_CLASSES = {
    "CATEGORY_DIGIT": digits.encode(),
    "CATEGORY_WORD": (ascii_letters + digits + "_").encode(),
    "CATEGORY_SPACE": b" \t",
}


class ExpressionError(ValueError):
    """It can't be used; the message says why, to follow after the expression."""


@dataclass(frozen=True, slots=True)
class Expression:
    """What is known of an expression: `source` matches the same, written with sets, groups and bounds alone.

    `least` and `most` are lengths in bytes, `firsts` and `body` the bytes a match may begin with and consist of; `bits`
    says how much of it is fixed.
    """

    source: bytes = b""
    least: int = 0
    most: int = 0
    firsts: frozenset[int] = frozenset()
    body: frozenset[int] = frozenset()
    bits: float = 0.0


def read(pattern: str, *, in_context: bool) -> Expression:
    """Return what a pattern says. `in_context`: it counts only behind a word, and may be more open then.

    Raises ExpressionError.
    """
    if not pattern.isascii():
        raise ExpressionError("holds characters that are no ASCII; write such words into words")
    parser: Any = importlib.import_module("re._parser")
    try:
        tree = parser.parse(pattern.encode())
    except (re.error, OverflowError, RecursionError) as error:
        raise ExpressionError(f"is no regular expression: {error}") from None
    flags = tree.state.flags & ~re.LOCALE
    if flags & ~re.IGNORECASE:
        raise ExpressionError("sets a flag that means nothing here; (?i) alone may be set")
    found = _sequence(_without_edges(list(tree)), ignore_case=bool(flags & re.IGNORECASE))
    _check(found, in_context=in_context)
    return found


def _check(found: Expression, *, in_context: bool) -> None:
    if found.least == 0:
        raise ExpressionError("matches the empty text, and so everywhere")
    if found.most > LONGEST:
        raise ExpressionError(f"may be {found.most} bytes long; at most {LONGEST} can be told from cut text")
    wanted = _BITS_IN_CONTEXT if in_context else _BITS
    if found.least < _LEAST or found.bits < wanted:
        more = "" if in_context else ", or the words it stands behind, as context"
        raise ExpressionError(f"is not anchored and would match nearly everywhere; add more fixed text{more}")


def _without_edges(nodes: list[Any]) -> list[Any]:
    r"""Leave out `\b` at both ends: no letter or digit may touch a value anyway."""
    while nodes and _is_boundary(nodes[0]):
        nodes = nodes[1:]
    while nodes and _is_boundary(nodes[-1]):
        nodes = nodes[:-1]
    return nodes


def _is_boundary(node: Any) -> bool:
    return str(node[0]) == "AT" and str(node[1]) == "AT_BOUNDARY"


def _sequence(nodes: Iterable[Any], *, ignore_case: bool) -> Expression:
    whole = Expression()
    for node in nodes:
        part = _node(node, ignore_case=ignore_case)
        whole = Expression(
            whole.source + part.source,
            whole.least + part.least,
            whole.most + part.most,
            whole.firsts if whole.least else whole.firsts | part.firsts,
            whole.body | part.body,
            whole.bits + part.bits,
        )
    return whole


def _node(node: Any, *, ignore_case: bool) -> Expression:
    kind, value = str(node[0]), node[1]
    match kind:
        case "LITERAL" | "IN":
            members = _members([node] if kind == "LITERAL" else value)
            if ignore_case:
                members = {byte for one in members for byte in (*bytes([one]).lower(), *bytes([one]).upper())}
            return _set(frozenset(members))
        case "MAX_REPEAT" | "MIN_REPEAT":
            low, high, inner = value
            return _repeated(int(low), int(high), _sequence(inner, ignore_case=ignore_case))
        case "BRANCH":
            return _branches([_sequence(branch, ignore_case=ignore_case) for branch in value[1]])
        case "SUBPATTERN" if not value[1] and not value[2]:
            return _grouped(_sequence(value[3], ignore_case=ignore_case))
        case "ANY" | "NOT_LITERAL":
            raise ExpressionError("takes any character in; name those that may stand there, as in [A-Z0-9]")
        case "AT":
            raise ExpressionError(r"holds ^, $ or a boundary in the middle; a value is found wherever it stands")
        case _:
            raise ExpressionError(f"holds what can't be found in linear time ({kind.lower().replace('_', ' ')})")


def _members(items: Sequence[Any]) -> set[int]:
    members: set[int] = set()
    for kind, value in items:
        match str(kind):
            case "LITERAL":
                members.add(value)
            case "RANGE":
                members.update(range(value[0], value[1] + 1))
            case "CATEGORY" if str(value) in _CLASSES:
                members.update(_CLASSES[str(value)])
            case _:
                raise ExpressionError("takes in all but some characters; name those that may stand there")
    if not members.isdisjoint(b"\r\n\x00\x1b"):
        raise ExpressionError("goes over the end of a line; one line is looked at a time")
    return members


def _set(members: frozenset[int]) -> Expression:
    source = b"[" + b"".join(b"\\x%02x" % byte for byte in sorted(members)) + b"]"
    return Expression(source, 1, 1, members, members, log2(_ALPHABET / min(_ALPHABET, len(members))))


def _repeated(low: int, high: int, inner: Expression) -> Expression:
    if high > 1 and inner.least != inner.most:
        raise ExpressionError("repeats a repetition, which can take for ever; write each part once, with {1,9}")
    if high > LONGEST:  # no bound was written
        if inner.most > 1:
            raise ExpressionError("repeats a group without end; write how often at most, as in {1,9}")
        high = max(low, _OPEN_END)
    group = _grouped(inner)
    times = b"{%d,%d}" % (low, high)
    return Expression(
        group.source + times, inner.least * low, inner.most * high, inner.firsts, inner.body, inner.bits * low
    )


def _branches(branches: list[Expression]) -> Expression:
    return Expression(
        b"(?:" + b"|".join(branch.source for branch in branches) + b")",
        min(branch.least for branch in branches),
        max(branch.most for branch in branches),
        frozenset().union(*(branch.firsts for branch in branches)),
        frozenset().union(*(branch.body for branch in branches)),
        min(branch.bits for branch in branches),
    )


def _grouped(inner: Expression) -> Expression:
    source = b"(?:" + inner.source + b")"
    return Expression(source, inner.least, inner.most, inner.firsts, inner.body, inner.bits)
