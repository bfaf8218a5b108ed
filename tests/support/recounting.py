"""What a program without state counts: one partition of answers, record by record, in the plainest way there is.

It shares nothing with the tally but the contract: its own reading of JSON, its own rules, a counter a cell.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Final, NamedTuple

import msgspec

from schemas.score import Window
from schemas.topic import join_key, partition_of

WIDTHS: Final = (5, 15)
"""Minutes a bucket, as tallies may state them."""

Slots = Mapping[tuple[int, int], int]
"""Bucket of the day and score, to how many."""


class Answer(msgspec.Struct):
    """What counting needs of a Response."""

    tenant: str
    response_id: str
    revision: int
    op: str
    metric: str
    answered_at: datetime
    test: bool = False
    score: int | None = None
    channel: str | None = None
    subject: str | None = None
    segments: dict[str, str] = {}

    def counts(self) -> bool:
        return self.op in {"submitted", "updated"} and self.metric == "nps" and not self.test

    def segment_names(self) -> list[str]:
        channel = [f"channel={self.channel}"] if self.channel else []
        return ["all", *channel, *(f"{key}={value}" for key, value in self.segments.items())]


class Place(NamedTuple):
    """One cell within a source partition."""

    tenant: str
    segment: str
    day: date


class Recount:
    """Cells of one partition of answers as they stand after the records taken so far."""

    def __init__(self) -> None:
        self.highest: dict[tuple[str, str], Answer] = {}
        self.cells: dict[int, defaultdict[Place, Counter[tuple[int, int]]]] = {
            width: defaultdict(Counter) for width in WIDTHS
        }
        self.changed: dict[Place, int] = {}
        """Offset of the record that changed a cell last."""

    def take(self, offset: int, value: bytes) -> None:
        """The next record."""
        answer = _decoder.decode(value)
        before = self.highest.get((answer.tenant, answer.response_id))
        if answer.op == "commented" or (before and before.revision >= answer.revision):
            return
        self.highest[answer.tenant, answer.response_id] = answer
        for one, by in ((before, -1), (answer, 1)):
            if one and one.counts():
                self._add(one, by, offset)

    def _add(self, answer: Answer, by: int, offset: int) -> None:
        at = answer.answered_at.astimezone(UTC)
        minute = at.hour * 60 + at.minute
        for segment in answer.segment_names():
            place = Place(answer.tenant, segment, at.date())
            self.changed[place] = offset
            for width, cells in self.cells.items():
                slot = minute // width, answer.score or 0
                cells[place][slot] += by
                if not cells[place][slot]:
                    del cells[place][slot]


_decoder: Final = msgspec.json.Decoder(Answer)


def latest(recounts: Iterable[Recount], partitions: int) -> dict[int, Recount]:
    """Of each person, the answer given last alone; by partition of `nps.people`."""
    newest: dict[tuple[str, str], Answer] = {}
    counted = (answer for recount in recounts for answer in recount.highest.values() if answer.counts())
    for answer in sorted(counted, key=lambda answer: (answer.answered_at, answer.response_id.encode())):
        if answer.subject:
            newest[answer.tenant, answer.subject] = answer
    found = {partition: Recount() for partition in range(partitions)}
    for person, answer in newest.items():
        found[partition_of(join_key(person), partitions)]._add(answer, 1, 0)
    return found


class WindowCounts:
    """What windows hold, from cells and the width of the buckets each of them is published in."""

    def __init__(self, cells: Iterable[tuple[Place, int, Slots]]) -> None:
        self._days: dict[tuple[str, str], list[tuple[date, int, Slots, list[int]]]] = defaultdict(list)
        for place, width, slots in cells:
            self._days[place.tenant, place.segment].append((place.day, width, slots, _histogram(slots.items())))

    @property
    def segments(self) -> Collection[tuple[str, str]]:
        """Tenants and segments there are."""
        return self._days.keys()

    def histogram(self, tenant: str, segment: str, window: Window) -> list[int]:
        """Answers by score. A start is rounded down to its bucket; a rolling window has no end but the last answer."""
        start = window.start.astimezone(UTC) if window.start else None
        end = window.end.astimezone(UTC) if window.kind == "calendar" else None
        found = [0] * 11
        for day, width, slots, whole in self._days[tenant, segment]:
            first = _bucket(start, day, width) if start else 0
            last = _bucket(end, day, width) if end else 24 * 60
            part = whole if first <= 0 and last >= 24 * 60 // width else _histogram(_between(slots, first, last))
            found = [one + other for one, other in zip(found, part, strict=True)]
        return found


def _bucket(moment: datetime, day: date, width: int) -> int:
    """The bucket of a moment, counted from the midnight at which a day begins; negative before it."""
    return (moment - datetime(day.year, day.month, day.day, tzinfo=UTC)) // timedelta(minutes=width)


def _between(slots: Slots, first: int, last: int) -> list[tuple[tuple[int, int], int]]:
    return [(slot, count) for slot, count in slots.items() if first <= slot[0] < last]


def _histogram(slots: Iterable[tuple[tuple[int, int], int]]) -> list[int]:
    found = [0] * 11
    for (_, score), count in slots:
        found[score] += count
    return found
