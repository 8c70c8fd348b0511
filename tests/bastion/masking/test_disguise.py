"""What hides values is recognised: archives and encryption by their magic, encodings by decoding, however it is cut."""

import base64
import bz2
import gzip
import lzma
import random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bastion.masking.disguise import Disguise, DisguiseWatch
from bastion.masking.engine import ENGINES
from bastion.masking.inside import can_unpack
from bastion.masking.masker import DETECTORS, finder_for
from tests.bastion.masking import texts
from tests.bastion.masking.generators import CORPUS_NEGATIVES

TABLE = b"id,email\n" + b"".join(b"%d,person%d@example.com\n" % (row, row) for row in range(20))

PIECES = [
    base64.encodebytes(TABLE),
    base64.b64encode(b"jane.doe@example.com, Leeds, and so on"),
    b"/usr/share/some/where/that/is/longer/than/forty",
    b"\n",
    b" word ",
    b"Salted__\xf1\x02",  # with the first bytes of a salt
    b"PK\x03\x04",
    gzip.compress(b"clean", mtime=0),
    b"PK",
    bytes(range(200, 240)).hex().encode() + b" ",
    b"00031023504400407398ED",
    b"moc.elpmaxe@enaj ",
    b"4000000000000055 ",
    b"\n00000000: 6964 2c65 6d61 696c 0a30 2c70 6572 736f  id,email.0,perso\n",
    b"00000010: 6e30 4065 7861 6d70 6c65 2e63 6f6d 0a31  n0@example.com.1\n",
]


def watch(
    data: bytes, size: int = 1000, *, terminal: bool = False, engine: str = "hyperscan"
) -> tuple[Disguise | None, bytes]:
    """Return what was recognised, and what went out by then."""
    watcher = DisguiseWatch(finder_for(DETECTORS, engine), terminal=terminal)
    out = b"".join(watcher.feed(data[low : low + size]) for low in range(0, len(data), size)) + watcher.end()
    if watcher.seen is None:
        assert out == data, "what hides nothing goes on whole"
    else:
        assert data.startswith(out)
        assert (out + watcher.pass_all() + watcher.feed(b"more")) == data + b"more", "what is let through is whole"
    return watcher.seen, out


@pytest.mark.parametrize("size", [1, 3, 1000])
@pytest.mark.parametrize(
    ("data", "form"),
    [
        (gzip.compress(TABLE, mtime=0), "gzip"),
        (gzip.compress(b"nothing\n", mtime=0) + gzip.compress(TABLE, mtime=0), "gzip"),
        (gzip.compress(b"\0" * 3_000_000, mtime=0), "gzip"),
        (gzip.compress(TABLE, mtime=0)[:40] + b"broken" * 9, "gzip"),
        (bz2.compress(TABLE), "bzip2"),
        (lzma.compress(TABLE), "xz"),
        (b"Salted__" + bytes(16), "openssl"),
        (b"age-encryption.org/v1\n", "age"),
        (b"-----BEGIN AGE ENCRYPTED FILE-----\n", "age"),
        (b"-----BEGIN PGP MESSAGE-----\n", "pgp"),
        (b"\x8c\x0d\x04\x09\x03\x02" + bytes(range(200, 230)), "pgp"),
        (b"PK\x03\x04" + bytes(20), "zip"),
        (b"\x28\xb5\x2f\xfd" + bytes(20), "zstd"),
    ],
)
def test_archives_and_encryption_are_known_by_magic(data: bytes, form: str, size: int) -> None:
    for before in (b"", b"some text\n"):
        seen, out = watch(before + data, size)
        assert seen is not None
        assert seen.form == form
        if not can_unpack(form):
            assert out == before, "no byte of it went out"


@pytest.mark.parametrize("size", [1, 7, 100, 1000])
@pytest.mark.parametrize(
    ("data", "form"),
    [
        (base64.encodebytes(TABLE), "base64"),
        (base64.b64encode(TABLE), "base64"),
        (b'{"file": "' + base64.b64encode(TABLE) + b'"}', "base64"),
        (b"$ base64 it\n" + base64.b64encode(b"jane.doe@example.com, Leeds, and so on") + b"\n$ ", "base64"),
        (base64.encodebytes(TABLE).replace(b"\n", b"\r\n"), "base64"),
        (base64.urlsafe_b64encode(TABLE) + b"\n$ ", "base64"),
        (TABLE.hex().encode(), "hex"),
        (b"\n".join(TABLE.hex()[low : low + 60].encode() for low in range(0, len(TABLE) * 2, 60)), "hex"),
        (base64.encodebytes(gzip.compress(TABLE, mtime=0)), "base64 of gzip"),
        (base64.encodebytes(b"Salted__" + bytes(100)), "base64 of openssl"),
    ],
)
def test_encodings_are_known_by_decoding(data: bytes, form: str, size: int) -> None:
    for terminal in (False, True):
        seen, out = watch(data, size, terminal=terminal)
        assert seen is not None
        assert seen.form == form
        assert seen.values >= (0 if " of " in form else 1)
        run = len(out) - (data.find(b": ") + 3 if data.startswith(b"{") else 12 if data.startswith(b"$") else 0)
        assert run < 48, "of the first value no more than a beginning went out"


IBANS = b"Joe,DE89370400440532013000,joe@example.com\nZoe GB82 WEST 1234 5698 7654 32\n"
CARDS = b"".join(b"%d,4111111111111111,5500-0000-0000-0004\n" % row for row in range(9))


def from_the_end(text: bytes) -> bytes:
    """Return what `rev` makes of a text."""
    return b"\n".join(line[::-1] for line in text.split(b"\n"))


@pytest.mark.parametrize("size", [1, 16, 100, 10_000])
@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (TABLE, 32),
        (IBANS, 8),
        (IBANS[IBANS.index(b"Zoe") :], 10),
        (b"DE00370400440532013000 DE89370400440532013000 GB00WEST12345698765432\n", 10),  # one of three is right
        (CARDS, 60),
    ],
)
def test_reversed_lines_are_known(text: bytes, shown: int, size: int) -> None:
    """Of numbers in one piece the first two may go out, of anything else no more than a beginning."""
    before = b"some text\n"
    seen, out = watch(before + from_the_end(text), size)
    assert seen is not None
    assert seen.form == "reversed"
    assert len(out) <= len(before) + shown


def test_a_line_backwards_may_be_the_last_or_long() -> None:
    for text in (b"DE89370400440532013000", b"some " * 600 + b"DE89370400440532013000 " + b"text " * 600):
        for size in (7, 100, 10_000):
            seen, _ = watch(text[::-1], size)
            assert seen is not None
            assert seen.form == "reversed"


def dump(text: bytes, form: str) -> bytes:
    """Return what programs print of the bytes of a text."""
    lines = []
    for at in range(0, len(text), 16):
        part = text[at : at + 16]
        shown = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in part)
        words = [int.from_bytes(part[low : low + 2], "little") for low in range(0, len(part), 2)]
        signs = {10: "\\n", 9: "\\t", 0: "\\0"}
        lines.append(
            {
                "xxd": f"{at:08x}: {part.hex(' ', -2):39}  {shown}",
                "hexdump -C": f"{at:08x}  {part[:8].hex(' '):23}  {part[8:].hex(' '):23}  |{shown}|",
                "hexdump": f"{at:07x} " + " ".join(f"{word:04x}" for word in words),
                "od": f"{at:07o} " + " ".join(f"{word:06o}" for word in words),
                "od -c": f"{at:07o}" + "".join(f"{signs.get(byte) or chr(byte):>4}" for byte in part),
                "od -An -tx1": " " + part.hex(" "),
                "xxd -i": "  " + "".join(f"0x{byte:02x}, " for byte in part).rstrip(),
            }[form]
        )
    return "\n".join(lines).encode() + b"\n"


@pytest.mark.parametrize("size", [1, 1000])
@pytest.mark.parametrize("form", ["xxd", "hexdump -C", "hexdump", "od", "od -c", "od -An -tx1", "xxd -i"])
def test_dumps_are_known_by_what_they_say(form: str, size: int) -> None:
    rng = random.Random(5)
    for text in (TABLE, b"x" * 30 + TABLE[9:60], b"\0\t" + TABLE):
        for before in (b"", b"$ it\n"):
            seen, out = watch(before + dump(text, form), size)
            assert seen is not None
            assert seen.form == "a dump"
            assert len(out) <= len(before) + 82 * 5, "no line behind the first value went out"
    assert watch(dump(CLEAN[:3000], form) + b"and more\n", size)[0] is None
    if form != "od -c":
        assert watch(dump(rng.randbytes(3000), form), size)[0] is None


CLEAN = b"nothing to see here, and a good deal of it\n" * 5000


@pytest.mark.parametrize("size", [1, 100, 32768])
def test_what_hides_nothing_is_left_alone(size: int) -> None:
    rng = random.Random(4)
    for data in (
        texts.sparse(rng, 60_000),
        CORPUS_NEGATIVES,
        TABLE,
        base64.encodebytes(rng.randbytes(9000)),
        b"".join(b"%s  file-%d.txt\n" % (rng.randbytes(32).hex().encode(), number) for number in range(300)),
        b"".join(b"%02d 31 32 33 34 35 36 37 38 39\n" % rng.randrange(100) for _ in range(2000)),
        b"".join(b"%s %d\n" % (rng.randbytes(16).hex().upper().encode(), rng.randrange(10**15)) for _ in range(2000)),
        b"".join(b"%d de.smith@example.com %s\n" % (row, base64.b32encode(rng.randbytes(20))) for row in range(2000)),
        b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINS+2q5YHOUQzWfwzNINT7oxe1KlULimkfy5fJsdHmzx me\n" * 30,
        gzip.compress(CLEAN, mtime=0) + b"the end",
        bz2.compress(CLEAN),
        lzma.compress(CLEAN),
        b"-" * 300 + b"\n" + b"=" * 300 + b"\n/usr/share/" + b"dir/" * 30 + b"\nBZ\nPK\nSalt",
        rng.randbytes(50_000),
    ):
        assert watch(data, size)[0] is None
        assert watch(data, size, terminal=True)[0] is None


@example(pieces=[PIECES[1], b"\n", PIECES[1], PIECES[2]], size=1, terminal=False)  # two texts, each with its padding
@example(pieces=[b"/usr/share/some/where/that/is/longer/than/forty", *2 * [PIECES[1]]], size=1, terminal=True)
@example(pieces=[b"PK", PIECES[1], b"\n", PIECES[1], PIECES[2]], size=1, terminal=False)  # the first is out of step
@example(pieces=[PIECES[2], b"\n", b"PK\x03\x04"], size=1, terminal=False)  # a line that is none of the run
@example(  # an IBAN backwards that a path goes on with, as a run may
    pieces=[b"00031023504400407398ED", b"/usr/share/some/where/that/is/longer/than/forty", PIECES[1], b"\n"],
    size=1,
    terminal=False,
)
@example(pieces=2 * [b"00031023504400407398ED"] + [PIECES[1]], size=1, terminal=False)  # begins as a digest
@example(pieces=[b"4000000000000055 ", PIECES[1], b"4000000000000055 ", b"\n"], size=1, terminal=False)
@given(st.lists(st.sampled_from(PIECES), max_size=12), st.integers(1, 50), st.booleans())
def test_what_goes_on_does_not_depend_on_how_it_was_cut(pieces: list[bytes], size: int, terminal: bool) -> None:
    data = b"".join(pieces)
    seen, _ = watch(data, size, terminal=terminal)
    whole, _ = watch(data, len(data) or 1, terminal=terminal)
    assert (seen is None) == (whole is None)


@given(st.lists(st.sampled_from(PIECES), max_size=12), st.integers(1, 50), st.booleans())
def test_engines_agree(pieces: list[bytes], size: int, terminal: bool) -> None:
    data = b"".join(pieces)
    seen = {engine: watch(data, size, terminal=terminal, engine=engine) for engine in ENGINES}
    assert seen["hyperscan"] == seen["re2"] == seen["re"]


def test_little_is_kept() -> None:
    watcher = DisguiseWatch(finder_for(DETECTORS, "hyperscan"), terminal=False)
    for _ in range(50):
        watcher.feed(b"A" * 10_000)
        watcher.feed(b"A" * 64 + b"\n")
        assert watcher.held <= 16384
    assert watcher.seen is None
    watcher.feed(b"\n-----BEGIN AGE")
    assert watcher.held < 16384


def test_a_pause_lets_out_what_is_held() -> None:
    watcher = DisguiseWatch(finder_for(DETECTORS, "hyperscan"), terminal=True)
    word = b"/usr/share/a-rather-long-path/that-goes/on/and-on"
    assert watcher.feed(word) + watcher.idle() == word
    assert watcher.feed(b" " + base64.b64encode(b"to jane.doe@example.com now, and more of the same")) == b" "
    assert watcher.idle() == b""
    assert watcher.seen is not None
