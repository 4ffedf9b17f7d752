"""channel of notices

Revision ID: 0039
Revises: 0038
Create Date: 2026-11-27 00:00:00+00:00
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0039"
down_revision: str | None = "0038"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

OLD_INDEX = "notices_due_idx"
NEW_INDEX = "notices_due_of_channel_idx"

WAITING = sa.text("status = 'waiting'")


def upgrade() -> None:
    """Apply this revision."""
    op.add_column("notices", sa.Column("channel", sa.Text(), nullable=True))
    op.add_column("notices", sa.Column("message_id", sa.Text(), nullable=True))
    op.execute(
        "UPDATE notices AS n SET channel = CASE WHEN n.notice = 'support_alert' THEN 'email' ELSE i.channel END"
        " FROM invitations AS i WHERE i.merchant_id = n.merchant_id AND i.id = n.invitation_id"
    )
    op.alter_column("notices", "channel", nullable=False)
    op.drop_index(OLD_INDEX, "notices", postgresql_where=WAITING)
    op.create_index(NEW_INDEX, "notices", ["merchant_id", "channel", "next_attempt_at", "id"], postgresql_where=WAITING)
    op.create_index(op.f("notices_merchant_id_created_at_id_idx"), "notices", ["merchant_id", "created_at", "id"])
    op.create_index(
        op.f("notices_merchant_id_status_created_at_id_idx"), "notices", ["merchant_id", "status", "created_at", "id"]
    )


def downgrade() -> None:
    """Take this revision back."""
    op.drop_index(op.f("notices_merchant_id_status_created_at_id_idx"), "notices")
    op.drop_index(op.f("notices_merchant_id_created_at_id_idx"), "notices")
    op.drop_index(NEW_INDEX, "notices", postgresql_where=WAITING)
    op.create_index(OLD_INDEX, "notices", ["merchant_id", "next_attempt_at", "id"], postgresql_where=WAITING)
    op.drop_column("notices", "message_id")
    op.drop_column("notices", "channel")
