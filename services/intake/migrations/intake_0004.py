"""How far imports have come."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from services.chassis.sql import Utc

revision = "intake_0004"
down_revision = "intake_0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Creates their table."""
    op.create_table(
        "imports",
        sa.Column("what", sa.String(64), primary_key=True),
        sa.Column("rows", sa.Integer, nullable=False),
        sa.Column("rejected", sa.Integer, nullable=False),
        sa.Column("rejects_bytes", sa.BigInteger, nullable=False),
        sa.Column("reached_at", Utc, nullable=False),
    )


def downgrade() -> None:
    """Drops it."""
    op.drop_table("imports")
