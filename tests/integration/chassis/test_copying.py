"""A topic copied into one with more partitions."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import replace

import pytest

from schemas.topic import join_key, partition_of
from schemas.topics import RESPONSES
from services.chassis.copying import COPIED_FROM, Copying, Route
from services.chassis.failures import Refused
from services.chassis.kafka import Kafka
from services.chassis.records import Raw
from services.chassis.settings import ServiceSettings
from services.chassis.topic_admin import open_topic_admin, wanted_topic
from tests.support.topics import reading

ROUTE = Route(RESPONSES.name, "copied")
KEYS = [join_key(("default", f"r-{number}")) for number in range(40)]


@pytest.fixture
async def kafka(settings: ServiceSettings) -> Kafka:
    kafka = Kafka(settings)
    async with open_topic_admin(kafka, 1) as admin:
        await admin.make([wanted_topic(RESPONSES, 2), replace(wanted_topic(RESPONSES, 5), name=ROUTE.target)])
    return kafka


async def write(kafka: Kafka, topic: str, revisions: range) -> None:
    producer = kafka.producer()
    await producer.start()
    for revision in revisions:
        for key in KEYS:
            await producer.send(
                kafka.topic(topic),
                b"%d" % revision,
                key=key,
                partition=partition_of(key, 2),
                headers=[("ce_id", b"%d" % revision)],
                timestamp_ms=1_000 + revision,
            )
    await producer.stop()


async def copy(kafka: Kafka) -> int:
    return await Copying(kafka, ROUTE, lambda _done, _of: None).run(follow=False)


async def held(kafka: Kafka, topic: str) -> dict[bytes | None, list[Raw]]:
    """Records by key, in their order."""
    found = defaultdict(list)
    async with reading(kafka, topic) as reader:
        for raw in await reader.to_end():
            found[raw.key].append(raw)
    return found


def told(raw: Raw) -> tuple[object, ...]:
    return raw.value, raw.at, [header for header in raw.headers if header[0] != COPIED_FROM]


async def test_a_copy_holds_every_record_where_its_key_belongs_and_in_its_order(kafka: Kafka) -> None:
    await write(kafka, RESPONSES.name, range(3))
    assert await copy(kafka) == 120
    source, target = await held(kafka, RESPONSES.name), await held(kafka, ROUTE.target)
    assert {key: [told(raw) for raw in raws] for key, raws in target.items()} == {
        key: [told(raw) for raw in raws] for key, raws in source.items()
    }
    assert all(raw.partition == partition_of(key or b"", 5) for key, raws in target.items() for raw in raws)


async def test_a_copy_goes_on_where_it_stopped_and_nothing_is_there_twice(kafka: Kafka) -> None:
    await write(kafka, RESPONSES.name, range(2))
    assert await copy(kafka) == 80
    await write(kafka, RESPONSES.name, range(2, 3))
    assert await copy(kafka) == await copy(kafka) == 120
    assert all([raw.value for raw in raws] == [b"0", b"1", b"2"] for raws in (await held(kafka, ROUTE.target)).values())


async def test_a_copy_that_follows_takes_over_what_comes_until_it_is_stopped(kafka: Kafka) -> None:
    await write(kafka, RESPONSES.name, range(1))
    following = asyncio.create_task(Copying(kafka, ROUTE, lambda _done, _of: None).run(follow=True))
    async with reading(kafka, ROUTE.target) as reader:
        await reader.count(40)
        await write(kafka, RESPONSES.name, range(1, 2))
        await reader.count(80)
    following.cancel()
    await asyncio.wait([following])
    assert following.cancelled()
    assert await copy(kafka) == 80


async def test_a_topic_that_holds_something_else_is_not_written_to(kafka: Kafka) -> None:
    await write(kafka, ROUTE.target, range(1))
    with pytest.raises(Refused, match=r"a record that was not copied from nps\.responses"):
        await copy(kafka)
    assert all(len(raws) == 1 for raws in (await held(kafka, ROUTE.target)).values())


async def test_a_copy_has_more_partitions_than_its_source(kafka: Kafka) -> None:
    async with open_topic_admin(kafka, 1) as admin:
        await admin.make([replace(wanted_topic(RESPONSES, 2), name="narrow")])
    with pytest.raises(Refused, match="no more than"):
        await Copying(kafka, Route(RESPONSES.name, "narrow"), lambda _done, _of: None).run(follow=False)
