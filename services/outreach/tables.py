"""Outreach's tables: tasks with their notes, what CRMs have said, who is forgotten, and where nothing goes out.

What is personal is sealed here as it was received. Columns beside `request` and `words` are what lists are filtered by.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, LargeBinary, MetaData, String, Table

from services.chassis.sql import Utc

TASK_TABLES: Final = MetaData()

TASKS: Final = Table(
    "tasks",
    TASK_TABLES,
    Column("task_id", String(36), primary_key=True),
    Column("tenant", String(63), nullable=False),
    Column("response_id", String(200), nullable=False),
    Column("subject", String(32)),
    Column("revision", BigInteger, nullable=False),
    Column("version", Integer, nullable=False),
    Column("published", Integer, nullable=False),
    Column("request", LargeBinary),
    Column("rebuilt", Boolean, nullable=False),
    Column("kind", String(10), nullable=False),
    Column("assigned", String(200)),
    Column("withdrawn_because", String(20)),
    Column("withdrawn_at", Utc),
    Column("words", LargeBinary, nullable=False),
    Column("asked_again", Boolean, nullable=False),
    Column("erased", Boolean, nullable=False),
    Column("created_at", Utc),
    Column("updated_at", Utc),
    Column("status", String(20)),
    Column("owner", String(200)),
    Column("priority", String(10)),
    Column("due_at", Utc),
    Column("forget_again_at", Utc),
    Index("tasks_by_creation", "created_at", "task_id"),
    Index("tasks_by_response", "tenant", "response_id"),
    Index("tasks_by_subject", "tenant", "subject"),
    Index("tasks_by_status", "status", "due_at"),
    Index("tasks_to_forget", "forget_again_at"),
)

HELD: Final = TASKS.c.version > TASKS.c.published
"""CRMs have not been told of the task as it stands."""

Index("tasks_held", TASKS.c.updated_at, sqlite_where=HELD, postgresql_where=HELD)

NOTES: Final = Table(
    "notes",
    TASK_TABLES,
    Column("note_id", String(36), primary_key=True),
    Column("task_id", String(36), ForeignKey("tasks.task_id"), nullable=False),
    Column("at", Utc, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Index("notes_by_task", "task_id", "at"),
)

HEARD: Final = Table(
    "heard",
    TASK_TABLES,
    Column("tenant", String(63), primary_key=True),
    Column("system", String(63), primary_key=True),
    Column("update_id", String(200), primary_key=True),
    Column("task_id", String(36), nullable=False),
    Column("external_id", String(200)),
    Column("heard_at", Utc, nullable=False),
)

FORGOTTEN: Final = Table(
    "forgotten",
    TASK_TABLES,
    Column("tenant", String(63), primary_key=True),
    Column("subject", String(32), primary_key=True),
    Column("since", Utc, nullable=False),
)

PAUSES: Final = Table(
    "pauses",
    TASK_TABLES,
    Column("tenant", String(63), primary_key=True),
    Column("since", Utc, nullable=False),
)
