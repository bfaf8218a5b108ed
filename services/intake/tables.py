"""Intake's tables: senders, what came under a key or behind a link, segments, who numbers; conversations, imports."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, LargeBinary, MetaData, String, Table

from services.chassis.sql import Utc

INTAKE: Final = MetaData()

API_KEYS: Final = Table(
    "api_keys",
    INTAKE,
    Column("key_id", String(16), primary_key=True),
    Column("tenant", String(63), nullable=False),
    Column("name", String(100), nullable=False),
    Column("hash", String(64), nullable=False, unique=True),
    Column("scopes", String(200), nullable=False),
    Column("created_at", Utc, nullable=False),
    Column("expires_at", Utc),
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

CONVERSATIONS: Final = Table(
    "conversations",
    INTAKE,
    Column("tenant", String(63), primary_key=True),
    Column("party", String(32), primary_key=True),  # HMAC of a telephone number or session
    Column("conversation_id", String(36), nullable=False),
    Column("medium", String(20), nullable=False),
    Column("source", String(63)),
    Column("language", String(8), nullable=False),
    Column("state", String(12), nullable=False),
    Column("since", Utc, nullable=False),
    Column("unread", Integer, nullable=False),
    Column("reminded", Boolean, nullable=False),
    Column("version", Integer, nullable=False),
    Column("due_at", Utc),
    Column("sealed", LargeBinary),
    Index("conversations_by_due", "due_at"),
    Index("conversations_by_age", "since"),
)

CONVERSATION_MESSAGES: Final = Table(
    "conversation_messages",
    INTAKE,
    Column("tenant", String(63), primary_key=True),
    Column("message", String(32), primary_key=True),  # hash of its id
    Column("line", String(20)),
    Column("over", Boolean, nullable=False),
    Column("heard_at", Utc, nullable=False),
    Index("conversation_messages_by_age", "heard_at"),
)

FORM_ANSWERS: Final = Table(
    "form_answers",
    INTAKE,
    Column("tenant", String(63), primary_key=True),
    Column("response_id", String(200), primary_key=True),
    Column("score", Integer, nullable=False),
    Column("answered_at", Utc, nullable=False),
    Column("scored_at", Utc, nullable=False),
    Column("mark", String(32)),
    Column("commented_at", Utc),
    Column("settled", Boolean, nullable=False),
    Column("expires_at", Utc, nullable=False),
    Index("form_answers_by_end", "expires_at"),
)

IMPORTS: Final = Table(
    "imports",
    INTAKE,
    Column("what", String(64), primary_key=True),
    Column("rows", Integer, nullable=False),
    Column("rejected", Integer, nullable=False),
    Column("rejects_bytes", BigInteger, nullable=False),
    Column("reached_at", Utc, nullable=False),
)
"""How far imports that were cut short have come; what is done has no row."""
