"""What every protocol codec offers: bytes of one channel in, events out.

A codec knows how its protocol frames a command and how it words a refusal; it decides nothing, keeps no clock and
touches no socket. Every event keeps its raw bytes, so that untouched traffic goes on byte for byte.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, runtime_checkable

from bastion.model import Stream


@dataclass(frozen=True, slots=True)
class Command:
    """Something the target would run. Nothing after it may reach the target before it is decided."""

    raw: bytes


@dataclass(frozen=True, slots=True)
class Data:
    """Bytes that are not a command of their own."""

    stream: Stream
    raw: bytes


class Place(StrEnum):
    """Where a line is typed, as far as the output tells: none of this is certain, programs can print anything."""

    PROMPT = "prompt"  # a line editor is active (bracketed paste is on, as readline, zle and psql switch it)
    PROGRAM = "program"  # the terminal's own line discipline: dash, a program that runs, type-ahead
    SCREEN = "screen"  # the alternate screen: an editor, a pager, tmux
    PASTE = "paste"  # a bracketed paste, held as a unit
    STDIN = "stdin"  # no terminal: a statement of a script
    HOOK = "hook"  # the shell itself says what it is about to run


@dataclass(frozen=True, slots=True)
class Line:
    """In mid-stream: bytes that may have a line run. They go on, or not, by `HoldingCodec.decided`.

    `screen` is the line as the screen shows it, `others` what else the screen may mean, `typed` the line as the keys
    make it (each without its end); None is unknown. `prompt` is the text before it. `doubts` are reasons why this is
    not certain, one line each for people. `echo` is false where typed text does not show: then it may be a secret.
    `interrupted` says that the client sent Ctrl-C since the line before, `familiar` that the prompt was seen before.
    At a hook, `screen` is a whole command, however many lines it has; what it becomes by aliases, and a part of it that
    it did not show, are `others`.
    """

    raw: bytes
    place: Place
    screen: str | None
    typed: str | None
    others: tuple[str, ...] = ()
    prompt: str = ""
    doubts: tuple[str, ...] = ()
    echo: bool = True
    interrupted: bool = False
    familiar: bool = False


@dataclass(frozen=True, slots=True)
class Pause:
    """Call `HoldingCodec.quiet` once this many seconds have passed; a later one takes its place."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Boot:
    """At the start: have the target run this in place of the shell that the client asked for."""

    command: bytes


class HookState(StrEnum):
    """Whether a shell asks before it runs anything."""

    IN_PLACE = "in place"
    ABSENT = "absent"  # it never said that it does
    SILENT = "silent"  # it took a line and did not ask


@dataclass(frozen=True, slots=True)
class Hook:
    """A shell's hook came or went; `shell` is its name and version as far as it told. Without it, lines are read."""

    state: HookState
    shell: str


Event = Command | Data | Line | Pause | Boot | Hook


class Codec(Protocol):
    """One channel's protocol."""

    def start(self) -> list[Event]:
        """Return what the channel request itself means, before any byte of it."""

    def feed(self, stream: Stream, data: bytes) -> list[Event]:
        """Take the next bytes of a stream."""

    def end(self, stream: Stream) -> list[Event]:
        """Take the end of a stream."""

    def message(self, text: str) -> tuple[Stream, bytes]:
        """Word one line of the bastion's for the client: on which stream, and which bytes."""


@runtime_checkable
class HoldingCodec(Codec, Protocol):
    """A codec that names lines in mid-stream. After a `Line` nothing of STDIN goes on until `decided`."""

    @property
    def full(self) -> bool:
        """Whether so much input is kept that the client should not be read."""

    @property
    def drained(self) -> bool:
        """Whether all input that came has gone on."""

    def decided(self, *, allowed: bool, more: bool, release: bytes) -> list[Event]:
        """Take what became of the line; `more` says that it is only the beginning of a command.

        `release` is what of a script may go on; of a line on a terminal, it is the line itself that does.
        """

    def interrupted(self) -> bool:
        """Whether the input kept behind the line holds Ctrl-C."""

    def quiet(self) -> list[Event]:
        """Take that a `Pause` is over."""

    def resize(self, columns: int, rows: int) -> None:
        """Take the terminal's new size."""
