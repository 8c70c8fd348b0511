"""Detectors of the administrator's own: what they find, and what is refused with which reason."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bastion.config.schema import MaskingConfig
from bastion.errors import ConfigError
from bastion.masking.custom import CustomDetector
from bastion.masking.engine import ENGINES
from bastion.masking.masker import MaskingPolicy

CUSTOMER = CustomDetector("customer-no", layouts=("CU-999999", "KD~99999999"))
STAFF = CustomDetector("staff-no", layouts=("999999",), context=("staff", "personnel no."))
PROJECTS = CustomDetector("project", words=("Falcon", "Blue Heron", "Bär", "Falcon Two"))


def mask(text: bytes, *custom: CustomDetector, size: int = 100, engine: str = "hyperscan") -> bytes:
    masker = MaskingPolicy(MaskingConfig(), engine=engine, custom=custom).masker(interactive=False)
    assert masker is not None
    return b"".join(masker.feed(text[low : low + size]) for low in range(0, len(text), size)) + masker.end()


@pytest.mark.parametrize("size", [1, 2, 5, 100])
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("detector", "text", "masked"),
    [
        (
            CUSTOMER,
            "a CU-123456, KD 12345678 CU-1234567 xCU-123456",
            "a [CUSTOMER-NO], [CUSTOMER-NO] CU-1234567 xCU-123456",
        ),
        (STAFF, "Staff: 123456; 654321", "Staff: [STAFF-NO]; 654321"),
        (PROJECTS, "the falcon, FALCON TWO and Blue Heron.", "the [PROJECT], [PROJECT] and [PROJECT]."),
        (PROJECTS, "falcons blueheron Bär bären", "falcons blueheron [PROJECT] bären"),
    ],
)
def test_they_find_what_they_name(detector: CustomDetector, text: str, masked: str, engine: str, size: int) -> None:
    assert mask(text.encode(), detector, size=size, engine=engine).decode() == masked


PARTS = [b"Falcon", b" Two", b"Blue", b" Heron", b" ", b"x", b"CU-", b"123456", b"\n"]


@given(st.lists(st.sampled_from(PARTS), max_size=8), st.integers(1, 9))
def test_cuts_change_nothing(parts: list[bytes], size: int) -> None:
    text = b"".join(parts)
    assert mask(text, CUSTOMER, PROJECTS, size=size) == mask(text, CUSTOMER, PROJECTS)


@pytest.mark.parametrize(
    ("detector", "reason"),
    [
        (CustomDetector("email", words=("abc",)), "take another name"),
        (CustomDetector("Bad Name", words=("abc",)), "take another name"),
        (CustomDetector("nothing"), "nothing to look for"),
        (CustomDetector("short", layouts=("999",)), "nearly everywhere"),
        (CustomDetector("open", layouts=("9<99999>",)), "nearly everywhere"),
        (CustomDetector("many", layouts=("9{1,9}",)), "nearly everywhere"),
        (CustomDetector("long", layouts=("9{40} 9{9}",)), "at most 48"),
        (CustomDetector("regex", layouts=(r"\d+",)), "no part of a layout"),
        (CustomDetector("star", layouts=("CU-9*",)), "no part of a layout"),
        (CustomDetector("pair", layouts=("CU-<999999",)), "belong together"),
        (CustomDetector("tiny", words=("ab",)), "3 to 64 bytes"),
        (CustomDetector("blank", words=(" abc",)), "blanks"),
    ],
)
def test_what_would_match_everything_is_refused(detector: CustomDetector, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason) as caught:
        MaskingPolicy(MaskingConfig(), custom=(detector,))
    assert str(caught.value).startswith(f"masking.custom.{detector.name}")


def test_nothing_to_mask_needs_no_masker() -> None:
    assert MaskingPolicy(MaskingConfig()).masker(interactive=True) is None
