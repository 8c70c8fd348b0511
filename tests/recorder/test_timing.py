import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.timing import SPEED_MAX, SPEED_MIN, Clock


@pytest.mark.parametrize(
    ("speed", "idle_limit", "due"),
    [
        (1.0, None, [101, 103, 113]),
        (2.0, None, [100.5, 101.5, 106.5]),
        (0.5, None, [102, 106, 126]),
        (1.0, 1.5, [101, 102.5, 104]),
        (2.0, 1.5, [100.5, 101.25, 102]),
        (1.0, 0.0, [100, 100, 100]),
    ],
)
def test_events_are_due(speed: float, idle_limit: float | None, due: list[float]) -> None:
    clock = Clock(100.0, speed=speed, idle_limit=idle_limit)
    got = []
    for time in (1.0, 3.0, 13.0):
        got.append(clock.due(time))
        clock.reach(time)
    assert got == due


@given(st.lists(st.floats(0, 1e6)), st.floats(0.1, 10), st.none() | st.floats(0, 100))
def test_what_is_due_never_goes_back(times: list[float], speed: float, idle_limit: float | None) -> None:
    clock, last = Clock(5.0, speed=speed, idle_limit=idle_limit), 5.0
    for time in sorted(times):
        due = clock.due(time)
        assert due >= last
        clock.reach(time)
        last = due


def test_position_passes_no_event_that_was_not_shown() -> None:
    clock = Clock(100.0, speed=2.0)
    assert [clock.position(now, 10.0) for now in (99.0, 100.0, 101.0, 104.0, 200.0)] == [0, 0, 2, 8, 10]


def test_pause_and_go_on() -> None:
    clock = Clock(100.0)
    clock.pause(True, 102.0, 10.0)
    assert clock.position(150.0, 10.0) == 2.0
    clock.pause(False, 150.0, 10.0)
    assert clock.position(151.0, 10.0) == 3.0
    assert clock.due(10.0) == 158.0


def test_another_speed_counts_from_now_on_and_is_bounded() -> None:
    clock = Clock(100.0)
    clock.change_speed(2.0, 104.0, 100.0)
    assert clock.position(105.0, 100.0) == 6.0
    for _ in range(20):
        clock.change_speed(2.0, 105.0, 100.0)
    assert clock.speed == SPEED_MAX
    for _ in range(20):
        clock.change_speed(0.5, 105.0, 100.0)
    assert clock.speed == SPEED_MIN
    assert Clock(0.0, speed=-5).speed == SPEED_MIN
