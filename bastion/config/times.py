"""Reads times of the week, as in "mon-fri 09:00-17:00 Europe/Berlin": days, hours and time zone, each but one left out.

Without days it is every day, without hours the whole day, without a zone UTC.
"""

import re
from zoneinfo import ZoneInfo

from bastion.config.schema import TimeWindow
from bastion.config.values import BadValueError, quoted, suggestion, text

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_HOURS = re.compile(r"(\d\d):([0-5]\d)-(\d\d):([0-5]\d)")
_HINT = 'write it as in "mon-fri 09:00-17:00 Europe/Berlin"'
_DAY = 24 * 60


def time_window(value: object) -> TimeWindow:
    """Read a time of the week. Raises BadValueError."""
    said = text(value)
    words = said.split()
    days, hours, zone = frozenset(range(7)), (0, _DAY), "UTC"
    if words and "/" not in words[0] and words[0][0].isalpha() and words[0] != "UTC":
        days = _days(words.pop(0))
    if words and ":" in words[0]:
        hours = _hours(words.pop(0))
    if words:
        zone = _zone(words.pop(0))
    if words:
        raise BadValueError(f"{quoted(said)} is no time of the week; {_HINT}")
    return TimeWindow(days, *hours, zone)


def _days(said: str) -> frozenset[int]:
    found: set[int] = set()
    for part in said.split(","):
        first, _, last = part.lower().partition("-")
        begin, end = _day(first), _day(last or first)
        found.update(number % 7 for number in range(begin, end + 1 if begin <= end else end + 8))
    return frozenset(found)


def _day(said: str) -> int:
    if said not in DAYS:
        raise BadValueError(f"{quoted(said)} is no day{suggestion(said, DAYS) or f'; use {chr(44).join(DAYS)}'}")
    return DAYS.index(said)


def _hours(said: str) -> tuple[int, int]:
    match = _HOURS.fullmatch(said)
    if match is None:
        raise BadValueError(f"{quoted(said)} is no span of hours; {_HINT}")
    first, second = (int(match[group]) * 60 + int(match[group + 1]) for group in (1, 3))
    if first >= _DAY or second > _DAY or first == second:
        raise BadValueError(f"{quoted(said)} is no span of hours: from 00:00 to 24:00, and not empty")
    return first, second


def _zone(said: str) -> str:
    try:
        ZoneInfo(said)
    except (ValueError, OSError, KeyError):  # ZoneInfoNotFoundError is a KeyError
        raise BadValueError(f'{quoted(said)} is no time zone; use an IANA name, as in "Europe/Berlin"') from None
    return said
