"""pace

Revision ID: 0017
Revises: 0016
Create Date: 2026-11-26 00:00:00+00:00
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0017"
down_revision: str | None = "0016"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Apply this revision."""
    op.add_column("merchants", sa.Column("resumed_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        "provider_events_harmful_idx",
        "provider_events",
        ["merchant_id", "received_at"],
        postgresql_where="kind IN ('bounced_hard', 'bounced_soft', 'complained')",
    )
    op.add_column("channel_settings", sa.Column("max_per_second", sa.Double(), nullable=True))
    op.add_column("channel_settings", sa.Column("max_per_hour", sa.Integer(), nullable=True))
    op.create_table(
        "provider_circuits",
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("settings_version", sa.Integer(), nullable=False),
        sa.Column("openings", sa.SmallInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("open_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("trial_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("rests_until", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f("provider_circuits_merchants_fkey")),
        sa.PrimaryKeyConstraint("merchant_id", "channel", name=op.f("provider_circuits_pkey")),
        comment="What a merchant's provider of a channel did last that keeps messages from it; without a row all is "
        "well.",
    )
    op.create_table(
        "send_paces",
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("tokens", sa.Double(), nullable=False),
        sa.Column("refilled_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f("send_paces_merchants_fkey")),
        sa.PrimaryKeyConstraint("merchant_id", "channel", name=op.f("send_paces_pkey")),
        postgresql_with={"fillfactor": 50},
        comment="The bucket of a merchant's channel that has a rate: how many messages may leave, as it was at an "
        "instant.",
    )
    op.create_table(
        "provider_paces",
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("tokens", sa.Double(), nullable=False),
        sa.Column("refilled_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("channel", name=op.f("provider_paces_pkey")),
        postgresql_with={"fillfactor": 50},
        comment="The bucket of the installation's own provider of a channel, where it has a rate; of all merchants.",
    )


def downgrade() -> None:
    """Take this revision back."""
    op.drop_table("provider_paces")
    op.drop_table("send_paces")
    op.drop_table("provider_circuits")
    op.drop_column("channel_settings", "max_per_hour")
    op.drop_column("channel_settings", "max_per_second")
    op.drop_index("provider_events_harmful_idx", table_name="provider_events")
    op.drop_column("merchants", "resumed_at")
