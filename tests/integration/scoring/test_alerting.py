"""Who may speak of alerts: the one who fenced last, from what the topic says, and only once all answers are counted."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import pytest
from aiokafka.structs import TopicPartition

from schemas.alert import Alert
from schemas.topics import ALERTS, RESPONSES
from services.chassis.business import Business
from services.chassis.frame import Frame, open_frame
from services.chassis.kafka import start_client
from services.chassis.metrics import CHASSIS_METRICS, Metrics
from services.chassis.records import Cause, outgoing
from services.chassis.settings import ServiceSettings
from services.chassis.sql_service import wanted_topics
from services.scoring import READS, WRITES
from services.scoring.alerting import Alerting, Owned
from services.scoring.counted import ANSWERS_GROUP
from services.scoring.fences import Fence
from services.scoring.metrics import SCORING_METRICS
from services.scoring.settings import ScoringSection
from services.scoring.tally_progress import Arrived, TallyProgress
from tests.support.answers import answered
from tests.support.clocks import ManualClock
from tests.support.topics import reading

HOUR: Final = timedelta(hours=1)


@dataclass
class Answers:
    """Fifty answers an hour: promoters up to a moment, detractors from then on."""

    falls_at: datetime
    behind: bool = False

    def between(self, start: datetime, end: datetime) -> list[int]:
        low = max(0, (end - max(start, self.falls_at)) // HOUR)
        return [50 * low, *[0] * 9, 50 * ((end - start) // HOUR - low)]

    async def arrived(self) -> Arrived:
        return {}

    async def has_read(self, arrived: Arrived) -> bool:
        del arrived
        return not self.behind


@dataclass
class World:
    frame: Frame
    clock: ManualClock
    business: Business
    answers: Answers
    fences: list[Fence] = field(default_factory=list)

    def worker(self) -> Worker:
        """A worker that has just been given the partition."""

        async def end() -> int:
            return 0

        fence = Fence(self.frame.kafka, "windows.0", end)
        self.fences.append(fence)
        sections = self.business.sections("scoring", ScoringSection)
        return Worker(Alerting(self.frame, sections, self.answers, settle=timedelta(0)), fence, self)

    async def alerts(self) -> list[Alert]:
        async with reading(self.frame.kafka, ALERTS.name) as reader:
            return [ALERTS.decode(raw.headers, raw.value) for raw in await reader.to_end()]


@dataclass
class Worker:
    alerting: Alerting
    fence: Fence
    world: World

    async def turn(self) -> None:
        """One round, whatever the last one left to wait for."""
        now = self.world.clock.now()
        await self.fence.ready(0, now)
        self.alerting._look_at = 0.0
        await self.alerting.evaluate_due([self.owned()], now)

    def owned(self) -> Owned:
        def counts() -> Mapping[tuple[str, str], object]:
            return {("default", "all"): self.world.answers.between}

        return Owned(0, self.fence, lambda: 0, counts, lambda: True)  # type: ignore[arg-type]  # between of any kind


@pytest.fixture
async def world(settings: ServiceSettings, clock: ManualClock, business: Business) -> AsyncIterator[World]:
    topics = wanted_topics(READS, WRITES, settings.partitions)
    metrics = Metrics(CHASSIS_METRICS, SCORING_METRICS)
    async with open_frame("test", settings, clock, metrics, topics) as frame:
        # noon, and the last 24 hours have been bad: what the half-daily rules look at
        world = World(frame, clock, business, Answers(clock.now() - 24 * HOUR))
        clock.advance(minutes=5)
        yield world
        for fence in world.fences:
            await fence.close()


def states(alerts: list[Alert], rule: str = "nps-fell") -> list[str]:
    return [alert.state for alert in alerts if alert.rule == rule]


async def test_a_successor_goes_on_with_what_the_topic_says(world: World) -> None:
    await world.worker().turn()
    world.answers.falls_at = world.clock.now() + timedelta(days=365)
    world.clock.advance(days=1)
    successor = world.worker()
    await successor.turn()
    await successor.turn()
    assert states(await world.alerts()) == ["open", "resolved"]


async def test_a_former_owner_that_wakes_up_says_nothing(world: World) -> None:
    former, successor = world.worker(), world.worker()
    falls_at, world.answers.falls_at = world.answers.falls_at, world.clock.now() + timedelta(days=365)
    await former.turn()
    await successor.turn()
    world.answers.falls_at = falls_at
    world.clock.advance(hours=12)
    await former.turn()
    assert await world.alerts() == []
    assert former.fence.term is None
    await successor.turn()
    assert states(await world.alerts()) == ["open"]


async def test_a_worker_that_dies_right_after_publishing_opens_no_second_alert(world: World) -> None:
    first = world.worker()
    await first.turn()
    world.clock.advance(minutes=30)
    await world.worker().turn()
    assert states(await world.alerts()) == ["open"]


async def test_nothing_is_judged_before_all_answers_are_counted(world: World) -> None:
    world.answers.behind = True
    worker = world.worker()
    await worker.turn()
    assert await world.alerts() == []
    world.answers.behind = False
    await worker.turn()
    assert states(await world.alerts()) == ["open"]


async def test_answers_that_nobody_has_told_to_have_read_are_still_to_be_counted(world: World) -> None:
    progress = TallyProgress(world.frame.kafka, ANSWERS_GROUP)
    assert await progress.arrived() == {}
    assert await progress.has_read({})
    answer = answered(9)
    await world.frame.publisher.publish([outgoing(RESPONSES, answer, "e-1", Cause("intake", world.clock.now()))])
    arrived = await progress.arrived()
    assert list(arrived.values()) == [1]
    assert not await progress.has_read(arrived)
    consumer = world.frame.kafka.consumer(ANSWERS_GROUP)
    ((topic, partition),) = arrived
    place = TopicPartition(world.frame.kafka.topic(topic), partition)
    consumer.assign([place])
    await start_client(consumer)
    await consumer.commit({place: 1})
    await consumer.stop()
    assert await progress.has_read(arrived)


async def test_the_hour_that_has_just_ended_is_waited_for(world: World) -> None:
    world.answers.falls_at += HOUR
    worker = world.worker()
    await worker.turn()
    world.clock.advance(hours=12, minutes=-2)
    await worker.turn()
    before = await world.alerts()
    world.clock.advance(minutes=2)
    await worker.turn()
    assert max(alert.opened_at for alert in await world.alerts()) == world.clock.now() - timedelta(minutes=5)
    assert all(alert.opened_at < world.clock.now() - HOUR for alert in before)


async def test_an_alert_nobody_asks_for_any_more_is_resolved(world: World) -> None:
    await world.worker().turn()
    section = world.business.sections("scoring", ScoringSection).of("default")
    assert section.alerts is not None
    quiet = section.model_copy(update={"alerts": section.alerts.model_copy(update={"moved": None})})
    successor = world.worker()
    successor.alerting._sections = type(successor.alerting._sections)({"default": quiet})
    await successor.turn()
    alerts = await world.alerts()
    assert states(alerts) == ["open", "resolved"]
    assert alerts[-1].text.startswith("No longer watched: NPS fell by")
