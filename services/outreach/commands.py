"""What the `nps` command does of outreach's: pausing what goes out to CRMs, and going on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

from services.chassis.clock import Clock
from services.chassis.migrating import migrate
from services.chassis.sql import Database, open_database, sqlite_url
from services.outreach import sql_tasks
from services.outreach.app import OUTLINE
from services.outreach.settings import OutreachSettings
from services.outreach.settling import EVERYBODY


@asynccontextmanager
async def _database(settings: OutreachSettings, clock: Clock) -> AsyncIterator[Database]:
    url = settings.sql_url.get_secret_value() if settings.sql_url else sqlite_url(settings.state_dir, OUTLINE.name)
    async with open_database(url) as database:
        await migrate(database, clock, OUTLINE.package)
        yield database


async def pause(settings: OutreachSettings, clock: Clock, tenant: str | None = None) -> None:
    """Tasks of a tenant, or of all, are made and changed here and shown to no CRM until they are resumed."""
    async with _database(settings, clock) as database, database.begin() as transaction:
        await sql_tasks.pause(transaction, tenant or EVERYBODY, clock.now())


async def resume(settings: OutreachSettings, clock: Clock, tenant: str | None = None) -> bool:
    """Ends a pause; the service publishes what was held. Returns whether there was such a pause."""
    async with _database(settings, clock) as database, database.begin() as transaction:
        return await sql_tasks.resume(transaction, tenant or EVERYBODY)


async def paused(settings: OutreachSettings, clock: Clock) -> dict[str | None, datetime]:
    """Whose tasks are paused, and since when; none stands for everybody's."""
    async with _database(settings, clock) as database, database.read() as transaction:
        found = await sql_tasks.paused(transaction)
    return {None if tenant == EVERYBODY else tenant: since for tenant, since in found.items()}
