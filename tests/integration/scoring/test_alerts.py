"""Alerts on a real Kafka: opened once and resolved once, through restarts and whoever takes over."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from schemas.alert import Alert
from schemas.response import Response
from schemas.topics import ALERTS, RESPONSES, SCORES
from services.chassis.business import Business
from services.chassis.frame import Frame, open_frame
from services.chassis.lifecycle import Assembly
from services.chassis.metrics import CHASSIS_METRICS, Metrics
from services.chassis.records import Cause, outgoing
from services.chassis.settings import ServiceSettings
from services.chassis.sql_service import wanted_topics
from services.console.serving import SHIPPED
from services.monitor.app import monitor
from services.monitor.settings import MonitorSettings
from services.scoring import READS, WRITES
from services.scoring.app import scoring
from services.scoring.settings import ScoringSettings
from tests.integration.conftest import SERVICES
from tests.support.answers import answered
from tests.support.clocks import ManualClock
from tests.support.hosting import hosted
from tests.support.topics import eventually, reading

OWN = """
tenants:
  default:
    scoring:
      windows: {day: P1D}
      alerts:
        moved: {every: PT1H, window: PT3H, baseline: P2D}
        silent: {window: PT2H}
        band: null
        cool_off: PT1H
"""
DAYS = 2
"""Days of answers that a test begins with, two hundred a day, three quarters of them promoters."""


@dataclass
class World:
    frame: Frame
    clock: ManualClock
    settings: ScoringSettings
    business: Business
    answers: int = 0

    def scoring(self) -> AbstractAsyncContextManager[Assembly]:
        return scoring(self.settings, self.business, self.clock)

    async def answer(self, scores: list[int], since: datetime, until: datetime) -> None:
        """Spreads answers evenly over a span."""
        step = (until - since) / len(scores)
        told: list[Response] = [
            answered(score, answered_at=since + step * number, received_at=since + step * number)
            for number, score in enumerate(scores)
        ]
        cause = Cause("intake", self.clock.now())
        await self.frame.publisher.publish([outgoing(RESPONSES, one, one.response_id, cause) for one in told])
        self.answers += len(told)

    async def steady(self) -> None:
        """Days before now in which nothing happens."""
        now = self.clock.now()
        await self.answer([10, 10, 10, 5] * 50 * DAYS, now - DAYS * timedelta(days=1), now)

    async def counted(self) -> None:
        """Returns once a score counts all answers."""
        async with reading(self.frame.kafka, SCORES.name) as reader:
            await reader.until(
                lambda records: any(SCORES.decode(raw.headers, raw.value).n == self.answers for raw in records)
            )

    async def fall(self) -> None:
        """Three hours of nothing but detractors."""
        await self.counted()
        now = self.clock.advance(hours=3, minutes=6)
        await self.answer([2] * 100, now - timedelta(hours=3), now - timedelta(minutes=7))
        await self.counted()
        self.clock.advance(hours=1)

    async def alerts(self, satisfied: Callable[[list[Alert]], bool]) -> list[Alert]:
        """Everything said of alerts, once it satisfies."""
        async with reading(self.frame.kafka, ALERTS.name) as reader:
            records = await reader.until(
                lambda records: satisfied([ALERTS.decode(raw.headers, raw.value) for raw in records])
            )
        return [ALERTS.decode(raw.headers, raw.value) for raw in records]


@pytest.fixture
async def world(settings: ServiceSettings, clock: ManualClock, tmp_path: Path) -> AsyncIterator[World]:
    own = ScoringSettings(**settings.model_dump(), scores_every=timedelta(0), alerts_settle=timedelta(0))
    written = tmp_path / "nps.yaml"
    written.write_text(OWN)
    business = Business.load(SHIPPED, written, SERVICES)
    topics = wanted_topics(READS, WRITES, own.partitions)
    async with open_frame("test", own, clock, Metrics(CHASSIS_METRICS), topics) as frame:
        yield World(frame, clock, own, business)


def states(alerts: list[Alert]) -> list[tuple[str, str]]:
    return [(alert.rule, alert.state) for alert in alerts]


async def test_a_fall_opens_one_alert_that_says_how_much_and_how_sure(world: World) -> None:
    await world.steady()
    async with hosted(world.scoring()) as client:
        await world.fall()
        (alert,) = await world.alerts(lambda found: len(found) > 0)
        metrics = (await client.get("/metrics")).text
    assert (alert.rule, alert.state, alert.segment) == ("nps-fell", "open", "all")
    print(alert)
    assert 'nps_alerts_open{rule="nps-fell",tenant="default"} 1.0' in metrics
