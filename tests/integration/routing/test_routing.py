"""Routing on a real Kafka and a real database: answers in, decisions and commands out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from schemas.consent import Consent
from schemas.contract import Contract
from schemas.decision import Decision
from schemas.message import Message
from schemas.outreach_request import OutreachRequest
from schemas.response import Response
from schemas.topic import Topic
from schemas.topics import CONSENTS, DECISIONS, DELIVERIES, MESSAGES, OUTREACH, RESPONSES
from services.chassis.business import Business
from services.chassis.failures import Halt
from services.chassis.frame import Frame, open_frame
from services.chassis.keyring import Identity, Keyring
from services.chassis.lifecycle import Assembly
from services.chassis.metrics import CHASSIS_METRICS, Metrics
from services.chassis.positions import Positions
from services.chassis.reading import open_reader
from services.chassis.records import Cause, outgoing
from services.chassis.settings import SealedSettings
from services.chassis.sql import open_database
from services.chassis.sql_service import database_url, wanted_topics
from services.routing import READS, WRITES, commands
from services.routing.app import routing
from services.routing.settings import RoutingSettings
from tests.support.answers import answered
from tests.support.clocks import ManualClock
from tests.support.databases import lose_database
from tests.support.events import delivered
from tests.support.hosting import hosted
from tests.support.sealing import sealed
from tests.support.topics import DEADLINE_S, reading


@dataclass
class World:
    frame: Frame
    keyring: Keyring
    clock: ManualClock
    settings: RoutingSettings
    business: Business

    def routing(self) -> AbstractAsyncContextManager[Assembly]:
        return routing(self.settings, self.business, self.clock)

    async def publish(self, *answers: Response) -> None:
        cause = Cause("intake", self.clock.now())
        await self.frame.publisher.publish(
            [outgoing(RESPONSES, a, f"{a.response_id}/{a.revision}", cause) for a in answers]
        )

    async def say(self, topic: Topic[Any], *payloads: Contract) -> None:
        """Publishes what others say, and returns once routing has read the topic up to its end."""
        cause = Cause("test", self.clock.now())
        await self.frame.publisher.publish([outgoing(topic, one, str(uuid4()), cause) for one in payloads])
        async with (
            open_reader(self.frame.kafka) as reader,
            open_database(database_url(self.settings, "routing")) as database,
        ):
            await reader.assign([topic.name])
            ends = {place: end for place, end in (await reader.ends()).items() if end}
            async with asyncio.timeout(DEADLINE_S):
                while await Positions(database, "routing").load(ends) != ends:
                    await asyncio.sleep(0.02)

    def word(self, subject: str | None, *, granted: bool, hour: int) -> Consent:
        assert subject
        at = self.clock.now() + timedelta(hours=hour)
        return Consent(tenant="default", subject=subject, purpose="mail", granted=granted, source="test", at=at)

    async def decisions(self, number: int) -> list[Decision]:
        async with reading(self.frame.kafka, DECISIONS.name) as reader:
            return [DECISIONS.decode(raw.headers, raw.value) for raw in await reader.count(number)]

    async def messages(self) -> list[Message]:
        async with reading(self.frame.kafka, MESSAGES.name) as reader:
            return [MESSAGES.decode(raw.headers, raw.value) for raw in await reader.to_end()]

    async def requests(self) -> list[OutreachRequest]:
        async with reading(self.frame.kafka, OUTREACH.name) as reader:
            return [OUTREACH.decode(raw.headers, raw.value) for raw in await reader.to_end()]


@pytest.fixture
async def world(
    sealed_settings: SealedSettings, keyring: Keyring, clock: ManualClock, business: Business
) -> AsyncIterator[World]:
    settings = RoutingSettings(**sealed_settings.model_dump(), at_once=True)
    topics = wanted_topics(READS, WRITES, settings.partitions)
    async with open_frame("test", settings, clock, Metrics(CHASSIS_METRICS), topics) as frame:
        yield World(frame, keyring, clock, settings, business)


async def test_each_band_leads_to_its_one_action(world: World) -> None:
    for score in (9, 7, 3):
        await world.publish(await sealed(world.keyring, answered(score), email=f"a{score}@example.org"))
    async with hosted(world.routing()):
        decisions = await world.decisions(3)
    assert {(d.band, d.action, d.outcome) for d in decisions} == {
        ("promoter", "perk", "action"),
        ("passive", "offer", "action"),
        ("detractor", "outreach", "action"),
    }
    assert sorted(message.command for message in await world.messages()) == ["offer", "perk"]
    assert [request.command for request in await world.requests()] == ["open"]


async def test_a_redelivered_answer_leads_to_nothing_more(world: World) -> None:
    answer = await sealed(world.keyring, answered(9), email="a@example.org")
    await world.publish(answer, answer)
    async with hosted(world.routing()):
        await world.decisions(1)
    last = await sealed(world.keyring, answered(8), email="b@example.org")
    await world.publish(answer, last)
    async with hosted(world.routing()):
        decisions = await world.decisions(2)
    assert {decision.response_id for decision in decisions} == {answer.response_id, last.response_id}
    assert len(decisions) == 2


async def test_an_edit_across_a_border_withdraws_the_mail_and_opens_the_task(world: World) -> None:
    answer = await sealed(world.keyring, answered(9, response_id="r"), email="a@example.org")
    await world.publish(answer, answer.model_copy(update={"revision": 2, "score": 2, "digest": "1" * 32}))
    async with hosted(world.routing()):
        await world.decisions(2)
    assert [(m.command, m.revision) for m in await world.messages()] == [("perk", 1), ("none", 2)]
    assert [(r.command, r.revision) for r in await world.requests()] == [("open", 2)]


async def test_who_is_erased_gets_nothing(world: World) -> None:
    answer = await sealed(world.keyring, answered(9), email="a@example.org")
    assert answer.subject
    await world.keyring.erase("default", [answer.subject])
    await world.publish(answer)
    async with hosted(world.routing()):
        (decision,) = await world.decisions(1)
    assert (decision.outcome, decision.reason) == ("suppressed", "erased")


async def test_the_newest_word_of_a_person_holds_and_lifts_no_bounce(world: World) -> None:
    ada, bob, cy = [
        await sealed(world.keyring, answered(9, response_id=name), customer_id=name, email=f"{name}@example.org")
        for name in ("ada", "bob", "cy")
    ]
    by_mail = await world.keyring.identify("default", Identity(email="bob@example.org"))
    assert by_mail
    async with hosted(world.routing()):
        await world.say(
            CONSENTS,
            world.word(ada.subject, granted=False, hour=2),
            world.word(ada.subject, granted=True, hour=1),
            world.word(bob.subject, granted=False, hour=1),
            world.word(by_mail.subject, granted=True, hour=2),
        )
        await world.say(DELIVERIES, delivered("earlier", state="bounced", subject=cy.subject))
        await world.say(
            CONSENTS,
            world.word(cy.subject, granted=False, hour=1),
            world.word(cy.subject, granted=True, hour=2),
        )
        await world.publish(ada, bob, cy)
        decided = {decision.response_id: decision.reason for decision in await world.decisions(3)}
    assert decided == {"ada": "opt_out", "bob": None, "cy": "bounced"}


async def test_a_database_that_was_lost_stops_routing_and_recovery_contacts_nobody_twice(world: World) -> None:
    answers = [await sealed(world.keyring, answered(score), email=f"a{score}@example.org") for score in (9, 7, 3)]
    await world.publish(*answers)
    async with hosted(world.routing()):
        await world.decisions(3)
    await lose_database(world.settings, "routing")
    with pytest.raises(Halt, match="nps recover"):
        async with world.routing():
            pass
    await commands.recover(world.settings, world.business, world.clock)
    edited = answers[0].model_copy(update={"revision": 2, "score": 2, "digest": "1" * 32})
    await world.publish(edited, await sealed(world.keyring, answered(8), email="new@example.org"))
    async with hosted(world.routing()):
        decisions = await world.decisions(5)
    decided = sorted((decision.number, decision.action) for decision in decisions)
    assert decided == [(1, "offer"), (1, "offer"), (1, "outreach"), (1, "perk"), (2, "outreach")]
    assert len(await world.messages()) == 4
