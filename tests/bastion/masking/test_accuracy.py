"""How much is found of what should be, and how little of what should not, on labelled text made by public rules."""

import random
import re
from collections import Counter
from pathlib import Path

import pytest

from bastion.masking.detectors import ROWS
from tests.bastion.masking import labelled, texts
from tests.bastion.masking.generators import mask

CORPUS = Path(__file__).parents[2] / "corpus" / "masking"
LABEL = re.compile(r"<([a-z-]+):([^<>]*)>")
EACH = 400

BARS = {
    "email": 0.99,
    "card": 0.99,
    "iban": 0.99,
    "ip": 0.99,
    "mac": 0.99,
    "secret": 0.99,
    "password": 0.99,
    "phone": 0.93,
    "national-id": 0.95,
}
"""The least share of values found, by kind."""


@pytest.mark.parametrize("kind", labelled.MAKERS)
def test_generated_values_are_found(kind: str) -> None:
    """A value counts as missed where five characters of it in a row are shown."""
    rng = random.Random(kind)
    missed = []
    for _ in range(EACH):
        made = labelled.MAKERS[kind](rng)
        text = labelled.framed(made, rng.choice(labelled.frames(kind)))
        shown = mask(text.encode()).decode()
        if labelled.is_shown(made, shown):
            missed.append((text, shown))
    assert len(missed) <= EACH * (1 - BARS[kind]), missed[:10]


def test_identifiers_in_context_are_found() -> None:
    """Every row's samples, behind the words that their context names, in several frames."""
    found: Counter[bool] = Counter()
    for row in ROWS:
        if row.kind == "national-id":
            for sample in row.samples:
                text = re.sub("[<>]", "", sample).encode()
                value = sample[sample.index("<") + 1 : sample.index(">")].encode()
                for frame in (b"%s", b"row 7: %s.", b"(%s)", b"a=1;%s;b=2"):
                    found[value not in mask(frame % text)] += 1
    assert found[True] >= BARS["national-id"] * found.total()


def test_the_labelled_corpus_is_masked() -> None:
    lines = [line for line in (CORPUS / "positives.txt").read_text("utf-8").splitlines() if not line.startswith("#")]
    assert len(lines) > 50
    for line in lines:
        assert mask(LABEL.sub(r"\2", line).encode()).decode() == LABEL.sub(lambda label: f"[{label[1].upper()}]", line)


def test_lines_without_personal_data_stay_as_they_are() -> None:
    lines = (CORPUS / "negatives.txt").read_bytes().splitlines(keepends=True)
    assert len(lines) > 100
    changed = [line for line in lines if mask(line) != line]
    assert len(changed) <= 0.03 * len(lines), changed
    whole = b"".join(lines)
    assert sum(one != two for one, two in zip(mask(whole).splitlines(), whole.splitlines(), strict=True)) <= len(
        changed
    )


def test_generated_logs_without_values_stay_as_they_are() -> None:
    rng = random.Random(3)
    makers = (texts.log_line, texts.code_line, texts.hex_line, texts.listing_line)
    lines = [rng.choice(makers)(rng).encode() + b"\n" for _ in range(5000)]
    changed = [
        line
        for line, shown in zip(lines, mask(b"".join(lines)).splitlines(keepends=True), strict=True)
        if line != shown
    ]
    assert len(changed) <= 0.003 * len(lines), changed[:5]
