"""Whether a moment lies in a time of the week. Clocks that are put forward or back count as people read them."""

from collections.abc import Iterable
from datetime import datetime
from zoneinfo import ZoneInfo

from bastion.config.schema import TimeWindow


def within(windows: Iterable[TimeWindow], moment: datetime) -> bool:
    """Return whether a moment, aware of its zone, lies in one of the windows."""
    return any(_lies_in(window, moment) for window in windows)


def _lies_in(window: TimeWindow, moment: datetime) -> bool:
    local = moment.astimezone(ZoneInfo(window.zone))
    day, minute = local.weekday(), local.hour * 60 + local.minute
    if window.begin < window.end:
        return day in window.days and window.begin <= minute < window.end
    late, early = minute >= window.begin, minute < window.end
    return (late and day in window.days) or (early and (day - 1) % 7 in window.days)
