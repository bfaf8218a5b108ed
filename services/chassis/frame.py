"""The frame: what every service is bolted to, opened in one place."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from services.chassis.clock import Clock
from services.chassis.failures import Transient
from services.chassis.health import Health
from services.chassis.kafka import Kafka
from services.chassis.logs import logger
from services.chassis.metrics import Metrics
from services.chassis.publishing import Publisher, open_publisher
from services.chassis.settings import ServiceSettings
from services.chassis.topic_admin import Wanted, open_topic_admin

WAIT_FOR_KAFKA: Final = timedelta(seconds=1)

_log = logger("frame")


@dataclass(frozen=True, slots=True)
class Frame:
    """What every service is bolted to."""

    name: str
    settings: ServiceSettings
    clock: Clock
    health: Health
    metrics: Metrics[Any]  # each service adds names of its own
    kafka: Kafka
    publisher: Publisher


@asynccontextmanager
async def open_frame(
    name: str, settings: ServiceSettings, clock: Clock, metrics: Metrics[Any], topics: Iterable[Wanted]
) -> AsyncIterator[Frame]:
    """Waits for Kafka, makes and checks the topics, and opens the publisher.

    Raises:
        Halt: if a topic is not as it must be.
    """
    kafka = Kafka(settings)
    health = Health(clock)
    await _ensure_topics(kafka, settings, list(topics))
    async with open_publisher(kafka, metrics) as publisher:
        health.add_probe("kafka", publisher.probe)
        yield Frame(name, settings, clock, health, metrics, kafka, publisher)


async def _ensure_topics(kafka: Kafka, settings: ServiceSettings, topics: list[Wanted]) -> None:
    told = False
    while True:
        try:
            async with open_topic_admin(kafka, settings.replication) as admin:
                made = await admin.ensure(topics)
            if made:
                _log.info("topics.made", topics=made)
            return
        except Transient as error:
            if not told:
                _log.warning("kafka.awaited", brokers=settings.kafka_bootstrap, reason=str(error))
                told = True
            await asyncio.sleep(WAIT_FOR_KAFKA.total_seconds())
