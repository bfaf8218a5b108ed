"""The keyring's tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from services.chassis.sql import Utc

revision = "keyring_0001"
down_revision = None
branch_labels = ("keyring",)
depends_on = None


def upgrade() -> None:
    """Creates secrets, keys, erased, belongings and links."""
    op.create_table(
        "secrets",
        sa.Column("tenant", sa.String(63), primary_key=True),
        sa.Column("wrapped", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "keys",
        sa.Column("tenant", sa.String(63), primary_key=True),
        sa.Column("owner", sa.String(300), primary_key=True),
        sa.Column("kid", sa.String(32), nullable=False, unique=True),
        sa.Column("wrapped", sa.LargeBinary, nullable=False),
        sa.Column("created_at", Utc, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "erased",
        sa.Column("tenant", sa.String(63), primary_key=True),
        sa.Column("owner", sa.String(300), primary_key=True),
        sa.Column("kid", sa.String(32)),
        sa.Column("erased_at", Utc, nullable=False),
    )
    op.create_index("erased_by_kid", "erased", ["kid"])
    op.create_table(
        "belongings",
        sa.Column("tenant", sa.String(63), primary_key=True),
        sa.Column("subject", sa.String(32), primary_key=True),
        sa.Column("owner", sa.String(300), primary_key=True),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "links",
        sa.Column("tenant", sa.String(63), primary_key=True),
        sa.Column("identifier", sa.String(32), primary_key=True),
        sa.Column("kind", sa.String(8), nullable=False),
        sa.Column("person", sa.String(32), nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("links_by_person", "links", ["tenant", "person", "kind"])


def downgrade() -> None:
    """Drops them."""
    for table in ("links", "belongings", "erased", "keys", "secrets"):
        op.drop_table(table)
