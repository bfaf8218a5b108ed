"""What a score is published with."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from pydantic import ValidationError

from services.scoring.figures import BenchmarkSection, TargetSection
from services.scoring.score import Counts
from services.scoring.verdicts import benchmarks_of, target_of

SAID: dict[str, Any] = {"source": "Retently", "date": date(2026, 1, 1)}


def test_a_target_says_how_sure_it_is_that_it_has_been_reached() -> None:
    target = target_of(Counts(400, 500, 100), TargetSection(value=25, **SAID))
    assert target is not None
    assert (target.value, target.source) == (25, "Retently")
    assert target.probability == pytest.approx(0.992, abs=0.001)


def test_without_answers_nobody_knows_whether_a_target_has_been_reached() -> None:
    target = target_of(Counts(), TargetSection(value=25, **SAID))
    assert target is not None
    assert target.probability is None


def test_a_benchmark_is_one_figure_or_a_range() -> None:
    one, range_ = benchmarks_of([BenchmarkSection(value=45, **SAID), BenchmarkSection(low=40, high=50, **SAID)])
    assert ((one.low, one.high), (range_.low, range_.high)) == ((45, 45), (40, 50))


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({}, "either value"),
        ({"low": 40}, "either value"),
        ({"value": 45, "low": 40, "high": 50}, "either value"),
        ({"low": 50, "high": 40}, "must not lie above"),
        ({"value": 101}, "less than or equal to 100"),
    ],
)
def test_a_benchmark_that_says_too_little_or_too_much_is_refused(given: dict[str, float], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        BenchmarkSection(**given, **SAID)
