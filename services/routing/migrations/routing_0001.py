"""Answers and suppressions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from services.chassis.sql import Utc

revision = "routing_0001"
down_revision = None
branch_labels = ("routing",)
depends_on = None


def upgrade() -> None:
    """Creates answers and suppressions."""
    op.create_table(
        "answers",
        sa.Column("tenant", sa.String(63), primary_key=True),
        sa.Column("response_id", sa.String(200), primary_key=True),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("digest", sa.String(32)),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("past", sa.Boolean, nullable=False),
        sa.Column("answer", sa.LargeBinary),
        sa.Column("comment", sa.LargeBinary),
        sa.Column("mail", sa.String(10)),
        sa.Column("task", sa.String(10)),
        sa.Column("rule", sa.String(63)),
        sa.Column("first_decided_at", Utc),
    )
    op.create_table(
        "suppressions",
        sa.Column("tenant", sa.String(63), primary_key=True),
        sa.Column("about", sa.String(32), primary_key=True),
        sa.Column("reason", sa.String(20), primary_key=True),
        sa.Column("since", Utc),
        sa.Column("lifted_at", Utc),
    )


def downgrade() -> None:
    """Drops them."""
    op.drop_table("suppressions")
    op.drop_table("answers")
