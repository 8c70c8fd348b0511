"""The shell's own commands that change what comes after, print known text, or run code."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace

from bastion.policy import arithmetic, assignments, calls, declarations, quoting
from bastion.policy.context import Call, Context, Handler, InputKind
from bastion.policy.fields import merge
from bastion.policy.redirections import piped_input
from bastion.policy.state import ANYWHERE, HOME, Variable, merge_directories, number, unknown
from bastion.policy.understanding import Hole, Part, Reason, Unknown, Word, literal

MAX_PRINTED = 65_536

_NAME = re.compile(r"[A-Za-z_]\w*\Z")


def _print(call: Call, *words: Word) -> None:
    for word in words:
        call.io.stdout.write(word, call.index)


def _echo(run: Context, call: Call) -> None:
    del run
    words = call.arguments
    escapes = newline = False
    plain = True
    while words and (text := words[0].text) is not None and re.fullmatch(r"-[neE]+", text) and plain:
        escapes = escapes or "e" in text
        newline = newline or "n" in text
        words = words[1:]
    if words and words[0].text is None and (not words[0].parts or not isinstance(words[0].parts[0], str)):
        escapes = True
    parts: list[Part] = []
    for index, word in enumerate(words):
        parts.extend([" "] if index else [])
        parts.extend(word.parts)
        if word.many:
            parts.append(Unknown(Hole.ANY, "…", word.origins))
    if escapes or call.state.dialect == "posix":
        parts = [_escapes(part) if isinstance(part, str) else part for part in parts]
    if not newline:
        parts.append("\n")
    _print(call, Word(merge(parts)))


def _escapes(text: str) -> str:
    """Return text as `echo -e` and `printf %b` print it."""
    text = text.split(r"\c", 1)[0]
    return quoting.ansi_c(re.sub(r"\\0([0-7]{1,3})", r"\\\1", text))


def _printf(run: Context, call: Call) -> None:
    words = call.arguments
    if len(words) > 1 and words[0].text == "-v":
        name = words[1].text
        if name is None or not _NAME.match(name):
            run.doubt(Reason.ARITHMETIC, f"printf -v {words[1].shown}")
            call.state.forget_variables()
        else:
            assignments.set_value(run, name, _formatted(words[2:]) or unknown("$" + name), call.state)
            assignments.check(run, name, call.state)
        return
    if words and words[0].text == "--":
        words = words[1:]
    printed = _formatted(words)
    if printed is None:
        call.io.stdout.write_unknown(call.index)
    else:
        _print(call, printed)


def _formatted(words: Sequence[Word]) -> Word | None:
    """Return what printf prints, where it uses no more than %s, %b, %c, %d and %%."""
    template = words[0].text if words else None
    if template is None or any(word.many for word in words):
        return None
    pieces = re.findall(r"%%|%[sbdic]|%|\\[0-7]{1,3}|\\[xuU][0-9A-Fa-f]{1,8}|\\.|[^%\\]+", template, re.DOTALL)
    if "%" in pieces or r"\c" in pieces:
        return None
    values = list(words[1:])
    parts: list[Part] = []
    while True:
        for piece in pieces:
            if piece == "%%":
                parts.append("%")
            elif piece[0] == "%":
                parts.extend(_conversion(piece, values.pop(0) if values else Word()))
            else:
                parts.append(quoting.ansi_c(piece) if piece[0] == "\\" else piece)
        if not values or not any(piece[0] == "%" and piece != "%%" for piece in pieces):
            return Word(merge(parts))


def _conversion(piece: str, value: Word) -> Sequence[Part]:
    if piece == "%b":
        return [_escapes(part) if isinstance(part, str) else part for part in value.parts]
    if piece in {"%d", "%i"}:
        text = value.text
        return [text] if text and arithmetic.parse_int(text) is not None else number(value.shown).parts
    if piece == "%c":
        return [value.text[:1]] if value.text else unknown(value.shown).parts
    return value.parts


def _cd(run: Context, call: Call) -> None:
    del run
    state = call.state
    words = [word for word in call.arguments if word.text not in {"-L", "-P", "-e", "-@", "--"}]
    before = state.cwd
    if not words:
        after: tuple[Word, ...] = (HOME,)
    elif len(words) > 1 or words[0].many or words[0].text == "-" or "CDPATH" in state.variables:
        after = (ANYWHERE,)
    else:
        after = _moved(before, words[0])
    state.cwd, state.failed_cwd = after, before if before != after else None
    state.variables.pop("PWD", None)


def _moved(before: tuple[Word, ...], to: Word) -> tuple[Word, ...]:
    first = to.parts[0] if to.parts else ""
    absolute = first.startswith("/") if isinstance(first, str) else first.hole is Hole.HOME
    if absolute or not before:
        return (to,) if absolute else ()
    if not isinstance(first, str) and first.hole is Hole.ANY:
        return (ANYWHERE,)
    after: tuple[Word, ...] = ()
    for place in before:
        moved = (Word(merge((*place.parts, "/", *to.parts))),)
        after = merge_directories(after, moved) if after else moved
    return after


def _pushd(run: Context, call: Call) -> None:
    if call.name == "pushd" and len(call.arguments) == 1 and not (call.arguments[0].text or "+").startswith(("+", "-")):
        _cd(run, call)
    else:
        call.state.cwd = (ANYWHERE,)
    call.io.stdout.write_unknown(call.index)


def _pwd(run: Context, call: Call) -> None:
    del run
    if len(call.state.cwd) == 1 and call.state.failed_cwd is None:
        _print(call, call.state.cwd[0], literal("\n"))
    else:
        call.io.stdout.write_unknown(call.index)


def _joined(words: Sequence[Word]) -> Word:
    parts: list[Part] = []
    for index, word in enumerate(words):
        parts.extend([" "] if index else [])
        parts.extend(word.parts)
    return Word(merge(parts), any(word.many for word in words))


def _eval(run: Context, call: Call) -> None:
    words = call.arguments[1:] if call.arguments and call.arguments[0].text == "--" else call.arguments
    calls.code(run, call, _joined(words), state=call.state, io=call.io, what="eval")


def _source(run: Context, call: Call) -> None:
    words = call.arguments[1:] if call.arguments and call.arguments[0].text == "--" else call.arguments
    if not words:
        return
    piped = piped_input(run, words[0])
    if piped is None and words[0].text in {"/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"}:
        piped = call.io.stdin
    if piped is not None and piped.text is not None:
        if len(words) > 1:
            call.state.positional = tuple(words[1:])
        calls.code(run, call, piped.text, state=call.state, io=call.io, what="sourced code")
        return
    origins = words[0].origins | (piped.origins if piped else frozenset())
    run.doubt(run.code_reason(origins, Reason.SCRIPT_FILE), f"{call.name} {words[0].shown}")
    call.state.forget_variables()
    call.state.cwd = (ANYWHERE,)
    call.io.stdout.write_unknown(call.index)


def _exec(run: Context, call: Call) -> None:
    words = call.arguments
    while words and (text := words[0].text) is not None and text.startswith("-") and text != "-":
        takes_name = text.endswith("a") and text != "--"
        words = words[2:] if takes_name else words[1:]
        if text == "--":
            break
    if words:
        calls.start(run, call, words)
        return
    call.outer.stdin = call.io.stdin
    if call.io.stdout is not call.outer.stdout:
        call.outer.stdout = call.io.stdout


def _command(run: Context, call: Call) -> None:
    words = call.arguments
    while words and (text := words[0].text) is not None and re.fullmatch(r"-[pvV]+|--", text):
        if "v" in text or "V" in text:
            known = [word.text for word in words[1:]]
            if len(known) == 1 and known[0] is not None and "v" in text:
                _print(call, literal(known[0] + "\n"))
            else:
                call.io.stdout.write_unknown(call.index)
            return
        words = words[1:]
    _without_functions(run, call, words)


def _builtin(run: Context, call: Call) -> None:
    words = call.arguments[1:] if call.arguments and call.arguments[0].text == "--" else call.arguments
    _without_functions(run, call, words)


def _without_functions(run: Context, call: Call, words: Sequence[Word]) -> None:
    """Run a builtin or program in this shell, passing by functions and aliases."""
    if not words:
        return
    hidden, aliases = call.state.functions, call.state.aliases
    call.state.functions, call.state.aliases = {}, {}
    inner = Call(list(words), call.state, call.io, (), in_shell=True, parent=call.index, outer=call.outer)
    calls.invoke(run, inner)
    call.state.functions = {**hidden, **call.state.functions}
    call.state.aliases = {**aliases, **call.state.aliases}


def _exit(run: Context, call: Call) -> None:
    del run
    words = [word.text for word in call.arguments]
    if not words or (len(words) == 1 and words[0] is not None and words[0].isascii() and words[0].isdigit()):
        call.state.dead = True


def _return(run: Context, call: Call) -> None:
    if run.returns:
        left = call.state.copy()
        left.settle()
        run.returns[-1].append(left)
        call.state.dead = True


def _jump(run: Context, call: Call) -> None:
    for jumps in run.jumps:
        left = call.state.copy()
        left.settle()
        jumps.append(left)
    if run.jumps:
        call.state.dead = True


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


def _unset(run: Context, call: Call) -> None:
    del run
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
                assignments.forget(call.state, name.split("[", 1)[0], "$" + name)
            if "f" in flags or ("v" not in flags and name not in call.state.variables):
                call.state.functions.pop(name, None)


_READ_VALUES = frozenset("adinNptu")


def _read(run: Context, call: Call) -> None:
    names: list[str] = []
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
            if letter == "a" and words and not attached:
                names.append(words.pop(0).shown)
            elif letter is not None and not attached and words:
                words.pop(0)
        else:
            names.append(text)
    given = call.io.stdin.text.text if call.io.stdin.text is not None else None
    if len(names) == 1 and given is not None and given.count("\n") <= 1 and "\\" not in given and not run.jumps:
        assignments.set_value(run, names[0], literal(given.strip()), call.state)
        assignments.check(run, names[0], call.state)
        return
    for name in names or ["REPLY", "MAPFILE"]:
        assignments.forget(call.state, name, "$" + name)
        old = call.state.variables[name]
        value = unknown("$" + name, call.io.stdin.origins)
        call.state.variables[name] = replace(old, value=value)
        assignments.check(run, name, call.state)


def _mapfile(run: Context, call: Call) -> None:
    names = [word for word in call.arguments if not (word.text or "").startswith("-")]
    for place, word in enumerate(call.arguments[:-1]):
        if word.text == "-C":
            calls.code(run, call, call.arguments[place + 1], state=call.state.copy(), io=call.io, what="mapfile -C")
    name = names[-1].text if names else "MAPFILE"
    if name is None or not _NAME.match(name):
        run.doubt(Reason.ARITHMETIC, f"{call.name} sets a variable that is not known")
        call.state.forget_variables()
        return
    call.state.variables[name] = Variable(array=True, elements=None)


def _alias(run: Context, call: Call) -> None:
    for word in call.arguments:
        first = word.parts[0] if word.parts and isinstance(word.parts[0], str) else None
        if first is None or "=" not in first:
            if word.text is None:
                run.doubt(Reason.REBINDING, f"alias {word.shown}")
            continue
        name, value = first.split("=", 1)
        body = Word(merge((value, *word.parts[1:])))
        call.state.aliases[name] = body
        calls.code(run, call, body, state=call.state.copy(), io=call.io, what=f"the alias {name}")
    if not call.arguments:
        call.io.stdout.write_unknown(call.index)


def _trap(run: Context, call: Call) -> None:
    words = [word for word in call.arguments if word.text not in {"--", "-p", "-l"}]
    if len(words) > 1 and words[0].text not in {"-", ""}:
        later = call.state.copy()
        for name in later.variables:
            later.assign(name, unknown("$" + name))
        calls.code(run, call, words[0], state=later, io=call.io, what="trap")


def _rebinding(run: Context, call: Call) -> None:
    flags = [word.text or "" for word in call.arguments]
    if call.name == "hash" and not any(flag.startswith("-") and "p" in flag for flag in flags):
        return
    if call.name == "enable" and not any(flag.startswith("-") for flag in flags):
        return
    run.doubt(Reason.REBINDING, " ".join(call.argv[place].shown for place in range(len(call.argv))))


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


def _complete(run: Context, call: Call) -> None:
    words = call.arguments
    for place, word in enumerate(words[:-1]):
        if word.text in {"-C", "-W"}:
            calls.code(run, call, words[place + 1], state=call.state.copy(), io=call.io, what=call.name)
    call.io.stdout.write_unknown(call.index)


def _fc(run: Context, call: Call) -> None:
    if call.name == "bind" or not any((word.text or "").startswith("-l") for word in call.arguments):
        run.doubt(Reason.EVAL, " ".join(word.shown for word in call.argv))


def _quiet(run: Context, call: Call) -> None:
    """A command that prints nothing and changes nothing here."""


_SHELL: dict[str, Callable[[Context, Call], None]] = {
    "cd": _cd, "chdir": _cd, "pushd": _pushd, "popd": _pushd, "eval": _eval, ".": _source, "source": _source,
    "exec": _exec, "command": _command, "builtin": _builtin, "exit": _exit, "logout": _exit, "return": _return,
    "break": _jump, "continue": _jump, "set": _set, "shift": _shift, "unset": _unset, "read": _read,
    "mapfile": _mapfile, "readarray": _mapfile, "alias": _alias, "trap": _trap, "hash": _rebinding,
    "enable": _rebinding, "shopt": _shopt, "let": _let, "export": _declare, "declare": _declare, "typeset": _declare,
    "local": _declare, "readonly": _declare, "getopts": _getopts, "complete": _complete, "compgen": _complete,
    "fc": _fc, "bind": _fc, "ulimit": _quiet, "umask": _quiet, "wait": _quiet, "disown": _quiet,
    "unalias": _quiet,
}  # fmt: skip
_ANYWHERE: dict[str, Callable[[Context, Call], None]] = {
    "echo": _echo, "printf": _printf, "pwd": _pwd, "[": _test, "test": _test, "true": _quiet, "false": _quiet,
    ":": _quiet, "sleep": _quiet,
}  # fmt: skip


def handler(name: str, in_shell: bool) -> Handler | None:
    """Return what follows the builtin of this name, else None."""
    return (_SHELL.get(name) if in_shell else None) or _ANYWHERE.get(name)
