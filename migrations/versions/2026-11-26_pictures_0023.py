"""pictures

Revision ID: 0023
Revises: 0017
Create Date: 2026-11-26 00:00:00+00:00
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0023"
down_revision: str | None = "0017"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Apply this revision."""
    op.create_table(
        "review_pictures",
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("rating_id", sa.Uuid(), nullable=True),
        sa.Column("stored_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f("review_pictures_merchants_fkey")),
        sa.ForeignKeyConstraint(
            ["merchant_id", "rating_id"],
            ["ratings.merchant_id", "ratings.id"],
            name=op.f("review_pictures_ratings_fkey"),
        ),
        sa.PrimaryKeyConstraint("merchant_id", "id", name=op.f("review_pictures_pkey")),
        comment="Pictures that lie on the shelf of pictures, by the review they go with.",
    )
    op.create_index(
        op.f("review_pictures_merchant_id_rating_id_id_idx"),
        "review_pictures",
        ["merchant_id", "rating_id", "id"],
        postgresql_where="rating_id IS NOT NULL",
    )
    op.create_index(
        "review_pictures_loose_idx",
        "review_pictures",
        ["merchant_id", "stored_at"],
        postgresql_where="rating_id IS NULL",
    )


def downgrade() -> None:
    """Take this revision back."""
    op.drop_table("review_pictures")
