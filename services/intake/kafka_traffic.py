"""Looks at how much has come in on Kafka, and how far intake and routing have read."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Final

from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition

from schemas.topic import INBOUND_PATTERN
from schemas.topics import RESPONSES
from services.chassis.consumer_groups import members
from services.chassis.failures import Transient
from services.chassis.kafka import start_client
from services.intake.giving_way import Traffic
from services.intake.opening import GROUP

if TYPE_CHECKING:
    from aiokafka import AIOKafkaConsumer
    from aiokafka.admin import AIOKafkaAdminClient

    from services.chassis.kafka import Kafka

ROUTING: Final = "routing"
"""Routing's group. Services know one another by their topics and groups alone."""


class KafkaTraffic:
    """Looks at one cluster; joins no group, reads no record and changes nothing."""

    def __init__(self, kafka: Kafka, admin: AIOKafkaAdminClient, consumer: AIOKafkaConsumer[bytes, bytes]) -> None:
        self._kafka = kafka
        self._admin = admin
        self._consumer = consumer

    async def look(self) -> Traffic:
        """How it is now.

        Raises:
            Transient: if Kafka does not answer.
        """
        try:
            topics = await self._topics()
            answers, routed = await self._standing(ROUTING, topics.get(RESPONSES.name, []))
            inbound = [part for name in topics if re.fullmatch(INBOUND_PATTERN, name) for part in topics[name]]
            came, taken = await self._standing(GROUP, inbound)
        except (KafkaError, TimeoutError) as error:
            raise Transient(f"Kafka: {type(error).__name__}") from error
        return Traffic(answers, routed, came, taken)

    async def _topics(self) -> dict[str, list[TopicPartition]]:
        """Partitions by the topic's name in the catalogue."""
        return {
            self._kafka.short(item["topic"]): [
                TopicPartition(item["topic"], partition["partition"]) for partition in item["partitions"]
            ]
            for item in await self._admin.describe_topics()
            if item["topic"].startswith(self._kafka.prefix)
        }

    async def _standing(self, group: str, partitions: list[TopicPartition]) -> tuple[int, int | None]:
        """Where these partitions end, added up, and how far the group has read, if anybody is in it."""
        if not partitions:
            return 0, None
        ends = await self._consumer.end_offsets(partitions)
        if not await members(self._admin, self._kafka.topic(group)):
            return sum(ends.values()), None
        starts = await self._consumer.beginning_offsets(partitions)
        told = await self._admin.list_consumer_group_offsets(self._kafka.topic(group))
        read = (max(told[part].offset if part in told else 0, starts[part]) for part in partitions)
        return sum(ends.values()), sum(read)


@asynccontextmanager
async def open_traffic(kafka: Kafka) -> AsyncIterator[KafkaTraffic]:
    """A view of a cluster for as long as a block lasts.

    Raises:
        Transient: if Kafka cannot be reached.
    """
    admin, consumer = kafka.admin(), kafka.reader()
    async with AsyncExitStack() as stack:
        stack.push_async_callback(consumer.stop)
        stack.push_async_callback(admin.close)
        try:
            await start_client(admin)
            await start_client(consumer)
        except (KafkaError, TimeoutError) as error:
            raise Transient(f"Kafka cannot be reached: {type(error).__name__}") from error
        yield KafkaTraffic(kafka, admin, consumer)
