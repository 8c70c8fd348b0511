"""Programs that run another program given as words: `sudo`, `env`, `timeout`, `nohup` and their like.

The programs and their options are in `wrapper_table`. An option that is not there is a doubt, because a wrong guess of
which word is the command would hide it.
"""

import re

from bastion.policy import assignments, calls, code_options, options
from bastion.policy.context import IO, Call, Context, Handler, Input, InputKind
from bastion.policy.state import State, Variable
from bastion.policy.understanding import Reason, Word, literal
from bastion.policy.wrapper_table import TABLE, Wrapper

# Without a command these start a shell
_SHELLS = frozenset({"sudo", "doas", "run0", "chroot", "unshare", "nsenter", "script", "systemd-nspawn", "mosh"})
_ASSIGNMENT = re.compile(r"([^=]+)=(.*)\Z", re.DOTALL)  # whatever it names, such as a function for bash


def run_wrapper(run: Context, call: Call) -> None:
    """Follow the command a wrapper starts."""
    wrapper = TABLE[call.name]
    read = options.read(wrapper.options, call.arguments)
    if read.unsure is not None:
        run.doubt(Reason.WRAPPER, f"{call.name} with the option {read.unsure.shown}")
        call.io.stdout.write_unknown(call.index)
        _guess(run, call, read.rest)
        return
    if any(read.has(name) for name in wrapper.quiet | {"help", "version"}):
        call.io.stdout.write_unknown(call.index)
        return
    _loaded(run, call, read, wrapper)
    state = call.state.copy()
    for value in read.values(*wrapper.directory):
        state.cwd = (value,)
    coded = read.values(*wrapper.code)
    for value in coded:
        calls.start(run, call, [literal("sh"), literal("-c"), value], state=state)
    words = read.rest
    if any(word.many for word in words[: wrapper.operands + 1]):
        run.doubt(Reason.UNKNOWN_COMMAND, f"{call.name} {words[0].shown} runs a program that is not known")
        call.io.stdout.write_unknown(call.index)
        return
    words = words[wrapper.operands :]
    if wrapper.operands and words and words[0].text == "--":
        words = words[1:]
    if call.name == "flock" and words and words[0].text in {"-c", "--command"}:
        coded = words[1:2]
        for value in coded:
            calls.start(run, call, [literal("sh"), literal("-c"), value], state=state)
        words = []
    if wrapper.assigns:
        words = take_assignments(run, words, state)
        if words and words[0].text == "--":
            words = words[1:]
    if not words:
        call.io.stdout.write_unknown(call.index)
        if (call.name in _SHELLS and not coded) or (call.name == "systemd-run" and read.has("S", "shell")):
            default_shell(run, call)
        return
    io = call.io if wrapper.stdin else IO(Input(InputKind.NOTHING), call.io.stdout)
    if wrapper.joins and not read.has("x", "exec"):
        text = calls.joined(words)
        calls.code(run, call, text, state=state, io=io, what=call.name)
    else:
        calls.start(run, call, words, state=state, io=io)


def _loaded(run: Context, call: Call, read: options.Options, wrapper: Wrapper) -> None:
    """Note what a wrapper's options load or start besides the command."""
    code_options.tell(run, call)
    for value in read.values(*wrapper.loads):
        run.doubt(Reason.REBINDING, f"{call.name} loads {value.shown}")
    for value in read.values("o", "output") if call.name == "strace" else ():
        if value.shown.startswith(("|", "!")):
            calls.own_shell(run, call, literal(value.shown[1:]), what="strace -o")


def _guess(run: Context, call: Call, words: list[Word]) -> None:
    """Note what may be the command of a wrapper whose options are not understood."""
    for place, word in enumerate(words):
        text = word.text
        if text is not None and not text.startswith("-") and re.fullmatch(r"[\w./+-]+", text):
            run.emit(words[place:], call.state, call.io.stdin, parent=call.index)


def default_shell(run: Context, call: Call) -> None:
    """Follow a program that starts a shell when it gets no command."""
    calls.start(run, call, [literal("sh")])


def take_assignments(run: Context, words: list[Word], state: State) -> list[Word]:
    """Perform `NAME=value` words before a command; return the rest."""
    place = 0
    while place < len(words):
        word = words[place]
        first = word.parts[0] if word.parts else None
        match = _ASSIGNMENT.match(first) if isinstance(first, str) and not word.many else None
        if match is None:
            break
        value = Word((*((match[2],) if match[2] else ()), *word.parts[1:]))
        state.variables[match[1]] = Variable(value=value, exported=True)
        assignments.check(run, match[1], state)
        place += 1
    return words[place:]


def handler(name: str) -> Handler | None:
    """Return what follows the wrapper of this name, else None."""
    return run_wrapper if name in TABLE else None
