"""What comes with a new key stands beside it, and no longer in a row of its own."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "keyring_0002"
down_revision = "keyring_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the column."""
    op.add_column("keys", sa.Column("belonging", sa.String(300)))


def downgrade() -> None:
    """Gives what stands there rows of its own again."""
    op.execute(
        "INSERT INTO belongings (tenant, subject, owner) "
        "SELECT tenant, owner, belonging FROM keys WHERE belonging IS NOT NULL ON CONFLICT DO NOTHING"
    )
    op.drop_column("keys", "belonging")
