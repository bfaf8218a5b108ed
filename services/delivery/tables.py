"""Delivery's tables: the ledger, whom not to write to, and what is paused."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, MetaData, String, Table, Uuid

from schemas.decision import Reason
from services.chassis.sql import Utc
from services.chassis.suppressions import Suppressions

DELIVERY: Final = MetaData()

LEDGER: Final = Table(
    "ledger",
    DELIVERY,
    Column("tenant", String(63), primary_key=True),
    Column("response_id", String(200), primary_key=True),
    Column("delivery_id", Uuid, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("version", Integer, nullable=False),
    Column("kind", String(10), nullable=False),
    Column("template", String(63)),
    Column("language", String),
    Column("channel", String(63)),
    Column("subject", String(32)),
    Column("sealed", LargeBinary),
    Column("state", String(12), nullable=False),
    Column("reason", String(20)),
    Column("detail", String(200)),
    Column("attempt", Integer, nullable=False),
    Column("due_at", Utc),
    Column("lease_until", Utc),
    Column("provider", String(63)),
    Column("provider_message_id", String(200)),
    Column("address", String(32)),
    Column("trace", String(60)),
    Column("late", LargeBinary),
    Column("changed_at", Utc, nullable=False),
    Index("ledger_by_delivery", "delivery_id"),
    Index("ledger_by_state", "state", "due_at"),
)

SUPPRESSIONS: Final = Suppressions[Reason](DELIVERY)
"""About addresses and subjects: a bounce is about an address and stays, an opt-out about a person."""

FINGERPRINTS: Final = Table(
    "fingerprints",
    DELIVERY,
    Column("tenant", String(63), primary_key=True),
    Column("fingerprint", String(32), nullable=False),
)
"""Of the secret each tenant's suppressions were hashed under."""

PAUSES: Final = Table(
    "pauses",
    DELIVERY,
    Column("tenant", String(63), primary_key=True),
    Column("since", Utc, nullable=False),
)
