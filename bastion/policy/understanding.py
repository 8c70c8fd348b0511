"""What a command text would run, as far as it can be known: the words policy decides on.

Plain data, made by `bastion.policy.analysis` and read by rules, approvals and `policy explain`. It says nothing about
whether a command is dangerous. Its limit is stated by itself: whatever is not certain is in `Understanding.opaque`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Hole(StrEnum):
    """What kind of text stands where the text itself is not known."""

    ANY = "any"  # anything, even nothing
    BELOW = "below"  # a path that goes further down, as `find` prints it
    NUMBER = "number"  # digits, perhaps with a sign
    NUMBERS = "numbers"  # any amount of them, with blanks between
    STAR = "star"  # a file name pattern's `*`: anything without a slash
    ONE = "one"  # a file name pattern's `?` or `[...]`: one character, not a slash
    PIPE = "pipe"  # the name of a `<(...)`: /dev/fd/ and a number
    HOME = "home"  # a home directory: somebody's own, never `/`


@dataclass(frozen=True, slots=True)
class Unknown:
    """A part of a word that is not known. `shown` is how it is written, as in `$X`.

    `origins` are the indices of the commands whose output it holds, as far as that is known.
    """

    hole: Hole
    shown: str
    origins: frozenset[int] = frozenset()


Part = str | Unknown


@dataclass(frozen=True, slots=True)
class Word:
    """One word of a command after quote removal. `many` means any number of words, even none."""

    parts: tuple[Part, ...] = ()
    many: bool = False

    @property
    def text(self) -> str | None:
        """The word itself, or None where any part of it is not known."""
        if self.many or not all(isinstance(part, str) for part in self.parts):
            return None
        return self.shown

    @property
    def shown(self) -> str:
        """The word for people: what is unknown stands as it was written."""
        return "".join(part if isinstance(part, str) else part.shown for part in self.parts)

    @property
    def origins(self) -> frozenset[int]:
        """Indices of the commands whose output the word holds."""
        return frozenset().union(*(part.origins for part in self.parts if isinstance(part, Unknown)))

    @property
    def has_any(self) -> bool:
        """Whether some part can be any text at all."""
        return self.many or any(isinstance(part, Unknown) and part.hole is Hole.ANY for part in self.parts)


def literal(text: str) -> Word:
    """Return the word that is exactly this text."""
    return Word((text,) if text else ())


@dataclass(frozen=True, slots=True)
class Redirection:
    """A file a command reads or writes by redirection; copies of descriptors are left out."""

    operator: str
    target: Word

    @property
    def writes(self) -> bool:
        """Whether the file may be changed."""
        return self.operator not in {"<", "<<<", "<<", "<<-"}


@dataclass(frozen=True, slots=True)
class SQLText:
    """SQL that a command hands to a database client. `text` is None where it is not known."""

    dialect: str
    text: str | None


@dataclass(frozen=True, slots=True)
class Command:
    """One command that would run.

    `cwd` holds the directories it may run in (each a word; empty where nothing is known). `feeds` are indices of the
    commands that read its output. `parent` is the index of the command that starts it, as `sudo` does.
    """

    argv: tuple[Word, ...]
    cwd: tuple[Word, ...] = ()
    feeds: tuple[int, ...] = ()
    redirections: tuple[Redirection, ...] = ()
    sql: tuple[SQLText, ...] = ()
    parent: int | None = None

    @property
    def shown(self) -> list[str]:
        """The argument list for people and for JSON."""
        return [word.shown for word in self.argv]


class Reason(StrEnum):
    """Why something could not be understood: the closed list that `opaque = [...]` of a rule picks from."""

    SYNTAX = "syntax"  # not a text this shell would run whole
    DISAGREEMENT = "disagreement"  # two parsers read it differently
    CONTROL_CHARACTERS = "control-characters"  # or not UTF-8
    TOO_LARGE = "too-large"  # length, depth or steps beyond the limit
    UNREADABLE = "unreadable"  # the parser is missing, crashed or took too long
    DIALECT = "dialect"  # a shell whose language is not read
    UNSUPPORTED = "unsupported"  # a construct this analysis does not follow
    UNKNOWN_COMMAND = "unknown-command"  # the program's name is computed
    EVAL = "eval"  # shell code that is computed
    SCRIPT_FILE = "script-file"  # code in a file
    NETWORK_CODE = "network-code"  # code that comes from the network or a decoder
    FOREIGN_CODE = "foreign-code"  # code in another language
    INTERPRETER_STDIN = "interpreter-stdin"  # goes on reading commands from the channel
    REBINDING = "rebinding"  # changes what names or programs mean
    ARITHMETIC = "arithmetic"  # evaluates a value that is not known
    WRAPPER = "wrapper"  # a program that runs another one, in a way not followed
    SQL = "sql"  # database statements that are not known
    TERMINAL = "terminal"  # typed into a terminal in a way that can't be read with certainty


@dataclass(frozen=True, slots=True, order=True)
class Opaque:
    """Something that cannot be known for certain; `detail` is one line for people.

    `unread`: of the text as such, so that anything may run besides the commands that were found.
    """

    reason: Reason
    detail: str
    unread: bool = False


@dataclass(frozen=True, slots=True)
class Understanding:
    """What a text would run: the commands, and everything that could not be known."""

    text: str
    commands: tuple[Command, ...] = ()
    opaque: tuple[Opaque, ...] = ()

    @property
    def unread(self) -> Opaque | None:
        """Why the text was not read to its end, None where it was."""
        return next((item for item in self.opaque if item.unread), None)

    def as_json(self) -> Mapping[str, object]:
        """Return `text`, `commands` as argument lists, and `opaque` as objects with `reason` and `detail`."""
        return {
            "text": self.text,
            "commands": [command.shown for command in self.commands],
            "opaque": [{"reason": item.reason.value, "detail": item.detail} for item in self.opaque],
        }
