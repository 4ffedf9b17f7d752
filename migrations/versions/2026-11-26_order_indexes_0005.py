"""order indexes

Revision ID: 0005
Revises: 0004
Create Date: 2026-11-26 00:00:00+00:00
"""

from collections.abc import Sequence

from alembic import op

revision: str = "0005"
down_revision: str | None = "0004"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Apply this revision."""
    op.create_index(
        op.f("orders_merchant_id_outcome_received_at_order_id_idx"),
        "orders",
        ["merchant_id", "outcome", "received_at", "order_id"],
        postgresql_include=["reason"],
    )
    op.create_index(
        op.f("orders_merchant_id_reason_received_at_order_id_idx"),
        "orders",
        ["merchant_id", "reason", "received_at", "order_id"],
        postgresql_where="reason IS NOT NULL",
    )


def downgrade() -> None:
    """Take this revision back."""
    op.drop_index(op.f("orders_merchant_id_reason_received_at_order_id_idx"), table_name="orders")
    op.drop_index(op.f("orders_merchant_id_outcome_received_at_order_id_idx"), table_name="orders")
