"""Times as exports write them: read in one way, or refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.intake.importing.moments import Ambiguous, moment_of


@pytest.mark.parametrize(
    ("text", "order", "told"),
    [
        ("2026-03-04", None, "2026-03-04T00:00:00+00:00"),
        ("2026-03-04T10:15:00+02:00", None, "2026-03-04T08:15:00+00:00"),
        ("2026-03-04 10:15:30 UTC", None, "2026-03-04T10:15:30+00:00"),
        ("2026/03/04 10:15", None, "2026-03-04T10:15:00+00:00"),
        ("04.03.2026", None, "2026-03-04T00:00:00+00:00"),
        ("4. 3. 2026 10:15", None, "2026-03-04T10:15:00+00:00"),
        ("25/12/2026", None, "2026-12-25T00:00:00+00:00"),
        ("12/25/2026 1:05 PM", None, "2026-12-25T13:05:00+00:00"),
        ("12/25/2026 12:05 am", None, "2026-12-25T00:05:00+00:00"),
        ("03/04/2026", "dmy", "2026-04-03T00:00:00+00:00"),
        ("03/04/2026", "mdy", "2026-03-04T00:00:00+00:00"),
        ("4 Mar 2026", None, "2026-03-04T00:00:00+00:00"),
        ("March 4, 2026 at 10:15 AM", None, "2026-03-04T10:15:00+00:00"),
        ("04.03.26", "%d.%m.%y", "2026-03-04T00:00:00+00:00"),
    ],
)
def test_a_time_that_can_be_read_in_one_way_is_read_so(text: str, order: str | None, told: str) -> None:
    found = moment_of(text, order)
    assert found
    assert found.astimezone(UTC).isoformat() == told


@pytest.mark.parametrize("text", ["03/04/2026", "3-4-2026 10:15", "03/04/2026 1:00 PM"])
def test_a_day_that_could_be_another_is_refused_until_somebody_says_which(text: str) -> None:
    with pytest.raises(Ambiguous):
        moment_of(text, None)


@pytest.mark.parametrize("text", ["yesterday", "04.03.26", "32.01.2026", "31.02.2026", "4 Foo 2026", "", "12", "1/2"])
def test_what_tells_no_time_is_none(text: str) -> None:
    assert moment_of(text, None) is None


@pytest.mark.parametrize("text", ["2026-13-04", "04/03/2026"])
def test_a_pattern_holds_for_every_time(text: str) -> None:
    assert moment_of(text, "%d.%m.%Y") is None


@given(st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1)), st.sampled_from(["dmy", "mdy", "ymd"]))  # noqa: DTZ001
def test_with_an_order_every_day_comes_out_as_it_was_written(at: datetime, order: str) -> None:
    at = at.replace(tzinfo=UTC) - timedelta(seconds=at.second, microseconds=at.microsecond)
    pattern = "/".join({"d": "%d", "m": "%m", "y": "%Y"}[letter] for letter in order) + " %H:%M"
    written = at.strftime(pattern)
    assert moment_of(written, order) == at
