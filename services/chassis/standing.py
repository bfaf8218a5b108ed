"""Where a consumer stands, told to Kafka and to metrics: for tools, and as evidence of what has been read.

What counts is kept elsewhere, with the effects, and is ahead of what is told here.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition

from services.chassis.logs import logger

if TYPE_CHECKING:
    from aiokafka import AIOKafkaConsumer

    from services.chassis.assignments import Assignments
    from services.chassis.frame import Frame

EVERY: Final = timedelta(seconds=1)

_log = logger("standing")


class Standing:
    """Tells where one consumer stands."""

    def __init__(
        self, frame: Frame, group: str, consumer: AIOKafkaConsumer[bytes, bytes], assignments: Assignments
    ) -> None:
        self._clock = frame.clock
        self._kafka = frame.kafka
        self._metrics = frame.metrics
        self._group = group
        self._consumer = consumer
        self._assignments = assignments
        self._told: dict[TopicPartition, int] = {}
        self._due = frame.clock.now()

    def nothing_read(self, partition: TopicPartition, start: int) -> None:
        """A partition of which nothing has been read yet: there is nothing to tell before that changes."""
        self._told[partition] = start

    def is_due(self) -> bool:
        """Whether it is time to tell again."""
        if self._clock.now() < self._due:
            return False
        self._due = self._clock.now() + EVERY
        return True

    async def tell(
        self, positions: Mapping[TopicPartition, int], ends: Mapping[TopicPartition, int] | None = None
    ) -> None:
        """Tells the offsets of what is read next. A commit that fails is made up for by the next.

        `ends` says where the partitions end, where it is not this consumer that reads them.
        """
        held = self._consumer.assignment()  # a rebalance may be under way
        positions = {place: position for place, position in positions.items() if place in held}
        self._measure(positions, ends or {})
        news = {place: position for place, position in positions.items() if self._told.get(place) != position}
        if not news or not self._assignments.settled:
            return
        try:
            await self._consumer.commit(news)
            self._told |= news
        except KafkaError as error:
            _log.debug("commit.failed", group=self._group, error=type(error).__name__)

    def _measure(self, positions: Mapping[TopicPartition, int], ends: Mapping[TopicPartition, int]) -> None:
        lag: dict[str, int] = {}
        for partition, position in positions.items():
            topic = self._kafka.short(partition.topic)
            end = ends.get(partition) or self._consumer.highwater(partition) or position
            lag[topic] = lag.get(topic, 0) + max(end - position, 0)
        for topic, records in lag.items():
            self._metrics.set("nps_consumer_lag_records", records, group=self._group, topic=topic)
