"""list indexes

Revision ID: 0004
Revises: 0003
Create Date: 2026-11-26 00:00:00+00:00
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0004"
down_revision: str | None = "0003"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Apply this revision."""
    op.create_index(
        op.f("invitations_merchant_id_status_kind_channel_send_at_id_idx"),
        "invitations",
        ["merchant_id", "status", "kind", "channel", "send_at", "id"],
        postgresql_include=["created_at"],
    )
    op.create_index(
        op.f("invitations_merchant_id_status_kind_channel_created_at_id_idx"),
        "invitations",
        ["merchant_id", "status", "kind", "channel", "created_at", "id"],
        postgresql_include=["send_at"],
    )
    op.create_index(
        "invitations_created_day_idx",
        "invitations",
        ["merchant_id", sa.text("((created_at AT TIME ZONE 'UTC')::date)"), "send_at", "id"],
        postgresql_include=["created_at"],
    )
    op.create_index(
        "invitations_send_day_idx",
        "invitations",
        ["merchant_id", sa.text("((send_at AT TIME ZONE 'UTC')::date)"), "created_at", "id"],
        postgresql_include=["send_at"],
    )
    op.drop_index(op.f("invitations_merchant_id_status_send_at_id_idx"), table_name="invitations")


def downgrade() -> None:
    """Take this revision back."""
    op.create_index(
        op.f("invitations_merchant_id_status_send_at_id_idx"),
        "invitations",
        ["merchant_id", "status", "send_at", "id"],
    )
    op.drop_index("invitations_send_day_idx", table_name="invitations")
    op.drop_index("invitations_created_day_idx", table_name="invitations")
    op.drop_index(op.f("invitations_merchant_id_status_kind_channel_created_at_id_idx"), table_name="invitations")
    op.drop_index(op.f("invitations_merchant_id_status_kind_channel_send_at_id_idx"), table_name="invitations")
