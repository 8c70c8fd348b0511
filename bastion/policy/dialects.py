"""Which languages a text is read in: a shell whose kind is not sure gets every reading, and all of them count.

bash and posix (dash) are read by grammar. zsh is read as bash; what zsh reads otherwise is told by a list of signs,
and is a doubt. fish and others are not read.
"""

import re
from collections.abc import Sequence

from bastion.policy.understanding import Command, Opaque, Reason, Understanding

_LANGUAGES = {"bash": ("bash",), "sh": ("bash", "posix"), "dash": ("posix",), "posix": ("posix",), "zsh": ("bash",)}

# Where bash and dash read the same characters differently
_DIFFERS = re.compile(
    r"\$['\"]|[<>]\(|<<<|&>|\|&|;;?&|\[\[|\(\(|=\(|\{[^}\s]*(?:,|\.\.)|\bfunction\b|\bselect\b|\\[abcefnrtvx0]"
)
# Where zsh reads characters otherwise than bash
_ZSH = re.compile(
    r"(?:^|[\s;&|(])=\w|[*?\])][(]|=\(|\brepeat\b|\bforeach\b|\balias\s+-[gs]|<\d*-\d*>|\$\{?[=~^(]|\bnoglob\b|\bnocorrect\b"
    r"|\$\w+[\[:]|~\[|\bsetopt\b|\bemulate\b|\bautoload\b|\bzmodload\b|\$\{\w*:[a-zA-Z]|[<>]\s*\S+\s*[<>]\s*\S+",
)


def languages(dialect: str, text: str | None = None) -> tuple[str, ...]:
    """Return the languages to read a text in; none where the dialect is not known. One where they agree on it."""
    known = _LANGUAGES.get(dialect, ())
    return known if text is None or len(known) < 2 or differs(text) else known[:1]


def differs(text: str) -> bool:
    """Whether bash and dash may read a text differently."""
    return _DIFFERS.search(text) is not None


def merge(dialect: str, readings: Sequence[Understanding]) -> Understanding:
    """Return what several readings of one text say together; one that does not parse takes nothing away."""
    first = readings[0]
    commands: list[Command] = list(first.commands)
    opaque: dict[Opaque, None] = dict.fromkeys(first.opaque)
    for reading in readings[1:]:
        commands += [shifted(command, len(commands)) for command in _new(reading.commands, first.commands)]
        opaque.update(dict.fromkeys(item for item in reading.opaque if item.reason is not Reason.SYNTAX))
    if dialect == "zsh" and (sign := _ZSH.search(first.text)) is not None:
        opaque[Opaque(Reason.DIALECT, f"zsh may read {sign[0].strip()!r} otherwise")] = None
    return Understanding(first.text, tuple(commands), tuple(opaque))


def _new(commands: Sequence[Command], known: Sequence[Command]) -> Sequence[Command]:
    """Return the commands of another reading, all of them where any is new, so that pipes stay whole."""
    return () if set(commands) <= set(known) else commands


def shifted(command: Command, offset: int) -> Command:
    """Return a command whose indices of others are moved."""
    return Command(
        command.argv,
        command.cwd,
        tuple(reader + offset for reader in command.feeds),
        command.redirections,
        command.sql,
        None if command.parent is None else command.parent + offset,
    )
