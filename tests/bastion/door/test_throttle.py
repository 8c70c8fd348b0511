"""How fast one address may come."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bastion.door.throttle import BURST, FAILURE_COST, MAX_ADDRESSES, MOST_DEBT, RATE, Throttle, source


def taken(throttle: Throttle, address: str, now: float) -> int:
    """Take all there is, and return how much it was."""
    count = 0
    while throttle.take(address, now) == 0.0:
        count += 1
    return count


def test_a_burst_then_a_rate() -> None:
    throttle = Throttle()
    assert taken(throttle, "192.0.2.1", 0.0) == BURST
    assert taken(throttle, "192.0.2.1", 1.0) == RATE
    assert throttle.take("192.0.2.1", 1.0) == pytest.approx(1 / RATE)
    assert throttle.take("192.0.2.1", 1.0) == pytest.approx(1 / RATE), "waiting costs nothing"


def test_addresses_are_apart_and_none_is_exempt() -> None:
    throttle = Throttle()
    for address in ("127.0.0.1", "::1", "192.0.2.1", "2001:db8::1", "2001:db8:0:1::1"):
        assert taken(throttle, address, 0.0) == BURST, address
        assert throttle.take(address, 0.0) > 0, address


def test_who_logs_in_is_held_to_logins_at_once_alone() -> None:
    """38 build jobs behind one address, and a thousand after them, all at one moment of the clock."""
    throttle = Throttle()
    running = 0
    for _ in range(1038):
        while throttle.take("192.0.2.1", 0.0) > 0.0:
            assert running == BURST
            throttle.give_back("192.0.2.1", 0.0)
            running -= 1
        running += 1


def test_credit_is_never_more_than_a_burst() -> None:
    throttle = Throttle()
    throttle.take("192.0.2.1", 0.0)
    for _ in range(100):
        throttle.give_back("192.0.2.1", 0.0)
    assert taken(throttle, "192.0.2.1", 1e9) == BURST


def test_failed_logins_become_slow_and_the_wait_has_an_end() -> None:
    throttle = Throttle()
    for _ in range(1000):
        throttle.penalise("192.0.2.1", 0.0)
    wait = throttle.take("192.0.2.1", 0.0)
    assert wait == pytest.approx((MOST_DEBT + 1) / RATE)
    assert throttle.take("192.0.2.1", wait) == 0.0
    assert throttle.take("192.0.2.2", 0.0) == 0.0, "others are not concerned"


def test_two_failures_of_a_person_are_not_punished() -> None:
    throttle = Throttle()
    for _ in range(2):
        assert throttle.take("192.0.2.1", 0.0) == 0.0
        throttle.penalise("192.0.2.1", 0.0)
    assert throttle.take("192.0.2.1", 1.0) == 0.0


@pytest.mark.parametrize("seconds", [10, 60])
def test_failing_logins_are_held_to_a_rate(seconds: int) -> None:
    throttle, failed, now = Throttle(), 0, 0.0
    while now < seconds:
        wait = throttle.take("192.0.2.1", now)
        if wait > 0.0:
            now += wait + 1e-6
        else:
            throttle.penalise("192.0.2.1", now)
            failed += 1
    assert failed <= BURST + seconds * RATE / (1 + FAILURE_COST) + 1


def test_the_memory_of_addresses_is_bounded() -> None:
    throttle = Throttle()
    for number in range(MAX_ADDRESSES + 100):
        throttle.penalise(f"2001:db8:{number >> 16:x}:{number & 0xFFFF:x}::1", float(number) / 1000)
    assert len(throttle._accounts) == MAX_ADDRESSES


def test_processes_that_share_the_port_share_the_credit() -> None:
    assert taken(Throttle(share=4), "192.0.2.1", 0.0) == BURST / 4
    assert taken(Throttle(share=100), "192.0.2.1", 0.0) == 1


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("fe80::1%eth0", "fe80::"),
        ("", ""),
    ],
)
def test_what_counts_as_one_caller(address: str, counted: str) -> None:
    assert source(address) == counted


@given(st.lists(st.tuples(st.sampled_from(["take", "give", "fail"]), st.floats(0, 100)), max_size=200))
def test_no_history_lets_more_in_than_burst_rate_and_proofs(history: list[tuple[str, float]]) -> None:
    throttle, entered, proven = Throttle(), 0, 0
    now = 0.0
    for what, time in history:
        now = max(now, time)
        if what == "take":
            entered += throttle.take("a", now) == 0.0
        elif what == "give":
            throttle.give_back("a", now)
            proven += 1
        else:
            throttle.penalise("a", now)
    assert entered <= BURST + now * RATE + proven
