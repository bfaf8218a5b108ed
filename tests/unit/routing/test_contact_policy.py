"""Quiet hours and periods by people's own clocks, held against a reference that walks minute by minute."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from services.routing.contact_policy import WEEKDAYS, Cap, ContactPolicy, Period, period_start
from services.routing.policy import Contact, Facts, objection
from tests.support.answers import NOON, answered
from tests.support.playbooks import rule

ZONES = (
    "Africa/Cairo",
    "Africa/Casablanca",
    "Africa/Lagos",
    "America/Havana",
    "America/Los_Angeles",
    "America/New_York",
    "America/Nuuk",
    "America/Santiago",
    "America/Sao_Paulo",
    "America/St_Johns",
    "Antarctica/Troll",
    "Asia/Beirut",
    "Asia/Jerusalem",
    "Asia/Kathmandu",
    "Asia/Kolkata",
    "Asia/Tokyo",
    "Atlantic/Azores",
    "Australia/Adelaide",
    "Australia/Lord_Howe",
    "Europe/Helsinki",
    "Europe/London",
    "Pacific/Auckland",
    "Pacific/Kiritimati",
    "Pacific/Pago_Pago",
)
"""The world's ways with the clock: by hours and half hours, at midnight and at two, there and back, and not at all."""

QUIET: dict[str, dict[str, Any]] = {
    "overnight": {"begins": "20:00", "ends": "08:00"},
    "until an hour that is leapt over or comes twice": {"begins": "22:00", "ends": "02:30"},
    "until shortly after midnight": {"begins": "21:10", "ends": "00:20"},
    "from midnight on": {"begins": "00:00", "ends": "02:15"},
    "within an hour that comes twice": {"begins": "01:10", "ends": "01:40"},
    "when clocks are changed": {"begins": "01:30", "ends": "03:45"},
    "until midnight, and on Sundays": {"begins": "18:00", "ends": "00:00", "days": ["sunday"]},
    "at lunch, and at the weekend": {"begins": "12:00", "ends": "13:00", "days": ["saturday", "sunday"]},
}

MINUTE = timedelta(minutes=1)
AROUND = timedelta(hours=26)
WALKED = timedelta(days=2)


@cache
def changes(zone: str) -> tuple[datetime, ...]:
    """The moments of 2026 at which clocks are changed, to the minute; where they never are, one ordinary midnight."""
    tz, found = ZoneInfo(zone), []
    at = datetime(2026, 1, 1, tzinfo=UTC)
    while at.year == 2026:
        if at.astimezone(tz).utcoffset() != (at + timedelta(hours=1)).astimezone(tz).utcoffset():
            moment = at
            while moment.astimezone(tz).utcoffset() == at.astimezone(tz).utcoffset():
                moment += MINUTE
            found.append(moment)
        at += timedelta(hours=1)
    return tuple(found) or (datetime(2026, 3, 29, tzinfo=UTC),)


@cache
def clock_of(zone: str, first: datetime) -> tuple[tuple[str, time], ...]:
    """What somebody's clock shows, minute by minute: the day of the week and the time."""
    tz, minutes = ZoneInfo(zone), int((2 * AROUND + WALKED) / MINUTE)
    local = (datetime.astimezone(first + number * MINUTE, tz) for number in range(minutes))
    return tuple((WEEKDAYS[at.weekday()], at.time()) for at in local)


def walked(zone: str, first: datetime, quiet: dict[str, Any]) -> Iterator[tuple[datetime, datetime | None]]:
    """Each minute, and when its quiet time ends; none where there is none."""
    shown, days = clock_of(zone, first), quiet.get("days", ())
    begins, until = time.fromisoformat(quiet["begins"]), time.fromisoformat(quiet["ends"])
    ends = free = first + len(shown) * MINUTE
    answers = []
    for number in range(len(shown) - 1, -1, -1):
        now = first + number * MINUTE
        weekday, clock = shown[number]
        asleep = begins <= clock < until if begins <= until else not until <= clock < begins
        free = free if asleep or weekday in days else now
        answers.append((now, None if free == now else free))
    yield from ((now, free) for now, free in reversed(answers) if now < first + 2 * AROUND and free != ends)


def test_two_dozen_zones_are_told_apart() -> None:
    assert len(ZONES) == 24
    assert {len(changes(zone)) for zone in ZONES} == {1, 2}


@pytest.mark.parametrize("quiet", QUIET.values(), ids=QUIET)
@pytest.mark.parametrize("zone", ZONES)
def test_quiet_hours_end_when_the_persons_own_clock_says_so(zone: str, quiet: dict[str, Any]) -> None:
    policy = ContactPolicy.model_validate({"quiet_hours": quiet})
    for change in changes(zone):
        expected = list(walked(zone, change - AROUND, quiet))
        near = [one for one in expected if abs(one[0] - change) < timedelta(hours=2)]
        for now, ends in (*expected[::31], *near[::4]):
            assert (now, policy.quiet_until(zone, now)) == (now, ends)


def test_what_ends_quiet_hours_needs_no_whole_minute() -> None:
    policy = ContactPolicy.model_validate({"quiet_hours": QUIET["overnight"]})
    late = datetime(2026, 5, 20, 23, 59, 59, 999_999, tzinfo=UTC)
    assert policy.quiet_until("UTC", late) == datetime(2026, 5, 21, 8, tzinfo=UTC)


@pytest.mark.parametrize("zone", [None, "", "Mars/Olympus_Mons", "../../etc/passwd"])
def test_whoever_tells_no_zone_has_the_clock_of_the_business(zone: str | None) -> None:
    policy = ContactPolicy.model_validate({"timezone": "Asia/Tokyo"})
    assert policy.quiet_until(zone, datetime(2026, 5, 20, 22, 59, tzinfo=UTC)) == datetime(2026, 5, 20, 23, tzinfo=UTC)
    assert policy.quiet_until(zone, datetime(2026, 5, 20, 23, tzinfo=UTC)) is None


def test_without_quiet_hours_no_hour_is_quiet() -> None:
    assert ContactPolicy(quiet_hours=None).quiet_until("UTC", datetime(2026, 5, 20, 3, tzinfo=UTC)) is None


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"quiet_hours": {"days": list(WEEKDAYS)}}, "all seven are quiet"),
        ({"quiet_hours": {"begins": "20:00Z"}}, "by everybody's own clock"),
        ({"quiet_hours": {"ends": "08:00+02:00"}}, "by everybody's own clock"),
        ({"timezone": "Mars/Olympus_Mons"}, "no time zone"),
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        ContactPolicy.model_validate(wrong)


PERIODS: dict[Period, str] = {"day": "%Y-%m-%d", "week": "%G-%V", "month": "%Y-%m"}
QUARTER = timedelta(minutes=15)


@pytest.mark.parametrize("zone", ZONES)
def test_a_period_begins_with_the_first_moment_of_its_first_day(zone: str) -> None:
    tz = ZoneInfo(zone)
    for change in changes(zone):
        for now in (change - QUARTER, change, change + timedelta(hours=26)):
            for period, shown in PERIODS.items():
                begun = datetime.fromtimestamp(now.timestamp() // 900 * 900, UTC)
                while f"{(begun - QUARTER).astimezone(tz):{shown}}" == f"{now.astimezone(tz):{shown}}":
                    begun -= QUARTER
                assert (now, period, period_start(period, zone, now)) == (now, period, begun)


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("within", [timedelta(hours=24), timedelta(days=7)])
def test_a_cap_holds_for_as_long_as_it_says_whatever_clocks_do(zone: str, within: timedelta) -> None:
    policy = ContactPolicy(quiet_hours=None, caps=(Cap(kind="task", at_most=1, within=within),))
    for change in changes(zone):
        for contacted in (change - AROUND, change - within / 2, change):
            facts = Facts(contacts=[Contact("earlier", "task", contacted)])
            ends = contacted + within
            for now, capped in ((contacted, True), (ends - MINUTE, True), (ends, False), (ends + AROUND, False)):
                found = objection(answered(3, received_at=NOON), rule("outreach"), facts, policy, now)
                assert (found is not None and found.reason == "cap") == capped
