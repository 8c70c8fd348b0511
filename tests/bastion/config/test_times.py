"""Times of the week: how they are written, the one line a wrong one gets, and which moments lie in them."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bastion.config.times import DAYS, time_window
from bastion.config.values import BadValueError
from bastion.policy.times import within

MONDAY = datetime(2026, 11, 23, tzinfo=UTC)


@pytest.mark.parametrize(
    ("said", "inside", "outside"),
    [
        ("mon-fri 09:00-17:00", ["mon 09:00", "fri 16:59"], ["mon 08:59", "mon 17:00", "sat 12:00", "sun 12:00"]),
        ("sat,sun", ["sat 00:00", "sun 23:59"], ["fri 23:59", "mon 00:00"]),
        ("fri-mon 12:00-24:00", ["fri 12:00", "sun 23:59", "mon 12:00"], ["tue 12:00", "fri 11:59"]),
        (
            "fri 22:00-06:00",
            ["fri 22:00", "fri 23:59", "sat 00:00", "sat 05:59"],
            ["fri 05:59", "sat 06:00", "sat 22:00"],
        ),
        ("sun 22:00-06:00", ["sun 23:00", "mon 05:00"], ["sun 05:00", "mon 22:30"]),
        ("22:00-06:00", ["mon 23:00", "wed 01:00"], ["thu 12:00"]),
        ("mon-sun 00:00-24:00 UTC", ["mon 00:00", "sun 23:59"], []),
        ("Mon,WED 10:00-11:00", ["mon 10:30", "wed 10:30"], ["tue 10:30"]),
        ("mon 09:00-10:00 Europe/Berlin", ["mon 08:00", "mon 08:59"], ["mon 09:00", "mon 07:59"]),
        ("Europe/Berlin", ["mon 00:00", "thu 12:00"], []),
    ],
)
def test_moments(said: str, inside: list[str], outside: list[str]) -> None:
    for texts, expected in ((inside, True), (outside, False)):
        for text in texts:
            day, clock = text.split()
            hour, minute = map(int, clock.split(":"))
            moment = MONDAY + timedelta(days=DAYS.index(day), hours=hour, minutes=minute)
            assert within([time_window(said)], moment) is expected, text


def test_clocks_that_are_put_forward_and_back_count_as_people_read_them() -> None:
    window = [time_window("09:00-10:00 Europe/Berlin")]
    for day, utc_hour in ((datetime(2026, 3, 28, tzinfo=UTC), 8), (datetime(2026, 3, 29, tzinfo=UTC), 7)):
        assert [within(window, day.replace(hour=hour)) for hour in (utc_hour - 1, utc_hour, utc_hour + 1)] == [
            False,
            True,
            False,
        ]


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("mon-fry", '"fry" is no day; did you mean "fri"?'),
        ("9:00-17:00", '"9:00-17:00" is no span of hours; write it as in "mon-fri 09:00-17:00 Europe/Berlin"'),
        ("09:00-25:00", '"09:00-25:00" is no span of hours: from 00:00 to 24:00, and not empty'),
        ("24:00-01:00", '"24:00-01:00" is no span of hours: from 00:00 to 24:00, and not empty'),
        ("09:00-09:00", '"09:00-09:00" is no span of hours: from 00:00 to 24:00, and not empty'),
        ("mon 09:00-10:00 Europe/Berln", '"Europe/Berln" is no time zone; use an IANA name, as in "Europe/Berlin"'),
        ("mon ../../etc/passwd", '"../../etc/passwd" is no time zone; use an IANA name, as in "Europe/Berlin"'),
        ("mon 09:00-10:00 UTC now", '"mon 09:00-10:00 UTC now" is no time of the week'),
        ("", "must not be empty"),
        (7, "must be text, not a number"),
    ],
)
def test_wrong_ones(said: object, message: str) -> None:
    with pytest.raises(BadValueError) as refused:
        time_window(said)
    assert message in str(refused.value)


@given(st.text(max_size=40))
def test_any_text_is_a_window_or_a_refusal(said: str) -> None:
    try:
        window = time_window(said)
    except BadValueError:
        return
    assert within([window], MONDAY) in (True, False)


@given(st.integers(0, 1439), st.integers(1, 1440), st.integers(0, 10_079))
def test_a_window_and_the_rest_of_the_day_cover_each_moment_once(begin: int, end: int, minute: int) -> None:
    if begin == end or (begin == 0 and end == 1440):
        return
    span, rest = (
        time_window(f"{a // 60:02}:{a % 60:02}-{b // 60:02}:{b % 60:02}")
        for a, b in ((begin, end), (end % 1440, begin or 1440))
    )
    moment = MONDAY + timedelta(minutes=minute)
    assert within([span], moment) is not within([rest], moment)
