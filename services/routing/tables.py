"""Routing's tables: how each answer stands, and whom not to write to."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Boolean, Column, Integer, LargeBinary, MetaData, String, Table

from schemas.decision import Reason
from services.chassis.sql import Utc
from services.chassis.suppressions import Suppressions

ROUTING: Final = MetaData()

ANSWERS: Final = Table(
    "answers",
    ROUTING,
    Column("tenant", String(63), primary_key=True),
    Column("response_id", String(200), primary_key=True),
    Column("revision", BigInteger, nullable=False),
    Column("digest", String(32)),
    Column("number", Integer, nullable=False),
    Column("past", Boolean, nullable=False),
    Column("answer", LargeBinary),
    Column("comment", LargeBinary),
    Column("mail", String(10)),
    Column("task", String(10)),
    Column("rule", String(63)),
    Column("first_decided_at", Utc),
)

SUPPRESSIONS: Final = Suppressions[Reason](ROUTING)
"""About subjects: a bounce stays, an opt-out may be taken back and takes no bounce along."""
