"""What time brings about: tasks held by a pause go out after it, tombstones are written once more, gauges are set."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Final, get_args
from uuid import UUID

from schemas.outreach_request import Priority
from services.chassis.clock import Clock
from services.chassis.failures import Transient
from services.chassis.health import Health
from services.chassis.logs import logger
from services.chassis.metrics import ChassisMetric, Metrics
from services.chassis.records import Outgoing
from services.chassis.sql import Transaction
from services.chassis.sql_dialect import lock
from services.chassis.sql_service import SqlService
from services.outreach import sql_tasks
from services.outreach.domain import Changed
from services.outreach.handlers import lock_names
from services.outreach.metrics import OutreachMetric
from services.outreach.settling import EVERYBODY, Ledger, Settling, tombstones

TURN: Final = timedelta(seconds=1)
COUNT_EVERY: Final = timedelta(seconds=10)
AT_ONCE: Final = 500

_log = logger("watch")


@dataclass(frozen=True, slots=True)
class Watch:
    """The loop beside the consumer; any number of replicas may run it."""

    service: SqlService
    settling: Settling
    clock: Clock
    metrics: Metrics[OutreachMetric | ChassisMetric]

    async def run(self, stop: asyncio.Event) -> None:
        """Watches until stopped."""
        health: Health = self.service.frame.health
        count_at = self.clock.now()
        while not stop.is_set():
            health.turned("watch")
            try:
                while await self.release():
                    health.turned("watch")
                await self.forget_again()
                if self.clock.now() >= count_at:
                    count_at = self.clock.now() + COUNT_EVERY
                    await self._count()
            except Transient as error:
                _log.warning("watch.paused", reason=str(error))
            await _wait(stop)
        health.ended("watch")

    async def release(self) -> bool:
        """Publishes some of what was held and may go out; returns whether there may be more."""
        async with self.service.database.read() as transaction:
            paused = await sql_tasks.paused(transaction)
            held = [] if EVERYBODY in paused else await sql_tasks.unpublished(transaction, paused, AT_ONCE)
        if held:
            await self.service.apply(partial(self._release, held))
        return len(held) == AT_ONCE

    async def forget_again(self) -> None:
        """Writes tombstones once more that are due."""
        async with self.service.database.read() as transaction:
            due = await sql_tasks.to_forget_again(transaction, self.clock.now(), AT_ONCE)
        if due:
            await self.service.apply(partial(self._forget_again, due))

    async def _release(self, held: Sequence[UUID], transaction: Transaction) -> tuple[None, list[Outgoing]]:
        await transaction.run_sync(lock, lock_names(held))
        ledger = Ledger()
        for standing in (await sql_tasks.load(transaction, held)).values():
            if standing.version > standing.published:
                ledger.enter(Changed(standing))
        return None, await self.settling.settle(transaction, ledger, self.clock.now())

    async def _forget_again(
        self, due: Sequence[tuple[str, UUID]], transaction: Transaction
    ) -> tuple[None, list[Outgoing]]:
        await sql_tasks.forget_again_at(transaction, [task_id for _, task_id in due], None)
        return None, tombstones(due)

    async def _count(self) -> None:
        async with self.service.database.read() as transaction:
            found = await sql_tasks.open_tasks(transaction, self.clock.now())
            held = await sql_tasks.held(transaction)
        for priority in get_args(Priority):
            number, overdue = found.get(priority, (0, 0))
            self.metrics.set("nps_tasks_open", number, priority=priority)
            self.metrics.set("nps_tasks_overdue", overdue, priority=priority)
        self.metrics.set("nps_tasks_held", held)


async def _wait(stop: asyncio.Event) -> None:
    try:
        await asyncio.wait_for(stop.wait(), TURN.total_seconds())
    except TimeoutError:
        return
