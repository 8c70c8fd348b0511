"""The second reader of shell text: tree-sitter's grammar must see commands at the same places as mvdan/sh.

Each of the two parsers has been seen to lose a command without an error; both losing the same one has not. Compared
are the places in the text where a command's name starts. Known differences of tree-sitter are levelled here:
`time` and `coproc` it takes for programs, and declarations and tests are kinds of their own.
"""

from functools import cache

import tree_sitter
import tree_sitter_bash

from bastion.policy.tree import Node, walk

MAX_NODES = 200_000

_ALSO = frozenset({"CallExpr", "TimeClause", "CoprocClause", "DeclClause", "LetClause", "TestClause", "ArithmCmd"})


@cache
def _language() -> tree_sitter.Language:
    return tree_sitter.Language(tree_sitter_bash.language())


def disagreement(text: bytes, tree: Node) -> str:
    """Return in one line how tree-sitter disagrees with the tree, or an empty text."""
    parsed = tree_sitter.Parser(_language()).parse(text)
    theirs = _names(parsed.root_node)
    if theirs is None:
        return "the second parser gave up"
    ours = _starts(tree, text)
    lost = sorted(theirs - ours[0] - ours[1])
    hidden = sorted(ours[0] - theirs)
    if parsed.root_node.has_error and (lost or hidden):
        return "the second parser finds an error"
    if lost:
        return f"the second parser sees a command at byte {lost[0]}"
    if hidden:
        return f"the second parser sees no command at byte {hidden[0]}"
    return ""


def _names(root: tree_sitter.Node) -> set[int] | None:
    found: set[int] = set()
    stack = [root]
    for _ in range(MAX_NODES):
        if not stack:
            return found
        node = stack.pop()
        if node.type == "command_name":
            found.add(node.start_byte)
        stack.extend(node.children)
    return None


def _starts(tree: Node, text: bytes) -> tuple[set[int], set[int]]:
    """Return where commands must be seen by both, and where tree-sitter may see one too."""
    must: set[int] = set()
    may: set[int] = set()
    for node in walk(tree):
        kind = node.get("Type")
        start = node.get("Pos", {}).get("Offset", 0)
        if kind == "CallExpr" and node.get("Args"):
            (may if _excused(text, node) else must).add(node["Args"][0].get("Pos", {}).get("Offset", 0))
        elif kind in _ALSO:
            may.add(start)
    return must, may


def _excused(text: bytes, node: Node) -> bool:
    """Whether tree-sitter is known not to name this command: behind `time` and `coproc`, in tests and backquotes."""
    start = node["Args"][0].get("Pos", {}).get("Offset", 0)
    name = text[start : start + 8]
    if name.startswith((b"[ ", b"[\n", b"[\t", b"test ", b"unset ", b"unsetenv ")):
        return True
    before = text[:start].rstrip().rsplit(None, 2)[-2:]
    return bool(before) and (before[-1] in {b"time", b"coproc", b"!"} or before[0] in {b"time", b"coproc"})
