"""Conversations, and the messages they have heard."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from services.chassis.sql import Utc

revision = "intake_0002"
down_revision = "intake_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Creates them."""
    op.create_table(
        "conversations",
        sa.Column("tenant", sa.String(63), primary_key=True),
        sa.Column("party", sa.String(32), primary_key=True),
        sa.Column("conversation_id", sa.String(36), nullable=False),
        sa.Column("medium", sa.String(20), nullable=False),
        sa.Column("source", sa.String(63)),
        sa.Column("language", sa.String(8), nullable=False),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("since", Utc, nullable=False),
        sa.Column("unread", sa.Integer, nullable=False),
        sa.Column("reminded", sa.Boolean, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("due_at", Utc),
        sa.Column("sealed", sa.LargeBinary),
    )
    op.create_index("conversations_by_due", "conversations", ["due_at"])
    op.create_index("conversations_by_age", "conversations", ["since"])
    op.create_table(
        "conversation_messages",
        sa.Column("tenant", sa.String(63), primary_key=True),
        sa.Column("message", sa.String(32), primary_key=True),
        sa.Column("line", sa.String(20)),
        sa.Column("over", sa.Boolean, nullable=False),
        sa.Column("heard_at", Utc, nullable=False),
    )
    op.create_index("conversation_messages_by_age", "conversation_messages", ["heard_at"])


def downgrade() -> None:
    """Drops them."""
    op.drop_table("conversation_messages")
    op.drop_table("conversations")
