"""Requests that come at the same time go through the door together: one transaction and one flush for all of them.

While one group is prepared the next gathers, so that a group is as large as the load is high, and whoever comes alone
waits for nobody; what is prepared is published meanwhile. Whole batches do not wait either: while one is in the
database another is made ready. A dependency that is away is away for the whole group. Whatever else fails is tried
again one by one: what nobody expected of one request is no reason to refuse the others.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Final

from schemas.malformed import Malformed
from schemas.response import Response
from services.chassis.failures import Halt, Transient
from services.intake.domain import Arrival
from services.intake.door import Door, Prepared

MOST_AT_ONCE: Final = 1_000
"""Arrivals in a group; what comes as one is never taken apart."""

FULL: Final = 250
"""Of arrivals that wait, so many do not wait for the group before them to be prepared."""

LINGER_S: Final = 0.002
"""Where several came at once as many do a moment later: they are waited for, though not for longer than this."""


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
    """Who waits with how many arrivals, how many groups are being prepared, of how many requests the last one was.

    `enough` is set once as many requests wait as the last group had.
    """

    waiting: deque[_Waiting] = field(default_factory=deque)
    arrivals: int = 0
    preparing: int = 0
    last: int = 0
    enough: asyncio.Event = field(default_factory=asyncio.Event)
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
        self._queue.arrivals += len(arrivals)
        if len(self._queue.waiting) >= self._queue.last:
            self._queue.enough.set()
        if self._queue.preparing < (2 if self._is_full() else 1):
            self._queue.preparing += 1
            self._start(self._prepare_all())
        return await one.results

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._queue.tasks.add(task)
        task.add_done_callback(self._queue.tasks.discard)

    async def _prepare_all(self) -> None:
        try:
            while self._queue.waiting:
                await self._linger()
                group = self._next()
                self._queue.last = len(group)
                if group:
                    await self._prepare(group)
        finally:
            # at once, and not when the task is found done: somebody may come in between
            self._queue.preparing -= 1

    async def _linger(self) -> None:
        """Waits for as many requests as there were last time, but not for long."""
        queue = self._queue
        if len(queue.waiting) < queue.last and not self._is_full():
            queue.enough.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(queue.enough.wait(), LINGER_S)

    def _is_full(self) -> bool:
        return self._queue.arrivals >= FULL

    def _next(self) -> list[_Waiting]:
        waiting = self._queue.waiting
        group: list[_Waiting] = []
        size = 0
        while waiting and (not group or size + len(waiting[0].arrivals) <= MOST_AT_ONCE):
            group.append(waiting.popleft())
            size += len(group[-1].arrivals)
        self._queue.arrivals -= size
        return group

    async def _prepare(self, group: list[_Waiting]) -> None:
        arrivals = [arrival for one in group for arrival in one.arrivals]
        with _telling(group) as alone:
            prepared = await self.prepare(arrivals, max(one.now for one in group))
            self._start(self._publish(group, prepared))
        for one in alone:
            await self._prepare([one])

    async def _publish(self, group: list[_Waiting], prepared: Prepared) -> None:
        with _telling(group) as alone:
            await self.let_in(prepared)
            results = iter(prepared.results)
            for one in group:
                one.tell([next(results) for _ in one.arrivals])
        for one in alone:
            await self._prepare([one])


@contextmanager
def _telling(group: list[_Waiting]) -> Iterator[list[_Waiting]]:
    """Tells whoever is in a group what it failed with; yields those who are to be tried again one by one."""
    alone: list[_Waiting] = []
    try:
        yield alone
    except (Transient, Halt) as error:
        for one in group:
            one.fail(error)
    except Exception as error:  # noqa: BLE001 it is told to whoever asked, and to nobody else
        if len(group) == 1:
            group[0].fail(error)
        else:
            alone += group
