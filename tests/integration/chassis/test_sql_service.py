"""A service with its truth in SQL: effects, position and what is published go together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid5

import pytest
from pydantic import SecretStr
from sqlalchemy import select
from starlette.applications import Starlette

from schemas.consent import Consent
from schemas.message import EFFECTS
from schemas.survey_request import SurveyRequest
from schemas.topics import CONSENTS, SURVEY_REQUESTS
from services.chassis.consuming import Batch
from services.chassis.dead_letters import read_letter
from services.chassis.failures import Halt
from services.chassis.frame import Frame, open_frame
from services.chassis.lifecycle import Assembly
from services.chassis.metrics import CHASSIS_METRICS, Metrics
from services.chassis.outbox import LEFT_BEHIND
from services.chassis.records import Cause, Outgoing, Raw, Received, outgoing
from services.chassis.settings import ServiceSettings, SqlSettings
from services.chassis.sql import Transaction, sqlite_url
from services.chassis.sql_service import Outline, SqlService, open_sql_service, wanted_topics
from services.chassis.tables import OUTBOX, POSITIONS
from services.chassis.tracing import trace_id
from tests.support.clocks import ManualClock
from tests.support.hosting import hosted
from tests.support.topics import reading

OUTLINE = Outline("asking", "services.routing", (CONSENTS,), (SURVEY_REQUESTS,))
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
ALICE, BOB = "a" * 32, "b" * 32


@dataclass
class World:
    """Asks whoever consents to be asked again."""

    settings: SqlSettings
    clock: ManualClock
    frame: Frame
    seen: list[str] = field(default_factory=list)
    fails: set[str] = field(default_factory=set)
    service: SqlService = field(init=False)

    async def handle(self, transaction: Transaction, batch: Batch[Consent]) -> Sequence[Outgoing]:
        await transaction.execute(select(POSITIONS))
        records = []
        for received in batch.records:
            self.seen.append(received.payload.subject)
            records.append(self.asked(received))
            if received.payload.subject in self.fails:
                raise ZeroDivisionError
        return records

    def asked(self, received: Received[Consent]) -> Outgoing:
        consent = received.payload
        request = SurveyRequest(
            request_id=uuid5(EFFECTS, consent.subject),
            tenant=consent.tenant,
            response_id=f"r-{consent.subject[0]}",
            task_id=uuid5(EFFECTS, "task"),
            cause="task_closed",
            not_before=consent.at,
        )
        cause = Cause("asking", self.clock.now(), received.raw.traceparent)
        return outgoing(SURVEY_REQUESTS, request, str(request.request_id), cause)

    @asynccontextmanager
    async def asking(self) -> AsyncIterator[Assembly]:
        async with open_sql_service(OUTLINE, self.settings, self.clock, Metrics(CHASSIS_METRICS)) as service:
            self.service = service
            consumer = service.consumer("asking", {CONSENTS: self.handle})
            yield Assembly({"consumer": consumer.run, "outbox": service.sweeper().run}, Starlette())

    async def consent(self, *subjects: str) -> None:
        for subject in subjects:
            consent = Consent(
                tenant="default", subject=subject, purpose="survey", granted=True, source="test", at=self.clock.now()
            )
            cause = Cause("intake", self.clock.now(), PARENT)
            await self.frame.publisher.publish([outgoing(CONSENTS, consent, subject, cause)])

    async def requests(self, number: int) -> list[str]:
        async with reading(self.frame.kafka, SURVEY_REQUESTS.name) as reader:
            found = await reader.count(number)
        assert {trace_id(raw.traceparent) for raw in found} == {trace_id(PARENT)}
        return sorted(SURVEY_REQUESTS.decode(raw.headers, raw.value).response_id for raw in found)


@pytest.fixture
async def world(settings: ServiceSettings, url: str, clock: ManualClock) -> AsyncIterator[World]:
    with_sql = SqlSettings(**settings.model_dump(), sql_url=SecretStr(url))
    topics = wanted_topics((CONSENTS,), (SURVEY_REQUESTS,), settings.partitions)
    async with open_frame("test", settings, clock, Metrics(CHASSIS_METRICS), topics) as frame:
        yield World(with_sql, clock, frame)


async def test_each_record_has_its_effect_once_over_restarts(world: World) -> None:
    await world.consent(ALICE)
    async with hosted(world.asking()):
        assert await world.requests(1) == ["r-a"]
    await world.consent(BOB)
    async with hosted(world.asking()):
        assert await world.requests(2) == ["r-a", "r-b"]
    assert sorted(world.seen) == [ALICE, BOB]


async def test_what_died_between_commit_and_publishing_is_published_after_the_restart(world: World) -> None:
    async with world.asking():
        service = world.service
        async with service.database.begin() as transaction:
            consent = Consent(
                tenant="default", subject=ALICE, purpose="survey", granted=True, source="t", at=world.clock.now()
            )
            raw = Raw("nps.consents", 0, 0, world.clock.now(), None, b"", (("traceparent", PARENT.encode()),))
            await service.outbox.add(transaction, [world.asked(Received(raw, consent))])
    world.clock.advance(seconds=LEFT_BEHIND.total_seconds())
    async with hosted(world.asking()):
        assert await world.requests(1) == ["r-a"]
        async with asyncio.timeout(10):
            while await _waiting(world):
                await asyncio.sleep(0.02)


async def _waiting(world: World) -> list[int]:
    async with world.service.database.read() as transaction:
        return list((await transaction.execute(select(OUTBOX.c.number))).scalars())


async def test_a_handler_that_fails_leaves_no_effect_and_no_record(world: World) -> None:
    world.fails = {BOB}
    await world.consent(BOB)

    def later(records: list[Raw]) -> bool:
        world.clock.advance(seconds=20)  # pauses end
        return bool(records)

    async with hosted(world.asking()), reading(world.frame.kafka, "nps.consents.dlq") as reader:
        (letter,) = await reader.until(later)
        assert (await read_letter(letter, None)).attempts == 3
    async with reading(world.frame.kafka, SURVEY_REQUESTS.name) as reader:
        assert await reader.to_end() == []


async def test_a_request_has_its_effect_and_its_record_in_one_transaction(world: World) -> None:
    consent = Consent(tenant="default", subject=ALICE, purpose="survey", granted=True, source="t", at=world.clock.now())
    raw = Raw("request", 0, 0, world.clock.now(), None, b"", (("traceparent", PARENT.encode()),))

    async def change(transaction: Transaction) -> tuple[str, Sequence[Outgoing]]:
        await transaction.execute(select(POSITIONS))
        return "done", [world.asked(Received(raw, consent))]

    async with world.asking():
        assert await world.service.apply(change) == "done"
        assert await world.requests(1) == ["r-a"]


async def test_a_service_whose_database_was_lost_does_not_start(world: World, tmp_path: Path) -> None:
    await world.consent(ALICE)
    async with hosted(world.asking()):
        await world.requests(1)
    world.settings = world.settings.model_copy(update={"sql_url": SecretStr(sqlite_url(tmp_path / "new", "asking"))})
    with pytest.raises(Halt, match="nps recover"):
        async with world.asking():
            raise AssertionError("started")
