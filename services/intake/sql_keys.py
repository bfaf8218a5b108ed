"""API keys in SQL: shown once, stored as a hash, each for one tenant and for what it was made for."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal, get_args

from sqlalchemy import Row, select, update

from schemas.malformed import Malformed
from services.chassis.clock import Clock
from services.chassis.sql import Database
from services.intake.tables import API_KEYS

PREFIX: Final = "nps_"
SECRET_BYTES: Final = 24
KEY_ID_LENGTH: Final = 8

Scope = Literal["responses:write", "responses:history", "consents:write", "conversations:write"]
"""What a key is good for: to send answers, to mark them as belonging to the past, to note what people allow, to ask."""

SCOPES: Final[tuple[Scope, ...]] = get_args(Scope)

REMEMBERED_FOR: Final = timedelta(seconds=2)
"""Of the five within which a revoked key is refused; the rest is for a database that is busy."""

MOST_REMEMBERED: Final = 10_000


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One sender's key, without its secret."""

    key_id: str
    tenant: str
    name: str
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None

    def holds(self, now: datetime) -> bool:
        """Whether it is good for anything any more."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


@dataclass(frozen=True, slots=True)
class Terms:
    """What a key is made for; without `lasts` it holds until it is revoked."""

    scopes: Collection[str] = SCOPES
    lasts: timedelta | None = None


NO_TERMS: Final = Terms()


def _hash(token: str) -> str:
    """SHA-256 is enough: a token is 192 random bits, which nobody guesses."""
    return hashlib.sha256(token.encode()).hexdigest()


async def create(
    database: Database, tenant: str, name: str, now: datetime, terms: Terms = NO_TERMS
) -> tuple[ApiKey, str]:
    """A new key and its token, which is told this once.

    Raises:
        Malformed: if there is no such scope.
    """
    unknown = sorted(set(terms.scopes) - set(SCOPES))
    if unknown or not terms.scopes:
        raise Malformed.of("scope", f"must be one of {', '.join(SCOPES)}")
    token = PREFIX + secrets.token_urlsafe(SECRET_BYTES)
    scopes = tuple(scope for scope in SCOPES if scope in terms.scopes)
    expires_at = now + terms.lasts if terms.lasts else None
    key = ApiKey(_hash(token)[:KEY_ID_LENGTH], tenant, name, scopes, now, expires_at, None)
    row = {
        "key_id": key.key_id,
        "tenant": key.tenant,
        "name": key.name,
        "hash": _hash(token),
        "scopes": " ".join(scopes),
        "created_at": now,
        "expires_at": expires_at,
        "revoked_at": None,
    }
    async with database.begin() as transaction:
        await transaction.execute(API_KEYS.insert().values(row))
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
        return [_key(row) for row in rows]


def _key(row: Row[tuple[object, ...]]) -> ApiKey:
    scopes = tuple(row.scopes.split())
    return ApiKey(row.key_id, row.tenant, row.name, scopes, row.created_at, row.expires_at, row.revoked_at)


class KeyRegister:
    """Keys by token, remembered for two seconds. However many ask for one at the same time, one looks."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._found: dict[str, tuple[datetime, ApiKey | None]] = {}
        self._looking: dict[str, asyncio.Task[ApiKey | None]] = {}

    async def of(self, token: str) -> ApiKey | None:
        """The key of a token; none if it is unknown, expired or revoked.

        Raises:
            Transient: if the database cannot be reached.
        """
        now, hashed = self._clock.now(), _hash(token)
        remembered = self._found.get(hashed)
        if remembered is None or now - remembered[0] > REMEMBERED_FOR:
            key = await self._looked_up(hashed)
        else:
            _, key = remembered
        return key if key is not None and key.holds(now) else None

    async def _looked_up(self, hashed: str) -> ApiKey | None:
        looking = self._looking.get(hashed)
        if looking is None:
            looking = self._looking[hashed] = asyncio.create_task(self._look_up(hashed))
            looking.add_done_callback(lambda _: self._looking.pop(hashed))
        # who asked first may go away while others wait
        return await asyncio.shield(looking)

    async def _look_up(self, hashed: str) -> ApiKey | None:
        asked_at = self._clock.now()
        async with self._database.read() as transaction:
            found = await transaction.execute(select(API_KEYS).where(API_KEYS.c.hash == hashed))
            row = found.one_or_none()
        if len(self._found) >= MOST_REMEMBERED:
            self._found.clear()
        key = _key(row) if row else None
        self._found[hashed] = asked_at, key
        return key
