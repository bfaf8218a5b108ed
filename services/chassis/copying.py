"""Copies a topic, record by record, into one with more partitions, and goes on where an earlier copy stopped.

Key, value, headers and timestamp stay as they are; one header more says which record it was. Keys find their partition
as everywhere else, and records of one key keep their order. No transactions: their markers would take offsets, and
whoever counts a log relies on offsets without gaps. What has been copied is read from the copy itself, so it needs no
memory of its own, and whatever did not come from here is noticed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition

from schemas.cloudevents import first_header
from schemas.topic import partition_of
from services.chassis.failures import Refused, Transient
from services.chassis.kafka import partitions_of, start_client

if TYPE_CHECKING:
    from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
    from aiokafka.structs import ConsumerRecord

    from services.chassis.kafka import Kafka

COPIED_FROM: Final = "nps_copied_from"
RECORDS_AT_ONCE: Final = 5_000
POLL_MS: Final = 300

Tell = Callable[[int, int], None]
"""Told how many records are in the copy, of how many."""

Lane = tuple[int, int]
"""A partition of the source and one of the target: between these two, order is kept."""


@dataclass(frozen=True, slots=True)
class Route:
    """From which topic to which, by their names on this cluster but for the prefix."""

    source: str
    target: str


@dataclass(slots=True)
class Copied:
    """What a copy holds: the last offset of the source in each lane, and how many records."""

    last: dict[Lane, int] = field(default_factory=dict)
    records: int = 0

    def take(self, lane: Lane, offset: int) -> None:
        """One more record of the copy.

        Raises:
            Refused: if it is there twice, or not in its order.
        """
        if offset <= self.last.get(lane, -1):
            raise Refused(f"record {offset} of partition {lane[0]} is in the copy twice: make the copy anew")
        self.last[lane] = offset
        self.records += 1

    def holds(self, lane: Lane, offset: int) -> bool:
        """Whether a record of the source is in the copy."""
        return offset <= self.last.get(lane, -1)


class Copying:
    """One copy of one topic."""

    def __init__(self, kafka: Kafka, route: Route, tell: Tell) -> None:
        self._kafka = kafka
        self._route = route
        self._tell = tell
        self._copied = Copied()
        self._seen = 0

    async def run(self, *, follow: bool) -> int:
        """Copies what is missing, then stops, or goes on with what comes until it is cancelled.

        Returns how many records the copy holds.

        Raises:
            Refused: if the target holds what did not come from the source, or has no more partitions than it.
            Transient: if Kafka fails; doing it again goes on.
        """
        async with _reader(self._kafka) as reader, _producer(self._kafka) as producer:
            await self._look(reader)
            sources = await _partitions(reader, self._full(self._route.source))
            reader.assign(sources)
            await reader.seek_to_beginning(*sources)
            partitions = len(await producer.partitions_for(self._full(self._route.target)))
            if partitions <= len(sources):
                raise Refused(f"{self._route.target} has {partitions} partitions, no more than {self._route.source}")
            ends = await reader.end_offsets(sources)
            while follow or not await _is_at(reader, ends):
                for records in (await reader.getmany(timeout_ms=POLL_MS, max_records=RECORDS_AT_ONCE)).values():
                    await self._copy(producer, records, partitions)
                    self._tell(self._seen, max(sum(ends.values()), self._seen))
        return self._copied.records

    async def _look(self, reader: AIOKafkaConsumer[bytes, bytes]) -> None:
        """Reads what the copy holds."""
        targets = await _partitions(reader, self._full(self._route.target))
        reader.assign(targets)
        await reader.seek_to_beginning(*targets)
        ends = await reader.end_offsets(targets)
        while not await _is_at(reader, ends):
            for partition, records in (await reader.getmany(timeout_ms=POLL_MS)).items():
                for record in records:
                    source, offset = self._origin(record)
                    self._copied.take((source, partition.partition), offset)

    def _origin(self, record: ConsumerRecord[bytes, bytes]) -> tuple[int, int]:
        told = first_header([(name, content or b"") for name, content in record.headers], COPIED_FROM) or ""
        topic, _, place = told.rpartition("@")
        partition, _, offset = place.partition("/")
        if topic != self._route.source or not (partition.isdigit() and offset.isdigit()):
            raise Refused(
                f"{self._route.target} holds a record that was not copied from {self._route.source} "
                f"(partition {record.partition}, offset {record.offset})"
            )
        return int(partition), int(offset)

    async def _copy(
        self, producer: AIOKafkaProducer, records: Sequence[ConsumerRecord[bytes, bytes]], partitions: int
    ) -> None:
        """Returns once all of them are acknowledged."""
        waiting = []
        self._seen += len(records)
        for record in records:
            lane = record.partition, partition_of(record.key or b"", partitions)
            if self._copied.holds(lane, record.offset):
                continue
            origin = f"{self._route.source}@{record.partition}/{record.offset}"
            sent = await producer.send(
                self._full(self._route.target),
                record.value,
                key=record.key,
                partition=lane[1],
                timestamp_ms=record.timestamp,
                headers=[*record.headers, (COPIED_FROM, origin.encode())],
            )
            waiting.append(sent)
            self._copied.take(lane, record.offset)
        await asyncio.gather(*waiting)

    def _full(self, name: str) -> str:
        return self._kafka.prefix + name


async def _partitions(reader: AIOKafkaConsumer[bytes, bytes], topic: str) -> list[TopicPartition]:
    there = await partitions_of(reader, [topic])
    return [TopicPartition(topic, number) for number in there.get(topic, [])]


async def _is_at(reader: AIOKafkaConsumer[bytes, bytes], ends: Mapping[TopicPartition, int]) -> bool:
    return all([await reader.position(partition) >= end for partition, end in ends.items()])


@asynccontextmanager
async def _reader(kafka: Kafka) -> AsyncIterator[AIOKafkaConsumer[bytes, bytes]]:
    consumer = kafka.reader()
    try:
        await start_client(consumer)
        yield consumer
    except KafkaError as error:
        raise Transient(f"Kafka: {type(error).__name__}") from error
    finally:
        await consumer.stop()


@asynccontextmanager
async def _producer(kafka: Kafka) -> AsyncIterator[AIOKafkaProducer]:
    producer = kafka.producer()
    try:
        await start_client(producer)
        yield producer
    finally:
        await producer.stop()
