"""What each rule finds in counts, at the edges of what it takes for evidence."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy.stats import poisson

from services.scoring.alert_rules import Finding, Ground, _at_most, findings, last_turn
from services.scoring.alert_settings import AlertsSection, BandRule, MovedRule, SilentRule, TargetRule

NOW = datetime(2026, 5, 20, tzinfo=UTC)
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
NONE: dict[str, Any] = {"moved": None, "target": None, "silent": None, "band": None}

Daily = Callable[[int], tuple[int, int, int]]
"""Promoters, passives and detractors of the day that ended so many days ago."""


def ground(daily: Daily, target: float | None = None) -> Ground:
    """Counts by day, each day's answers spread evenly over its hours."""

    def between(start: datetime, end: datetime) -> list[int]:
        bands = [0.0, 0.0, 0.0]
        hour = start
        while hour < end:
            ago = math.ceil((NOW - hour) / DAY) - 1
            bands = [total + of_day / 24 for total, of_day in zip(bands, daily(ago), strict=True)]
            hour += HOUR
        promoters, passives, detractors = (round(total) for total in bands)
        return [detractors, *[0] * 7, passives, promoters, 0]

    return Ground(between, NOW, target)


def found(daily: Daily, aim: float | None = None, **rules: Any) -> dict[str, Finding]:  # rules of any kind
    section = AlertsSection(**{**NONE, **rules})
    return {finding.rule: finding for finding in findings(ground(daily, aim), section, anew=True)}


def verdicts(daily: Daily, aim: float | None = None, **rules: Any) -> dict[str, str]:  # rules of any kind
    return {rule: finding.verdict for rule, finding in found(daily, aim, **rules).items()}


def verdicts_of_target(daily: Daily, aim: float | None) -> dict[str, str]:
    return verdicts(daily, aim, target=TargetRule())


def since(days: int, new: tuple[int, int, int], old: tuple[int, int, int]) -> Daily:
    """One mix for the last days, another before."""
    return lambda ago: new if ago < days else old


STEADY = (320, 400, 80)


def test_a_fall_with_evidence_is_alarming_and_its_opposite_calm() -> None:
    assert verdicts(since(1, (240, 400, 160), STEADY), moved=MovedRule()) == {
        "nps-fell": "alarming",
        "nps-rose": "calm",
    }


def test_a_rise_is_no_fall() -> None:
    assert verdicts(since(1, (400, 360, 40), STEADY), moved=MovedRule())["nps-rose"] == "alarming"


def test_a_difference_of_no_interest_is_calm_however_sure_it_is() -> None:
    daily = since(1, (31_200, 40_000, 8_800), (32_000, 40_000, 8_000))
    finding = found(daily, moved=MovedRule())["nps-fell"]
    assert (finding.p or 1) < 1e-10
    assert finding.verdict == "calm"


def test_too_few_answers_leave_an_alert_as_it_is() -> None:
    assert set(verdicts(since(1, (0, 0, 48), STEADY), moved=MovedRule()).values()) == {"unclear"}


def test_a_fall_that_is_neither_sure_nor_gone_leaves_an_alert_as_it_is() -> None:
    assert verdicts(since(1, (292, 400, 108), STEADY), moved=MovedRule())["nps-fell"] == "unclear"


def test_the_span_and_what_it_is_compared_with_share_no_answer() -> None:
    finding = found(since(1, STEADY, STEADY), moved=MovedRule())["nps-fell"]
    assert finding.baseline is not None
    assert finding.baseline.end == finding.window.start
    assert finding.baseline.start == NOW - 29 * DAY


def test_a_target_is_missed_when_a_score_that_was_above_it_is_clearly_below() -> None:
    daily = since(28, (36, 44, 20), (48, 44, 8))
    assert verdicts_of_target(daily, 30) == {"target-missed": "alarming", "target-reached": "calm"}


def test_a_target_is_reached_even_if_the_score_took_long_to_be_sure() -> None:
    """Clearly below three spans ago, unclear since, and clearly above now."""

    def daily(ago: int) -> tuple[int, int, int]:
        return [(42, 50, 8), (40, 50, 10), (40, 50, 10), (38, 50, 12)][min(ago // 28, 3)]

    assert verdicts_of_target(daily, 30) == {"target-missed": "calm", "target-reached": "alarming"}


def test_who_has_always_been_below_a_target_crosses_nothing() -> None:
    assert verdicts_of_target(lambda _: STEADY, 45) == {"target-missed": "calm", "target-reached": "calm"}


def test_a_score_at_its_target_is_noise_and_not_news() -> None:
    assert "alarming" not in verdicts_of_target(lambda ago: (41, 50, 9) if ago < 28 else (40, 50, 10), 31).values()


def test_without_a_target_nothing_is_crossed() -> None:
    assert verdicts_of_target(lambda _: STEADY, None) == {}


def silence(last: tuple[int, int, int], weeks: list[tuple[int, int, int]]) -> str:
    """The verdict on a last day, with the same day of earlier weeks, the newest first."""
    same_day = dict(zip(range(7, 35, 7), weeks, strict=False))
    same_day[0] = last
    return verdicts(lambda ago: same_day.get(ago, (0, 0, 0)), silent=SilentRule(window=DAY))["silent"]


def test_silence_is_few_answers_where_many_are_usual() -> None:
    assert silence((0, 0, 24), [STEADY] * 4) == "alarming"
    assert silence((0, 0, 240), [STEADY] * 4) == "unclear"
    assert silence((240, 0, 240), [STEADY] * 4) == "calm"


def test_a_quiet_day_of_the_week_is_no_silence() -> None:
    assert verdicts(lambda ago: (0, 0, 0) if ago % 7 == 0 else STEADY, silent=SilentRule())["silent"] == "unclear"


def test_a_holiday_among_the_weeks_does_not_make_silence_usual() -> None:
    assert silence((0, 0, 0), [(0, 0, 0), STEADY, STEADY, STEADY]) == "alarming"


@pytest.mark.parametrize("weeks", [0, 1, 2])
def test_a_tenant_that_is_new_is_never_silent(weeks: int) -> None:
    assert silence((0, 0, 0), [STEADY] * weeks) == "unclear"


def test_where_few_answer_none_at_all_may_be_chance() -> None:
    assert silence((0, 0, 0), [(0, 0, 24)] * 4) == "alarming"
    assert verdicts(lambda ago: (0, 0, 0) if ago < 1 else (4, 3, 1), silent=SilentRule())["silent"] == "unclear"


@given(st.integers(0, 400), st.floats(0.5, 5_000))
def test_the_probability_of_so_few_is_the_poisson_one(n: int, mean: float) -> None:
    if n < mean:
        assert _at_most(n, mean) == pytest.approx(poisson.cdf(n, mean), rel=1e-6, abs=1e-300)


def test_a_share_beyond_its_limits_is_alarming() -> None:
    found_ = found(since(1, (288, 360, 152), STEADY), band=BandRule())
    assert {rule for rule, one in found_.items() if one.verdict == "alarming"} == {"detractors-up"}
    limits = found_["detractors-up"].limits
    assert limits == pytest.approx((0.1 - 4 * math.sqrt(0.09 / 800), 0.1 + 4 * math.sqrt(0.09 / 800)))


def test_days_that_are_restless_beyond_chance_widen_the_limits() -> None:
    """Shares that swing between 5 and 15 per cent: 15 per cent is nothing new, though far outside of plain limits."""

    def daily(ago: int) -> tuple[int, int, int]:
        return (288, 360, 152) if ago == 0 or ago % 2 else (312, 440, 48)

    assert verdicts(daily, band=BandRule())["detractors-up"] == "calm"


@pytest.mark.parametrize(
    ("new", "old"),
    [((20, 10, 10), STEADY), ((400, 360, 40), (400, 400, 0)), ((320, 400, 80), (4, 3, 2))],
    ids=["few answers", "none of a band so far", "few answers so far"],
)
def test_limits_that_would_not_hold_are_not_drawn(new: tuple[int, int, int], old: tuple[int, int, int]) -> None:
    assert verdicts(since(1, new, old), band=BandRule())["detractors-up"] == "unclear"


def test_a_rule_looks_when_its_turn_has_come_and_as_of_its_last_turn_if_asked_anew() -> None:
    section = AlertsSection(**{**NONE, "moved": MovedRule()})
    at_seven = Ground(ground(lambda _: STEADY).between, NOW - 5 * HOUR)
    assert findings(at_seven, section, anew=False) == []
    assert {one.at for one in findings(at_seven, section, anew=True)} == {NOW - 12 * HOUR}
    assert {one.at for one in findings(ground(lambda _: STEADY), section, anew=False)} == {NOW}


def test_turns_are_counted_from_midnight() -> None:
    assert last_turn(NOW + timedelta(hours=23, minutes=59), 8 * HOUR) == NOW + 16 * HOUR
    assert last_turn(NOW, 8 * HOUR) == NOW


@pytest.mark.parametrize(
    ("rule", "given", "reason"),
    [
        (MovedRule, {"every": "PT5H"}, "must divide a day"),
        (MovedRule, {"every": "PT30M"}, "greater than or equal"),
        (MovedRule, {"window": "PT90M"}, "whole number of hours"),
        (MovedRule, {"p": 0.1}, "settled_p"),
        (MovedRule, {"least": 1}, "greater than or equal"),
        (BandRule, {"baseline": "P6D"}, "at least seven times"),
        (SilentRule, {"share": 0.7}, "less than 0.5"),
        (TargetRule, {"doubt": 0}, "greater than 0"),
        (AlertsSection, {"cool_off": "-PT1H"}, "greater than or equal"),
    ],
)
def test_a_setting_out_of_bounds_is_refused(rule: type[Any], given: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        rule.model_validate(given)
