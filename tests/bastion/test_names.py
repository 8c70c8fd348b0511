"""Which texts may name things: nothing that another program could read as more than a name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bastion.names import is_login, is_plain_name, is_target_name

HOSTILE = (
    "",
    "-x",
    "a b",
    "a%b",
    "a@b",
    "a/b",
    "..",
    "a\n",
    "a\0",
    "$(id)",
    "a;b",
    "a|b",
    "`a`",
    "a'b",
    'a"b',
    "a,b",
    "*",
)


@pytest.mark.parametrize("text", [*HOSTILE, "\u00e9", "a\u202eb", "a\\b", "{a}", "~", ".a"])
def test_cve_2026_45309_cve_2025_61984_nothing_hostile_is_a_name(text: str) -> None:
    assert not is_target_name(text)
    assert not is_login(text)
    assert not is_plain_name(text)


@pytest.mark.parametrize(
    ("text", "target", "login", "plain"),
    [
        ("web-1", True, True, True),
        ("db.prod_2", True, True, True),
        ("10.0.0.5", True, True, True),
        ("Web", False, True, True),
        ("_svc", False, True, False),
        ("a+b", False, True, False),
        ("x" * 64, True, True, True),
        ("x" * 65, True, False, True),
        ("x" * 101, False, False, False),
    ],
)
def test_names(text: str, target: bool, login: bool, plain: bool) -> None:
    assert (is_target_name(text), is_login(text), is_plain_name(text)) == (target, login, plain)


@given(st.text())
def test_names_are_plain_ascii(text: str) -> None:
    if is_target_name(text) or is_login(text) or is_plain_name(text):
        assert text.isascii()
        assert text.isprintable()
        assert not set(text) & set(" %@/$;|&<>()`'\"\\*?[]{}!#~,:=")
