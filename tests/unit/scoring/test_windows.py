"""Windows over counts: what a span of time holds, with the clock moved by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from services.scoring.windows import CellContent, RollingWindow, SegmentCounts, previous

NOON = datetime(2026, 5, 20, 12, tzinfo=UTC)
DAY = RollingWindow("24h", timedelta(hours=24))


def counted(*moments: datetime, minutes: int = 5, score: int = 9) -> SegmentCounts:
    counts = SegmentCounts()
    for number, moment in enumerate(moments):
        bucket = (moment.hour * 60 + moment.minute) // minutes
        counts.replace(moment.date(), number, CellContent(1, minutes, {str(bucket): {str(score): 1}}))
    return counts


def test_a_window_loses_its_answers_at_the_bucket() -> None:
    counts = counted(NOON)
    leaves = NOON + timedelta(hours=24)
    assert sum(counts.between(DAY.start(leaves + timedelta(minutes=4)), None)) == 1
    assert sum(counts.between(DAY.start(leaves + timedelta(minutes=5)), None)) == 0


def test_an_answer_dated_a_little_ahead_counts_at_once() -> None:
    assert sum(counted(NOON + timedelta(minutes=4)).between(DAY.start(NOON), None)) == 1


@pytest.mark.parametrize("offset", [0, 3, 8, 30, 90, 365])
def test_a_window_and_the_one_before_share_no_answer_and_leave_no_gap(offset: int) -> None:
    moments = [NOON - timedelta(days=offset, minutes=5 * step) for step in range(0, 600, 7)]
    counts = counted(*moments)
    now = NOON - timedelta(days=offset) + timedelta(minutes=13)
    span = previous(DAY, now)
    assert span is not None
    both = counts.between(span[0], None)
    parts = zip(counts.between(DAY.start(now), None), counts.between(*span), strict=True)
    assert [one + two for one, two in parts] == both


def test_all_time_reaches_back_to_the_first_answer() -> None:
    counts = counted(NOON, NOON - timedelta(days=4000))
    assert sum(counts.between(None, None)) == 2
    assert counts.edge_minutes(None) == 0


def test_a_newer_cell_replaces_the_older_one() -> None:
    counts = counted(NOON)
    counts.replace(NOON.date(), 0, CellContent(2, 15, {"48": {"3": 5}}))
    assert counts.between(None, None) == [0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0]
    counts.replace(NOON.date(), 0, CellContent(3, 15, {}))
    assert sum(counts.between(None, None)) == 0


def test_the_edge_says_how_far_it_may_be_off() -> None:
    coarse = counted(NOON, minutes=15)
    assert coarse.edge_minutes(NOON) == 15
    assert coarse.edge_minutes(NOON + timedelta(days=1)) == 5


@pytest.mark.parametrize(
    "now",
    [
        datetime(2026, 3, 29, 1, 30, tzinfo=UTC),
        datetime(2026, 10, 25, 0, 30, tzinfo=UTC),
        datetime(2028, 2, 29, 23, 59, tzinfo=UTC),
        datetime(2027, 1, 1, 0, 0, tzinfo=UTC),
    ],
)
def test_rolling_windows_know_no_calendar(now: datetime) -> None:
    counts = counted(*(now - timedelta(minutes=10 * step) for step in range(288)))
    assert sum(counts.between(DAY.start(now), None)) == 145
