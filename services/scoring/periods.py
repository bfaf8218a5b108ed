"""Calendar windows: days, ISO weeks, months, quarters and years of a time zone, as spans of UTC. Pure.

Strange cases, each with its rule:

  the clock is put forward at midnight      the day begins with the first moment there is of it
  the clock is put back over midnight       the day begins at the first of its two midnights
  a date the zone skipped (Samoa, 2011)     its day is empty: it ends where it begins
  offsets of seconds (before about 1970)    midnight lies within a bucket; both neighbours round it down to the same one
  the first and the last days of time       a span ends with the years that a moment may have
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Final, Literal, NamedTuple, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

Kind = Literal["day", "week", "month", "quarter", "year"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)

SEPARATOR: Final = "."
MIDNIGHTS_KEPT: Final = 4096

_FIRST: Final = datetime.min.replace(tzinfo=UTC)
_LAST: Final = datetime.max.replace(tzinfo=UTC)
_ONE_DAY: Final = timedelta(days=1)
_LAST_MOMENT: Final = timedelta(days=1) - timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Period:
    """One day, week, month, quarter or year, by its first day."""

    kind: Kind
    first: date

    @property
    def name(self) -> str:
        """As windows are called: `month.2026-05`."""
        return f"{self.kind}{SEPARATOR}{_RULES[self.kind].label(self.first)}"

    def before(self) -> Period | None:
        """The one that ends where this one begins; none before the year 1."""
        if self.first == date.min:
            return None
        return period_of(self.kind, self.first - _ONE_DAY)

    def after(self) -> Period | None:
        """The one that begins where this one ends; none after the year 9999."""
        first = _RULES[self.kind].following(self.first)
        return None if first is None else Period(self.kind, first)

    def span(self, zone: ZoneInfo) -> tuple[datetime, datetime]:
        """Its first moment and the first moment after it, in UTC."""
        following = _RULES[self.kind].following(self.first)
        end = _LAST if following is None else _midnight(following, zone)
        return _midnight(self.first, zone), end


def zone_of(name: str) -> ZoneInfo:
    """A time zone by its name.

    Raises:
        ValueError: if there is none of that name.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError("no time zone of the IANA database") from error


def period_of(kind: Kind, day: date) -> Period:
    """The period a date of the zone belongs to."""
    return Period(kind, _RULES[kind].first(day))


def current(kind: Kind, now: datetime, zone: ZoneInfo) -> Period:
    """The period a moment belongs to."""
    return period_of(kind, _local_date(now, zone))


def touching(kind: Kind, utc_day: date, zone: ZoneInfo) -> set[Period]:
    """The periods that a UTC day has a part in: two at most."""
    first = datetime.combine(utc_day, time(), UTC)
    return {current(kind, moment, zone) for moment in (first, first + _LAST_MOMENT)}


def named(name: str) -> Period | None:
    """The period a window is called after; none if it is no calendar window."""
    kind, _, label = name.partition(SEPARATOR)
    if kind not in _RULES:
        return None
    known: Kind = kind  # type: ignore[assignment]  # it is one of the rules' keys
    try:
        day = _RULES[known].read(label)
    except ValueError:
        return None
    found = period_of(known, day)
    return found if found.name == name else None


class _Rule(NamedTuple):
    """How one kind of period is cut: the first day of the one that holds a date, the first of the next, its label."""

    first: Callable[[date], date]
    following: Callable[[date], date | None]
    label: Callable[[date], str]
    read: Callable[[str], date]


def _month(first: date, months: int) -> date | None:
    """The first day of the month so many months on."""
    years, month = divmod(first.month - 1 + months, 12)
    return None if first.year + years > date.max.year else date(first.year + years, month + 1, 1)


def _days(first: date, days: int) -> date | None:
    return None if (date.max - first).days < days else first + timedelta(days=days)


def _week(day: date) -> date:
    return day - timedelta(days=day.weekday())


def _quarter_read(label: str) -> date:
    year, _, number = label.partition("-Q")
    return date(int(year), 3 * int(number) - 2, 1)


_RULES: Final[Mapping[str, _Rule]] = {
    "day": _Rule(
        lambda day: day,
        lambda first: _days(first, 1),
        lambda first: first.isoformat(),
        date.fromisoformat,
    ),
    "week": _Rule(
        _week,
        lambda first: _days(first, 7),
        lambda first: "{:04}-W{:02}".format(*first.isocalendar()),
        lambda label: date.fromisoformat(f"{label}-1"),
    ),
    "month": _Rule(
        lambda day: day.replace(day=1),
        lambda first: _month(first, 1),
        lambda first: f"{first.year:04}-{first.month:02}",
        lambda label: date.fromisoformat(f"{label}-01"),
    ),
    "quarter": _Rule(
        lambda day: date(day.year, (day.month - 1) // 3 * 3 + 1, 1),
        lambda first: _month(first, 3),
        lambda first: f"{first.year:04}-Q{(first.month + 2) // 3}",
        _quarter_read,
    ),
    "year": _Rule(
        lambda day: date(day.year, 1, 1),
        lambda first: _month(first, 12),
        lambda first: f"{first.year:04}",
        lambda label: date(int(label), 1, 1),
    ),
}


@lru_cache(MIDNIGHTS_KEPT)
def _midnight(day: date, zone: ZoneInfo) -> datetime:
    """When a date begins. In a gap, the offset of before leads to its end; of two midnights it is the first."""
    try:
        return datetime.combine(day, time(), zone).astimezone(UTC)
    except OverflowError:
        return _FIRST if day.year == date.min.year else _LAST


def _local_date(moment: datetime, zone: ZoneInfo) -> date:
    try:
        return moment.astimezone(zone).date()
    except OverflowError:
        return moment.date()
