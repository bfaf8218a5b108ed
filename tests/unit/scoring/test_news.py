"""Which scores are told: what changed, what is an hour old, each period as it opens, ends and is restated."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import pytest

from schemas.score import Score
from services.scoring.measuring import Named, score_of
from services.scoring.news import SegmentNews
from services.scoring.periods import Period
from services.scoring.settings import ScoringSection
from services.scoring.windows import CellContent, SegmentCounts
from tests.support.clocks import ManualClock

MONTHS = ScoringSection(windows={}, calendar=("month",))
MAY = Period("month", date(2026, 5, 1))
Says = Callable[[], list[tuple[str, str, int]]]


class Told:
    """A segment whose news are told as soon as they are due."""

    def __init__(self, section: ScoringSection, clock: ManualClock) -> None:
        self.section, self.clock = section, clock
        self.counts, self.news = SegmentCounts(), SegmentNews("all")

    def answers(self, moment: datetime, number: int = 1, score: int = 9) -> None:
        """So many answers in one bucket, instead of those that were there that day."""
        utc = moment.astimezone(UTC)
        content = CellContent(15, {(utc.hour * 60 + utc.minute) // 15: {score: number}} if number else {})
        self.counts.replace(utc.toordinal(), 0, content)
        self.news.doubt([utc.toordinal()], self.section)

    def scores(self) -> list[Score]:
        """What is told now."""
        now = self.clock.now()
        due = self.news.due(self.counts, self.section, now)
        for measured in due:
            self.news.told(measured, now)
        return [score_of(Named("default", "all", "all"), measured, self.section, now) for measured in due]

    def says(self) -> list[tuple[str, str, int]]:
        """Calendar windows that are told now: name, state and number of answers."""
        calendar = [score for score in self.scores() if score.window.kind == "calendar"]
        return [(score.window.name, score.window.state, score.n) for score in calendar]

    def restarted(self) -> Told:
        """The same counts under a worker that knows what has been told from the topic alone."""
        other = Told(self.section, self.clock)
        other.counts = self.counts
        for period, known in self.news._known.items():
            other.news.remember(period, known.state, list(memoryview(known.histogram).cast("Q")))
        other.news.doubt(self.counts.days(), self.section)
        return other


@pytest.fixture
def may(clock: ManualClock) -> Told:
    """Noon of 20 May, with two answers of that day told."""
    told = Told(MONTHS, clock)
    told.answers(clock.now(), 2)
    assert told.says() == [("month.2026-05", "open", 2)]
    return told


def test_what_has_been_told_is_told_again_when_it_changes_or_after_an_hour(may: Told) -> None:
    assert may.scores() == []
    may.answers(may.clock.now(), 3)
    assert may.says() == [("month.2026-05", "open", 3)]
    may.clock.advance(minutes=59)
    assert may.scores() == []
    may.clock.advance(minutes=1)
    assert may.says() == [("month.2026-05", "open", 3)]


def test_a_period_that_ends_is_final_once(may: Told) -> None:
    may.clock.advance(days=11, hours=11, minutes=59)
    may.scores()
    may.clock.advance(minutes=1)
    assert may.says() == [("month.2026-05", "final", 2)]
    may.clock.advance(hours=2)
    assert may.says() == []


def test_a_late_answer_restates_what_was_final(may: Told) -> None:
    late = may.clock.now() + timedelta(days=1)
    may.clock.advance(days=20)
    assert may.says() == [("month.2026-05", "final", 2)]
    may.answers(late)
    assert may.says() == [("month.2026-05", "restated", 3)]
    may.answers(late, 4)
    assert may.says() == [("month.2026-05", "restated", 6)]


def test_an_edit_within_the_period_restates_it_and_one_beside_it_does_not(may: Told) -> None:
    then = may.clock.now()
    may.clock.advance(days=20)
    may.says()
    may.answers(then, 2, score=3)
    assert may.says() == [("month.2026-05", "restated", 2)]
    may.answers(may.clock.now())
    assert may.says() == [("month.2026-06", "open", 1)]


def test_answers_that_are_all_taken_back_leave_a_period_with_none(may: Told) -> None:
    then = may.clock.now()
    may.clock.advance(days=20)
    may.says()
    may.answers(then, 0)
    assert may.says() == [("month.2026-05", "restated", 0)]


def test_a_period_in_which_nobody_answered_is_not_told(may: Told) -> None:
    may.clock.advance(days=75)
    assert may.says() == [("month.2026-05", "final", 2)]


def test_the_period_after_one_that_is_restated_is_restated_too_as_it_is_compared_with_it(may: Told) -> None:
    then = may.clock.now()
    may.answers(then + timedelta(days=30), 5)
    may.clock.advance(days=75)
    assert may.says() == [("month.2026-05", "final", 2), ("month.2026-06", "final", 5)]
    may.answers(then, 1, score=0)
    restated = may.scores()
    assert [(score.window.name, score.window.state) for score in restated if score.window.kind == "calendar"] == [
        ("month.2026-05", "restated"),
        ("month.2026-06", "restated"),
    ]
    assert restated[-1].verdict is not None
    assert restated[-1].verdict.delta == 200.0


def test_an_open_period_is_compared_with_the_whole_one_before(may: Told) -> None:
    may.answers(may.clock.now() - timedelta(days=20), 3, score=0)
    score = next(score for score in may.scores() if score.window.name == "month.2026-05")
    assert score.verdict is not None
    assert score.verdict.delta == 200.0


def test_after_a_restart_what_is_final_is_not_told_again(may: Told) -> None:
    may.clock.advance(days=20)
    may.says()
    assert may.restarted().says() == []


def test_what_changed_while_nobody_was_there_is_restated_and_what_ended_is_final(may: Told) -> None:
    then = may.clock.now()
    may.clock.advance(days=20)
    may.says()
    may.answers(may.clock.now())
    assert may.says() == [("month.2026-06", "open", 1)]
    may.clock.advance(days=30)
    may.answers(then, 7)
    assert may.restarted().says() == [("month.2026-05", "restated", 7), ("month.2026-06", "final", 1)]


def test_what_is_not_acknowledged_stays_due(may: Told) -> None:
    may.clock.advance(days=20)
    for _ in range(2):
        due = may.news.due(may.counts, MONTHS, may.clock.now())
        assert [item.window.state for item in due if item.period == MAY] == ["final"]


def test_imported_history_is_final_at_once(clock: ManualClock) -> None:
    told = Told(ScoringSection(windows={}, calendar=("day", "week")), clock)
    told.answers(datetime(2024, 12, 30, 10, tzinfo=UTC))
    assert told.says() == [("day.2024-12-30", "final", 1), ("week.2025-W01", "final", 1)]


@pytest.mark.parametrize(
    ("zone", "last", "first"),
    [
        ("Europe/Helsinki", datetime(2026, 5, 31, 20, 45, tzinfo=UTC), datetime(2026, 5, 31, 21, 0, tzinfo=UTC)),
        ("America/New_York", datetime(2026, 6, 1, 3, 45, tzinfo=UTC), datetime(2026, 6, 1, 4, 0, tzinfo=UTC)),
        ("Asia/Kathmandu", datetime(2026, 5, 31, 18, 0, tzinfo=UTC), datetime(2026, 5, 31, 18, 15, tzinfo=UTC)),
    ],
)
def test_a_month_ends_at_midnight_of_the_tenants_zone(
    zone: str, last: datetime, first: datetime, clock: ManualClock
) -> None:
    told = Told(ScoringSection(windows={}, calendar=("month",), timezone=zone), clock)
    content = {(moment.hour * 60 + moment.minute) // 15: {9: 1} for moment in (last, first)}
    told.counts.replace(last.toordinal(), 0, CellContent(15, content))
    told.news.doubt([last.toordinal()], told.section)
    clock.advance(days=12)
    found = {score.window.name: score for score in told.scores()}
    assert {name: score.n for name, score in found.items() if name != "all_time"} == {
        "month.2026-05": 1,
        "month.2026-06": 1,
    }
    assert {score.window.edge_minutes for score in found.values()} == {0}


def test_where_midnight_lies_within_a_bucket_the_window_says_so_and_neighbours_still_meet(clock: ManualClock) -> None:
    told = Told(ScoringSection(windows={}, calendar=("day",), timezone="Europe/Amsterdam"), clock)
    midnight = datetime(1930, 1, 19, 23, 40, 28, tzinfo=UTC)
    told.answers(midnight)
    (day,) = [score for score in told.scores() if score.window.kind == "calendar"]
    assert (day.window.name, day.n, day.window.edge_minutes) == ("day.1930-01-20", 1, 15)
    assert day.window.start == midnight


def test_the_series_of_latest_answers_has_windows_of_its_own(clock: ManualClock) -> None:
    news, counts = SegmentNews("latest"), SegmentCounts()
    counts.replace(clock.now().toordinal(), 0, CellContent(5, {0: {9: 1}}))
    names = [measured.window.name for measured in news.due(counts, MONTHS, clock.now())]
    assert names == ["all_time.latest", "month.2026-05.latest"]
