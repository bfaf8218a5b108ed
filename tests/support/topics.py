"""Reading topics in tests: everything up to the end, or until something is there, with a deadline and no sleeps."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from services.chassis.kafka import Kafka
from services.chassis.reading import Reader, open_reader
from services.chassis.records import Raw

DEADLINE_S = 30.0


@asynccontextmanager
async def reading(kafka: Kafka, *topics: str) -> AsyncIterator[TopicReader]:
    """A reader of whole topics, from their beginning."""
    async with open_reader(kafka) as reader:
        await reader.assign(topics)
        yield TopicReader(reader, topics)


class TopicReader:
    """Reads topics from the beginning; keeps what it has read."""

    def __init__(self, reader: Reader, topics: Sequence[str]) -> None:
        self._reader = reader
        self._topics = topics
        self.records: list[Raw] = []

    async def until(self, satisfied: Callable[[list[Raw]], bool], *, deadline_s: float = DEADLINE_S) -> list[Raw]:
        """Reads until the records satisfy; fails with what was there at the deadline."""
        try:
            async with asyncio.timeout(deadline_s):
                while not satisfied(self.records):
                    self.records += await self._reader.more()
        except TimeoutError:
            last = [(raw.topic, raw.key, (raw.value or b"")[:200]) for raw in self.records[-5:]]
            raise AssertionError(f"not seen within {deadline_s} s; of {len(self.records)} the last: {last}") from None
        return self.records

    async def count(self, number: int, *, deadline_s: float = DEADLINE_S) -> list[Raw]:
        """Reads until there are so many records."""
        return await self.until(lambda records: len(records) >= number, deadline_s=deadline_s)

    async def to_end(self) -> list[Raw]:
        """Reads what there is at this moment."""
        self.records += [raw async for raw in self._reader.to_end()]
        return self.records


async def eventually(check: Callable[[], object], *, deadline_s: float = DEADLINE_S) -> None:
    """Returns once `check()` is true; for states that no event announces."""
    async with asyncio.timeout(deadline_s):
        while not check():
            await asyncio.sleep(0.02)
