"""Counting at the door."""

from bastion.door.limits import MAX_AT_BROWSER, MAX_AT_BROWSER_ADDRESS, MAX_UNPROVEN, MAX_UNPROVEN_ADDRESS, DoorLimits


def fill(limits: DoorLimits, address: str, most: int = 10_000) -> int:
    """Let in whoever may come in from an address, and return how many came."""
    count = 0
    while count < most and limits.has_room(address):
        limits.admit(address)
        count += 1
    return count


def test_one_address_is_bounded_and_others_still_come_in() -> None:
    limits = DoorLimits()
    assert fill(limits, "a") == MAX_UNPROVEN_ADDRESS
    assert not limits.full
    assert fill(limits, "b") == MAX_UNPROVEN_ADDRESS


def test_all_together_are_bounded() -> None:
    limits = DoorLimits()
    assert sum(fill(limits, str(number), 1) for number in range(MAX_UNPROVEN + 1)) == MAX_UNPROVEN
    assert limits.full


def test_who_leaves_makes_room() -> None:
    limits = DoorLimits()
    fill(limits, "a")
    limits.leave("a")
    assert fill(limits, "a") == 1


def test_addresses_that_only_asked_are_not_kept() -> None:
    limits = DoorLimits()
    for number in range(1000):
        assert limits.has_room(str(number))
    assert len(limits._unproven) == 0


def test_browser_logins_are_bounded() -> None:
    limits = DoorLimits()
    assert all(limits.to_browser(str(number)) for number in range(MAX_AT_BROWSER))
    assert not limits.to_browser("new")
    limits.from_browser("0")
    assert limits.to_browser("new")


def test_one_address_leaves_room_at_the_browser_for_others() -> None:
    limits = DoorLimits()
    assert sum(limits.to_browser("a") for _ in range(MAX_AT_BROWSER)) == MAX_AT_BROWSER_ADDRESS
    assert limits.to_browser("b")
    limits.from_browser("a")
    assert limits.to_browser("a")
