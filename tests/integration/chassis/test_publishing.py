"""Publishing on a real Kafka: what is acknowledged is there, where it belongs, and from whom it may be."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from infra.local.kafka_broker import free_port
from schemas.topic import partition_of
from services.chassis.failures import Fenced, Malformed, Transient
from services.chassis.frame import Frame, open_frame
from services.chassis.kafka import Kafka
from services.chassis.metrics import CHASSIS_METRICS, Metrics
from services.chassis.publishing import FencedPublisher, open_publisher
from services.chassis.reading import open_reader
from services.chassis.records import Outgoing
from services.chassis.settings import ServiceSettings
from services.chassis.topic_admin import Wanted
from tests.support.clocks import ManualClock
from tests.support.topics import reading

PARTITIONS = 4
TRACE = ("traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")


@pytest.fixture
async def frame(settings: ServiceSettings, clock: ManualClock) -> AsyncIterator[Frame]:
    topics = [Wanted("words", PARTITIONS, {"cleanup.policy": "delete"})]
    async with open_frame("words", settings, clock, Metrics(CHASSIS_METRICS), topics) as opened:
        yield opened


def word(text: str, key: str = "k", meets_by: str | None = None, topic: str = "words") -> Outgoing:
    return Outgoing(topic, key.encode(), (meets_by or key).encode(), text.encode(), (TRACE,))


async def words(frame: Frame, *, at_least: int = 0) -> list[bytes | None]:
    """What is in the topic. A transaction is seen a moment after its commit: say how many records it had."""
    async with reading(frame.kafka, "words") as reader:
        await reader.count(at_least)
        return [raw.value for raw in await reader.to_end()]


async def test_what_is_published_is_there_with_key_and_headers(frame: Frame) -> None:
    await frame.publisher.publish([word("one"), Outgoing("words", b"k", b"k", None, ())])
    async with reading(frame.kafka, "words") as reader:
        one, tombstone = await reader.to_end()
    assert (one.topic, one.key, one.value, one.headers) == ("words", b"k", b"one", (TRACE,))
    assert one.traceparent == TRACE[1].decode()
    assert (tombstone.key, tombstone.value, tombstone.headers) == (b"k", None, ())
    assert 'nps_published_total{topic="words"} 2.0' in frame.metrics.render().decode()


async def test_many_at_once_are_all_there_each_partition_in_order(frame: Frame) -> None:
    sent = [word(f"{number:05} " + "x" * 700, f"key-{number % 50}") for number in range(3_000)]
    await asyncio.gather(frame.publisher.publish(sent), frame.publisher.publish([word("beside")]))
    async with reading(frame.kafka, "words") as reader:
        found = [raw for raw in await reader.to_end() if raw.value != b"beside"]
    expected: dict[int, list[bytes | None]] = {}
    for record in sent:
        expected.setdefault(partition_of(record.meets_by, PARTITIONS), []).append(record.value)
    assert {number: [raw.value for raw in found if raw.partition == number] for number in expected} == expected
    assert {raw.headers for raw in found} == {(TRACE,)}
    assert 'nps_published_total{topic="words"} 3001.0' in frame.metrics.render().decode()


async def test_of_many_none_is_sent_if_one_is_larger_than_kafka_takes(frame: Frame) -> None:
    with pytest.raises(Malformed, match="larger than Kafka takes"):
        await frame.publisher.publish([*[word("small")] * 200, word("x" * 1_000_000)])
    await frame.publisher.publish([word("after")] * 200)
    assert await words(frame, at_least=200) == [b"after"] * 200


async def test_records_lie_where_their_key_meets(frame: Frame) -> None:
    await frame.publisher.publish([word(f"{number}", f"key-{number}") for number in range(50)])
    await frame.publisher.publish([word(f"other-{number}", f"x-{number}", meets_by="key-1") for number in range(8)])
    async with reading(frame.kafka, "words") as reader:
        found = {raw.value: (raw.partition, raw.key) for raw in await reader.to_end()}
    for number in range(50):
        place = partition_of(f"key-{number}".encode(), PARTITIONS)
        assert found[f"{number}".encode()] == (place, f"key-{number}".encode())
    assert {found[f"other-{number}".encode()][0] for number in range(8)} == {found[b"1"][0]}
    assert found[b"other-3"][1] == b"x-3"


async def test_who_asks_for_one_key_reads_one_partition(frame: Frame) -> None:
    await frame.publisher.publish([word(f"{number}", f"key-{number}") for number in range(50)])
    async with open_reader(frame.kafka) as reader:
        await reader.assign(["words", "nowhere"], meets_by=b"key-1")
        found = [raw async for raw in reader.to_end()]
    assert {raw.partition for raw in found} == {partition_of(b"key-1", PARTITIONS)}
    assert b"key-1" in [raw.key for raw in found]


async def test_who_asks_for_the_tail_reads_the_last_records(frame: Frame) -> None:
    await frame.publisher.publish([word(f"{number}") for number in range(50)])
    async with open_reader(frame.kafka) as reader:
        await reader.assign(["words"], tail=3)
        assert [raw.value async for raw in reader.to_end()] == [b"47", b"48", b"49"]
        await reader.assign([])
        assert [raw async for raw in reader.to_end()] == []


async def test_a_topic_that_is_not_there_is_not_published_to(frame: Frame) -> None:
    with pytest.raises(Transient, match="did not acknowledge within 0 s"):
        await frame.publisher.publish([word("one", topic="nowhere")], patience=timedelta(milliseconds=300))
    await frame.publisher.publish([word("two")])


async def test_what_is_too_large_is_malformed_and_the_publisher_goes_on(frame: Frame) -> None:
    await frame.publisher.publish([word("one")])
    with pytest.raises(Malformed, match="larger than Kafka takes"):
        await frame.publisher.publish([word("x" * 1_100_000)])
    await frame.publisher.publish([word("x" * 990_000), word("two")])
    assert [len(value or b"") for value in await words(frame)] == [3, 990_000, 3]


async def test_a_cluster_that_is_away_is_transient(settings: ServiceSettings) -> None:
    nobody = settings.model_copy(update={"kafka_bootstrap": f"127.0.0.1:{free_port()}"})
    with pytest.raises(Transient, match="Kafka"):
        async with open_publisher(Kafka(nobody), Metrics(CHASSIS_METRICS)):
            raise AssertionError("opened")
    with pytest.raises(Transient, match="Kafka"):
        async with open_reader(Kafka(nobody)):
            raise AssertionError("opened")


async def test_a_service_that_starts_before_kafka_waits_for_it(settings: ServiceSettings, clock: ManualClock) -> None:
    nobody = settings.model_copy(update={"kafka_bootstrap": f"127.0.0.1:{free_port()}"})
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5), open_frame("words", nobody, clock, Metrics(CHASSIS_METRICS), []):
            raise AssertionError("opened")


async def test_readiness_asks_kafka(frame: Frame) -> None:
    await frame.publisher.probe()
    assert await frame.health.not_ready() == {}


@pytest.fixture
async def holders(frame: Frame) -> AsyncIterator[tuple[FencedPublisher, FencedPublisher]]:
    """Two who publish under one name; the first has taken it."""
    first, second = FencedPublisher(frame.kafka, "words.0"), FencedPublisher(frame.kafka, "words.0")
    await first.take_over()
    yield first, second
    await first.close()
    await second.close()


async def test_what_is_published_in_a_transaction_is_there_whole_or_not_at_all(
    frame: Frame, holders: tuple[FencedPublisher, FencedPublisher]
) -> None:
    first, _ = holders
    with pytest.raises(Malformed, match="larger than Kafka takes"):
        await first.publish([word("lost"), word("x" * 1_100_000)])
    await first.publish([word("one"), word("two")])
    assert await words(frame, at_least=2) == [b"one", b"two"]


async def test_who_was_replaced_is_refused(frame: Frame, holders: tuple[FencedPublisher, FencedPublisher]) -> None:
    first, second = holders
    await first.publish([word("one")])
    await second.take_over()
    with pytest.raises(Fenced, match=r"publishes as words\.0"):
        await first.publish([word("late")])
    await second.publish([word("two")])
    assert await words(frame, at_least=2) == [b"one", b"two"]


async def test_what_was_pending_when_somebody_took_over_is_never_seen(
    frame: Frame, holders: tuple[FencedPublisher, FencedPublisher]
) -> None:
    first, second = holders
    await first._producer.begin_transaction()
    await first._producer.send_and_wait(frame.kafka.topic("words"), b"pending", partition=0)
    await second.take_over()
    await second.publish([word("two")])
    assert await words(frame, at_least=1) == [b"two"]


async def test_names_of_publishers_stand_under_the_prefix(
    frame: Frame, settings: ServiceSettings, holders: tuple[FencedPublisher, FencedPublisher]
) -> None:
    first, _ = holders
    elsewhere = FencedPublisher(Kafka(settings.model_copy(update={"topic_prefix": "elsewhere."})), "words.0")
    await elsewhere.take_over()
    await elsewhere.close()
    await first.publish([word("one")])
    assert await words(frame, at_least=1) == [b"one"]
