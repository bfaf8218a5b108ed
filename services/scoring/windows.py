"""Windows over exact counts: which buckets a span of time holds, and what they add up to. Pure; time is an argument.

A cell is one source partition's answers of one UTC day, absolute: a newer one replaces it. Buckets are five minutes
wide, fifteen once the publisher has rewritten a day; a span's start is rounded down to its bucket, so an edge is off by
one bucket at most. The last bucket is open: an answer dated a little ahead of our clock counts at once.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Final

SCORES: Final = 11
MINUTES_A_DAY: Final = 24 * 60
FINE_MINUTES: Final = 5
COARSE_MINUTES: Final = 15

Histogram = list[int]
"""Answers by score 0 to 10."""

ALL_TIME: Final = "all_time"


@dataclass(frozen=True, slots=True)
class RollingWindow:
    """A span that ends now. Without a length it reaches back to the first answer."""

    name: str
    length: timedelta | None

    def start(self, now: datetime) -> datetime | None:
        """Where it begins."""
        return None if self.length is None else now - self.length


@dataclass(slots=True)
class _Cell:
    """Counts by bucket and score, packed: a dictionary of a busy day takes twenty times as much."""

    offset: int
    minutes: int
    slots: array[int]
    counts: array[int]

    def add_from(self, minute: int, until: int, histogram: Histogram) -> None:
        """Adds what lies in buckets that begin within [minute, until) of the day, `minute` rounded down to a bucket."""
        first = minute // self.minutes
        for slot, count in zip(self.slots, self.counts, strict=True):
            bucket, score = divmod(slot, SCORES)
            if bucket >= first and bucket * self.minutes < until:
                histogram[score] += count


@dataclass(slots=True)
class _Day:
    cells: dict[int, _Cell] = field(default_factory=dict)
    total: Histogram = field(default_factory=lambda: [0] * SCORES)

    def replace(self, partition: int, cell: _Cell) -> None:
        old = self.cells.get(partition)
        if old:
            for slot, count in zip(old.slots, old.counts, strict=True):
                self.total[slot % SCORES] -= count
        for slot, count in zip(cell.slots, cell.counts, strict=True):
            self.total[slot % SCORES] += count
        self.cells[partition] = cell


@dataclass(slots=True)
class SegmentCounts:
    """All cells of one segment."""

    days: dict[date, _Day] = field(default_factory=dict)
    total: Histogram = field(default_factory=lambda: [0] * SCORES)

    def replace(self, day: date, partition: int, cell: CellContent) -> None:
        """Takes a cell as its partition now states it."""
        held = self.days.setdefault(day, _Day())
        before = list(held.total)
        held.replace(partition, cell.packed())
        self.total = [whole - old + new for whole, old, new in zip(self.total, before, held.total, strict=True)]

    def between(self, start: datetime | None, end: datetime | None) -> Histogram:
        """Answers of [start, end); `end` none is open, and so is `start`."""
        if start is None and end is None:
            return list(self.total)
        histogram = [0] * SCORES
        first = start.astimezone(UTC) if start else None
        last = end.astimezone(UTC) if end else None
        for day, held in self.days.items():
            if (first and day < first.date()) or (last and day > last.date()):
                continue
            begins = first is not None and day == first.date()
            ends = last is not None and day == last.date()
            if not begins and not ends:
                for score, count in enumerate(held.total):
                    histogram[score] += count
                continue
            since = _minute(first) if begins and first else 0
            for cell in held.cells.values():
                until = _bucket_start(last, cell.minutes) if ends and last else MINUTES_A_DAY
                cell.add_from(since, until, histogram)
        return histogram

    def edge_minutes(self, start: datetime | None) -> int:
        """How far a span's start may be off: the widest bucket of its day."""
        if start is None:
            return 0
        held = self.days.get(start.astimezone(UTC).date())
        return max((cell.minutes for cell in held.cells.values()), default=FINE_MINUTES) if held else FINE_MINUTES


@dataclass(frozen=True, slots=True)
class CellContent:
    """A cell as it comes from the topic: counts by bucket and score, as text."""

    offset: int
    minutes: int
    counts: Mapping[str, Mapping[str, int]]

    def packed(self) -> _Cell:
        """The same, small."""
        slots, counts = array("H"), array("I")
        for bucket, scores in self.counts.items():
            for score, count in scores.items():
                slots.append(int(bucket) * SCORES + int(score))
                counts.append(count)
        return _Cell(self.offset, self.minutes, slots, counts)


def previous(window: RollingWindow, now: datetime) -> tuple[datetime, datetime] | None:
    """The span of the same length right before a window; none for all time."""
    start = window.start(now)
    if start is None or window.length is None:
        return None
    return start - window.length, start


def _minute(moment: datetime) -> int:
    return moment.hour * 60 + moment.minute


def _bucket_start(moment: datetime, minutes: int) -> int:
    """The minute of the day at which the bucket of a moment begins: the window after it has that bucket."""
    return _minute(moment) // minutes * minutes
