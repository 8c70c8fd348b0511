"""scp's own protocol: what a far half and a near half say to each other, told, cut, refused and broken."""

import hashlib
from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bastion.config.schema import MaskingConfig
from bastion.errors import BastionError, RemoteProtocolError
from bastion.masking.masker import MaskingPolicy
from bastion.model import Stream
from bastion.protocols.scp import MAX_RECORD, SCPCodec
from bastion.protocols.transfer import Asked, FileDone, FileMasking, OperationDone, Out, Pass

ADDRESS = b"jane.doe@example.com"
NEW = MaskingPolicy(MaskingConfig(detectors=("email",))).file_masker
assert NEW is not None
SOURCE, SINK = "source", "sink"
# A folder with two files, as `scp -rp` sends it: who says what
TREE = [
    (SINK, b"\0"),
    (SOURCE, b"T1700000000 0 1700000000 0\n"),
    (SINK, b"\0"),
    (SOURCE, b"D0755 0 tree\n"),
    (SINK, b"\0"),
    (SOURCE, b"C0644 3 a\n"),
    (SINK, b"\0"),
    (SOURCE, b"one\0"),
    (SINK, b"\0"),
    (SOURCE, b"D0755 0 sub\n"),
    (SINK, b"\0"),
    (SOURCE, b"C0600 0 empty\n"),
    (SINK, b"\0"),
    (SOURCE, b"\0"),
    (SINK, b"\0"),
    (SOURCE, b"E\n"),
    (SINK, b"\0"),
    (SOURCE, b"E\n"),
    (SINK, b"\0"),
]


class Talk:
    """A codec and what came out of it."""

    def __init__(
        self,
        *,
        uploads: bool,
        base: str = "/to",
        recursive: bool = False,
        masking: FileMasking | None = None,
        decide: Callable[[Asked], str] = lambda _: "",
    ) -> None:
        self.codec = SCPCodec(uploads=uploads, base=base, recursive=recursive, masking=masking)
        self._decide = decide
        self._sides = {SOURCE: Stream.STDIN, SINK: Stream.STDOUT}
        if not uploads:
            self._sides = {SOURCE: Stream.STDOUT, SINK: Stream.STDIN}
        self.passed = {Stream.STDIN: b"", Stream.STDOUT: b""}
        self.asked: list[str] = []
        self.told: list[Out] = []

    def say(self, who: str, data: bytes) -> None:
        self._take(self.codec.feed(self._sides[who], data))

    def heard(self, who: str) -> bytes:
        """Return what the other side of somebody got."""
        return self.passed[self._sides[who]]

    def finish(self) -> None:
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


@pytest.mark.parametrize("uploads", [True, False])
def test_a_tree(uploads: bool) -> None:
    talk = Talk(uploads=uploads, base="/to" if uploads else "/from/tree", recursive=True)
    for who, data in TREE:
        talk.say(who, data)
    talk.finish()
    for who in (SOURCE, SINK):
        assert talk.heard(who) == b"".join(data for speaker, data in TREE if speaker == who)
    files = [done for done in talk.told if isinstance(done, FileDone)]
    place = "/to/tree" if uploads else "/from/tree"
    assert [(done.path, done.size, done.result) for done in files] == [
        (f"{place}/a", 3, "ok"),
        (f"{place}/sub/empty", 0, "ok"),
    ]
    assert files[0].sha256 == hashlib.sha256(b"one").hexdigest()
    made = [done.operation.path for done in talk.told if isinstance(done, OperationDone)]
    assert made == (["/to/tree", "/to/tree/sub"] if uploads else [])


@given(st.booleans(), st.data())
def test_any_cut_is_as_whole(uploads: bool, data: st.DataObject) -> None:
    whole, cut = Talk(uploads=uploads, recursive=True), Talk(uploads=uploads, recursive=True)
    for who, said in TREE:
        whole.say(who, said)
        places = sorted(data.draw(st.lists(st.integers(0, len(said)), max_size=3)))
        for begin, end in zip([0, *places], [*places, len(said)], strict=True):
            cut.say(who, said[begin:end])
    assert (cut.passed, cut.asked, cut.told) == (whole.passed, whole.asked, whole.told)


@pytest.mark.parametrize(
    ("base", "recursive", "asked"),
    [
        ("/to", False, "upload /to /to/a"),
        ("/to/", False, "upload /to/a"),
        ("/to", True, "upload /to/a"),
    ],
)
def test_what_an_upload_is_called(base: str, recursive: bool, asked: str) -> None:
    """Whether the operand is a folder only the target knows, so that both names count."""
    talk = Talk(uploads=True, base=base, recursive=recursive)
    talk.say(SINK, b"\0")
    talk.say(SOURCE, b"C0644 3 a\n")
    assert talk.asked == [asked]


@pytest.mark.parametrize(("base", "asked"), [("/x/a", "download /x/a"), ("/x/*", "download /x/a"), ("a", "download a")])
def test_what_a_download_is_called(base: str, asked: str) -> None:
    talk = Talk(uploads=False, base=base)
    talk.say(SINK, b"\0")
    talk.say(SOURCE, b"C0644 3 a\n")
    assert talk.asked == [asked]


def test_a_refused_upload_is_said_in_scps_words_and_the_next_file_goes_on() -> None:
    talk = Talk(
        uploads=True, base="/to/", decide=lambda asked: "bastion: no" if asked.operation.path == "/to/a" else ""
    )
    talk.say(SINK, b"\0")
    talk.say(SOURCE, b"C0644 3 a\n")
    assert talk.heard(SINK) == b"\0\x01bastion: no\n"
    assert talk.heard(SOURCE) == b"", "nothing reached the target"
    talk.say(SOURCE, b"C0644 3 b\n")
    assert talk.heard(SOURCE) == b"C0644 3 b\n"


def test_a_refused_download_is_said_to_both() -> None:
    talk = Talk(uploads=False, base="/x/*", decide=lambda _: "bastion: no")
    talk.say(SINK, b"\0")
    talk.say(SOURCE, b"C0644 3 a\n")
    assert talk.heard(SOURCE) == b"\x01bastion: no\n", "the client prints it and waits for the next record"
    assert talk.heard(SINK) == b"\0\x01bastion: no\n", "the target goes on with the next file"


@given(st.lists(st.sampled_from([ADDRESS, b" ", b"jane.doe@", b"\n", b"x" * 50]), max_size=30).map(b"".join), st.data())
def test_downloads_are_masked_in_place(content: bytes, data: st.DataObject) -> None:
    assert NEW is not None
    reference = NEW()
    masked = reference.feed(content) + reference.end()
    talk = Talk(uploads=False, base="/x/a", masking=FileMasking(NEW))
    talk.say(SINK, b"\0")
    talk.say(SOURCE, b"C0644 %d a\n" % len(content))
    talk.say(SINK, b"\0")
    said = content + b"\0"
    places = sorted(data.draw(st.lists(st.integers(0, len(said)), max_size=4)))
    for begin, end in zip([0, *places], [*places, len(said)], strict=True):
        talk.say(SOURCE, said[begin:end])
    talk.say(SINK, b"\0")
    assert talk.heard(SOURCE) == b"C0644 %d a\n" % len(content) + masked + b"\0"
    (done,) = talk.told
    assert isinstance(done, FileDone)
    assert done.sha256 == hashlib.sha256(content).hexdigest()
    assert dict(done.masked or {}) == dict(reference.counts)


@pytest.mark.parametrize(
    ("answer", "status", "result"),
    [
        (b"\0", b"\0", "ok"),
        (b"\x01no space\n", b"\0", "no space"),
        (b"\0", b"\x01bad disk\n", "could not be read whole"),
    ],
)
def test_how_a_file_ended(answer: bytes, status: bytes, result: str) -> None:
    talk = Talk(uploads=True)
    for who, data in [
        (SINK, b"\0"),
        (SOURCE, b"C0644 3 a\n"),
        (SINK, b"\0"),
        (SOURCE, b"one" + status),
        (SINK, answer),
    ]:
        talk.say(who, data)
    assert [done.result for done in talk.told if isinstance(done, FileDone)] == [result]


def test_a_file_the_target_does_not_take() -> None:
    talk = Talk(uploads=True)
    for who, data in [(SINK, b"\0"), (SOURCE, b"C0644 3 a\n"), (SINK, b"\x01scp: /to: Permission denied\n")]:
        talk.say(who, data)
    assert [done.result for done in talk.told if isinstance(done, OperationDone)] == ["scp: /to: Permission denied"]


def test_a_file_cut_short() -> None:
    talk = Talk(uploads=True)
    for who, data in [(SINK, b"\0"), (SOURCE, b"C0644 30 a\n"), (SINK, b"\0"), (SOURCE, b"one")]:
        talk.say(who, data)
    talk.finish()
    (done,) = talk.told
    assert isinstance(done, FileDone)
    assert (done.result, done.size) == ("incomplete", 3)


@pytest.mark.parametrize(
    "record",
    [
        *(b"C0644 1 ../a\n", b"C0644 1 a/b\n", b"C0644 1 ..\n", b"C0644 1 .\n", b"C0644 1 \n", b"C0644 1 a\0b\n"),
        *(b"D0755 0 ..\n", b"D0755 0 a/b\n"),
        *(b"C0644 -1 a\n", b"C0644 x a\n", b"C0644 1\n", b"Cx 1 a\n", b"C0644 9999999999999999999 a\n"),
        *(b"E\n", b"X\n", b"\n", b"x" * (MAX_RECORD + 1)),
    ],
    ids=lambda record: str(record[:20]),
)
@pytest.mark.parametrize("uploads", [True, False])
def test_cve_2026_54591_records_of_an_evil_source(record: bytes, uploads: bool) -> None:
    talk = Talk(uploads=uploads)
    talk.say(SINK, b"\0")
    with pytest.raises(RemoteProtocolError):
        talk.say(SOURCE, record)
    assert talk.heard(SOURCE) == b""


@pytest.mark.parametrize("answer", [b"hello\n", b"\x03\n", b"\0\0", b"\0\x01surprise\n"])
def test_answers_of_an_evil_sink(answer: bytes) -> None:
    talk = Talk(uploads=True)
    with pytest.raises(RemoteProtocolError):
        talk.say(SINK, answer)


def test_a_source_that_does_not_wait() -> None:
    talk = Talk(uploads=True)
    talk.say(SINK, b"\0")
    with pytest.raises(RemoteProtocolError, match="does not wait"):
        talk.say(SOURCE, b"C0644 100000 a\n" + bytes(MAX_RECORD + 1))


@given(st.lists(st.tuples(st.sampled_from([SOURCE, SINK]), st.binary(max_size=20)), max_size=20), st.booleans())
def test_junk_ends_the_channel(said: list[tuple[str, bytes]], uploads: bool) -> None:
    talk = Talk(uploads=uploads, recursive=True)
    with suppress(BastionError):
        for who, data in said:
            talk.say(who, data)
        talk.finish()
