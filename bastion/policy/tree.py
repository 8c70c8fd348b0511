"""The syntax tree of mvdan/sh, as its `shfmt --to-json` prints it, made ready for the analysis.

A node is a dict with `Type` (as in that library's package `syntax`) and fields; empty fields are left out by shfmt.
`load` adds `Source` to each expansion: how it is written, for people. No meaning is given to anything here.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Node = dict[str, Any]

MAX_DEPTH = 200  # levels of nested nodes; a deeper text is not read
MAX_SHOWN = 80  # characters of an expansion's source kept for people

_EXPANSIONS = frozenset({"ParamExp", "CmdSubst", "ArithmExp", "ProcSubst", "ExtGlob"})


class TreeTooDeepError(Exception):
    """The tree has more levels than are followed."""


@dataclass(frozen=True, slots=True)
class Source:
    """A text to be parsed: as bash or as posix (dash)."""

    text: str
    dialect: str = "bash"


@dataclass(frozen=True, slots=True)
class Parsed:
    """What the parsers say of a source: a tree, or `problem` (a `Reason` value) with a line of detail."""

    tree: Node | None
    problem: str = ""
    detail: str = ""


def load(printed: bytes, source: bytes) -> Node:
    """Return the tree in shfmt's output for `source`. Raises ValueError, TreeTooDeepError."""
    try:
        tree = json.loads(printed)
    except RecursionError:
        raise TreeTooDeepError from None
    if not isinstance(tree, dict):
        raise TypeError("shfmt printed no object")
    _annotate(tree, source)
    return tree


def _annotate(tree: Node, source: bytes) -> None:
    level: list[Any] = [tree]
    for _ in range(MAX_DEPTH * 2):
        following: list[Any] = []
        for node in level:
            if isinstance(node, list):
                following.extend(item for item in node if isinstance(item, dict | list))
                continue
            if node.get("Type") in _EXPANSIONS:
                raw = source[node["Pos"]["Offset"] : node["End"]["Offset"]]
                text = raw[: 4 * MAX_SHOWN].decode("utf-8", "replace")
                node["Source"] = text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 1] + "…"
            following.extend(value for value in node.values() if isinstance(value, dict | list))
        if not following:
            return
        level = following
    raise TreeTooDeepError


def literal_word(word: Node | None) -> str | None:
    """Return the text of a word that is one unquoted literal, else None."""
    parts = (word or {}).get("Parts", [])
    if len(parts) == 1 and parts[0]["Type"] == "Lit":
        value = parts[0].get("Value", "")
        return value if isinstance(value, str) and "\\" not in value else None
    return None


def walk(node: Any) -> Iterator[Node]:
    """Yield every dict in a tree that has a `Type`, and every statement."""
    stack = [node]
    while stack:
        item = stack.pop()
        if isinstance(item, dict):
            yield item
            stack.extend(value for value in item.values() if isinstance(value, dict | list))
        elif isinstance(item, list):
            stack.extend(item)
