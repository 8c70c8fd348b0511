"""The client's half of an sftp channel (draft-ietf-secsh-filexfer-02 section 6): what each request does.

Requests that read or change files are handed out as operations, the others go on. What is not known by name, and what
names a handle nobody has, is answered here.
"""

import posixpath
from collections.abc import Callable

from bastion.errors import RemoteProtocolError
from bastion.model import Stream
from bastion.protocols.sftp_files import OpenFile
from bastion.protocols.sftp_packets import Code, Fields, Type, attributes, packet, read_request
from bastion.protocols.sftp_reads import MaskedReads, UnmaskableError, Wish
from bastion.protocols.sftp_state import EXTENSIONS, MAX_REQUESTS, VERSION, Conversation, Pending
from bastion.protocols.transfer import Operation, Verb

_READ = 0x01
_WRITES = 0x3E  # write, append, create, truncate, exclusive
_CHANGES = {Type.REMOVE: Verb.REMOVE, Type.MKDIR: Verb.MKDIR, Type.RMDIR: Verb.RMDIR}


class Requests:
    """Reads the client's packets."""

    def __init__(self, state: Conversation) -> None:
        self._state = state
        self._handlers: dict[int, Callable[[int, bytes], None]] = {
            Type.OPEN: self._open,
            Type.CLOSE: self._close,
            Type.READ: self._read,
            Type.WRITE: self._write,
            Type.LSTAT: self._look,
            Type.STAT: self._look,
            Type.FSTAT: self._on_handle,
            Type.SETSTAT: self._setstat,
            Type.FSETSTAT: self._fsetstat,
            Type.OPENDIR: self._opendir,
            Type.READDIR: self._on_handle,
            Type.REMOVE: self._change,
            Type.MKDIR: self._change,
            Type.RMDIR: self._change,
            Type.REALPATH: self._look,
            Type.RENAME: self._rename,
            Type.READLINK: self._look,
            Type.SYMLINK: self._symlink,
            Type.EXTENDED: self._extended,
        }

    def take(self, raw: bytes) -> None:
        """Take one packet. Raises RemoteProtocolError."""
        state = self._state
        if not state.greeted:
            self._init(raw)
            return
        if not state.agreed or len(raw) < 9:
            raise RemoteProtocolError("the client sent a broken sftp request, or one before the version was agreed on")
        request = int.from_bytes(raw[5:9], "big")
        if request in state.pending:
            raise RemoteProtocolError(f"the client used the sftp request id {request} twice")
        if len(state.pending) >= MAX_REQUESTS:
            raise RemoteProtocolError(f"the client waits for more than {MAX_REQUESTS} sftp replies at once")
        handler = self._handlers.get(raw[4])
        if handler is None:
            state.answer(request, Code.OP_UNSUPPORTED, "unsupported")
        else:
            handler(request, raw)

    def _init(self, raw: bytes) -> None:
        if raw[4] != Type.INIT or Fields(raw, 5).uint32() < VERSION:
            raise RemoteProtocolError("the client does not begin with the init of sftp version 3 or later")
        self._state.greeted = True
        self._state.pass_on(Stream.STDIN, packet(Type.INIT, VERSION.to_bytes(4, "big")))

    def _open(self, request: int, raw: bytes) -> None:
        state, fields = self._state, Fields(raw)
        path, flags = state.path(fields), fields.uint32()
        if not state.has_room():
            state.answer(request, Code.FAILURE, "too many open files")
            return
        writes = bool(flags & _WRITES)
        reads = bool(flags & _READ) or not writes
        operation = Operation(Verb.UPDATE if reads and writes else Verb.UPLOAD if writes else Verb.DOWNLOAD, path)
        file = OpenFile(operation, reads=reads, writes=writes)
        file.known_size = None if writes else state.sizes.get(path)
        state.opening += 1
        state.ask(request, raw, Pending(Type.OPEN, operation, file))

    def _close(self, request: int, raw: bytes) -> None:
        handle = self._handle(request, Fields(raw))
        if handle is not None:
            self._state.send(request, raw, Pending(Type.CLOSE, file=self._state.handles.pop(handle)))

    def _read(self, request: int, raw: bytes) -> None:
        state, fields = self._state, Fields(raw)
        handle = fields.string()
        offset, length = fields.uint64(), fields.uint32()
        file = state.handles.get(handle)
        if file is None or not file.reads:
            self._no_handle(request)
            return
        file.down.begin(offset)
        if state.masking is None:
            state.send(request, raw, Pending(Type.READ, file=file, offset=offset, length=length))
        elif file.refused:
            state.answer(request, Code.PERMISSION_DENIED, file.refused)
        else:
            file.handle = handle
            file.masked = file.masked or MaskedReads(state.masking.new, file.seen)
            try:
                send_wish(state, file, file.masked.plan(request, offset, length))
            except UnmaskableError as error:
                state.refuse_file(file, f"it cannot be masked: {error}", request)

    def _write(self, request: int, raw: bytes) -> None:
        at = 13 + int.from_bytes(raw[9:13], "big")
        file = self._state.handles.get(raw[13:at])
        if file is None or not file.writes:
            self._no_handle(request)
            return
        fields = Fields(raw, at)
        offset, size = fields.uint64(), fields.uint32()
        data = memoryview(raw)[at + 12 :]
        if size != len(data):
            raise RemoteProtocolError("an sftp write does not hold what it announces")
        file.up.add(offset, data)
        self._state.send(request, raw, Pending(Type.WRITE, file=file))

    def _on_handle(self, request: int, raw: bytes) -> None:
        """Requests that look at what is open."""
        handle = self._handle(request, Fields(raw))
        if handle is not None:
            self._state.send(request, raw, Pending(raw[4], file=self._state.handles[handle]))

    def _fsetstat(self, request: int, raw: bytes) -> None:
        fields = Fields(raw)
        file = self._state.handles.get(fields.string())
        if file is None:
            self._no_handle(request)
        elif file.writes:  # part of the upload
            self._state.send(request, raw, Pending(Type.FSETSTAT))
        else:
            self._ask(request, raw, Operation(Verb.SETSTAT, file.operation.path, detail=attributes(fields).line))

    def _setstat(self, request: int, raw: bytes) -> None:
        fields = Fields(raw)
        path = self._state.path(fields)
        self._ask(request, raw, Operation(Verb.SETSTAT, path, detail=attributes(fields).line))

    def _look(self, request: int, raw: bytes) -> None:
        """Requests that look at a path."""
        path = Fields(raw).path()
        path = path if raw[4] == Type.REALPATH else self._state.normal(path)
        self._state.send(request, raw, Pending(raw[4], path=path))

    def _opendir(self, request: int, raw: bytes) -> None:
        Fields(raw).path()
        if self._state.has_room():
            self._state.opening += 1
            self._state.send(request, raw, Pending(Type.OPENDIR))
        else:
            self._state.answer(request, Code.FAILURE, "too many open files")

    def _change(self, request: int, raw: bytes) -> None:
        self._ask(request, raw, Operation(_CHANGES[Type(raw[4])], self._state.path(Fields(raw))))

    def _rename(self, request: int, raw: bytes) -> None:
        self._ask(request, raw, self._renaming(Fields(raw)))

    def _symlink(self, request: int, raw: bytes) -> None:
        fields = Fields(raw)
        # OpenSSH sends what the link points to first, against the draft.
        points_to, link = fields.path(), self._state.path(fields)
        points_to = self._state.normal(posixpath.join(posixpath.dirname(link), points_to))
        self._ask(request, raw, Operation(Verb.SYMLINK, link, points_to))

    def _extended(self, request: int, raw: bytes) -> None:
        state, fields = self._state, Fields(raw)
        name = fields.string()
        if name == b"posix-rename@openssh.com":
            self._ask(request, raw, self._renaming(fields))
        elif name == b"hardlink@openssh.com":
            points_to, link = state.path(fields), state.path(fields)
            self._ask(request, raw, Operation(Verb.LINK, link, points_to))
        elif name == b"lsetstat@openssh.com":
            path = state.path(fields)
            self._ask(request, raw, Operation(Verb.SETSTAT, path, detail=attributes(fields).line))
        elif name == b"copy-data":
            self._copy(request, raw, fields)
        elif name in EXTENSIONS:
            state.send(request, raw, Pending(Type.EXTENDED))
        else:
            state.answer(request, Code.OP_UNSUPPORTED, "unsupported")

    def _copy(self, request: int, raw: bytes, fields: Fields) -> None:
        """Copy on the target from one open file to another (copy-data): both were asked about when opened."""
        handles = self._state.handles
        source = handles.get(fields.string())
        fields.uint64()
        fields.uint64()
        goal = handles.get(fields.string())
        if source is None or goal is None or not source.reads or not goal.writes:
            self._no_handle(request)
            return
        goal.up.random = True  # what it holds is not seen here
        self._ask(request, raw, Operation(Verb.COPY, source.operation.path, goal.operation.path))

    def _renaming(self, fields: Fields) -> Operation:
        return Operation(Verb.RENAME, self._state.path(fields), self._state.path(fields), tree=True)

    def _ask(self, request: int, raw: bytes, operation: Operation) -> None:
        self._state.ask(request, raw, Pending(raw[4], operation))

    def _handle(self, request: int, fields: Fields) -> bytes | None:
        handle = fields.string()
        if handle in self._state.handles:
            return handle
        self._no_handle(request)
        return None

    def _no_handle(self, request: int) -> None:
        self._state.answer(request, Code.FAILURE, "no such handle")


def send_wish(state: Conversation, file: OpenFile, wish: Wish) -> None:
    """Ask the target for the range of a masked read."""
    request = state.own_id() if wish.own else wish.request
    if not wish.own:
        file.unanswered.add(request)
    pending = Pending(Type.READ, file=file, offset=wish.begin, length=wish.size, wish=wish)
    state.send(request, read_request(request, file.handle, wish.begin, wish.size), pending)
