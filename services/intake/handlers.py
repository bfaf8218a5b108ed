"""Records of inbound topics through the door; positions move once the answers are durable."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from aiokafka.admin import RecordsToDelete
from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition

from schemas.malformed import Malformed
from schemas.topics import ERASURES
from services.chassis.consuming import Batch
from services.chassis.kafka import start_client
from services.chassis.logs import logger
from services.chassis.positions import Positions
from services.chassis.reading import open_reader
from services.chassis.sql import Database
from services.intake import sql_registers
from services.intake.domain import Arrival
from services.intake.door import Door

if TYPE_CHECKING:
    from aiokafka.admin import AIOKafkaAdminClient

    from services.chassis.frame import Frame
    from services.chassis.keyring import Keyring
    from services.chassis.metrics import Metrics
    from services.intake.metrics import AnyMetric

DELETE_EVERY: Final = timedelta(seconds=10)
AGAIN_AFTER: Final = timedelta(seconds=1)

_log = logger("intake")


@dataclass(slots=True)
class Inbound:
    """Takes batches of inbound records in."""

    frame: Frame
    door: Door
    database: Database
    positions: Positions
    _taken: dict[tuple[str, int], tuple[int, int]] = field(default_factory=dict)  # from and up to, not yet deleted

    async def __call__(self, batch: Batch[Arrival]) -> None:
        """Durable on return, and the position with it; what is refused becomes a dead letter."""
        metrics: Metrics[AnyMetric] = self.frame.metrics
        now = self.frame.clock.now()
        results = await self.door.admit([record.payload for record in batch.records], now)
        for record, result in zip(batch.records, results, strict=True):
            refused = isinstance(result, Malformed)
            metrics.count("nps_submissions_total", way="topic", outcome="refused" if refused else "accepted")
            if isinstance(result, Malformed):
                await batch.refuse(record.raw, result)
        async with self.database.begin() as transaction:
            await self.positions.advance_all(transaction, batch)
        for span in batch.spans:
            start, _ = self._taken.get((batch.topic, span.partition), (span.start, span.end))
            self._taken[batch.topic, span.partition] = start, span.end

    async def delete_taken(self, stop: asyncio.Event) -> None:
        """Deletes raw records that are in, on topics of our own making: they hold personal data in clear.

        What the last run had no time to delete comes first.
        """
        left_behind = True
        while not stop.is_set():
            self.frame.health.turned("deleting")
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), DELETE_EVERY.total_seconds())
            with self.frame.health.pausing("deleting"):
                if left_behind:
                    for place, end in (await self.positions.known()).items():
                        self._taken.setdefault(place, (end, end))
                    left_behind = False
                await self._delete()
        self.frame.health.ended("deleting")

    async def _delete(self) -> None:
        own = await sql_registers.own_channels(self.database)
        topics = sorted({topic for topic, _ in self._taken} & own)
        if not topics:
            return
        admin = self.frame.kafka.admin()
        try:
            await start_client(admin)
            for topic in topics:
                await self._delete_of(topic, admin)
        except KafkaError as error:
            _log.warning("inbound.not_deleted", reason=type(error).__name__)
        finally:
            await admin.close()

    async def _delete_of(self, topic: str, admin: AIOKafkaAdminClient) -> None:
        """Deletes of one topic; what fails is kept in mind for the next time, and holds up no other topic."""
        spans = {place: span for place, span in self._taken.items() if place[0] == topic}
        full = self.frame.kafka.topic(topic)
        try:
            await admin.delete_records(
                {TopicPartition(full, number): RecordsToDelete(end) for (_, number), (_, end) in spans.items()}
            )
        except KafkaError as error:
            _log.warning("inbound.not_deleted", topic=topic, reason=type(error).__name__)
            return
        metrics: Metrics[AnyMetric] = self.frame.metrics
        for place, (start, end) in spans.items():
            metrics.count("nps_inbound_deleted_total", end - start, topic=topic)
            _, latest = self._taken.pop(place)
            if latest > end:
                self._taken[place] = end, latest


@dataclass(frozen=True, slots=True)
class Eraser:
    """Carries orders to erase out: all of them at each start, since the keyring may have been restored."""

    frame: Frame
    keyring: Keyring

    async def run(self, stop: asyncio.Event) -> None:
        """Follows `nps.erasures`; from its start again after Kafka or the keyring was away."""
        while not stop.is_set():
            self.frame.health.turned("erasing")
            with self.frame.health.pausing("erasing"):
                await self._follow(stop)
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), AGAIN_AFTER.total_seconds())
        self.frame.health.ended("erasing")

    async def _follow(self, stop: asyncio.Event) -> None:
        metrics: Metrics[AnyMetric] = self.frame.metrics
        async with open_reader(self.frame.kafka) as reader:
            await reader.assign([ERASURES.name])
            while not stop.is_set():
                self.frame.health.turned("erasing")
                for raw in await reader.more(timeout_ms=1000):
                    try:
                        order = ERASURES.decode(raw.headers, raw.value)
                    except Malformed as error:
                        _log.error("erasure.unreadable", offset=raw.offset, reason=str(error))
                        continue
                    await self.keyring.erase(order.tenant, order.subjects)
                    metrics.count("nps_erasures_total")
                self.frame.health.goes_on("erasing")
