"""Windows over exact counts: which buckets a span of time holds, and what they add up to. Pure; time is an argument.

A cell is one source partition's answers of one UTC day, absolute: a newer one replaces it. Buckets are five minutes
wide, fifteen once the publisher has rewritten a day; both ends of a span are rounded down to their bucket, so an edge
is off by one bucket at most, and spans that meet share no answer and leave no gap. A span without an end is open: an
answer dated a little ahead of our clock counts at once.

What a span holds costs the same however long it is: sums over all days before a day are kept, and sums over all buckets
before a bucket for the days that a span began or ended in lately.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from typing import Final

SCORES: Final = 11
MINUTES_A_DAY: Final = 24 * 60
FINE_MINUTES: Final = 5
COARSE_MINUTES: Final = 15

EDGES_KEPT: Final = 128
"""Days of a segment whose buckets are summed in advance: two for each of sixty windows, ten kilobytes at most."""

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


@dataclass(frozen=True, slots=True)
class CellContent:
    """A cell as it comes from the topic: counts by bucket of the day and score."""

    minutes: int
    counts: Mapping[int, Mapping[int, int]]

    def packed(self) -> PackedCell:
        """The same, small."""
        slots, counts, total = array("H"), array("I"), [0] * SCORES
        for bucket, scores in self.counts.items():
            first = bucket * SCORES
            slots.extend([first + score for score in scores])
            counts.extend(scores.values())
            for score, count in scores.items():
                total[score] += count
        width = _width(counts)
        head = bytes((self.minutes, ord(_width(total)))) + array(_width(total), total).tobytes()
        return PackedCell(head + slots.tobytes() + array(width, counts).tobytes() + width.encode())


class PackedCell(bytes):
    """A cell in one piece, since there are very many: the width of its buckets, totals by score, slots, their counts.

    A slot is the bucket's number times eleven plus the score. Numbers take as many bytes as the largest of them needs,
    which a letter says: before the totals, and after the counts.
    """

    __slots__ = ()

    @property
    def minutes(self) -> int:
        """The width of its buckets."""
        return self[0]

    def total(self) -> Histogram:
        """All its answers."""
        totals = array(chr(self[1]))
        totals.frombytes(self[2 : 2 + SCORES * totals.itemsize])
        return totals.tolist()

    def items(self) -> Iterator[tuple[int, int]]:
        """Each slot with its count."""
        begins = 2 + SCORES * array(chr(self[1])).itemsize
        slots, counts = array("H"), array(chr(self[-1]))
        number = (len(self) - begins - 1) // (slots.itemsize + counts.itemsize)
        middle = begins + number * slots.itemsize
        slots.frombytes(self[begins:middle])
        counts.frombytes(self[middle:-1])
        return zip(slots, counts, strict=True)


@dataclass(frozen=True, slots=True)
class _Edge:
    """Buckets of one width in one day, each with all answers of the day before it; the last row is the whole day."""

    minutes: int
    starts: array[int]
    rows: array[int]

    def add_before(self, minute: int, histogram: Histogram) -> None:
        """Adds what lies in buckets before the one that holds this minute of the day."""
        row = bisect_left(self.starts, minute // self.minutes) * SCORES
        for score in range(SCORES):
            histogram[score] += self.rows[row + score]


@dataclass(slots=True)
class SegmentCounts:
    """All cells of one segment, and how many. Days are ordinals, in order; each list has a place for each of them."""

    cells: int = 0
    _days: list[int] = field(default_factory=list)
    _cells: list[dict[int, PackedCell]] = field(default_factory=list)
    _of_day: tuple[array[int], ...] = field(default_factory=lambda: tuple(array("q") for _ in range(SCORES)))
    _before_day: tuple[array[int], ...] = field(default_factory=lambda: tuple(array("q", (0,)) for _ in range(SCORES)))
    _edges: OrderedDict[int, list[_Edge]] = field(default_factory=OrderedDict)
    _summed: int = 0

    def days(self) -> list[int]:
        """Every day there is a cell of."""
        return list(self._days)

    def replace(self, day: int, partition: int, cell: CellContent | None) -> None:
        """Takes a cell as its partition now states it; none if it is no more."""
        place = self._place(day)
        cells = self._cells[place]
        old, new = cells.pop(partition, None), cell.packed() if cell else None
        for packed, sign in ((old, -1), (new, 1)):
            for score, count in enumerate(packed.total() if packed else ()):
                self._of_day[score][place] += sign * count
        if new is not None:
            cells[partition] = new
        self.cells += (new is not None) - (old is not None)
        self._summed = min(self._summed, place)
        self._edges.pop(day, None)

    def between(self, start: datetime | None, end: datetime | None) -> Histogram:
        """Answers of [start, end); `end` none is open, and so is `start`."""
        until = self._before(end) if end else self._all()
        if start is None:
            return until
        return [one - other for one, other in zip(until, self._before(start), strict=True)]

    def edge_minutes(self, moment: datetime | None) -> int:
        """How far an end of a span may be off: the widest bucket of its day."""
        if moment is None:
            return 0
        day = moment.astimezone(UTC).toordinal()
        place = bisect_left(self._days, day)
        cells = self._cells[place].values() if self._days[place : place + 1] == [day] else ()
        return max((cell.minutes for cell in cells), default=FINE_MINUTES)

    def _all(self) -> Histogram:
        self._sum_up()
        return [sums[-1] for sums in self._before_day]

    def _before(self, moment: datetime) -> Histogram:
        """Answers before the bucket that holds a moment."""
        self._sum_up()
        moment = moment.astimezone(UTC)
        day, minute = moment.toordinal(), moment.hour * 60 + moment.minute
        place = bisect_left(self._days, day)
        histogram = [sums[place] for sums in self._before_day]
        if minute and place < len(self._days) and self._days[place] == day:
            for edge in self._edges_of(day, place):
                edge.add_before(minute, histogram)
        return histogram

    def _place(self, day: int) -> int:
        place = bisect_left(self._days, day)
        if place == len(self._days) or self._days[place] != day:
            self._days.insert(place, day)
            self._cells.insert(place, {})
            for counts in self._of_day:
                counts.insert(place, 0)
        return place

    def _sum_up(self) -> None:
        """Sums over the days before each day; those before the first one that changed are still right."""
        if self._summed == len(self._days):
            return
        for counts, sums in zip(self._of_day, self._before_day, strict=True):
            del sums[self._summed + 1 :]
            sums.extend(accumulate(counts[self._summed + 1 :], initial=sums[-1] + counts[self._summed]))
        self._summed = len(self._days)

    def _edges_of(self, day: int, place: int) -> list[_Edge]:
        found = self._edges.get(day)
        if found is None:
            found = self._edges[day] = _edges(self._cells[place])
            if len(self._edges) > EDGES_KEPT:
                self._edges.popitem(last=False)
        else:
            self._edges.move_to_end(day)
        return found


def previous(window: RollingWindow, now: datetime) -> tuple[datetime, datetime] | None:
    """The span of the same length right before a window; none for all time."""
    start = window.start(now)
    if start is None or window.length is None:
        return None
    return start - window.length, start


def _width(numbers: Iterable[int]) -> str:
    """The letter of the smallest array that holds these numbers."""
    largest = max(numbers, default=0)
    return "B" if largest < 1 << 8 else "H" if largest < 1 << 16 else "I" if largest < 1 << 32 else "Q"


def _edges(cells: Mapping[int, PackedCell]) -> list[_Edge]:
    """A day's cells, those with buckets of the same width taken together."""
    return [
        _edge(minutes, [cell for cell in cells.values() if cell.minutes == minutes])
        for minutes in {cell.minutes for cell in cells.values()}
    ]


def _edge(minutes: int, cells: list[PackedCell]) -> _Edge:
    slots: dict[int, int] = {}
    for cell in cells:
        for slot, count in cell.items():
            slots[slot] = slots.get(slot, 0) + count
    starts, rows, running = array("H"), array("q"), [0] * SCORES
    for slot in sorted(slots):
        bucket, score = divmod(slot, SCORES)
        if not starts or starts[-1] != bucket:
            starts.append(bucket)
            rows.extend(running)
        running[score] += slots[slot]
    rows.extend(running)
    return _Edge(minutes, starts, rows)
