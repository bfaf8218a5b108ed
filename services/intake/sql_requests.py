"""Requests under an Idempotency-Key: one effect each, and the same answer to every repetition for a day.

The first to come holds a lease while it works. Who comes meanwhile is told to come back; who comes after a crash takes
over, with the time of the first try, so that ids and revisions come out the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from sqlalchemy import delete, select, update

from services.chassis.sql import Database
from services.chassis.sql_dialect import insert_or_ignore
from services.intake.tables import REQUESTS

LEASE: Final = timedelta(seconds=30)
KEPT_FOR: Final = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Begun:
    """This request is ours to work on; `received_at` is the first try's."""

    received_at: datetime


@dataclass(frozen=True, slots=True)
class Done:
    """It has been answered: so."""

    status: int
    body: bytes


Refusal = Literal["in_flight", "another_body"]


class SqlRequests:
    """Requests of all tenants."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(self, tenant: str, key: str, fingerprint: str, now: datetime) -> Begun | Done | Refusal:
        """Takes a request up, tells its answer, or why neither is possible."""
        mine = (REQUESTS.c.tenant == tenant) & (REQUESTS.c.idempotency_key == key)
        row = {
            "tenant": tenant,
            "idempotency_key": key,
            "fingerprint": fingerprint,
            "received_at": now,
            "lease_until": now + LEASE,
        }
        async with self._database.begin() as transaction:
            if await transaction.run_sync(insert_or_ignore, REQUESTS, [row]):
                return Begun(now)
            known = (await transaction.execute(select(REQUESTS).where(mine))).one()
            if known.fingerprint != fingerprint:
                return "another_body"
            if known.status is not None:
                return Done(known.status, known.body)
            taken = await transaction.execute(
                update(REQUESTS).where(mine, REQUESTS.c.lease_until <= now).values(lease_until=now + LEASE)
            )
            return Begun(known.received_at) if taken.rowcount else "in_flight"

    async def finish(self, tenant: str, key: str, done: Done) -> None:
        """Keeps the answer for whoever asks again."""
        async with self._database.begin() as transaction:
            await transaction.execute(
                update(REQUESTS)
                .where(REQUESTS.c.tenant == tenant, REQUESTS.c.idempotency_key == key)
                .values(status=done.status, body=done.body)
            )

    async def give_up(self, tenant: str, key: str, now: datetime) -> None:
        """Ends the lease: nothing was accepted, and the next try may begin at once."""
        async with self._database.begin() as transaction:
            await transaction.execute(
                update(REQUESTS)
                .where(REQUESTS.c.tenant == tenant, REQUESTS.c.idempotency_key == key)
                .values(lease_until=now)
            )

    async def forget_old(self, now: datetime) -> int:
        """Drops what is older than a day; returns how many."""
        async with self._database.begin() as transaction:
            gone = await transaction.execute(delete(REQUESTS).where(REQUESTS.c.received_at < now - KEPT_FOR))
            return int(gone.rowcount)
