"""Keys, requests, segments, sources and channels."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from services.chassis.sql import Utc

revision = "intake_0001"
down_revision = None
branch_labels = ("intake",)
depends_on = None


def upgrade() -> None:
    """Creates them."""
    op.create_table(
        "api_keys",
        sa.Column("key_id", sa.String(16), primary_key=True),
        sa.Column("tenant", sa.String(63), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False, unique=True),
        sa.Column("scopes", sa.String(200), nullable=False),
        sa.Column("created_at", Utc, nullable=False),
        sa.Column("expires_at", Utc),
        sa.Column("revoked_at", Utc),
    )
    op.create_table(
        "requests",
        sa.Column("tenant", sa.String(63), primary_key=True),
        sa.Column("idempotency_key", sa.String(255), primary_key=True),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("received_at", Utc, nullable=False),
        sa.Column("lease_until", Utc, nullable=False),
        sa.Column("status", sa.Integer),
        sa.Column("body", sa.LargeBinary),
    )
    op.create_index("requests_by_age", "requests", ["received_at"])
    op.create_table(
        "segments",
        sa.Column("tenant", sa.String(63), primary_key=True),
        sa.Column("key", sa.String(40), primary_key=True),
        sa.Column("value", sa.String(80), primary_key=True),
    )
    op.create_table(
        "sources",
        sa.Column("tenant", sa.String(63), primary_key=True),
        sa.Column("source", sa.String(200), primary_key=True),
        sa.Column("numbers", sa.Boolean, nullable=False),
    )
    op.create_table(
        "channels",
        sa.Column("topic", sa.String(255), primary_key=True),
        sa.Column("made_at", Utc, nullable=False),
    )


def downgrade() -> None:
    """Drops them."""
    for table in ("channels", "sources", "segments", "requests", "api_keys"):
        op.drop_table(table)
