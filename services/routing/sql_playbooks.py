"""Playbooks that were activated, in SQL: every version of each tenant, and which of them decides."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import and_, func, select

from schemas.playbook_change import PlaybookChange
from services.chassis.sql import Transaction
from services.chassis.sql_dialect import insert_or_ignore, lock
from services.routing.tables import PLAYBOOK_CHANGES, PLAYBOOKS

Role = Literal["active", "shadow"]


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a tenant's playbook; 0 is that of the business file, which is not kept here."""

    tenant: str
    number: int
    name: str
    content: str
    made_at: datetime


async def roles(transaction: Transaction, tenants: Collection[str]) -> dict[tuple[str, Role], int]:
    """Which version plays each role; none is named where the business file's does."""
    newest = (
        select(PLAYBOOK_CHANGES.c.tenant, PLAYBOOK_CHANGES.c.role, func.max(PLAYBOOK_CHANGES.c.number).label("number"))
        .where(PLAYBOOK_CHANGES.c.tenant.in_(tenants))
        .group_by(PLAYBOOK_CHANGES.c.tenant, PLAYBOOK_CHANGES.c.role)
        .subquery()
    )
    is_newest = and_(PLAYBOOK_CHANGES.c.tenant == newest.c.tenant, PLAYBOOK_CHANGES.c.number == newest.c.number)
    statement = select(PLAYBOOK_CHANGES).join(newest, is_newest)
    return {(row.tenant, row.role): row.version for row in await transaction.execute(statement) if row.version}


async def version(transaction: Transaction, tenant: str, number: int) -> Version | None:
    """One version; none if there is no such."""
    statement = select(PLAYBOOKS).where(PLAYBOOKS.c.tenant == tenant, PLAYBOOKS.c.version == number)
    row = (await transaction.execute(statement)).one_or_none()
    return Version(row.tenant, row.version, row.name, row.content.decode(), row.made_at) if row else None


async def versions(transaction: Transaction, tenant: str) -> list[Version]:
    """Every version of a tenant, the newest first."""
    statement = select(PLAYBOOKS).where(PLAYBOOKS.c.tenant == tenant).order_by(PLAYBOOKS.c.version.desc())
    rows = await transaction.execute(statement)
    return [Version(row.tenant, row.version, row.name, row.content.decode(), row.made_at) for row in rows]


async def changes(transaction: Transaction, tenant: str) -> list[PlaybookChange]:
    """Every change of a tenant's playbooks, the newest first, without their content."""
    statement = (
        select(PLAYBOOK_CHANGES, PLAYBOOKS.c.name)
        .outerjoin(
            PLAYBOOKS,
            and_(PLAYBOOKS.c.tenant == PLAYBOOK_CHANGES.c.tenant, PLAYBOOKS.c.version == PLAYBOOK_CHANGES.c.version),
        )
        .where(PLAYBOOK_CHANGES.c.tenant == tenant)
        .order_by(PLAYBOOK_CHANGES.c.number.desc())
    )
    return [
        PlaybookChange(
            tenant=row.tenant, number=row.number, role=row.role, version=row.version, name=row.name, at=row.at
        )
        for row in await transaction.execute(statement)
    ]


async def hold(transaction: Transaction, tenant: str) -> None:
    """Nobody else changes the playbooks of a tenant until the transaction ends."""
    await transaction.run_sync(lock, [f"{tenant}/playbooks"])


async def keep(transaction: Transaction, change: PlaybookChange) -> None:
    """Stores a change and the version it brings; doing so again changes nothing."""
    if change.version and change.content is not None and change.name is not None:
        row = {
            "tenant": change.tenant,
            "version": change.version,
            "name": change.name,
            "content": change.content.encode(),
            "made_at": change.at,
        }
        await transaction.run_sync(insert_or_ignore, PLAYBOOKS, [row])
    told = {name: getattr(change, name) for name in ("tenant", "number", "role", "version", "at")}
    await transaction.run_sync(insert_or_ignore, PLAYBOOK_CHANGES, [told])
