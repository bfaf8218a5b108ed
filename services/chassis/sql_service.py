"""What a service with its truth in SQL is bolted to: a database next to Kafka, and effects that go with their offsets.

A handler is given a transaction and a batch, writes its effects and returns what to publish. Position, effects and
outbox are committed together; the records are published straight after.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from schemas.topic import Topic
from services.chassis.clock import Clock
from services.chassis.consuming import Batch, Consumer, Subscription
from services.chassis.dead_letters import DeadLetters
from services.chassis.evidence import check_not_restored
from services.chassis.frame import Frame, open_frame
from services.chassis.metrics import Metrics
from services.chassis.migrating import migrate
from services.chassis.outbox import Outbox, Sweeper, publish_own
from services.chassis.positions import Positions
from services.chassis.records import Outgoing, Raw
from services.chassis.settings import SqlSettings
from services.chassis.sql import Database, Transaction, open_database, sqlite_url
from services.chassis.topic_admin import Wanted, wanted_dead_letters, wanted_topic

T = TypeVar("T")

Handler = Callable[[Transaction, Batch[T]], Awaitable[Sequence[Outgoing]]]


@dataclass(frozen=True, slots=True)
class SqlService:
    """The frame, the database and the outbox of one service."""

    frame: Frame
    database: Database
    outbox: Outbox
    publishing: set[asyncio.Task[bool]] = field(default_factory=set)
    """What was committed last, on its way while the next batch is worked on."""

    def consumer(self, group: str, handlers: Mapping[Topic[Any], Handler[Any]]) -> Consumer[Any]:
        """A consumer of topics of ours: each batch goes to the handler of its topic, effects in one transaction."""
        by_name = {topic.name: handler for topic, handler in handlers.items()}

        async def handle(transaction: Transaction, batch: Batch[Any]) -> Sequence[Outgoing]:
            return await by_name[batch.topic](transaction, batch)

        subscription = Subscription(group, tuple(by_name), decoder(handlers), trusted=True)
        positions = Positions(self.database, group, self.frame.kafka.name_here)
        return Consumer(
            subscription,
            _Effects(self, positions, handle),
            frame=self.frame,
            positions=positions,
            dead_letters=DeadLetters(self.frame.publisher, group, None),
        )

    def sweeper(self) -> Sweeper:
        """Publishes what is left behind, and what must stand in order."""
        return Sweeper(self.frame, self.database, self.outbox)

    async def apply(self, change: Callable[[Transaction], Awaitable[tuple[T, Sequence[Outgoing]]]]) -> T:
        """One transaction of effects that no record led to: a request, a timer. Published after the commit."""
        async with self.database.begin() as transaction:
            result, records = await change(transaction)
            rows = await self.outbox.add(transaction, records)
        await publish_own(self.database, self.frame.publisher, rows)
        return result


class _Effects(Generic[T]):
    """Positions, effects and outbox of one batch in one transaction; it is published while the next is worked on."""

    def __init__(self, service: SqlService, positions: Positions, handle: Handler[T]) -> None:
        self._service = service
        self._positions = positions
        self._handle = handle
        self._before: asyncio.Task[bool] | None = None

    async def __call__(self, batch: Batch[T]) -> None:
        service = self._service
        async with service.database.begin() as transaction:
            await self._positions.advance_all(transaction, batch)
            records = await self._handle(transaction, batch) if batch.records else ()
            rows = await service.outbox.add(transaction, records)
        publishing = asyncio.create_task(publish_own(service.database, service.frame.publisher, rows))
        service.publishing.add(publishing)
        publishing.add_done_callback(service.publishing.discard)
        before, self._before = self._before, publishing
        if before:
            await before


def decoder(topics: Iterable[Topic[Any]]) -> Callable[[Raw], Any]:  # payloads differ by topic
    """Decodes each record by the topic it came from; the tombstone of a compacted one is none."""
    by_name = {topic.name: topic for topic in topics}

    def decode(raw: Raw) -> Any:  # the payload of that topic
        topic = by_name[raw.topic]
        return None if raw.value is None and topic.compacted else topic.decode(raw.headers, raw.value)

    return decode


def wanted_topics(reads: Iterable[Topic[Any]], writes: Iterable[Topic[Any]], partitions: int) -> list[Wanted]:
    """Every topic a service needs: what it reads and writes, and the dead letters of what it reads."""
    reads = tuple(reads)
    needed = {topic.name: wanted_topic(topic, partitions) for topic in (*reads, *writes)}
    return [*needed.values(), *(wanted_dead_letters(topic.name) for topic in reads)]


@dataclass(frozen=True, slots=True)
class Outline:
    """What sets one service apart, as far as the chassis must know: its package, topics and metrics."""

    name: str
    package: str
    reads: tuple[Topic[Any], ...]
    writes: tuple[Topic[Any], ...]

    @property
    def in_order(self) -> frozenset[str]:
        """Topics of which the last record of a key counts, so that their records must stand in order."""
        return frozenset(topic.name for topic in self.writes if topic.compacted)


def database_url(settings: SqlSettings, service: str) -> str:
    """Where a service keeps its truth."""
    return settings.sql_url.get_secret_value() if settings.sql_url else sqlite_url(settings.state_dir, service)


@asynccontextmanager
async def open_own_database(
    outline: Outline, settings: SqlSettings, clock: Clock
) -> AsyncIterator[tuple[Database, str]]:
    """The database of a service, brought up to date, and its id."""
    async with open_database(database_url(settings, outline.name)) as database:
        yield database, await migrate(database, clock, outline.package)


@asynccontextmanager
async def open_sql_service(
    outline: Outline, settings: SqlSettings, clock: Clock, metrics: Metrics[Any]
) -> AsyncIterator[SqlService]:
    """Opens Kafka and SQL, brings the database up to date and makes sure that it is not an older one.

    Raises:
        Halt: if topics are not as they must be, or the database was lost or restored.
    """
    topics = wanted_topics(outline.reads, outline.writes, settings.partitions)
    async with (
        open_frame(outline.name, settings, clock, metrics, topics) as frame,
        open_own_database(outline, settings, clock) as (database, database_id),
    ):
        frame.health.add_probe("sql", database.probe)
        await check_not_restored(frame.kafka, database, database_id, [topic.name for topic in outline.writes])
        service = SqlService(frame, database, Outbox(database_id, clock, outline.in_order))
        try:
            yield service
        finally:
            await asyncio.gather(*service.publishing)
