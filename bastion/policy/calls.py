"""Simple commands: assignments before them, functions, aliases, and the programs whose meaning is known."""

from collections.abc import Sequence
from dataclasses import replace

from bastion.policy import assignments, words
from bastion.policy.context import IO, NOTHING, Call, Context
from bastion.policy.fields import as_code, as_guess, merge
from bastion.policy.redirections import Files
from bastion.policy.state import State, child_state, join
from bastion.policy.tree import Node
from bastion.policy.understanding import Reason, Word, literal

# Commands that do not read their standard input, or whose own commands are followed
_SILENT_TEXT = """
echo printf cd pwd test [ true false : export declare typeset local readonly set shift unset alias unalias trap exit
return break continue eval command builtin exec let shopt hash type umask ulimit wait jobs kill sleep mkdir touch ls
date whoami id uname hostname ps df du basename dirname seq which
"""
_SILENT = frozenset(_SILENT_TEXT.split())
MAX_CALLS = 6  # a function inside itself


def simple(run: Context, node: Node, state: State, files: Files) -> None:
    """Follow a simple command node."""
    readers, run.readers = run.readers, set()
    argv = words.fields(run, node.get("Args", []), state, files.io)
    nodes = node.get("Assigns", [])
    if not argv:
        for item in nodes:
            assignments.assign(run, item, state, files.io)
        redirect_only(run, files, state)
    else:
        saved = assignments.temporary(run, nodes, state, files.io)
        first = len(run.records)
        invoke(run, Call(argv, state, files.io, files.files, outer=files.outer))
        if saved:
            assignments.restore(state, saved)
        for reader in run.readers:
            run.connect(frozenset(range(first, min(first + 1, len(run.records)))), reader)
    run.readers = readers


def redirect_only(run: Context, files: Files, state: State) -> None:
    """Note redirections without a command of their own: they open files as `:` would."""
    if files.files:
        index = run.emit([literal(":")], state, files.io.stdin, redirections=files.files)
        if any(not item.writes for item in files.files):
            files.io.stdout.write_unknown(index)


def invoke(run: Context, call: Call) -> None:
    """Follow a command whose words are expanded."""
    run.step()
    run.enter()
    try:
        _invoke(run, call)
    finally:
        run.leave()


def _invoke(run: Context, call: Call) -> None:
    name = call.argv[0].text
    if name is None:
        call.index = _emit(run, call)
        run.doubt(Reason.UNKNOWN_COMMAND, f"{call.argv[0].shown} runs a program that is not known")
        call.io.stdout.write_unknown(call.index)
        call.io.stdin.touch()
        if call.in_shell:
            call.state.forget_variables()
        return
    bodies = call.state.functions.get(name) if call.in_shell else None
    if bodies is not None:
        _function(run, call, name, bodies)
        if None not in bodies:
            return
    if call.in_shell and name in call.state.aliases:
        run.doubt(Reason.REBINDING, f"{name} may be an alias by now")
    call.index = _emit(run, call)
    handler = run.handler(call)
    if handler is not None:
        handler(run, call)
    else:
        call.io.stdout.write_unknown(call.index)
    if name not in _SILENT:
        call.io.stdin.touch()


def _emit(run: Context, call: Call) -> int:
    return run.emit(call.argv, call.state, call.io.stdin, redirections=call.files, parent=call.parent)


def _function(run: Context, call: Call, name: str, bodies: Sequence[Node | None]) -> None:
    """Run the bodies a function may have, with the call's words as parameters."""
    if run.calls.count(name) >= MAX_CALLS:
        run.doubt(Reason.TOO_LARGE, f"the function {name} calls itself")
        call.state.forget_variables()
        return
    state = call.state
    run.calls.append(name)
    ends: list[State] = [state.copy()] if None in bodies else []
    for body in bodies:
        if body is not None:
            inner = state.copy()
            inner.positional = tuple(call.arguments)
            inner.locals = [*state.locals, {}]
            run.returns.append([])
            run.statements(run, [body], inner, call.io)
            ends += [inner, *run.returns.pop()]
    run.calls.pop()
    result = ends[0]
    for end in ends[1:]:
        result = join(result, end)
    local = {key: value for end in ends if len(end.locals) > len(state.locals) for key, value in end.locals[-1].items()}
    positional, outer = state.positional, state.locals
    state.become(result.copy())
    state.positional, state.locals = positional, outer
    assignments.restore(state, local)


def start(run: Context, call: Call, argv: Sequence[Word], *, io: IO | None = None, state: State | None = None) -> None:
    """Follow the command that a program starts with these words."""
    if argv:
        inner = replace(
            call,
            argv=list(argv),
            state=state if state is not None else call.state.copy(),
            io=io if io is not None else call.io,
            files=(),
            in_shell=False,
            parent=call.index,
            index=-1,
            program="",
        )
        invoke(run, inner)
        inner.io.stdout.origins.add(call.index)


def code(
    run: Context,
    call: Call,
    text: Word,
    *,
    state: State,
    io: IO,
    reason: Reason = Reason.EVAL,
    what: str = "code",
    second: bool = False,
) -> None:
    """Follow shell code that a command runs; a doubt where it is not known.

    `second`: a second reading, in which a syntax error means that nothing more runs.
    """
    known = as_code(text)
    if known is None:
        run.doubt(run.code_reason(text.origins, reason), f"{what} {text.shown}")
        io.stdout.write_unknown(call.index)
        known, second = as_guess(text), True
        state.forget_variables()
    io.stdout.origins.add(call.index)
    run.enter()
    tree = run.parse(known, state.dialect, second=second) if known is not None else None
    if tree is not None:
        first = len(run.records)
        run.statements(run, tree.get("Stmts", []), state, io)
        for record in run.records[first:]:
            if record.command.parent is None:
                record.command = replace(record.command, parent=call.index)
        for origin in text.origins:
            run.connect(frozenset({origin}), call.index)
    run.leave()


def callback(run: Context, call: Call, text: Word) -> None:
    """Follow shell code that a builtin runs in this shell with more words behind it, which are not known."""
    state = call.state.copy()
    state.positional = None
    code(run, call, Word(merge((*text.parts, ' "$@"')), text.many), state=state, io=call.io, what=call.name)


def joined(words: Sequence[Word]) -> Word:
    """Return words joined by blanks, as `eval`, `ssh` and `watch` do before they read them as code."""
    parts = [part for place, word in enumerate(words) for part in ((" ", *word.parts) if place else word.parts)]
    return Word(merge(parts), any(word.many for word in words))


def own_shell(run: Context, call: Call, text: Word, *, what: str, reason: Reason = Reason.EVAL) -> None:
    """Follow code that a program hands to a shell of its own, without an input."""
    code(run, call, text, state=child_state(call.state, "bash"), io=IO(NOTHING), reason=reason, what=what)


def code_words(run: Context, call: Call, words: Sequence[Word]) -> None:
    """Follow words that a program joins and gives to a shell of its own."""
    own_shell(run, call, joined(words), what=call.name)
