"""Ledger, suppressions, fingerprints and pauses."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from services.chassis.sql import Utc

revision = "delivery_0001"
down_revision = None
branch_labels = ("delivery",)
depends_on = None


def upgrade() -> None:
    """Creates ledger, suppressions, fingerprints and pauses."""
    op.create_table(
        "ledger",
        sa.Column("tenant", sa.String(63), primary_key=True),
        sa.Column("response_id", sa.String(200), primary_key=True),
        sa.Column("delivery_id", sa.Uuid, nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("template", sa.String(63)),
        sa.Column("language", sa.String),
        sa.Column("channel", sa.String(63)),
        sa.Column("subject", sa.String(32)),
        sa.Column("sealed", sa.LargeBinary),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("reason", sa.String(20)),
        sa.Column("detail", sa.String(200)),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("due_at", Utc),
        sa.Column("lease_until", Utc),
        sa.Column("provider", sa.String(63)),
        sa.Column("provider_message_id", sa.String(200)),
        sa.Column("address", sa.String(32)),
        sa.Column("trace", sa.String(60)),
        sa.Column("late", sa.LargeBinary),
        sa.Column("changed_at", Utc, nullable=False),
    )
    op.create_index("ledger_by_delivery", "ledger", ["delivery_id"])
    op.create_index("ledger_by_state", "ledger", ["state", "due_at"])
    op.create_table(
        "suppressions",
        sa.Column("tenant", sa.String(63), primary_key=True),
        sa.Column("about", sa.String(32), primary_key=True),
        sa.Column("reason", sa.String(20), primary_key=True),
        sa.Column("since", Utc),
        sa.Column("lifted_at", Utc),
    )
    op.create_table(
        "fingerprints",
        sa.Column("tenant", sa.String(63), primary_key=True),
        sa.Column("fingerprint", sa.String(32), nullable=False),
    )
    op.create_table(
        "pauses",
        sa.Column("tenant", sa.String(63), primary_key=True),
        sa.Column("since", Utc, nullable=False),
    )


def downgrade() -> None:
    """Drops them."""
    for table in ("pauses", "fingerprints", "suppressions", "ledger"):
        op.drop_table(table)
