"""Windows over counts: what a span of time holds, with the clock moved by hand."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.scoring import windows
from services.scoring.windows import CellContent, RollingWindow, SegmentCounts, previous

NOON = datetime(2026, 5, 20, 12, tzinfo=UTC)
DAY = RollingWindow("24h", timedelta(hours=24))


def counted(*moments: datetime, minutes: int = 5, score: int = 9) -> SegmentCounts:
    counts = SegmentCounts()
    for number, moment in enumerate(moments):
        bucket = (moment.hour * 60 + moment.minute) // minutes
        counts.replace(moment.toordinal(), number, CellContent(minutes, {bucket: {score: 1}}))
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
    counts.replace(NOON.toordinal(), 0, CellContent(15, {48: {3: 5}}))
    assert counts.between(None, None) == [0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0]
    counts.replace(NOON.toordinal(), 0, CellContent(15, {}))
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


Counted = dict[tuple[int, int], tuple[int, dict[int, dict[int, int]]]]
"""Cells as a plain dictionary: by day and source partition, the width of buckets and what is in them."""

FIRST = NOON.toordinal()
MOMENTS = st.integers(0, 5 * 24 * 60).map(lambda minutes: NOON - timedelta(hours=36) + timedelta(minutes=minutes))


@st.composite
def cells(draw: st.DrawFn) -> list[tuple[int, int, int, dict[int, dict[int, int]] | None]]:
    """Cells of four days and three partitions, some stated anew, some taken away."""
    found = []
    for _ in range(draw(st.integers(1, 12))):
        minutes = draw(st.sampled_from([5, 15]))
        scores = st.dictionaries(st.integers(0, 10), st.sampled_from([1, 2, 300, 70_000]), max_size=3)
        counts = st.dictionaries(st.integers(0, 1440 // minutes - 1), scores, max_size=4)
        found.append((FIRST + draw(st.integers(0, 3)), draw(st.integers(0, 2)), minutes, draw(st.none() | counts)))
    return found


def recomputed(counted: Counted, start: datetime | None, end: datetime | None) -> list[int]:
    """The slow and simple way: every bucket of every cell, held against both ends rounded down to its width."""
    found = [0] * 11
    for (day, _), (minutes, counts) in counted.items():
        width = timedelta(minutes=minutes)
        midnight = datetime.combine(datetime.fromordinal(day), datetime.min.time(), UTC)
        for bucket, scores in counts.items():
            begins = midnight + bucket * width
            after = start is None or begins > start - width
            before = end is None or begins + width <= end
            for score, number in scores.items():
                found[score] += number * (after and before)
    return found


@given(cells(), st.none() | MOMENTS, st.none() | MOMENTS)
@example([(FIRST, 0, 15, {50: {3: 2}}), (FIRST, 1, 5, {150: {3: 1}})], NOON + timedelta(minutes=40), None)
def test_what_a_span_holds_is_what_a_plain_recompute_finds(
    stated: list[tuple[int, int, int, dict[int, dict[int, int]] | None]], start: datetime | None, end: datetime | None
) -> None:
    if start and end and start > end:
        start, end = end, start
    counts, plain = SegmentCounts(), Counted()
    for day, partition, minutes, content in stated:
        counts.replace(day, partition, None if content is None else CellContent(minutes, content))
        plain.pop((day, partition), None)
        if content is not None:
            plain[day, partition] = (minutes, content)
        assert counts.between(start, end) == recomputed(plain, start, end)
    assert counts.cells == len(plain)


def test_sums_of_buckets_are_kept_for_a_bounded_number_of_days(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windows, "EDGES_KEPT", 3)
    counts = counted(*(NOON - timedelta(days=day) for day in range(10)))
    for day in [*range(10), 0, 5]:
        assert sum(counts.between(NOON - timedelta(days=day), None)) == day + 1
    assert len(counts._edges) == 3


def test_a_window_of_two_years_costs_as_little_as_one_of_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = counted(*(NOON - timedelta(days=day) for day in range(731)))
    looked_at = []
    cells = windows.PackedCell.items

    def items(cell: windows.PackedCell) -> Iterator[tuple[int, int]]:
        looked_at.append(cell)
        return cells(cell)

    monkeypatch.setattr(windows.PackedCell, "items", items)
    for _ in range(5):
        assert sum(counts.between(NOON - timedelta(days=730), NOON - timedelta(hours=1))) == 730
    assert len(looked_at) == 2
