"""review versions

Revision ID: 0016
Revises: 0015
Create Date: 2026-11-26 00:00:00+00:00
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0016"
down_revision: str | None = "0015"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Apply this revision."""
    op.create_table(
        "review_versions",
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("rating_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("stars", sa.SmallInteger(), nullable=False),
        sa.Column("text", sa.Text(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["merchant_id", "rating_id"],
            ["ratings.merchant_id", "ratings.id"],
            name=op.f("review_versions_ratings_fkey"),
        ),
        sa.PrimaryKeyConstraint("merchant_id", "rating_id", "version", name=op.f("review_versions_pkey")),
        comment="What ratings and their text said before the customer changed them; added to, never changed.",
    )


def downgrade() -> None:
    """Take this revision back."""
    op.drop_table("review_versions")
