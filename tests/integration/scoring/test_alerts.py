"""Alerts on a real Kafka: opened once and resolved once, through restarts and whoever takes over."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from httpx2 import AsyncClient

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
from services.monitor import READS as MONITOR_READS
from services.monitor.app import monitor
from services.monitor.settings import MonitorSettings
from services.scoring import READS, WRITES
from services.scoring.app import scoring
from services.scoring.settings import ScoringSettings
from tests.integration.conftest import SERVICES
from tests.support.answers import answered
from tests.support.clocks import ManualClock
from tests.support.hosting import hosted
from tests.support.topics import DEADLINE_S, reading

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
OPEN_FALL = 'nps_alerts_open{rule="nps-fell",tenant="default"} 1.0'
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

    async def three_hours_of(self, scores: list[int]) -> None:
        """Moves the clock to a turn that looks back on them; no turn in between sees a part of them."""
        await self.counted()
        now = self.clock.now()
        await self.answer(scores, now, now + timedelta(hours=3))
        await self.counted()
        self.clock.advance(hours=3, minutes=6)

    async def fall(self) -> None:
        """Nothing but detractors."""
        await self.three_hours_of([2] * 100)

    async def recover(self) -> None:
        """As it was before."""
        await self.three_hours_of([10, 10, 10, 5] * 25)
        self.clock.advance(minutes=54)

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
    topics = wanted_topics({*READS, *MONITOR_READS}, WRITES, own.partitions)
    async with open_frame("test", own, clock, Metrics(CHASSIS_METRICS), topics) as frame:
        yield World(frame, clock, own, business)


def about(rule: str, alerts: list[Alert]) -> list[Alert]:
    return [alert for alert in alerts if alert.rule == rule]


def is_resolved(alerts: list[Alert]) -> bool:
    return any(alert.state == "resolved" for alert in about("nps-fell", alerts))


async def answering(client: AsyncClient, path: str, satisfied: Callable[[str], object]) -> str:
    """What a page says, once it satisfies."""
    async with asyncio.timeout(DEADLINE_S):
        while not satisfied(text := (await client.get(path)).text):
            await asyncio.sleep(0.02)
    return text


async def test_a_fall_opens_one_alert_that_says_how_much_and_how_sure(world: World) -> None:
    await world.steady()
    async with hosted(world.scoring()) as client:
        await world.fall()
        (alert,) = await world.alerts(lambda found: len(found) > 0)
        await answering(
            client, "/metrics", lambda text: 'nps_alerts_open{rule="nps-fell",tenant="default"} 1.0' in text
        )
    assert (alert.rule, alert.state, alert.segment) == ("nps-fell", "open", "all")
    assert alert.text == (
        "NPS fell by 150.0 points: -100.0 in the last 3 hours (n 100) against 50.0 in the 2 days before (n 400); "
        "p below 0.0001"
    )


async def test_an_alert_is_resolved_once_when_the_score_is_back(world: World) -> None:
    await world.steady()
    async with hosted(world.scoring()):
        await world.fall()
        await world.alerts(lambda found: len(found) > 0)
        await world.recover()
        opened, resolved = about("nps-fell", await world.alerts(is_resolved))
    assert (opened.state, resolved.state) == ("open", "resolved")
    assert opened.alert_id == resolved.alert_id
    assert opened.opened_at == resolved.opened_at < (resolved.resolved_at or opened.opened_at)


async def test_a_restart_neither_opens_an_alert_again_nor_forgets_to_resolve_it(world: World) -> None:
    await world.steady()
    async with hosted(world.scoring()):
        await world.fall()
        await world.alerts(lambda found: len(found) > 0)
    async with hosted(world.scoring()):
        world.clock.advance(hours=1)  # still low: looked at, and nothing new
        await world.recover()
        alerts = about("nps-fell", await world.alerts(is_resolved))
    assert [alert.state for alert in alerts] == ["open", "resolved"]
    assert len({alert.alert_id for alert in alerts}) == 1


async def test_silence_is_noticed_by_the_clock_alone(world: World) -> None:
    now = world.clock.now()
    for week in range(1, 5):
        await world.answer([10] * 20, now - timedelta(weeks=week), now - timedelta(weeks=week, hours=-2))
    await world.answer([10] * 20, now - timedelta(hours=2), now)
    async with hosted(world.scoring()):
        await world.counted()
        world.clock.advance(hours=2, minutes=6)
        (alert,) = await world.alerts(lambda found: len(found) > 0)
    assert (alert.rule, alert.usual, alert.window and alert.window.n) == ("silent", 20, 0)


async def test_an_import_of_bad_years_is_no_news(world: World) -> None:
    now = world.clock.now()
    await world.steady()
    async with hosted(world.scoring()):
        await world.counted()
        long_ago = [
            answered(0, history=True, answered_at=now - timedelta(days=30 * number), received_at=now)
            for number in range(1, 200)
        ]
        cause = Cause("intake", now)
        await world.frame.publisher.publish([outgoing(RESPONSES, one, one.response_id, cause) for one in long_ago])
        world.answers += len(long_ago)
        await world.fall()
        alerts = await world.alerts(lambda found: len(found) > 0)
    assert [(alert.rule, alert.opened_at) for alert in alerts] == [("nps-fell", now + timedelta(hours=3))]


async def test_the_page_shows_an_alert_that_scoring_opened(world: World) -> None:
    await world.steady()
    shows = MonitorSettings(**world.settings.model_dump(include=set(ServiceSettings.model_fields)))
    async with hosted(world.scoring()), hosted(monitor(shows, world.business, world.clock)) as client:
        await world.fall()
        (alert,) = await world.alerts(lambda found: len(found) > 0)
        page = await answering(client, "/v1/view", lambda text: json.loads(text)["alerts"])
    assert json.loads(page)["alerts"] == [
        {"segment": "all", "rule": "nps-fell", "text": alert.text, "opened_at": "2026-05-20T15:00:00.000Z"}
    ]
