"""A lease: one holder at a time, for as long as it comes back in time."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import delete, or_, update

from services.chassis.sql import Database
from services.chassis.sql_dialect import insert_or_ignore
from services.chassis.tables import LEASES


class Lease:
    """One name that one process may hold."""

    def __init__(self, database: Database, name: str, holder: str, length: timedelta) -> None:
        self._database = database
        self._name = name
        self._holder = holder
        self._length = length
        self._until: datetime | None = None

    async def hold(self, now: datetime) -> bool:
        """Takes the lease, or holds on to it; returns whether it is ours for its length from now.

        Raises:
            Transient: if the database does not answer.
        """
        if self._until and self._until - now > self._length / 2:
            return True
        until = now + self._length
        self._until = until if await self._take(now, until) else None
        return self._until is not None

    async def _take(self, now: datetime, until: datetime) -> bool:
        async with self._database.begin() as transaction:
            held = await transaction.execute(
                update(LEASES)
                .where(LEASES.c.name == self._name, or_(LEASES.c.holder == self._holder, LEASES.c.until < now))
                .values(holder=self._holder, until=until)
            )
            if held.rowcount:
                return True
            row = {"name": self._name, "holder": self._holder, "until": until}
            return bool(await transaction.run_sync(insert_or_ignore, LEASES, [row]))

    async def release(self) -> None:
        """Lets go, so that another need not wait for the end."""
        self._until = None
        async with self._database.begin() as transaction:
            await transaction.execute(
                delete(LEASES).where(LEASES.c.name == self._name, LEASES.c.holder == self._holder)
            )
