"""What a count is worth, against the vectors of the reference and against statsmodels."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.weightstats import DescrStatsW

from services.scoring.score import Counts, critical, difference, interval, needed, nps

counts = st.builds(Counts, *(st.integers(0, 10_000) for _ in range(3)))

VECTORS = [
    ((400, 500, 100), 30.0, 25.9450, 33.8756),
    ((40, 50, 10), 30.0, 16.6828, 41.5697),
    ((20, 25, 5), 30.0, 10.8564, 45.7474),
    ((4, 5, 1), 30.0, -13.2565, 59.4104),
    ((5, 0, 0), 100.0, 17.4915, 100.0),
]


@pytest.mark.parametrize(("bands", "score", "low", "high"), VECTORS)
def test_score_and_interval_are_those_of_the_reference(
    bands: tuple[int, int, int], score: float, low: float, high: float
) -> None:
    bounds = interval(Counts(*bands), 0.95)
    assert nps(Counts(*bands)) == score
    assert bounds is not None
    assert (round(bounds.low, 4), round(bounds.high, 4)) == (low, high)


def test_passives_stay_in_the_base() -> None:
    assert nps(Counts.of([10] * 7 + [500 - 250, 250] + [200, 200])) == pytest.approx(100 * (400 - 70) / 970)
    assert nps(Counts(400, 500, 100)) == 30.0


def test_zero_is_a_score_like_any_other() -> None:
    assert Counts.of([1] + [0] * 10) == Counts(0, 0, 1)


def test_nobody_is_no_score_rather_than_zero() -> None:
    assert nps(Counts()) is None
    assert interval(Counts(), 0.95) is None


def test_the_same_fall_is_real_among_a_thousand_and_noise_among_a_hundred() -> None:
    many = difference(Counts(370, 500, 130), Counts(400, 500, 100), 0.95)
    few = difference(Counts(37, 50, 13), Counts(40, 50, 10), 0.95)
    assert (many.direction, round(many.z or 0, 2), round(many.p or 0, 3)) == ("down", -2.05, 0.040)
    assert (few.direction, round(few.z or 0, 2), round(few.p or 0, 2)) == ("no_evidence", -0.64, 0.52)
    assert many.delta == few.delta == -6.0


def test_an_empty_window_is_no_evidence() -> None:
    assert difference(Counts(1, 1, 1), Counts(), 0.95).direction == "no_evidence"


@given(counts)
def test_the_interval_is_the_normal_one_of_the_adjusted_answers(found: Counts) -> None:
    """Statsmodels' weighted mean and its standard error over +1, 0 and -1, with three answers added, as an oracle."""
    bounds = interval(found, 0.95)
    if bounds is None:
        return
    weights = [found.promoters + 0.75, found.passives + 1.5, found.detractors + 0.75]
    oracle = DescrStatsW([1.0, 0.0, -1.0], weights=weights, ddof=0)
    half = critical(0.95) * math.sqrt(oracle.var / oracle.sum_weights)
    assert bounds.low == pytest.approx(max(100 * (oracle.mean - half), -100), abs=1e-9)
    assert bounds.high == pytest.approx(min(100 * (oracle.mean + half), 100), abs=1e-9)


@given(counts, st.floats(1, 50))
def test_with_the_answers_still_needed_the_interval_is_as_narrow_as_asked(found: Counts, margin: float) -> None:
    missing = needed(found, margin, 0.95)
    bounds = interval(found, 0.95)
    if missing == 0 and bounds is not None:
        assert bounds.high - bounds.low <= 2 * margin + 1e-9


@given(counts, counts)
def test_a_difference_turned_round_is_the_opposite_one(one: Counts, two: Counts) -> None:
    there, back = difference(one, two, 0.95), difference(two, one, 0.95)
    assert there.p == back.p
    opposite = {"up": "down", "down": "up", "no_evidence": "no_evidence"}
    assert back.direction == opposite[there.direction]
