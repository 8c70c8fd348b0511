"""What hides values is recognised: archives and encryption by their magic, encodings by decoding, however it is cut."""

import base64
import bz2
import gzip
import lzma
import random

import pytest

from bastion.masking.disguise import Disguise, DisguiseWatch
from bastion.masking.masker import DETECTORS, finder_for
from tests.bastion.masking import texts
from tests.bastion.masking.generators import CORPUS_NEGATIVES

TABLE = b"id,email\n" + b"".join(b"%d,person%d@example.com\n" % (row, row) for row in range(20))


def watch(data: bytes, size: int = 1000) -> list[Disguise]:
    watcher = DisguiseWatch(finder_for(DETECTORS, "hyperscan"))
    seen = []
    for low in range(0, len(data), size):
        seen += watcher.feed(data[low : low + size])
    return seen + watcher.end()


@pytest.mark.parametrize("size", [1, 3, 1000])
@pytest.mark.parametrize(
    ("data", "form"),
    [
        (gzip.compress(TABLE), "gzip"),
        (bz2.compress(TABLE), "bzip2"),
        (lzma.compress(TABLE), "xz"),
        (b"Salted__" + bytes(16), "openssl"),
        (b"age-encryption.org/v1\n", "age"),
        (b"-----BEGIN AGE ENCRYPTED FILE-----\n", "age"),
        (b"PK\x03\x04" + bytes(20), "zip"),
    ],
)
def test_archives_and_encryption_are_known_by_magic(data: bytes, form: str, size: int) -> None:
    assert watch(data, size)[0] == Disguise(form)


@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize(
    ("data", "form"),
    [
        (base64.encodebytes(TABLE), "base64"),
        (base64.b64encode(TABLE), "base64"),
        (base64.encodebytes(TABLE).replace(b"\n", b"\r\n"), "base64"),
        (base64.urlsafe_b64encode(TABLE) + b"\n$ ", "base64"),
        (TABLE.hex().encode(), "hex"),
        (b"\n".join(TABLE.hex()[low : low + 60].encode() for low in range(0, len(TABLE) * 2, 60)), "hex"),
        (base64.encodebytes(gzip.compress(TABLE)), "base64 of gzip"),
    ],
)
def test_encodings_are_known_by_decoding(data: bytes, form: str, size: int) -> None:
    (seen,) = watch(data, size)
    assert seen.form == form
    assert seen.values >= (0 if "gzip" in form else 20)


def test_reversed_lines_are_known() -> None:
    seen = watch(b"\n".join(line[::-1] for line in TABLE.split(b"\n")))
    assert {one.form for one in seen} == {"reversed"}
    assert sum(one.values for one in seen) == 20


def test_what_hides_nothing_is_left_alone() -> None:
    rng = random.Random(4)
    assert watch(texts.sparse(rng, 100_000)) == []
    assert watch(CORPUS_NEGATIVES) == []
    assert watch(TABLE) == []
    assert watch(base64.encodebytes(rng.randbytes(3000))) == []


def test_little_is_kept() -> None:
    watcher = DisguiseWatch(finder_for(DETECTORS, "hyperscan"))
    for _ in range(50):
        watcher.feed(b"A" * 10_000)
        watcher.feed(b"A" * 64 + b"\n")
        assert len(watcher._line) <= 4096
        assert len(watcher._run) <= 65536 + 4096
