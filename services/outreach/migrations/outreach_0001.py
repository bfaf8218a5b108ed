"""Tasks, notes, what was heard, who is forgotten, pauses."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from services.chassis.sql import Utc

revision = "outreach_0001"
down_revision = None
branch_labels = ("outreach",)
depends_on = None


def upgrade() -> None:
    """Creates tasks, notes, heard, forgotten and pauses."""
    op.create_table(
        "tasks",
        sa.Column("task_id", sa.String(36), primary_key=True),
        sa.Column("tenant", sa.String(63), nullable=False),
        sa.Column("response_id", sa.String(200), nullable=False),
        sa.Column("subject", sa.String(32)),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("published", sa.Integer, nullable=False),
        sa.Column("request", sa.LargeBinary),
        sa.Column("rebuilt", sa.Boolean, nullable=False),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("assigned", sa.String(200)),
        sa.Column("withdrawn_because", sa.String(20)),
        sa.Column("withdrawn_at", Utc),
        sa.Column("words", sa.LargeBinary, nullable=False),
        sa.Column("asked_again", sa.Boolean, nullable=False),
        sa.Column("erased", sa.Boolean, nullable=False),
        sa.Column("created_at", Utc),
        sa.Column("updated_at", Utc),
        sa.Column("status", sa.String(20)),
        sa.Column("owner", sa.String(200)),
        sa.Column("priority", sa.String(10)),
        sa.Column("due_at", Utc),
        sa.Column("forget_again_at", Utc),
    )
    op.create_index("tasks_by_creation", "tasks", ["created_at", "task_id"])
    op.create_index("tasks_by_response", "tasks", ["tenant", "response_id"])
    op.create_index("tasks_by_subject", "tasks", ["tenant", "subject"])
    op.create_index("tasks_by_status", "tasks", ["status", "due_at"])
    op.create_index("tasks_to_forget", "tasks", ["forget_again_at"])
    held = sa.text("version > published")
    op.create_index("tasks_held", "tasks", ["updated_at"], sqlite_where=held, postgresql_where=held)
    op.create_table(
        "notes",
        sa.Column("note_id", sa.String(36), primary_key=True),
        sa.Column("task_id", sa.String(36), sa.ForeignKey("tasks.task_id"), nullable=False),
        sa.Column("at", Utc, nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
    )
    op.create_index("notes_by_task", "notes", ["task_id", "at"])
    op.create_table(
        "heard",
        sa.Column("tenant", sa.String(63), primary_key=True),
        sa.Column("system", sa.String(63), primary_key=True),
        sa.Column("update_id", sa.String(200), primary_key=True),
        sa.Column("task_id", sa.String(36), nullable=False),
        sa.Column("external_id", sa.String(200)),
        sa.Column("heard_at", Utc, nullable=False),
    )
    op.create_table(
        "forgotten",
        sa.Column("tenant", sa.String(63), primary_key=True),
        sa.Column("subject", sa.String(32), primary_key=True),
        sa.Column("since", Utc, nullable=False),
    )
    op.create_table(
        "pauses",
        sa.Column("tenant", sa.String(63), primary_key=True),
        sa.Column("since", Utc, nullable=False),
    )


def downgrade() -> None:
    """Drops them."""
    for table in ("pauses", "forgotten", "heard", "notes", "tasks"):
        op.drop_table(table)
