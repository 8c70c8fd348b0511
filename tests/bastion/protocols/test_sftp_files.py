"""Digests of what is read and written, in whatever order it comes."""

import hashlib
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bastion.protocols.sftp_files import MAX_EARLY, OpenFile, Sequence
from bastion.protocols.transfer import Operation, Verb


@given(st.binary(min_size=1, max_size=200), st.data())
def test_ranges_in_any_order_have_one_digest(content: bytes, data: st.DataObject) -> None:
    places = sorted({0, len(content), *data.draw(st.lists(st.integers(0, len(content)), max_size=6))})
    ranges = [(begin, content[begin:end]) for begin, end in itertools.pairwise(places)]
    sequence = Sequence()
    sequence.begin(0)
    for offset, part in data.draw(st.permutations(ranges)):
        sequence.add(offset, memoryview(part))
    assert sequence.sha256 == hashlib.sha256(content).hexdigest()
    assert (sequence.size, sequence.in_order) == (len(content), True)


def test_what_comes_twice_has_no_digest() -> None:
    sequence = Sequence()
    for offset in (0, 3, 0):
        sequence.add(offset, memoryview(b"abc"))
    assert (sequence.sha256, sequence.in_order, sequence.size) == (None, False, 9)


def test_a_gap_has_no_digest() -> None:
    sequence = Sequence()
    sequence.add(0, memoryview(b"abc"))
    sequence.add(10, memoryview(b"abc"))
    assert sequence.sha256 is None


def test_what_comes_early_is_bounded() -> None:
    sequence = Sequence()
    sequence.begin(0)
    block = bytes(1024 * 1024)
    for number in range(1, MAX_EARLY // len(block) + 2):
        sequence.add(number * len(block), memoryview(block))
    assert sequence.random


@pytest.mark.parametrize(
    ("reads", "writes", "verbs"),
    [(True, False, ["download"]), (False, True, ["upload"]), (True, True, ["upload"])],
)
def test_a_file_that_was_opened_and_closed(reads: bool, writes: bool, verbs: list[str]) -> None:
    """An upload of nothing makes a file; what was only opened for both was not read."""
    file = OpenFile(Operation(Verb.UPDATE, "/a"), reads=reads, writes=writes)
    assert [str(done.verb) for done in file.done("ok")] == verbs


def test_the_first_failure_is_the_result() -> None:
    file = OpenFile(Operation(Verb.UPLOAD, "/a"), reads=False, writes=True)
    file.failed = "no space"
    assert [done.result for done in file.done("ok")] == ["no space"]
