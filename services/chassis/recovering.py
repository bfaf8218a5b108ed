"""What it takes to recover a lost or restored database, whatever the service: its own topics, and a new identity.

The order: nobody runs (`wait_until_alone`); one transaction that empties the service's tables, replays topics into
them and ends with `begin_anew`; then, once that is committed, `set_group_offsets`. If it breaks off anywhere, doing all
of it again is right.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, TypeVar
from uuid import uuid4

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import GroupCoordinatorNotAvailableError, KafkaError
from aiokafka.structs import OffsetAndMetadata, TopicPartition
from sqlalchemy import delete

from schemas.contract import Contract
from schemas.topic import Topic
from services.chassis.consumer_groups import members
from services.chassis.failures import Halt, Malformed, Transient
from services.chassis.kafka import SESSION_MS, Kafka, start_client
from services.chassis.logs import logger
from services.chassis.positions import Partition
from services.chassis.reading import Reader, open_reader
from services.chassis.records import Received
from services.chassis.tables import IDENTITY, LEASES, OUTBOX, POSITIONS

if TYPE_CHECKING:
    from services.chassis.clock import Clock
    from services.chassis.sql import Transaction

P = TypeVar("P", bound=Contract)

AT_ONCE: Final = 1000
LOOK_AGAIN: Final = timedelta(milliseconds=500)
GONE_WITHIN: Final = timedelta(milliseconds=1.5 * SESSION_MS)
"""A static member that has stopped stays in its group until its session is over."""

_log = logger("recovering")


@dataclass(slots=True)
class Replay:
    """Reads whole topics of ours and notes where each of their partitions ended."""

    reader: Reader
    ends: dict[Partition, int] = field(default_factory=dict)

    async def starts(self, topics: Iterable[Topic[Any]]) -> dict[Partition, int]:  # payloads of any type
        """Where each partition of these topics begins, for who reads them again.

        Raises:
            Transient: if Kafka fails.
        """
        await self.reader.assign([topic.name for topic in topics])
        return await self.reader.starts()

    async def batches(self, topic: Topic[P]) -> AsyncIterator[Sequence[Received[P]]]:
        """Every record up to the end, in the order of its partition. What cannot be read is passed over, and told.

        Raises:
            Transient: if Kafka fails.
        """
        await self.reader.assign([topic.name])
        self.ends |= await self.reader.ends()
        waiting: list[Received[P]] = []
        async for raw in self.reader.to_end():
            try:
                waiting.append(Received(raw, topic.decode(raw.headers, raw.value)))
            except Malformed as error:
                _log.warning("record.unreadable", topic=raw.topic, offset=raw.offset, reason=str(error))
            if len(waiting) >= AT_ONCE:
                yield waiting
                waiting = []
        if waiting:
            yield waiting


@asynccontextmanager
async def open_replay(kafka: Kafka) -> AsyncIterator[Replay]:
    """A replay for the length of a recovery.

    Raises:
        Transient: if Kafka cannot be reached.
    """
    async with open_reader(kafka) as reader:
        yield Replay(reader)


async def wait_until_alone(kafka: Kafka, group: str, *, within: timedelta = GONE_WITHIN) -> None:
    """Returns once nobody consumes in this group: replicas that have stopped take a moment to be noticed.

    Raises:
        Halt: if somebody still does.
        Transient: if Kafka does not answer.
    """
    admin = kafka.admin()
    try:
        await start_client(admin)
        async with asyncio.timeout(within.total_seconds()):
            while await members(admin, kafka.topic(group)):  # noqa: ASYNC110 Kafka announces no end of a session
                await asyncio.sleep(LOOK_AGAIN.total_seconds())
    except TimeoutError as error:
        raise Halt(f"{group} still runs: stop all its replicas, then recover") from error
    except KafkaError as error:
        raise Transient(f"Kafka: {type(error).__name__}") from error
    finally:
        await admin.close()


async def begin_anew(transaction: Transaction, consumer: str, positions: Mapping[Partition, int], clock: Clock) -> str:
    """Sets where a consumer reads on, empties outbox and leases, and returns the new identity of the database.

    What was in the outbox has been published, or is published again by whoever recovers. Under a new identity the
    numbers Kafka remembers of the old one are no evidence any more.
    """
    for table in (POSITIONS, OUTBOX, LEASES, IDENTITY):
        await transaction.execute(delete(table))
    rows = [
        {"consumer": consumer, "topic": topic, "partition": number, "next_offset": offset}
        for (topic, number), offset in positions.items()
    ]
    if rows:
        await transaction.execute(POSITIONS.insert(), rows)
    database_id = uuid4().hex
    await transaction.execute(IDENTITY.insert().values(database_id=database_id, created_at=clock.now()))
    return database_id


async def committed_offsets(kafka: Kafka, group: str) -> dict[Partition, int]:
    """Where a group stands, as Kafka knows it.

    Raises:
        Transient: if Kafka does not answer.
    """
    admin = kafka.admin()
    try:
        await start_client(admin)
        known = await admin.list_consumer_group_offsets(kafka.topic(group))
    except GroupCoordinatorNotAvailableError:
        return {}  # no group has ever committed anything on this cluster
    except KafkaError as error:
        raise Transient(f"Kafka: {type(error).__name__}") from error
    finally:
        await admin.close()
    return {(kafka.short(part.topic), part.partition): found.offset for part, found in known.items()}


async def set_group_offsets(kafka: Kafka, group: str, positions: Mapping[Partition, int]) -> None:
    """Commits these offsets for a group in which nobody consumes.

    Raises:
        Transient: if Kafka does not answer, or somebody consumes after all.
    """
    offsets = {
        TopicPartition(kafka.topic(topic), number): OffsetAndMetadata(offset, "")
        for (topic, number), offset in positions.items()
    }
    consumer: AIOKafkaConsumer[bytes, bytes] = AIOKafkaConsumer(
        **kafka.connection, group_id=kafka.topic(group), enable_auto_commit=False
    )
    try:
        await start_client(consumer)
        consumer.assign(list(offsets))
        await consumer.commit(offsets)
    except KafkaError as error:
        raise Transient(f"Kafka: {type(error).__name__}") from error
    finally:
        await consumer.stop()
