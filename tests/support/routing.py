"""The world routing's tests stand in: its topics, its keyring, and what tests ask of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import uuid4

from schemas.consent import Consent, Purpose
from schemas.contract import Contract
from schemas.decision import Decision
from schemas.message import Message
from schemas.outreach_request import OutreachRequest
from schemas.response import Response
from schemas.topic import Topic
from schemas.topics import DECISIONS, MESSAGES, OUTREACH, RESPONSES
from services.chassis.business import Business
from services.chassis.frame import Frame
from services.chassis.keyring import Keyring
from services.chassis.lifecycle import Assembly
from services.chassis.positions import Positions
from services.chassis.reading import open_reader
from services.chassis.records import Cause, Raw, outgoing
from services.chassis.sql import open_database
from services.chassis.sql_service import database_url
from services.routing.app import routing
from services.routing.settings import RoutingSettings
from tests.support.clocks import ManualClock
from tests.support.topics import DEADLINE_S, reading


@dataclass
class World:
    frame: Frame
    keyring: Keyring
    clock: ManualClock
    settings: RoutingSettings
    business: Business

    def routing(self, **changed: Any) -> AbstractAsyncContextManager[Assembly]:  # values of settings
        return routing(self.settings.model_copy(update=changed), self.business, self.clock)

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

    def word(self, subject: str | None, *, granted: bool, hour: int, purpose: Purpose = "mail") -> Consent:
        assert subject
        at = self.clock.now() + timedelta(hours=hour)
        return Consent(tenant="default", subject=subject, purpose=purpose, granted=granted, source="test", at=at)

    async def decisions(self, number: int) -> list[Decision]:
        async with reading(self.frame.kafka, DECISIONS.name) as reader:
            return [DECISIONS.decode(raw.headers, raw.value) for raw in await reader.count(number)]

    async def decisions_that(self, satisfy: Callable[[list[Decision]], bool]) -> list[Decision]:
        """The decisions, once they satisfy."""

        def decoded(raws: list[Raw]) -> list[Decision]:
            return [DECISIONS.decode(raw.headers, raw.value) for raw in raws]

        async with reading(self.frame.kafka, DECISIONS.name) as reader:
            return decoded(await reader.until(lambda raws: satisfy(decoded(raws))))

    async def messages(self) -> list[Message]:
        async with reading(self.frame.kafka, MESSAGES.name) as reader:
            return [MESSAGES.decode(raw.headers, raw.value) for raw in await reader.to_end()]

    async def requests(self) -> list[OutreachRequest]:
        async with reading(self.frame.kafka, OUTREACH.name) as reader:
            return [OUTREACH.decode(raw.headers, raw.value) for raw in await reader.to_end()]
