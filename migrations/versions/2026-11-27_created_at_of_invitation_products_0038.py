"""created_at of invitation products

Revision ID: 0038
Revises: 0027
Create Date: 2026-11-27 00:00:00+00:00
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0038"
down_revision: str | None = "0027"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

OLD_INDEX = "invitation_products_merchant_id_product_id_invitation_id_idx"
NEW_INDEX = "invitation_products_of_product_idx"


def upgrade() -> None:
    """Apply this revision."""
    # First, so that it is not written for every row.
    op.drop_index(op.f(OLD_INDEX), "invitation_products")
    op.add_column("invitation_products", sa.Column("created_at", sa.DateTime(timezone=True), nullable=True))
    op.execute(
        "UPDATE invitation_products AS p SET created_at = i.created_at FROM invitations AS i"
        " WHERE i.merchant_id = p.merchant_id AND i.id = p.invitation_id"
    )
    op.alter_column("invitation_products", "created_at", nullable=False)
    op.create_index(NEW_INDEX, "invitation_products", ["merchant_id", "product_id", "created_at", "invitation_id"])


def downgrade() -> None:
    """Take this revision back."""
    op.create_index(op.f(OLD_INDEX), "invitation_products", ["merchant_id", "product_id", "invitation_id"])
    op.drop_index(NEW_INDEX, "invitation_products")
    op.drop_column("invitation_products", "created_at")
