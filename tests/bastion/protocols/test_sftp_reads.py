"""Masked reading: whatever is read, in whatever order, is what a mask over the whole file leaves."""

from collections.abc import Mapping
from types import MappingProxyType

from hypothesis import given
from hypothesis import strategies as st

from bastion.config.schema import MaskingConfig
from bastion.masking.masker import MaskingPolicy
from bastion.protocols.sftp_packets import Code, Type, status
from bastion.protocols.sftp_reads import BEFORE, BEHIND, MAX_AHEAD, MAX_READ, MAX_RUNS
from bastion.protocols.transfer import FileDone, FileMasking, Say
from tests.bastion.protocols.sftp_kit import READ, Disk, Talk, attrs, blocks, read, request

ADDRESS = b"jane.doe@example.com"
POLICY = MaskingPolicy(MaskingConfig(detectors=("email",)))
NEW = POLICY.file_masker
assert NEW is not None
MASKING = FileMasking(NEW)

texts = st.lists(
    st.sampled_from([ADDRESS, b"x@y.org", b" ", b"\n", b"word", b"jane.doe@", b"1.5", b"," * 300, b"a" * 700]),
    max_size=40,
).map(b"".join)


def masked(content: bytes) -> bytes:
    assert NEW is not None
    masker = NEW()
    return masker.feed(content) + masker.end()


def opened(content: bytes, *, longest: int = 1 << 20, known: bool = False) -> tuple[Talk, Disk]:
    talk = Talk(MASKING)
    if known:
        talk.client(request(Type.STAT, 1, b"/f"))
        talk.target(attrs(1, len(content)))
    talk.open(b"/f", READ)
    return talk, Disk(talk, content, longest=longest)


@given(texts, st.integers(1, 2000), st.booleans(), st.sampled_from([1 << 20, 700]))
def test_one_read_after_another(content: bytes, length: int, known: bool, longest: int) -> None:
    """As sftp does at first, and as programs do that read a file bit by bit; some targets answer little at once."""
    talk, disk = opened(content, longest=longest, known=known)
    got = b""
    for number in range(10, 10 + len(content) + 3):
        answer = blocks(talk.client(read(number, b"h", len(got), length)) + disk.answer_all())[number]
        if isinstance(answer, int):
            assert answer == Code.EOF
            break
        assert 0 < len(answer) <= length
        got += answer
    assert got == masked(content)


@given(texts, st.integers(20, 900), st.data())
def test_many_reads_at_once(content: bytes, length: int, data: st.DataObject) -> None:
    """As sftp does in full flight; targets may answer in another order."""
    talk, disk = opened(content, known=data.draw(st.booleans()))
    offsets = list(range(0, len(content) + 2 * length, length))
    talk.client(*(read(10 + number, b"h", offset, length) for number, offset in enumerate(offsets)))
    disk.collect()
    got = b""
    while disk.waiting:
        got += disk.answer(data.draw(st.integers(0, min(3, len(disk.waiting) - 1))))
    answers = blocks(got)
    clear = masked(content)
    for number, offset in enumerate(offsets):
        expected: bytes | int = clear[offset : offset + length] or int(Code.EOF)
        assert answers[10 + number] == expected


@given(texts, st.lists(st.tuples(st.integers(0, 3000), st.integers(1, 1500)), min_size=1, max_size=12))
def test_reads_here_and_there(content: bytes, ranges: list[tuple[int, int]]) -> None:
    talk, disk = opened(content)
    clear = masked(content)
    for number, (offset, length) in enumerate(ranges, 10):
        answer = blocks(talk.client(read(number, b"h", offset, length)) + disk.answer_all())[number]
        assert answer == (clear[offset : offset + length] or int(Code.EOF))


def test_nothing_waits_for_a_round_trip_where_the_size_is_known() -> None:
    content = ADDRESS * 100
    talk, disk = opened(content, known=True)
    talk.client(read(10, b"h", 0, 32768))
    disk.collect()
    assert len(disk.waiting) == 1
    assert blocks(disk.answer()) == {10: masked(content)}
    assert disk.waiting == []


def test_a_value_over_the_edge_of_a_read() -> None:
    content = b"." * 1000 + ADDRESS + b"." * 1000
    for cut in range(1001, 1000 + len(ADDRESS)):
        talk, disk = opened(content)
        first = blocks(talk.client(read(10, b"h", 0, cut)) + disk.answer_all())[10]
        second = blocks(talk.client(read(11, b"h", cut, 5000)) + disk.answer_all())[11]
        assert isinstance(first, bytes)
        assert isinstance(second, bytes)
        assert first + second == masked(content)


def test_a_read_from_the_middle_sees_what_stands_before() -> None:
    content = b" " * (2 * BEFORE) + ADDRESS + b" " * BEHIND
    for inside in range(len(ADDRESS)):
        talk, disk = opened(content)
        answer = blocks(talk.client(read(10, b"h", 2 * BEFORE + inside, 40)) + disk.answer_all())[10]
        assert answer == b"*" * (len(ADDRESS) - inside) + b" " * (20 + inside)


def test_a_file_that_grows() -> None:
    talk, disk = opened(b"one ")
    first = blocks(talk.client(read(10, b"h", 0, 100)) + disk.answer_all())[10]
    disk.content += ADDRESS + b" two"
    second = blocks(talk.client(read(11, b"h", 4, 100)) + disk.answer_all())[11]
    assert (first, second) == (b"one ", b"*" * len(ADDRESS) + b" two")


def test_long_reads_are_cut_to_what_a_target_answers() -> None:
    content = b"word " * 100_000
    talk, disk = opened(content)
    answer = blocks(talk.client(read(10, b"h", 0, 400_000)) + disk.answer_all())[10]
    assert answer == content[:MAX_READ]


def test_too_many_places_at_once_end_the_file_and_not_the_session() -> None:
    talk, disk = opened(b"word " * 100_000)
    reads = [read(10 + number, b"h", 20_000 * number, 100) for number in range(MAX_RUNS + 1)]
    refused = blocks(talk.client(*reads))
    assert refused == {10 + number: int(Code.PERMISSION_DENIED) for number in range(MAX_RUNS + 1)}
    assert disk.answer_all() == b"", "what the target says now is for nobody"
    assert any(isinstance(one, Say) and "cannot be masked" in one.text for one in talk.told)
    talk.close()
    assert [one.result for one in talk.told if isinstance(one, FileDone)] == [
        "refused: it cannot be masked: it is read in too many places at once"
    ]


def test_a_mask_that_would_change_the_length_ends_the_file() -> None:
    class Shrinks:
        counts: Mapping[str, int] = MappingProxyType({})

        def feed(self, data: bytes) -> bytes:
            return data.replace(b"x", b"")

        def end(self) -> bytes:
            return b""

    talk = Talk(FileMasking(Shrinks))
    talk.open(b"/f", READ)
    disk = Disk(talk, b"axa")
    answer = blocks(talk.client(read(10, b"h", 0, 100)) + disk.answer_all())
    assert answer == {10: int(Code.PERMISSION_DENIED)}


def test_what_may_not_be_downloaded() -> None:
    talk = Talk(FileMasking(MASKING.new, lambda block: b"\0" not in block))
    talk.open(b"/f", READ)
    disk = Disk(talk, b"a\0b")
    assert blocks(talk.client(read(10, b"h", 0, 100)) + disk.answer_all()) == {10: int(Code.PERMISSION_DENIED)}
    assert blocks(talk.client(read(11, b"h", 0, 100))) == {11: int(Code.PERMISSION_DENIED)}


def test_the_digest_is_of_what_the_target_has_and_the_size_of_what_was_given() -> None:
    content = (ADDRESS + b"\n") * 500
    talk, disk = opened(content)
    number, at = 10, 0
    while isinstance(answer := blocks(talk.client(read(number, b"h", at, 3000)) + disk.answer_all())[number], bytes):
        number, at = number + 1, at + len(answer)
    talk.close()
    (done,) = (one for one in talk.told if isinstance(one, FileDone))
    assert (done.size, done.complete, done.masked) == (len(content), True, {"email": 500})


def test_a_failing_read_passes_as_it_is() -> None:
    talk, disk = opened(b"abc")
    talk.client(read(10, b"h", 0, 100))
    disk.collect()
    disk.waiting.clear()
    failure = status(10, Code.FAILURE, "bad disk")
    assert talk.target(failure) == failure


def test_a_file_closed_while_reads_are_open() -> None:
    talk, disk = opened(ADDRESS)
    talk.client(read(10, b"h", 0, 100), request(Type.CLOSE, 11, b"h"))
    answers = blocks(disk.answer_all())
    assert answers.keys() == {10}


def test_memory_stays_bounded_when_the_first_answer_never_comes() -> None:
    talk, disk = opened(b"word " * 4_000_000)
    talk.client(*(read(10 + place, b"h", place * 200_000, 200_000) for place in range(60)))
    disk.collect()
    answered = 0
    while not any(isinstance(one, Say) for one in talk.told):
        disk.answer(1)
        answered += 200_000
    assert answered <= MAX_AHEAD + 400_000
