"""Builtins that change variables, parameters and options: `read`, `set`, `unset`, `getopts`, `let` and their like."""

import re
from dataclasses import replace

from bastion.policy import arithmetic, assignments, calls, declarations
from bastion.policy.context import Call, Context, Handler
from bastion.policy.state import Variable, number, unknown
from bastion.policy.understanding import Hole, Reason, Unknown, Word, literal

_NAME = re.compile(r"[A-Za-z_]\w*\Z")


_SET_LETTERS = {"a": "allexport", "f": "noglob", "e": "errexit", "x": "xtrace", "u": "nounset", "k": "keyword"}


def _set(run: Context, call: Call) -> None:
    words = call.arguments
    options = set(call.state.options)
    while words and (text := words[0].text) is not None and text[:1] in {"-", "+"} and text not in {"-", "--"}:
        on = text[0] == "-"
        if "o" in text and len(words) > 1:
            (options.add if on else options.discard)(words[1].shown)
            words = words[1:]
        for letter in text[1:]:
            (options.add if on else options.discard)(_SET_LETTERS.get(letter, letter))
        words = words[1:]
    call.state.options = frozenset(options)
    if words and words[0].text in {"-", "--"}:
        call.state.positional = tuple(words[1:])
    elif words:
        uncertain = words[0].text is None and (words[0].many or not isinstance(words[0].parts[0], str))
        call.state.positional = None if uncertain else tuple(words)
    if "keyword" in options:
        run.doubt(Reason.UNSUPPORTED, "set -k")
    if not call.arguments:
        call.io.stdout.write_unknown(call.index)


def _shift(run: Context, call: Call) -> None:
    count = arithmetic.parse_int(call.arguments[0].text or "") if call.arguments else 1
    del run
    positional = call.state.positional
    if positional is None or count is None or any(word.many for word in positional):
        call.state.positional = None
    elif count <= len(positional):
        call.state.positional = positional[count:]


_PLAIN_ELEMENT = re.compile(r"[A-Za-z_]\w*\[(?:\d+|[@*])\]\Z")


def _unset(run: Context, call: Call) -> None:
    flags = "".join(word.text or "" for word in call.arguments if (word.text or "").startswith("-"))
    for word in call.arguments:
        name = word.text
        if name is None:
            call.state.forget_variables()
            call.state.functions = {key: (*bodies, None) for key, bodies in call.state.functions.items()}
        elif not name.startswith("-"):
            if "f" not in flags and _NAME.match(name):
                call.state.variables[name] = Variable()
            elif "[" in name:
                if not _PLAIN_ELEMENT.match(name):
                    run.doubt(Reason.ARITHMETIC, f"unset {name}")
                assignments.forget(call.state, name.split("[", 1)[0], "$" + name, array=True)
            if "f" in flags or ("v" not in flags and name not in call.state.variables):
                call.state.functions.pop(name, None)


_READ_VALUES = frozenset("adinNptu")


def _read(run: Context, call: Call) -> None:
    names: list[str] = []
    arrays: list[str] = []
    words = list(call.arguments)
    while words:
        word = words.pop(0)
        text = word.text
        if text is None or "[" in text:
            run.doubt(Reason.ARITHMETIC, f"{call.name} {word.shown} sets a variable that is not known")
            call.state.forget_variables()
        elif text.startswith("-") and len(text) > 1:
            letter = next((char for char in text[1:] if char in _READ_VALUES), None)
            attached = letter is not None and not text.endswith(letter)
            if letter == "a":
                arrays.append(text.partition("a")[2] if attached or not words else words.pop(0).shown)
            elif letter is not None and not attached and words:
                words.pop(0)
        else:
            names.append(text)
    given = call.io.stdin.text.text if call.io.stdin.text is not None else None
    one_line = given is not None and given.count("\n") <= 1 and "\\" not in given
    if given is not None and one_line and len(names) == 1 and not arrays and not run.jumps:
        assignments.set_value(run, names[0], literal(given.strip()), call.state)
        assignments.check(run, names[0], call.state)
        return
    for name in [*names, *arrays] or ["REPLY", "MAPFILE"]:
        assignments.forget(call.state, name, "$" + name, array=name in arrays)
        old = call.state.variables[name]
        value = unknown("$" + name, call.io.stdin.origins)
        call.state.variables[name] = replace(old, value=value)
        assignments.check(run, name, call.state)


def _mapfile(run: Context, call: Call) -> None:
    names = [word for word in call.arguments if not (word.text or "").startswith("-")]
    for place, word in enumerate(call.arguments[:-1]):
        if word.text == "-C":
            calls.callback(run, call, call.arguments[place + 1])
    name = names[-1].text if names else "MAPFILE"
    if name is None or not _NAME.match(name):
        run.doubt(Reason.ARITHMETIC, f"{call.name} sets a variable that is not known")
        call.state.forget_variables()
        return
    call.state.variables[name] = Variable(array=True, elements=None)


def _shopt(run: Context, call: Call) -> None:
    names = {word.text for word in call.arguments}
    if None in names or names & {"expand_aliases", "sourcepath"}:
        run.doubt(Reason.REBINDING, "shopt " + " ".join(word.shown for word in call.arguments))
    call.state.options |= {name for name in names if name and not name.startswith("-")}
    call.io.stdout.write_unknown(call.index)


def _test(run: Context, call: Call) -> None:
    words = call.arguments
    for place, word in enumerate(words[:-1]):
        if word.text in {"-v", "-R"} and (words[place + 1].text is None or "[" in (words[place + 1].text or "")):
            run.doubt(Reason.ARITHMETIC, f"{call.name} {word.text} {words[place + 1].shown}")


def _let(run: Context, call: Call) -> None:
    for word in call.arguments:
        arithmetic.value_is_number(run, word, call.state, "let")
        match = re.match(r"\s*(?:\+\+|--)?([A-Za-z_]\w*)", word.shown)
        if match:
            call.state.assign(match[1], number("$" + match[1]))


def _declare(run: Context, call: Call) -> None:
    """`command export x=y`, `\\export`: a declaration that the parser took for a program."""
    declarations.run_words(run, call.name, call.arguments, call.state)
    call.io.stdout.write_unknown(call.index)


def _getopts(run: Context, call: Call) -> None:
    del run
    if len(call.arguments) > 1 and (name := call.arguments[1].text) is not None and _NAME.match(name):
        call.state.assign(name, Word((Unknown(Hole.ONE, "$" + name),)))
    else:
        call.state.forget_variables()
    call.state.assign("OPTARG", unknown("$OPTARG"))


HANDLERS: dict[str, Handler] = {
    "read": _read,
    "mapfile": _mapfile,
    "readarray": _mapfile,
    "set": _set,
    "shift": _shift,
    "unset": _unset,
    "getopts": _getopts,
    "let": _let,
    "shopt": _shopt,
    "export": _declare,
    "declare": _declare,
    "typeset": _declare,
    "local": _declare,
    "readonly": _declare,
}
EVERYWHERE: dict[str, Handler] = {"[": _test, "test": _test}
