"""Requests that come at the same time go through the door together: one transaction and one flush for all of them.

While one group is let in the next gathers, so that a group is as large as the load is high, and whoever comes alone
waits for nobody. A dependency that is away is away for the whole group. Whatever else fails is tried again one by one:
what nobody expected of one request is no reason to refuse the others.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Final

from schemas.malformed import Malformed
from schemas.response import Response
from services.chassis.failures import Halt, Transient
from services.intake.domain import Arrival
from services.intake.door import Door

MOST_AT_ONCE: Final = 500
"""Arrivals in a group; what comes as one is never taken apart."""

GROUPS_AT_ONCE: Final = 2
"""While one waits for Kafka the next one uses the database."""


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    """What came in one request, and where its results go."""

    arrivals: Sequence[Arrival]
    now: datetime
    results: asyncio.Future[list[Response | Malformed]]

    def fail(self, error: Exception) -> None:
        """Tells why, unless nobody asks any more."""
        if not self.results.done():
            self.results.set_exception(error)

    def tell(self, results: list[Response | Malformed]) -> None:
        """Tells what became of it, unless nobody asks any more."""
        if not self.results.done():
            self.results.set_result(results)


@dataclass(slots=True)
class _Queue:
    """Who waits, and how many groups are on their way."""

    waiting: deque[_Waiting] = field(default_factory=deque)
    under_way: int = 0
    tasks: set[asyncio.Task[None]] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class GatheringDoor(Door):
    """The door for many who come one by one."""

    _queue: _Queue = field(default_factory=_Queue)

    @classmethod
    def before(cls, door: Door) -> GatheringDoor:
        """The same door, for requests."""
        return cls(*(getattr(door, one.name) for one in fields(door)))

    async def admit(self, arrivals: Sequence[Arrival], now: datetime) -> list[Response | Malformed]:
        """Lets in what may come in, in order, together with whatever else waits."""
        if not arrivals:
            return []
        one = _Waiting(arrivals, now, asyncio.get_running_loop().create_future())
        self._queue.waiting.append(one)
        if self._queue.under_way < GROUPS_AT_ONCE:
            self._queue.under_way += 1
            task = asyncio.create_task(self._work())
            self._queue.tasks.add(task)
            task.add_done_callback(self._queue.tasks.discard)
        return await one.results

    async def _work(self) -> None:
        try:
            while self._queue.waiting:
                await self._let_in(self._next())
        finally:
            # at once, and not when the task is found done: somebody may come in between
            self._queue.under_way -= 1

    def _next(self) -> list[_Waiting]:
        waiting = self._queue.waiting
        group = [waiting.popleft()]
        size = len(group[0].arrivals)
        while waiting and size + len(waiting[0].arrivals) <= MOST_AT_ONCE:
            size += len(waiting[0].arrivals)
            group.append(waiting.popleft())
        return group

    async def _let_in(self, group: list[_Waiting]) -> None:
        arrivals = [arrival for one in group for arrival in one.arrivals]
        try:
            results = iter(await Door.admit(self, arrivals, max(one.now for one in group)))
        except (Transient, Halt) as error:
            for one in group:
                one.fail(error)
        except Exception as error:  # noqa: BLE001 it is told to whoever asked, and to nobody else
            if len(group) == 1:
                group[0].fail(error)
            else:
                for one in group:
                    await self._let_in([one])
        else:
            for one in group:
                one.tell([next(results) for _ in one.arrivals])
