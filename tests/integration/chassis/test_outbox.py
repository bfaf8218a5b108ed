"""The transactional outbox on a real Kafka and both databases: nothing lost, nothing out of order, one sweeper."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import cast

import pytest
from sqlalchemy import func, select

from services.chassis import evidence
from services.chassis.evidence import check_not_restored
from services.chassis.failures import Fenced, Halt, Malformed, Transient
from services.chassis.frame import Frame, open_frame
from services.chassis.kafka import Kafka
from services.chassis.metrics import CHASSIS_METRICS, Metrics
from services.chassis.migrating import migrate
from services.chassis.outbox import DATABASE_HEADER, LEFT_BEHIND, NUMBER_HEADER, Numbered, Outbox, Sweeper, publish_own
from services.chassis.positions import Positions
from services.chassis.publishing import FencedPublisher, Publisher
from services.chassis.reading import Reader, open_reader
from services.chassis.records import Outgoing
from services.chassis.settings import ServiceSettings
from services.chassis.sql import Database, Transaction, open_database, sqlite_url
from services.chassis.tables import OUTBOX
from services.chassis.topic_admin import Wanted
from tests.support.clocks import ManualClock
from tests.support.topics import reading

FREE, ORDERED = "news", "states"
TOPICS = [Wanted(FREE, 2, {"cleanup.policy": "delete"}), Wanted(ORDERED, 1, {"cleanup.policy": "compact"})]


@dataclass
class World:
    """A service with an outbox."""

    frame: Frame
    database: Database
    database_id: str
    clock: ManualClock

    def __post_init__(self) -> None:
        self.outbox = Outbox(self.database_id, self.clock, frozenset({ORDERED}))

    async def commit(self, *records: Outgoing) -> list[Numbered]:
        async with self.database.begin() as transaction:
            return await self.outbox.add(transaction, records)

    async def waiting(self) -> int:
        async with self.database.read() as transaction:
            return int((await transaction.execute(select(func.count()).select_from(OUTBOX))).scalar_one())

    async def published(self, topic: str = FREE, *, at_least: int = 0) -> list[bytes | None]:
        """What is in a topic. A transaction is seen a moment after its commit: say how many records it had."""
        async with reading(self.frame.kafka, topic) as reader:
            await reader.count(at_least)
            return [raw.value for raw in await reader.to_end()]

    def sweeper(self, instance: str = "one") -> Sweeper:
        settings = self.frame.settings.model_copy(update={"instance": instance})
        return Sweeper(replace(self.frame, settings=settings), self.database, self.outbox)

    async def sweep(self) -> int:
        ordered = FencedPublisher(self.frame.kafka, "news.outbox")
        await ordered.take_over()
        try:
            return await self.sweeper().sweep(ordered)
        finally:
            await ordered.close()


@pytest.fixture
async def world(settings: ServiceSettings, database: Database, clock: ManualClock) -> AsyncIterator[World]:
    async with open_frame("news", settings, clock, Metrics(CHASSIS_METRICS), TOPICS) as frame:
        yield World(frame, database, await migrate(database, clock), clock)


def record(text: str, topic: str = FREE) -> Outgoing:
    return Outgoing(topic, b"k", b"k", text.encode(), (("h", b"v"),))


async def test_what_is_committed_is_published_and_forgotten(world: World) -> None:
    rows = await world.commit(record("one"), record("two"))
    assert await world.waiting() == 2
    assert await publish_own(world.database, world.frame.publisher, rows)
    assert await world.waiting() == 0
    assert await world.published() == [b"one", b"two"]


async def test_a_record_says_which_database_and_row_it_comes_from(world: World) -> None:
    await publish_own(world.database, world.frame.publisher, await world.commit(record("one")))
    async with reading(world.frame.kafka, FREE) as reader:
        (raw,) = await reader.to_end()
    assert raw.headers == (("h", b"v"), (DATABASE_HEADER, world.database_id.encode()), (NUMBER_HEADER, b"1"))


async def test_what_was_not_committed_is_never_published(world: World) -> None:
    async def fails() -> None:
        async with world.database.begin() as transaction:
            await world.outbox.add(transaction, [record("lost")])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fails()
    world.clock.advance(minutes=1)
    assert await world.sweep() == 0
    assert await world.published() == []


async def test_what_a_crash_left_behind_is_swept(world: World) -> None:
    await world.commit(record("one"), record("two"))  # and here the process died
    assert await world.sweep() == 0
    world.clock.advance(seconds=LEFT_BEHIND.total_seconds())
    assert await world.sweep() == 2
    assert await world.sweep() == 0
    assert await world.published() == [b"one", b"two"]


class _Away:
    """A publisher whose Kafka is away."""

    async def publish(self, _records: Sequence[Outgoing]) -> None:
        raise Transient("Kafka is away")


async def test_what_kafka_did_not_take_stays_for_the_sweeper(world: World) -> None:
    rows = await world.commit(record("one"))
    assert not await publish_own(world.database, cast("Publisher", _Away()), rows)
    assert await world.waiting() == 1
    world.clock.advance(seconds=LEFT_BEHIND.total_seconds())
    assert await world.sweep() == 1
    assert await world.published() == [b"one"]


async def test_what_must_stand_in_order_is_the_sweepers_alone(world: World) -> None:
    numbers = range(20)
    for number in numbers:
        assert await world.commit(record(str(number), ORDERED)) == []
    assert await world.sweep() == 20
    assert await world.published(ORDERED, at_least=20) == [str(number).encode() for number in numbers]
    assert await world.waiting() == 0


async def test_a_worker_is_given_its_own_rows_and_not_those_in_order(world: World) -> None:
    rows = await world.commit(record("state", ORDERED), record("one"))
    assert [one.value for _, one in rows] == [b"one"]
    assert await world.commit() == []
    assert world.outbox.added_in_order.is_set()


async def test_a_sweeper_that_was_replaced_publishes_nothing(world: World) -> None:
    late, current = (FencedPublisher(world.frame.kafka, "news.outbox") for _ in range(2))
    await late.take_over()
    await current.take_over()
    await world.commit(record("one", ORDERED))
    with pytest.raises(Fenced):
        await world.sweeper("late").sweep(late)
    assert await world.waiting() == 1
    assert await world.sweeper("current").sweep(current) == 1
    assert await world.published(ORDERED, at_least=1) == [b"one"]
    await late.close()
    await current.close()


async def test_of_two_sweepers_one_sweeps(world: World) -> None:
    stop = asyncio.Event()
    sweepers = [asyncio.create_task(world.sweeper(name).run(stop)) for name in ("one", "other")]
    for number in range(30):
        await world.commit(record(str(number), ORDERED))
    async with reading(world.frame.kafka, ORDERED) as reader:
        await reader.count(30)
        stop.set()
        await asyncio.gather(*sweepers)
        found = [raw.value for raw in await reader.to_end()]
    assert found == [str(number).encode() for number in range(30)]
    assert await world.waiting() == 0


async def test_a_sweeper_that_stops_makes_room_for_another(world: World) -> None:
    for name in ("one", "other"):
        stop = asyncio.Event()
        sweeping = asyncio.create_task(world.sweeper(name).run(stop))
        await world.commit(record(name, ORDERED))
        async with reading(world.frame.kafka, ORDERED) as reader:
            await reader.until(lambda records, name=name: name.encode() in [raw.value for raw in records])  # type: ignore[misc]  # mypy takes no default in a lambda
        stop.set()
        await sweeping
    assert world.frame.health.stalled() == []


async def test_a_sweeper_stops_cleanly_though_the_database_is_away(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    @asynccontextmanager
    async def away(_database: Database) -> AsyncIterator[Transaction]:
        raise Transient("database: gaierror")
        yield

    stop = asyncio.Event()
    monkeypatch.setattr(Database, "begin", away)
    async with asyncio.TaskGroup() as group:
        group.create_task(world.sweeper().run(stop))
        stop.set()
    assert world.frame.health.stalled() == []


async def test_what_kafka_would_refuse_is_not_committed(world: World) -> None:
    with pytest.raises(Malformed, match="larger than Kafka takes"):
        await world.commit(record("one"), record("x" * 1_000_000))
    assert await world.waiting() == 0


async def _checked(world: World, database: Database, database_id: str) -> None:
    await check_not_restored(world.frame.kafka, database, database_id, [FREE, ORDERED])


async def _position(database: Database) -> None:
    async with database.begin() as transaction:
        await Positions(database, "reader").advance(transaction, ("words", 0), 0, 5)


async def test_a_database_that_published_what_kafka_holds_is_the_right_one(world: World) -> None:
    await _checked(world, world.database, world.database_id)
    await publish_own(world.database, world.frame.publisher, await world.commit(record("one")))
    await _checked(world, world.database, world.database_id)  # though nothing has been read yet: a request led to it
    await _position(world.database)
    await _checked(world, world.database, world.database_id)


@pytest.fixture
async def older(settings: ServiceSettings, clock: ManualClock) -> AsyncIterator[Database]:
    """A database that has published nothing."""
    async with open_database(sqlite_url(settings.state_dir, "older")) as database:
        await migrate(database, clock)
        yield database


async def test_an_empty_database_beside_what_was_published_was_lost(world: World, older: Database) -> None:
    await publish_own(world.database, world.frame.publisher, await world.commit(record("one")))
    with pytest.raises(Halt, match=r"it was lost\. Run `nps recover`"):
        await _checked(world, older, "another")


async def test_a_number_in_kafka_above_ours_means_an_older_database(world: World, older: Database) -> None:
    await publish_own(world.database, world.frame.publisher, await world.commit(record("one"), record("two")))
    await _position(older)
    with pytest.raises(Halt, match=r"holds our number 2, the database knows of 0.*Run `nps recover`"):
        await _checked(world, older, world.database_id)


async def test_what_another_replica_publishes_meanwhile_is_no_sign_of_a_loss(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    @asynccontextmanager
    async def published_before(kafka: Kafka) -> AsyncIterator[Reader]:
        await publish_own(world.database, world.frame.publisher, await world.commit(record("one")))
        async with open_reader(kafka) as reader:
            yield reader

    monkeypatch.setattr(evidence, "open_reader", published_before)
    await _checked(world, world.database, world.database_id)


async def test_what_other_databases_published_is_theirs(world: World, older: Database) -> None:
    await publish_own(world.database, world.frame.publisher, await world.commit(record("one")))
    await _position(older)
    await _checked(world, older, "another")
