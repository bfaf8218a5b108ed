"""Which tenants' mail is paused: planned mails simply stay planned."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy import ColumnElement, delete, exists, or_, select

from services.chassis.sql import Transaction
from services.chassis.sql_dialect import insert_or_ignore
from services.delivery.tables import PAUSES

EVERYBODY: Final = "*"
"""Stands for all tenants; no tenant may be named so."""


def is_paused(tenant: ColumnElement[str]) -> ColumnElement[bool]:
    """Whether the tenant in a column is paused, by itself or with everybody."""
    return exists().where(or_(PAUSES.c.tenant == tenant, PAUSES.c.tenant == EVERYBODY))


async def load(transaction: Transaction) -> dict[str, datetime]:
    """What is paused, and since when."""
    return {row.tenant: row.since for row in await transaction.execute(select(PAUSES))}


async def pause(transaction: Transaction, tenant: str, now: datetime) -> None:
    """Pauses; a pause that holds already stays as it is."""
    await transaction.run_sync(insert_or_ignore, PAUSES, [{"tenant": tenant, "since": now}])


async def resume(transaction: Transaction, tenant: str) -> bool:
    """Ends a pause; whether there was one."""
    return bool((await transaction.execute(delete(PAUSES).where(PAUSES.c.tenant == tenant))).rowcount)
