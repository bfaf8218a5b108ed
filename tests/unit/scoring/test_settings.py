"""The section of the business file: which windows there may be, and what they may be called."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from services.scoring.settings import ScoringSection

DAY = timedelta(days=1)


def test_months_quarters_and_years_in_utc_are_there_from_the_start() -> None:
    section = ScoringSection()
    assert (section.calendar, section.zone.key) == (("month", "quarter", "year"), "UTC")
    assert [window.name for window in section.rolling()] == ["24h", "7d", "30d", "90d", "all_time"]


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"timezone": "Europe/Atlantis"}, "no time zone of the IANA database"),
        ({"timezone": "../../etc/passwd"}, "no time zone of the IANA database"),
        ({"calendar": ["month", "month"]}, "names a kind twice"),
        ({"calendar": ["fortnight"]}, "Input should be 'day', 'week'"),
        ({"windows": {"all_time": DAY}}, "is always there"),
        ({"windows": {"month.x": DAY}}, "from the calendar, is called so"),
        ({"windows": {"30d.latest": DAY}}, "from the calendar, is called so"),
        ({"windows": {"w" * 57: DAY}}, "should match pattern"),
        ({"windows": {"short": timedelta(minutes=59)}}, "between one hour and two years"),
        ({"windows": {"long": timedelta(days=732)}}, "between one hour and two years"),
    ],
)
def test_what_cannot_be_is_refused_with_the_reason(given: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        ScoringSection(**given)


def test_no_calendar_windows_are_a_choice() -> None:
    assert ScoringSection(calendar=()).calendar == ()
