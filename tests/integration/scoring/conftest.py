"""Scoring in a world of its own: a way to publish answers, and to see what becomes of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import timedelta

import pytest

from schemas.response import Response
from schemas.score import Score
from schemas.tally import Tally
from schemas.topics import RESPONSES, SCORES, TALLIES
from services.chassis.business import Business
from services.chassis.frame import Frame, open_frame
from services.chassis.lifecycle import Assembly
from services.chassis.metrics import CHASSIS_METRICS, Metrics
from services.chassis.records import Cause, Raw, outgoing
from services.chassis.settings import ServiceSettings
from services.chassis.sql_service import wanted_topics
from services.scoring import READS, WRITES
from services.scoring.app import scoring
from services.scoring.settings import ScoringSettings
from tests.support.clocks import ManualClock
from tests.support.topics import reading


@dataclass
class World:
    frame: Frame
    clock: ManualClock
    settings: ScoringSettings
    business: Business

    def scoring(self) -> AbstractAsyncContextManager[Assembly]:
        return scoring(self.settings, self.business, self.clock)

    async def publish(self, *answers: Response) -> None:
        cause = Cause("intake", self.clock.now())
        await self.frame.publisher.publish(
            [outgoing(RESPONSES, a, f"{a.response_id}/{a.revision}", cause) for a in answers]
        )

    async def score(self, n: int, *, window: str = "all_time", segment: str = "all") -> Score:
        """The newest score once it counts n answers."""
        return await self._newest(window, segment, lambda score: score.n == n)

    async def promoters(self, number: int, *, window: str = "all_time", segment: str = "all") -> Score:
        """The newest score once it counts so many promoters."""
        return await self._newest(window, segment, lambda score: score.promoters == number)

    async def _newest(self, window: str, segment: str, wanted: Callable[[Score], bool]) -> Score:
        def newest(records: list[Raw]) -> Score | None:
            scores = [SCORES.decode(raw.headers, raw.value) for raw in records]
            mine = [score for score in scores if (score.window.name, score.segment) == (window, segment)]
            return mine[-1] if mine else None

        def there(records: list[Raw]) -> bool:
            score = newest(records)
            return score is not None and wanted(score)

        async with reading(self.frame.kafka, SCORES.name) as reader:
            found = newest(await reader.until(there))
        assert found is not None
        return found

    async def tallies(self) -> list[Tally]:
        async with reading(self.frame.kafka, TALLIES.name) as reader:
            return [TALLIES.decode(raw.headers, raw.value) for raw in await reader.to_end()]


@pytest.fixture
async def world(settings: ServiceSettings, clock: ManualClock, business: Business) -> AsyncIterator[World]:
    own = ScoringSettings(**settings.model_dump(), scores_every=timedelta(0))
    topics = wanted_topics(READS, WRITES, own.partitions)
    async with open_frame("test", own, clock, Metrics(CHASSIS_METRICS), topics) as frame:
        yield World(frame, clock, own, business)
