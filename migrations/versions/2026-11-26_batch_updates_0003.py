"""batch updates

Revision ID: 0003
Revises: 0002
Create Date: 2026-11-26 00:00:00+00:00
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0003"
down_revision: str | None = "0002"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Apply this revision."""
    op.create_table(
        "batch_updates",
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=True),
        sa.Column("shift_days", sa.Integer(), nullable=True),
        sa.Column("policy_version", sa.Integer(), nullable=True),
        sa.Column("chosen_by", sa.JSON(), nullable=False),
        sa.Column("undo_of", sa.Uuid(), nullable=True),
        sa.Column("matched", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f("batch_updates_merchants_fkey")),
        sa.ForeignKeyConstraint(
            ["merchant_id", "undo_of"],
            ["batch_updates.merchant_id", "batch_updates.id"],
            name=op.f("batch_updates_batch_updates_fkey"),
        ),
        sa.PrimaryKeyConstraint("merchant_id", "id", name=op.f("batch_updates_pkey")),
        sa.UniqueConstraint("merchant_id", "undo_of", name=op.f("batch_updates_merchant_id_undo_of_key")),
    )
    op.create_index(
        op.f("batch_updates_merchant_id_created_at_id_idx"), "batch_updates", ["merchant_id", "created_at", "id"]
    )
    op.create_index(
        "batch_updates_unfinished_idx",
        "batch_updates",
        ["merchant_id", "id"],
        postgresql_where="finished_at IS NULL",
    )
    op.create_table(
        "batch_update_chunks",
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("batch_update_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("invitation_ids", sa.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("order_ids", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("changed", sa.Integer(), nullable=False),
        sa.Column("skipped", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["merchant_id", "batch_update_id"],
            ["batch_updates.merchant_id", "batch_updates.id"],
            name=op.f("batch_update_chunks_batch_updates_fkey"),
        ),
        sa.PrimaryKeyConstraint("merchant_id", "batch_update_id", "number", name=op.f("batch_update_chunks_pkey")),
        comment="What a batch update is about, frozen when it was accepted: a chunk is changed in one transaction.",
    )
    op.create_table(
        "batch_update_changes",
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("batch_update_id", sa.Uuid(), nullable=False),
        sa.Column("invitation_id", sa.Uuid(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("before_status", sa.Text(), nullable=False),
        sa.Column("before_steps", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("before_next_step", sa.Text(), nullable=True),
        sa.Column("before_policy_version", sa.Integer(), nullable=False),
        sa.Column("before_send_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("before_moved_by_merchant", sa.Boolean(), nullable=False),
        sa.Column("before_send_now", sa.Boolean(), nullable=False),
        sa.Column("before_rescheduled_to", sa.Date(), nullable=True),
        sa.Column("before_products", sa.JSON(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("send_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint(
            "merchant_id", "batch_update_id", "invitation_id", name=op.f("batch_update_changes_pkey")
        ),
        comment="Append-only: what a batch update found and made of an invitation; read as part of its timeline.",
    )
    op.create_index(
        op.f("batch_update_changes_merchant_id_invitation_id_idx"),
        "batch_update_changes",
        ["merchant_id", "invitation_id"],
    )


def downgrade() -> None:
    """Take this revision back."""
    op.drop_index(op.f("batch_update_changes_merchant_id_invitation_id_idx"), table_name="batch_update_changes")
    op.drop_table("batch_update_changes")
    op.drop_table("batch_update_chunks")
    op.drop_index("batch_updates_unfinished_idx", table_name="batch_updates", postgresql_where="finished_at IS NULL")
    op.drop_index(op.f("batch_updates_merchant_id_created_at_id_idx"), table_name="batch_updates")
    op.drop_table("batch_updates")
