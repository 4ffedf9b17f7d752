"""erasures

Revision ID: 0026
Revises: 0028
Create Date: 2026-11-27 00:00:00+00:00
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0026"
down_revision: str | None = "0028"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Apply this revision."""
    op.create_table(
        "erasures",
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("contact_key", sa.LargeBinary(), nullable=False),
        sa.Column("erased_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("erased_by", sa.Text(), nullable=False),
        sa.Column("keeps_reviews", sa.Boolean(), nullable=False),
        sa.Column("contacts", sa.Integer(), nullable=False),
        sa.Column("orders", sa.Integer(), nullable=False),
        sa.Column("invitations", sa.Integer(), nullable=False),
        sa.Column("ratings", sa.Integer(), nullable=False),
        sa.Column("reviews", sa.Integer(), nullable=False),
        sa.Column("pictures", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["merchant_id", "contact_key"],
            ["contacts.merchant_id", "contacts.contact_key"],
            name=op.f("erasures_contacts_fkey"),
        ),
        sa.PrimaryKeyConstraint("merchant_id", "id", name=op.f("erasures_pkey")),
        comment="Append-only: whose data were erased, when and by whom; of the customer only a contact's key.",
    )
    op.create_index(
        op.f("erasures_merchant_id_contact_key_id_idx"), "erasures", ["merchant_id", "contact_key", "id"], unique=False
    )


def downgrade() -> None:
    """Take this revision back."""
    op.drop_table("erasures")
