"""From syntax trees to an `Understanding`: the one entrance to following a command text.

`analyse` is pure: it gets every tree it may need. Where code inside the text (`sh -c '...'`) has no tree yet, it says
so in `Analysis.missing`; the caller parses those texts and asks again, at most `MAX_ROUNDS` times.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from bastion.policy import programs, statements
from bastion.policy.context import CHANNEL, IO, UNREAD, Context, Input, InputKind, TooComplexError
from bastion.policy.fields import PLACEHOLDERS
from bastion.policy.state import HOME, State
from bastion.policy.tree import Parsed, Source
from bastion.policy.understanding import Opaque, Reason, Understanding, Word, literal

MAX_ROUNDS = 8  # levels of code inside code that are followed
MAX_LENGTH = 131_072  # bytes of a text that are read: Linux hands no longer one to a shell as `-c TEXT`

_CONTROL = {chr(code) for code in range(32)} - {"\t", "\n"} | {"\x7f"} | {chr(code) for code in range(0x80, 0xA0)}


@dataclass(frozen=True, slots=True)
class Analysis:
    """What one round found, and the texts that must be parsed before the next."""

    understanding: Understanding
    missing: tuple[Source, ...] = ()


def refuse(text: bytes, *, nested: bool = False) -> Understanding | None:
    """Return the understanding of a text that is not worth parsing, else None; `nested`: it came out of another."""
    if len(text) > MAX_LENGTH:
        return opaque("", Reason.TOO_LARGE, f"longer than {MAX_LENGTH} bytes")
    try:
        decoded = text.decode("utf-8")
    except UnicodeDecodeError:
        return opaque("", Reason.CONTROL_CHARACTERS, "not UTF-8")
    if not _CONTROL.isdisjoint(decoded) or not (nested or PLACEHOLDERS.isdisjoint(decoded)):
        return opaque(decoded, Reason.CONTROL_CHARACTERS, "holds control characters")
    return None


def opaque(text: str, reason: Reason, detail: str) -> Understanding:
    """Return the understanding of a text of which nothing is known."""
    return Understanding(text, (), (Opaque(reason, detail, reason in UNREAD),))


def legible(text: bytes) -> str:
    """Return a text whose bytes are not all characters, or not all to be read, with a sign for each of those.

    A shell takes them for ordinary characters, so that the commands beside them are the ones that run.
    """
    decoded = text.decode("utf-8", "replace")
    return "".join("\ufffd" if char in _CONTROL or char in PLACEHOLDERS else char for char in decoded)


def analyse(
    source: Source,
    trees: Mapping[Source, Parsed],
    *,
    cwd: tuple[Word, ...] = (HOME,),
    stdin: str | None = None,
    after: int = 0,
    final: bool = False,
) -> Analysis:
    """Follow a text.

    `stdin` is what the client sends, where that is known whole. Statements that start before byte `after` have run
    already: they are followed, not reported. `final` ends the rounds.
    """
    run = Context(trees, statements.run_all, programs.handler)
    state = State(cwd=cwd, dialect=source.dialect)
    given = CHANNEL if stdin is None else Input(InputKind.KNOWN, literal(stdin))
    first = 0
    try:
        tree = run.parse(source.text, source.dialect)
        if tree is not None:
            nodes = tree.get("Stmts", [])
            before = [node for node in nodes if node["Pos"]["Offset"] < after]
            io = IO(given)
            statements.run_all(run, before, state, io)
            first = len(run.records)
            if before:
                run.begin()
            statements.run_all(run, nodes[len(before) :], state, io)
    except TooComplexError as error:
        run.doubt(Reason.TOO_LARGE, str(error), unread=True)
    except RecursionError:
        run.doubt(Reason.TOO_LARGE, "nested too deeply", unread=True)
    if final and run.missing:
        run.doubt(Reason.TOO_LARGE, f"more than {MAX_ROUNDS} levels of code inside code", unread=True)
    found = Understanding(source.text, run.finish(first), tuple(run.opaque))
    return Analysis(found, () if final else tuple(run.missing))
