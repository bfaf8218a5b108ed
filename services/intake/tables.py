"""Intake's tables: who may send, what has been sent under a key, which segments there are, who numbers."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Boolean, Column, Index, Integer, LargeBinary, MetaData, String, Table

from services.chassis.sql import Utc

INTAKE: Final = MetaData()

API_KEYS: Final = Table(
    "api_keys",
    INTAKE,
    Column("key_id", String(16), primary_key=True),
    Column("tenant", String(63), nullable=False),
    Column("name", String(100), nullable=False),
    Column("hash", String(64), nullable=False, unique=True),
    Column("created_at", Utc, nullable=False),
    Column("revoked_at", Utc),
)

REQUESTS: Final = Table(
    "requests",
    INTAKE,
    Column("tenant", String(63), primary_key=True),
    Column("idempotency_key", String(255), primary_key=True),
    Column("fingerprint", String(64), nullable=False),
    Column("received_at", Utc, nullable=False),
    Column("lease_until", Utc, nullable=False),
    Column("status", Integer),
    Column("body", LargeBinary),
    Index("requests_by_age", "received_at"),
)

SEGMENTS: Final = Table(
    "segments",
    INTAKE,
    Column("tenant", String(63), primary_key=True),
    Column("key", String(40), primary_key=True),
    Column("value", String(80), primary_key=True),
)

SOURCES: Final = Table(
    "sources",
    INTAKE,
    Column("tenant", String(63), primary_key=True),
    Column("source", String(200), primary_key=True),
    Column("numbers", Boolean, nullable=False),
)

CHANNELS: Final = Table(
    "channels",
    INTAKE,
    Column("topic", String(255), primary_key=True),
    Column("made_at", Utc, nullable=False),
)
