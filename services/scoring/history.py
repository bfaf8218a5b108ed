"""Answers questions about scores: what stands, how it came about by bucket, two spans against each other."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from schemas.malformed import Malformed
from schemas.score import Interval
from services.scoring.board import BoardKey
from services.scoring.measuring import edge_minutes, series_of
from services.scoring.periods import Period, current
from services.scoring.resources import (
    Comparison,
    ComparisonWanted,
    History,
    ScoreFilter,
    SeriesWanted,
    Span,
    cursor_of,
    place_of,
)
from services.scoring.score import Counts, Spanned, interval, nps
from services.scoring.verdicts import verdict_of
from services.scoring.windows import Histogram, SegmentCounts

if TYPE_CHECKING:
    from services.chassis.business import Sections
    from services.scoring.settings import ScoringSection
    from services.scoring.shelf import Shelf

MOST_BUCKETS: Final = 2_000
HOUR: Final = timedelta(hours=1)

Bounds = tuple[datetime, datetime]


class Desk:
    """Where people ask for scores."""

    def __init__(self, shelf: Shelf, sections: Sections[ScoringSection]) -> None:
        self._shelf = shelf
        self._sections = sections

    def page(self, wanted: ScoreFilter) -> bytes:
        """Scores as they were last published, as JSON.

        Raises:
            Malformed: if the tenant is unknown or the cursor none of ours.
            Transient: while they are being read.
        """
        if wanted.tenant is not None:
            self._sections.of(wanted.tenant)
        after = place_of(wanted.cursor) if wanted.cursor else None
        self._shelf.require_complete()
        fitting = (
            key
            for key in self._shelf.board.in_order()
            if wanted.fits(key, series_of(key[2])) and (after is None or key > after)
        )
        keys: list[BoardKey] = list(islice(fitting, wanted.limit + 1))
        listed = b",".join(found for key in keys[: wanted.limit] if (found := self._shelf.board.of(key)))
        more = b',"next":"' + cursor_of(keys[wanted.limit - 1]).encode() + b'"' if keys[wanted.limit :] else b""
        return b'{"scores":[' + listed + b"]" + more + b"}"

    async def history(self, wanted: SeriesWanted) -> History:
        """One segment by bucket.

        Raises:
            Malformed: if the tenant is unknown or there are too many buckets.
            Transient: while counts are being read or made.
        """
        section = self._sections.of(wanted.tenant)
        zone = wanted.zone(section.zone)
        spans = list(islice(_buckets(wanted, zone), MOST_BUCKETS + 1))
        if len(spans) > MOST_BUCKETS:
            raise Malformed.of("bucket", f"too small for this span: there would be more than {MOST_BUCKETS}")
        counts = await self._shelf.counts(wanted.tenant, wanted.segment, wanted.series)
        return History(
            tenant=wanted.tenant,
            segment=wanted.segment,
            series=wanted.series,
            bucket=wanted.bucket,
            timezone=zone.key,
            buckets=[_span(counts, span, section.level) for span in spans],
        )

    async def compare(self, wanted: ComparisonWanted) -> Comparison:
        """Two spans of one segment against each other.

        Raises:
            Malformed: if the tenant is unknown.
            Transient: while counts are being read or made.
        """
        section = self._sections.of(wanted.tenant)
        counts = await self._shelf.counts(wanted.tenant, wanted.segment, wanted.series)
        a, b = (wanted.a_from, wanted.a_to), (wanted.b_from, wanted.b_to)
        one, other = (Spanned(Counts.of(counts.between(*span)), *span) for span in (a, b))
        return Comparison(
            tenant=wanted.tenant,
            segment=wanted.segment,
            series=wanted.series,
            a=_span(counts, a, section.level),
            b=_span(counts, b, section.level),
            verdict=verdict_of(one, other, section.level),
        )


def _buckets(wanted: SeriesWanted, zone: ZoneInfo) -> Iterator[Bounds]:
    """Every bucket that has a part in what is asked for, the earliest first."""
    if wanted.bucket == "hour":
        local = wanted.start.astimezone(zone)
        start = wanted.start - timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)
        while start < wanted.end:
            yield start, start + HOUR
            start += HOUR
        return
    period: Period | None = current(wanted.bucket, wanted.start, zone)
    while period and period.span(zone)[0] < wanted.end:
        yield period.span(zone)
        period = period.after()


def _span(counts: SegmentCounts, bounds: Bounds, level: float) -> Span:
    histogram: Histogram = counts.between(*bounds)
    bands = Counts.of(histogram)
    sure = interval(bands, level)
    return Span(
        start=bounds[0],
        end=bounds[1],
        edge_minutes=max(edge_minutes(counts, moment) for moment in bounds),
        n=bands.n,
        promoters=bands.promoters,
        passives=bands.passives,
        detractors=bands.detractors,
        histogram=histogram,
        nps=nps(bands),
        interval=Interval(low=sure.low, high=sure.high, level=level) if sure else None,
    )
