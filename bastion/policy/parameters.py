"""Parameter expansion: `$x`, `${x:-y}`, `${x%y}`, `${a[1]}`, `${!x}`, `"$@"` and the rest.

A value that is known is computed as bash does; anything else is a hole. Two forms run code hidden in a value,
`${x@P}` and subscripts; they are doubts unless the value is plainly harmless.
"""

import re
from dataclasses import replace

import re2

from bastion.policy import arithmetic, assignments, words
from bastion.policy.context import IO, Context
from bastion.policy.fields import BREAK, Piece, merge
from bastion.policy.globs import to_regex
from bastion.policy.state import HOME, State, Variable, merge_words, number, unknown
from bastion.policy.tree import Node, literal_word
from bastion.policy.understanding import Reason, Word, literal

MAX_PATTERN = 64  # characters of a pattern that `${x%pattern}` is computed with
MAX_VALUE = 1024

_QUIET = re2.Options()
_QUIET.log_errors = False
_FIELDS = frozenset(
    {"Type", "Pos", "End", "Dollar", "Rbrace", "Short", "Excl", "Length", "Param", "Index", "Slice", "Repl", "Names"}
    | {"Exp", "Source"}
)
_DEFAULTS = frozenset({":-", "-", ":=", "=", ":?", "?", ":+", "+"})
_TRIMS = frozenset({"%", "%%", "#", "##"})
_CASES = frozenset({"^", "^^", ",", ",,"})


def expand(run: Context, node: Node, state: State, io: IO, *, quoted: bool) -> list[Piece]:
    """Return the pieces of one parameter expansion."""
    run.step()
    shown = node["Source"]
    if not node.keys() <= _FIELDS or "Param" not in node:
        run.doubt(Reason.UNSUPPORTED, f"the expansion {shown}")
        return _scalar(unknown(shown), quoted=quoted)
    name = node["Param"].get("Value", "")
    if node.get("Length"):
        _subscript(run, node, name, state, io)
        return _scalar(_length(name, node, state, shown), quoted=quoted)
    members = _members(run, node, name, state, io)
    if members is not None or name in {"@", "*"} or _all(node):
        return _list(run, node, name, members, state, io, quoted=quoted)
    if node.get("Names"):
        return _scalar(unknown(shown), quoted=quoted)
    value = _value(run, node, name, state, io)
    result = _operate(run, node, name, value, state, io)
    return _scalar(result, quoted=quoted)


def _scalar(value: Word | None, *, quoted: bool) -> list[Piece]:
    if value is None:
        value = Word()
    pieces = [Piece(part, quoted=quoted, split=not quoted) for part in value.parts]
    if value.many and quoted:
        return pieces
    return [Piece("", quoted=True), *pieces] if quoted else pieces


def _all(node: Node) -> bool:
    return literal_word(node.get("Index")) in {"@", "*"}


def _length(name: str, node: Node, state: State, shown: str) -> Word:
    if name in {"@", "*"}:
        return number(shown) if state.positional is None else literal(str(len(state.positional)))
    value = state.lookup(name, shown) if not node.get("Index") and not name.isdigit() else unknown(shown)
    text = "" if value is None else value.text
    return number(shown) if text is None else literal(str(len(text)))


def _subscript(run: Context, node: Node, name: str, state: State, io: IO) -> str | None:
    """Return the key of `${a[key]}` where it is known."""
    index = node.get("Index")
    if index is None or _all(node):
        return None
    variable = state.variables.get(name)
    if variable is not None and variable.associative and index.get("Type") == "Word":
        return words.single(run, index, state, io).text
    value = arithmetic.evaluate(run, index, state, io)
    return None if value is None else str(value)


def _value(run: Context, node: Node, name: str, state: State, io: IO) -> Word | None:
    """Return the value before any operator; None: unset."""
    shown = node["Source"]
    key = _subscript(run, node, name, state, io)
    value = _named(run, name, state, shown)
    if node.get("Index") is not None:
        variable = state.variables.get(name)
        if variable is None or not variable.array:
            value = (
                value if key in {"0", "-1"} else (None if variable is not None and key is not None else unknown(shown))
            )
        elif variable.elements is None or key is None:
            value = unknown(shown)
        else:
            value = dict(variable.elements).get(_from_end(key, variable))
    if node.get("Excl"):
        target = value.text if value is not None else None
        if target is None or not re.fullmatch(r"\w+", target):
            if target is None or "[" in target:
                run.doubt(Reason.ARITHMETIC, f"the indirect expansion {shown}")
            return unknown(shown)
        return _named(run, target, state, shown)
    return value


def _from_end(key: str, variable: Variable) -> str:
    """Return the index that a negative one means: counted from behind the last."""
    negative = key[:1] == "-" and key[1:].isdigit() and not variable.associative
    return str(assignments.following(key for key, _ in variable.elements or ()) + int(key)) if negative else key


def _named(run: Context, name: str, state: State, shown: str) -> Word | None:
    if name == "0":
        return state.name
    if name.isdigit():
        if state.positional is None:
            return unknown(shown)
        position = int(name) - 1
        if any(word.many for word in state.positional[: position + 1]):
            return unknown(shown)
        return state.positional[position] if position < len(state.positional) else None
    if name == "#":
        known = state.positional is not None and not any(word.many for word in state.positional)
        return literal(str(len(state.positional or ()))) if known else number(shown)
    variable = state.variables.get(name)
    if variable is not None and variable.reference:
        target = variable.value.text if variable.value is not None else None
        if target is None or not re.fullmatch(r"[A-Za-z_]\w*", target) or target == name:
            run.doubt(Reason.ARITHMETIC, f"a reference through {shown}")
            return unknown(shown)
        return state.lookup(target, shown)
    return state.lookup(name, shown)


def _members(run: Context, node: Node, name: str, state: State, io: IO) -> tuple[Word, ...] | None:
    """Return the members of `$@`, `$*` or `${a[@]}` where they are known."""
    if node.get("Excl") or node.get("Names"):
        return None
    if name in {"@", "*"}:
        members = state.positional
    elif _all(node):
        variable = state.variables.get(name)
        if variable is None or (variable.array and variable.elements is None):
            return None
        if variable.array:
            members = tuple(value for _, value in variable.elements or ())
            if variable.associative and len(members) > 1:
                return None  # they come in an order that only the shell knows
        else:
            members = () if variable.value is None else (variable.value,)
    else:
        return None
    if members is None or any(node.get(key) for key in ("Repl", "Exp")):
        return None
    if (cut := node.get("Slice")) is not None:
        return _slice_members(run, cut, name, members, state, io)
    return members


def _slice_members(
    run: Context, cut: Node, name: str, members: tuple[Word, ...], state: State, io: IO
) -> tuple[Word, ...] | None:
    offset = arithmetic.evaluate(run, cut.get("Offset"), state, io)
    length = arithmetic.evaluate(run, cut.get("Length"), state, io) if cut.get("Length") else len(members)
    variable = state.variables.get(name)
    if variable is not None and variable.array:  # the offset is an index, not a place
        keys = [key for key, _ in variable.elements or ()]
        if keys != [str(place) for place in range(len(keys))]:
            return None
    if offset is None or length is None or offset < 0 or length < 0 or any(word.many for word in members):
        return None
    if name in {"@", "*"}:
        members = (state.name, *members)
        length += 0 if cut.get("Length") else 1
    return members[offset : offset + length]


def _list(
    run: Context, node: Node, name: str, members: tuple[Word, ...] | None, state: State, io: IO, *, quoted: bool
) -> list[Piece]:
    shown = node["Source"]
    if members is None:
        for key in ("Repl", "Exp", "Slice"):
            _visit(run, node.get(key), state, io)
        if (node.get("Exp") or {}).get("Op") == "@":
            run.doubt(Reason.EVAL, f"the expansion {shown}")
        part = unknown(shown).parts[0]
        return [Piece(part, quoted=False, split=True)]  # any number of words, even in quotes
    star = name == "*" or literal_word(node.get("Index")) == "*"
    if star and quoted:
        separator = state.separators
        if separator is None:
            return _scalar(unknown(shown), quoted=True)
        pieces = [Piece("", quoted=True)]
        for index, member in enumerate(members):
            pieces.extend([Piece(separator[:1], quoted=True)] if index else [])
            pieces.extend(Piece(part, quoted=True, split=member.many) for part in member.parts)
        return pieces
    pieces = []
    for index, member in enumerate(members):
        pieces.extend([BREAK] if index else [])
        if quoted:
            pieces.append(Piece("", quoted=True))
            pieces.extend(
                Piece(part, quoted=True, split=member.many and not isinstance(part, str)) for part in member.parts
            )
        else:
            pieces.extend(Piece(part, quoted=False, split=True) for part in member.parts)
    return pieces


def _visit(run: Context, node: object, state: State, io: IO) -> None:
    """Run the code in the words below an operator whose result is not computed."""
    if isinstance(node, dict):
        if "Parts" in node:
            words.single(run, node, state, io)
        elif "Type" in node:
            arithmetic.evaluate(run, node, state, io)
        else:
            for value in node.values():
                _visit(run, value, state, io)


def _operate(run: Context, node: Node, name: str, value: Word | None, state: State, io: IO) -> Word | None:
    shown = node["Source"]
    if (cut := node.get("Slice")) is not None:
        return _slice(run, cut, value, state, io, shown)
    if (change := node.get("Repl")) is not None:
        return _replace(run, change, value, state, io, shown)
    operation = node.get("Exp")
    if operation is None:
        return value
    operator = operation["Op"]
    if operator in _DEFAULTS:
        return _default(run, operation, name, value, state, io, shown)
    if operator == "@":
        return _transform(run, operation, value, shown)
    if operator in _TRIMS:
        cut_off = words.pattern(run, operation.get("Word"), state, io)
        return _trim(operator, value, cut_off, shown)
    _visit(run, operation.get("Word"), state, io)
    if operator in _CASES and not operation.get("Word"):
        text = "" if value is None else value.text
        return (
            unknown(shown, value.origins if value else frozenset()) if text is None else literal(_case(operator, text))
        )
    return unknown(shown)


def _case(operator: str, text: str) -> str:
    change = str.upper if operator[0] == "^" else str.lower
    return change(text) if len(operator) == 2 else change(text[:1]) + text[1:]


def _default(
    run: Context, operation: Node, name: str, value: Word | None, state: State, io: IO, shown: str
) -> Word | None:
    operator = operation["Op"]
    other = words.single(run, operation.get("Word"), state, io)
    text = "" if value is None else value.text
    empty = value is None or (operator.startswith(":") and text == "")
    certain = value is None or text is not None or _not_empty(value)
    if operator in {":+", "+"}:
        if certain:
            return Word() if empty else other
        return merge_words(Word(), other, shown)
    if operator in {":?", "?"}:
        return value if not empty else unknown(shown)
    result = value if certain and not empty else other if certain else merge_words(value, other, shown)
    if operator in {":=", "="} and re.fullmatch(r"[A-Za-z_]\w*", name):
        state.assign(name, result)
    return result


def _not_empty(value: Word) -> bool:
    return not value.many and any(isinstance(part, str) or part == HOME.parts[0] for part in value.parts)


def _transform(run: Context, operation: Node, value: Word | None, shown: str) -> Word | None:
    how = literal_word(operation.get("Word"))
    text = "" if value is None else value.text
    if how == "P" and (text is None or any(char in text for char in "$`\\")):
        run.doubt(Reason.EVAL, f"the prompt expansion {shown}")
    if how in {"U", "L", "u"} and text is not None:
        return literal({"U": text.upper(), "L": text.lower()}.get(how, text[:1].upper() + text[1:]))
    return unknown(shown)


def _slice(run: Context, cut: Node, value: Word | None, state: State, io: IO, shown: str) -> Word | None:
    offset = arithmetic.evaluate(run, cut["Offset"], state, io) if cut.get("Offset") else 0
    length = arithmetic.evaluate(run, cut.get("Length"), state, io) if cut.get("Length") else None
    text = "" if value is None else value.text
    if text is None or offset is None or (cut.get("Length") and length is None):
        return unknown(shown, value.origins if value else frozenset())
    start = offset if offset >= 0 else max(len(text) + offset, 0)
    if offset < 0 and len(text) + offset < 0:
        return Word()
    end = len(text) if length is None else start + length if length >= 0 else len(text) + length
    return literal(text[start:end])


def _replace(run: Context, change: Node, value: Word | None, state: State, io: IO, shown: str) -> Word | None:
    old = words.pattern(run, change.get("Orig"), state, io)
    new = words.single(run, change.get("With"), state, io)
    text = "" if value is None else value.text
    if text is None or new.text is None or len(text) > MAX_VALUE or len(old.shown) > MAX_PATTERN:
        return unknown(shown, value.origins if value else frozenset())
    anchor, parts = "", old.parts
    if not change.get("All") and parts and isinstance(parts[0], str) and parts[0][:1] in {"#", "%"}:
        anchor, parts = parts[0][0], merge((parts[0][1:], *parts[1:]))
    regex = to_regex(replace(old, parts=parts))
    if regex is None or "&" in new.text or not parts:
        return unknown(shown) if parts or "&" in new.text else literal(text)
    bound = {"#": rf"\A(?:{regex})", "%": rf"(?:{regex})\z"}.get(anchor, regex)
    result = new.text.replace("\\", r"\\")
    return literal(re2.sub(f"(?s){bound}", result, text, count=0 if change.get("All") else 1, options=_QUIET))


def _trim(operator: str, value: Word | None, cut_off: Word, shown: str) -> Word | None:
    text = "" if value is None else value.text
    regex = to_regex(cut_off)
    if text is None or regex is None or len(text) > MAX_VALUE or len(cut_off.shown) > MAX_PATTERN:
        return unknown(shown, value.origins if value else frozenset())
    lengths = range(len(text) + 1) if len(operator) == 1 else range(len(text), -1, -1)
    compiled = re2.compile(f"(?s){regex}", options=_QUIET)
    for length in lengths:
        part = text[:length] if operator[0] == "#" else text[len(text) - length :]
        if compiled.fullmatch(part):
            return literal(text[length:] if operator[0] == "#" else text[: len(text) - length])
    return literal(text)
