"""Contacts and waits beside each answer; playbooks. What was decided before is kept, with what can be told of it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from services.chassis.sql import Utc

revision = "routing_0002"
down_revision = "routing_0001"
branch_labels = None
depends_on = None

MOMENTS = ("received_at", "answered_at", "due_at", "mail_at", "task_at", "survey_at")
INDEXES = {
    "due_at": ("due_at",),
    "mail_at": ("tenant", "mail_at"),
    "task_at": ("tenant", "task_at"),
    "account": ("tenant", "account"),
    "subject": ("tenant", "subject", "answered_at"),
}


def upgrade() -> None:
    """Adds columns, indexes and the tables of playbooks."""
    for name in MOMENTS:
        op.add_column("answers", sa.Column(name, Utc))
    op.add_column("answers", sa.Column("subject", sa.String(32)))
    op.add_column("answers", sa.Column("account", sa.String(32)))
    op.add_column("answers", sa.Column("channel", sa.String(63)))
    op.add_column("answers", sa.Column("score", sa.SmallInteger))
    for name in ("mail_gone", "task_closed"):
        op.add_column("answers", sa.Column(name, sa.Boolean, nullable=False, server_default=sa.false()))
    op.add_column("answers", sa.Column("told", sa.Text, nullable=False, server_default=""))
    op.execute("UPDATE answers SET mail_at = first_decided_at WHERE mail IN ('perk', 'offer')")
    op.execute("UPDATE answers SET task_at = first_decided_at WHERE task = 'open'")
    for name, columns in INDEXES.items():
        there = sa.text(f"{name} IS NOT NULL")
        op.create_index(f"answers_by_{name}", "answers", list(columns), sqlite_where=there, postgresql_where=there)
    _add_playbooks()


def _add_playbooks() -> None:
    op.create_table(
        "playbooks",
        sa.Column("tenant", sa.String(63), primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(63), nullable=False),
        sa.Column("content", sa.LargeBinary, nullable=False),
        sa.Column("made_at", Utc, nullable=False),
    )
    op.create_table(
        "playbook_changes",
        sa.Column("tenant", sa.String(63), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("role", sa.String(6), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("at", Utc, nullable=False),
    )


def downgrade() -> None:
    """Drops them."""
    op.drop_table("playbook_changes")
    op.drop_table("playbooks")
    for name in INDEXES:
        op.drop_index(f"answers_by_{name}", "answers")
    for name in (*MOMENTS, "subject", "account", "channel", "score", "mail_gone", "task_closed", "told"):
        op.drop_column("answers", name)
