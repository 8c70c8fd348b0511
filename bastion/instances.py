"""Targets by name: those of the file, and those that patterns stand for, such as `web-7.example.com`. Pure.

A name is an exact target's first, then the most specific pattern's that matches. `*` and `?` in a pattern match no
dot: whoever chooses the name chooses a host within the domain that was configured, and never the domain. A name must
be that of a host: what resolvers take for an address never matches.
"""

from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache
from typing import Any

import re2

from bastion.config.schema import Address, Config, Target
from bastion.names import is_host_name, is_target_name

NAME = "{name}"
"""Stands in a pattern's address for the name that was asked for."""

_WILDCARDS = {"*": "[a-z0-9_-]*", "?": "[a-z0-9_-]"}


def find(config: Config, name: str) -> Target | None:
    """Return the target of this name, made of a pattern where no exact one has it; None where there is none."""
    exact = config.targets.get(name)
    if exact is not None or not is_target_name(name):
        return exact
    return next((made for pattern in config.patterns if (made := instance(pattern, name)) is not None), None)


def instance(pattern: Target, name: str) -> Target | None:
    """Return the target that a pattern makes of a name; None where it does not match."""
    if _compiled(pattern.name).fullmatch(name) is None:
        return None
    host = pattern.address.host.replace(NAME, name)
    if not is_target_name(name) or not is_host_name(host):
        return None
    return replace(pattern, name=name, address=Address(host, pattern.address.port))


def every(config: Config) -> Iterable[Target]:
    """Yield all targets, also those of patterns that a role or rule names, and then the patterns.

    Patterns are there to be listed and compared with, never to be dialled.
    """
    yield from config.targets.values()
    lists = [role.targets for role in config.roles.values()] + [rule.targets for rule in config.rules]
    names = dict.fromkeys(selector.name for selectors in lists for selector in selectors)
    made = (find(config, name) for name in names if name not in config.targets)
    yield from (target for target in made if target is not None)
    yield from config.patterns


def with_patterns(config: Config) -> Config:
    """Return a configuration whose patterns, read as targets, stand apart.

    They are ordered by how much of a name they fix; those that fix as much stay in the file's order.
    """
    exact = {name: target for name, target in config.targets.items() if not target.pattern}
    patterns = [target for target in config.targets.values() if target.pattern]
    patterns.sort(key=lambda pattern: sum(char in _WILDCARDS for char in pattern.name) - len(pattern.name))
    return replace(config, targets=exact, patterns=tuple(patterns))


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> Any:
    """Return the regular expression of a pattern; RE2's take linear time, whatever a client asks for."""
    return re2.compile("".join(_WILDCARDS.get(char) or re2.escape(char) for char in pattern))
