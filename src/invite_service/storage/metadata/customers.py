"""Contacts of customers, and which of them must not be written to."""

from sqlalchemy import (
    Boolean,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    UniqueConstraint,
    Uuid,
)

from invite_service.storage.metadata.columns import instant, merchant, metadata, of_merchant, words

contacts = Table(
    "contacts",
    metadata,
    merchant(),
    Column("contact_key", LargeBinary, nullable=False),
    PrimaryKeyConstraint("merchant_id", "contact_key"),
    of_merchant(),
    comment="One row per contact: the lock of its history, and where its suppressions hang.",
)

suppressions = Table(
    "suppressions",
    metadata,
    merchant(),
    # Of the contact, or of a wildcard's pattern.
    Column("contact_key", LargeBinary, nullable=False),
    words("reason"),
    Column("id", Uuid, nullable=False),
    words("kind"),
    # The one channel it closes; NULL: every channel to the customer.
    words("channel", nullable=True),
    words("source"),
    words("note", nullable=True),
    # The merchant's clock.
    instant("created_at"),
    PrimaryKeyConstraint("merchant_id", "contact_key", "reason"),
    UniqueConstraint("merchant_id", "id"),
    ForeignKeyConstraint(["merchant_id", "contact_key"], ["contacts.merchant_id", "contacts.contact_key"]),
    # Tells whether a merchant has any wildcard at all: most have none.
    Index("suppressions_wildcards_idx", "merchant_id", postgresql_where="kind = 'domain'"),
)

erasures = Table(
    "erasures",
    metadata,
    merchant(),
    Column("id", Uuid, nullable=False),
    Column("contact_key", LargeBinary, nullable=False),
    # The merchant's clock.
    instant("erased_at"),
    words("erased_by"),
    Column("keeps_reviews", Boolean, nullable=False),
    Column("contacts", Integer, nullable=False),
    Column("orders", Integer, nullable=False),
    Column("invitations", Integer, nullable=False),
    Column("ratings", Integer, nullable=False),
    Column("reviews", Integer, nullable=False),
    Column("pictures", Integer, nullable=False),
    PrimaryKeyConstraint("merchant_id", "id"),
    ForeignKeyConstraint(["merchant_id", "contact_key"], ["contacts.merchant_id", "contacts.contact_key"]),
    Index(None, "merchant_id", "contact_key", "id"),
    comment="Append-only: whose data were erased, when and by whom; of the customer only a contact's key.",
)
