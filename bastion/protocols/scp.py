"""scp's own protocol (`scp -O`): the far half of scp on an exec channel.

A source sends records (`C` a file with mode, size and name, `D` and `E` around a folder, `T` times), each answered by
one byte: 0 for yes, 1 or 2 and a line for no. The content of a file follows its record's yes, with a byte behind it
that says whether it could be read. `SCPCodec` follows both sides, digests each file, masks downloads in place, and
refuses single files by that very answer, so that scp shows the line and goes on with the next file.

Limits: a record of 16 KiB. A name with a slash or `..` ends the channel, whichever side sent it (CVE-2019-6111).
"""

import hashlib
from dataclasses import dataclass
from enum import Enum, auto

from bastion.errors import RemoteProtocolError
from bastion.model import Stream
from bastion.protocols.transfer import (
    Asked,
    ByteMasker,
    FileDone,
    FileMasking,
    Operation,
    OperationDone,
    Out,
    Pass,
    Verb,
)

MAX_RECORD = 16 * 1024
_OK = b"\0"


class _State(Enum):
    RECORD = auto()  # a record is due
    ASKED = auto()  # a record waits for a decision
    ANSWER = auto()  # a record waits for the sink's answer
    DATA = auto()
    STATUS = auto()  # the byte behind the data
    DONE = auto()  # the sink's answer to the whole file


@dataclass(slots=True)
class _File:
    operation: Operation
    size: int
    left: int
    masker: ByteMasker | None
    digest: "hashlib._Hash"
    sent: int = 0
    failed: str = ""


class SCPCodec:
    """One scp.

    Parameters
    ----------
    uploads: whether the client is the source.
    base: the operand on the command line, a path.
    recursive: whether `base` may get files below it.
    masking: how downloads are masked.
    """

    def __init__(self, *, uploads: bool, base: str, recursive: bool, masking: FileMasking | None) -> None:
        self._uploads = uploads
        self._source, self._sink = (Stream.STDIN, Stream.STDOUT) if uploads else (Stream.STDOUT, Stream.STDIN)
        self._base = base
        self._recursive = recursive
        self._masking = masking
        self._state = _State.RECORD
        self._begun = False  # the sink said that it is ready
        self._folders: list[str] = []
        self._from_source = bytearray()
        self._from_sink = bytearray()
        self._record = b""
        self._operation = Operation(Verb.UPLOAD, base)  # the last one asked about
        self._file: _File | None = None
        self._out: list[Out] = []

    def feed(self, stream: Stream, data: bytes) -> list[Out]:
        """Take the next bytes of a stream."""
        if stream is Stream.STDERR:
            return [Pass(stream, data)]
        if stream is self._source:
            self._from_source += data
            self._read_source()
        else:
            self._from_sink += data
            self._read_sink()
        return self._flush()

    def end(self, stream: Stream) -> list[Out]:  # noqa: ARG002 - a record cut short by the end goes nowhere
        """Return nothing."""
        return []

    def allow(self, asked: Asked) -> list[Out]:
        """Let the file or folder go on."""
        del asked
        self._go_on()
        self._read_source()
        return self._flush()

    def refuse(self, asked: Asked, text: str) -> list[Out]:
        """Answer the source with the reason; on a download the client is told in the record's place."""
        del asked
        line = b"\x01" + text.encode("utf-8", "replace").replace(b"\n", b" ") + b"\n"
        self._out.append(Pass(self._sink, line))
        if not self._uploads:
            self._out.append(Pass(self._source, line))
        self._file = None
        self._state = _State.RECORD
        return self._flush()

    def finish(self) -> list[Out]:
        """Tell what was not complete."""
        if self._file is not None and self._state in (_State.DATA, _State.STATUS, _State.DONE):
            self._done("incomplete")
        return self._flush()

    # The source

    def _read_source(self) -> None:
        buffer = self._from_source
        while buffer:
            if self._state is _State.DATA:
                self._data(buffer)
            elif self._state in (_State.RECORD, _State.STATUS):
                line = self._line(buffer, ends_at_once=self._state is _State.STATUS)
                if line is None:
                    return
                if self._state is _State.STATUS:
                    self._status(line)
                else:
                    self._take(line)
            elif len(buffer) > MAX_RECORD:
                raise RemoteProtocolError("scp's source does not wait for answers")
            else:
                return

    def _line(self, buffer: bytearray, *, ends_at_once: bool) -> bytes | None:
        """Return the next record or answer, None while it is not complete."""
        length = 1 if ends_at_once and buffer[:1] == _OK else buffer.find(b"\n") + 1
        if not length:
            if len(buffer) > MAX_RECORD:
                raise RemoteProtocolError("scp sent a record that is too long")
            return None
        line = bytes(buffer[:length])
        del buffer[:length]
        return line

    def _take(self, line: bytes) -> None:
        kind = line[:1]
        if kind in (b"\x01", b"\x02"):  # the source could not read something, and says so
            self._out.append(Pass(self._source, line))
        elif kind in (b"C", b"D"):
            self._name(kind, line)
        elif kind == b"E" and self._folders:
            self._folders.pop()
            self._ask_sink(line)
        elif kind == b"T":
            self._ask_sink(line)
        else:
            raise RemoteProtocolError("scp sent a record that makes no sense")

    def _name(self, kind: bytes, line: bytes) -> None:
        parts = line[1:-1].split(b" ", 2)
        name = parts[-1].decode("utf-8", "surrogateescape")
        if len(parts) != 3 or not parts[1].isdigit() or len(parts[1]) > 18 or not parts[0].isdigit():
            raise RemoteProtocolError("scp sent a record that makes no sense")
        if not name or "/" in name or "\0" in name or name == ".." or (name == "." and kind == b"C"):
            raise RemoteProtocolError("scp sent a name that is no file's name")
        self._operation = operation = self._named(kind, name)
        size = int(parts[1])
        if kind == b"C":
            masker = self._masking.new() if self._masking is not None and not self._uploads else None
            self._file = _File(operation, size, size, masker, hashlib.sha256())
        self._record = line
        self._state = _State.ASKED
        self._out.append(Asked(operation, name))

    def _named(self, kind: bytes, name: str) -> Operation:
        verb = Verb.MKDIR if kind == b"D" and self._uploads else Verb.UPLOAD if self._uploads else Verb.DOWNLOAD
        if self._uploads:
            # The operand is the file's name, or the folder it goes to: only the target knows.
            below = "/".join([self._base.rstrip("/"), *self._folders, name])
            if self._folders or self._recursive or self._base.endswith("/"):
                return Operation(verb, below)
            return Operation(verb, self._base, below)
        if self._folders:
            return Operation(verb, "/".join([self._base.rstrip("/"), *self._folders[1:], name]))
        return Operation(verb, f"{self._base.rpartition('/')[0]}/{name}" if "/" in self._base else name)

    def _go_on(self) -> None:
        if self._record[:1] == b"D":
            name = self._record[1:-1].split(b" ", 2)[2]
            self._folders.append(name.decode("utf-8", "surrogateescape"))
        self._ask_sink(self._record)

    def _ask_sink(self, line: bytes) -> None:
        self._record = line
        self._state = _State.ANSWER
        self._out.append(Pass(self._source, line))

    def _data(self, buffer: bytearray) -> None:
        file = self._file
        assert file is not None
        data = bytes(buffer[: file.left])
        del buffer[: len(data)]
        file.left -= len(data)
        file.digest.update(data)
        if file.masker is not None:
            data = file.masker.feed(data) + (file.masker.end() if not file.left else b"")
        file.sent += len(data)
        if file.sent > file.size - file.left or (not file.left and file.sent != file.size):
            raise RemoteProtocolError(f"{file.operation.path} cannot be masked without changing its length")
        if data:
            self._out.append(Pass(self._source, data))
        if not file.left:
            self._state = _State.STATUS

    def _status(self, line: bytes) -> None:
        assert self._file is not None
        if line != _OK:
            self._file.failed = "could not be read whole"
        self._state = _State.DONE
        self._out.append(Pass(self._source, line))

    # The sink

    def _read_sink(self) -> None:
        while self._from_sink:
            line = self._line(self._from_sink, ends_at_once=True)
            if line is None:
                return
            if line[:1] not in (_OK, b"\x01", b"\x02"):
                raise RemoteProtocolError("scp's sink sent an answer that makes no sense")
            self._out.append(Pass(self._sink, line))
            self._answered(line)
        self._read_source()

    def _answered(self, line: bytes) -> None:
        yes = line == _OK
        if not self._begun:
            self._begun = True
        elif self._state is _State.ANSWER:
            self._accepted(yes, line)
        elif self._state is _State.DONE:
            self._done("ok" if yes else _words(line))
            self._state = _State.RECORD
        elif line[:1] != b"\x02":  # a sink may give up at any time
            raise RemoteProtocolError("scp's sink answered what nobody asked")

    def _accepted(self, yes: bool, line: bytes) -> None:
        kind = self._record[:1]
        self._state = _State.RECORD
        if kind == b"C" and yes:
            assert self._file is not None
            self._state = _State.DATA if self._file.left else _State.STATUS
        elif kind == b"C":
            assert self._file is not None
            self._out.append(OperationDone(self._operation, _words(line)))
            self._file = None
        elif kind == b"D":
            if self._uploads:
                self._out.append(OperationDone(self._operation, "ok" if yes else _words(line)))
            if not yes:
                self._folders.pop()

    def _done(self, result: str) -> None:
        file, self._file = self._file, None
        assert file is not None
        got = file.size - file.left
        whole = not file.left and not file.failed
        verb = Verb.UPLOAD if self._uploads else Verb.DOWNLOAD
        self._out.append(
            FileDone(
                verb,
                file.operation.path,
                got,
                file.digest.hexdigest(),
                complete=whole and not self._uploads,
                result=file.failed or result,
                masked=dict(file.masker.counts) if file.masker is not None else {},
            )
        )

    def _flush(self) -> list[Out]:
        out, self._out = self._out, []
        return out


def _words(line: bytes) -> str:
    return line[1:-1].decode("utf-8", "backslashreplace")[:200] or "refused"
