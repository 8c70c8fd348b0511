"""What a stream does besides finding values: terminals, pauses, echo, binary data, long secrets, and its limits."""

import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bastion.masking.stream import StreamMasker
from bastion.masking.styles import FixedStyle, PseudonymStyle, TagStyle
from tests.bastion.masking.generators import DEEP, VALUES, mask, new_masker

LONG = b"A0" * 5000


@pytest.mark.parametrize(
    ("raw", "masked"),
    [
        (b"\x1b[01;31m\x1b[Kjohn@\x1b[m\x1b[Kexample.com x", b"\x1b[01;31m\x1b[K[EMAIL]\x1b[m\x1b[K x"),
        (b"j\x1b[7mo\x1b[0mhn@x.io\n", b"[EMAIL]\x1b[7m\x1b[0m\n"),
        (b"_\x08j_\x08@_\x08x_\x08.i_\x08o done", b"[EMAIL] done"),
        (b"j\x08jo\x08o@\x08@x\x08x.io\n", b"[EMAIL]\n"),
        (b"jx\x08@x.io\n", b"[EMAIL]\n"),
        (b"/\x08j@x.io\n", b"/\x08[EMAIL]\n"),
        ("jü\b@x.io\n".encode(), b"[EMAIL]\n"),
        ("j€\b@x.io, j😀\b@x.io\n".encode(), b"[EMAIL], [EMAIL]\n"),
        (b"password=!\x08hunter2\n", b"password=!\x08[SECRET]\n"),
        ("mail jan@x.io \n".encode("utf-16-le"), "mail [EMAIL] \n".encode("utf-16-le")),
        ("mail jan@x.io \n".encode("utf-16-be"), "mail [EMAIL] \n".encode("utf-16-be")),
        (b"a.b@c.io\0d.e@f.io\0", b"[EMAIL]\0[EMAIL]\0"),
        (b"\x1b]8;;mailto:j@x.io\x1b\\mail\x1b]8;;\x07", b"\x1b]8;;mailto:[EMAIL]\x1b\\mail\x1b]8;;\x07"),
        (b"\x1b]0;j@x.io: top\x07$ ", b"\x1b]0;[EMAIL]: top\x07$ "),
        (b"a\x1b]52;c;am9obkB4Lmlv\x07b", b"ab"),
        (b"4111\x1b[C1111\x1b[C1111\x1b[C1111\n", b"[CARD]\n"),
        (b"john@exa\x1b[5;1Hmple.com", b"john@exa\x1b[5;1Hmple.com"),
        (b"12%\r99%\rj@x.io\r\n", b"12%\r99%\r[EMAIL]\r\n"),
        (b"\x1b[?2004lj@x.io\x1b[?2004h", b"\x1b[?2004l[EMAIL]\x1b[?2004h"),
        (b"\x0ej@x.io\x0f\x07", b"\x0e[EMAIL]\x0f\x07"),
    ],
)
def test_terminal_sequences_hide_nothing(raw: bytes, masked: bytes) -> None:
    assert mask(raw) == masked
    assert mask(raw, list(range(len(raw)))) == masked


@pytest.mark.parametrize("mark", [b"@", b"%40", b"\\u0040", b"&#64;", b"&#x40;"])
@pytest.mark.parametrize("host", [b"example.museum", b"a" * 60 + b"." + b"b" * 60 + b".org"])
def test_long_addresses_may_be_cut(mark: bytes, host: bytes) -> None:
    for length in (1, 58, 63, 64, 65, 70, 200):
        raw = b"x" * length + mark + host + b", y"
        whole = mask(raw)
        assert whole == b"x" * max(0, length - 64) + b"[EMAIL], y"
        for cuts in (list(range(len(raw))), [length], [length + 2], [len(raw) - 3]):
            assert mask(raw, cuts) == whole


@pytest.mark.parametrize("shown", ["mail jürgen@bücher.example.", "почта иван@почта.рф;"])
def test_letters_of_two_bytes_may_be_cut(shown: str) -> None:
    raw = shown.encode()
    assert mask(raw, list(range(len(raw)))) == raw.partition(b" ")[0] + b" [EMAIL]" + raw[-1:]


def test_long_secrets_are_swallowed_and_not_held() -> None:
    for head, tail in ((b"eyJ" + LONG, b" x"), (b"password=" + LONG, b"&y=1"), (b"ghp_" + LONG, b"'")):
        masker = new_masker()
        out = b""
        for place in range(0, len(head), 100):
            out += masker.feed(head[place : place + 100])
            assert masker.held <= 400
        out += masker.feed(tail) + masker.end()
        assert out == head[: head.index(b"=") + 1 if b"=" in head else 0] + b"[SECRET]" + tail


def test_a_private_key_goes_up_to_its_last_line() -> None:
    body = b"\n".join([b"MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIB" * 1] * 40)
    key = b"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,0A1B\n\n" + body
    key += b"\n-----END RSA PRIVATE KEY-----"
    text = b"$ cat key\n" + key + b"\ndone\n"
    assert mask(text) == b"$ cat key\n[SECRET]\ndone\n"
    assert mask(text, list(range(0, len(text), 3))) == b"$ cat key\n[SECRET]\ndone\n"


def test_counts_tell_kinds_and_never_values() -> None:
    masker = new_masker()
    masker.feed(b"j@x.io k@x.io 4111 1111 1111 1111 password=hunter2\n")
    masker.end()
    assert masker.counts == {"email": 2, "card": 1, "secret": 1}


def test_pseudonyms_join_and_depend_on_the_key() -> None:
    text = b"<j.d@X.io> <j.d@x.io> <k@x.io> <+49 30 1234567> <0049 30 1234567>\n"
    one, two = mask(text, [], PseudonymStyle(b"1" * 32)), mask(text, [], PseudonymStyle(b"2" * 32))
    first, second, third, fourth, fifth = one.split(b"> <")
    assert first.lstrip(b"<") == second != third
    assert fourth == fifth.rstrip(b">\n")
    assert one != two
    assert b"@" not in one


# Pauses on a terminal


def released(pieces: list[bytes], *, idles: int = 1) -> bytes:
    masker = new_masker(interactive=True)
    out = b""
    for piece in pieces:
        out += masker.feed(piece)
        for _ in range(idles):
            out += masker.idle()
    return out + masker.end()


@pytest.mark.parametrize(
    ("pieces", "out"),
    [
        ([b"login: "], b"login: "),
        ([b"word"], b"word"),
        ([b"[john@web-1 ~]$ "], b"[john@web-1 ~]$ "),
        ([b"root@host:~# "], b"root@host:~# "),
        ([b"john", b"@example.com\n"], b"john[EMAIL]\n"),
        ([b"john@exam", b"ple.com\n"], b"john[EMAIL]\n"),
        ([b"john@example.com"], b"[EMAIL]"),
        ([b"john@example.co", b"m\n"], b"[EMAIL]\n"),
        ([b"4111 11", b"11 1111 1111\n"], b"4111 [CARD]\n"),
        ([b"4111 1111 1111 1111"], b"[CARD]"),
        ([b"password=hunt", b"er2\n"], b"password=[SECRET]\n"),
        ([b"done 12345 "], b"done 12345 "),
    ],
)
def test_a_pause_shows_the_budget(pieces: list[bytes], out: bytes) -> None:
    assert released(pieces) == out


def test_a_long_pause_masks_what_is_still_held() -> None:
    masker = new_masker(interactive=True)
    assert masker.feed(b"code 12345678") == b"code "
    assert masker.idle() == b"1234"
    assert masker.idle() == b"[PARTIAL]"
    assert masker.held == 0
    assert masker.feed(b"9\n") == b"9\n"


def test_without_a_terminal_nothing_is_masked_for_a_pause() -> None:
    masker = new_masker()
    out = masker.feed(b"n=12345678") + masker.idle() + masker.idle() + masker.idle()
    assert out == b"n=1234"
    assert masker.feed(b"\n") == b"5678\n"


@given(st.sampled_from([value for value in VALUES if b"\n" not in value]), st.lists(st.integers(0, 80), max_size=6))
@settings(max_examples=20_000 if DEEP else 300)
def test_pauses_never_show_a_whole_value(value: bytes, cuts: list[int]) -> None:
    """Of what a single chunk would have hidden, pauses show no more than the budget."""
    text = value + b"\n"
    hidden = mask(text, [], FixedStyle())
    masker = StreamMasker(new_masker()._finder, FixedStyle(), interactive=True)
    edges = [0, *sorted(cut % len(text) for cut in cuts), len(text)]
    out = b""
    for low, high in itertools.pairwise(edges):
        out += masker.feed(text[low:high]) + masker.idle()
    out += masker.end()
    assert len(out) == len(text)
    shown = [place for place in range(len(text)) if hidden[place] == 0x2A and out[place] != 0x2A]
    at = value.find(b"@")
    letters = [place for place in shown if chr(text[place]).isalnum()]
    if at < 0:
        assert sum(chr(text[place]).isdigit() for place in letters) <= 8, (text, out)
    else:
        assert not [place for place in letters if text.rfind(b"@", 0, place) >= 0 and hidden[place - 1] == 0x2A], (
            text,
            out,
        )


# Echo


def test_echo_is_never_held() -> None:
    masker = new_masker(interactive=True)
    assert masker.feed(b"$ ") == b"$ "
    for key in b"mail john.doe@example.com 4111 1111":
        masker.typed(bytes([key]))
        assert masker.feed(bytes([key])) == bytes([key])
    masker.typed(b"\r")
    assert masker.feed(b"\r\n") == b"\r\n"


def test_what_the_target_adds_to_an_echo_is_masked() -> None:
    masker = new_masker(interactive=True)
    masker.typed(b"john")
    assert masker.feed(b"john") == b"john"
    masker.typed(b"\t")
    assert masker.feed(b"@example.com") == b""
    assert masker.idle() == b"[EMAIL]"


def test_an_echo_that_differs_ends_the_rule() -> None:
    masker = new_masker(interactive=True)
    masker.typed(b"abcdef")
    assert masker.feed(b"abX") == b"ab"
    assert masker.feed(b"cdef") == b""
    assert masker.end() == b"Xcdef"


# Binary data


def test_random_bytes_pass_unchanged() -> None:
    """Less than one change in 500 MB is the aim; a fast run looks at a sample with what random bytes rarely hold."""
    rng = random.Random(5)
    for _ in range(400 if DEEP else 20):
        data = rng.randbytes(100_000)
        assert mask(data) == data


def test_random_bytes_around_what_looks_like_an_address_keep_it() -> None:
    rng = random.Random(6)
    for _ in range(200):
        noise = bytes(rng.choices(range(0x80, 0x100), k=40))
        for odd in (b"a@b.cd", b"7@Q.xY", b"1::2", b"ab@cd.ef"):
            assert mask(noise + odd + noise) == noise + odd + noise


def test_addresses_in_binary_files_are_found() -> None:
    noise = bytes(range(0x80, 0xA0)) * 2
    for text in (b"john.doe@example.com", b"ADMIN@EXAMPLE.ORG"):
        assert mask(noise + text + b"\x01\x02") == noise + b"[EMAIL]" + b"\x01\x02"


# Limits


@pytest.mark.parametrize(
    "nothing", [b"\a", b"\x1b[m", b"\x1b[K\x0f", b"x\b", b"\x1b]0;top\a", b"\x1b[m\a\x1b]0;top\ax\b"]
)
def test_too_much_that_shows_nothing_ends_a_value(nothing: bytes) -> None:
    less, more = (b"j@" + nothing * (size // len(nothing)) + b"x.io\n" for size in (2000, 2100))
    for cuts in ([], [1000], list(range(0, 2100, 7))):
        assert b"[EMAIL]" in mask(less, cuts)
        assert mask(more, cuts) == more


def test_titles_are_masked_and_counted_however_often_they_come() -> None:
    titles = [b"\x1b]0;at %d\a \x1b]0;j%d@x.io\a\x1b]52;c;%d\a" % ((index % 90,) * 3) for index in range(180)]
    masker = new_masker()
    masked = masker.feed(b"".join(titles)) + masker.end()
    assert masked == b"".join(b"\x1b]0;at %d\a \x1b]0;[EMAIL]\a" % (index % 90) for index in range(180))
    assert masker.counts == {"email": 180, "clipboard": 180}


@pytest.mark.parametrize(
    "flood",
    [
        b"a",
        b"1",
        b"1 ",
        b"1\x08",
        b" \x08",
        b"\x1b[m",
        b"\x1b]0;",
        b"\0",
        b"a\0",
        b"@",
        b"a@",
        b"\x1b",
        b"j@x.",
        b"-",
        b"\x1b[1m1",
        b"AB12 ",
    ],
)
def test_floods_are_not_held(flood: bytes) -> None:
    masker = new_masker()
    for _ in range(40):
        masker.feed(flood * 500)
        assert masker.held <= 1_400_000 // (1 if b"\x1b" in flood or b"\x08" in flood else 100)
        assert len(masker._context) <= 1_000
    masker.end()


def test_two_maskers_of_one_finder_share_nothing() -> None:
    first, second = new_masker(TagStyle()), new_masker(TagStyle())
    first.feed(b"john@ex")
    assert second.feed(b"x\n") == b"x\n"
    assert first.feed(b"ample.com\n") == b"[EMAIL]\n"


@pytest.mark.parametrize("letter", ["x", "é", "€", "😀"])
def test_a_struck_letter_of_many_bytes_may_be_cut(letter: str) -> None:
    text = f"{letter}\bfirst_name: Anna\n".encode()
    wanted = f"{letter}\bfirst_name: [NAME]\n".encode()
    for first, second in itertools.combinations_with_replacement(range(len(text)), 2):
        assert mask(text, [first, second]) == wanted


def test_a_backspace_that_waits_takes_back_once() -> None:
    masker, out = new_masker(TagStyle()), b""
    for byte in b"name:-----BEGIN PRIVATE KEY-----":
        out += masker.feed(bytes([byte]))
    out += masker.idle()
    for byte in b"\b\x1b[456789":
        out += masker.feed(bytes([byte])) + masker.idle() + masker.idle()
    assert (out + masker.end()).endswith(b"\b\x1b[456789")


def test_a_title_is_masked_by_the_names_of_its_fields_too() -> None:
    assert mask(b"\x1b]0;first_name: Anna\x07\n") == b"\x1b]0;first_name: [NAME]\x07\n"


def test_a_password_in_a_url_that_looks_like_a_key_may_be_cut() -> None:
    text = b"redis://:password=pass@cache/0"
    for cut in range(len(text)):
        assert mask(text, [cut]) == b"redis://:[SECRET]"  # the value behind the key goes on to the end
