"""Publishing: what has been acknowledged is on all replicas, in the partition its key belongs to."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from itertools import zip_longest
from typing import TYPE_CHECKING, Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    InvalidProducerEpoch,
    KafkaError,
    MessageSizeTooLargeError,
    OutOfOrderSequenceNumber,
    ProducerFenced,
    UnknownTopicOrPartitionError,
)

from schemas.topic import DEAD_LETTER_SUFFIX, partition_of
from services.chassis.failures import Fenced, Halt, Malformed, Transient
from services.chassis.kafka import MAX_REQUEST_BYTES, start_client
from services.chassis.metrics import ChassisMetric, Metrics

if TYPE_CHECKING:
    from aiokafka.producer.message_accumulator import BatchBuilder

    from services.chassis.kafka import Kafka
    from services.chassis.records import Outgoing

PATIENCE: Final = timedelta(seconds=10)
# Kafka's default for a topic is 1,048,588. What the broker refused, an idempotent producer would not get over: the
# numbers it gives to records have moved on.
LARGEST_RECORD: Final = 1_000_000
RECORD_OVERHEAD: Final = 1_000
MANY: Final = 10
"""From so many records on they are put into batches here: a call for each would take longer than all else."""


def check_size(record: Outgoing) -> None:
    """Whether Kafka takes a record of this size.

    Raises:
        Malformed: if not.
    """
    headers = sum(len(name) + len(content) for name, content in record.headers)
    _check_size(record.topic, len(record.key or b"") + len(record.value or b"") + headers)


def _check_size(topic: str, size: int) -> None:
    largest = MAX_REQUEST_BYTES if topic.endswith(DEAD_LETTER_SUFFIX) else LARGEST_RECORD
    if size + RECORD_OVERHEAD > largest:
        raise Malformed.of("body", "larger than Kafka takes")


class Publisher:
    """Publishes records through one idempotent producer; safe to share between tasks."""

    def __init__(self, kafka: Kafka, producer: AIOKafkaProducer, metrics: Metrics[ChassisMetric]) -> None:
        self._kafka = kafka
        self._producer = producer
        self._metrics = metrics

    async def publish(self, records: Sequence[Outgoing], *, patience: timedelta = PATIENCE) -> None:
        """Returns when every record is acknowledged by all replicas.

        Raises:
            Transient: if that took too long; a record may still arrive later.
            Malformed: if a record is larger than Kafka takes.
            Halt: if a topic does not exist, or the producer cannot go on.
        """
        if not records:
            return
        try:
            async with asyncio.timeout(patience.total_seconds()):
                send = self._send_together if len(records) >= MANY else self._send_each
                await asyncio.gather(*(asyncio.shield(waiting) for waiting in await send(records)))
        except TimeoutError as error:
            raise Transient(f"Kafka did not acknowledge within {patience.total_seconds():.0f} s") from error
        except MessageSizeTooLargeError as error:
            raise Malformed.of("body", "larger than Kafka takes") from error
        except OutOfOrderSequenceNumber as error:
            raise Halt("Kafka refused a record, and this producer cannot go on after it: start anew") from error
        except KafkaError as error:
            raise Transient(f"Kafka: {type(error).__name__}") from error
        for topic, number in Counter(record.topic for record in records).items():
            self._metrics.count("nps_published_total", number, topic=topic)

    def name_here(self, topic: str) -> str:
        """What a topic is called on this cluster."""
        return self._kafka.name_here(topic)

    async def probe(self) -> None:
        """Whether Kafka answers.

        Raises:
            Transient: if not.
        """
        await self._kafka.probe(self._producer)

    async def _send_each(self, records: Sequence[Outgoing]) -> list[asyncio.Future[object]]:
        return [await _send(self._kafka, self._producer, record) for record in records]

    async def _send_together(self, records: Sequence[Outgoing]) -> list[asyncio.Future[object]]:
        """One acknowledgement a batch; each partition has its records in order."""
        names = {record.topic for record in records}
        batches = []
        for name in sorted(names):
            topic = self._kafka.topic(name)
            some = _Batches(self._producer, await _partitions(self._producer, topic))
            for record in records:
                if record.topic == name:
                    some.add(record)
            batches.append((topic, some))
        return [
            asyncio.ensure_future(await self._producer.send_batch(batch, topic, partition=number))
            for topic, some in batches
            for number, batch in some.full()
        ]


class _Batches:
    """Records of one topic in batches by partition."""

    def __init__(self, producer: AIOKafkaProducer, partitions: int) -> None:
        self._producer = producer
        self._batches: list[list[BatchBuilder]] = [[] for _ in range(partitions)]

    def add(self, record: Outgoing) -> None:
        """After those that are there, in a new batch if there is no room.

        Raises:
            Malformed: if the record is larger than Kafka takes.
        """
        batches = self._batches[partition_of(record.meets_by, len(self._batches))]
        if not batches or not _append(batches[-1], record):
            batches.append(self._producer.create_batch())
            _append(batches[-1], record)

    def full(self) -> Iterator[tuple[int, BatchBuilder]]:
        """The first of every partition, then the second: the next of a partition waits for the one before."""
        for turn in zip_longest(*self._batches):
            for number, batch in enumerate(turn):
                if batch is not None:
                    batch.close()
                    yield number, batch


def _append(batch: BatchBuilder, record: Outgoing) -> bool:
    added = batch.append(timestamp=None, key=record.key, value=record.value, headers=list(record.headers))
    if added is None:
        return False
    if added.size > LARGEST_RECORD - RECORD_OVERHEAD:
        _check_size(record.topic, added.size)
    return True


class FencedPublisher:
    """Publishes in transactions under one name: whoever took the name last is the only one who can."""

    def __init__(self, kafka: Kafka, name: str) -> None:
        self._kafka = kafka
        self._name = name
        self._producer = kafka.producer(transactional_id=name)

    async def take_over(self) -> None:
        """Fences every earlier holder of the name; its unfinished transaction is aborted.

        Raises:
            Transient: if Kafka does not answer.
        """
        try:
            await start_client(self._producer)
        except KafkaError as error:
            raise Transient(f"Kafka: {type(error).__name__}") from error

    async def publish(self, records: Sequence[Outgoing]) -> None:
        """Publishes all of them or none.

        Raises:
            Fenced: if somebody took the name; this publisher is of no use any more.
            Transient: if Kafka fails; take over anew with another publisher.
            Malformed: if a record is larger than Kafka takes.
        """
        try:
            async with self._producer.transaction():
                waiting = [await _send(self._kafka, self._producer, record) for record in records]
                await asyncio.gather(*waiting)
        except (ProducerFenced, InvalidProducerEpoch) as error:
            raise Fenced(f"another process publishes as {self._name}") from error
        except KafkaError as error:
            raise Transient(f"Kafka: {type(error).__name__}") from error

    async def partitions_of(self, topic: str) -> int:
        """How many partitions a topic has.

        Raises:
            Transient: if Kafka does not answer.
        """
        try:
            return len(await self._producer.partitions_for(self._kafka.topic(topic)))
        except KafkaError as error:
            raise Transient(f"Kafka: {type(error).__name__}") from error

    async def close(self) -> None:
        """Closes the producer; the name stays taken until somebody else takes it."""
        await self._producer.stop()


async def _send(kafka: Kafka, producer: AIOKafkaProducer, record: Outgoing) -> asyncio.Future[object]:
    check_size(record)
    topic = kafka.topic(record.topic)
    number = partition_of(record.meets_by, await _partitions(producer, topic))
    acknowledged: asyncio.Future[object] = await producer.send(
        topic,
        record.value,
        key=record.key,
        partition=number,
        headers=list(record.headers),
    )
    return acknowledged


async def _partitions(producer: AIOKafkaProducer, topic: str) -> int:
    try:
        return len(await producer.partitions_for(topic))
    except UnknownTopicOrPartitionError as error:
        raise Halt(f"topic {topic} does not exist: run `nps topics create`") from error


@asynccontextmanager
async def open_publisher(kafka: Kafka, metrics: Metrics[ChassisMetric]) -> AsyncIterator[Publisher]:
    """A publisher for the life of a process.

    Raises:
        Transient: if Kafka cannot be reached.
    """
    producer = kafka.producer()
    try:
        await start_client(producer)
    except KafkaError as error:
        raise Transient(f"Kafka cannot be reached: {type(error).__name__}") from error
    try:
        yield Publisher(kafka, producer, metrics)
    finally:
        await producer.stop()
