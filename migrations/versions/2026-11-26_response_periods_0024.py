"""response periods

Revision ID: 0024
Revises: 0023
Create Date: 2026-11-26 00:00:00+00:00
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0024"
down_revision: str | None = "0023"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

# What storage/response_periods.py would have counted; by UTC where this server does not know the zone.
_COUNT = """
INSERT INTO response_periods (merchant_id, unit, starts_on, shard, sent, ratings)
SELECT happened.merchant_id, units.unit,
    date_trunc(units.unit, happened.at AT TIME ZONE COALESCE(zones.name, 'UTC'))::date, 0, sum(happened.sent),
    sum(happened.ratings)
FROM (
    SELECT merchant_id, first_sent_at AS at, 1 AS sent, 0 AS ratings
    FROM invitations
    WHERE first_sent_at IS NOT NULL
    UNION ALL
    SELECT merchant_id, created_at, 0, 1 FROM ratings
) AS happened
JOIN merchants ON merchants.id = happened.merchant_id
LEFT JOIN pg_timezone_names AS zones ON zones.name = merchants.time_zone
CROSS JOIN (VALUES ('day'), ('month')) AS units (unit)
GROUP BY 1, 2, 3
"""


def upgrade() -> None:
    """Apply this revision."""
    op.create_table(
        "response_periods",
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("starts_on", sa.Date(), nullable=False),
        sa.Column("shard", sa.SmallInteger(), nullable=False),
        sa.Column("sent", sa.BigInteger(), nullable=False),
        sa.Column("ratings", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f("response_periods_merchants_fkey")),
        sa.PrimaryKeyConstraint("merchant_id", "unit", "starts_on", "shard", name=op.f("response_periods_pkey")),
        comment="Invitations first sent in a day or month, and ratings first left in it; its rows are added up.",
    )
    op.execute(_COUNT)


def downgrade() -> None:
    """Take this revision back."""
    op.drop_table("response_periods")
