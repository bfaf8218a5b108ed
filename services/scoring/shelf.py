"""Reads what scoring itself has written, all of it, without a group: tallies, generations and scores.

Each worker holds the counts of every partition: HTTP must answer for every segment, and whoever takes a partition over
has read it already (docs/decisions/0005-windows.md). Which partitions to publish for is the group's to say, not ours.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from schemas.malformed import Malformed
from schemas.tally import Series
from schemas.topic import Topic, join_key, partition_of, split_key
from schemas.topics import GENERATIONS, SCORES, TALLIES
from services.chassis.failures import Halt, Transient
from services.chassis.logs import logger
from services.scoring.board import Board
from services.scoring.book import Book
from services.scoring.standing_generations import Generations
from services.scoring.windows import SegmentCounts

if TYPE_CHECKING:
    from collections.abc import Callable

    from services.chassis.reading import Reader
    from services.chassis.records import Raw

POLL_MS: Final = 200
A_STEP: Final = 50
"""Records after which others get their turn: pages are served on the same loop."""
MOST_UNREAD_BYTES: Final = 32 * 1024 * 1024

_OURS: Final[Mapping[str, Topic[Any]]] = {topic.name: topic for topic in (TALLIES, GENERATIONS, SCORES)}
READ: Final = tuple(_OURS)

_log = logger("shelf")

Place = tuple[str, int]
"""Topic and number of a partition."""


class Shelf:
    """A book for each partition of tallies, and the board of scores."""

    def __init__(self, knows: Callable[[str], bool]) -> None:
        self._knows = knows
        self._generations = Generations()
        self._books: dict[int, Book] = {}
        self._positions: dict[Place, int] = {}
        self._ends_at_start: dict[Place, int] = {}
        self._complete = False
        self.board: Final = Board()

    async def begin(self, reader: Reader) -> None:
        """Reads everything from its start.

        Raises:
            Transient: if Kafka fails.
        """
        await reader.assign(READ)
        self._ends_at_start = await reader.ends()
        self._books = {place: Book(place, self._knows) for topic, place in self._ends_at_start if topic == TALLIES.name}

    async def turn(self, reader: Reader) -> None:
        """Takes over what has come; what strangers wrote is passed over.

        Raises:
            Halt: if a record of ours cannot be read.
            Transient: if Kafka fails.
        """
        for number, raw in enumerate(await reader.more(timeout_ms=POLL_MS), start=1):
            try:
                self._take(raw)
            except (Malformed, ValueError) as error:
                # it says that it is ours: to pass over it would be to show a wrong number
                raise Halt(f"{raw.topic}[{raw.partition}] at {raw.offset}: {error}") from error
            if number % A_STEP == 0:
                await asyncio.sleep(0)
        self._positions = await reader.positions()
        await self._read_lost_again(reader)
        if sum(book.unread_bytes for book in self._books.values()) > MOST_UNREAD_BYTES:
            for place in self._books:
                await self.settle(place)

    def look(self) -> None:
        """Sees which generations stand, having taken over what has come."""
        for place, book in self._books.items():
            book.look(self._generations, self.position(TALLIES.name, place))

    async def settle(self, place: int) -> int:
        """Counts what has been taken over of one partition; returns up to which offset.

        Raises:
            Halt: if a record is no tally.
        """
        book, position = self._books[place], self.position(TALLIES.name, place)
        for _ in range(0, book.unread, A_STEP):
            book.read(A_STEP)
            await asyncio.sleep(0)
        return position

    def book(self, place: int) -> Book:
        """The counts of one partition."""
        return self._books[place]

    def position(self, topic: str, place: int) -> int:
        """Up to which offset a partition has been taken over."""
        return self._positions.get((topic, place), 0)

    def require_complete(self) -> None:
        """Nothing to do once all there was at the start has been taken over.

        Raises:
            Transient: before that.
        """
        if not self._complete and self._ends_at_start:
            self._complete = all(self._positions.get(place, 0) >= end for place, end in self._ends_at_start.items())
        if not self._complete:
            raise Transient("scores are being read")

    async def counts(self, tenant: str, segment: str, series: Series) -> SegmentCounts:
        """What is counted of a segment; nothing if nobody ever answered.

        Raises:
            Transient: while it is being read or counted.
        """
        self.require_complete()
        place = partition_of(join_key((tenant, segment)), len(self._books))
        self.look()
        await self.settle(place)
        book = self._books[place]
        if series not in book.shown:
            raise Transient("answers are still being counted")
        return book.of(series).get((tenant, segment)) or SegmentCounts()

    def _take(self, raw: Raw) -> None:
        if not _OURS[raw.topic].bears(raw.key, raw.headers, raw.value):
            _log.error("record.unreadable", topic=raw.topic, partition=raw.partition, offset=raw.offset)
        elif raw.topic == TALLIES.name:
            self._books[raw.partition].note(raw.key or b"", raw.offset, raw.value)
        elif raw.topic == SCORES.name:
            self.board.put(raw.partition, split_key(raw.key or b""), raw.value)
        elif raw.value is not None:
            self._generations.put(GENERATIONS.decode(raw.headers, raw.value))
        else:
            generation, series, partition = split_key(raw.key or b"")
            self._generations.forget(generation, series, int(partition))

    async def _read_lost_again(self, reader: Reader) -> None:
        """What should be shown of these partitions has been dropped: they are read from their start."""
        for place, book in list(self._books.items()):
            if book.lost:
                await reader.again(TALLIES.name, place)
                fresh = self._books[place] = Book(place, self._knows)
                self._positions[TALLIES.name, place] = 0
                if book.changed is not None:
                    fresh.watch()


def ends_of(ends: Mapping[Place, int], topic: str) -> dict[int, int]:
    """Where the partitions of one topic end, by number."""
    return {place: end for (name, place), end in ends.items() if name == topic}
