"""idempotency keys

Revision ID: 0002
Revises: 0001
Create Date: 2026-11-26 00:00:00+00:00
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Apply this revision."""
    op.create_table(
        "idempotency_keys",
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("key_hash", sa.LargeBinary(), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("running_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("status", sa.SmallInteger(), nullable=True),
        sa.Column("answer", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("merchant_id", "path", "key_hash", name=op.f("idempotency_keys_pkey")),
        comment="Answers to calls with an Idempotency-Key, for a day. Of no merchant's row: making one is such a call.",
    )
    op.create_index(
        op.f("idempotency_keys_merchant_id_created_at_idx"), "idempotency_keys", ["merchant_id", "created_at"]
    )


def downgrade() -> None:
    """Take this revision back."""
    op.drop_table("idempotency_keys")
