"""What a count is worth: NPS, its interval, the difference of two windows, what would be seen, how much is missing.

Pure arithmetic on counts of promoters, passives and detractors; formulas in points (-100 to 100) unless said otherwise.
Variances are those of one answer coded +1, 0 and -1, so between 0 and 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import NormalDist
from typing import Final, Literal

Direction = Literal["up", "down", "no_evidence"]
Sample = Literal["insufficient", "indicative", "sound"]

ADDED_ANSWERS: Final = 3.0
ADDED_EXTREMES: Final = 0.75
"""What adjusted Wald adds: three answers, three quarters of one to each extreme (Rocks, 2016)."""

INDICATIVE_FROM: Final = 10
SOUND_FROM: Final = 50
"""Below ten answers the interval spans a third of the scale or more; from fifty on a change can be told from chance."""

POWER: Final = 0.8
"""How sure one wants to be of seeing a change that is there (Cohen, 1988)."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Answers by band. Passives stay in the base: 400, 500 and 100 are 30, not 60."""

    promoters: int = 0
    passives: int = 0
    detractors: int = 0

    @classmethod
    def of(cls, histogram: Sequence[int]) -> Counts:
        """From answers by score 0 to 10."""
        return cls(sum(histogram[9:]), sum(histogram[7:9]), sum(histogram[:7]))

    @property
    def n(self) -> int:
        """All answers."""
        return self.promoters + self.passives + self.detractors


@dataclass(frozen=True, slots=True)
class Spanned:
    """Counts of the span [start, end); without a start it reaches back to the first answer."""

    counts: Counts
    start: datetime | None
    end: datetime


@dataclass(frozen=True, slots=True)
class Bounds:
    """Where the true score lies with the confidence asked for."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Difference:
    """One window against another that shares no answers with it; `p` is two-sided."""

    direction: Direction
    delta: float | None
    z: float | None
    p: float | None


@dataclass(frozen=True, slots=True)
class _Adjusted:
    """Mean and variance of one answer coded +1, 0, -1, after the adjustment, and the adjusted number of answers."""

    mean: float
    variance: float
    n: float


def nps(counts: Counts) -> float | None:
    """Share of promoters less share of detractors, in points; none without answers (Reichheld, 2003)."""
    return 100 * (counts.promoters - counts.detractors) / counts.n if counts.n else None


def _adjusted(counts: Counts) -> _Adjusted:
    n = counts.n + ADDED_ANSWERS
    p = (counts.promoters + ADDED_EXTREMES) / n
    d = (counts.detractors + ADDED_EXTREMES) / n
    return _Adjusted(p - d, p + d - (p - d) ** 2, n)


def critical(level: float) -> float:
    """The normal quantile that leaves (1 - level) / 2 above it: 1.96 for 0.95."""
    return NormalDist().inv_cdf(0.5 + level / 2)


def interval(counts: Counts, level: float) -> Bounds | None:
    """Adjusted Wald interval around the adjusted score, kept within the scale; none without answers (Rocks, 2016)."""
    if not counts.n:
        return None
    adjusted = _adjusted(counts)
    centre, half = 100 * adjusted.mean, 100 * critical(level) * math.sqrt(adjusted.variance / adjusted.n)
    return Bounds(max(centre - half, -100.0), min(centre + half, 100.0))


def sample(n: int) -> Sample:
    """How far so many answers carry: too few to show, a first indication, or enough to compare."""
    if n < INDICATIVE_FROM:
        return "insufficient"
    return "indicative" if n < SOUND_FROM else "sound"


def answers_for_margin(variance: float, margin: float, level: float) -> float:
    """How many answers give an interval of plus or minus `margin` points.

    n = v z² / m² - 3, which is the adjusted Wald interval solved for n.
    """
    return variance * (100 * critical(level) / margin) ** 2 - ADDED_ANSWERS


def needed(counts: Counts, margin: float, level: float) -> int:
    """How many answers are missing until the interval is no wider than plus or minus `margin` points.

    With the variance seen so far.
    """
    enough = answers_for_margin(_adjusted(counts).variance, margin, level)
    return max(0, math.ceil(enough - counts.n))


def reached(counts: Counts, value: float) -> float | None:
    """The probability that the true score is at least `value`; none without answers.

    Normal around the adjusted score, as the interval is: below one half where the adjusted score is below the value.
    """
    if not counts.n:
        return None
    adjusted = _adjusted(counts)
    z = (adjusted.mean - value / 100) / math.sqrt(adjusted.variance / adjusted.n)
    return _upper_tail(-z)


def difference(now: Spanned, before: Spanned, level: float) -> Difference:
    """Whether the score moved: z test on adjusted values; evidence where p is below 1 - level.

    z = (NPS₁ - NPS₂) / 100 / sqrt(v₁/n₁' + v₂/n₂'), adjusted as the interval is (MeasuringU, comparing two scores).
    The test is one of two independent samples: windows that overlap share answers, and it would not hold.

    Raises:
        ValueError: if the spans overlap.
    """
    if _overlap(now, before):
        raise ValueError("windows that overlap share answers and cannot be compared")
    new, old = nps(now.counts), nps(before.counts)
    if new is None or old is None:
        return Difference("no_evidence", None, None, None)
    z = (_adjusted(now.counts).mean - _adjusted(before.counts).mean) / _error(now.counts, before.counts)
    p = 2 * _upper_tail(abs(z))
    direction: Direction = "no_evidence" if p >= 1 - level else ("up" if z > 0 else "down")
    return Difference(direction, new - old, z, p)


def detectable(now: Counts, before: Counts, level: float, power: float = POWER) -> float | None:
    """The smallest change in points that two windows of these sizes would show with probability `power`.

    (z₁ + z₂) sqrt(v₁/n₁' + v₂/n₂'), z₁ for the level and z₂ for the power: the test of `difference` solved for the
    difference (Lachin, 1981). None where one of the windows is empty.
    """
    if not now.n or not before.n:
        return None
    return 100 * (critical(level) + NormalDist().inv_cdf(power)) * _error(now, before)


def answers_for_change(variance: float, change: float, level: float, power: float = POWER) -> int:
    """How many answers each of two windows needs, for a change of so many points to show with probability `power`.

    n = 2 v (z₁ + z₂)² / d² - 3 for windows of equal size and variance (MeasuringU, sample sizes for comparing scores).
    """
    quantiles = critical(level) + NormalDist().inv_cdf(power)
    return max(0, math.ceil(2 * variance * (100 * quantiles / change) ** 2 - ADDED_ANSWERS))


def _error(one: Counts, two: Counts) -> float:
    """Standard error of the difference of two scores, on the scale of -1 to 1."""
    first, second = _adjusted(one), _adjusted(two)
    return math.sqrt(first.variance / first.n + second.variance / second.n)


def _upper_tail(z: float) -> float:
    """The share of the normal distribution above z; by erfc, since 1 - cdf(z) is 0 from z = 8.3 on."""
    return math.erfc(z / math.sqrt(2)) / 2


def _overlap(one: Spanned, two: Spanned) -> bool:
    begins_before = [a.start is None or a.start < b.end for a, b in ((one, two), (two, one))]
    return all(begins_before)
