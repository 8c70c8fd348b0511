"""Detectors of the administrator's own: what they find, and what is refused with which reason."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bastion.config.schema import CustomDetector, MaskingConfig
from bastion.errors import ConfigError
from bastion.masking.engine import ENGINES
from bastion.masking.masker import MaskingPolicy

CUSTOMER = CustomDetector("customer-no", patterns=(r"CU-\d{6}", r"\bKD[ -]?[0-9]{8}\b"))
STAFF = CustomDetector("staff-no", patterns=(r"\d{6}",), context=("staff", "personnel no."))
TICKET = CustomDetector("ticket", patterns=(r"(?i)cust_[a-f0-9]{4,6}(?:-(?:EU|US))?",))
PROJECTS = CustomDetector("project", words=("Falcon", "Blue Heron", "Bär", "Falcon Two"))


def mask(text: bytes, *custom: CustomDetector, size: int = 100, engine: str = "hyperscan") -> bytes:
    masker = MaskingPolicy(MaskingConfig(custom=custom), engine=engine).masker(interactive=False)
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
        (
            TICKET,
            "cust_12ab CUST_12AB34-eu. cust_12ab345 xcust_1234 cust_1234-EUR",
            "[TICKET] [TICKET]. cust_12ab345 xcust_1234 [TICKET]-EUR",
        ),
        (PROJECTS, "the falcon, FALCON TWO and Blue Heron.", "the [PROJECT], [PROJECT] and [PROJECT]."),
        (PROJECTS, "falcons blueheron Bär bären", "falcons blueheron [PROJECT] bären"),
    ],
)
def test_they_find_what_they_name(detector: CustomDetector, text: str, masked: str, engine: str, size: int) -> None:
    assert mask(text.encode(), detector, size=size, engine=engine).decode() == masked


PARTS = [b"Falcon", b" Two", b"Blue", b" Heron", b" ", b"x", b"CU-", b"123456", b"\n", b"cust_", b"12ab", b"-EU"]


@given(st.lists(st.sampled_from(PARTS), max_size=8), st.integers(1, 9))
def test_cuts_change_nothing(parts: list[bytes], size: int) -> None:
    text = b"".join(parts)
    assert mask(text, CUSTOMER, PROJECTS, TICKET, size=size) == mask(text, CUSTOMER, PROJECTS, TICKET)


@pytest.mark.parametrize(
    ("detector", "reason"),
    [
        (CustomDetector("email", words=("abc",)), "take another name"),
        (CustomDetector("Bad Name", words=("abc",)), "take another name"),
        (CustomDetector("nothing"), "nothing to look for"),
        (CustomDetector("short", patterns=(r"\d{3}",)), "nearly everywhere"),
        (CustomDetector("open", patterns=(r"\w{8}",)), "nearly everywhere"),
        (CustomDetector("digits", patterns=(r"\d+",)), "not anchored"),
        (CustomDetector("empty", patterns=(r"(?:CU-\d{6})?",)), "the empty text"),
        (CustomDetector("either", patterns=(r"CU-\d{6}|\d",)), "nearly everywhere"),
        (CustomDetector("long", patterns=(r"CU-\d{90}",)), "at most 64"),
        (CustomDetector("all", patterns=(r"CU-.*",)), "any character"),
        (CustomDetector("others", patterns=(r"CU-[^ a]{9}",)), "all but some"),
        (CustomDetector("nested", patterns=(r"CU-(\d+)+$",)), "take for ever"),
        (CustomDetector("groups", patterns=(r"CU-(?:ab)*",)), "without end"),
        (CustomDetector("ahead", patterns=(r"CU-(?=1)\d{6}",)), "linear time"),
        (CustomDetector("again", patterns=(r"(CU)-\1-\d{6}",)), "linear time"),
        (CustomDetector("start", patterns=(r"^CU-\d{6}",)), "wherever it stands"),
        (CustomDetector("lines", patterns=(r"CU-\s\n\d{6}",)), "end of a line"),
        (CustomDetector("broken", patterns=(r"CU-(\d{6}",)), "no regular expression"),
        (CustomDetector("high", patterns=(r"Bär-\d{6}",)), "no ASCII"),
        (CustomDetector("verbose", patterns=(r"(?x)CU-\d{6}",)), "flag"),
        (CustomDetector("tiny", words=("ab",)), "3 to 64 bytes"),
        (CustomDetector("blank", words=(" abc",)), "blanks"),
    ],
)
def test_what_would_match_everything_is_refused(detector: CustomDetector, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason) as caught:
        MaskingPolicy(MaskingConfig(custom=(detector,)))
    assert str(caught.value).startswith(f"masking.custom.{detector.name}")


def test_nothing_to_mask_needs_no_masker() -> None:
    assert MaskingPolicy(MaskingConfig()).masker(interactive=True) is None
