"""The tables every service with a database has: who it is, where it reads, what it must publish, who may sweep."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, LargeBinary, MetaData, String, Table

from services.chassis.sql import Utc

CHASSIS: Final = MetaData()

Number = BigInteger().with_variant(Integer(), "sqlite")
"""Counts up by itself; SQLite does so for INTEGER keys alone."""

IDENTITY: Final = Table(
    "identity",
    CHASSIS,
    Column("database_id", String(32), primary_key=True),
    Column("created_at", Utc, nullable=False),
)

POSITIONS: Final = Table(
    "positions",
    CHASSIS,
    Column("consumer", String(100), primary_key=True),
    Column("topic", String(255), primary_key=True),
    Column("partition", Integer, primary_key=True),
    Column("next_offset", BigInteger, nullable=False),
)

OUTBOX: Final = Table(
    "outbox",
    CHASSIS,
    Column("number", Number, primary_key=True, autoincrement=True),
    Column("topic", String(255), nullable=False),
    Column("key", LargeBinary, nullable=False),
    Column("meets_by", LargeBinary, nullable=False),
    Column("value", LargeBinary),
    Column("headers", LargeBinary, nullable=False),
    Column("in_order", Boolean, nullable=False),
    Column("created_at", Utc, nullable=False),
    Index("outbox_by_age", "created_at"),
    sqlite_autoincrement=True,
)

LEASES: Final = Table(
    "leases",
    CHASSIS,
    Column("name", String(100), primary_key=True),
    Column("holder", String(100), nullable=False),
    Column("until", Utc, nullable=False),
)
