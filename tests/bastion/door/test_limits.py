"""Counting at the door."""

from bastion.door.limits import MAX_AT_BROWSER, MAX_UNPROVEN, MAX_UNPROVEN_ADDRESS, DoorLimits


def test_one_address_is_bounded_and_others_still_come_in() -> None:
    limits = DoorLimits()
    assert all(limits.admit("a") for _ in range(MAX_UNPROVEN_ADDRESS))
    assert not limits.admit("a")
    assert limits.admit("b")


def test_all_together_are_bounded() -> None:
    limits = DoorLimits()
    assert all(limits.admit(str(number)) for number in range(MAX_UNPROVEN))
    assert not limits.admit("one more")


def test_who_leaves_makes_room() -> None:
    limits = DoorLimits()
    for _ in range(MAX_UNPROVEN_ADDRESS):
        limits.admit("a")
    limits.leave("a")
    assert limits.admit("a")
    assert not limits.admit("a")


def test_browser_logins_are_bounded() -> None:
    limits = DoorLimits()
    assert all(limits.to_browser() for _ in range(MAX_AT_BROWSER))
    assert not limits.to_browser()
    limits.from_browser()
    assert limits.to_browser()
