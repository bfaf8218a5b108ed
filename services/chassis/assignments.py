"""Which partitions a member of a group holds, told to its main task.

The listener awaits nothing: while it did, `getmany` would run on from the committed offset. It pauses what is assigned,
so that nothing is read before it has been seeked to where its effects stand.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from aiokafka import ConsumerRebalanceListener
from aiokafka.errors import NoOffsetForPartitionError
from aiokafka.structs import TopicPartition

if TYPE_CHECKING:
    from aiokafka import AIOKafkaConsumer
    from aiokafka.structs import ConsumerRecord


class Assignments(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    """What one consumer has been assigned. `new` is what its main task has not taken over yet."""

    def __init__(self, consumer: AIOKafkaConsumer[bytes, bytes]) -> None:
        self._consumer = consumer
        self._revoked = False
        self.new: set[TopicPartition] | None = None

    def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        """Until the next assignment nobody knows what is ours."""
        del revoked
        self._revoked = True

    def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        """Nothing is read before it has been seeked."""
        self._consumer.pause(*assigned)
        self.new = set(assigned)
        self._revoked = False

    @property
    def settled(self) -> bool:
        """Whether what was taken over last is still ours, as far as is known."""
        return self.new is None and not self._revoked

    def taken(self, assigned: set[TopicPartition]) -> None:
        """These have been taken over; if others were assigned meanwhile, they are still new."""
        if self.new == assigned:
            self.new = None

    async def fetch(self, timeout_ms: int) -> dict[TopicPartition, list[ConsumerRecord[bytes, bytes]]]:
        """The next records of partitions that have been seeked.

        Kafka's client looks for a committed offset as soon as a partition is assigned, and complains if there is none;
        where to begin is ours to say, so that is no error.
        """
        try:
            return dict(await self._consumer.getmany(timeout_ms=timeout_ms))
        except NoOffsetForPartitionError:
            return {}

    def again(self) -> None:
        """What is held must be taken over anew."""
        if self.new is None:
            held = set(self._consumer.assignment())
            self._consumer.pause(*held)
            self.new = held
