"""provider events

Revision ID: 0011
Revises: 0012
Create Date: 2026-11-26 00:00:00+00:00
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0011"
down_revision: str | None = "0012"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Apply this revision."""
    op.create_table(
        "provider_events",
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("raw_kind", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("attempt_id", sa.Uuid(), nullable=True),
        sa.Column("provider_message_id", sa.Text(), nullable=True),
        sa.Column("contact_key", sa.LargeBinary(), nullable=True),
        sa.Column("invitation_id", sa.Uuid(), nullable=True),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("look_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f("provider_events_merchants_fkey")),
        sa.ForeignKeyConstraint(
            ["merchant_id", "invitation_id"],
            ["invitations.merchant_id", "invitations.id"],
            name=op.f("provider_events_invitations_fkey"),
        ),
        sa.PrimaryKeyConstraint("merchant_id", "id", name=op.f("provider_events_pkey")),
        sa.UniqueConstraint(
            "merchant_id", "provider", "event_id", name=op.f("provider_events_merchant_id_provider_event_id_key")
        ),
        comment="Append-only but for what it was found to be about: what providers told later of messages.",
    )
    op.create_index(
        "provider_events_pending_idx",
        "provider_events",
        ["merchant_id", "look_at", "id"],
        postgresql_where="look_at IS NOT NULL",
    )
    op.create_index(
        "provider_events_soft_bounces_idx",
        "provider_events",
        ["merchant_id", "contact_key", "occurred_at"],
        postgresql_where="kind = 'bounced_soft'",
    )
    op.add_column("channel_settings", sa.Column("records_engagement", sa.Boolean(), nullable=True))
    op.add_column("attempts", sa.Column("delivery", sa.Text(), nullable=True))
    op.add_column("attempts", sa.Column("delivery_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    """Take this revision back."""
    op.drop_column("attempts", "delivery_at")
    op.drop_column("attempts", "delivery")
    op.drop_column("channel_settings", "records_engagement")
    op.drop_table("provider_events")
