"""Consumers as members of a group, readers of topics that come and go, and what must not stop them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.structs import TopicPartition

from schemas.topic import INBOUND_PATTERN
from services.chassis import kafka as kafka_module
from services.chassis.clock import SystemClock
from services.chassis.consuming import Batch, Consumer, Subscription
from services.chassis.dead_letters import DeadLetter, DeadLetters, Sealer, read_letter
from services.chassis.failures import Malformed
from services.chassis.frame import Frame, open_frame
from services.chassis.kafka import Kafka
from services.chassis.keyring import Keyring
from services.chassis.lane import Lane
from services.chassis.metrics import CHASSIS_METRICS, Metrics
from services.chassis.migrating import migrate
from services.chassis.positions import Partition, Positions
from services.chassis.records import Outgoing, Raw
from services.chassis.settings import ServiceSettings
from services.chassis.sql import Database, open_database, sqlite_url
from services.chassis.topic_admin import Wanted, open_topic_admin, wanted_dead_letters, wanted_inbound
from tests.support.topics import eventually, reading

MIB = 1024 * 1024
EMAIL = "responses.email"


@dataclass
class World:
    """A group that reads words, whoever of its members does."""

    frame: Frame
    database: Database
    topics: tuple[str, ...] | str
    sealer: Sealer | None = None
    stored: list[tuple[str, str]] = field(default_factory=list)

    def member(self, instance: str = "one") -> Consumer[str]:
        settings = self.frame.settings.model_copy(update={"instance": instance})
        frame = replace(self.frame, settings=settings, kafka=Kafka(settings))
        positions = Positions(self.database, "reader")

        async def store(batch: Batch[str]) -> None:
            async with self.database.begin() as transaction:
                await positions.advance_all(transaction, batch)
            self.stored += [(instance, record.payload) for record in batch.records]

        subscription = Subscription("reader", self.topics, _decode, trusted=isinstance(self.topics, tuple))
        letters = DeadLetters(frame.publisher, "reader", self.sealer)
        return Consumer(subscription, store, frame=frame, positions=positions, dead_letters=letters)

    async def publish(self, topic: str, *values: bytes | None, headers: tuple[tuple[str, bytes], ...] = ()) -> None:
        keys = [f"k{number}".encode() for number in range(len(values))]
        await self.frame.publisher.publish(
            [Outgoing(topic, key, key, value, headers) for key, value in zip(keys, values, strict=True)]
        )

    async def letters(self, topic: str, number: int) -> list[DeadLetter]:
        async with reading(self.frame.kafka, topic + ".dlq") as reader:
            await reader.count(number)
            return [await read_letter(raw, self.sealer) for raw in await reader.to_end()]

    async def positions(self) -> dict[Partition, int]:
        return await Positions(self.database, "reader").known()

    def words(self) -> Counter[str]:
        return Counter(word for _, word in self.stored)

    def readers(self) -> set[str]:
        return {name for name, _ in self.stored}


def _decode(raw: Raw) -> str:
    if raw.value is None:
        raise Malformed.of("body", "empty")
    try:
        word = raw.value.decode()
    except UnicodeDecodeError as error:
        raise Malformed.of("body", "not UTF-8") from error
    if not word or word.startswith("bad"):
        raise Malformed.of("body", "no word")
    return word


@asynccontextmanager
async def consuming(member: Consumer[str]) -> AsyncIterator[asyncio.Task[None]]:
    """A member at work; one that was cancelled has died without a word."""
    stop = asyncio.Event()
    task = asyncio.create_task(member.run(stop))
    try:
        yield task
    finally:
        stop.set()
        await asyncio.wait([task])
        if not task.cancelled():
            task.result()


@asynccontextmanager
async def world_of(
    settings: ServiceSettings, wanted: list[Wanted], topics: tuple[str, ...] | str
) -> AsyncIterator[World]:
    clock = SystemClock()
    async with (
        open_frame("words", settings, clock, Metrics(CHASSIS_METRICS), wanted) as frame,
        open_database(sqlite_url(settings.state_dir, "words")) as database,
    ):
        await migrate(database, clock)
        yield World(frame, database, topics)


@pytest.fixture
async def words(settings: ServiceSettings, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    """Members that notice quickly who comes and goes."""
    monkeypatch.setattr(kafka_module, "SESSION_MS", 6_000)  # the least a broker allows
    monkeypatch.setattr(kafka_module, "HEARTBEAT_MS", 200)
    topics = [Wanted("words", 4, {"cleanup.policy": "delete"}), wanted_dead_letters("words")]
    async with world_of(settings, topics, ("words",)) as world:
        yield world


@pytest.fixture
async def inbound(settings: ServiceSettings, monkeypatch: pytest.MonkeyPatch, keyring: Keyring) -> AsyncIterator[World]:
    """A member that reads whatever comes in."""
    monkeypatch.setattr(kafka_module, "METADATA_MS", 300)
    async with world_of(settings, [wanted_inbound("email", 1), wanted_dead_letters(EMAIL)], INBOUND_PATTERN) as world:
        world.sealer = keyring
        yield world


async def test_members_share_partitions_and_hand_over_without_loss_or_doubles(words: World) -> None:
    published = 0

    async def publish_until(satisfied: Callable[[], bool]) -> None:
        nonlocal published
        async with asyncio.timeout(30):
            while not satisfied():
                await words.publish("words", *(f"{number}".encode() for number in range(published, published + 20)))
                published += 20
                await asyncio.sleep(0.02)

    async with consuming(words.member("one")) as first:
        await publish_until(lambda: "one" in words.readers())
        async with consuming(words.member("other")):
            await publish_until(lambda: "other" in words.readers())
            first.cancel()  # dies in the middle; after the session its partitions are the other's
            await asyncio.wait([first])
            await publish_until(lambda: len(words.stored) > 200)
            await eventually(lambda: len(words.stored) >= published)
    assert words.words() == Counter({f"{number}": 1 for number in range(published)})


async def test_a_new_topic_is_read_from_its_beginning(inbound: World) -> None:
    await inbound.publish(EMAIL, b"one")
    async with consuming(inbound.member()):
        await eventually(lambda: inbound.words() == {"one": 1})
        async with open_topic_admin(inbound.frame.kafka, 1) as admin:
            await admin.ensure([wanted_inbound("fax_2", 1)])
        await inbound.publish("responses.fax_2", b"two")
        await eventually(lambda: inbound.words() == {"one": 1, "two": 1})
    assert inbound.words() == {"one": 1, "two": 1}
    assert await inbound.positions() == {(EMAIL, 0): 1, ("responses.fax_2", 0): 1}


async def test_only_what_comes_in_under_our_prefix_is_read(inbound: World) -> None:
    """A dot of the prefix stands for itself; dead letters and other topics are no answers."""
    settings = inbound.frame.settings
    elsewhere = Kafka(settings.model_copy(update={"topic_prefix": settings.topic_prefix.replace(".", "X")}))
    async with open_topic_admin(elsewhere, 1) as admin, open_topic_admin(inbound.frame.kafka, 1) as ours:
        await admin.ensure([wanted_inbound("email", 1)])
        await ours.ensure([Wanted("responses.Email", 1, {}), Wanted("xresponses.email", 1, {})])
    async with _producer(settings) as producer:
        await producer.send_and_wait(elsewhere.topic(EMAIL), b"another's")
    for topic in ("responses.Email", "xresponses.email", EMAIL + ".dlq"):
        await inbound.publish(topic, b"none of ours")
    await inbound.publish(EMAIL, b"ours")
    member = inbound.member()
    async with consuming(member):
        await eventually(lambda: inbound.words() == {"ours": 1})
        assert member._lanes.keys() == {TopicPartition(inbound.frame.kafka.topic(EMAIL), 0)}
    assert inbound.words() == {"ours": 1}
    assert await inbound.positions() == {(EMAIL, 0): 1}


POISON: dict[str, bytes | None] = {"null": None, "empty": b"", "not UTF-8": b"\xff\xfe", "no word": b"bad"}
HEADERS = (("x", b"\xff\x00"), ("x", b"again"), ("", b""), ("\u00e4", b"1"))


async def test_poison_is_a_dead_letter_once_whatever_it_is(inbound: World) -> None:
    await inbound.publish(EMAIL, *POISON.values(), b"good", headers=HEADERS)
    for _ in range(2):
        async with consuming(inbound.member()):
            await eventually(lambda: inbound.words() == {"good": 1})
    letters = await inbound.letters(EMAIL, len(POISON))
    assert [letter.value for letter in letters] == list(POISON.values())
    assert [letter.key for letter in letters] == [f"k{number}".encode() for number in range(len(POISON))]
    assert {letter.headers for letter in letters} == {HEADERS}
    assert len({letter.letter_id for letter in letters}) == len(POISON)


async def test_a_dead_letter_may_be_larger_than_what_was_sent(inbound: World) -> None:
    value = b"bad" + b"x" * (MIB - 1000)
    async with _producer(inbound.frame.settings) as producer:
        await producer.send_and_wait(inbound.frame.kafka.topic(EMAIL), value)
    await inbound.publish(EMAIL, b"good")
    async with consuming(inbound.member()):
        await eventually(lambda: inbound.words() == {"good": 1})
    (letter,) = await inbound.letters(EMAIL, 1)
    assert letter.value == value


async def test_what_no_dead_letter_can_hold_does_not_stop_the_line(inbound: World) -> None:
    async with open_topic_admin(inbound.frame.kafka, 1) as admin:
        await admin.ensure([Wanted("responses.huge", 1, {"max.message.bytes": str(8 * MIB)})])
        await admin.ensure([wanted_dead_letters("responses.huge")])
    async with _producer(inbound.frame.settings) as producer:
        await producer.send_and_wait(inbound.frame.kafka.topic("responses.huge"), b"bad" + b"x" * 5 * MIB)
    await inbound.publish("responses.huge", b"good")
    async with consuming(inbound.member()):
        await eventually(lambda: inbound.words() == {"good": 1})
    (letter,) = await inbound.letters("responses.huge", 1)
    assert (letter.offset, letter.value, letter.message) == (0, None, "body: larger than Kafka takes")


async def test_what_waited_when_it_was_handed_on_is_ready_again(words: World) -> None:
    """A member that no longer holds a partition does not wait for it."""
    member = words.member()
    for number in range(4):
        partition = TopicPartition(words.frame.kafka.topic("words"), number)
        member._lanes[partition] = Lane(0, trusted=True)
        words.frame.health.waits(f"reader {partition.topic}[{number}]", "a batch fails")
    await words.publish("words", b"one")
    async with consuming(member):
        await eventually(lambda: words.words() == {"one": 1})
    assert await words.frame.health.not_ready() == {}


@asynccontextmanager
async def _producer(settings: ServiceSettings) -> AsyncIterator[AIOKafkaProducer]:
    """A stranger's producer, that sends what ours would not."""
    producer = AIOKafkaProducer(bootstrap_servers=settings.kafka_bootstrap, max_request_size=8 * MIB)
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()
