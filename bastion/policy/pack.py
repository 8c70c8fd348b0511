"""The rules shipped with the bastion: dangerous operations, by name. What they match is written in `pack.toml`.

A pack says what is dangerous, not what to do about it: the rule that switches it on gives action, approvers and
conditions.
"""

import itertools
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from importlib import resources
from typing import Any

from bastion.config.schema import Rule, SQLCondition
from bastion.model import Action


@cache
def _tables() -> dict[str, dict[str, Any]]:
    return tomllib.loads(resources.files("bastion.policy").joinpath("pack.toml").read_text(encoding="utf-8"))


def names() -> tuple[str, ...]:
    """Return the names of all packs."""
    return tuple(_tables())


def reason(name: str) -> str:
    """Return in a few words what a pack guards against."""
    return str(_tables()[name]["reason"])


def rule(name: str, *, action: Action = Action.APPROVE, approvers: tuple[str, ...] = ()) -> Rule:
    """Return a pack as a rule that can be narrowed with `dataclasses.replace`. Raises KeyError."""
    table = _tables()[name]
    sql = table.get("sql")
    crossed = itertools.product(table.get("programs", ()), table.get("files", ()))
    return Rule(
        name,
        action,
        commands=(*table.get("commands", ()), *(f"{program} {file}" for program, file in crossed)),
        regex=tuple(table.get("regex", ())),
        sql=None if sql is None else SQLCondition(tuple(sql["statements"]), (), bool(sql["unbounded"])),
        reason=table["reason"],
        approvers=approvers,
    )


def parts(whole: Rule) -> Iterator[Rule]:
    """Yield a rule as several that name no packs: its own patterns, and each of its packs under the same conditions."""
    own = replace(whole, packs=())
    if not whole.packs or not own.whatever:
        yield own
    for name in whole.packs:
        shipped = rule(name)
        yield replace(
            own,
            commands=shipped.commands,
            regex=shipped.regex,
            sql=shipped.sql,
            opaque=False,
            paths=(),
            transfer=frozenset(),
            reason=own.reason or shipped.reason,
        )
