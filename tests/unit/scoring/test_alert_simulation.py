"""What the default alerts cost and find, by simulation with fixed seeds; the guide shows the same figures.

A steady day has 800 answers of 40, 50 and 10 per cent, more of them by day than by night. Rules are judged each hour,
as the service judges them. What is found is judged once, at the end of a day that is bad from midnight to midnight,
after 28 steady ones.
"""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from services.scoring.alert_rules import Ground, findings
from services.scoring.alert_settings import AlertsSection
from tests.support.simulated_days import FIRST, STEADY, Mix, SimulatedDays, opened

GUIDE = Path(__file__).parents[3] / "docs" / "guides" / "alerts.md"
DEFAULTS = AlertsSection()
STEADY_DAYS = 1_000
RUNS = 300
BASELINE_DAYS = 28
KINDS = ("moved", "band", "silent")

FALLS: dict[int, Mix] = {
    3: (0.385, 0.5, 0.115),
    5: (0.375, 0.5, 0.125),
    8: (0.36, 0.5, 0.14),
    10: (0.35, 0.5, 0.15),
    12: (0.34, 0.5, 0.16),
    14: (0.33, 0.5, 0.17),
    20: (0.3, 0.5, 0.2),
}
"""Points that the score falls by, and the mix that is left."""


@pytest.fixture(scope="module")
def false_alarms() -> Counter[str]:
    days = SimulatedDays(np.random.default_rng(1), [STEADY] * (BASELINE_DAYS + STEADY_DAYS))
    since = FIRST + timedelta(days=BASELINE_DAYS)
    return Counter(str(alert.kind) for alert in opened(days, since, DEFAULTS))


@pytest.fixture(scope="module")
def reported() -> dict[int, Counter[str]]:
    """Of so many runs a fall, how many are reported as a fall, and how many by any rule."""
    chance = np.random.default_rng(7)
    return {points: _reported(chance, mix) for points, mix in FALLS.items()}


def _reported(chance: np.random.Generator, mix: Mix) -> Counter[str]:
    found: Counter[str] = Counter()
    for _ in range(RUNS):
        days = SimulatedDays(chance, [*[STEADY] * BASELINE_DAYS, mix])
        alarming = {
            finding.rule
            for finding in findings(Ground(days.between, days.end), DEFAULTS, anew=False)
            if finding.verdict == "alarming"
        }
        found.update(fall=int("nps-fell" in alarming), any=int(bool(alarming)))
    return found


def test_a_thousand_steady_days_raise_at_most_ten_false_alarms(false_alarms: Counter[str]) -> None:
    assert false_alarms.total() <= 10


def test_a_fall_of_ten_points_is_reported_at_the_next_evaluation_in_four_of_five_runs(
    reported: dict[int, Counter[str]],
) -> None:
    assert reported[10]["fall"] >= 0.8 * RUNS


def test_the_guide_shows_the_figures_of_the_simulation(
    false_alarms: Counter[str], reported: dict[int, Counter[str]]
) -> None:
    by_kind = ", ".join(f"{kind} {false_alarms[kind]}" for kind in KINDS)
    lines = [
        f"In {STEADY_DAYS:,} steady days: {false_alarms.total()} false alarms ({by_kind}).",
        "",
        "| the score falls by | reported as a fall | reported by any rule |",
        "|---|---|---|",
        *(
            f"| {points} points | {100 * found['fall'] / RUNS:.0f} % | {100 * found['any'] / RUNS:.0f} % |"
            for points, found in reported.items()
        ),
    ]
    assert "\n".join(lines) in GUIDE.read_text(), "\n".join(lines)
