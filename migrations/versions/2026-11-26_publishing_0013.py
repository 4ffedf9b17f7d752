"""publishing

Revision ID: 0013
Revises: 0009
Create Date: 2026-11-26 00:00:00+00:00
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0013"
down_revision: str | None = "0009"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Apply this revision."""
    op.create_table(
        "publishing_settings",
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("settings", postgresql.JSONB(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f("publishing_settings_merchants_fkey")),
        sa.PrimaryKeyConstraint("merchant_id", "version", name=op.f("publishing_settings_pkey")),
    )
    op.create_table(
        "support_cases",
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("rating_id", sa.Uuid(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("opened_by", sa.Text(), nullable=False),
        sa.Column("followed_up_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("followed_up_by", sa.Text(), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_by", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["merchant_id", "rating_id"],
            ["ratings.merchant_id", "ratings.id"],
            name=op.f("support_cases_ratings_fkey"),
        ),
        sa.PrimaryKeyConstraint("merchant_id", "id", name=op.f("support_cases_pkey")),
        comment="A customer who was not content, or whose word a merchant holds: opened, followed up, closed.",
    )
    op.create_index(
        op.f("support_cases_merchant_id_opened_at_id_idx"), "support_cases", ["merchant_id", "opened_at", "id"]
    )
    op.create_index(op.f("support_cases_merchant_id_rating_id_idx"), "support_cases", ["merchant_id", "rating_id"])
    op.create_index(
        "support_cases_open_key",
        "support_cases",
        ["merchant_id", "rating_id"],
        unique=True,
        postgresql_where="closed_at IS NULL",
    )
    op.add_column("ratings", sa.Column("held_since", sa.DateTime(timezone=True), nullable=True))
    op.add_column("ratings", sa.Column("is_fixed", sa.Boolean(), nullable=True))
    op.add_column("ratings", sa.Column("reject_reason", sa.Text(), nullable=True))
    op.add_column("ratings", sa.Column("moved_from", sa.Text(), nullable=True))
    op.create_index(
        op.f("ratings_merchant_id_state_created_at_id_idx"), "ratings", ["merchant_id", "state", "created_at", "id"]
    )
    op.create_index(
        op.f("ratings_merchant_id_publish_at_idx"),
        "ratings",
        ["merchant_id", "publish_at"],
        postgresql_where="publish_at IS NOT NULL",
    )
    op.add_column("reviews", sa.Column("is_fixed", sa.Boolean(), nullable=True))
    op.create_index(op.f("reviews_merchant_id_state_rating_id_idx"), "reviews", ["merchant_id", "state", "rating_id"])
    # Never written or read: stars and text share one hold.
    op.drop_column("reviews", "publish_at")


def downgrade() -> None:
    """Take this revision back."""
    op.add_column("reviews", sa.Column("publish_at", sa.DateTime(timezone=True), nullable=True))
    op.drop_index(op.f("reviews_merchant_id_state_rating_id_idx"), table_name="reviews")
    op.drop_column("reviews", "is_fixed")
    op.drop_index(op.f("ratings_merchant_id_publish_at_idx"), table_name="ratings")
    op.drop_index(op.f("ratings_merchant_id_state_created_at_id_idx"), table_name="ratings")
    for name in ("moved_from", "reject_reason", "is_fixed", "held_since"):
        op.drop_column("ratings", name)
    op.drop_table("support_cases")
    op.drop_table("publishing_settings")
