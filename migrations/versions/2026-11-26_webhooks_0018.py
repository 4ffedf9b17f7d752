"""webhooks

Revision ID: 0018
Revises: 0011
Create Date: 2026-11-26 00:00:00+00:00
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0018"
down_revision: str | None = "0011"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Apply this revision."""
    op.create_table(
        "webhook_endpoints",
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("kinds", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("sealed_secret", sa.LargeBinary(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f("webhook_endpoints_merchants_fkey")),
        sa.PrimaryKeyConstraint("merchant_id", "id", name=op.f("webhook_endpoints_pkey")),
        comment="Where merchants' systems listen; a deleted one stays for what it was told.",
    )
    op.create_table(
        "webhook_events",
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("data", postgresql.JSONB(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f("webhook_events_merchants_fkey")),
        sa.PrimaryKeyConstraint("merchant_id", "id", name=op.f("webhook_events_pkey")),
        comment="The outbox: what merchants' systems are told, written in the transaction of what happened.",
    )
    op.create_table(
        "webhook_deliveries",
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("endpoint_id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("tries", sa.SmallInteger(), nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_answer", sa.Text(), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["merchant_id", "event_id"],
            ["webhook_events.merchant_id", "webhook_events.id"],
            name=op.f("webhook_deliveries_webhook_events_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["merchant_id", "endpoint_id"],
            ["webhook_endpoints.merchant_id", "webhook_endpoints.id"],
            name=op.f("webhook_deliveries_webhook_endpoints_fkey"),
        ),
        sa.PrimaryKeyConstraint("merchant_id", "event_id", "endpoint_id", name=op.f("webhook_deliveries_pkey")),
        comment="One row for each event and endpoint.",
    )
    op.create_index(
        op.f("webhook_deliveries_merchant_id_endpoint_id_event_id_idx"),
        "webhook_deliveries",
        ["merchant_id", "endpoint_id", "event_id"],
    )
    op.create_index(
        "webhook_deliveries_due_idx",
        "webhook_deliveries",
        ["merchant_id", "next_attempt_at"],
        postgresql_where="next_attempt_at IS NOT NULL",
    )


def downgrade() -> None:
    """Take this revision back."""
    for name in ("webhook_deliveries", "webhook_events", "webhook_endpoints"):
        op.drop_table(name)
