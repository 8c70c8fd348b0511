"""How much is found of what should be, and how little of what should not, on labelled text made by public rules."""

import random
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import phonenumbers
import pytest
import schwifty

from bastion.masking.detectors import ROWS
from tests.bastion.masking import texts
from tests.bastion.masking.generators import REGIONS, mask

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
    "phone": 0.93,
    "national-id": 0.95,
}
"""The least share of values found, by kind."""

FRAMES = {
    "": ("{} ", "[{}]", "x={};y=2", '{{"value":"{}","n":3}}', "1,{},2026-11-22", "INSERT INTO t VALUES (7, '{}');",
         "text before {}, and after", "| {} |", "\t{}\t", "<td>{}</td>", " id | v\n----+---\n  1 | {}",
         "-[ RECORD 1 ]\nv | {}"),
    "phone": ("phone: {} ", "Tel. {}", '"mobile": "{}"', "phone_number={};", "fax | {}", "telefon:{},"),
}  # fmt: skip


def phone(rng: random.Random) -> str:
    """Return the number of some country in one of the ways it is written."""
    region = rng.choice(REGIONS)
    kind = rng.choice((phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE))
    example = phonenumbers.example_number_for_type(region, kind)
    assert example is not None
    return phonenumbers.format_number(
        example,
        rng.choice((phonenumbers.PhoneNumberFormat.INTERNATIONAL, phonenumbers.PhoneNumberFormat.E164,
                    phonenumbers.PhoneNumberFormat.NATIONAL)),
    )  # fmt: skip


def email(rng: random.Random) -> str:
    """Return an address of some shape."""
    top = rng.choice(("com", "org", "co.uk", "museum", "internal", "corp", "рф", "xn--p1ai", "io"))
    local = rng.choice(("{}", "{}.x", "{}+tag", "{}_1", "o'{}", "{}%x", "{}-y", "é{}")).format(texts.words(rng, 1))
    return f"{local}@{texts.words(rng, 1)}.{rng.choice(('', 'mail.', 'a-b.'))}{top}"


def card(rng: random.Random) -> str:
    """Return a card of some network, in one piece or in groups."""
    number = rng.choice(
        (texts.card(rng), texts.luhn("5" + texts.number(rng, 14)), texts.luhn("37" + texts.number(rng, 12)))
    )
    if rng.random() < 0.5:
        return number
    gap = rng.choice((" ", "-", "\u00a0"))
    groups = (4, 10, 15) if len(number) == 15 else (4, 8, 12, 16)
    return gap.join(number[low:high] for low, high in zip((0, *groups), groups, strict=False))


def iban(rng: random.Random) -> str:
    """Return an IBAN of some country, in one piece or in groups of four."""
    number = str(
        schwifty.IBAN.random(country_code=rng.choice(("DE", "FR", "GB", "NL", "IT", "ES", "PL", "NO")), random=rng)
    )
    return number if rng.random() < 0.5 else " ".join(number[low : low + 4] for low in range(0, len(number), 4))


def ip(rng: random.Random) -> str:
    """Return an address of either version."""
    if rng.random() < 0.5:
        return texts.ip(rng)
    groups = [f"{rng.getrandbits(16):x}" for _ in range(8)]
    return ":".join(groups) if rng.random() < 0.5 else "2001:db8::" + ":".join(groups[: rng.randint(1, 4)])


def mac(rng: random.Random) -> str:
    """Return a MAC address."""
    return rng.choice((":", "-")).join(f"{rng.getrandbits(8):02x}" for _ in range(6))


def secret(rng: random.Random) -> str:
    """Return a key or token that is known by its form."""
    letters = "".join(rng.choices("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", k=40))
    return rng.choice(
        (f"AKIA{letters[:16]}", f"ghp_{letters[:36]}", f"eyJ{letters}.{letters}.{letters}", f"glpat-{letters[:20]}")
    )


MAKERS: dict[str, Callable[[random.Random], str]] = {
    "email": email, "card": card, "iban": iban, "ip": ip, "mac": mac, "secret": secret, "phone": phone,
}  # fmt: skip


@pytest.mark.parametrize("kind", MAKERS)
def test_generated_values_are_found(kind: str) -> None:
    rng = random.Random(kind)
    missed = []
    for _ in range(EACH):
        value, frame = MAKERS[kind](rng), rng.choice(FRAMES.get(kind, FRAMES[""]))
        shown = mask(frame.format(value).encode())
        if value.encode() in shown or any(part in shown for part in value.encode().split() if len(part) > 5):
            missed.append((value, shown))
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
