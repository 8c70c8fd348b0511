"""Following statements: lists, pipelines, branches, loops, functions, redirections.

Every branch is followed and the states are joined; loops run over their known words, or until nothing changes any
more. Each kind of node has its function in `_KINDS`; a kind without one is a doubt.
"""

from collections.abc import Callable, Sequence

from bastion.policy import arithmetic, calls, conditions, declarations, redirections, words
from bastion.policy.context import IO, Context, Input, InputKind, Output
from bastion.policy.state import State, is_number, join, merge_directories, number, unknown
from bastion.policy.tree import Node
from bastion.policy.understanding import Hole, Reason, Unknown, Word

MAX_TURNS = 24  # turns of a loop over known words; more are taken as one turn with an unknown word
_FIXPOINT = 5


def run_all(run: Context, nodes: Sequence[Node], state: State, io: IO) -> None:
    """Follow statements one after the other."""
    for node in nodes:
        run_one(run, node, state, io)
        if not node.get("Background"):
            state.settle()


def run_one(run: Context, node: Node, state: State, io: IO) -> None:
    """Follow one statement with its redirections."""
    run.step()
    if node.get("Background") or node.get("Coprocess") or node.get("Disown"):
        inner = state.copy()
        _redirected(run, node, inner, io)
        return
    _redirected(run, node, state, io)
    if node.get("Negated"):
        state.settle()


def _redirected(run: Context, node: Node, state: State, io: IO) -> None:
    command = node.get("Cmd")
    files = redirections.apply(run, node.get("Redirs", []), state, io)
    kind = "" if command is None else command["Type"]
    if command is None:
        calls.redirect_only(run, files, state)
    elif kind == "CallExpr":
        calls.simple(run, command, state, files)
    elif kind in _KINDS:
        if files.files:
            calls.redirect_only(run, files, state)
        _KINDS[kind](run, command, state, files.io)
    else:
        run.doubt(Reason.UNSUPPORTED, f"a statement of kind {kind}")
    redirections.leave(run, files)


def _binary(run: Context, node: Node, state: State, io: IO) -> None:
    operator = node["Op"]
    if operator in {"|", "|&"}:
        _pipeline(run, node, state, io)
        return
    if operator not in {"&&", "||"}:
        run.doubt(Reason.UNSUPPORTED, f"the operator {operator}")
    run_one(run, node["X"], state, io)
    failed = state.copy()
    if state.failed_cwd is not None:
        failed.cwd = state.failed_cwd
    failed.failed_cwd = state.failed_cwd = None
    if operator == "&&":
        run_one(run, node["Y"], state, io)
        success = state.cwd
        failure = merge_directories(failed.cwd, state.failed_cwd or state.cwd)
        if state.dead and not failed.dead:
            success = failure = failed.cwd
    else:
        success = state.cwd
        run_one(run, node["Y"], failed, io)
        failure = failed.failed_cwd or failed.cwd
        if failed.dead:
            failure = success
        else:
            success = merge_directories(success, failed.cwd)
    joined = join(state, failed)
    joined.cwd, joined.failed_cwd = success, failure if failure != success else None
    state.become(joined)


def _stages(node: Node) -> list[Node]:
    command = node.get("Cmd") or {}
    if (
        command.get("Type") == "BinaryCmd"
        and command["Op"] in {"|", "|&"}
        and not node.get("Redirs")
        and not node.get("Negated")
    ):
        return [*_stages(command["X"]), *_stages(command["Y"])]
    return [node]


def _pipeline(run: Context, node: Node, state: State, io: IO) -> None:
    stages = [*_stages(node["X"]), *_stages(node["Y"])]
    source = io.stdin
    before = state.copy()
    for index, stage in enumerate(stages):
        last = index == len(stages) - 1
        output = io.stdout if last else Output()
        inner = before.copy()
        run_one(run, stage, inner, IO(source, output))
        source = output.as_input()
        if last and (inner.variables != before.variables or inner.cwd != before.cwd):
            inner.dead = False
            state.become(join(before.copy(), inner))  # lastpipe, zsh: the last stage may run in this shell


def _subshell(run: Context, node: Node, state: State, io: IO) -> None:
    run.enter()
    run_all(run, node.get("Stmts", []), state.copy(), replace_io(io))
    run.leave()


def replace_io(io: IO) -> IO:
    """Return an IO whose input can be changed apart."""
    return IO(io.stdin, io.stdout)


def _block(run: Context, node: Node, state: State, io: IO) -> None:
    run.enter()
    run_all(run, node.get("Stmts", []), state, replace_io(io))
    run.leave()


def _if(run: Context, node: Node, state: State, io: IO) -> None:
    run_all(run, node.get("Cond", []), state, io)
    otherwise = state.copy()
    run_all(run, node.get("Then", []), state, io)
    following = node.get("Else")
    if following is not None:
        if following.get("Cond"):
            _if(run, following, otherwise, io)
        else:
            run_all(run, following.get("Then", []), otherwise, io)
    state.become(join(state, otherwise))


def _while(run: Context, node: Node, state: State, io: IO) -> None:
    def turn(inner: State) -> None:
        run_all(run, node.get("Cond", []), inner, io)
        run_all(run, node.get("Do", []), inner, io)

    _repeat(run, state, turn)


def _repeat(run: Context, state: State, turn: Callable[[State], None]) -> None:
    """Follow a loop's turns until nothing new is learnt."""
    for attempt in range(_FIXPOINT):
        inner = state.copy()
        _turn(run, inner, turn)
        joined = join(state.copy(), inner)
        if joined.variables == state.variables and joined.cwd == state.cwd and joined.functions == state.functions:
            return
        state.become(joined)
        if attempt == _FIXPOINT - 2:
            state.forget_variables()
    run.doubt(Reason.TOO_LARGE, "a loop that changes too much")


def _for(run: Context, node: Node, state: State, io: IO) -> None:
    loop = node["Loop"]
    if loop["Type"] == "CStyleLoop":
        arithmetic.evaluate(run, loop.get("Init"), state, io)

        def counted(inner: State) -> None:
            arithmetic.evaluate(run, loop.get("Cond"), inner, io)
            run_all(run, node.get("Do", []), inner, io)
            arithmetic.evaluate(run, loop.get("Post"), inner, io)

        _repeat(run, state, counted)
        return
    name = loop["Name"]["Value"]
    if loop.get("Items") is not None or loop.get("InPos", {}).get("Offset"):
        items = words.fields(run, loop.get("Items", []), state, io)
    else:
        items = list(state.positional) if state.positional is not None else [Word(unknown("$@").parts, many=True)]
    if node.get("Select"):
        items = [unknown("$" + name)]
    _each(run, node, name, items, state, io)


def _each(run: Context, node: Node, name: str, items: list[Word], state: State, io: IO) -> None:
    def body(inner: State) -> None:
        run_all(run, node.get("Do", []), inner, io)

    if len(items) > MAX_TURNS or any(word.many for word in items):
        origins = frozenset().union(*(word.origins for word in items))

        def turn(inner: State) -> None:
            inner.assign(name, _any_of(items, name, origins))
            body(inner)

        _repeat(run, state, turn)
        return
    left: list[State] = []
    for item in items:
        state.assign(name, item)
        if item.text is None:
            _repeat(run, state, body)
        else:
            left += _turn(run, state, body)
    _become_any(state, [state.copy(), *left])


def _any_of(items: Sequence[Word], name: str, origins: frozenset[int]) -> Word:
    """Return a word that is any of the items: a number if all are."""
    numbers = all(is_number(Word(word.parts)) or _is_numbers(word) for word in items)
    return number("$" + name) if numbers else unknown("$" + name, origins)


def _is_numbers(word: Word) -> bool:
    return all(isinstance(part, Unknown) and part.hole is Hole.NUMBERS for part in word.parts) and bool(word.parts)


def _turn(run: Context, state: State, body: Callable[[State], None]) -> list[State]:
    """Follow one turn of a loop; return the states in which it was left early."""
    run.jumps.append([])
    body(state)
    jumped = run.jumps.pop()
    if jumped:
        _become_any(state, [state.copy(), *jumped])
    return jumped


def _case(run: Context, node: Node, state: State, io: IO) -> None:
    words.single(run, node.get("Word"), state, io)
    start, ends = state.copy(), [state.copy()]
    for item in node.get("Items", []):
        inner = start.copy()
        for pattern in item.get("Patterns", []):
            words.pattern(run, pattern, inner, io)
        run_all(run, item.get("Stmts", []), inner, io)
        ends.append(inner)
        if item.get("Op") in {";&", ";;&"}:
            start = join(start, inner.copy())
    _become_any(state, ends)


def _become_any(state: State, ends: Sequence[State]) -> None:
    result = ends[0]
    for end in ends[1:]:
        result = join(result, end)
    state.become(result)


def _time(run: Context, node: Node, state: State, io: IO) -> None:
    if node.get("Stmt") is not None:
        run_one(run, node["Stmt"], state, io)


def _coproc(run: Context, node: Node, state: State, io: IO) -> None:
    words.single(run, node.get("Name"), state, io)
    run_one(run, node["Stmt"], state.copy(), IO(Input(InputKind.PIPE), Output()))


# Functions that a shell calls by itself
_CALLED = frozenset({"command_not_found_handle", "command_not_found_handler", "precmd", "preexec", "chpwd", "TRAPEXIT"})


def _function(run: Context, node: Node, state: State, io: IO) -> None:
    name = (node.get("Name") or {}).get("Value", "")
    state.functions[name] = (node["Body"],)
    if name in _CALLED:
        later = state.copy()
        later.forget_variables()
        run_all(run, [node["Body"]], later, io)


def _arithmetic(run: Context, node: Node, state: State, io: IO) -> None:
    arithmetic.evaluate(run, node.get("X"), state, io)


def _let(run: Context, node: Node, state: State, io: IO) -> None:
    for expression in node.get("Exprs", []):
        arithmetic.evaluate(run, expression, state, io)


_KINDS: dict[str, Callable[[Context, Node, State, IO], None]] = {
    "BinaryCmd": _binary,
    "Subshell": _subshell,
    "Block": _block,
    "IfClause": _if,
    "WhileClause": _while,
    "ForClause": _for,
    "CaseClause": _case,
    "TimeClause": _time,
    "CoprocClause": _coproc,
    "FuncDecl": _function,
    "ArithmCmd": _arithmetic,
    "LetClause": _let,
    "TestClause": conditions.run_test,
    "DeclClause": declarations.run_declaration,
}
