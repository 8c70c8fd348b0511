"""`[[ ... ]]`: runs the code in its words, and minds the operators that read a value as arithmetic."""

from bastion.policy import arithmetic, words
from bastion.policy.context import IO, Context
from bastion.policy.state import State
from bastion.policy.tree import Node
from bastion.policy.understanding import Reason

_NUMERIC = frozenset({"-eq", "-ne", "-lt", "-le", "-gt", "-ge"})


def run_test(run: Context, node: Node, state: State, io: IO) -> None:
    """Follow a `[[ ]]` command."""
    _expression(run, node.get("X"), state, io)


def _expression(run: Context, node: Node | None, state: State, io: IO) -> None:
    if node is None:
        return
    run.step()
    kind, operator = node.get("Type", "Word"), node.get("Op")
    if kind == "Word":
        words.single(run, node, state, io)
    elif kind == "ParenTest":
        _expression(run, node.get("X"), state, io)
    elif kind == "UnaryTest":
        _unary(run, node, state, io)
    elif kind != "BinaryTest":
        run.doubt(Reason.UNSUPPORTED, f"a test of kind {kind}")
    elif operator in {"&&", "||"}:
        _expression(run, node["X"], state, io)
        _expression(run, node["Y"], state, io)
    else:
        for side in (node["X"], node["Y"]):
            value = words.pattern(run, side, state, io) if operator == "=~" else words.single(run, side, state, io)
            if operator in _NUMERIC:
                arithmetic.value_is_number(run, value, state, f"[[ {operator} ]]")


def _unary(run: Context, node: Node, state: State, io: IO) -> None:
    if node["Op"] == "!":
        _expression(run, node.get("X"), state, io)
        return
    operand = words.single(run, node.get("X"), state, io)
    if node["Op"] in {"-v", "-R"} and (operand.text is None or "[" in operand.text):
        run.doubt(Reason.ARITHMETIC, f"[[ {node['Op']} {operand.shown} ]] may run a subscript")
