"""batch update orders

Revision ID: 0028
Revises: 0024
Create Date: 2026-11-27 00:00:00+00:00
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0028"
down_revision: str | None = "0024"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Apply this revision."""
    op.create_table(
        "batch_update_orders",
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("batch_update_id", sa.Uuid(), nullable=False),
        sa.Column("order_id", sa.Text(), nullable=False),
        sa.Column("before_reason", sa.Text(), nullable=False),
        sa.Column("before_trace", sa.JSON(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("invitation_id", sa.Uuid(), nullable=True),
        sa.Column("send_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["merchant_id", "batch_update_id"],
            ["batch_updates.merchant_id", "batch_updates.id"],
            name=op.f("batch_update_orders_batch_updates_fkey"),
        ),
        sa.PrimaryKeyConstraint("merchant_id", "batch_update_id", "order_id", name=op.f("batch_update_orders_pkey")),
        comment="Append-only: orders that waited and that a batch update decided, as they were and were left.",
    )


def downgrade() -> None:
    """Take this revision back."""
    op.drop_table("batch_update_orders")
