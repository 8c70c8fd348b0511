"""`declare`, `local`, `export`, `readonly`, `typeset`: attributes and values of variables."""

import re
from collections.abc import Sequence
from dataclasses import replace

from bastion.policy import assignments, words
from bastion.policy.context import IO, Context
from bastion.policy.fields import merge
from bastion.policy.state import State, Variable
from bastion.policy.tree import Node
from bastion.policy.understanding import Reason, Word, literal

_NAME = re.compile(r"([A-Za-z_]\w*)(\+?=)?(.*)\Z", re.DOTALL)


def run_declaration(run: Context, node: Node, state: State, io: IO) -> None:
    """Follow a declaration that the parser has recognised."""
    variant = node["Variant"]["Value"]
    flags = ""
    argv = [literal(variant)]
    for item in node.get("Args", []):
        if item.get("Name") is None:
            for word in words.fields(run, [item["Value"]], state, io):
                argv.append(word)
                flags = _word(run, variant, word, flags, state)
            continue
        name = str(item["Name"]["Value"])
        _attributes(run, variant, name, flags, state)
        if item.get("Naked"):
            argv.append(literal(name))
            continue
        assignments.assign(run, item, state, io)
        variable = state.variables[name]
        shown = Word(variable.value.parts if variable.value is not None else ())
        argv.append(Word(merge((name + "=", *shown.parts))))
    index = run.emit(argv, state, io.stdin)
    if any("p" in word.shown for word in argv[1:2]) or len(argv) == 1:
        io.stdout.write_unknown(index)


def _word(run: Context, variant: str, word: Word, flags: str, state: State) -> str:
    """Take one word whose meaning is known only after expansion: options, or a name with a value."""
    text = word.text
    if text is not None and text[:1] in {"-", "+"}:
        return flags + (text[1:] if text[0] == "-" else "")
    match = _NAME.match(text) if text is not None else None
    if text is None and word.parts and isinstance(word.parts[0], str) and not word.many:
        match = _NAME.match(word.parts[0])
        if match is not None and match[2] == "=":
            _attributes(run, variant, match[1], flags, state)
            value = Word(merge((match[3], *word.parts[1:])))
            assignments.set_value(run, match[1], value, state)
            assignments.check(run, match[1], state)
            return flags
        match = None
    if match is None:
        run.doubt(Reason.REBINDING, f"{variant} {word.shown} sets a variable that is not known")
        state.forget_variables()
        return flags
    if match[2] is None and match[3].startswith("["):  # an element: its index is evaluated
        run.doubt(Reason.ARITHMETIC, f"{variant} {word.shown}")
        assignments.forget(state, match[1], "$" + match[1])
        return flags
    declare(run, variant, match, flags, state)
    return flags


def declare(run: Context, variant: str, match: re.Match[str], flags: str, state: State) -> None:
    """Perform one `name` or `name=value` that came out of an expansion."""
    _attributes(run, variant, match[1], flags, state)
    if match[2]:
        assignments.set_value(run, match[1], literal(match[3]), state)
        assignments.check(run, match[1], state)


def _attributes(run: Context, variant: str, name: str, flags: str, state: State) -> None:
    if "f" in flags or "F" in flags:
        if (variant == "export" or "x" in flags) and name in state.functions:
            run.doubt(Reason.REBINDING, f"exports the function {name}")
        return
    if set(flags) & set("luc"):
        run.doubt(Reason.UNSUPPORTED, f"{variant} -{flags} changes the case of what {name} is set to")
    if variant == "local" and state.locals and name not in state.locals[-1]:
        state.locals[-1][name] = state.variables.get(name)
    old = state.variables.get(name)
    if old is None:
        value = None if variant == "local" else state.lookup(name, "$" + name)
        old = Variable(value=value)
    array = old.array or "a" in flags or "A" in flags
    first: tuple[tuple[str, Word], ...] = () if old.value is None else (("0", old.value),)
    state.variables[name] = replace(
        old,
        array=array,
        elements=old.elements if old.array or not array else first,
        associative=old.associative or "A" in flags,
        exported=old.exported or variant == "export" or "x" in flags,
        integer=old.integer or "i" in flags,
        reference=old.reference or "n" in flags or variant == "nameref",
    )


def run_words(run: Context, variant: str, arguments: Sequence[Word], state: State) -> None:
    """Follow a declaration given as expanded words."""
    flags = ""
    for word in arguments:
        flags = _word(run, variant, word, flags, state)
