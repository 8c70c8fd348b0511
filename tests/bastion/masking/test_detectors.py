"""Every row of the table: its samples are masked and its near misses are not, with every engine and at every cut."""

import re

import pytest

from bastion.masking.detectors import ROWS
from bastion.masking.engine import ENGINES
from bastion.masking.masker import DETECTORS, finder_for
from bastion.masking.rows import Row
from bastion.masking.stream import StreamMasker
from bastion.masking.styles import TagStyle

FIELDS = ("name", "birth-date")  # kinds known by their field alone
CASES = [pytest.param(row, id=f"{row.kind}-{row.name}") for row in ROWS]


def mask(row: Row, text: bytes, size: int, engine: str = "hyperscan") -> bytes:
    masker = StreamMasker(finder_for((row.kind,), engine), TagStyle(), interactive=False)
    out = [masker.feed(text[low : low + size]) for low in range(0, len(text), size)]
    return b"".join(out) + masker.end()


@pytest.mark.parametrize("row", CASES)
def test_samples_are_masked(row: Row) -> None:
    assert row.samples
    for sample in row.samples:
        text = re.sub("[<>]", "", sample).encode()
        masked = re.sub("<[^>]*>", f"[{row.kind.upper()}]", sample).encode()
        assert masked != text
        for size in (1, 2, 3, 7, len(text)):
            assert mask(row, text, size) == masked


@pytest.mark.parametrize("row", CASES)
def test_near_misses_pass(row: Row) -> None:
    for near_miss in row.near_misses:
        text = near_miss.encode()
        for size in (1, 5, len(text)):
            assert mask(row, text, size) == text


@pytest.mark.parametrize("row", CASES)
def test_engines_find_the_samples(row: Row) -> None:
    for sample in (*row.samples, *row.near_misses):
        text = re.sub("[<>]", "", sample).encode()
        assert len({mask(row, text, len(text), engine) for engine in ENGINES}) == 1


HOLDING = [pytest.param(row, id=f"{row.kind}-{row.name}") for row in ROWS if row.kind not in FIELDS]


@pytest.mark.parametrize("row", HOLDING)
def test_nothing_of_a_cut_value_is_decided(row: Row) -> None:
    """Where the text ends inside a value, the row's opening reaches back to its beginning."""
    for sample in row.samples:
        text = re.sub("[<>]", "", sample).encode()
        begin = len(sample[: sample.index("<")].encode())
        end = begin + len(re.search("<([^>]*)>", sample)[1].encode())  # type: ignore[index]
        if row.sink is not None:
            end = min(end, begin + 4)  # what follows the head is swallowed, not held
        for cut in range(begin + 1, end + 1):
            assert row.opening.start(text, cut) <= begin, (text[:cut], begin)


@pytest.mark.parametrize("row", CASES)
def test_rows_say_what_they_are(row: Row) -> None:
    assert row.kind in DETECTORS
    if row.kind in FIELDS:
        assert row.context
        return
    assert row.probes or row.numbers
    assert set(re.search("<([^>]*)>", row.samples[0])[1].encode()[:1]) <= set(row.opening.firsts)  # type: ignore[index]


def test_names_tell_rows_apart() -> None:
    assert len({(row.kind, row.name) for row in ROWS}) == len(ROWS)
    countries = {row.name.partition("-")[0] for row in ROWS if row.kind == "national-id" and "-" in row.name}
    assert len(countries) >= 45
    assert sum(row.kind == "phone" and len(row.name) == 2 for row in ROWS) >= 15
