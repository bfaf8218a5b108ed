"""What was said behind links."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from services.chassis.sql import Utc

revision = "intake_0003"
down_revision = "intake_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Creates it."""
    op.create_table(
        "form_answers",
        sa.Column("tenant", sa.String(63), primary_key=True),
        sa.Column("response_id", sa.String(200), primary_key=True),
        sa.Column("score", sa.Integer, nullable=False),
        sa.Column("answered_at", Utc, nullable=False),
        sa.Column("scored_at", Utc, nullable=False),
        sa.Column("mark", sa.String(32)),
        sa.Column("commented_at", Utc),
        sa.Column("settled", sa.Boolean, nullable=False),
        sa.Column("expires_at", Utc, nullable=False),
    )
    op.create_index("form_answers_by_end", "form_answers", ["expires_at"])


def downgrade() -> None:
    """Drops it."""
    op.drop_table("form_answers")
