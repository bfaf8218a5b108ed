"""Who may publish for a source partition: the one who fenced last, and only once it has caught up.

A worker fences first, then notes where the source ends, and publishes nothing before it has reached that: whatever an
earlier owner published can only be older. Refused, it stops; still assigned after a while, it fences anew.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from services.chassis.failures import Fenced, Transient
from services.chassis.logs import logger
from services.chassis.publishing import FencedPublisher

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from services.chassis.kafka import Kafka
    from services.chassis.records import Outgoing

AGAIN_AFTER_FAILURE: Final = timedelta(seconds=1)
AGAIN_AFTER_FENCED: Final = timedelta(seconds=15)
"""Longer than a session: by then a worker that was replaced knows it."""

_log = logger("fence")


@dataclass(slots=True)
class Fence:
    """The right to publish for one partition."""

    kafka: Kafka
    name: str
    end_of_source: Callable[[], Awaitable[int]]
    _publisher: FencedPublisher | None = field(default=None, init=False)
    _caught_up_at: int = field(default=0, init=False)
    _not_before: datetime | None = field(default=None, init=False)
    _taken: int = field(default=0, init=False)
    _closed: bool = field(default=False, init=False)

    @property
    def term(self) -> int | None:
        """Which taking of the right this is, counted from 1; none while it is not held."""
        return self._taken if self._publisher is not None else None

    async def ready(self, position: int, now: datetime) -> bool:
        """Whether this worker may publish, having read up to `position`. Fences first if need be."""
        if self._publisher is None and not self._closed and (self._not_before is None or now >= self._not_before):
            await self._take(now)
        return self._publisher is not None and position >= self._caught_up_at

    async def publish(self, records: Sequence[Outgoing], now: datetime) -> bool:
        """Publishes all of them or none; false if it was refused, failed or given up, and nothing of it stands."""
        if self._publisher is None:
            return False
        try:
            await self._publisher.publish(records)
        except Fenced:
            _log.warning("fence.lost", fence=self.name)
            await self._drop(now + AGAIN_AFTER_FENCED)
            return False
        except Transient as error:
            _log.warning("fence.failed", fence=self.name, reason=str(error))
            await self._drop(now + AGAIN_AFTER_FAILURE)
            return False
        return True

    async def partitions_of(self, topic: str) -> int:
        """How many partitions a topic has.

        Raises:
            Transient: if Kafka does not answer.
        """
        assert self._publisher is not None, "ready() comes first"
        return await self._publisher.partitions_of(topic)

    async def close(self) -> None:
        """Publishes no more, nor takes a right that it is about to be given."""
        self._closed = True
        await self._let_go()

    async def _let_go(self) -> None:
        if self._publisher is not None:
            publisher, self._publisher = self._publisher, None
            await publisher.close()

    async def _take(self, now: datetime) -> None:
        async with AsyncExitStack() as stack:
            publisher = FencedPublisher(self.kafka, self.name)
            stack.push_async_callback(publisher.close)
            try:
                await publisher.take_over()
                self._caught_up_at = await self.end_of_source()
            except Transient as error:
                _log.warning("fence.not_taken", fence=self.name, reason=str(error))
                self._not_before = now + AGAIN_AFTER_FAILURE
                return
            if self._closed:
                return  # given up while Kafka was asked: nobody else would ever close it
            stack.pop_all()
        self._publisher = publisher
        self._taken += 1

    async def _drop(self, not_before: datetime) -> None:
        self._not_before = not_before
        await self._let_go()
