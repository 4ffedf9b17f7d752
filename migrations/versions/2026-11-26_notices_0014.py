"""notices

Revision ID: 0014
Revises: 0008
Create Date: 2026-11-26 00:00:00+00:00
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0014"
down_revision: str | None = "0008"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Apply this revision."""
    op.create_table(
        "replies",
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("rating_id", sa.Uuid(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["merchant_id", "rating_id"], ["ratings.merchant_id", "ratings.id"], name=op.f("replies_ratings_fkey")
        ),
        sa.PrimaryKeyConstraint("merchant_id", "rating_id", name=op.f("replies_pkey")),
    )
    op.create_table(
        "notices",
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("notice", sa.Text(), nullable=False),
        sa.Column("invitation_id", sa.Uuid(), nullable=False),
        sa.Column("rating_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("tries", sa.SmallInteger(), nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lease_token", sa.Uuid(), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("provider", sa.Text(), nullable=True),
        sa.Column("content_hash", sa.Text(), nullable=True),
        sa.Column("provider_message_id", sa.Text(), nullable=True),
        sa.Column("price", sa.Numeric(), nullable=True),
        sa.Column("currency", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["merchant_id", "rating_id"], ["ratings.merchant_id", "ratings.id"], name=op.f("notices_ratings_fkey")
        ),
        sa.PrimaryKeyConstraint("merchant_id", "id", name=op.f("notices_pkey")),
        comment="What follows a customer's answer, sent once: replies, vouchers, support's alerts and help.",
    )
    op.create_index(op.f("notices_merchant_id_invitation_id_id_idx"), "notices", ["merchant_id", "invitation_id", "id"])
    op.create_index(
        "notices_voucher_key",
        "notices",
        ["merchant_id", "invitation_id"],
        unique=True,
        postgresql_where="notice = 'voucher'",
    )
    op.create_index(
        "notices_due_idx",
        "notices",
        ["merchant_id", "next_attempt_at", "id"],
        postgresql_where="status = 'waiting'",
    )
    op.create_index(
        "notices_lease_idx", "notices", ["merchant_id", "lease_until"], postgresql_where="status = 'sending'"
    )


def downgrade() -> None:
    """Take this revision back."""
    op.drop_table("notices")
    op.drop_table("replies")
