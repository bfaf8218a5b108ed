"""A monitor in a world of its own, and what the other services would have written."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import pytest
from httpx2 import ASGITransport, AsyncClient

from schemas.contract import Contract
from schemas.topic import Topic
from schemas.topics import RESPONSES
from services.chassis.business import Business
from services.chassis.frame import Frame, open_frame
from services.chassis.lifecycle import Assembly
from services.chassis.metrics import CHASSIS_METRICS, Metrics
from services.chassis.records import Cause, Outgoing, outgoing
from services.chassis.settings import ServiceSettings
from services.chassis.topic_admin import wanted_dead_letters, wanted_topic
from services.monitor import READS
from services.monitor.app import monitor
from services.monitor.settings import MonitorSettings
from tests.support.clocks import ManualClock

DEADLINE_S: Final = 30.0

Tree = dict[str, Any]  # JSON of any shape

_TOPIC_OF: Final[dict[type[Contract], Topic[Any]]] = {topic.payload: topic for topic in READS}


@dataclass
class World:
    """Topics, and a way to write on them and to see what the monitor makes of it."""

    frame: Frame
    clock: ManualClock
    settings: MonitorSettings
    business: Business

    def monitor(self, **settings: Any) -> AbstractAsyncContextManager[Assembly]:  # settings of any type
        return monitor(self.settings.model_copy(update=settings), self.business, self.clock)

    async def publish(self, *payloads: Contract) -> None:
        cause = Cause("test", self.clock.now())
        records = [
            outgoing(_TOPIC_OF[type(payload)], payload, str(number), cause) for number, payload in enumerate(payloads)
        ]
        await self.frame.publisher.publish(records)

    async def publish_raw(self, topic: str, key: bytes, value: bytes | None) -> None:
        await self.frame.publisher.publish([Outgoing(topic, key, key, value, ())])


@asynccontextmanager
async def web_alone(opening: AbstractAsyncContextManager[Assembly]) -> AsyncIterator[AsyncClient]:
    """A client of a monitor that has not begun to look at Kafka."""
    async with (
        opening as assembly,
        AsyncClient(transport=ASGITransport(assembly.web), base_url="http://service") as client,
    ):
        yield client


async def view(client: AsyncClient, satisfied: Callable[[Tree], object], query: str = "") -> Tree:
    """The view, once it satisfies; fails with what it was at the deadline."""
    found: Tree = {}
    try:
        async with asyncio.timeout(DEADLINE_S):
            while True:
                found = (await client.get(f"/v1/view?{query}")).json()
                if satisfied(found):
                    return found
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"not seen within {DEADLINE_S} s; the view was {found}") from None


@pytest.fixture
async def world(settings: ServiceSettings, clock: ManualClock, business: Business) -> AsyncIterator[World]:
    own = MonitorSettings(**settings.model_dump())
    topics = [wanted_topic(topic, own.partitions) for topic in READS]
    topics.append(wanted_dead_letters(RESPONSES.name))
    async with open_frame("test", own, clock, Metrics(CHASSIS_METRICS), topics) as frame:
        yield World(frame, clock, own, business)
