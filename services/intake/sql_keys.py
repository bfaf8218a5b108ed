"""API keys in SQL: shown once, stored as a hash, revoked at once."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import select, update

from services.chassis.sql import Database
from services.intake.tables import API_KEYS

PREFIX: Final = "nps_"
SECRET_BYTES: Final = 24
KEY_ID_LENGTH: Final = 8


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One sender's key, without its secret."""

    key_id: str
    tenant: str
    name: str
    created_at: datetime
    revoked_at: datetime | None


def _hash(token: str) -> str:
    """SHA-256 is enough: a token is 192 random bits, which nobody guesses."""
    return hashlib.sha256(token.encode()).hexdigest()


async def create(database: Database, tenant: str, name: str, now: datetime) -> tuple[ApiKey, str]:
    """A new key and its token, which is told this once."""
    token = PREFIX + secrets.token_urlsafe(SECRET_BYTES)
    key = ApiKey(_hash(token)[:KEY_ID_LENGTH], tenant, name, now, None)
    async with database.begin() as transaction:
        await transaction.execute(
            API_KEYS.insert().values(
                key_id=key.key_id, tenant=tenant, name=name, hash=_hash(token), created_at=now, revoked_at=None
            )
        )
    return key, token


async def revoke(database: Database, key_id: str, now: datetime) -> bool:
    """Revokes a key; false if there is none, or it was revoked before."""
    async with database.begin() as transaction:
        done = await transaction.execute(
            update(API_KEYS).where(API_KEYS.c.key_id == key_id, API_KEYS.c.revoked_at.is_(None)).values(revoked_at=now)
        )
        return bool(done.rowcount)


async def every(database: Database) -> list[ApiKey]:
    """All keys, the newest first."""
    async with database.read() as transaction:
        rows = await transaction.execute(select(API_KEYS).order_by(API_KEYS.c.created_at.desc()))
        return [ApiKey(row.key_id, row.tenant, row.name, row.created_at, row.revoked_at) for row in rows]


async def tenant_of(database: Database, token: str) -> str | None:
    """The tenant a token speaks for; none if it is unknown or revoked."""
    async with database.read() as transaction:
        found = await transaction.execute(
            select(API_KEYS.c.tenant).where(API_KEYS.c.hash == _hash(token), API_KEYS.c.revoked_at.is_(None))
        )
        tenant: str | None = found.scalar_one_or_none()
        return tenant
