"""Which targets a list of selectors picks, and what a role gives there; roles and rules share this one reading. Pure.

A name is a glob on the target's name, compared with regard to case; labels must all be equal. A list picks what any
of its selectors picks, so an empty list picks nothing: where "no condition" means everything, the caller says so.
A pattern itself, which is only ever listed, is picked where some name that it stands for could be.
"""

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from itertools import product

from bastion.config.schema import Role, Selector, Target
from bastion.model import ChannelKind
from bastion.names import is_target_name

_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789._-")
_SYMBOL = re.compile(r"\[!?\]?[^\]]*\]|.")
_Symbol = tuple[frozenset[str], bool]  # the characters that fit, and whether any number of them does


def selects(selectors: Iterable[Selector], target: Target) -> bool:
    """Return whether any of the selectors picks the target."""
    return any(_picks(selector, target) for selector in selectors)


def channels_on(role: Role, target: Target) -> frozenset[ChannelKind]:
    """Return the kinds of channel the role gives on the target to the logins it names, none where it gives nothing.

    On ssh targets a role without logins gives nothing. On others the account is the credential's, so that logins say
    nothing, and a forward is the one way in.
    """
    if not selects(role.targets, target):
        return frozenset()
    if target.protocol == "ssh":
        return role.channels if role.logins else frozenset()
    return role.channels & {ChannelKind.FORWARD}


def _picks(selector: Selector, target: Target) -> bool:
    if selector.name:
        if target.name == target.pattern:
            # A plain name is that of one target alone, which is listed by itself.
            return not is_target_name(selector.name) and _meet(
                _symbols(selector.name, _CHARACTERS), _symbols(target.name, _CHARACTERS - {"."})
            )
        return fnmatchcase(target.name, selector.name)
    # Without this a selector that says nothing would pick everything.
    return bool(selector.labels) and set(selector.labels) <= set(target.labels)


def _symbols(glob: str, wild: frozenset[str]) -> list[_Symbol]:
    """Take a glob apart; `wild` is what `*` and `?` match."""
    return [
        (wild, symbol == "*")
        if symbol in "*?"
        else (frozenset(char for char in _CHARACTERS if fnmatchcase(char, symbol)), False)
        for symbol in _SYMBOL.findall(glob)
    ]


def _meet(one: list[_Symbol], other: list[_Symbol]) -> bool:
    """Return whether some name fits both. Walks all pairs of places, each at most once."""
    states = {(0, 0)}
    waiting = [(0, 0)]
    while waiting:
        i, j = waiting.pop()
        if i == len(one) and j == len(other):
            return True
        for state in _steps(one[i : i + 1], other[j : j + 1]):
            following = (i + state[0], j + state[1])
            if following not in states:
                states.add(following)
                waiting.append(following)
    return False


def _steps(one: list[_Symbol], other: list[_Symbol]) -> Iterable[tuple[int, int]]:
    """Return how far both may go on: past a star without a character, or over a character that fits both."""
    if one and one[0][1]:
        yield 1, 0
    if other and other[0][1]:
        yield 0, 1
    if one and other and one[0][0] & other[0][0]:
        yield from product((0, 1) if one[0][1] else (1,), (0, 1) if other[0][1] else (1,))
