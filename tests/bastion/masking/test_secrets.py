"""Secrets whose surroundings the samples of the table can't be written with, and how far a secret goes."""

import pytest

from bastion.masking.styles import FixedStyle
from tests.bastion.masking.generators import ELEMENTS, mask

LONG = b"A0" * 5000
LINES = b"\n".join([b"AbCd0123" * 8] * 20)


def every_cut(raw: bytes) -> bytes:
    """Return what comes out; the same for single bytes, triples and one chunk."""
    whole = mask(raw)
    assert mask(raw, list(range(len(raw)))) == whole
    assert mask(raw, list(range(0, len(raw), 3))) == whole
    assert len(mask(raw, [], FixedStyle())) == len(raw)
    assert mask(whole) == whole
    return whole


@pytest.mark.parametrize("raw", ELEMENTS)
def test_elements(raw: bytes) -> None:
    assert every_cut(raw.replace(b"~", b"")) == raw.partition(b"~")[0] + b"[SECRET]" + raw.rpartition(b"~")[2]


@pytest.mark.parametrize(
    "raw",
    [
        b"<password></password>",
        b"<password/>",
        b"<token>true</token>",
        b"<label for=password>Your password</label>",
        b"if (a->token > limit) return;",
        b"a password > 8 characters",
    ],
)
def test_elements_without_a_secret(raw: bytes) -> None:
    assert every_cut(raw) == raw


@pytest.mark.parametrize(
    ("raw", "masked"),
    [
        (b"password=" + LONG + b"&y=1", b"password=[SECRET]&y=1"),
        (b'password="' + LONG + b'" x', b'password="[SECRET]" x'),
        (b"password='" + b"two words " * 6 + b"' x", b"password='[SECRET]' x"),
        (b"Cookie: a=" + LONG + b"; b=c\r\nHost: x", b"Cookie: [SECRET]\r\nHost: x"),
        (b"hooks.slack.com/services/T0/" + LONG + b" x", b"hooks.slack.com/services/[SECRET] x"),
        (
            b"Private-Lines: 21\r\n" + LINES + b"\nAA==\nPrivate-MAC: 01",
            b"Private-Lines: 21\r\n[SECRET]\nPrivate-MAC: 01",
        ),
        (b"$6$saltsalt$" + LONG + b":1:2", b"$[SECRET]:1:2"),
        (b"postgres://u:p@ss@w0rd@h/d u:p@ss", b"postgres://u:[SECRET]@h/d u:p@ss"),
        (b"password=ab\\cdef gh", b"password=[SECRET] gh"),
        (b'{\\"token\\":\\"ab12\\n\\"}', b'{\\"token\\":\\"[SECRET]\\n\\"}'),
        (
            b'"token":"pwd=Xk9;Tr4,and a string that goes on for longer',
            b'"token":"[SECRET] a string that goes on for longer',
        ),
        (b"token=" + b"x1token=" * 20 + b"a\\xb c", b"token=[SECRET] c"),
    ],
)
def test_how_far_a_secret_goes(raw: bytes, masked: bytes) -> None:
    assert every_cut(raw) == masked
