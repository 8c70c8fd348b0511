"""Masking the content of files: in place, at any cut, whatever kind of file; and what counts as text."""

import bz2
import gzip
import lzma
import random
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bastion.config.schema import MaskingConfig
from bastion.masking.files import is_text
from bastion.masking.masker import MaskingPolicy

ADDRESS = b"jane.doe@example.com"
POLICY = MaskingPolicy(MaskingConfig(detectors=("email",), style="tag"))


def mask(*pieces: bytes) -> bytes:
    new = POLICY.file_masker
    assert new is not None
    masker = new()
    return b"".join([*(masker.feed(piece) for piece in pieces), masker.end()])


@pytest.mark.parametrize(
    "wrap",
    [
        lambda value: b"to " + value + b"\n",
        lambda value: bytes(40_000) + b" " + value + b" " + bytes(40_000),
        lambda value: (b"to " + value + b" now").decode().encode("utf-16-le"),
    ],
    ids=["text", "between zeros", "utf-16"],
)
def test_values_are_starred_and_everything_else_keeps_its_place(wrap: object) -> None:
    assert callable(wrap)
    content = wrap(ADDRESS)
    masked = mask(content)
    assert len(masked) == len(content)
    assert b"jane" not in masked.replace(b"\0", b"")
    assert masked.count(b"*") == len(ADDRESS)
    assert [a for a, b in zip(content, masked, strict=True) if a != b] == list(ADDRESS)


@given(
    st.lists(st.sampled_from([ADDRESS, b" ", b"\n", bytes(300), b"\x1b[31m", b"jane.", b"x" * 400]), max_size=30),
    st.data(),
)
def test_the_length_never_changes(parts: list[bytes], data: st.DataObject) -> None:
    content = b"".join(parts)
    places = sorted(data.draw(st.lists(st.integers(0, len(content)), max_size=4)))
    pieces = [content[begin:end] for begin, end in zip([0, *places], [*places, len(content)], strict=True)]
    assert len(mask(*pieces)) == len(content)


@given(st.lists(st.sampled_from([ADDRESS, b" ", b"\n", b"jane.", b"x" * 400, b"1.5 "]), max_size=30), st.data())
def test_text_at_any_cut_is_as_whole(parts: list[bytes], data: st.DataObject) -> None:
    content = b"".join(parts)
    places = sorted(data.draw(st.lists(st.integers(0, len(content)), max_size=4)))
    pieces = [content[begin:end] for begin, end in zip([0, *places], [*places, len(content)], strict=True)]
    assert mask(*pieces) == mask(content)


TEXT = b"The quick brown fox jumps over the lazy dog, again and again.\n" * 40


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", True),
        (TEXT, True),
        (b"\x1b[31mred\x1b[0m\r\n" * 20, True),
        ("Größe: fünf Meter\n".encode() * 20, True),
        ("Größe: fünf Meter\n".encode("latin-1") * 20, True),
        (TEXT.decode().encode("utf-16-le"), True),
        (TEXT.decode().encode("utf-16"), True),
        (b"\0", False),
        (b"ab\0cd" * 50, False),
        (bytes(4096), False),
        (b"\x7fELF\x02\x01\x01" + bytes(9) + TEXT, False),
        (random.Random(1).randbytes(4096), False),
        (gzip.compress(b"x", mtime=0), False),
        (bz2.compress(b"x"), False),
        (lzma.compress(b"x"), False),
        (zlib.compress(random.Random(2).randbytes(3000)), False),
        (b"PK\x03\x04", False),
        (b"%PDF-1.7", False),
        (b"age-encryption.org/v1\n", False),
        (b"Salted__12345678", False),
    ],
)
def test_what_is_text(data: bytes, expected: bool) -> None:
    assert is_text(data) is expected


def test_nothing_is_masked_without_detectors() -> None:
    assert MaskingPolicy(MaskingConfig()).file_masker is None
