"""Publishing: what has been acknowledged is on all replicas, in the partition its key belongs to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
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
from services.chassis.kafka import MAX_REQUEST_BYTES
from services.chassis.metrics import ChassisMetric, Metrics

if TYPE_CHECKING:
    from services.chassis.kafka import Kafka
    from services.chassis.records import Outgoing

PATIENCE: Final = timedelta(seconds=10)
# Kafka's default for a topic is 1,048,588. What the broker refused, an idempotent producer would not get over: the
# numbers it gives to records have moved on.
LARGEST_RECORD: Final = 1_000_000
RECORD_OVERHEAD: Final = 1_000


def check_size(record: Outgoing) -> None:
    """Whether Kafka takes a record of this size.

    Raises:
        Malformed: if not.
    """
    largest = MAX_REQUEST_BYTES if record.topic.endswith(DEAD_LETTER_SUFFIX) else LARGEST_RECORD
    headers = sum(len(name) + len(content) for name, content in record.headers)
    if len(record.key or b"") + len(record.value or b"") + headers + RECORD_OVERHEAD > largest:
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
                acknowledgements = [await self._send(record) for record in records]
                await asyncio.gather(*(asyncio.shield(waiting) for waiting in acknowledgements))
        except TimeoutError as error:
            raise Transient(f"Kafka did not acknowledge within {patience.total_seconds():.0f} s") from error
        except MessageSizeTooLargeError as error:
            raise Malformed.of("body", "larger than Kafka takes") from error
        except OutOfOrderSequenceNumber as error:
            raise Halt("Kafka refused a record, and this producer cannot go on after it: start anew") from error
        except KafkaError as error:
            raise Transient(f"Kafka: {type(error).__name__}") from error
        for record in records:
            self._metrics.count("nps_published_total", topic=record.topic)

    def name_here(self, topic: str) -> str:
        """What a topic is called on this cluster."""
        return self._kafka.name_here(topic)

    async def probe(self) -> None:
        """Whether Kafka answers.

        Raises:
            Transient: if not.
        """
        await self._kafka.probe(self._producer)

    async def _send(self, record: Outgoing) -> asyncio.Future[object]:
        return await _send(self._kafka, self._producer, record)


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
            await self._producer.start()
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
    try:
        partitions = await producer.partitions_for(topic)
    except UnknownTopicOrPartitionError as error:
        raise Halt(f"topic {topic} does not exist: run `nps topics create`") from error
    acknowledged: asyncio.Future[object] = await producer.send(
        topic,
        record.value,
        key=record.key,
        partition=partition_of(record.meets_by, len(partitions)),
        headers=list(record.headers),
    )
    return acknowledged


@asynccontextmanager
async def open_publisher(kafka: Kafka, metrics: Metrics[ChassisMetric]) -> AsyncIterator[Publisher]:
    """A publisher for the life of a process.

    Raises:
        Transient: if Kafka cannot be reached.
    """
    producer = kafka.producer()
    try:
        await producer.start()
    except KafkaError as error:
        await producer.stop()
        raise Transient(f"Kafka cannot be reached: {type(error).__name__}") from error
    try:
        yield Publisher(kafka, producer, metrics)
    finally:
        await producer.stop()
