"""Ratings and reviews, what is said to them, and what is counted of them."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    UniqueConstraint,
    Uuid,
)

from invite_service.storage.metadata.columns import instant, merchant, metadata, of_merchant, words

ratings = Table(
    "ratings",
    metadata,
    merchant(),
    Column("id", Uuid, nullable=False),
    Column("invitation_id", Uuid, nullable=False),
    # The empty string stands for the service: a NULL would not be held unique.
    words("product_id"),
    Column("stars", SmallInteger, nullable=False),
    words("state"),
    # Of the stars, the text or both: they share one hold.
    instant("publish_at", nullable=True),
    instant("held_since", nullable=True),
    # NULL from a process of a release that did not know it yet, which stands for false.
    Column("is_fixed", Boolean, nullable=True),
    words("reject_reason", nullable=True),
    words("moved_from", nullable=True),
    # NULL where nobody found it helpful: such rows are in no index of it.
    Column("helpful_count", Integer, nullable=True),
    Column("unhelpful_count", Integer, nullable=True),
    instant("created_at"),
    instant("updated_at"),
    PrimaryKeyConstraint("merchant_id", "id"),
    UniqueConstraint("merchant_id", "invitation_id", "product_id"),
    ForeignKeyConstraint(["merchant_id", "invitation_id"], ["invitations.merchant_id", "invitations.id"]),
    CheckConstraint("stars BETWEEN 1 AND 5", name="stars"),
    Index(None, "merchant_id", "product_id", "created_at", "id"),
    Index(None, "merchant_id", "created_at", "id"),
    Index(None, "merchant_id", "state", "created_at", "id"),
    Index(None, "merchant_id", "publish_at", postgresql_where="publish_at IS NOT NULL"),
    Index(None, "merchant_id", "reject_reason", postgresql_where="reject_reason IS NOT NULL"),
    Index(
        "ratings_shown_by_stars_idx",
        "merchant_id",
        "product_id",
        "stars",
        "created_at",
        "id",
        postgresql_where="state = 'published'",
    ),
    Index(
        "ratings_helpful_idx",
        "merchant_id",
        "product_id",
        "helpful_count",
        "created_at",
        "id",
        postgresql_where="helpful_count IS NOT NULL",
    ),
)

reviews = Table(
    "reviews",
    metadata,
    merchant(),
    Column("rating_id", Uuid, nullable=False),
    words("text"),
    words("displayed_name"),
    words("language"),
    words("state"),
    Column("is_fixed", Boolean, nullable=True),
    instant("created_at"),
    instant("updated_at"),
    PrimaryKeyConstraint("merchant_id", "rating_id"),
    ForeignKeyConstraint(["merchant_id", "rating_id"], ["ratings.merchant_id", "ratings.id"]),
    Index(None, "merchant_id", "state", "rating_id"),
)

review_versions = Table(
    "review_versions",
    metadata,
    merchant(),
    Column("rating_id", Uuid, nullable=False),
    Column("version", Integer, nullable=False),
    Column("stars", SmallInteger, nullable=False),
    words("text", nullable=True),
    # When it was left, not when something else took its place.
    instant("at"),
    words("actor"),
    PrimaryKeyConstraint("merchant_id", "rating_id", "version"),
    ForeignKeyConstraint(["merchant_id", "rating_id"], ["ratings.merchant_id", "ratings.id"]),
    comment="What ratings and their text said before the customer changed them; added to, never changed.",
)

review_pictures = Table(
    "review_pictures",
    metadata,
    merchant(),
    Column("id", Uuid, nullable=False),
    # NULL on the way to a review, and once taken down.
    Column("rating_id", Uuid, nullable=True),
    # Real time, by which what is loose is removed.
    instant("stored_at"),
    PrimaryKeyConstraint("merchant_id", "id"),
    of_merchant(),
    ForeignKeyConstraint(["merchant_id", "rating_id"], ["ratings.merchant_id", "ratings.id"]),
    Index(None, "merchant_id", "rating_id", "id", postgresql_where="rating_id IS NOT NULL"),
    Index("review_pictures_loose_idx", "merchant_id", "stored_at", postgresql_where="rating_id IS NULL"),
    comment="Pictures that lie on the shelf of pictures, by the review they go with.",
)

support_cases = Table(
    "support_cases",
    metadata,
    merchant(),
    Column("id", Uuid, nullable=False),
    Column("rating_id", Uuid, nullable=False),
    instant("opened_at"),
    words("opened_by"),
    instant("followed_up_at", nullable=True),
    words("followed_up_by", nullable=True),
    instant("closed_at", nullable=True),
    words("closed_by", nullable=True),
    PrimaryKeyConstraint("merchant_id", "id"),
    ForeignKeyConstraint(["merchant_id", "rating_id"], ["ratings.merchant_id", "ratings.id"]),
    Index(None, "merchant_id", "opened_at", "id"),
    Index("support_cases_open_key", "merchant_id", "rating_id", unique=True, postgresql_where="closed_at IS NULL"),
    Index(None, "merchant_id", "rating_id"),
    comment="A customer who was not content, or whose word a merchant holds: opened, followed up, closed.",
)

replies = Table(
    "replies",
    metadata,
    merchant(),
    Column("rating_id", Uuid, nullable=False),
    words("text"),
    instant("created_at"),
    words("created_by"),
    instant("updated_at"),
    PrimaryKeyConstraint("merchant_id", "rating_id"),
    ForeignKeyConstraint(["merchant_id", "rating_id"], ["ratings.merchant_id", "ratings.id"]),
)

rating_totals = Table(
    "rating_totals",
    metadata,
    merchant(),
    # The empty string stands for the service.
    words("product_id"),
    words("state"),
    Column("stars_1", BigInteger, nullable=False),
    Column("stars_2", BigInteger, nullable=False),
    Column("stars_3", BigInteger, nullable=False),
    Column("stars_4", BigInteger, nullable=False),
    Column("stars_5", BigInteger, nullable=False),
    PrimaryKeyConstraint("merchant_id", "product_id", "state"),
    of_merchant(),
    comment="Counters kept in the rating's transaction; '*' as product_id sums all products.",
)

review_totals = Table(
    "review_totals",
    metadata,
    merchant(),
    words("product_id"),
    words("state"),
    Column("stars_1", BigInteger, nullable=False),
    Column("stars_2", BigInteger, nullable=False),
    Column("stars_3", BigInteger, nullable=False),
    Column("stars_4", BigInteger, nullable=False),
    Column("stars_5", BigInteger, nullable=False),
    PrimaryKeyConstraint("merchant_id", "product_id", "state"),
    of_merchant(),
    comment="Counters of texts by the stars that go with them, kept and keyed as rating_totals is.",
)

response_periods = Table(
    "response_periods",
    metadata,
    merchant(),
    # `day` or `month`, of the merchant's zone.
    words("unit"),
    Column("starts_on", Date, nullable=False),
    Column("shard", SmallInteger, nullable=False),
    Column("sent", BigInteger, nullable=False),
    Column("ratings", BigInteger, nullable=False),
    PrimaryKeyConstraint("merchant_id", "unit", "starts_on", "shard"),
    of_merchant(),
    comment="Invitations first sent in a day or month, and ratings first left in it; its rows are added up.",
)

public_versions = Table(
    "public_versions",
    metadata,
    merchant(),
    # As in rating_totals.
    words("product_id"),
    Column("version", BigInteger, nullable=False),
    PrimaryKeyConstraint("merchant_id", "product_id"),
    of_merchant(),
    comment="Counts the changes of what the public may see of a product; ETags are made of it.",
)

review_votes = Table(
    "review_votes",
    metadata,
    merchant(),
    Column("rating_id", Uuid, nullable=False),
    Column("visitor_key", LargeBinary, nullable=False),
    Column("is_helpful", Boolean, nullable=False),
    instant("voted_at"),
    PrimaryKeyConstraint("merchant_id", "rating_id", "visitor_key"),
    ForeignKeyConstraint(["merchant_id", "rating_id"], ["ratings.merchant_id", "ratings.id"]),
    comment="Whether visitors of a shop found a review helpful: one word a visitor.",
)

review_reports = Table(
    "review_reports",
    metadata,
    merchant(),
    Column("id", Uuid, nullable=False),
    Column("rating_id", Uuid, nullable=False),
    Column("visitor_key", LargeBinary, nullable=False),
    words("reason"),
    words("comment", nullable=True),
    instant("reported_at"),
    PrimaryKeyConstraint("merchant_id", "id"),
    UniqueConstraint("merchant_id", "rating_id", "visitor_key"),
    ForeignKeyConstraint(["merchant_id", "rating_id"], ["ratings.merchant_id", "ratings.id"]),
    Index(None, "merchant_id", "reported_at", "id"),
    comment="What visitors of a shop think is wrong with a review.",
)

address_counts = Table(
    "address_counts",
    metadata,
    merchant(),
    # Real time, UTC.
    Column("day", Date, nullable=False),
    Column("rating_id", Uuid, nullable=False),
    Column("address_key", LargeBinary, nullable=False),
    Column("votes", Integer, nullable=False),
    Column("reports", Integer, nullable=False),
    PrimaryKeyConstraint("merchant_id", "day", "rating_id", "address_key"),
    of_merchant(),
    comment="How often one address voted on a review or reported it on a day (real time); kept until it is over.",
)
