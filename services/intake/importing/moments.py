"""Times as exports write them. A day that could be read in two ways is refused until somebody says which it is.

A time without an offset is UTC, a day without a time begins at midnight: exports rarely say more.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import Final

ORDERS: Final = ("dmy", "mdy", "ymd")
"""In which order day, month and year stand; anything else is a pattern of strptime."""

_MONTHS: Final = {
    name: number
    for number, name in enumerate(
        ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), start=1
    )
}
_TIME: Final = (
    r"(?:[T,]?\s+(?:at\s+)?(\d{1,2})[:.](\d{2})(?:[:.](\d{2})(?:\.\d+)?)?\s*([AaPp])?\.?(?:[Mm]\.?)?\s*(Z|UTC|GMT)?)?"
)
_DIGITS: Final = re.compile(r"(\d{1,4})([./-])\s?(\d{1,2})\2\s?(\d{1,4})\.?" + _TIME)
_DAY_FIRST: Final = re.compile(r"(\d{1,2})\.?[ -]([A-Za-z]{3})[a-z]*\.?,?[ -](\d{4})" + _TIME)
_MONTH_FIRST: Final = re.compile(r"([A-Za-z]{3})[a-z]*\.? (\d{1,2}),? (\d{4})" + _TIME)


class Ambiguous(ValueError):
    """Two days fit; somebody has to say which is meant."""


def moment_of(text: str, order: str | None) -> datetime | None:
    """The time a text tells; none if it tells none.

    Raises:
        Ambiguous: if two days fit and no order is given.
    """
    if order is not None and order not in ORDERS:
        return _by_pattern(text, order)
    try:
        return in_utc(datetime.fromisoformat(text))
    except ValueError:
        return _written(text, order)


def in_utc(moment: datetime) -> datetime:
    """The same time; UTC if it has no offset."""
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def from_day(day: date) -> datetime:
    """Midnight in UTC."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _by_pattern(text: str, pattern: str) -> datetime | None:
    try:
        return in_utc(datetime.strptime(text, pattern))  # noqa: DTZ007 the pattern may have an offset, else it is UTC
    except ValueError:
        return None


def _written(text: str, order: str | None) -> datetime | None:
    found = _DIGITS.fullmatch(text)
    if found:
        first, separator, second, third, *time = found.groups()
        return _at(_day(first, second, third, order or _order_of(first, separator, second)), time)
    found = _DAY_FIRST.fullmatch(text)
    if found:
        day, name, year, *time = found.groups()
        return _at((year, str(_MONTHS.get(name.lower(), 0)), day), time)
    found = _MONTH_FIRST.fullmatch(text)
    if found:
        name, day, year, *time = found.groups()
        return _at((year, str(_MONTHS.get(name.lower(), 0)), day), time)
    return None


def _order_of(first: str, separator: str, second: str) -> str:
    """A year in front is followed by the month; dots are written with the day in front, everywhere."""
    if len(first) == 4:
        return "ymd"
    if separator == "." or int(first) > 12:
        return "dmy"
    if int(second) > 12:
        return "mdy"
    raise Ambiguous


def _day(first: str, second: str, third: str, order: str) -> tuple[str, str, str] | None:
    told = dict(zip(order, (first, second, third), strict=True))
    return (told["y"], told["m"], told["d"]) if len(told["y"]) == 4 else None


def _at(day: tuple[str, str, str] | None, time: list[str | None]) -> datetime | None:
    if day is None:
        return None
    hour, minute, second, half, _ = time
    hours = int(hour or 0)
    if half:
        hours = hours % 12 + (12 if half.lower() == "p" else 0)
    try:
        return datetime(int(day[0]), int(day[1]), int(day[2]), hours, int(minute or 0), int(second or 0), tzinfo=UTC)
    except ValueError:
        return None
