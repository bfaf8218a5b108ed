"""Whether the tally has read all answers there are: an alert judged on half of them would be about our own delay.

All workers share a group for the generation they count, so what its members told Kafka says it for all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from aiokafka.errors import GroupCoordinatorNotAvailableError, KafkaError, NotCoordinatorForGroupError

from schemas.topics import RESPONSES
from services.chassis.failures import Transient
from services.chassis.kafka import start_client
from services.chassis.reading import open_reader

if TYPE_CHECKING:
    from services.chassis.kafka import Kafka


Arrived = Mapping[tuple[str, int], int]
"""Where each partition of answers ended at some moment, by topic and number."""


class TallyProgress:
    """How far the tally of one generation is; looks at Kafka each time it is asked."""

    def __init__(self, kafka: Kafka, group: str) -> None:
        self._kafka = kafka
        self._group = group

    async def arrived(self) -> Arrived:
        """What has arrived by now.

        Raises:
            Transient: if Kafka does not answer.
        """
        async with open_reader(self._kafka) as reader:
            await reader.assign([RESPONSES.name], tail=0)
            starts, ends = await reader.starts(), await reader.ends()
        return {place: end for place, end in ends.items() if end > starts[place]}

    async def has_read(self, arrived: Arrived) -> bool:
        """Whether the tally has told to have read all of it.

        Raises:
            Transient: if Kafka does not answer.
        """
        told = await self._told()
        return all(told.get(place, 0) >= end for place, end in arrived.items())

    async def _told(self) -> dict[tuple[str, int], int]:
        admin = self._kafka.admin()
        async with AsyncExitStack() as stack:
            stack.push_async_callback(admin.close)
            try:
                await start_client(admin)
                found = await admin.list_consumer_group_offsets(self._kafka.topic(self._group))
            except (GroupCoordinatorNotAvailableError, NotCoordinatorForGroupError):
                return {}  # a cluster on which nobody has ever joined a group
            except (KafkaError, TimeoutError) as error:
                raise Transient(f"Kafka: {type(error).__name__}") from error
        return {
            (self._kafka.short(partition.topic), partition.partition): committed.offset
            for partition, committed in found.items()
        }
