"""The target's half of an sftp channel (draft-ietf-secsh-filexfer-02 section 7): what each reply says.

A target is not trusted either: a reply must belong to a request and be of a kind that fits it, data may not be more
than was asked for, and extensions this codec does not know are not offered to the client.
"""

from bastion.errors import RemoteProtocolError
from bastion.model import Stream
from bastion.protocols.sftp_files import OpenFile
from bastion.protocols.sftp_packets import MAX_HANDLE, Code, Fields, Type, attributes, data_reply, packet, string
from bastion.protocols.sftp_reads import Answer, Step, UnmaskableError
from bastion.protocols.sftp_requests import send_wish
from bastion.protocols.sftp_state import EXTENSIONS, VERSION, Conversation, Pending, words
from bastion.protocols.transfer import OperationDone

_STATUS_ONLY = frozenset({Type.STATUS})
_FITTING: dict[int, frozenset[Type]] = {
    **dict.fromkeys((Type.OPEN, Type.OPENDIR), frozenset({Type.HANDLE, Type.STATUS})),
    **dict.fromkeys((Type.READDIR, Type.REALPATH, Type.READLINK), frozenset({Type.NAME, Type.STATUS})),
    **dict.fromkeys((Type.STAT, Type.LSTAT, Type.FSTAT), frozenset({Type.ATTRS, Type.STATUS})),
    Type.READ: frozenset({Type.DATA, Type.STATUS}),
    Type.EXTENDED: frozenset({Type.EXTENDED_REPLY, Type.NAME, Type.STATUS}),  # expand-path answers by NAME
}


class Replies:
    """Reads the target's packets."""

    def __init__(self, state: Conversation) -> None:
        self._state = state

    def take(self, raw: bytes) -> None:
        """Take one packet. Raises RemoteProtocolError."""
        kind, state = raw[4], self._state
        if not state.agreed:
            self._version(raw)
            return
        if len(raw) < 9:
            raise RemoteProtocolError("the target sent a broken sftp reply")
        request = int.from_bytes(raw[5:9], "big")
        pending = state.settle(request)
        if kind not in _FITTING.get(pending.kind, _STATUS_ONLY):
            raise RemoteProtocolError(f"the target answered an sftp request of type {pending.kind} by type {kind}")
        code = Fields(raw).uint32() if kind == Type.STATUS else int(Code.OK)
        if pending.kind == Type.READ:
            self._data(request, raw, pending, code)
            return
        self._note(raw, pending, code)
        state.pass_on(Stream.STDOUT, raw)

    def _version(self, raw: bytes) -> None:
        """Agree on the version, and offer the client the extensions that are known here."""
        fields = Fields(raw, 5)
        if not self._state.greeted or raw[4] != Type.VERSION or fields.uint32() != VERSION:
            raise RemoteProtocolError("the target does not answer with sftp version 3")
        known = b""
        while fields.more:
            name, value = fields.string(), fields.string()
            if name in EXTENSIONS:
                known += string(name) + string(value)
        self._state.agreed = True
        self._state.pass_on(Stream.STDOUT, packet(Type.VERSION, VERSION.to_bytes(4, "big") + known))

    def _note(self, raw: bytes, pending: Pending, code: int) -> None:
        """Keep what a reply tells."""
        state = self._state
        match pending.kind:
            case Type.WRITE:
                if code and pending.file is not None:
                    pending.file.failed = pending.file.failed or words(code)
            case Type.OPEN | Type.OPENDIR:
                self._opened(raw, pending, code)
            case Type.CLOSE:
                if pending.file is not None:
                    state.tell(pending.file, words(code))
            case Type.STAT | Type.LSTAT | Type.FSTAT if raw[4] == Type.ATTRS:
                self._size(attributes(Fields(raw)).size, pending)
            case Type.REALPATH if raw[4] == Type.NAME and pending.path in ("", "."):
                fields = Fields(raw)
                state.home = fields.path() if fields.uint32() == 1 else ""
            case _ if pending.operation is not None:
                state.out.append(OperationDone(pending.operation, words(code)))

    def _opened(self, raw: bytes, pending: Pending, code: int) -> None:
        state = self._state
        state.opening -= 1
        if raw[4] == Type.HANDLE:
            handle = Fields(raw).string(MAX_HANDLE)
            if handle in state.handles:
                raise RemoteProtocolError("the target gave an sftp handle that is in use")
            state.handles[handle] = pending.file
        elif pending.operation is not None and code != Code.NO_SUCH_FILE:  # looking for a file is nothing to note
            state.out.append(OperationDone(pending.operation, words(code)))

    def _size(self, size: int | None, pending: Pending) -> None:
        if size is None:
            return
        if pending.file is not None:
            pending.file.known_size = size
        elif pending.path:
            self._state.note_size(pending.path, size)

    def _data(self, request: int, raw: bytes, pending: Pending, code: int) -> None:
        """The answer to a READ."""
        file = pending.file
        assert file is not None
        data = memoryview(raw)[13:] if raw[4] == Type.DATA else memoryview(b"")
        if raw[4] == Type.DATA:
            if int.from_bytes(raw[9:13], "big") != len(data) or not 0 < len(data) <= pending.length:
                raise RemoteProtocolError("the target sent another amount of sftp data than it was asked for")
        elif code == Code.EOF:
            file.ended = True
        else:
            file.failed = file.failed or words(code)
        if pending.silent:
            return
        if pending.wish is not None:
            self._masked(request, raw, pending, code, data)
            return
        if data:
            file.down.add(pending.offset, data)
        self._state.pass_on(Stream.STDOUT, raw)

    def _masked(self, request: int, raw: bytes, pending: Pending, code: int, data: memoryview) -> None:
        """The answer to a READ of a file that is masked."""
        state, file, wish = self._state, pending.file, pending.wish
        assert file is not None
        assert file.masked is not None
        assert wish is not None
        assert state.masking is not None
        block = bytes(data)
        asker = None if wish.own else request
        if not state.masking.accepts(block):
            state.refuse_file(file, "it is not text, and only text may be downloaded here", asker)
            return
        try:
            if block:
                steps = file.masked.answered(wish, block, file.known_size)
            elif code == Code.EOF:
                steps = file.masked.ended(wish)
            else:
                file.unanswered.discard(request)
                steps = file.masked.failed(wish)
                state.pass_on(Stream.STDOUT, raw)
        except UnmaskableError as error:
            state.refuse_file(file, f"it cannot be masked: {error}", asker)
            return
        for step in steps:
            self._follow(file, step)

    def _follow(self, file: OpenFile, step: Step) -> None:
        if not isinstance(step, Answer):
            send_wish(self._state, file, step)
            return
        file.unanswered.discard(step.request)
        if step.data:
            file.delivered += len(step.data)
            self._state.pass_on(Stream.STDOUT, data_reply(step.request, step.data))
        else:
            self._state.answer(step.request, Code.EOF, "end of file")
