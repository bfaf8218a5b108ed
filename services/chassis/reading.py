"""Reading topics as they stand, without a group: whole, from their tail, or one partition of them alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition

from schemas.topic import partition_of
from services.chassis.failures import Transient
from services.chassis.kafka import READER_PARTITION_BYTES, partitions_of, start_client
from services.chassis.records import Raw

if TYPE_CHECKING:
    from aiokafka import AIOKafkaConsumer

    from services.chassis.kafka import Kafka

POLL_MS: Final = 300
# aiokafka loses the order to stop, and waits for ever, while it still drops what an earlier assignment was fetching
TURNS: Final = 10


class Reader:
    """Reads what it is assigned; committed records alone."""

    def __init__(self, kafka: Kafka, consumer: AIOKafkaConsumer[bytes, bytes]) -> None:
        self._kafka = kafka
        self._consumer = consumer
        self._beyond: list[Raw] = []

    async def assign(self, topics: Iterable[str], *, meets_by: bytes | None = None, tail: int | None = None) -> int:
        """What to read next: topics by catalogue name; those that do not exist are passed over.

        Returns how many partitions that are.

        `meets_by` leaves of each topic the partition where that key meets; `tail` begins so many offsets before the
        end.
        """
        names = [self._kafka.topic(topic) for topic in topics]
        there = await partitions_of(self._consumer, names)
        partitions = []
        for full in names:
            numbers = there.get(full, [])
            if meets_by is not None and numbers:
                numbers = [partition_of(meets_by, len(numbers))]
            partitions += [TopicPartition(full, number) for number in numbers]
        self._beyond.clear()
        if not partitions:
            self._consumer.assign([])
            return 0
        starts = await self._consumer.beginning_offsets(partitions)
        if tail is not None:
            ends = await self._consumer.end_offsets(partitions)
            starts = {partition: max(starts[partition], ends[partition] - tail) for partition in partitions}
        # nothing is awaited in between: a reader that may not choose where to begin would complain
        self._consumer.assign(partitions)
        for partition in partitions:
            self._consumer.seek(partition, starts[partition])
        return len(partitions)

    async def ends(self) -> dict[tuple[str, int], int]:
        """Where each assigned partition ends at this moment, by topic and number.

        Raises:
            Transient: if Kafka fails.
        """
        return await self._bounds(self._consumer.end_offsets)

    async def starts(self) -> dict[tuple[str, int], int]:
        """Where each assigned partition begins, by topic and number.

        Raises:
            Transient: if Kafka fails.
        """
        return await self._bounds(self._consumer.beginning_offsets)

    async def _bounds(
        self, ask: Callable[[list[TopicPartition]], Awaitable[dict[TopicPartition, int]]]
    ) -> dict[tuple[str, int], int]:
        try:
            offsets = await ask(list(self._consumer.assignment()))
        except KafkaError as error:
            raise Transient(f"Kafka: {type(error).__name__}") from error
        return {(self._kafka.short(one.topic), one.partition): offset for one, offset in offsets.items()}

    async def positions(self) -> dict[tuple[str, int], int]:
        """What is read next of each assigned partition, by topic and number; all before it has been handed out."""
        held = {
            TopicPartition(self._kafka.topic(raw.topic), raw.partition): raw.offset for raw in reversed(self._beyond)
        }
        return {
            (self._kafka.short(part.topic), part.partition): held.get(part, await self._consumer.position(part))
            for part in self._consumer.assignment()
        }

    async def again(self, topic: str, number: int) -> None:
        """Reads one of the assigned partitions from its start anew.

        Raises:
            Transient: if Kafka fails.
        """
        starts = await self.starts()
        self._beyond = [raw for raw in self._beyond if (raw.topic, raw.partition) != (topic, number)]
        self._consumer.seek(TopicPartition(self._kafka.topic(topic), number), starts[topic, number])

    async def to_end(self) -> AsyncIterator[Raw]:
        """Every record up to where the topics ended when this was called; what came meanwhile is left for `more`.

        Raises:
            Transient: if Kafka fails.
        """
        partitions = list(self._consumer.assignment())
        if not partitions:
            return
        try:
            ends = await self._consumer.end_offsets(partitions)
            fetched, self._beyond = self._beyond, []
            while True:
                for raw in fetched:
                    if raw.offset < ends[TopicPartition(self._kafka.topic(raw.topic), raw.partition)]:
                        yield raw
                    else:
                        self._beyond.append(raw)
                if not any([await self._consumer.position(part) < end for part, end in ends.items()]):
                    return
                fetched = await self._fetch(POLL_MS)
        except KafkaError as error:
            raise Transient(f"Kafka: {type(error).__name__}") from error

    async def more(self, *, timeout_ms: int = POLL_MS) -> list[Raw]:
        """What has come since; empty if nothing came within the timeout."""
        if self._beyond:
            beyond, self._beyond = self._beyond, []
            return beyond
        return await self._fetch(timeout_ms)

    async def _fetch(self, timeout_ms: int) -> list[Raw]:
        fetched = await self._consumer.getmany(timeout_ms=timeout_ms)
        return [
            Raw.of(record, self._kafka.short(partition.topic))
            for partition, records in fetched.items()
            for record in records
        ]


@asynccontextmanager
async def open_reader(
    kafka: Kafka,
    *,
    partition_bytes: int = READER_PARTITION_BYTES,
    uncommitted: bool = False,
    reset: str = "earliest",
) -> AsyncIterator[Reader]:
    """A reader; assign it before reading. It holds up to `partition_bytes` of each partition in advance.

    `uncommitted` is for asking where topics end; whatever a transaction has not committed is read as well. With `reset`
    none, a partition that does not hold what is to be read next is an error instead of a new beginning.

    Raises:
        Transient: if Kafka cannot be reached.
    """
    consumer = kafka.reader(partition_bytes=partition_bytes, uncommitted=uncommitted, reset=reset)
    try:
        await start_client(consumer)
        yield Reader(kafka, consumer)
    except KafkaError as error:
        raise Transient(f"Kafka: {type(error).__name__}") from error
    finally:
        for _ in range(TURNS):
            await asyncio.sleep(0)
        await consumer.stop()
