"""However a stream is cut, the same comes out, and it is what a plain search at every position of the text finds."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bastion.masking.detectors import ROWS
from bastion.masking.finder import Finder
from bastion.masking.shapes import LEFT, RIGHT, compact, layout
from bastion.masking.stream import StreamMasker
from bastion.masking.structure import TRIGGERS, Structure
from bastion.masking.styles import Style, TagStyle
from tests.bastion.masking.generators import DEEP, STYLES, VALUES, mask, new_masker, texts

MANY = 100_000 if DEEP else 300


def fields(text: bytes) -> list[tuple[int, int, str]]:
    """Return what fields and columns tell in the whole text, asked at every position where a head may be."""
    heads = set()
    for which, trigger in TRIGGERS:
        pattern = re.compile(trigger.pattern)
        found = (pattern.match(text, start) for start in range(len(text)))
        heads |= {(match.end(), which) for match in found if match}
    return Structure().settle(text, 0, len(text), sorted(heads), final=True)[0]


def place_of(kind: str) -> int:
    """Return the first row of a kind."""
    return next(place for place, row in enumerate(ROWS) if row.kind == kind)


def oracle(text: bytes) -> bytes:
    """Mask by asking every probe at every position, without an engine and without a stream."""
    spans = set()
    for place, row in enumerate(ROWS):
        for probe in row.probes:
            for hit in range(len(text) + 1):
                span = probe.locate(text, hit)
                if span is not None:
                    end = span[1] if row.sink is None else row.sink.swallow(text, span[1], len(text), 0)[0]
                    spans.add((span[0], -span[1], place, end))  # which of two it is, their heads tell
        for template in row.numbers.layouts if row.numbers else ():
            pattern = re.compile(LEFT + rb"(?:" + layout(template) + rb")" + RIGHT)
            for start in range(len(text)):
                found = pattern.match(text, start)
                if found and row.numbers and row.numbers.check(compact(found[0])):
                    spans.add((start, -found.end(), place, found.end()))
    spans |= {(start, -end, place_of(kind), end) for start, end, kind in fields(text)}
    out, done, masked = [], 0, 0
    for start, _, place, end in sorted(spans):
        if start >= masked:
            out += [text[done:start], TagStyle().replace(ROWS[place].kind, text[start:end])]
        masked = done = max(masked, end)
    return b"".join(out) + text[done:]


@given(texts(), st.lists(st.integers(0, 1000), max_size=12), st.sampled_from(STYLES))
@settings(max_examples=MANY)
def test_cuts_change_nothing(text: bytes, cuts: list[int], style: Style) -> None:
    whole = mask(text, [], style)
    assert mask(text, cuts, style) == whole
    assert mask(text, list(range(len(text))), style) == whole
    if style.keeps_length:
        assert len(whole) == len(text)


@given(texts(escapes=False))
@settings(max_examples=MANY // 10)
def test_finds_what_the_oracle_finds(text: bytes) -> None:
    assert mask(text) == oracle(text)


@given(texts())
@settings(max_examples=MANY // 10)
def test_engines_agree(text: bytes) -> None:
    assert mask(text) == mask(text, engine="re2") == mask(text, engine="re")


@given(st.lists(st.sampled_from(VALUES), max_size=6), st.sampled_from([b"\n", b", ", b"; ", b"\t", b'","', b" | "]))
@settings(max_examples=MANY // 10)
def test_masking_twice_is_masking_once(values: list[bytes], separator: bytes) -> None:
    """Values glued to one another are left out: where one is hidden, the next one's boundary may become clear."""
    for style in STYLES:
        once = mask(separator.join(values), [], style)
        assert mask(once, [], style) == once


@given(texts(), st.lists(st.integers(0, 1000), max_size=12))
@settings(max_examples=MANY // 10)
def test_little_is_held(text: bytes, cuts: list[int]) -> None:
    masker = new_masker()
    for piece in [text[low : low + 7] for low in range(0, len(text), 7)]:
        masker.feed(piece)
        assert masker.held <= 2_000
    masker.end()
    assert masker.held == 0


@given(st.lists(st.tuples(texts(), st.integers(1, 12)), min_size=1, max_size=6), st.integers(1, 40_000))
@settings(max_examples=2_000 if DEEP else 30, deadline=None)
def test_what_is_left_for_later_comes_out_the_same(parts: list[tuple[bytes, int]], size: int) -> None:
    """Texts are repeated so that some are long, and dense with values or not."""
    text = b"".join(part * min(4**times, 4000) for part, times in parts)[:200_000]
    masker, out = new_masker(), []
    for begin in range(0, len(text), size):
        out.append(masker.step(text[begin : begin + size]))
        while masker.behind:
            out.append(masker.step(b""))
    assert b"".join(out) + masker.end() == mask(text)


@pytest.mark.parametrize("flood", [b"a@b.co ", b"1\x08", b"name: a\n", b"::1:2:3 4111111111111111 "])
def test_of_a_flood_little_is_taken_at_once(flood: bytes) -> None:
    masker = new_masker()
    masker.step(b"nothing of interest here; " * 600)
    assert not masker.behind
    masker.step(flood * (32_000 // len(flood)))
    assert masker.behind
    assert masker.held > 20_000
    steps = 0
    while masker.behind:
        masker.step(b"")
        steps += 1
    assert 6 <= steps <= 9


def test_without_the_hold_back_values_get_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The properties above would notice: cut in the middle, the halves of a value pass."""
    text = b"to john.doe@example.com now"
    assert mask(text, [12]) == b"to [EMAIL] now"
    monkeypatch.setattr(Finder, "undecided", lambda _self, seen: len(seen))
    assert mask(text, [12]) == text
    with pytest.raises(AssertionError):
        test_cuts_change_nothing.hypothesis.inner_test(text, [12], TagStyle())  # type: ignore[attr-defined]


def test_a_masker_keeps_streams_apart() -> None:
    first, second = new_masker(), new_masker()
    assert isinstance(first, StreamMasker)
    out = first.feed(b"john@exam") + second.feed(b"ple.com\n")
    assert out == b"ple.com\n"
