"""The shell's own commands that move it, run code or change what names mean; the others are in their own modules."""

import re
from collections.abc import Sequence

from bastion.policy import calls, printing, variable_builtins
from bastion.policy.context import Call, Context, Handler
from bastion.policy.fields import merge
from bastion.policy.redirections import piped_input
from bastion.policy.state import ANYWHERE, HOME, merge_directories, unknown
from bastion.policy.understanding import Hole, Reason, Word, literal


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


def _eval(run: Context, call: Call) -> None:
    words = call.arguments[1:] if call.arguments and call.arguments[0].text == "--" else call.arguments
    calls.code(run, call, calls.joined(words), state=call.state, io=call.io, what="eval")


# Files the login shell reads anyway; what they hold is out of sight either way
_STARTUP = frozenset(
    {"~/.bashrc", "~/.profile", "~/.bash_profile", "~/.zshrc", "/etc/profile", "/etc/bash.bashrc", "/etc/os-release"}
)


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
    if words[0].shown not in _STARTUP or "HOME" in call.state.variables:
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
                call.io.stdout.write(literal(known[0] + "\n"), call.index)
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
    if call.name == "hash" and not any((flag.startswith("-") and "p" in flag) or "=" in flag for flag in flags):
        return
    if call.name == "enable" and not any(flag.startswith("-") for flag in flags):
        return
    if call.name in _ZSH and not flags:
        return
    run.doubt(Reason.REBINDING, " ".join(call.argv[place].shown for place in range(len(call.argv))))


def _complete(run: Context, call: Call) -> None:
    words = call.arguments
    for place, word in enumerate(words[:-1]):
        if word.text == "-C":
            calls.callback(run, call, words[place + 1])
        elif word.text == "-W":
            calls.code(run, call, words[place + 1], state=call.state.copy(), io=call.io, what=call.name)
    call.io.stdout.write_unknown(call.index)


def _fc(run: Context, call: Call) -> None:
    if call.name == "bind" or not any((word.text or "").startswith("-l") for word in call.arguments):
        run.doubt(Reason.EVAL, " ".join(word.shown for word in call.argv))


def _quiet(run: Context, call: Call) -> None:
    """A command that prints nothing and changes nothing here."""


# zsh's own: keys, widgets, hooks, modules and functions from files
_ZSH = ("bindkey", "zle", "autoload", "zmodload", "functions", "sched", "add-zsh-hook", "add-zle-hook-widget",
        "emulate", "compctl", "repeat")  # fmt: skip
_SHELL: dict[str, Handler] = {
    **variable_builtins.HANDLERS,
    "cd": _cd, "chdir": _cd, "pushd": _pushd, "popd": _pushd, "eval": _eval, ".": _source, "source": _source,
    "exec": _exec, "command": _command, "builtin": _builtin, "exit": _exit, "logout": _exit, "return": _return,
    "break": _jump, "continue": _jump, "alias": _alias, "trap": _trap, "hash": _rebinding, "enable": _rebinding,
    "complete": _complete, "compgen": _complete, "fc": _fc, "r": _fc, "bind": _fc, "ulimit": _quiet, "umask": _quiet,
    "wait": _quiet, "disown": _quiet, "unalias": _quiet,
    **dict.fromkeys(_ZSH, _rebinding),
}  # fmt: skip
_EVERYWHERE: dict[str, Handler] = {
    **printing.HANDLERS,
    **variable_builtins.EVERYWHERE,
    **dict.fromkeys(("true", "false", ":", "sleep"), _quiet),
}


def handler(name: str, in_shell: bool) -> Handler | None:
    """Return what follows the builtin of this name, else None."""
    return (_SHELL.get(name) if in_shell else None) or _EVERYWHERE.get(name)
