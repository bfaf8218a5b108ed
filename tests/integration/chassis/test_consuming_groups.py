"""Consumers as members of a group, readers of topics that come and go, and what must not stop them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import pytest
from aiokafka import AIOKafkaProducer

from schemas.topic import INBOUND_PATTERN
from services.chassis import kafka as kafka_module
from services.chassis.clock import SystemClock
from services.chassis.consuming import Batch, Consumer, Subscription
from services.chassis.dead_letters import DeadLetter, DeadLetters, Sealer, read_letter
from services.chassis.failures import Malformed
from services.chassis.frame import Frame, open_frame
from services.chassis.kafka import Kafka
from services.chassis.keyring import Keyring
from services.chassis.metrics import CHASSIS_METRICS, Metrics
from services.chassis.migrating import migrate
from services.chassis.positions import Positions
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
                await positions.advance(transaction, (batch.topic, batch.partition), batch.start, batch.end)
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

    def words(self) -> Counter[str]:
        return Counter(word for _, word in self.stored)


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
async def world_of(settings: ServiceSettings, wanted: list[Wanted], topics: tuple[str, ...] | str) -> AsyncIterator[World]:
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
    async def publish(start: int) -> None:
        await words.publish("words", *(f"{number}".encode() for number in range(start, start + 100)))

    async with consuming(words.member("one")) as first:
        await publish(0)
        await eventually(lambda: len(words.stored) >= 100)
        async with consuming(words.member("other")):
            await eventually(lambda: _both_read(words))
            await publish(100)
            await eventually(lambda: len(words.stored) >= 200)
            first.cancel()  # dies in the middle, and its partitions are taken over after the session
            await asyncio.wait([first])
            await publish(200)
            await eventually(lambda: len(words.stored) >= 300)
    assert words.words() == Counter({f"{number}": 1 for number in range(300)})
    assert {name for name, _ in words.stored} == {"one", "other"}


def _both_read(words: World) -> bool:
    """Whether the group has two members, as the lag they tell of shows."""
    return "other" in {name for name, _ in words.stored} or bool(_members(words) == 2)


def _members(words: World) -> int:
    return words.frame.metrics.render().decode().count("nps_consumer_lag_records{")
