"""The right to publish for a partition, on a real Kafka: who holds it, who has lost it, and who has given it up."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from schemas.topics import TALLIES
from services.chassis.kafka import Kafka
from services.chassis.publishing import FencedPublisher
from services.chassis.records import Outgoing
from services.chassis.settings import ServiceSettings
from services.chassis.topic_admin import open_topic_admin, wanted_topic
from services.scoring.fences import AGAIN_AFTER_FENCED, Fence
from tests.support.clocks import ManualClock
from tests.support.topics import reading

ENDS_AT = 7
A_CELL = Outgoing(TALLIES.name, b"cell", b"cell", b"counts", ())


@pytest.fixture
async def kafka(settings: ServiceSettings) -> Kafka:
    kafka = Kafka(settings)
    async with open_topic_admin(kafka, replication=1) as admin:
        await admin.ensure([wanted_topic(TALLIES, 1)])
    return kafka


def fence_of(kafka: Kafka) -> Fence:
    async def end() -> int:
        return ENDS_AT

    return Fence(kafka, "tally.0", end)


async def cells(kafka: Kafka) -> int:
    async with reading(kafka, TALLIES.name) as reader:
        return len(await reader.to_end())


async def test_nothing_may_be_published_before_all_there_was_has_been_read(kafka: Kafka, clock: ManualClock) -> None:
    fence = fence_of(kafka)
    assert not await fence.ready(ENDS_AT - 1, clock.now())
    assert await fence.ready(ENDS_AT, clock.now())
    await fence.close()


async def test_who_took_the_right_last_has_it_and_the_other_takes_it_again_later(
    kafka: Kafka, clock: ManualClock
) -> None:
    former, current = fence_of(kafka), fence_of(kafka)
    for fence in (former, current):
        assert await fence.ready(ENDS_AT, clock.now())
    assert not await former.publish([A_CELL], clock.now())
    assert await current.publish([A_CELL], clock.now())
    assert not await former.ready(ENDS_AT, clock.now())
    clock.advance(seconds=(AGAIN_AFTER_FENCED + timedelta(seconds=1)).total_seconds())
    assert await former.ready(ENDS_AT, clock.now())
    assert await cells(kafka) == 1
    for fence in (former, current):
        await fence.close()


async def test_what_was_given_up_is_refused_and_not_taken_again(kafka: Kafka, clock: ManualClock) -> None:
    fence = fence_of(kafka)
    assert await fence.ready(ENDS_AT, clock.now())
    await fence.close()
    assert not await fence.publish([A_CELL], clock.now())
    assert not await fence.ready(ENDS_AT, clock.now())
    assert await cells(kafka) == 0


async def test_a_right_that_is_given_up_while_it_is_taken_is_let_go_of(kafka: Kafka, clock: ManualClock) -> None:
    async def end() -> int:
        await fence.close()
        return ENDS_AT

    fence = Fence(kafka, "tally.0", end)
    assert not await fence.ready(ENDS_AT, clock.now())
    assert fence.term is None


async def test_a_right_whose_taking_is_cancelled_is_let_go_of(
    kafka: Kafka, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, closed = asyncio.Event(), asyncio.Event()
    close = FencedPublisher.close

    async def closing(publisher: FencedPublisher) -> None:
        await close(publisher)
        closed.set()

    async def end() -> int:
        asked.set()
        return await asyncio.Future[int]()

    monkeypatch.setattr(FencedPublisher, "close", closing)
    taking = asyncio.create_task(Fence(kafka, "tally.0", end).ready(ENDS_AT, clock.now()))
    await asked.wait()
    taking.cancel()
    await asyncio.wait([taking])
    assert taking.cancelled()
    assert closed.is_set()
