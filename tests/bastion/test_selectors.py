"""Which targets a selector picks."""

import pytest

from bastion.config.schema import Address, Credential, Selector, Target
from bastion.selectors import selects

WEB = Target("web-1", "ssh", Address("h", 22), Credential("certificate"), labels=(("env", "prod"), ("tier", "1")))


@pytest.mark.parametrize(
    ("selector", "picked"),
    [
        (Selector(name="web-1"), True),
        (Selector(name="web-*"), True),
        (Selector(name="*"), True),
        (Selector(name="web-[0-9]"), True),
        (Selector(name="web-"), False),
        (Selector(name="WEB-1"), False),
        (Selector(name="web-1x"), False),
        (Selector(name="xweb-1"), False),
        (Selector(labels=(("env", "prod"),)), True),
        (Selector(labels=(("env", "prod"), ("tier", "1"))), True),
        (Selector(labels=(("env", "prod"), ("tier", "2"))), False),
        (Selector(labels=(("env", "pro*"),)), False),
        (Selector(labels=(("region", "prod"),)), False),
        (Selector(), False),
    ],
)
def test_selectors(selector: Selector, picked: bool) -> None:
    assert selects([selector], WEB) is picked


def test_a_list_picks_what_any_of_its_selectors_picks() -> None:
    assert selects([Selector(name="db"), Selector(labels=(("env", "prod"),))], WEB)


def test_an_empty_list_picks_nothing() -> None:
    assert not selects([], WEB)
