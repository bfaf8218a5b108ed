"""Fires what has waited for long enough: settle windows and quiet hours that are over.

Waits stand in SQL beside the answer they are of. One that fell due while nobody ran fires once somebody does; of two
workers that find it, the second sees under the lock that it has fired.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import timedelta
from typing import Final

from services.chassis.failures import Transient
from services.chassis.logs import logger
from services.chassis.sql_service import SqlService
from services.routing import sql_standings
from services.routing.handlers import Routing

LOOK_EVERY: Final = timedelta(milliseconds=500)
AT_ONCE: Final = 200

_log = logger("waiting")


class Waiting:
    """Looks for what is due, for as long as the service runs."""

    def __init__(self, service: SqlService, routing: Routing) -> None:
        self._service = service
        self._routing = routing

    async def run(self, stop: asyncio.Event) -> None:
        """Fires until stopped. A database or a Kafka that is away is tried again."""
        health = self._service.frame.health
        while not stop.is_set():
            health.turned("waiting")
            fired = 0
            try:
                fired = await self.fire()
            except Transient as error:
                _log.warning("waiting.paused", reason=str(error))
            if fired < AT_ONCE:
                with suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), LOOK_EVERY.total_seconds())
        health.ended("waiting")

    async def fire(self) -> int:
        """One round: decides about what is due; returns how many answers that were."""
        async with self._service.database.read() as transaction:
            keys = await sql_standings.due(transaction, self._service.frame.clock.now(), AT_ONCE)
        if not keys:
            return 0
        return await self._service.apply(lambda transaction: self._routing.on_due(transaction, keys))
