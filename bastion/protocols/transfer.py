"""What file transfer protocols have in common: the operations they name, and what a codec of theirs hands out.

A transfer codec takes the bytes of both directions and returns `Out`s in order. It decides nothing: each operation that
reads or changes files comes out as `Asked`, and goes on by `allow` or is answered in the protocol's own words by
`refuse`. Paths are text decoded with surrogateescape, so that any bytes survive. Pure, as all of `protocols`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from bastion.model import ChannelKind, Stream


class Verb(StrEnum):
    """What happens to a file. Listing and looking at attributes has no verb: any right to transfer includes it."""

    DOWNLOAD = "download"
    UPLOAD = "upload"
    UPDATE = "update"  # opened for reading and writing at once
    REMOVE = "remove"
    RENAME = "rename"
    MKDIR = "mkdir"
    RMDIR = "rmdir"
    SETSTAT = "setstat"
    SYMLINK = "symlink"
    LINK = "link"
    COPY = "copy"  # on the target itself


_NEEDS = {
    Verb.DOWNLOAD: frozenset({ChannelKind.DOWNLOAD}),
    Verb.UPDATE: frozenset({ChannelKind.DOWNLOAD, ChannelKind.UPLOAD}),
}


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing done to a file.

    `path` is absolute and normal where the codec knows the working directory. `other` is the second path of a rename,
    link, symlink or copy. `tree` says that what lies below the path is meant too.
    """

    verb: Verb
    path: str
    other: str = ""
    detail: str = ""
    tree: bool = False

    @property
    def needs(self) -> frozenset[ChannelKind]:
        """The kinds of channel a role must grant for it; whatever changes files counts as an upload."""
        return _NEEDS.get(self.verb, frozenset({ChannelKind.UPLOAD}))

    @property
    def paths(self) -> tuple[str, ...]:
        """The paths it touches."""
        return (self.path, self.other) if self.other else (self.path,)

    @property
    def line(self) -> str:
        """The operation in one line; different operations have different lines."""
        words = [str(self.verb), *(shown(path) for path in self.paths), *([self.detail] if self.detail else [])]
        return " ".join(words)


@dataclass(frozen=True, slots=True)
class Pass:
    """Bytes that go on: STDIN to the target, the others to the client."""

    stream: Stream
    raw: bytes


@dataclass(frozen=True, slots=True)
class Asked:
    """An operation that waits for `allow` or `refuse`; `ticket` is the codec's own."""

    operation: Operation
    ticket: object


@dataclass(frozen=True, slots=True)
class FileDone:
    """A file was transferred, or part of it.

    `size` counts the bytes transferred, from `offset` on; `sha256` is theirs as the target has them, None where they
    did not come in order (`random`). `complete`: a download reached the end of the file from its beginning. `result`
    is "ok" or says what failed. `masked` counts values by type. `detail` says where the numbers are of another kind.
    """

    verb: Verb
    path: str
    size: int
    sha256: str | None
    offset: int = 0
    random: bool = False
    complete: bool = False
    result: str = "ok"
    masked: Mapping[str, int] | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class OperationDone:
    """An operation that is no transfer was answered; `result` is "ok" or the target's words."""

    operation: Operation
    result: str = "ok"


@dataclass(frozen=True, slots=True)
class Say:
    """A line for people."""

    text: str


Out = Pass | Asked | FileDone | OperationDone | Say


class TransferCodec(Protocol):
    """Reads a file transfer protocol. A peer that breaks it raises RemoteProtocolError, which ends the channel."""

    def feed(self, stream: Stream, data: bytes) -> list[Out]:
        """Take the next bytes of a stream. After an `Asked` it may be fed on; what was asked stays open."""

    def end(self, stream: Stream) -> list[Out]:
        """Take the end of a stream."""

    def allow(self, asked: Asked) -> list[Out]:
        """Let an operation go on."""

    def refuse(self, asked: Asked, text: str) -> list[Out]:
        """Answer an operation with a refusal; nothing of it reaches the target."""

    def finish(self) -> list[Out]:
        """Tell what was not complete when the channel ended."""


class ByteMasker(Protocol):
    """Masks the bytes of one file, keeping their number."""

    @property
    def counts(self) -> Mapping[str, int]:
        """Masked values so far, by type."""

    def feed(self, data: bytes) -> bytes:
        """Take bytes, return what is decided."""

    def end(self) -> bytes:
        """Return the rest."""


def _anything(block: bytes) -> bool:  # noqa: ARG001 - whatever it is
    return True


@dataclass(frozen=True, slots=True)
class FileMasking:
    """How downloads are masked.

    Parameters
    ----------
    new: makes a masker for one file, which keeps its length.
    accepts: whether a file that holds these bytes may be downloaded at all.
    """

    new: Callable[[], ByteMasker]
    accepts: Callable[[bytes], bool] = _anything


def shown(path: str) -> str:
    """Return a path on one line: what is not printable is escaped, and so are backslash and space."""
    if path.isprintable() and "\\" not in path and " " not in path:
        return path
    escapes = {"\\": "\\\\", " ": "\\ "}
    return "".join(escapes.get(c) or (c if c.isprintable() else _escape(c)) for c in path)


def _escape(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is no UTF-8
        return f"\\x{code - 0xDC00:02x}"
    return character.encode("unicode_escape", "surrogatepass").decode()
