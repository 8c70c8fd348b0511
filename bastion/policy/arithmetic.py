"""Arithmetic of the shell: `$((...))`, `((...))`, `let`, subscripts, the offsets of `${x:1:2}`.

Bash reads the value of a variable in such a place as an expression again, and a subscript in it may hold `$(code)`:
a value that is not surely a number is a doubt. The result is an int or None (some number, not known).
"""

import re

from bastion.policy import words
from bastion.policy.context import IO, Context
from bastion.policy.state import State, is_number, number
from bastion.policy.tree import Node, literal_word
from bastion.policy.understanding import Reason, Word, literal

_LIMIT = 1 << 62
_DEPTH = 8  # variables that name variables

_NAME = re.compile(r"[A-Za-z_]\w*\Z")
_PLAIN = re.compile(r"[\w\s+\-*/%()<>=!&|^~?:,]*\Z", re.ASCII)
_ASSIGNING = frozenset({"=", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "<<=", ">>="})


def evaluate(run: Context, node: Node | None, state: State, io: IO) -> int | None:
    """Return the value of an arithmetic expression where it is known."""
    if node is None:
        return None
    run.step()
    kind = node.get("Type", "Word")
    if kind == "Word":
        return _word(run, node, state, io)
    if kind == "ParenArithm":
        return evaluate(run, node.get("X"), state, io)
    if kind == "UnaryArithm":
        return _unary(run, node, state, io)
    if kind == "BinaryArithm":
        return _binary(run, node, state, io)
    run.doubt(Reason.UNSUPPORTED, f"arithmetic of kind {kind}")
    return None


def value_is_number(run: Context, word: Word, state: State, where: str) -> int | None:
    """Read a word as the shell's arithmetic would; a doubt unless that is harmless."""
    text = word.text
    if text is None:
        if not is_number(word):
            run.doubt(Reason.ARITHMETIC, f"{where} reads {word.shown} as an expression")
        return None
    return _text(run, text.strip(), state, where, _DEPTH)


def _word(run: Context, node: Node, state: State, io: IO) -> int | None:
    text = literal_word(node)
    if text is not None:
        return _text(run, text, state, "arithmetic", _DEPTH)
    return value_is_number(run, words.single(run, node, state, io), state, "arithmetic")


def _text(run: Context, text: str, state: State, where: str, depth: int) -> int | None:
    parsed = parse_int(text)
    if parsed is not None or not text:
        return parsed or 0
    if not _PLAIN.match(text):
        run.doubt(Reason.ARITHMETIC, f"{where} reads {text!r} as an expression")
        return None
    names = re.findall(r"[A-Za-z_]\w*", text)
    values = [_variable(run, name, state, where, depth) for name in names]
    return values[0] if _NAME.match(text) else None


def _variable(run: Context, name: str, state: State, where: str, depth: int) -> int | None:
    value = state.lookup(name, "$" + name)
    if value is None:
        return 0
    text = value.text
    if text is None or depth == 0:
        if depth == 0 or not is_number(value):
            run.doubt(Reason.ARITHMETIC, f"{where} reads the value of {name} as an expression")
        return None
    return _text(run, text.strip(), state, where, depth - 1)


def parse_int(text: str) -> int | None:
    """Return the integer a text is in the shell's notation (decimal, 0x, octal, base#digits), else None."""
    match = re.fullmatch(r"([+-]?)(?:(\d{1,2})#([0-9A-Za-z@_]+)|(0[xX][0-9A-Fa-f]+)|(\d+))", text.strip(), re.ASCII)
    if match is None or len(text) > 24:
        return None
    sign, base, digits, hexadecimal, decimal = match.groups()
    try:
        if base is not None:
            value = int(digits, int(base))
        elif hexadecimal is not None:
            value = int(hexadecimal, 16)
        else:
            value = int(decimal, 8) if len(decimal) > 1 and decimal[0] == "0" else int(decimal)
    except ValueError:
        return None
    return _bounded(-value if sign == "-" else value)


def _bounded(value: int) -> int | None:
    return value if -_LIMIT < value < _LIMIT else None


def _target(node: Node) -> str | None:
    name = literal_word(node) if node.get("Type", "Word") == "Word" else None
    return name if name is not None and _NAME.match(name) else None


def _store(state: State, node: Node, value: int | None) -> None:
    name = _target(node)
    if name is not None:
        state.assign(name, number("$" + name) if value is None else literal(str(value)))


def _unary(run: Context, node: Node, state: State, io: IO) -> int | None:
    operand = node["X"]
    value = evaluate(run, operand, state, io)
    operator = node["Op"]
    if operator in {"++", "--"}:
        changed = None if value is None else _bounded(value + (1 if operator == "++" else -1))
        _store(state, operand, changed)
        return value if node.get("Post") else changed
    if value is None:
        return None
    return {"+": value, "-": -value, "!": int(value == 0), "~": ~value}.get(operator)


def _binary(run: Context, node: Node, state: State, io: IO) -> int | None:
    operator, left_node, right_node = node["Op"], node["X"], node["Y"]
    if operator in _ASSIGNING:
        right = evaluate(run, right_node, state, io)
        left = evaluate(run, left_node, state, io) if operator != "=" or _target(left_node) is None else None
        value = right if operator == "=" else _compute(operator[:-1], left, right)
        _store(state, left_node, value)
        return value
    if operator in {"?", "&&", "||", ":"}:
        before = state.copy()
        left = evaluate(run, left_node, state, io)
        evaluate(run, right_node, state, io)
        del left
        for name in state.variables.keys() - before.variables.keys():
            state.assign(name, number("$" + name))
        for name, variable in before.variables.items():
            if state.variables[name] != variable:
                state.assign(name, number("$" + name))
        return None
    left = evaluate(run, left_node, state, io)
    right = evaluate(run, right_node, state, io)
    return right if operator == "," else _compute(operator, left, right)


def _compute(operator: str, left: int | None, right: int | None) -> int | None:
    if left is None or right is None:
        return None
    if operator in {"/", "%"}:
        if right == 0:
            return None
        quotient = abs(left) // abs(right) * (1 if (left < 0) == (right < 0) else -1)
        return quotient if operator == "/" else left - quotient * right
    if operator in {"<<", ">>", "**"}:
        if not 0 <= right < 64 or (operator == "**" and abs(left) > 1000):
            return None
        return _bounded({"<<": left << right, ">>": left >> right, "**": left**right}[operator])
    simple = {
        "+": left + right,
        "-": left - right,
        "*": left * right,
        "<": int(left < right),
        ">": int(left > right),
        "<=": int(left <= right),
        ">=": int(left >= right),
        "==": int(left == right),
        "!=": int(left != right),
        "&": left & right,
        "|": left | right,
        "^": left ^ right,
    }
    value = simple.get(operator)
    return None if value is None else _bounded(value)
