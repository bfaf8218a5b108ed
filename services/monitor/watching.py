"""Watches the line: a look at Kafka every two seconds, shown on the page and to Prometheus."""

from __future__ import annotations

import asyncio
import math
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from schemas.tally import ALL
from services.chassis.failures import Transient
from services.chassis.logs import logger
from services.monitor.kafka_pipeline import open_pipeline
from services.monitor.pipeline import Pipeline

if TYPE_CHECKING:
    from services.chassis.health import Health
    from services.chassis.kafka import Kafka
    from services.chassis.metrics import Metrics
    from services.monitor.live import Live
    from services.monitor.metrics import AnyMetric

EVERY: Final = timedelta(seconds=2)
SOON: Final = timedelta(milliseconds=500)
"""While topics are missing: at the start they are made any moment."""

_LOOP: Final = "watching"

_log = logger("watching")


class Watcher:
    """Looks at the line, again and again."""

    def __init__(self, kafka: Kafka, live: Live, health: Health, metrics: Metrics[AnyMetric]) -> None:
        self._kafka = kafka
        self._live = live
        self._health = health
        self._metrics = metrics
        self._found = Pipeline()
        self._asked = False

    async def probe(self) -> None:
        """Whether Kafka answered at the last look.

        Raises:
            Transient: if not.
        """
        if not self._asked:
            raise Transient("Kafka has not answered yet")
        if self._found.kafka_away:
            raise Transient(self._found.kafka_away)

    async def run(self) -> None:
        """Watches until cancelled."""
        while True:
            try:
                await self._watch()
            except Transient as error:
                if self._found.kafka_away is None:
                    _log.warning("kafka.away", reason=str(error))
                self._show(replace(self._found, kafka_away=str(error)))
                await asyncio.sleep(EVERY.total_seconds())

    async def _watch(self) -> None:
        async with open_pipeline(self._kafka) as pipeline:
            while True:
                self._show(await pipeline.look(self._found))
                await asyncio.sleep((SOON if self._found.missing else EVERY).total_seconds())

    def _show(self, found: Pipeline) -> None:
        self._health.turned(_LOOP)
        self._asked = True
        self._found = found
        self._live.tell(found)
        self._measure()

    def _measure(self) -> None:
        view, metrics = self._live.view, self._metrics
        for group in self._found.groups:
            for topic, lag in group.by_topic.items():
                metrics.set("nps_group_lag_records", lag, group=group.group, topic=topic)
        metrics.set("nps_dead_letters_kept", self._found.dead_letters)
        metrics.set("nps_monitor_viewers", self._live.viewers)
        for tenant in view.scores.tenants():
            for shown in view.scores.windows(tenant, ALL):
                nps = math.nan if shown.nps is None else shown.nps
                metrics.set("nps_score", nps, tenant=tenant, window=shown.window)
