"""What one analysis shares between its parts: the commands and doubts found so far, the trees, the limits.

`Context` collects; it follows nothing itself. Parts that need to run statements call `Context.statements`, which
`bastion.policy.analysis` plugs in, so that no module has to import the one that imports it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum

from bastion.policy.state import State, unknown
from bastion.policy.tree import Node, Parsed, Source
from bastion.policy.understanding import (
    Command,
    Hole,
    Opaque,
    Part,
    Reason,
    Redirection,
    SQLText,
    Unknown,
    Word,
)

MAX_STEPS = 20_000  # statements and words looked at in one analysis
MAX_COMMANDS = 2_000
MAX_NESTING = 24  # functions in functions, shells in shells, substitutions in substitutions
MAX_TEXT = 65_536  # characters of a value followed


# Why a text was not read: as a whole, by its parsers
UNREAD = frozenset({Reason.TOO_LARGE, Reason.UNREADABLE})


class TooComplexError(Exception):
    """A limit of the analysis was reached; the message says which."""


class InputKind(Enum):
    """Where a command's standard input comes from."""

    CHANNEL = "channel"  # whatever the client sends
    KNOWN = "known"
    PIPE = "pipe"  # output of commands, not known
    FILE = "file"
    NOTHING = "nothing"  # /dev/null


@dataclass(slots=True, eq=False)
class Input:
    """A standard input: its text as far as it is known, the commands whose output it is, or the file it is.

    Commands one after the other share it: once one has read from it, what is left for the next is not known.
    """

    source: InputKind
    content: Word | None = None
    origins: frozenset[int] = frozenset()
    path: Word | None = None
    touched: bool = False

    @property
    def kind(self) -> InputKind:
        """Where it comes from; what is left of a known text is no more than piped."""
        return InputKind.PIPE if self.touched and self.source is InputKind.KNOWN else self.source

    @property
    def text(self) -> Word | None:
        """All that a command will read, as far as it is known."""
        return None if self.touched else self.content

    def touch(self) -> None:
        """Note that a command may have read from it."""
        self.touched = True


CHANNEL = Input(InputKind.CHANNEL)
NOTHING = Input(InputKind.NOTHING)


@dataclass(slots=True)
class Output:
    """What is written to a standard output, gathered in order."""

    parts: list[Part] = field(default_factory=list)
    origins: set[int] = field(default_factory=set)

    def write(self, word: Word, index: int | None = None) -> None:
        """Add known text, printed by the command with this index."""
        self.parts.extend(word.parts)
        if word.many:
            self.parts.append(unknown("…", word.origins).parts[0])
        if index is not None:
            self.origins.add(index)

    def write_unknown(self, index: int) -> None:
        """Add what an unknown output of a command may be."""
        self.origins.add(index)
        self.parts.append(unknown("…", frozenset({index})).parts[0])

    def as_word(self) -> Word:
        """Return everything written, as one word."""
        return Word(tuple(self.parts))

    def as_input(self) -> Input:
        """Return this output as the input of the next command in a pipeline."""
        word = self.as_word()
        origins = frozenset(self.origins) | word.origins
        if word.text is not None and len(word.text) <= MAX_TEXT:
            return Input(InputKind.KNOWN, word, origins)
        return Input(InputKind.PIPE, word, origins)


@dataclass(slots=True)
class IO:
    """The standard input and output of a statement."""

    stdin: Input = CHANNEL
    stdout: Output = field(default_factory=Output)


@dataclass(slots=True)
class Call:
    """A command about to run. `in_shell`: functions and builtins apply, not only programs.

    `parent` is the command that starts it, `files` are its redirections, `outer` is the input and output the
    redirections started from, `index` is its place among the commands once it is noted, `program` is the name by
    which a table knows it.
    """

    argv: list[Word]
    state: State
    io: IO
    files: tuple[Redirection, ...] = ()
    in_shell: bool = True
    parent: int | None = None
    outer: IO = field(default_factory=IO)
    index: int = -1
    program: str = ""

    @property
    def arguments(self) -> list[Word]:
        """The words behind the program's name."""
        return self.argv[1:]

    @property
    def name(self) -> str:
        """The program's name as the tables have it, else its base name."""
        return self.program or (self.argv[0].text or "").rsplit("/", 1)[-1]


@dataclass(slots=True)
class Record:
    """A command found, while edges to other commands may still be added."""

    command: Command
    feeds: set[int] = field(default_factory=set)


Statements = Callable[["Context", Sequence[Node], State, IO], None]
Handler = Callable[["Context", Call], None]

# Programs whose output comes from elsewhere, or is made into code: what they print is not the user's own text
_SOURCES = frozenset(
    {"curl", "wget", "nc", "ncat", "netcat", "socat", "openssl", "ssh", "scp", "ftp", "lftp", "aria2c", "http", "fetch"}
    | {"lynx", "w3m", "links", "telnet", "dig", "base64", "base32", "xxd", "gunzip", "gzip", "zcat", "xz", "bunzip2"}
    | {"uudecode", "gpg", "aws", "gsutil", "s3cmd", "rclone", "uncompress", "bzcat", "xzcat", "zstdcat", "tar", "unzip"}
)


@dataclass(slots=True)
class Context:
    """Collects what one analysis finds."""

    trees: Mapping[Source, Parsed]
    statements: Statements
    handler: Callable[[Call], Handler | None]
    records: list[Record] = field(default_factory=list)
    opaque: dict[Opaque, None] = field(default_factory=dict)
    missing: dict[Source, None] = field(default_factory=dict)
    steps: int = 0
    nesting: int = 0
    calls: list[str] = field(default_factory=list)
    returns: list[list[State]] = field(default_factory=list)
    jumps: list[list[State]] = field(default_factory=list)  # by loop: states at `break` and `continue`
    piped: dict[Unknown, Input] = field(default_factory=dict)  # what `<(...)` holds
    readers: set[int] = field(default_factory=set)  # commands in `>(...)` that the command being read writes to

    def step(self) -> None:
        """Count one step; raises TooComplexError beyond the limit."""
        self.steps += 1
        if self.steps > MAX_STEPS:
            raise TooComplexError(f"more than {MAX_STEPS} steps")

    def enter(self) -> None:
        """Go one level down; raises TooComplexError beyond the limit. `leave` must follow."""
        self.nesting += 1
        if self.nesting > MAX_NESTING:
            raise TooComplexError(f"more than {MAX_NESTING} levels of nested code")

    def leave(self) -> None:
        """Come back from `enter`."""
        self.nesting -= 1

    def doubt(self, reason: Reason, detail: str, *, unread: bool = False) -> None:
        """Note something that cannot be known."""
        shown = " ".join(detail.split())
        self.opaque[Opaque(reason, shown if len(shown) <= 120 else shown[:119] + "…", unread)] = None

    def parse(self, code: str, dialect: str, *, second: bool = False) -> Node | None:
        """Return the tree of nested code; None where it is still to be parsed, or cannot be (noted as a doubt).

        In a `second` reading a syntax error is none.
        """
        source = Source(code, dialect)
        parsed = self.trees.get(source)
        if parsed is None:
            self.missing[source] = None
            return None
        if parsed.problem and not (second and parsed.problem == Reason.SYNTAX.value):
            reason = Reason(parsed.problem)
            self.doubt(reason, parsed.detail, unread=reason in UNREAD)
        return parsed.tree

    def code_reason(self, origins: frozenset[int], default: Reason) -> Reason:
        """Return why code that comes from these commands is not known: from the network, or `default`."""
        seen: set[int] = set()
        queue = set(origins)
        while queue:
            index = queue.pop()
            seen.add(index)
            words = self.records[index].command.argv
            if words and (words[0].text or "").rsplit("/", 1)[-1] in _SOURCES:
                return Reason.NETWORK_CODE
            queue |= {place for place, record in enumerate(self.records) if index in record.feeds} - seen
        return default

    def emit(
        self,
        argv: Sequence[Word],
        state: State,
        stdin: Input,
        *,
        redirections: Sequence[Redirection] = (),
        parent: int | None = None,
    ) -> int:
        """Add a command that would run and return its index."""
        if len(self.records) >= MAX_COMMANDS:
            raise TooComplexError(f"more than {MAX_COMMANDS} commands")
        index = len(self.records)
        directories = state.cwd
        command = Command(tuple(argv), directories, (), tuple(redirections), (), parent)
        self.records.append(Record(command))
        self.connect(stdin.origins, index)
        for word in argv:
            for part in word.parts:
                if isinstance(part, Unknown) and part.hole is Hole.PIPE:
                    self.connect(part.origins, index)
        return index

    def connect(self, origins: frozenset[int], reader: int) -> None:
        """Note that the output of some commands reaches the input of another one."""
        for origin in origins:
            if origin != reader:
                self.records[origin].feeds.add(reader)

    def add_sql(self, index: int, dialect: str, text: str | None) -> None:
        """Note SQL that a command hands to a database."""
        record = self.records[index]
        record.command = replace(record.command, sql=(*record.command.sql, SQLText(dialect, text)))

    def begin(self) -> None:
        """Forget the doubts so far: what was followed until now only sets the stage. `finish` gets its end."""
        self.opaque.clear()

    def finish(self, first: int = 0) -> tuple[Command, ...]:
        """Return the commands found from index `first` on, equal ones merged, in the order of the text."""
        places: dict[Command, int] = {}
        moved: dict[int, int] = {}
        for index, record in enumerate(self.records[first:], first):
            base = replace(_anonymous(record.command), parent=None)
            moved[index] = places.setdefault(base, len(places))
        feeds: list[set[int]] = [set() for _ in places]
        parents: list[int | None] = [None] * len(places)
        for index, place in moved.items():
            record = self.records[index]
            feeds[place] |= {moved[reader] for reader in record.feeds if reader in moved}
            if record.command.parent is not None and parents[place] is None:
                parents[place] = moved.get(record.command.parent)
        return tuple(
            replace(command, feeds=tuple(sorted(feeds[place])), parent=parents[place])
            for command, place in places.items()
        )


def _anonymous(command: Command) -> Command:
    """Return the command with words that no longer say whose output they hold."""
    return replace(
        command,
        argv=tuple(_without_origins(word) for word in command.argv),
        cwd=tuple(_without_origins(word) for word in command.cwd),
        redirections=tuple(replace(item, target=_without_origins(item.target)) for item in command.redirections),
    )


def _without_origins(word: Word) -> Word:
    if all(isinstance(part, str) for part in word.parts):
        return word
    parts = tuple(part if isinstance(part, str) else Unknown(part.hole, part.shown) for part in word.parts)
    return Word(parts, word.many)
