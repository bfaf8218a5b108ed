"""What a count is worth, against vectors worked out by hand and against statsmodels and scipy."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm
from statsmodels.stats.power import zt_ind_solve_power
from statsmodels.stats.weightstats import CompareMeans, DescrStatsW

from services.scoring.score import (
    Counts,
    Difference,
    Spanned,
    answers_for_change,
    answers_for_margin,
    critical,
    detectable,
    difference,
    interval,
    needed,
    nps,
    reached,
    sample,
)

NOW = datetime(2026, 5, 20, 12, tzinfo=UTC)
DAY = timedelta(days=1)

counts = st.builds(Counts, *(st.integers(0, 10_000) for _ in range(3)))
some = counts.filter(lambda found: found.n > 0)

VECTORS = [
    ((400, 500, 100), 30.0, 25.9450, 33.8756),
    ((40, 50, 10), 30.0, 16.6828, 41.5697),
    ((20, 25, 5), 30.0, 10.8564, 45.7474),
    ((4, 5, 1), 30.0, -13.2565, 59.4104),
    ((5, 0, 0), 100.0, 17.4915, 100.0),
]


def compared(now: Counts, before: Counts, level: float = 0.95) -> Difference:
    """One day against the day before it."""
    return difference(Spanned(now, NOW - DAY, NOW), Spanned(before, NOW - 2 * DAY, NOW - DAY), level)


def weighed(found: Counts) -> DescrStatsW:
    """Answers as +1, 0 and -1 with three added, for the oracle."""
    weights = [found.promoters + 0.75, found.passives + 1.5, found.detractors + 0.75]
    return DescrStatsW([1.0, 0.0, -1.0], weights=weights, ddof=0)


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
    many = compared(Counts(370, 500, 130), Counts(400, 500, 100))
    few = compared(Counts(37, 50, 13), Counts(40, 50, 10))
    assert (many.direction, round(many.z or 0, 2), round(many.p or 0, 3)) == ("down", -2.05, 0.040)
    assert (few.direction, round(few.z or 0, 2), round(few.p or 0, 2)) == ("no_evidence", -0.64, 0.52)
    assert many.delta == few.delta == -6.0


def test_an_empty_window_is_no_evidence() -> None:
    assert compared(Counts(1, 1, 1), Counts()).direction == "no_evidence"


@given(counts)
def test_the_interval_is_the_normal_one_of_the_adjusted_answers(found: Counts) -> None:
    """Statsmodels' weighted mean and its standard error over +1, 0 and -1, with three answers added, as an oracle."""
    bounds = interval(found, 0.95)
    if bounds is None:
        return
    oracle = weighed(found)
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
    there, back = compared(one, two), compared(two, one)
    assert there.p == back.p
    opposite = {"up": "down", "down": "up", "no_evidence": "no_evidence"}
    assert back.direction == opposite[there.direction]


@given(some, some)
def test_the_test_of_a_difference_is_that_of_statsmodels(one: Counts, two: Counts) -> None:
    found = compared(one, two)
    first, second = weighed(one), weighed(two)
    error = math.hypot(math.sqrt(first.var / first.sum_weights), math.sqrt(second.var / second.sum_weights))
    z = (first.mean - second.mean) / error
    assert found.z == pytest.approx(z, abs=1e-9)
    assert found.p == pytest.approx(2 * norm.sf(abs(z)), rel=1e-6, abs=1e-300)


def test_the_test_of_a_difference_is_nearly_that_of_means_with_unequal_variances() -> None:
    """Statsmodels divides by n - 1 where adjusted Wald divides by n: the same to three digits among a thousand."""
    oracle = CompareMeans(weighed(Counts(370, 500, 130)), weighed(Counts(400, 500, 100)))
    z, p = oracle.ztest_ind(usevar="unequal")
    found = compared(Counts(370, 500, 130), Counts(400, 500, 100))
    assert found.z == pytest.approx(z, rel=2e-3)
    assert found.p == pytest.approx(p, rel=5e-3)


def test_overwhelming_evidence_is_small_and_not_zero() -> None:
    found = compared(Counts(9000, 500, 500), Counts(8000, 1000, 1000))
    assert (found.z or 0) > 9
    assert 0 < (found.p or 0) < 1e-20


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (NOW - 31 * DAY, NOW - DAY + timedelta(seconds=1)),
        (NOW - 30 * DAY, NOW + DAY),
        (None, NOW),
        (NOW - timedelta(hours=2), NOW - timedelta(hours=1)),
    ],
)
def test_windows_that_share_answers_are_not_compared(start: datetime | None, end: datetime) -> None:
    now = Spanned(Counts(1, 1, 1), NOW - DAY, NOW)
    with pytest.raises(ValueError, match="overlap"):
        difference(now, Spanned(Counts(1, 1, 1), start, end), 0.95)
    with pytest.raises(ValueError, match="overlap"):
        difference(Spanned(Counts(1, 1, 1), start, end), now, 0.95)


def test_a_window_without_a_start_may_end_where_the_other_begins() -> None:
    now = Spanned(Counts(1, 1, 1), NOW - DAY, NOW)
    assert difference(now, Spanned(Counts(1, 1, 1), None, NOW - DAY), 0.95).delta == 0


MARGINS = [
    (20, 36, 45, 93),
    (15, 67, 82, 168),
    (10, 154, 189, 381),
    (5, 627, 765, 1534),
    (3, 1747, 2131, 4265),
]


@pytest.mark.parametrize(("margin", "seed", "typical", "worst"), MARGINS)
def test_answers_for_a_margin_are_those_of_the_reference(margin: int, seed: int, typical: int, worst: int) -> None:
    found = [answers_for_margin(variance, margin, 0.95) for variance in (0.41, 0.5, 1.0)]
    assert found == pytest.approx([seed, typical, worst], abs=1)


def test_about_640_answers_each_show_a_change_of_ten_points() -> None:
    assert (answers_for_change(0.41, 10, 0.95), answers_for_change(0.5, 10, 0.95)) == (641, 782)


@given(st.floats(0.05, 1), st.floats(1, 40), st.sampled_from([0.8, 0.9, 0.95]))
def test_answers_for_a_change_are_those_of_statsmodels(variance: float, change: float, power: float) -> None:
    """Without the other tail, which statsmodels counts as found too, and with the three added answers taken off."""
    effect = change / 100 / math.sqrt(variance)
    oracle = zt_ind_solve_power(effect_size=effect, alpha=0.025, power=power, alternative="larger")
    assert answers_for_change(variance, change, 0.95, power) == pytest.approx(max(0, oracle - 3), abs=1.01)


@given(some, some)
def test_what_is_detectable_shows_with_the_power_asked_for(one: Counts, two: Counts) -> None:
    least = detectable(one, two, 0.95, 0.8)
    assert least is not None
    first, second = weighed(one), weighed(two)
    error = 100 * math.hypot(math.sqrt(first.var / first.sum_weights), math.sqrt(second.var / second.sum_weights))
    assert norm.sf(norm.isf(0.025) - least / error) == pytest.approx(0.8, abs=1e-9)


def test_an_empty_window_shows_nothing() -> None:
    assert detectable(Counts(), Counts(1, 1, 1), 0.95) is None


@given(some, st.floats(-100, 100))
def test_the_probability_of_a_target_is_the_normal_one(found: Counts, value: float) -> None:
    oracle = weighed(found)
    error = math.sqrt(oracle.var / oracle.sum_weights)
    assert reached(found, value) == pytest.approx(norm.sf(value / 100, oracle.mean, error), abs=1e-12)


def test_a_target_at_the_adjusted_score_is_an_even_bet_and_nobody_reaches_none() -> None:
    assert reached(Counts(50, 10, 50), 0) == pytest.approx(0.5)
    assert reached(Counts(), 0) is None


@pytest.mark.parametrize(
    ("n", "worth"), [(0, "insufficient"), (9, "insufficient"), (10, "indicative"), (49, "indicative"), (50, "sound")]
)
def test_a_small_sample_is_marked(n: int, worth: str) -> None:
    assert sample(n) == worth
