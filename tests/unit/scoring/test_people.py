"""Of each person the latest answer: which one counts, and which cells a run of facts touches."""

from __future__ import annotations

from datetime import date, timedelta

from services.scoring.people import Fact
from services.scoring.people_tally import PeopleTally
from services.scoring.store import MemoryStore
from tests.support.histories import NOON, TODAY

ANNA = "a" * 32
NEXT_DAY = TODAY + timedelta(days=1)


def a_fact(response_id: str, score: int | None = 9, *, days: int = 0) -> Fact:
    at = NOON + timedelta(days=days)
    return Fact("g1", "default", ANNA, response_id, at, score, ["all"] if score is not None else [])


def counted(*facts: Fact) -> dict[date, dict[int, int]]:
    """What a run of facts has published of each day: scores and how many."""
    tally = PeopleTally(MemoryStore(), TODAY)
    tally.fold(list(enumerate(facts)), len(facts))
    cells = tally.pending(9, TODAY)
    return {
        cell.day: {score: n for by_score in cell.counts.values() for score, n in by_score.items()} for cell in cells
    }


def test_the_answer_given_last_counts_whatever_the_order() -> None:
    assert counted(a_fact("b", 3, days=1), a_fact("a", 9)) == {NEXT_DAY: {3: 1}}


def test_a_retraction_brings_back_the_answer_before() -> None:
    facts = a_fact("a", 9), a_fact("b", 3, days=1), a_fact("b", None)
    assert counted(*facts) == {TODAY: {9: 1}, NEXT_DAY: {}}


def test_what_was_the_latest_for_a_while_is_published_as_gone() -> None:
    assert counted(a_fact("a", 9), a_fact("b", 3, days=1)) == {TODAY: {}, NEXT_DAY: {3: 1}}


def test_a_latest_answer_that_moves_to_an_earlier_day_gives_way() -> None:
    facts = a_fact("a", 9), a_fact("b", 3, days=1), a_fact("b", 3, days=-1)
    assert counted(*facts) == {TODAY: {9: 1}, NEXT_DAY: {}}
