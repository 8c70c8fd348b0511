"""What each style leaves of a value, which values get the same token, and that masking twice is masking once."""

import pytest

from bastion.errors import ConfigError
from bastion.masking.styles import FixedStyle, GeneralStyle, PartialStyle, PseudonymStyle, TagStyle, style_for
from tests.bastion.masking.generators import STYLES, mask

TABLE = (
    b"id,name,birth_date,email,ip\n1,Bob,1985-03-12,bob@example.com,203.0.113.9\n2,Eve,12.3.85,e@x.io,2001:db8:1:2::3\n"
)


@pytest.mark.parametrize(
    ("kind", "value", "left"),
    [
        ("birth-date", b"1985-03-12", b"1985"),
        ("birth-date", b"12/03/1985", b"1985"),
        ("birth-date", b"19850312", b"1985"),
        ("birth-date", b"12.3.85", b"[BIRTH-DATE]"),
        ("ip", b"203.0.113.9", b"[IP:203.0.113/24]"),
        ("ip", b"2001:db8:85a3::8a2e:370:7334", b"[IP:2001-db8-85a3/48]"),
        ("ip", b"no address", b"[IP]"),
        ("email", b"a@b.io", b"[EMAIL]"),
    ],
)
def test_general_leaves_what_many_share(kind: str, value: bytes, left: bytes) -> None:
    assert GeneralStyle().replace(kind, value) == left


@pytest.mark.parametrize(
    ("kind", "value", "left"),
    [
        ("card", b"4111 1111 1111 1111", b"*" * 15 + b"1111"),
        ("phone", b"5551234", b"*" * 7),
        ("national-id", b"123-45-6789", b"*" * 9 + b"89"),
        ("email", b"john.doe@example.com", b"*" * 20),
        ("secret", b"hunter2hunter2", b"*" * 14),
        ("name", b"Alice Example", b"*" * 13),
    ],
)
def test_partial_leaves_a_quarter_at_most(kind: str, value: bytes, left: bytes) -> None:
    assert PartialStyle().replace(kind, value) == left


@pytest.mark.parametrize(
    ("kind", "one", "other"),
    [
        ("email", b"John@Example.com", b"john@example.COM"),
        ("phone", b"+49 30 123456", b"004930123456"),
        ("phone", b"+49 (0)30 / 123456", b"+4930123456"),
        ("iban", b"DE89 3704 0044 0532 0130 00", b"DE89370400440532013000"),
        ("card", b"4111-1111-1111-1111", b"4111111111111111"),
        ("ip", b"2001:db8::1", b"2001:0db8:0:0:0:0:0:1"),
        ("mac", b"52:54:00:AB:cd:ef", b"52-54-00-ab-CD-EF"),
    ],
)
def test_equal_values_have_one_pseudonym(kind: str, one: bytes, other: bytes) -> None:
    style = PseudonymStyle(b"k" * 32)
    assert style.replace(kind, one) == style.replace(kind, other)
    assert style.replace(kind, one) != style.replace("other", one)
    assert style.replace(kind, one) != PseudonymStyle(b"l" * 32).replace(kind, one)


@pytest.mark.parametrize("style", STYLES, ids=lambda style: type(style).__name__)
def test_a_masked_table_stays_as_it_is(style: TagStyle | FixedStyle) -> None:
    once = mask(TABLE, [], style)
    assert once != TABLE
    assert mask(once, [], style) == once


def test_styles_are_had_by_name_and_pseudonyms_need_a_key() -> None:
    assert type(style_for("general", None)) is GeneralStyle
    with pytest.raises(ConfigError, match="32 bytes"):
        style_for("pseudonym", b"short")
    with pytest.raises(ConfigError, match="general"):
        style_for("rot13", None)
