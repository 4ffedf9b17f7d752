"""suppressions

Revision ID: 0009
Revises: 0006
Create Date: 2026-11-26 00:00:00+00:00
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0009"
down_revision: str | None = "0006"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

# An id of UUIDv7's form, whose time is the entry's and whose rest is the same on every run.
COMPLETE = """
UPDATE suppressions AS s
SET id = (
        lpad(to_hex((extract(epoch FROM s.created_at) * 1000)::bigint), 12, '0')
        || '7' || substr(hash.text, 1, 3) || '8' || substr(hash.text, 4, 15)
    )::uuid,
    kind = CASE
        WHEN s.reason = 'sms_undeliverable' OR EXISTS (
            SELECT FROM orders AS o WHERE o.merchant_id = s.merchant_id AND o.phone_key = s.contact_key
        ) THEN 'phone'
        ELSE 'email'
    END,
    channel = CASE s.reason WHEN 'hard_bounce' THEN 'email' WHEN 'sms_undeliverable' THEN 'sms' END,
    source = CASE s.source WHEN 'customer' THEN 'unsubscribe' WHEN 'worker' THEN 'provider_answer' ELSE 'merchant' END
FROM (
    SELECT merchant_id, contact_key, reason, md5(merchant_id || encode(contact_key, 'hex') || reason) AS text
    FROM suppressions
) AS hash
WHERE hash.merchant_id = s.merchant_id AND hash.contact_key = s.contact_key AND hash.reason = s.reason
"""


def upgrade() -> None:
    """Apply this revision."""
    op.add_column("suppressions", sa.Column("id", sa.Uuid(), nullable=True))
    op.add_column("suppressions", sa.Column("kind", sa.Text(), nullable=True))
    op.add_column("suppressions", sa.Column("channel", sa.Text(), nullable=True))
    op.add_column("suppressions", sa.Column("note", sa.Text(), nullable=True))
    op.execute(COMPLETE)
    op.alter_column("suppressions", "id", nullable=False)
    op.alter_column("suppressions", "kind", nullable=False)
    op.create_unique_constraint(op.f("suppressions_merchant_id_id_key"), "suppressions", ["merchant_id", "id"])
    op.create_index("suppressions_wildcards_idx", "suppressions", ["merchant_id"], postgresql_where="kind = 'domain'")


def downgrade() -> None:
    """Take this revision back; wildcards go with it, and the one channel of an entry becomes every channel."""
    op.execute("DELETE FROM suppressions WHERE kind = 'domain'")
    op.execute(
        "UPDATE suppressions SET source = CASE source WHEN 'unsubscribe' THEN 'customer' ELSE 'worker' END"
        " WHERE source <> 'merchant'"
    )
    op.drop_index("suppressions_wildcards_idx", table_name="suppressions", postgresql_where="kind = 'domain'")
    op.drop_constraint(op.f("suppressions_merchant_id_id_key"), "suppressions", type_="unique")
    op.drop_column("suppressions", "note")
    op.drop_column("suppressions", "channel")
    op.drop_column("suppressions", "kind")
    op.drop_column("suppressions", "id")
