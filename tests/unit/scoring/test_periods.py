"""Calendar windows: where days, weeks, months, quarters and years of a zone begin and end in UTC."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.scoring.periods import KINDS, Kind, Period, current, named, period_of, touching, zone_of

HELSINKI, NEW_YORK, KATHMANDU = (ZoneInfo(name) for name in ("Europe/Helsinki", "America/New_York", "Asia/Kathmandu"))
ZONES = st.sampled_from([HELSINKI, NEW_YORK, KATHMANDU, ZoneInfo("Australia/Lord_Howe"), ZoneInfo("UTC")])


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc,arg-type]  # year, month, day and what follows


@pytest.mark.parametrize(
    ("kind", "day", "name"),
    [
        ("day", date(2026, 5, 20), "day.2026-05-20"),
        ("week", date(2026, 5, 20), "week.2026-W21"),
        ("week", date(2027, 1, 3), "week.2026-W53"),
        ("week", date(2024, 12, 31), "week.2025-W01"),
        ("month", date(2028, 2, 29), "month.2028-02"),
        ("quarter", date(2026, 5, 20), "quarter.2026-Q2"),
        ("quarter", date(2026, 12, 31), "quarter.2026-Q4"),
        ("year", date(2026, 5, 20), "year.2026"),
    ],
)
def test_a_window_is_called_after_its_period(kind: Kind, day: date, name: str) -> None:
    assert period_of(kind, day).name == name


@pytest.mark.parametrize(
    "name", ["30d", "all_time", "month.2026-5", "week.2025-W53", "quarter.2026-Q5", "day.20260520", "year.x"]
)
def test_what_is_no_period_is_not_taken_for_one(name: str) -> None:
    assert named(name) is None


@pytest.mark.parametrize(
    ("zone", "day", "start", "hours"),
    [
        (HELSINKI, date(2026, 3, 29), utc(2026, 3, 28, 22), 23),
        (HELSINKI, date(2026, 10, 25), utc(2026, 10, 24, 21), 25),
        (NEW_YORK, date(2026, 3, 8), utc(2026, 3, 8, 5), 23),
        (NEW_YORK, date(2026, 11, 1), utc(2026, 11, 1, 4), 25),
        (KATHMANDU, date(2028, 2, 29), utc(2028, 2, 28, 18, 15), 24),
    ],
)
def test_a_day_is_as_long_as_its_zone_makes_it(zone: ZoneInfo, day: date, start: datetime, hours: int) -> None:
    assert Period("day", day).span(zone) == (start, start + timedelta(hours=hours))


@pytest.mark.parametrize(
    ("zone", "start", "end"),
    [
        (HELSINKI, utc(2028, 1, 31, 22), utc(2028, 2, 29, 22)),
        (NEW_YORK, utc(2028, 2, 1, 5), utc(2028, 3, 1, 5)),
        (KATHMANDU, utc(2028, 1, 31, 18, 15), utc(2028, 2, 29, 18, 15)),
    ],
)
def test_february_of_a_leap_year_ends_with_its_29th(zone: ZoneInfo, start: datetime, end: datetime) -> None:
    assert Period("month", date(2028, 2, 1)).span(zone) == (start, end)


@pytest.mark.parametrize(
    ("zone", "turns"),
    [(HELSINKI, utc(2026, 12, 31, 22)), (NEW_YORK, utc(2027, 1, 1, 5)), (KATHMANDU, utc(2026, 12, 31, 18, 15))],
)
def test_a_year_ends_at_midnight_of_its_zone_and_week_53_goes_on(zone: ZoneInfo, turns: datetime) -> None:
    last = turns - timedelta(microseconds=1)
    assert [current("year", moment, zone).name for moment in (last, turns)] == ["year.2026", "year.2027"]
    assert [current("month", moment, zone).name for moment in (last, turns)] == ["month.2026-12", "month.2027-01"]
    assert {current("week", moment, zone).name for moment in (last, turns)} == {"week.2026-W53"}
    assert Period("week", date(2026, 12, 28)).after() == Period("week", date(2027, 1, 4))


def test_a_day_without_midnight_begins_with_its_first_moment() -> None:
    assert Period("day", date(2018, 11, 4)).span(ZoneInfo("America/Sao_Paulo"))[0] == utc(2018, 11, 4, 3)


def test_a_day_with_two_midnights_begins_at_the_first() -> None:
    assert Period("day", date(2026, 11, 1)).span(ZoneInfo("America/Havana"))[0] == utc(2026, 11, 1, 4)


def test_a_date_that_a_zone_skipped_is_an_empty_day() -> None:
    start, end = Period("day", date(2011, 12, 30)).span(ZoneInfo("Pacific/Apia"))
    assert start == end


@pytest.mark.parametrize("kind", KINDS)
def test_the_first_and_the_last_period_have_an_end_of_time_for_neighbour(kind: Kind) -> None:
    first, last = period_of(kind, date.min), period_of(kind, date.max)
    assert (first.before(), last.after()) == (None, None)
    for zone in (HELSINKI, NEW_YORK):
        assert first.span(zone)[0] <= first.span(zone)[1] <= last.span(zone)[0] <= last.span(zone)[1]


@given(st.sampled_from(KINDS), st.dates(date(1990, 1, 1), date(2090, 1, 1)), ZONES)
def test_periods_meet_and_bear_names_that_lead_back(kind: Kind, day: date, zone: ZoneInfo) -> None:
    period = period_of(kind, day)
    following = period.after()
    assert following is not None
    assert (following.before(), named(period.name)) == (period, period)
    assert period.span(zone)[1] == following.span(zone)[0]


@given(st.sampled_from(KINDS), st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1)), ZONES)  # noqa: DTZ001 hypothesis adds the zone
def test_a_moment_lies_in_its_period_which_touches_its_utc_day(kind: Kind, moment: datetime, zone: ZoneInfo) -> None:
    moment = moment.replace(tzinfo=UTC)
    period = current(kind, moment, zone)
    start, end = period.span(zone)
    assert start <= moment < end
    assert period in touching(kind, moment.date(), zone)


@given(st.dates(date(1980, 1, 1), date(2090, 1, 1)), ZONES)
def test_every_midnight_since_falls_on_a_bucket_of_fifteen_minutes(day: date, zone: ZoneInfo) -> None:
    start, _ = Period("day", day).span(zone)
    assert (start.minute % 15, start.second) == (0, 0)


@pytest.mark.parametrize("name", ["Mars/Olympus", "../etc/passwd", ""])
def test_a_zone_that_does_not_exist_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="no time zone"):
        zone_of(name)
