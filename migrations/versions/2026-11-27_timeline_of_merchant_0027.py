"""timeline of merchant

Revision ID: 0027
Revises: 0026
Create Date: 2026-11-27 00:00:00+00:00
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0027"
down_revision: str | None = "0026"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_COMMENT = "Append-only: who did what to an order{}, and why."


def upgrade() -> None:
    """Apply this revision."""
    op.create_index(
        "timeline_entries_of_merchant_idx",
        "timeline_entries",
        ["merchant_id", "at", "id"],
        unique=False,
        postgresql_where=sa.text("order_id IS NULL AND invitation_id IS NULL"),
    )
    op.create_table_comment(
        "timeline_entries",
        _COMMENT.format(", an invitation or the merchant's settings"),
        existing_comment=_COMMENT.format(" or an invitation"),
        schema=None,
    )


def downgrade() -> None:
    """Take this revision back."""
    op.create_table_comment(
        "timeline_entries",
        _COMMENT.format(" or an invitation"),
        existing_comment=_COMMENT.format(", an invitation or the merchant's settings"),
        schema=None,
    )
    op.drop_index("timeline_entries_of_merchant_idx", table_name="timeline_entries")
