"""public reviews

Revision ID: 0015
Revises: 0018
Create Date: 2026-11-26 00:00:00+00:00
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0015"
down_revision: str | None = "0018"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_STARS = ("stars_1", "stars_2", "stars_3", "stars_4", "stars_5")

# What storage/totals.py would have counted: a text is seen only with its stars, so it stands as what hides it.
_COUNT_REVIEWS = """
INSERT INTO review_totals (merchant_id, product_id, state, stars_1, stars_2, stars_3, stars_4, stars_5)
SELECT merchant_id, counted_as, state, count(*) FILTER (WHERE stars = 1), count(*) FILTER (WHERE stars = 2),
    count(*) FILTER (WHERE stars = 3), count(*) FILTER (WHERE stars = 4), count(*) FILTER (WHERE stars = 5)
FROM (
    SELECT r.merchant_id, counted_as, r.stars, CASE WHEN v.state = 'published' THEN r.state ELSE v.state END AS state
    FROM reviews v
    JOIN ratings r ON r.merchant_id = v.merchant_id AND r.id = v.rating_id
    CROSS JOIN LATERAL (
        SELECT CASE WHEN r.product_id LIKE '*%' THEN '*' || r.product_id ELSE r.product_id END
        UNION ALL
        SELECT '*' WHERE r.product_id <> ''
    ) AS counters (counted_as)
) AS counted
GROUP BY 1, 2, 3
"""


def upgrade() -> None:
    """Apply this revision."""
    op.create_table(
        "public_versions",
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("product_id", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f("public_versions_merchants_fkey")),
        sa.PrimaryKeyConstraint("merchant_id", "product_id", name=op.f("public_versions_pkey")),
        comment="Counts the changes of what the public may see of a product; ETags are made of it.",
    )
    op.create_table(
        "review_totals",
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("product_id", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in _STARS),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f("review_totals_merchants_fkey")),
        sa.PrimaryKeyConstraint("merchant_id", "product_id", "state", name=op.f("review_totals_pkey")),
        comment="Counters of texts by the stars that go with them, kept and keyed as rating_totals is.",
    )
    op.execute(_COUNT_REVIEWS)
    op.create_table(
        "review_votes",
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("rating_id", sa.Uuid(), nullable=False),
        sa.Column("visitor_key", sa.LargeBinary(), nullable=False),
        sa.Column("is_helpful", sa.Boolean(), nullable=False),
        sa.Column("voted_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["merchant_id", "rating_id"], ["ratings.merchant_id", "ratings.id"], name=op.f("review_votes_ratings_fkey")
        ),
        sa.PrimaryKeyConstraint("merchant_id", "rating_id", "visitor_key", name=op.f("review_votes_pkey")),
        comment="Whether visitors of a shop found a review helpful: one word a visitor.",
    )
    op.create_table(
        "review_reports",
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("rating_id", sa.Uuid(), nullable=False),
        sa.Column("visitor_key", sa.LargeBinary(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("comment", sa.Text(), nullable=True),
        sa.Column("reported_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["merchant_id", "rating_id"],
            ["ratings.merchant_id", "ratings.id"],
            name=op.f("review_reports_ratings_fkey"),
        ),
        sa.PrimaryKeyConstraint("merchant_id", "id", name=op.f("review_reports_pkey")),
        sa.UniqueConstraint(
            "merchant_id", "rating_id", "visitor_key", name=op.f("review_reports_merchant_id_rating_id_visitor_key_key")
        ),
        comment="What visitors of a shop think is wrong with a review.",
    )
    op.create_index(
        op.f("review_reports_merchant_id_reported_at_id_idx"), "review_reports", ["merchant_id", "reported_at", "id"]
    )
    op.create_table(
        "address_counts",
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("rating_id", sa.Uuid(), nullable=False),
        sa.Column("address_key", sa.LargeBinary(), nullable=False),
        sa.Column("votes", sa.Integer(), nullable=False),
        sa.Column("reports", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f("address_counts_merchants_fkey")),
        sa.PrimaryKeyConstraint("merchant_id", "day", "rating_id", "address_key", name=op.f("address_counts_pkey")),
        comment="How often one address voted on a review or reported it on a day (real time); kept until it is over.",
    )
    op.add_column("ratings", sa.Column("helpful_count", sa.Integer(), nullable=True))
    op.add_column("ratings", sa.Column("unhelpful_count", sa.Integer(), nullable=True))
    op.create_index(
        "ratings_shown_by_stars_idx",
        "ratings",
        ["merchant_id", "product_id", "stars", "created_at", "id"],
        postgresql_where="state = 'published'",
    )
    op.create_index(
        "ratings_helpful_idx",
        "ratings",
        ["merchant_id", "product_id", "helpful_count", "created_at", "id"],
        postgresql_where="helpful_count IS NOT NULL",
    )
    op.create_index(
        op.f("ratings_merchant_id_reject_reason_idx"),
        "ratings",
        ["merchant_id", "reject_reason"],
        postgresql_where="reject_reason IS NOT NULL",
    )


def downgrade() -> None:
    """Take this revision back."""
    op.drop_index(op.f("ratings_merchant_id_reject_reason_idx"), table_name="ratings")
    op.drop_index("ratings_helpful_idx", table_name="ratings")
    op.drop_index("ratings_shown_by_stars_idx", table_name="ratings")
    op.drop_column("ratings", "unhelpful_count")
    op.drop_column("ratings", "helpful_count")
    for name in ("address_counts", "review_reports", "review_votes", "review_totals", "public_versions"):
        op.drop_table(name)
