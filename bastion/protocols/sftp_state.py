"""What an sftp channel knows of itself: requests not yet answered, open handles, and what goes out next.

Shared by the readers of both directions (`sftp_requests`, `sftp_replies`), which change it packet by packet.
"""

import posixpath
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass

from bastion.errors import RemoteProtocolError
from bastion.model import Stream
from bastion.protocols.sftp_files import OpenFile
from bastion.protocols.sftp_packets import Code, Fields, Type, status
from bastion.protocols.sftp_reads import Wish
from bastion.protocols.transfer import Asked, FileMasking, Operation, Out, Pass, Say, shown

VERSION = 3
MAX_REQUESTS = 4096
"""Requests that may wait for replies at once."""

MAX_HANDLES = 1024
"""Files and directories that may be open at once."""

EXTENSIONS = frozenset(
    {
        *(b"posix-rename@openssh.com", b"hardlink@openssh.com", b"fsync@openssh.com", b"statvfs@openssh.com"),
        *(b"fstatvfs@openssh.com", b"lsetstat@openssh.com", b"limits@openssh.com", b"expand-path@openssh.com"),
        *(b"copy-data", b"home-directory", b"users-groups-by-id@openssh.com"),
    }
)
"""The extensions that pass."""

_SIZES_KEPT = 256


@dataclass(slots=True)
class Pending:
    """A request the target has not answered. `sent` once it went there; `silent`: the client has its answer already."""

    kind: int
    operation: Operation | None = None
    file: OpenFile | None = None
    path: str = ""
    offset: int = 0
    length: int = 0
    wish: Wish | None = None
    sent: bool = True
    silent: bool = False


@dataclass(frozen=True, slots=True)
class Ticket:
    """What `Asked` needs to go on."""

    request: int
    raw: bytes
    pending: Pending


class Conversation:
    """The state of one sftp channel. `masking` is how downloads are masked, None where they are not."""

    def __init__(self, masking: FileMasking | None) -> None:
        self.masking = masking
        self.greeted = False  # the client sent INIT
        self.agreed = False  # the target answered it
        self.home = ""
        self.pending: dict[int, Pending] = {}
        self.handles: dict[bytes, OpenFile | None] = {}  # None is a directory
        self.opening = 0  # requests that may become handles
        self.sizes: OrderedDict[str, int] = OrderedDict()
        self.out: list[Out] = []
        self._own = 0xFFFFFFFF

    def pass_on(self, stream: Stream, raw: bytes) -> None:
        """Let bytes go on."""
        self.out.append(Pass(stream, raw))

    def send(self, request: int, raw: bytes, pending: Pending) -> None:
        """Send a request to the target."""
        self.pending[request] = pending
        pending.sent = True
        self.out.append(Pass(Stream.STDIN, raw))

    def ask(self, request: int, raw: bytes, pending: Pending) -> None:
        """Hand out an operation; its id is taken from now on."""
        assert pending.operation is not None
        pending.sent = False
        self.pending[request] = pending
        self.out.append(Asked(pending.operation, Ticket(request, raw, pending)))

    def answer(self, request: int, code: Code, text: str) -> None:
        """Answer a request of the client's in the target's place."""
        self.out.append(Pass(Stream.STDOUT, status(request, code, text)))

    def own_id(self) -> int:
        """Return an id for a request of the bastion's own: from the top down, as clients count from below."""
        while self._own in self.pending:
            self._own -= 1
        self._own -= 1
        return self._own + 1

    def settle(self, request: int) -> Pending:
        """Return the request a reply belongs to. Raises RemoteProtocolError for a reply that nobody asked for."""
        pending = self.pending.pop(request, None)
        if pending is None or not pending.sent:
            raise RemoteProtocolError("the target sent an sftp reply that nobody asked for")
        return pending

    def has_room(self) -> bool:
        """Whether one more file or directory may be opened."""
        return len(self.handles) + self.opening < MAX_HANDLES

    def path(self, fields: Fields) -> str:
        """Read a path: absolute where the home directory is known by now, without `.`, `..` and doubled slashes."""
        return self.normal(fields.path())

    def normal(self, path: str) -> str:
        """Return a path as the journal and rules take it. `..` is taken away by name, symbolic links are not seen."""
        if not path.startswith("/") and self.home:
            path = f"{self.home}/{path}"
        path = posixpath.normpath(path) if path else "."
        return path[1:] if path.startswith("//") else path

    def note_size(self, path: str, size: int) -> None:
        """Keep what the target said of a file's size, for the last few files."""
        self.sizes[path] = size
        if len(self.sizes) > _SIZES_KEPT:
            self.sizes.popitem(last=False)

    def refuse_file(self, file: OpenFile, why: str, request: int | None) -> None:
        """Give nothing more of a file; every read of the client's that is open gets its answer now, `request` too."""
        if not file.refused:
            self.out.append(Say(f"download of {shown(file.operation.path)} refused: {why}"))
        file.refused = why
        file.failed = f"refused: {why}"
        for pending in self.pending.values():
            if pending.file is file and pending.kind == Type.READ:
                pending.silent = True
        for number in sorted(file.unanswered | ({request} if request is not None else set())):
            self.answer(number, Code.PERMISSION_DENIED, why)
        file.unanswered.clear()

    def tell(self, file: OpenFile, result: str) -> None:
        """Say what was transferred of a file that is closed now."""
        self.out.extend(file.done(result))

    def flush(self) -> list[Out]:
        """Return what goes out, with bytes that follow each other put together."""
        out, self.out = self.out, []
        return list(_joined(out)) if len(out) > 1 else out


def words(code: int) -> str:
    """Return a status code in words."""
    return "ok" if not code else Code(code).name.lower().replace("_", " ") if code <= 8 else f"status {code}"


def _joined(out: Iterable[Out]) -> Iterable[Out]:
    run: list[Pass] = []
    for item in out:
        if run and not (isinstance(item, Pass) and item.stream is run[0].stream):
            yield _whole(run)
            run = []
        if isinstance(item, Pass):
            run.append(item)
        else:
            yield item
    if run:
        yield _whole(run)


def _whole(run: list[Pass]) -> Pass:
    return run[0] if len(run) == 1 else Pass(run[0].stream, b"".join(item.raw for item in run))
