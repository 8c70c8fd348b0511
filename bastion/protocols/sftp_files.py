"""Open files of an sftp channel: how much of each went which way, in which order, and its digest.

Digests are of bytes in the order of their offsets; a file read or written here and there has none, and says so. What
arrives early (replies may overtake each other) is kept up to `MAX_EARLY` bytes.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field

from bastion.protocols.sftp_reads import MaskedReads
from bastion.protocols.transfer import FileDone, Operation, Verb

MAX_EARLY = 4 * 1024 * 1024


class Sequence:
    """Bytes of a file as they should come: from a first offset on, each range once, right behind the one before."""

    __slots__ = ("_digest", "_early", "_early_size", "next", "random", "size", "start")

    def __init__(self) -> None:
        self.start: int | None = None
        self.next = 0
        self.size = 0
        self.random = False
        self._digest = hashlib.sha256()
        self._early: dict[int, bytes] = {}
        self._early_size = 0

    def begin(self, offset: int) -> None:
        """Note the offset asked for first."""
        if self.start is None:
            self.start = self.next = offset

    def add(self, offset: int, data: memoryview) -> None:
        """Take a range."""
        self.begin(offset)
        self.size += len(data)
        if self.random or not data:
            return
        if offset == self.next:
            self._digest.update(data)
            self.next += len(data)
            while self._early and (early := self._early.pop(self.next, None)) is not None:
                self._early_size -= len(early)
                self._digest.update(early)
                self.next += len(early)
        elif offset > self.next and offset not in self._early and self._early_size + len(data) <= MAX_EARLY:
            self._early[offset] = bytes(data)
            self._early_size += len(data)
        else:
            self.random = True
            self._early.clear()

    @property
    def in_order(self) -> bool:
        """Whether everything came in order, without gaps."""
        return not self.random and not self._early

    @property
    def sha256(self) -> str | None:
        """The digest of everything, None where it did not come in order."""
        return self._digest.hexdigest() if self.in_order else None


@dataclass(slots=True)
class OpenFile:
    """A file that is open. `operation` is what its opening was asked about as.

    With masking, `masked` are its reads, `handle` is its name for the target, `unanswered` are requests of the client
    that have no answer yet, and `refused` says why nothing more of it is given.
    """

    operation: Operation
    reads: bool
    writes: bool
    down: Sequence = field(default_factory=Sequence)
    up: Sequence = field(default_factory=Sequence)
    ended: bool = False  # a read reached the end
    known_size: int | None = None
    failed: str = ""
    masked: MaskedReads | None = None
    handle: bytes = b""
    unanswered: set[int] = field(default_factory=set)
    refused: str = ""
    delivered: int = 0  # bytes of masked reads the client got

    def seen(self, offset: int, data: bytes) -> None:
        """Count bytes the target gave for masked reads; what stands before the client's first is context alone."""
        before = max(0, (self.down.start or 0) - offset)
        if before < len(data):
            self.down.add(offset + before, memoryview(data)[before:])

    def done(self, result: str) -> Iterable[FileDone]:
        """Tell what was transferred, once the file is closed; `result` is how closing went."""
        path, result = self.operation.path, self.failed or result
        if self.writes:
            up = self.up
            yield FileDone(Verb.UPLOAD, path, up.size, up.sha256, up.start or 0, random=not up.in_order, result=result)
        if self.reads and (self.down.size or not self.writes):
            yield self._downloaded(result)

    def _downloaded(self, result: str) -> FileDone:
        down, masked = self.down, self.masked
        return FileDone(
            Verb.DOWNLOAD,
            self.operation.path,
            down.size if masked is None else self.delivered,
            # Masking looks ahead: only at the end of the file the target's bytes are those the client asked for.
            down.sha256 if masked is None or self.ended else None,
            down.start or 0,
            random=not down.in_order,
            complete=self.ended and down.in_order and not down.start,
            result=result,
            masked=masked.counts() if masked is not None else {},
        )
