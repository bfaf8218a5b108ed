"""A consumer on a real Kafka: what it promises of records, positions and dead letters."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import RecordsToDelete
from aiokafka.record.util import calc_crc32c
from aiokafka.structs import TopicPartition
from sqlalchemy import Column, Integer, MetaData, String, Table, func, select

from schemas.topic import partition_of
from services.chassis.assignments import Assignments
from services.chassis.clock import SystemClock
from services.chassis.consuming import Batch, Consumer, Subscription
from services.chassis.dead_letters import DeadLetters, read_letter
from services.chassis.failures import Halt, Malformed, Transient
from services.chassis.frame import Frame, open_frame
from services.chassis.lane import TRIES
from services.chassis.metrics import CHASSIS_METRICS, Metrics
from services.chassis.migrating import migrate
from services.chassis.positions import Positions
from services.chassis.records import Outgoing, Raw
from services.chassis.settings import ServiceSettings
from services.chassis.sql import Database, open_database, sqlite_url
from services.chassis.standing import Standing
from services.chassis.topic_admin import Wanted, wanted_dead_letters
from tests.support.topics import eventually, reading

KEYS = {
    number: next(key for key in map(b"%d".__mod__, range(100)) if partition_of(key, 4) == number) for number in range(4)
}
CRC = 17  # where a record batch has its checksum, of everything after it
_TABLES = MetaData()
SEEN = Table("seen", _TABLES, Column("id", Integer, primary_key=True), Column("word", String(50)))


@dataclass
class World:
    """One service that stores the words it reads."""

    frame: Frame
    database: Database
    trusted: bool = True
    fails: Callable[[str], None] = lambda _word: None
    calls: list[list[str]] = field(default_factory=list)

    def consumer(self) -> Consumer[str]:
        subscription = Subscription("reader", ("words",), _decode, trusted=self.trusted)
        self.positions = Positions(self.database, "reader")
        letters = DeadLetters(self.frame.publisher, "reader", None)
        return Consumer(subscription, self._store, frame=self.frame, positions=self.positions, dead_letters=letters)

    async def _store(self, batch: Batch[str]) -> None:
        words = [record.payload for record in batch.records]
        self.calls.append(words)
        async with self.database.begin() as transaction:
            await self.positions.advance_all(transaction, batch)
            for word in words:
                self.fails(word)
                await transaction.execute(SEEN.insert().values(word=word))

    async def publish(self, *words: str | None, key: bytes = b"k") -> None:
        await self.frame.publisher.publish(
            [
                Outgoing("words", key, key, None if word is None else json.dumps(word).encode(), (("h", b"\xff\x00"),))
                for word in words
            ]
        )

    async def publish_undecodable(self, word: str) -> None:
        """As clients do that take any bytes for a header's name; ours does not, so the finished batch is changed."""
        producer = AIOKafkaProducer(bootstrap_servers=self.frame.settings.kafka_bootstrap)
        async with producer:
            batch = producer.create_batch()
            batch.append(key=b"k", value=json.dumps(word).encode(), timestamp=None, headers=[("zz", b"")])
            built = bytearray(batch._build()).replace(b"zz", b"\xff\xfe")
            built[CRC : CRC + 4] = calc_crc32c(bytes(built[CRC + 4 :])).to_bytes(4, "big")
            batch._buffer = built
            await (await producer.send_batch(batch, self.frame.kafka.topic("words"), partition=0))

    async def stored(self) -> list[str]:
        async with self.database.begin() as transaction:
            return list((await transaction.execute(select(SEEN.c.word).order_by(SEEN.c.id))).scalars())

    async def dead(self, number: int) -> list[str]:
        async with reading(self.frame.kafka, "words.dlq") as reader:
            await reader.count(number)
            return [(await read_letter(raw, None)).message for raw in await reader.to_end()]


def _decode(raw: Raw) -> str:
    try:
        word = json.loads(raw.value or b"")
    except ValueError as error:
        raise Malformed.of("body", "not JSON") from error
    if word == "bad":
        raise Malformed.of("word", "bad")
    return str(word)


@pytest.fixture
async def world(settings: ServiceSettings) -> AsyncIterator[World]:
    async with _world(settings, 1) as made:
        yield made


@pytest.fixture
async def wide(settings: ServiceSettings) -> AsyncIterator[World]:
    """A world whose words come in four partitions."""
    async with _world(settings, 4) as made:
        yield made


@asynccontextmanager
async def _world(settings: ServiceSettings, partitions: int) -> AsyncIterator[World]:
    clock = SystemClock()
    topics = [Wanted("words", partitions, {"cleanup.policy": "delete"}), wanted_dead_letters("words")]
    async with (
        open_frame("words", settings, clock, Metrics(CHASSIS_METRICS), topics) as frame,
        open_database(sqlite_url(settings.state_dir, "words")) as database,
    ):
        await migrate(database, clock)
        async with database.begin() as transaction:
            await transaction.run_sync(_TABLES.create_all)
        yield World(frame, database)


@asynccontextmanager
async def consuming(world: World) -> AsyncIterator[asyncio.Task[None]]:
    stop = asyncio.Event()
    task = asyncio.create_task(world.consumer().run(stop))
    try:
        yield task
    finally:
        stop.set()
        await asyncio.wait([task])


async def until_stored(world: World, *words: str) -> None:
    async with asyncio.timeout(30):
        while await world.stored() != list(words):
            await asyncio.sleep(0.02)


async def test_a_record_is_read_once_over_restarts(world: World) -> None:
    await world.publish("one", "two")
    async with consuming(world):
        await until_stored(world, "one", "two")
    await world.publish("three")
    async with consuming(world):
        await until_stored(world, "one", "two", "three")
    assert await world.stored() == [word for call in world.calls for word in call] == ["one", "two", "three"]
    assert await world.positions.known() == {("words", 0): 3}
    assert await world.dead(0) == []


async def test_what_cannot_be_read_becomes_a_dead_letter_and_its_neighbours_go_through(world: World) -> None:
    await world.publish("one", "bad", None, "two")
    async with consuming(world):
        await until_stored(world, "one", "two")
        assert await world.dead(2) == ["word: bad", "body: not JSON"]


async def test_a_header_name_the_client_cannot_decode_stops_nobody(world: World) -> None:
    await world.publish("one", "two")
    await world.publish_undecodable("three")
    await world.publish("four")
    async with consuming(world):
        await until_stored(world, "one", "two", "four")
        assert await world.dead(1) == ["headers: a name is not UTF-8, so that the record cannot be handed over"]
    await world.publish("five")
    async with consuming(world):
        await until_stored(world, "one", "two", "four", "five")


async def test_where_a_partition_stands_that_is_no_longer_held_is_told_to_nobody(world: World) -> None:
    consumer = world.frame.kafka.consumer("reader")
    standing = Standing(world.frame, "reader", consumer, Assignments(consumer))
    async with consumer:
        await standing.tell({TopicPartition(world.frame.kafka.topic("words"), 0): 3})
    assert b"nps_consumer_lag_records{" not in world.frame.metrics.render()


async def test_a_dead_letter_keeps_key_value_and_headers_byte_for_byte(world: World) -> None:
    await world.publish("bad")
    async with consuming(world), reading(world.frame.kafka, "words.dlq") as reader:
        (raw,) = await reader.count(1)
        letter = await read_letter(raw, None)
    assert (letter.key, letter.value, letter.headers) == (b"k", b'"bad"', (("h", b"\xff\x00"),))
    assert (letter.topic, letter.partition, letter.offset, letter.group) == ("words", 0, 0, "reader")


async def test_a_dependency_that_is_down_pauses_the_partition_and_nothing_is_lost(world: World) -> None:
    down = True

    def fails(word: str) -> None:
        if down:
            raise Transient("away")

    async def probe() -> None:
        if down:
            raise Transient("away")

    world.fails = fails
    world.frame.health.add_probe("provider", probe)
    await world.publish("one", "two")
    async with consuming(world):
        await eventually(lambda: len(world.calls) >= 4)
        assert "provider" in await world.frame.health.not_ready()
        assert world.frame.health.stalled() == []
        down = False
        await until_stored(world, "one", "two")
        await eventually(lambda: world.frame.health._waiting == {})
    async with reading(world.frame.kafka, "words.dlq") as reader:
        assert await reader.to_end() == []


async def test_what_is_away_is_waited_for_though_every_probe_is_answered(world: World) -> None:
    down = True

    def fails(_word: str) -> None:
        if down:
            raise Transient("Kafka: not enough replicas")

    world.fails = fails
    await world.publish("one")
    async with consuming(world):
        await eventually(lambda: len(world.calls) > TRIES + 1)
        assert "Transient: Kafka: not enough replicas" in (await world.frame.health.not_ready()).values()
        down = False
        await until_stored(world, "one")
    async with reading(world.frame.kafka, "words.dlq") as reader:
        assert await reader.to_end() == []


async def test_a_record_that_alone_fails_three_times_becomes_a_dead_letter(world: World) -> None:
    def fails(word: str) -> None:
        if word == "two":
            raise ZeroDivisionError

    world.fails = fails
    await world.publish("one", "two", "three")
    async with consuming(world):
        await until_stored(world, "one", "three")
        assert await world.dead(1) == ["see the stack trace"]
    assert [call for call in world.calls if call == ["two"]] == [["two"]] * 3


async def test_what_has_come_of_all_partitions_goes_together(wide: World) -> None:
    for number, key in KEYS.items():
        await wide.publish(f"{number}a", f"{number}b", key=key)
    async with consuming(wide):
        await _until_as_many(wide, 8)
    words = await wide.stored()
    assert sorted(words) == sorted(f"{number}{letter}" for number in KEYS for letter in "ab")
    assert all(words.index(f"{number}a") < words.index(f"{number}b") for number in KEYS)
    assert max(len({word[0] for word in call}) for call in wide.calls) > 1


async def test_a_record_that_fails_holds_up_no_other_partition_and_none_is_stored_twice(wide: World) -> None:
    def fails(word: str) -> None:
        if word == "1a":
            raise ZeroDivisionError

    wide.fails = fails
    for number, key in KEYS.items():
        await wide.publish(f"{number}a", f"{number}b", key=key)
    async with consuming(wide):
        assert await wide.dead(1) == ["see the stack trace"]
        await _until_as_many(wide, 7)
    assert sorted(await wide.stored()) == ["0a", "0b", "1b", "2a", "2b", "3a", "3b"]


async def test_what_is_away_is_waited_for_by_all_partitions(wide: World) -> None:
    away = True

    def fails(_word: str) -> None:
        if away:
            raise Transient("the dependency is away")

    wide.fails = fails
    for number, key in KEYS.items():
        await wide.publish(f"{number}a", key=key)
    async with consuming(wide):
        await eventually(lambda: len(wide.frame.health._waiting) == len(KEYS))
        assert await wide.stored() == []
        away = False
        await _until_as_many(wide, 4)
    assert sorted(await wide.stored()) == ["0a", "1a", "2a", "3a"]


async def _until_as_many(world: World, number: int) -> None:
    async with asyncio.timeout(30):
        while len(await world.stored()) < number:
            await asyncio.sleep(0.02)


async def test_on_our_own_topics_half_of_the_last_200_dead_stops_the_partition(world: World) -> None:
    await world.publish(*["bad"] * 150, "good")
    async with consuming(world):
        await eventually(lambda: any("half" in reason for reason in world.frame.health._waiting.values()))
        assert len(await world.dead(100)) == 100
        assert await world.stored() == []
        assert await world.frame.health.not_ready()


async def test_inbound_topics_never_stop(world: World) -> None:
    world.trusted = False
    await world.publish(*["bad"] * 250, "good")
    async with consuming(world):
        await until_stored(world, "good")
        assert await world.frame.health.not_ready() == {}
    assert await world.stored() == ["good"]
    assert await world.dead(0) == ["word: bad"] * 250
    assert await world.positions.known() == {("words", 0): 251}


async def test_a_database_that_was_lost_stops_the_service(world: World) -> None:
    await world.publish("one")
    async with consuming(world):
        await until_stored(world, "one")
    async with world.database.begin() as transaction:
        await transaction.exec_driver_sql("DELETE FROM positions")
    async with consuming(world) as task:
        with pytest.raises(Halt, match="nps recover"):
            await asyncio.wait_for(asyncio.shield(task), 30)


async def test_a_worker_that_was_replaced_changes_nothing(world: World) -> None:
    await world.publish("one")
    async with consuming(world):
        await until_stored(world, "one")
        async with world.database.begin() as transaction:
            await transaction.exec_driver_sql("UPDATE positions SET next_offset = 2")
        await world.publish("two", "three")
        await until_stored(world, "one", "three")
    assert await world.stored() == ["one", "three"]
    assert await world.positions.known() == {("words", 0): 3}
    assert await world.dead(0) == []


async def test_records_that_are_no_longer_there_stop_our_own_topics(world: World) -> None:
    await world.publish("one", "two", "three")
    async with consuming(world):
        await until_stored(world, "one", "two", "three")
    await world.publish("four", "five")
    admin = world.frame.kafka.admin()
    await admin.start()
    await admin.delete_records({TopicPartition(world.frame.kafka.topic("words"), 0): RecordsToDelete(4)})
    await admin.close()
    async with consuming(world) as task:
        with pytest.raises(Halt, match="does not hold offset 3"):
            await asyncio.wait_for(asyncio.shield(task), 30)
    world.trusted = False
    async with consuming(world):
        await until_stored(world, "one", "two", "three", "five")


async def test_count_of_transactions_equals_count_of_batches(world: World) -> None:
    await world.publish(*[str(number) for number in range(1200)])
    async with consuming(world):
        await until_stored(world, *[str(number) for number in range(1200)])
    async with world.database.begin() as transaction:
        assert (await transaction.execute(select(func.count()).select_from(SEEN))).scalar_one() == 1200
    assert len(world.calls) < 20
