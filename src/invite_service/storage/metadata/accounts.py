"""Merchants, the keys to them, and what each has set."""

from sqlalchemy import (
    ARRAY,
    Boolean,
    Column,
    Index,
    Integer,
    Interval,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
)
from sqlalchemy.dialects.postgresql import JSONB

from invite_service.storage.metadata.columns import instant, merchant, metadata, of_merchant, words

merchants = Table(
    "merchants",
    metadata,
    words("id"),
    words("name"),
    words("time_zone"),
    words("homepage_url"),
    Column("sandbox", Boolean, nullable=False),
    Column("clock_offset", Interval, nullable=False),
    # Real time: which call is moving a sandbox's clock, and until when no other may.
    Column("clock_token", Uuid, nullable=True),
    instant("clock_until", nullable=True),
    Column("policy_version", Integer, nullable=False),
    instant("paused_at", nullable=True),
    words("paused_reason", nullable=True),
    # Real time: what was sent before says nothing about the merchant any more.
    instant("resumed_at", nullable=True),
    instant("created_at"),
    PrimaryKeyConstraint("id"),
)

api_keys = Table(
    "api_keys",
    metadata,
    words("id"),
    merchant(),
    words("name"),
    Column("secret_hash", LargeBinary, nullable=False),
    Column("scopes", ARRAY(Text), nullable=False),
    instant("created_at"),
    instant("expires_at", nullable=True),
    instant("revoked_at", nullable=True),
    PrimaryKeyConstraint("id"),
    of_merchant(),
    Index(None, "merchant_id"),
)

operator_keys = Table(
    "operator_keys",
    metadata,
    words("id"),
    words("name"),
    Column("secret_hash", LargeBinary, nullable=False),
    instant("created_at"),
    instant("expires_at", nullable=True),
    instant("revoked_at", nullable=True),
    PrimaryKeyConstraint("id"),
)

policies = Table(
    "policies",
    metadata,
    merchant(),
    Column("version", Integer, nullable=False),
    Column("settings", JSONB, nullable=False),
    instant("created_at"),
    words("created_by"),
    PrimaryKeyConstraint("merchant_id", "version"),
    of_merchant(),
)

publishing_settings = Table(
    "publishing_settings",
    metadata,
    merchant(),
    Column("version", Integer, nullable=False),
    Column("settings", JSONB, nullable=False),
    instant("created_at"),
    words("created_by"),
    PrimaryKeyConstraint("merchant_id", "version"),
    of_merchant(),
)

branding = Table(
    "branding",
    metadata,
    merchant(),
    Column("version", Integer, nullable=False),
    Column("settings", JSONB, nullable=False),
    instant("updated_at"),
    PrimaryKeyConstraint("merchant_id"),
    of_merchant(),
)

texts = Table(
    "texts",
    metadata,
    merchant(),
    Column("version", Integer, nullable=False),
    words("text"),
    words("language"),
    Column("fields", JSONB, nullable=False),
    # The merchant's clock.
    instant("created_at"),
    words("created_by"),
    PrimaryKeyConstraint("merchant_id", "version"),
    UniqueConstraint("merchant_id", "text", "language", "version"),
    of_merchant(),
    comment="Merchants' own texts, every version kept; the version counts all changes of a merchant's texts.",
)

test_messages = Table(
    "test_messages",
    metadata,
    merchant(),
    Column("id", Uuid, nullable=False),
    words("text"),
    words("language"),
    words("channel"),
    # Real time.
    instant("sent_at"),
    words("sent_by"),
    PrimaryKeyConstraint("merchant_id", "id"),
    of_merchant(),
    Index(None, "merchant_id", "sent_at"),
    comment="Test messages, counted so that they stay few; to whom is not kept.",
)
