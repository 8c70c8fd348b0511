"""Assignments: `a=b`, `a+=b`, `a[1]=b`, `a=(x y)`, and the variables that change what other programs do."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from bastion.policy import arithmetic, words
from bastion.policy.context import IO, Context
from bastion.policy.fields import merge
from bastion.policy.state import State, Variable, is_number, number, unknown
from bastion.policy.tree import Node
from bastion.policy.understanding import Reason, Word, literal

MAX_ELEMENTS = 256

# Variables whose value other programs run as shell code
CODE_VARIABLES = frozenset(
    {"PAGER", "GIT_PAGER", "MANPAGER", "SYSTEMD_PAGER", "EDITOR", "VISUAL", "GIT_EDITOR", "SUDO_EDITOR", "KUBE_EDITOR"}
    | {"GIT_SEQUENCE_EDITOR", "GIT_SSH_COMMAND", "GIT_SSH", "GIT_ASKPASS", "SSH_ASKPASS", "SUDO_ASKPASS", "RSYNC_RSH"}
    | {"CVS_RSH", "GIT_EXTERNAL_DIFF", "GIT_PROXY_COMMAND", "LESSOPEN", "LESSCLOSE", "BROWSER", "PROMPT_COMMAND"}
    | {"PS0", "PS1", "PS2", "PS4", "FZF_DEFAULT_COMMAND", "MANROFFOPT", "BAT_PAGER"}
    | {"PSQL_PAGER", "PSQL_EDITOR", "FCEDIT", "HGEDITOR", "RSYNC_CONNECT_PROG", "KUBECTL_EXTERNAL_DIFF"}
    | {"SYSTEMD_EDITOR", "LESSEDIT"}
    | {"RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER", "CARGO_BUILD_RUSTC", "CARGO_BUILD_RUSTC_WRAPPER"}
)

# Variables that load code or move the place where programs are looked for
_REBINDING = re.compile(
    r"(?:PATH|ENV|BASH_ENV|BASHOPTS|SHELLOPTS|CDPATH|ZDOTDIR|FPATH|LD_\w+|DYLD_\w+|GCONV_PATH|LOCPATH|GLIBC_TUNABLES"
    r"|PYTHONPATH|PYTHONSTARTUP|PYTHONHOME|PYTHONINSPECT|PYTHONUSERBASE|PERL5LIB|PERL5OPT|PERL5DB|PERLLIB"
    r"|RUBYOPT|RUBYLIB|NODE_OPTIONS|NODE_PATH|JAVA_TOOL_OPTIONS|_JAVA_OPTIONS|JDK_JAVA_OPTIONS|CLASSPATH"
    r"|GIT_EXEC_PATH|GIT_CONFIG\w*|GIT_TEMPLATE_DIR|GIT_DIR|OPENSSL_CONF|OPENSSL_MODULES|MAKEFLAGS|TAR_OPTIONS|PHPRC"
    r"|PHP_INI_SCAN_DIR|LUA_PATH|LUA_INIT|VIMINIT|EXINIT|INPUTRC|TERMINFO|AWKPATH|BASH_FUNC_.*"
    r"|PSQLRC|LESSKEY\w*)\Z"
)
_SYSTEM_PATH = re.compile(r"(?:/usr|/bin|/sbin|/opt|/snap)(?:/[\w.+-]+)*/?\Z")
_HARMLESS = re.compile(
    r"(?:--(?:max[-_]old[-_]space[-_]size|stack-trace-limit|trace-warnings|no-warnings|no-deprecation|enable-source-maps|unhandled-rejections)(?:=[\w-]+)?\s*)+"
)


def assign(run: Context, node: Node, state: State, io: IO) -> str:
    """Perform one assignment node; return the variable's name."""
    name = str((node.get("Name") or {}).get("Value", ""))
    old = state.variables.get(name, Variable())
    if old.reference and old.value is not None and old.value.text is not None and old.value.text != name:
        return assign(run, {**node, "Name": {"Value": old.value.text}}, state, io)
    if node.get("Array") is not None:
        _array(run, node, name, old, state, io)
    else:
        value = words.single(run, node.get("Value"), state, io, assignment=True)
        if node.get("Index") is not None:
            _element(run, node, name, old, value, state, io)
        else:
            if node.get("Append"):
                before = state.lookup(name, "$" + name)
                value = Word((*(before or Word()).parts, *value.parts)) if not old.integer else number("$" + name)
            set_value(run, name, value, state)
    check(run, name, state)
    return name


def set_value(run: Context, name: str, value: Word, state: State) -> None:
    """Give a variable a value, minding its attributes; an integer evaluates it."""
    old = state.variables.get(name, Variable())
    if old.integer and not is_number(value):
        result = arithmetic.value_is_number(run, value, state, f"the integer {name}")
        value = number("$" + name) if result is None else literal(str(result))
    if old.array and old.elements is not None:
        elements = {**dict(old.elements), "0": value}
        state.variables[name] = replace(old, elements=tuple(elements.items()))
    else:
        state.variables[name] = replace(old, value=_merged(value), elements=None)


def _merged(value: Word) -> Word:
    return Word(merge(value.parts))


def _array(run: Context, node: Node, name: str, old: Variable, state: State, io: IO) -> None:
    elements: dict[str, Word] | None = dict(old.elements or ()) if node.get("Append") and old.array else {}
    if node.get("Append") and (old.array and old.elements is None):
        elements = None
    position = following(elements or {})
    for item in node["Array"].get("Elems", []):
        if item.get("Index") is not None:
            key = _key(run, item["Index"], old, state, io)
            value = words.single(run, item.get("Value"), state, io)
            if elements is not None and key is not None:
                elements[key] = value
                position = int(key) + 1 if key.isdigit() else position
            else:
                elements = None
            continue
        for value in words.fields(run, [item["Value"]], state, io):
            if value.many:
                elements = None
            if elements is not None:
                elements[str(position)] = value
                position += 1
    if elements is not None and len(elements) > MAX_ELEMENTS:
        elements = None
    known = None if elements is None else _in_order(elements, old)
    state.variables[name] = replace(old, value=None, array=True, elements=known)


def following(elements: Iterable[str]) -> int:
    """Return the index behind the last one of an array that is not associative."""
    return max((int(key) for key in elements if key.isdigit()), default=-1) + 1


def _in_order(elements: dict[str, Word], variable: Variable) -> tuple[tuple[str, Word], ...] | None:
    """Return elements as `${a[@]}` gives them: by their index, whatever order they were set in; None if not known."""
    if variable.associative:
        return tuple(elements.items())  # in an order that only the shell knows
    if not all(key.isdigit() for key in elements):
        return None
    return tuple(sorted(elements.items(), key=lambda item: int(item[0])))


def _key(run: Context, index: Node, variable: Variable, state: State, io: IO) -> str | None:
    if variable.associative:
        return words.single(run, index, state, io).text if index.get("Type") == "Word" else None
    value = arithmetic.evaluate(run, index, state, io)
    if value is not None and value < 0:  # counted from the end
        value = following(key for key, _ in variable.elements) + value if variable.elements is not None else None
    return None if value is None else str(value)


def _element(run: Context, node: Node, name: str, old: Variable, value: Word, state: State, io: IO) -> None:
    key = _key(run, node["Index"], old, state, io)
    elements = dict(old.elements or ())
    if not old.array and old.value is not None:
        elements["0"] = old.value
    known = key is not None and not (old.array and old.elements is None) and len(elements) < MAX_ELEMENTS
    if known and key is not None:
        if node.get("Append"):
            value = Word(merge((*elements.get(key, Word()).parts, *value.parts)))
        elements[key] = value
    result = _in_order(elements, old) if known else None
    state.variables[name] = replace(old, value=None, array=True, elements=result)


def check(run: Context, name: str, state: State) -> None:
    """Note a doubt, or run the code, where an assignment changes what other programs do."""
    value = state.lookup(name, "$" + name) or Word()
    text = value.text
    if name in CODE_VARIABLES:
        if text is None:
            run.doubt(Reason.REBINDING, f"{name}={value.shown} is run by other programs")
        elif text.strip() and not name.startswith("PS"):
            _run_value(run, text, state)
        elif any(char in text for char in "$`\\"):
            run.doubt(Reason.REBINDING, f"{name} runs code in a prompt")
    elif _REBINDING.match(name) and not _harmless(name, value):
        run.doubt(Reason.REBINDING, f"{name}={value.shown} changes what programs do")


def _run_value(run: Context, text: str, state: State) -> None:
    """Follow a variable's value as the code another program makes of it."""
    tree = run.parse(text, state.dialect)
    if tree is not None:
        run.enter()
        run.statements(run, tree.get("Stmts", []), state.copy(), IO())
        run.leave()


def _harmless(name: str, value: Word) -> bool:
    text = value.text
    if name in {"PATH", "CDPATH"}:
        return _path_is_harmless(value)
    if name == "LD_BIND_NOW":
        return True
    if name == "GIT_DIR":
        return text == ".git"
    return text == "" or (name == "NODE_OPTIONS" and text is not None and _HARMLESS.fullmatch(text) is not None)


def _path_is_harmless(value: Word) -> bool:
    """Whether a PATH only adds system directories, or anything behind what was there."""
    shown = ""
    for part in value.parts:
        if not isinstance(part, str):
            # what follows the old PATH is searched last
            return part.shown in {"$PATH", "${PATH}"} and (not shown or shown.endswith(":"))
        for entry in part.split(":"):
            if entry and not _SYSTEM_PATH.match(entry):
                return False
        shown = part
    return not shown.startswith(":") and not shown.endswith(":") and "::" not in shown and bool(shown)


def temporary(run: Context, nodes: Sequence[Node], state: State, io: IO) -> dict[str, Variable | None]:
    """Perform the assignments before a command; return what `restore` needs afterwards."""
    saved: dict[str, Variable | None] = {}
    for node in nodes:
        name = str((node.get("Name") or {}).get("Value", ""))
        saved.setdefault(name, state.variables.get(name))
        assign(run, node, state, io)
        state.variables[name] = replace(state.variables[name], exported=True)
    return saved


def restore(state: State, saved: dict[str, Variable | None]) -> None:
    """Undo `temporary`."""
    for name, variable in saved.items():
        if variable is None:
            state.variables.pop(name, None)
        else:
            state.variables[name] = variable


def forget(state: State, name: str, shown: str, *, array: bool = False) -> None:
    """Make a variable unknown, as `read` does; an array stays one."""
    old = state.variables.get(name, Variable())
    state.variables[name] = replace(old, value=unknown(shown), array=old.array or array, elements=None)
