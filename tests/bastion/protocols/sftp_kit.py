"""Builders of sftp packets, and a codec between two peers played by the test."""

import json
import struct
from collections.abc import Callable
from pathlib import Path

from bastion.model import Stream
from bastion.protocols.sftp import SFTPCodec
from bastion.protocols.sftp_packets import Assembler, Code, Fields, Type, data_reply, packet, status, string
from bastion.protocols.transfer import Asked, FileMasking, Out, Pass

CORPUS = Path(__file__).parents[2] / "corpus" / "sftp"
CAPTURES = sorted(path.stem for path in CORPUS.glob("*.jsonl"))

READ, WRITE, CREATE, TRUNCATE = 0x01, 0x02, 0x08, 0x10
INIT = packet(Type.INIT, struct.pack(">I", 3))
VERSION = packet(Type.VERSION, struct.pack(">I", 3))


def capture(name: str) -> list[tuple[Stream, bytes]]:
    """Return what passed, in order."""
    lines = (CORPUS / f"{name}.jsonl").read_text(encoding="ascii").splitlines()
    sides = {"client": Stream.STDIN, "target": Stream.STDOUT}
    return [(sides[side], bytes.fromhex(data)) for side, data in map(json.loads, lines)]


def request(kind: Type, number: int, *fields: bytes | int) -> bytes:
    """Make a request: texts become strings, numbers 32-bit ones."""
    body = b"".join(struct.pack(">I", field) if isinstance(field, int) else string(field) for field in fields)
    return packet(kind, struct.pack(">I", number) + body)


def open_(number: int, path: bytes, flags: int) -> bytes:
    """Make an OPEN without attributes."""
    return request(Type.OPEN, number, path, flags, 0)


def read(number: int, handle: bytes, offset: int, length: int) -> bytes:
    """Make a READ."""
    return packet(Type.READ, struct.pack(">I", number) + string(handle) + struct.pack(">QI", offset, length))


def write(number: int, handle: bytes, offset: int, data: bytes) -> bytes:
    """Make a WRITE."""
    body = struct.pack(">I", number) + string(handle) + struct.pack(">Q", offset) + string(data)
    return packet(Type.WRITE, body)


def handle(number: int, name: bytes) -> bytes:
    """Make a HANDLE reply."""
    return request(Type.HANDLE, number, name)


def ok(number: int) -> bytes:
    """Make a reply that says yes."""
    return status(number, Code.OK, "")


def attrs(number: int, size: int) -> bytes:
    """Make an ATTRS reply that tells a size."""
    return packet(Type.ATTRS, struct.pack(">IIQ", number, 1, size))


def name(number: int, path: bytes) -> bytes:
    """Make a NAME reply with one name."""
    return packet(Type.NAME, struct.pack(">II", number, 1) + string(path) + string(b"") + struct.pack(">I", 0))


class Talk:
    """A codec, and what came out of it. Every operation is allowed unless `decide` says otherwise."""

    def __init__(
        self, masking: FileMasking | None = None, decide: Callable[[Asked], str] = lambda _: "", *, greet: bool = True
    ) -> None:
        self.codec = SFTPCodec(masking)
        self._decide = decide
        self.passed = {Stream.STDIN: b"", Stream.STDOUT: b""}
        self.asked: list[str] = []
        self.told: list[Out] = []
        if greet:
            self.client(INIT)
            self.target(VERSION)
            self.passed = {Stream.STDIN: b"", Stream.STDOUT: b""}

    def client(self, *packets: bytes) -> bytes:
        """Send as the client; return what the client gets at once."""
        before = len(self.passed[Stream.STDOUT])
        self._take(self.codec.feed(Stream.STDIN, b"".join(packets)))
        return self.passed[Stream.STDOUT][before:]

    def target(self, *packets: bytes) -> bytes:
        """Send as the target; return what the client gets."""
        before = len(self.passed[Stream.STDOUT])
        self._take(self.codec.feed(Stream.STDOUT, b"".join(packets)))
        return self.passed[Stream.STDOUT][before:]

    def feed(self, stream: Stream, data: bytes) -> None:
        """Send as whoever the stream is."""
        self._take(self.codec.feed(stream, data))

    def open(self, path: bytes, flags: int, name: bytes = b"h") -> None:
        """Open a file and give it a handle."""
        self.client(open_(1, path, flags))
        self.target(handle(1, name))

    def close(self, name: bytes = b"h") -> None:
        """Close a handle."""
        self.client(request(Type.CLOSE, 2, name))
        self.target(ok(2))

    def finish(self) -> None:
        """End the channel."""
        self._take(self.codec.finish())

    def _take(self, outs: list[Out]) -> None:
        for out in outs:
            if isinstance(out, Pass):
                self.passed[out.stream] += out.raw
            elif isinstance(out, Asked):
                self.asked.append(out.operation.line)
                refusal = self._decide(out)
                self._take(self.codec.refuse(out, refusal) if refusal else self.codec.allow(out))
            else:
                self.told.append(out)


class Disk:
    """The target's side of reading one file: answers every READ in what the codec sent, from the content given."""

    def __init__(self, talk: Talk, content: bytes, *, longest: int = 1 << 20) -> None:
        self._talk = talk
        self.content = content
        self._longest = longest
        self._frames = Assembler("the codec")
        self._done = len(talk.passed[Stream.STDIN])
        self.waiting: list[bytes] = []

    def collect(self) -> None:
        """Note the READs that came since."""
        sent = self._talk.passed[Stream.STDIN]
        self.waiting += [one for one in self._frames.feed(sent[self._done :]) if one[4] == Type.READ]
        self._done = len(sent)

    def answer(self, place: int = 0) -> bytes:
        """Answer one READ; return what the client gets."""
        raw = self.waiting.pop(place)
        fields = Fields(raw)
        fields.string()
        offset, length = fields.uint64(), fields.uint32()
        number = int.from_bytes(raw[5:9], "big")
        block = self.content[offset : offset + min(length, self._longest)]
        got = self._talk.target(data_reply(number, block) if block else status(number, Code.EOF, "End of file"))
        self.collect()
        return got

    def answer_all(self) -> bytes:
        """Answer until nothing is asked any more."""
        self.collect()
        got = b""
        while self.waiting:
            got += self.answer()
        return got


def blocks(raw: bytes) -> dict[int, bytes | int]:
    """Return DATA replies by request as their bytes, others as their status code."""
    found: dict[int, bytes | int] = {}
    for one in Assembler("the codec").feed(raw):
        number, fields = int.from_bytes(one[5:9], "big"), Fields(one)
        assert number not in found, "each request has one answer"
        found[number] = fields.string(1 << 20) if one[4] == Type.DATA else fields.uint32()
    return found
