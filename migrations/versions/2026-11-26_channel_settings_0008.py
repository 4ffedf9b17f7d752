"""channel settings

Revision ID: 0008
Revises: 0013
Create Date: 2026-11-26 00:00:00+00:00
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0008"
down_revision: str | None = "0013"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Apply this revision."""
    op.create_table(
        "channel_settings",
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=True),
        sa.Column("key_id", sa.Text(), nullable=True),
        sa.Column("sealed_options", sa.LargeBinary(), nullable=True),
        sa.Column("options_updated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("from_address", sa.Text(), nullable=True),
        sa.Column("from_name", sa.Text(), nullable=True),
        sa.Column("reply_to", sa.Text(), nullable=True),
        sa.Column("sms_price", sa.Numeric(), nullable=True),
        sa.Column("sms_currency", sa.Text(), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("check_outcome", sa.Text(), nullable=True),
        sa.Column("check_reason", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f("channel_settings_merchants_fkey")),
        sa.PrimaryKeyConstraint("merchant_id", "channel", name=op.f("channel_settings_pkey")),
        comment="What a merchant set for a channel; without a provider its messages leave through the installation's.",
    )


def downgrade() -> None:
    """Take this revision back."""
    op.drop_table("channel_settings")
