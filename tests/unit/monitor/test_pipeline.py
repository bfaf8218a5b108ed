"""Which of several tallies is told of, and when counts are said to be rebuilt."""

from __future__ import annotations

import pytest

from services.monitor.pipeline import furthest, rebuilt


def test_of_all_generations_the_one_that_has_read_most_is_told_of() -> None:
    assert furthest({"scoring.tally": 10, "scoring.tally.g1-0a1b2c3d": 11, "scoring.tally.g2": 3}) == (
        "scoring.tally.g1-0a1b2c3d"
    )


@pytest.mark.parametrize(
    ("read", "answers", "share"),
    [(0, 0, None), (0, 999, None), (0, 1_000, 0.0), (500, 2_000, 0.25), (99_000, 100_000, None), (100, 50, None)],
)
def test_counts_are_being_rebuilt_while_much_of_all_answers_is_unread(
    read: int, answers: int, share: float | None
) -> None:
    assert rebuilt(read, answers) == share
