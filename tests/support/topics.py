"""Reading topics in tests: everything up to the end, or until something is there, with a deadline and no sleeps."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiokafka.structs import TopicPartition

from services.chassis.kafka import Kafka
from services.chassis.records import Raw

DEADLINE_S = 30.0


@asynccontextmanager
async def reading(kafka: Kafka, *topics: str) -> AsyncIterator[TopicReader]:
    """A reader of whole topics, from their beginning."""
    consumer = kafka.reader()
    await consumer.start()
    try:
        yield TopicReader(kafka, consumer, topics)
    finally:
        await consumer.stop()


class TopicReader:
    """Reads topics from the beginning; keeps what it has read."""

    def __init__(self, kafka: Kafka, consumer: Any, topics: Sequence[str]) -> None:
        self._kafka = kafka
        self._consumer = consumer
        self._topics = topics
        self.records: list[Raw] = []

    async def until(
        self, satisfied: Callable[[list[Raw]], bool], *, deadline_s: float = DEADLINE_S
    ) -> list[Raw]:
        """Reads until the records satisfy; fails with what was there at the deadline."""
        consumer = self._consumer
        try:
            async with asyncio.timeout(deadline_s):
                while not satisfied(self.records):
                    if not consumer.assignment():
                        await self._assign()
                    await self._poll(200)
        except TimeoutError:
            raise AssertionError(f"not seen within {deadline_s} s; read {len(self.records)} records") from None
        return self.records

    async def count(self, number: int, *, deadline_s: float = DEADLINE_S) -> list[Raw]:
        """Reads until there are so many records."""
        return await self.until(lambda records: len(records) >= number, deadline_s=deadline_s)

    async def to_end(self) -> list[Raw]:
        """Reads what there is at this moment."""
        consumer = self._consumer
        await self._assign()
        if not consumer.assignment():
            return self.records
        ends = await consumer.end_offsets(consumer.assignment())
        while any([await consumer.position(part) < end for part, end in ends.items()]):
            await self._poll(200)
        return self.records

    async def _assign(self) -> None:
        consumer = self._consumer
        await consumer._client.force_metadata_update()
        partitions = [
            TopicPartition(self._kafka.topic(name), number)
            for name in self._topics
            for number in sorted(consumer.partitions_for_topic(self._kafka.topic(name)) or ())
        ]
        if set(partitions) != consumer.assignment():
            consumer.assign(partitions)

    async def _poll(self, timeout_ms: int) -> None:
        fetched = await self._consumer.getmany(timeout_ms=timeout_ms)
        for partition, records in fetched.items():
            self.records += [Raw.of(record, self._kafka.short(partition.topic)) for record in records]


async def eventually(check: Callable[[], object], *, deadline_s: float = DEADLINE_S) -> None:
    """Returns once `check()` is true; for states that no event announces."""
    async with asyncio.timeout(deadline_s):
        while not check():
            await asyncio.sleep(0.02)
