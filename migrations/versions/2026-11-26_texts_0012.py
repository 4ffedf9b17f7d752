"""texts

Revision ID: 0012
Revises: 0014
Create Date: 2026-11-26 00:00:00+00:00
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision: str = "0012"
down_revision: str | None = "0014"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Apply this revision."""
    op.create_table(
        "texts",
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("fields", JSONB(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f("texts_merchants_fkey")),
        sa.PrimaryKeyConstraint("merchant_id", "version", name=op.f("texts_pkey")),
        sa.UniqueConstraint(
            "merchant_id", "text", "language", "version", name=op.f("texts_merchant_id_text_language_version_key")
        ),
        comment="Merchants' own texts, every version kept; the version counts all changes of a merchant's texts.",
    )
    op.create_table(
        "test_messages",
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sent_by", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f("test_messages_merchants_fkey")),
        sa.PrimaryKeyConstraint("merchant_id", "id", name=op.f("test_messages_pkey")),
        comment="Test messages, counted so that they stay few; to whom is not kept.",
    )
    op.create_index(op.f("test_messages_merchant_id_sent_at_idx"), "test_messages", ["merchant_id", "sent_at"])


def downgrade() -> None:
    """Take this revision back."""
    op.drop_table("test_messages")
    op.drop_table("texts")
