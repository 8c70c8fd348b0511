"""Shells started as programs: `sh -c`, `bash -s`, a script file, or commands on the standard input."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from bastion.policy import calls, dialects, options
from bastion.policy.context import IO, Call, Context, Handler, Input, InputKind, Output
from bastion.policy.redirections import piped_input
from bastion.policy.state import State, child_state
from bastion.policy.understanding import Reason, Word, literal

# Shells whose language is read, and as what; the others are a doubt when they get code
_DIALECTS = {
    "sh": "bash", "bash": "bash", "rbash": "bash", "dash": "posix", "ash": "posix", "ksh": "bash", "mksh": "bash",
    "ksh93": "bash", "zsh": "bash",
}  # fmt: skip
_FOREIGN = frozenset({"fish", "csh", "tcsh", "rc", "es", "xonsh", "nu", "elvish", "pwsh", "powershell"})

_LETTERS = frozenset("abefhikmnprstuvxBCDEHPTilI")
_LONG = frozenset(
    {"login", "posix", "norc", "noprofile", "noediting", "restricted", "verbose", "help", "version", "dump-strings"}
    | {"dump-po-strings", "debugger", "pretty-print", "wordexp"}
)


@dataclass(slots=True)
class _Options:
    """A shell's options: `-c` is a flag, the code is the first operand behind all options; `-o` takes a word."""

    flags: set[str] = field(default_factory=set)
    files: list[Word] = field(default_factory=list)
    unsure: Word | None = None
    rest: list[Word] = field(default_factory=list)


def _read(words: Sequence[Word]) -> _Options:
    result = _Options()
    place = 0
    while place < len(words) and result.unsure is None:
        word = words[place]
        text = word.text
        if text is None and options.may_be_option(word) and "c" not in result.flags:
            result.unsure = word
        if text is None or text[:1] not in {"-", "+"} or text == "+":
            break
        place += 1
        if text in {"-", "--"}:
            break
        if text.startswith("--"):
            place += _long(text[2:], word, words[place : place + 1], result)
        else:
            place += _letters(text[1:], word, result)
    result.rest = list(words[place:])
    return result


def _long(name: str, word: Word, following: Sequence[Word], result: _Options) -> int:
    if name in {"rcfile", "init-file"}:
        result.files += following
        return 1
    if name in _LONG:
        result.flags.add(name)
    else:
        result.unsure = word
    return 0


def _letters(letters: str, word: Word, result: _Options) -> int:
    """Take a cluster of letters; return how many words further its `o` and `O` take."""
    for letter in letters:
        if letter in {"c", "o", "O"} or letter in _LETTERS:
            result.flags.add(letter)
        else:
            result.unsure = word
    return letters.count("o") + letters.count("O")


def run_shell(run: Context, call: Call) -> None:
    """Follow a shell with the code it is given."""
    if call.name in _FOREIGN:
        _foreign(run, call)
        return
    read = _read(call.arguments)
    state = child_state(call.state, _DIALECTS.get(call.name, "bash"))
    state.name = literal(call.name)
    if read.unsure is not None:
        run.doubt(Reason.WRAPPER, f"{call.name} with the option {read.unsure.shown}")
    for value in read.files:
        run.doubt(Reason.SCRIPT_FILE, f"{call.name} reads {value.shown}")
    if read.unsure is not None or read.flags & {"help", "version"}:
        call.io.stdout.write_unknown(call.index)
    elif "c" in read.flags:
        _command_text(run, call, read.rest, state)
    elif "s" in read.flags or not read.rest:
        state.positional = tuple(read.rest)
        run_input(run, call, call.io.stdin, state)
    else:
        state.positional = tuple(read.rest[1:])
        script(run, call, read.rest[0], state)


def _command_text(run: Context, call: Call, words: Sequence[Word], state: State) -> None:
    if not words:
        return
    if words[0].many:
        run.doubt(Reason.EVAL, f"{call.name} -c {words[0].shown}")
        return
    if len(words) > 1:
        state.name = words[1]
    state.positional = None if any(word.many for word in words[1:2]) else tuple(words[2:])
    _code(run, call, words[0], state=state, io=IO(call.io.stdin, call.io.stdout), what=f"{call.name} -c")


def _code(run: Context, call: Call, text: Word, *, state: State, io: IO, what: str) -> None:
    """Follow code for a shell; `sh` may be bash or dash, and where they differ, both readings count."""
    other = state.copy()
    calls.code(run, call, text, state=state, io=io, what=what)
    if call.name == "sh" and text.text is not None and dialects.differs(text.text):
        other.dialect = "posix"
        calls.code(run, call, text, state=other, io=IO(io.stdin, Output()), what=what, second=True)


def run_input(run: Context, call: Call, source: Input, state: State) -> None:
    """Follow a shell that reads commands from its standard input."""
    if source.kind is InputKind.NOTHING:
        return
    if source.text is not None:
        rest = Input(InputKind.PIPE, origins=source.origins)
        _code(run, call, source.text, state=state, io=IO(rest, call.io.stdout), what=f"code piped into {call.name}")
        return
    call.io.stdout.write_unknown(call.index)
    if source.kind is InputKind.CHANNEL:
        run.doubt(Reason.INTERPRETER_STDIN, f"{call.name} reads commands from the channel")
    elif source.kind is InputKind.FILE:
        network = source.path is not None and source.path.shown.startswith(("/dev/tcp/", "/dev/udp/"))
        run.doubt(Reason.NETWORK_CODE if network else Reason.SCRIPT_FILE, f"{call.name} reads commands from a file")
    else:
        run.doubt(run.code_reason(source.origins, Reason.EVAL), f"code piped into {call.name}")


def script(run: Context, call: Call, word: Word, state: State) -> None:
    """Follow a script given by its name: readable only where it is `<(...)` or the standard input."""
    piped = piped_input(run, word)
    if word.text in {"/dev/stdin", "/dev/fd/0", "/proc/self/fd/0", "-"}:
        run_input(run, call, call.io.stdin, state)
    elif piped is not None and piped.kind is not InputKind.FILE:
        run.connect(piped.origins, call.index)
        run_input(run, call, piped, state)
    else:
        run.doubt(run.code_reason(word.origins, Reason.SCRIPT_FILE), f"{call.name} {word.shown}")
        run.connect(word.origins, call.index)
        call.io.stdout.write_unknown(call.index)


def _foreign(run: Context, call: Call) -> None:
    words = call.arguments
    call.io.stdout.write_unknown(call.index)
    if any(
        (word.text or "").startswith("-") and (word.text or "").lower().strip("-") in {"v", "version", "help"}
        for word in words
    ):
        return
    if not words and call.io.stdin.kind is InputKind.CHANNEL:
        run.doubt(Reason.INTERPRETER_STDIN, f"{call.name} reads commands from the channel")
    elif not words:
        run.doubt(run.code_reason(call.io.stdin.origins, Reason.DIALECT), f"code for {call.name}")
    else:
        run.doubt(Reason.DIALECT, f"code for {call.name}")


def handler(name: str) -> Handler | None:
    """Return what follows the shell of this name, else None."""
    return run_shell if name in _DIALECTS or name in _FOREIGN else None
