"""What scoring has published, read as it comes and held against a recount of the answers there are.

Cells and scores are compared as they stand; and at the end every record of the whole log of tallies, with what was true
at the offset that it states.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import date
from typing import Final, NamedTuple

import msgspec

from schemas.score import Score
from schemas.tally import Series
from schemas.topics import RESPONSES, SCORES, TALLIES
from services.chassis.kafka import Kafka
from services.chassis.reading import Reader, open_reader
from services.scoring.measuring import SUFFIXES
from services.scoring.score import Counts, interval
from tests.support.recounting import Place, Recount, Slots, WindowCounts, latest

DEADLINE_S: Final = 90.0
LOOK_EVERY_S: Final = 0.5
SHOWN: Final = 5
LEVEL: Final = 0.95


class Cell(msgspec.Struct):
    """What a Tally says."""

    tenant: str
    segment: str
    series: str
    day: date
    partition: int
    offset: int
    resolution: int
    counts: dict[int, dict[int, int]]

    @property
    def place(self) -> Place:
        return Place(self.tenant, self.segment, self.day)

    @property
    def slots(self) -> Slots:
        return {(bucket, score): count for bucket, scores in self.counts.items() for score, count in scores.items()}


class Stated(NamedTuple):
    """One record of the log of tallies."""

    key: bytes
    partition: int
    offset: int
    value: bytes


@dataclass
class Published:
    """Everything read so far."""

    answers: Reader
    results: Reader
    recounts: defaultdict[int, Recount] = field(default_factory=lambda: defaultdict(Recount))
    log: list[Stated] = field(default_factory=list)
    tallies: dict[bytes, bytes] = field(default_factory=dict)
    scores: dict[bytes, bytes] = field(default_factory=dict)

    async def read_on(self) -> None:
        """Takes in what has come."""
        async for raw in self.answers.to_end():
            self.recounts[raw.partition].take(raw.offset, raw.value or b"")
        async for raw in self.results.to_end():
            key, value = raw.key or b"", raw.value or b""
            if raw.topic == SCORES.name:
                self.scores[key] = value
                continue
            where = _where.decode(value)
            if where.series == "all":
                self.log.append(Stated(key, where.partition, where.offset, value))
            self.tallies[key] = value

    def cells(self, series: Series) -> Iterator[Cell]:
        """The last record of each key."""
        return (cell for cell in map(_cell.decode, self.tallies.values()) if cell.series == series)

    async def becomes_right(self, series: Series, windows: frozenset[str]) -> None:
        """Reads on until every cell and then every score is what a recount says; no answers come any more."""
        await self.read_on()
        recounts = self.recounts if series == "all" else latest(self.recounts.values(), len(self.recounts))
        await self._becomes(lambda: self._wrong_cells(series, recounts))
        counts = WindowCounts((cell.place, cell.resolution, _true(cell, recounts)) for cell in self.cells(series))
        wanted = {(*segment, window + SUFFIXES[series]) for segment in counts.segments for window in windows}
        await self._becomes(lambda: self._wrong_scores(series, counts, wanted))

    def _wrong_cells(self, series: Series, recounts: Mapping[int, Recount]) -> list[str]:
        """Cells that are not what a recount says, each source partition by itself."""
        found = []
        seen: set[tuple[int, Place]] = set()
        for cell in self.cells(series):
            seen.add((cell.partition, cell.place))
            if cell.slots != _true(cell, recounts):
                found.append(f"{series} {cell.place} of partition {cell.partition}, true at {cell.offset}, is wrong")
        for partition, recount in recounts.items():
            there = {(partition, place) for place, slots in recount.cells[5].items() if slots}
            found += [f"{series} {place} of partition {number} is missing" for number, place in there - seen]
        return found

    def _wrong_scores(self, series: Series, counts: WindowCounts, wanted: set[tuple[str, str, str]]) -> list[str]:
        """Scores that are not what their window held when they were made, and those that are missing."""
        missing, found = set(wanted), []
        for score in map(Score.model_validate_json, self.scores.values()):
            if score.series != series:
                continue
            missing.discard((score.tenant, score.segment, score.window.name))
            true = counts.histogram(score.tenant, score.segment, score.window)
            if score.histogram != true or not _is_sound(score):
                found.append(f"{score.segment} {score.window.name} as of {score.as_of}: n {score.n}, true {sum(true)}")
        return found + [f"{name} has no score" for name in sorted(missing)]

    async def _becomes(self, wrong: Callable[[], list[str]]) -> None:
        """Reads on until nothing is wrong; fails with what still is at the deadline."""
        found = ["nothing has been looked at"]

        async def look() -> None:
            nonlocal found
            while found:
                await self.read_on()
                found = wrong()
                if found:
                    await asyncio.sleep(LOOK_EVERY_S)

        await within_deadline(look(), lambda: f"{len(found)} are wrong: {found[:SHOWN]}")


class History:
    """Every record of the log of tallies against what was true at the offset that it states.

    A record may repeat a state that an earlier one had; going back behind it would be an answer lost.
    """

    def __init__(self, log: list[Stated]) -> None:
        self._log = log
        self._state: list[int] = [-1] * len(log)
        self._recounts: defaultdict[int, Recount] = defaultdict(Recount)
        self._due: dict[int, list[int]] = defaultdict(list)
        for number in sorted(range(len(log)), key=lambda number: log[number].offset, reverse=True):
            self._due[log[number].partition].append(number)
        self._wrong: list[str] = []

    async def wrong(self, answers: Reader) -> list[str]:
        """Records that were never true, and those that took a cell back."""
        await answers.assign([RESPONSES.name])
        async for raw in answers.to_end():
            self._look(raw.partition, before=raw.offset)
            self._recounts[raw.partition].take(raw.offset, raw.value or b"")
        for partition in self._due:
            self._look(partition)
        return self._wrong + list(self._taken_back())

    def _look(self, partition: int, before: int | None = None) -> None:
        due, recount = self._due[partition], self._recounts[partition]
        while due and (before is None or self._log[due[-1]].offset < before):
            number = due.pop()
            cell = _cell.decode(self._log[number].value)
            self._state[number] = recount.changed.get(cell.place, -1)
            if cell.slots != recount.cells[cell.resolution].get(cell.place, {}):
                self._wrong.append(f"{cell.place} of partition {partition} was never so at {cell.offset}")

    def _taken_back(self) -> Iterator[str]:
        last: dict[bytes, int] = {}
        for number, stated in enumerate(self._log):
            before = last.get(stated.key, number)
            if self._state[number] < self._state[before] and _quarters(stated) != _quarters(self._log[before]):
                yield f"{stated.key!r} was taken back from {self._state[before]} to {self._state[number]}"
            last[stated.key] = number


class _Where(msgspec.Struct):
    series: str
    partition: int
    offset: int


_where: Final = msgspec.json.Decoder(_Where)
_cell: Final = msgspec.json.Decoder(Cell, strict=False)


def _true(cell: Cell, recounts: Mapping[int, Recount]) -> Slots:
    """What a cell ought to hold."""
    recount = recounts.get(cell.partition)
    return recount.cells[cell.resolution].get(cell.place, {}) if recount else {}


def _quarters(stated: Stated) -> Slots:
    """A cell in buckets of a quarter, which a day is published in once it is old."""
    cell, found = _cell.decode(stated.value), Counter[tuple[int, int]]()
    for (bucket, score), count in cell.slots.items():
        found[bucket * cell.resolution // 15, score] += count
    return found


def _is_sound(score: Score) -> bool:
    """Whether what is said of a histogram follows from it."""
    numbers = score.histogram
    bands = sum(numbers[9:]), sum(numbers[7:9]), sum(numbers[:7])
    n = sum(numbers)
    points = 100 * (bands[0] - bands[2]) / n if n else None
    bounds = interval(Counts(*bands), LEVEL)
    said = (score.interval.low, score.interval.high) if score.interval else None
    return (score.n, score.promoters, score.passives, score.detractors, score.nps, said) == (
        *(n, *bands, points),
        (bounds.low, bounds.high) if bounds else None,
    )


async def within_deadline(waiting: Awaitable[None], reason: Callable[[], str]) -> None:
    """Waits, but not for ever; the reason says what was not seen."""
    try:
        async with asyncio.timeout(DEADLINE_S):
            await waiting
    except TimeoutError:
        raise AssertionError(f"not within {DEADLINE_S:.0f} s: {reason()}") from None


@asynccontextmanager
async def published(kafka: Kafka) -> AsyncIterator[Published]:
    """Reads from the beginning."""
    async with AsyncExitStack() as stack:
        answers = await stack.enter_async_context(open_reader(kafka))
        results = await stack.enter_async_context(open_reader(kafka))
        await answers.assign([RESPONSES.name])
        await results.assign([TALLIES.name, SCORES.name])
        yield Published(answers, results)
