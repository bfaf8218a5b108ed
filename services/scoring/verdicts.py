"""What a score is published with: the verdict on its move, the target it is held against, what others reach. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from schemas.score import Benchmark, Target, Verdict
from services.scoring.score import Counts, Spanned, detectable, difference, reached

if TYPE_CHECKING:
    from services.scoring.figures import BenchmarkSection, TargetSection


def verdict_of(now: Spanned, before: Spanned, level: float) -> Verdict:
    """A window against one that ended before it began.

    Raises:
        ValueError: if they overlap.
    """
    moved = difference(now, before, level)
    least = detectable(now.counts, before.counts, level)
    return Verdict(direction=moved.direction, delta=moved.delta, z=moved.z, p=moved.p, detectable=least)


def target_of(counts: Counts, target: TargetSection | None) -> Target | None:
    """The target, and how sure it is that it has been reached."""
    if target is None:
        return None
    probability = reached(counts, target.value)
    return Target(value=target.value, source=target.source, date=target.date, probability=probability)


def benchmarks_of(benchmarks: Iterable[BenchmarkSection]) -> list[Benchmark]:
    """What others reach, a single figure being a range of its own."""
    return [
        Benchmark(low=one.bounds[0], high=one.bounds[1], source=one.source, date=one.date, note=one.note)
        for one in benchmarks
    ]
