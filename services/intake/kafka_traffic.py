"""Looks at how much has come in on Kafka, and how far intake and routing have read."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Final

from aiokafka.errors import KafkaError

from schemas.topic import INBOUND_PATTERN
from schemas.topics import RESPONSES
from services.chassis.consumer_groups import members
from services.chassis.failures import Transient
from services.chassis.kafka import start
from services.chassis.reading import Reader, open_reader
from services.intake.giving_way import Traffic
from services.intake.opening import GROUP

if TYPE_CHECKING:
    from aiokafka.admin import AIOKafkaAdminClient

    from services.chassis.kafka import Kafka

ROUTING: Final = "routing"
"""Routing's group. Services know one another by their topics and groups alone."""


class KafkaTraffic:
    """Looks at one cluster; joins no group and changes nothing."""

    def __init__(self, kafka: Kafka, admin: AIOKafkaAdminClient, reader: Reader) -> None:
        self._kafka = kafka
        self._admin = admin
        self._reader = reader

    async def look(self) -> Traffic:
        """How it is now.

        Raises:
            Transient: if Kafka does not answer.
        """
        try:
            topics = [self._kafka.short(name) for name in await self._admin.list_topics()]
            inbound = [name for name in topics if re.fullmatch(INBOUND_PATTERN, name)]
            answers, routed = await self._standing(ROUTING, [RESPONSES.name])
            came, taken = await self._standing(GROUP, inbound)
        except (KafkaError, TimeoutError) as error:
            raise Transient(f"Kafka: {type(error).__name__}") from error
        return Traffic(answers, routed, came, taken)

    async def _standing(self, group: str, topics: Iterable[str]) -> tuple[int, int | None]:
        """Where these topics end, all partitions added up, and how far the group has read, if anybody is in it."""
        await self._reader.assign(topics)
        starts, ends = await self._reader.starts(), await self._reader.ends()
        if not await members(self._admin, self._kafka.topic(group)):
            return sum(ends.values()), None
        told = await self._admin.list_consumer_group_offsets(self._kafka.topic(group))
        committed = {(self._kafka.short(part.topic), part.partition): found.offset for part, found in told.items()}
        return sum(ends.values()), sum(max(committed.get(part, 0), begin) for part, begin in starts.items())


@asynccontextmanager
async def open_traffic(kafka: Kafka) -> AsyncIterator[KafkaTraffic]:
    """A view of a cluster for as long as a block lasts.

    Raises:
        Transient: if Kafka cannot be reached.
    """
    admin = kafka.admin()
    async with AsyncExitStack() as stack:
        stack.push_async_callback(admin.close)
        try:
            await start(admin)
        except (KafkaError, TimeoutError) as error:
            raise Transient(f"Kafka cannot be reached: {type(error).__name__}") from error
        yield KafkaTraffic(kafka, admin, await stack.enter_async_context(open_reader(kafka)))
