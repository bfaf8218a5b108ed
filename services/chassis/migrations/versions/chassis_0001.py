"""The tables every service has."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from services.chassis.sql import Utc

revision = "chassis_0001"
down_revision = None
branch_labels = ("chassis",)
depends_on = None


def upgrade() -> None:
    """Creates identity, positions, outbox and leases."""
    op.create_table(
        "identity",
        sa.Column("database_id", sa.String(32), primary_key=True),
        sa.Column("created_at", Utc, nullable=False),
    )
    op.create_table(
        "positions",
        sa.Column("consumer", sa.String(100), primary_key=True),
        sa.Column("topic", sa.String(255), primary_key=True),
        sa.Column("partition", sa.Integer, primary_key=True),
        sa.Column("next_offset", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "outbox",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True, autoincrement=True),
        sa.Column("topic", sa.String(255), nullable=False),
        sa.Column("key", sa.LargeBinary, nullable=False),
        sa.Column("meets_by", sa.LargeBinary, nullable=False),
        sa.Column("value", sa.LargeBinary),
        sa.Column("headers", sa.LargeBinary, nullable=False),
        sa.Column("in_order", sa.Boolean, nullable=False),
        sa.Column("created_at", Utc, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("outbox_by_age", "outbox", ["created_at"])
    op.create_table(
        "leases",
        sa.Column("name", sa.String(100), primary_key=True),
        sa.Column("holder", sa.String(100), nullable=False),
        sa.Column("until", Utc, nullable=False),
    )


def downgrade() -> None:
    """Drops them."""
    for table in ("leases", "outbox", "positions", "identity"):
        op.drop_table(table)
