"""What one window of one segment holds, what it is compared with, and the score that makes of it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, Literal

from schemas.score import Interval, Score, Verdict, Window
from schemas.tally import Series
from services.scoring.periods import Period
from services.scoring.score import Counts, Spanned, interval, needed, nps, sample
from services.scoring.verdicts import benchmarks_of, target_of, verdict_of
from services.scoring.windows import ALL_TIME, COARSE_MINUTES, Histogram, RollingWindow, SegmentCounts, previous

if TYPE_CHECKING:
    from services.scoring.settings import ScoringSection

State = Literal["open", "final", "restated"]

LATEST_SUFFIX: Final = ".latest"
SUFFIXES: Final[dict[Series, str]] = {"all": "", "latest": LATEST_SUFFIX}
"""What a window's name ends in, by what it counts."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One window of one segment as counted. `period` is none where it is no calendar window."""

    window: Window
    histogram: Histogram
    before: Histogram | None
    since: datetime | None
    """Where the window before begins; none where there is none."""
    period: Period | None = None


@dataclass(frozen=True, slots=True)
class Named:
    """Whose window: what a score is about besides its span."""

    tenant: str
    segment: str
    series: Series


def measure_rolling(window: RollingWindow, counts: SegmentCounts, series: Series, now: datetime) -> Measured:
    """A window that ends now, and the span of the same length before it."""
    start, span = window.start(now), previous(window, now)
    return Measured(
        Window(
            name=window.name + SUFFIXES[series],
            kind="all_time" if window.name == ALL_TIME else "rolling",
            start=start,
            end=now,
            edge_minutes=counts.edge_minutes(start),
        ),
        counts.between(start, None),
        counts.between(*span) if span else None,
        span[0] if span else None,
    )


def measure_period(
    period: Period, counts: SegmentCounts, section: ScoringSection, state: State, series: Series
) -> Measured:
    """A calendar window, and the whole period of its kind before it."""
    start, end = period.span(section.zone)
    earlier = period.before()
    before = earlier.span(section.zone) if earlier else None
    return Measured(
        Window(
            name=period.name + SUFFIXES[series],
            kind="calendar",
            start=start,
            end=end,
            edge_minutes=max(edge_minutes(counts, start), edge_minutes(counts, end)),
            state=state,
        ),
        counts.between(start, end),
        counts.between(*before) if before else None,
        before[0] if before else None,
        period,
    )


def edge_minutes(counts: SegmentCounts, moment: datetime) -> int:
    """How far an end of a span may be off: not at all where it falls on a bucket, as every midnight of today does."""
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    if (moment - midnight) % timedelta(minutes=COARSE_MINUTES) == timedelta(0):
        return 0
    return counts.edge_minutes(moment)


def series_of(window: str) -> Series:
    """What a window counts, told from its name."""
    return "latest" if window.endswith(LATEST_SUFFIX) else "all"


def score_of(named: Named, measured: Measured, section: ScoringSection, now: datetime) -> Score:
    """The score of a window with everything it is worth."""
    counts = Counts.of(measured.histogram)
    points, bounds = nps(counts), interval(counts, section.level)
    missing = needed(counts, section.margin, section.level)
    target = section.targets.get(named.segment)
    return Score(
        tenant=named.tenant,
        segment=named.segment,
        series=named.series,
        window=measured.window,
        as_of=now,
        n=counts.n,
        promoters=counts.promoters,
        passives=counts.passives,
        detractors=counts.detractors,
        histogram=measured.histogram,
        nps=points,
        interval=Interval(low=bounds.low, high=bounds.high, level=section.level) if bounds else None,
        verdict=_verdict(counts, measured, section.level),
        enough=counts.n > 0 and missing == 0,
        needed=missing,
        target=target_of(counts, target),
        distance=points - target.value if target and points is not None else None,
        sample=sample(counts.n),
        benchmarks=benchmarks_of(section.benchmarks.get(named.segment, ())),
    )


def _verdict(counts: Counts, measured: Measured, level: float) -> Verdict | None:
    window = measured.window
    if measured.before is None or window.start is None:
        return None
    before = Spanned(Counts.of(measured.before), measured.since, window.start)
    return verdict_of(Spanned(counts, window.start, window.end), before, level)
