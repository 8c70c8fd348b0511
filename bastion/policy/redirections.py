"""Redirections: which files a statement reads and writes, and what its standard input and output are then."""

from collections.abc import Sequence
from dataclasses import dataclass

from bastion.policy import words
from bastion.policy.context import CHANNEL, IO, MAX_TEXT, NOTHING, Context, Input, InputKind, Output
from bastion.policy.state import State, is_number, number
from bastion.policy.tree import Node
from bastion.policy.understanding import Reason, Redirection, Unknown, Word

_INPUT = frozenset({"<", "<>", "<&"})
_DOCUMENTS = frozenset({"<<", "<<-", "<<<"})
_OUTPUT = frozenset({">", ">>", ">|", ">&", "&>", "&>>", ">!", "&>|", "&>!", ">>|", ">>!"})


@dataclass(frozen=True, slots=True)
class Files:
    """What redirections make of a statement's input and output.

    `outer` is what they were before; `files` are the files named; `readers` are commands behind `> >(...)`.
    """

    io: IO
    outer: IO
    files: tuple[Redirection, ...] = ()
    readers: frozenset[int] = frozenset()


def apply(run: Context, nodes: Sequence[Node], state: State, io: IO) -> Files:
    """Expand redirections from left to right."""
    if not nodes:
        return Files(io, io)
    inner = IO(io.stdin, io.stdout)
    files: list[Redirection] = []
    run_readers, run.readers = run.readers, set()
    for node in nodes:
        _one(run, node, state, inner, files)
    readers, run.readers = frozenset(run.readers), run_readers
    return Files(inner, io, tuple(files), readers)


def leave(run: Context, files: Files) -> None:
    """Connect what was written with the commands behind `> >(...)`."""
    if files.readers:
        for reader in files.readers:
            run.connect(frozenset(files.io.stdout.origins), reader)


def _one(run: Context, node: Node, state: State, io: IO, files: list[Redirection]) -> None:
    operator = node["Op"]
    descriptor = (node.get("N") or {}).get("Value", "")
    if descriptor.startswith("{"):
        state.assign(descriptor.strip("{}"), number("$" + descriptor.strip("{}")))
    if operator in _DOCUMENTS:
        _document(run, node, descriptor, state, io)
        return
    if operator not in _INPUT | _OUTPUT:
        run.doubt(Reason.UNSUPPORTED, f"the redirection {operator}")
        return
    expanded = words.fields(run, [node["Word"]], state, io)
    target = expanded[0] if len(expanded) == 1 else Word((), many=True) if not expanded else expanded[0]
    text = target.text
    if operator in {"<&", ">&"} and text is not None and text.rstrip("-").isdigit() | (text == "-"):
        _duplicate(operator, descriptor, text, io, files)
        return
    if operator == ">&" and not descriptor and target.text is None and is_number(target):
        io.stdout = Output()
        return
    files.append(Redirection(operator, target))
    if operator in {"<", "<>", "<&"} and descriptor in {"", "0"}:
        io.stdin = _input(run, target, io)
    elif (
        operator in _OUTPUT and descriptor in {"", "1"} and text not in {"/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"}
    ):
        io.stdout = Output()


def _duplicate(operator: str, descriptor: str, text: str, io: IO, files: Sequence[Redirection]) -> None:
    if (descriptor == "0" or (operator == "<&" and not descriptor)) and text != "0":
        io.stdin = NOTHING if text == "-" else Input(InputKind.FILE, path=files[-1].target if files else None)
    if operator == ">&" and descriptor in {"", "1"} and text != "1":
        io.stdout = Output()


def _document(run: Context, node: Node, descriptor: str, state: State, io: IO) -> None:
    if node["Op"] == "<<<":
        text = words.single(run, node["Word"], state, io)
        text = Word((*text.parts, "\n"))
    else:
        text = words.document(run, node, state, io)
    if descriptor in {"", "0"}:
        known = text.text is not None and len(text.text) <= MAX_TEXT
        io.stdin = Input(InputKind.KNOWN if known else InputKind.PIPE, text, text.origins)


def _input(run: Context, target: Word, io: IO) -> Input:
    text = target.text
    if text == "/dev/null":
        return NOTHING
    if text in {"/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"}:
        return io.stdin
    if text in {"/dev/tty", "/dev/console"}:
        return CHANNEL
    piped = piped_input(run, target)
    return piped if piped is not None else Input(InputKind.FILE, path=target)


def piped_input(run: Context, word: Word) -> Input | None:
    """Return what can be read from a word that is `<(...)`, else None."""
    if len(word.parts) == 1 and isinstance(word.parts[0], Unknown):
        return run.piped.get(word.parts[0])
    return None
