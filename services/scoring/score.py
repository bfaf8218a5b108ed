"""What a count is worth: NPS, its interval, the difference of two windows, and how many answers are missing.

Pure arithmetic on counts of promoters, passives and detractors; formulas in points (-100 to 100) unless said otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final, Literal

Direction = Literal["up", "down", "no_evidence"]

ADDED_ANSWERS: Final = 3.0
ADDED_EXTREMES: Final = 0.75
"""What adjusted Wald adds: three answers, three quarters of one to each extreme (Rocks, 2016)."""


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


def needed(counts: Counts, margin: float, level: float) -> int:
    """How many answers are missing until the interval is no wider than plus or minus `margin` points.

    n = v z² / m² - 3, which is the interval solved for n, with the variance seen so far.
    """
    adjusted = _adjusted(counts)
    enough = adjusted.variance * (100 * critical(level) / margin) ** 2 - ADDED_ANSWERS
    return max(0, math.ceil(enough - counts.n))


def difference(now: Counts, before: Counts, level: float) -> Difference:
    """Whether the score moved: z test on adjusted values; evidence where p is below 1 - level.

    z = (NPS₁ - NPS₂) / 100 / sqrt(v₁/n₁' + v₂/n₂'), adjusted as the interval is (MeasuringU, comparing two scores).
    """
    new, old = nps(now), nps(before)
    if new is None or old is None:
        return Difference("no_evidence", None, None, None)
    one, two = _adjusted(now), _adjusted(before)
    z = (one.mean - two.mean) / math.sqrt(one.variance / one.n + two.variance / two.n)
    p = 2 * (1 - NormalDist().cdf(abs(z)))
    direction: Direction = "no_evidence" if p >= 1 - level else ("up" if z > 0 else "down")
    return Difference(direction, new - old, z, p)
