"""Runs of encoded text are found as the plain expression finds them, and only noise in them is passed over."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bastion.masking.engine import ENGINES, Trigger
from bastion.masking.inside import MAGIC
from bastion.masking.runs import LINE, RUN, WORD, find_runs, telling
from tests.bastion.masking.generators import DEEP

ORACLE = re.compile(WORD + rb"{%d,}=*(?:\r?\n" % RUN + WORD + rb"{%d,}=*)*" % LINE)
PIECES = st.sampled_from(
    [b"=", b"\n", b"\r", b"\r\n", b" ", b"\xff", b"A", b"f0" * 8, b"b" * 15, b"/" * 39, b"_-" * 20]
)
DIGEST = b"8f" * 16 + b"9c" * 16


@given(st.lists(PIECES, max_size=20).map(b"".join))
@settings(max_examples=50_000 if DEEP else 300)
def test_runs_are_those_of_the_expression(text: bytes) -> None:
    assert find_runs(text) == [found.span() for found in ORACLE.finditer(text)]


@pytest.mark.parametrize(
    ("run", "told"),
    [
        (DIGEST, []),
        (DIGEST.upper(), []),
        (DIGEST[:41] + b"\r\n" + DIGEST[:40], []),
        (DIGEST * 8, [(bytes.fromhex((DIGEST * 8).decode()), "hex")]),
        (b"the lazy dog and the fox".hex().encode(), [(b"the lazy dog and the fox", "hex")]),
        (b"the lazy dog and the fox".hex().encode() + b"7", [(b"the lazy dog and the fox", "hex")]),
        (b"dGhlIGxhenkgZG9nIGFu\nZCB0aGUgZm94IGFuZCBzbw==", [(b"the lazy dog and the fox and so", "base64")]),
        (b"_-" * 30, []),
    ],
)
def test_only_noise_is_passed_over(run: bytes, told: list[tuple[bytes, str]]) -> None:
    text = b"id " + run + b" " + DIGEST
    assert telling(text, [(3, 3 + len(run)), (4 + len(run), len(text))]) == told


@pytest.mark.parametrize("magic", [magic for magic, _ in MAGIC])
def test_noise_behind_a_magic_is_told(magic: bytes) -> None:
    run = magic.hex().encode() + DIGEST
    assert telling(run, [(0, len(run))]) == [(magic + bytes.fromhex(DIGEST.decode()), "hex")]


@pytest.mark.parametrize("engine", ENGINES)
def test_what_is_wanted_once_is_reported_once(engine: str) -> None:
    find = ENGINES[engine]([Trigger(rb"a{3}", once=True), Trigger(rb"b"), Trigger(rb"c", once=True)]).find
    hits = find(b"aaaaaa b b")
    assert [index for index, _ in hits].count(0) == 1
    assert {hit for hit in hits if hit[0] == 1} == {(1, 8), (1, 10)}
    assert all(index != 2 for index, _ in hits)
