"""Metadata of every table (DESIGN.md section 4).

`merchant_id` leads every primary key, unique constraint and foreign key of a tenant table, so that the schema
distributes on Citus unchanged; the tables of `REFERENCE_TABLES` are the only exceptions. All instants are
timestamptz. Columns on the merchant's clock and on real time are told apart in the comments of their section.
"""

from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Double,
    ForeignKeyConstraint,
    Index,
    Integer,
    Interval,
    LargeBinary,
    MetaData,
    Numeric,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSON, JSONB

metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "fk": "%(table_name)s_%(referred_table_name)s_fkey",
        "ck": "%(table_name)s_%(constraint_name)s_check",
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
    }
)

REFERENCE_TABLES = frozenset({"merchants", "api_keys", "operator_keys", "provider_paces"})
"""Small tables that exist whole on every node."""


def _instant(name: str, *, nullable: bool = False) -> Column[Any]:
    return Column(name, DateTime(timezone=True), nullable=nullable)


def _text(name: str, *, nullable: bool = False) -> Column[Any]:
    return Column(name, Text, nullable=nullable)


def _merchant() -> Column[Any]:
    return Column("merchant_id", Text, nullable=False)


def _of_merchant() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(["merchant_id"], ["merchants.id"])


merchants = Table(
    "merchants",
    metadata,
    _text("id"),
    _text("name"),
    _text("time_zone"),
    _text("homepage_url"),
    Column("sandbox", Boolean, nullable=False),
    Column("clock_offset", Interval, nullable=False),
    # Real time: which call is moving a sandbox's clock, and until when no other may.
    Column("clock_token", Uuid, nullable=True),
    _instant("clock_until", nullable=True),
    Column("policy_version", Integer, nullable=False),
    _instant("paused_at", nullable=True),
    _text("paused_reason", nullable=True),
    # Real time: what was sent before says nothing about the merchant any more.
    _instant("resumed_at", nullable=True),
    _instant("created_at"),
    PrimaryKeyConstraint("id"),
)

api_keys = Table(
    "api_keys",
    metadata,
    _text("id"),
    _merchant(),
    _text("name"),
    Column("secret_hash", LargeBinary, nullable=False),
    Column("scopes", ARRAY(Text), nullable=False),
    _instant("created_at"),
    _instant("expires_at", nullable=True),
    _instant("revoked_at", nullable=True),
    PrimaryKeyConstraint("id"),
    _of_merchant(),
    Index(None, "merchant_id"),
)

operator_keys = Table(
    "operator_keys",
    metadata,
    _text("id"),
    _text("name"),
    Column("secret_hash", LargeBinary, nullable=False),
    _instant("created_at"),
    _instant("expires_at", nullable=True),
    _instant("revoked_at", nullable=True),
    PrimaryKeyConstraint("id"),
)

policies = Table(
    "policies",
    metadata,
    _merchant(),
    Column("version", Integer, nullable=False),
    Column("settings", JSONB, nullable=False),
    _instant("created_at"),
    _text("created_by"),
    PrimaryKeyConstraint("merchant_id", "version"),
    _of_merchant(),
)

publishing_settings = Table(
    "publishing_settings",
    metadata,
    _merchant(),
    Column("version", Integer, nullable=False),
    Column("settings", JSONB, nullable=False),
    _instant("created_at"),
    _text("created_by"),
    PrimaryKeyConstraint("merchant_id", "version"),
    _of_merchant(),
)

branding = Table(
    "branding",
    metadata,
    _merchant(),
    Column("version", Integer, nullable=False),
    Column("settings", JSONB, nullable=False),
    _instant("updated_at"),
    PrimaryKeyConstraint("merchant_id"),
    _of_merchant(),
)

texts = Table(
    "texts",
    metadata,
    _merchant(),
    Column("version", Integer, nullable=False),
    _text("text"),
    _text("language"),
    Column("fields", JSONB, nullable=False),
    # The merchant's clock.
    _instant("created_at"),
    _text("created_by"),
    PrimaryKeyConstraint("merchant_id", "version"),
    UniqueConstraint("merchant_id", "text", "language", "version"),
    _of_merchant(),
    comment="Merchants' own texts, every version kept; the version counts all changes of a merchant's texts.",
)

test_messages = Table(
    "test_messages",
    metadata,
    _merchant(),
    Column("id", Uuid, nullable=False),
    _text("text"),
    _text("language"),
    _text("channel"),
    # Real time.
    _instant("sent_at"),
    _text("sent_by"),
    PrimaryKeyConstraint("merchant_id", "id"),
    _of_merchant(),
    Index(None, "merchant_id", "sent_at"),
    comment="Test messages, counted so that they stay few; to whom is not kept.",
)

channels = Table(
    "channels",
    metadata,
    _merchant(),
    _text("channel"),
    _instant("paused_at", nullable=True),
    _text("paused_reason", nullable=True),
    PrimaryKeyConstraint("merchant_id", "channel"),
    _of_merchant(),
    comment="Pauses of a merchant's channel; without a row the channel is open.",
)

channel_settings = Table(
    "channel_settings",
    metadata,
    _merchant(),
    _text("channel"),
    Column("version", Integer, nullable=False),
    _text("provider", nullable=True),
    # AES-256-GCM under the key of this id (docs/adr/0016).
    _text("key_id", nullable=True),
    Column("sealed_options", LargeBinary, nullable=True),
    # Real time, as everything here.
    _instant("options_updated_at", nullable=True),
    _text("from_address", nullable=True),
    _text("from_name", nullable=True),
    _text("reply_to", nullable=True),
    Column("sms_price", Numeric, nullable=True),
    _text("sms_currency", nullable=True),
    # NULL where settings were never saved: not wanted.
    Column("records_engagement", Boolean, nullable=True),
    # NULL: as fast as the provider takes them.
    Column("max_per_second", Double, nullable=True),
    Column("max_per_hour", Integer, nullable=True),
    _instant("updated_at", nullable=True),
    _instant("checked_at", nullable=True),
    _text("check_outcome", nullable=True),
    _text("check_reason", nullable=True),
    PrimaryKeyConstraint("merchant_id", "channel"),
    _of_merchant(),
    comment="What a merchant set for a channel; without a provider its messages leave through the installation's.",
)

provider_circuits = Table(
    "provider_circuits",
    metadata,
    _merchant(),
    _text("channel"),
    # Of which provider it was learned, and under which settings: it says nothing of others.
    _text("provider"),
    Column("settings_version", Integer, nullable=False),
    # How often it opened in a row; 0 where the provider only asked to wait.
    Column("openings", SmallInteger, nullable=False),
    _text("reason", nullable=True),
    # Real time. Until when nothing is tried, until when one message tries, and until when the provider asked to wait.
    _instant("open_until", nullable=True),
    _instant("trial_until", nullable=True),
    _instant("rests_until", nullable=True),
    PrimaryKeyConstraint("merchant_id", "channel"),
    _of_merchant(),
    comment="What a merchant's provider of a channel did last that keeps messages from it; without a row all is well.",
)

send_paces = Table(
    "send_paces",
    metadata,
    _merchant(),
    _text("channel"),
    Column("tokens", Double, nullable=False),
    # Real time.
    _instant("refilled_at"),
    PrimaryKeyConstraint("merchant_id", "channel"),
    _of_merchant(),
    postgresql_with={"fillfactor": 50},
    comment="The bucket of a merchant's channel that has a rate: how many messages may leave, as it was at an instant.",
)

provider_paces = Table(
    "provider_paces",
    metadata,
    _text("channel"),
    Column("tokens", Double, nullable=False),
    # Real time.
    _instant("refilled_at"),
    PrimaryKeyConstraint("channel"),
    postgresql_with={"fillfactor": 50},
    comment="The bucket of the installation's own provider of a channel, where it has a rate; of all merchants.",
)

contacts = Table(
    "contacts",
    metadata,
    _merchant(),
    Column("contact_key", LargeBinary, nullable=False),
    PrimaryKeyConstraint("merchant_id", "contact_key"),
    _of_merchant(),
    comment="One row per contact: the lock of its history, and where its suppressions hang.",
)

suppressions = Table(
    "suppressions",
    metadata,
    _merchant(),
    # Of the contact, or of a wildcard's pattern.
    Column("contact_key", LargeBinary, nullable=False),
    _text("reason"),
    Column("id", Uuid, nullable=False),
    _text("kind"),
    # The one channel it closes; NULL: every channel to the customer.
    _text("channel", nullable=True),
    _text("source"),
    _text("note", nullable=True),
    # The merchant's clock.
    _instant("created_at"),
    PrimaryKeyConstraint("merchant_id", "contact_key", "reason"),
    UniqueConstraint("merchant_id", "id"),
    ForeignKeyConstraint(["merchant_id", "contact_key"], ["contacts.merchant_id", "contacts.contact_key"]),
    # Tells whether a merchant has any wildcard at all: most have none.
    Index("suppressions_wildcards_idx", "merchant_id", postgresql_where="kind = 'domain'"),
)

erasures = Table(
    "erasures",
    metadata,
    _merchant(),
    Column("id", Uuid, nullable=False),
    Column("contact_key", LargeBinary, nullable=False),
    # The merchant's clock.
    _instant("erased_at"),
    _text("erased_by"),
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

products = Table(
    "products",
    metadata,
    _merchant(),
    _text("product_id"),
    _text("name", nullable=True),
    _text("url", nullable=True),
    _text("image_url", nullable=True),
    _text("brand", nullable=True),
    _text("category", nullable=True),
    _instant("updated_at"),
    PrimaryKeyConstraint("merchant_id", "product_id"),
    _of_merchant(),
    comment="What messages and pages show of a product: the newest that an order told.",
)

orders = Table(
    "orders",
    metadata,
    _merchant(),
    _text("order_id"),
    Column("version", Integer, nullable=False),
    _text("status", nullable=True),
    _instant("updated_at", nullable=True),
    _instant("purchased_at"),
    _instant("shipped_at", nullable=True),
    _instant("delivered_at", nullable=True),
    _text("customer_id", nullable=True),
    _text("customer_name", nullable=True),
    _text("email", nullable=True),
    _text("phone", nullable=True),
    Column("email_key", LargeBinary, nullable=True),
    Column("phone_key", LargeBinary, nullable=True),
    _text("email_fault", nullable=True),
    _text("phone_fault", nullable=True),
    _text("language", nullable=True),
    _text("country", nullable=True),
    _text("time_zone", nullable=True),
    Column("consent", Boolean, nullable=True),
    Column("attributes", ARRAY(Text), nullable=False),
    _text("discount_code", nullable=True),
    _text("discount_description", nullable=True),
    _instant("received_at"),
    _instant("triggered_at", nullable=True),
    Column("on_hold", Boolean, nullable=False),
    _text("outcome"),
    _text("reason", nullable=True),
    _instant("eligible_at", nullable=True),
    Column("invitation_id", Uuid, nullable=True),
    # Never searched; as text it is smaller, and the answer to the same event again is the same to the byte.
    Column("trace", JSON, nullable=False),
    PrimaryKeyConstraint("merchant_id", "order_id"),
    _of_merchant(),
    Index(None, "merchant_id", "email_key"),
    Index(None, "merchant_id", "phone_key", postgresql_where="phone_key IS NOT NULL"),
    Index(None, "merchant_id", "received_at", "order_id"),
    # Lists by outcome or reason, and with the reason included the counts of both.
    Index(None, "merchant_id", "outcome", "received_at", "order_id", postgresql_include=["reason"]),
    Index(None, "merchant_id", "reason", "received_at", "order_id", postgresql_where="reason IS NOT NULL"),
)

order_lines = Table(
    "order_lines",
    metadata,
    _merchant(),
    _text("order_id"),
    Column("position", SmallInteger, nullable=False),
    _text("product_id"),
    _text("name", nullable=True),
    _text("url", nullable=True),
    _text("image_url", nullable=True),
    _text("brand", nullable=True),
    Column("sku", ARRAY(Text), nullable=False),
    _text("gtin", nullable=True),
    _text("mpn", nullable=True),
    _text("category", nullable=True),
    Column("price", Numeric, nullable=True),
    _text("currency", nullable=True),
    _text("variant_id", nullable=True),
    _text("variant_name", nullable=True),
    Column("returned", Boolean, nullable=False),
    PrimaryKeyConstraint("merchant_id", "order_id", "position"),
    ForeignKeyConstraint(["merchant_id", "order_id"], ["orders.merchant_id", "orders.order_id"]),
)

order_events = Table(
    "order_events",
    metadata,
    _merchant(),
    _text("order_id"),
    Column("id", Uuid, nullable=False),
    # As it was posted, to the byte.
    Column("body", JSON, nullable=False),
    _instant("accepted_at"),
    PrimaryKeyConstraint("merchant_id", "order_id", "id"),
    ForeignKeyConstraint(["merchant_id", "order_id"], ["orders.merchant_id", "orders.order_id"]),
    comment="Append-only: what was posted, and when it was accepted on the merchant's clock.",
)

invitations = Table(
    "invitations",
    metadata,
    _merchant(),
    Column("id", Uuid, nullable=False),
    _text("kind"),
    _text("channel"),
    _text("language"),
    _text("contact", nullable=True),
    Column("contact_key", LargeBinary, nullable=False),
    _text("customer_name", nullable=True),
    _text("status"),
    Column("steps", ARRAY(Text), nullable=False),
    _text("next_step", nullable=True),
    Column("policy_version", Integer, nullable=False),
    _text("time_zone"),
    _text("spread_order_id"),
    _instant("created_at"),
    _instant("send_at"),
    _instant("next_attempt_at", nullable=True),
    Column("order_ids", ARRAY(Text), nullable=False),
    _instant("held_at", nullable=True),
    Column("moved_by_merchant", Boolean, nullable=False),
    Column("send_now", Boolean, nullable=False),
    Column("rescheduled_to", Date, nullable=True),
    Column("message_count", SmallInteger, nullable=False),
    _instant("first_sent_at", nullable=True),
    _instant("last_sent_at", nullable=True),
    _instant("last_message_at", nullable=True),
    Column("not_received_on", Date, nullable=True),
    Column("tries", SmallInteger, nullable=False),
    _text("ended_reason", nullable=True),
    # Real time: who is sending it now, and until when nobody else may.
    Column("lease_token", Uuid, nullable=True),
    _instant("lease_until", nullable=True),
    PrimaryKeyConstraint("merchant_id", "id"),
    ForeignKeyConstraint(["merchant_id", "policy_version"], ["policies.merchant_id", "policies.version"]),
    Index(
        "invitations_due_idx",
        "merchant_id",
        "next_attempt_at",
        "id",
        postgresql_where="status = 'scheduled' AND next_attempt_at IS NOT NULL",
    ),
    Index("invitations_leased_idx", "merchant_id", "lease_until", postgresql_where="status = 'sending'"),
    Index(None, "merchant_id", "contact_key"),
    # What carries each filter and sorting of the lists: docs/adr/0013.
    Index(None, "merchant_id", "send_at", "id"),
    Index(None, "merchant_id", "created_at", "id"),
    Index(None, "merchant_id", "status", "kind", "channel", "send_at", "id", postgresql_include=["created_at"]),
    Index(None, "merchant_id", "status", "kind", "channel", "created_at", "id", postgresql_include=["send_at"]),
    Index(
        "invitations_created_day_idx",
        "merchant_id",
        text("((created_at AT TIME ZONE 'UTC')::date)"),
        "send_at",
        "id",
        postgresql_include=["created_at"],
    ),
    Index(
        "invitations_send_day_idx",
        "merchant_id",
        text("((send_at AT TIME ZONE 'UTC')::date)"),
        "created_at",
        "id",
        postgresql_include=["send_at"],
    ),
)

invitation_orders = Table(
    "invitation_orders",
    metadata,
    _merchant(),
    Column("invitation_id", Uuid, nullable=False),
    _text("order_id"),
    Column("position", SmallInteger, nullable=False),
    PrimaryKeyConstraint("merchant_id", "invitation_id", "order_id"),
    ForeignKeyConstraint(["merchant_id", "invitation_id"], ["invitations.merchant_id", "invitations.id"]),
    ForeignKeyConstraint(["merchant_id", "order_id"], ["orders.merchant_id", "orders.order_id"]),
    Index(None, "merchant_id", "order_id"),
    comment="Every order that ever joined an invitation; invitations.order_ids repeats it in order of joining.",
)

invitation_products = Table(
    "invitation_products",
    metadata,
    _merchant(),
    Column("invitation_id", Uuid, nullable=False),
    _text("product_id"),
    Column("position", SmallInteger, nullable=False),
    Column("brought_by", ARRAY(Text), nullable=False),
    Column("asked", Boolean, nullable=False),
    # The invitation's, which never changes: a product's pages are sorted by it.
    _instant("created_at"),
    PrimaryKeyConstraint("merchant_id", "invitation_id", "product_id"),
    ForeignKeyConstraint(["merchant_id", "invitation_id"], ["invitations.merchant_id", "invitations.id"]),
    ForeignKeyConstraint(["merchant_id", "product_id"], ["products.merchant_id", "products.product_id"]),
    Index("invitation_products_of_product_idx", "merchant_id", "product_id", "created_at", "invitation_id"),
)

attempts = Table(
    "attempts",
    metadata,
    _merchant(),
    Column("id", Uuid, nullable=False),
    Column("invitation_id", Uuid, nullable=False),
    _text("step"),
    _text("channel"),
    _text("language"),
    _text("provider"),
    _text("message_id"),
    _text("idempotency_key"),
    Column("content_hash", LargeBinary, nullable=False),
    Column("product_ids", ARRAY(Text), nullable=False),
    # The merchant's clock: when the customer was, or may have been, written to.
    _instant("asked_at"),
    # Real time.
    _instant("started_at"),
    _instant("ended_at", nullable=True),
    _text("outcome", nullable=True),
    _text("reason", nullable=True),
    _text("provider_message_id", nullable=True),
    _text("raw_answer", nullable=True),
    Column("price", Numeric, nullable=True),
    _text("currency", nullable=True),
    # What the provider told later, and when (real time).
    _text("delivery", nullable=True),
    _instant("delivery_at", nullable=True),
    PrimaryKeyConstraint("merchant_id", "id"),
    ForeignKeyConstraint(["merchant_id", "invitation_id"], ["invitations.merchant_id", "invitations.id"]),
    Index(None, "merchant_id", "invitation_id"),
    # Room in every page, so that closing a try moves no index entry.
    postgresql_with={"fillfactor": 70},
    comment="One row per try, written before the provider is called, closed once, never deleted.",
)

provider_events = Table(
    "provider_events",
    metadata,
    _merchant(),
    Column("id", Uuid, nullable=False),
    _text("provider"),
    # The provider's id of it, or a hash of what it said.
    _text("event_id"),
    _text("kind"),
    _text("raw_kind"),
    _text("reason"),
    # What the provider told to find the message by; of the address only its key.
    Column("attempt_id", Uuid, nullable=True),
    _text("provider_message_id", nullable=True),
    Column("contact_key", LargeBinary, nullable=True),
    # The invitation whose message it turned out to be about.
    Column("invitation_id", Uuid, nullable=True),
    # Real time.
    _instant("occurred_at"),
    _instant("received_at"),
    # When somebody is to look at it next; NULL: nothing is left to do.
    _instant("look_at", nullable=True),
    PrimaryKeyConstraint("merchant_id", "id"),
    UniqueConstraint("merchant_id", "provider", "event_id"),
    _of_merchant(),
    ForeignKeyConstraint(["merchant_id", "invitation_id"], ["invitations.merchant_id", "invitations.id"]),
    Index("provider_events_pending_idx", "merchant_id", "look_at", "id", postgresql_where="look_at IS NOT NULL"),
    Index(
        "provider_events_soft_bounces_idx",
        "merchant_id",
        "contact_key",
        "occurred_at",
        postgresql_where="kind = 'bounced_soft'",
    ),
    Index(
        "provider_events_harmful_idx",
        "merchant_id",
        "received_at",
        postgresql_where="kind IN ('bounced_hard', 'bounced_soft', 'complained')",
    ),
    comment="Append-only but for what it was found to be about: what providers told later of messages.",
)

mailbox_messages = Table(
    "mailbox_messages",
    metadata,
    _merchant(),
    Column("id", Uuid, nullable=False),
    Column("invitation_id", Uuid, nullable=False),
    _text("step"),
    _text("channel"),
    _text("recipient"),
    _text("subject"),
    _text("text"),
    _text("html", nullable=True),
    Column("headers", JSONB, nullable=False),
    _instant("sent_at"),
    PrimaryKeyConstraint("merchant_id", "id"),
    _of_merchant(),
    Index(None, "merchant_id", "sent_at", "id"),
    comment="What the `mailbox` provider keeps; id is the attempt's, so that a message is kept once.",
)

ratings = Table(
    "ratings",
    metadata,
    _merchant(),
    Column("id", Uuid, nullable=False),
    Column("invitation_id", Uuid, nullable=False),
    # The empty string stands for the service: a NULL would not be held unique.
    _text("product_id"),
    Column("stars", SmallInteger, nullable=False),
    _text("state"),
    # Of the stars, the text or both: they share one hold.
    _instant("publish_at", nullable=True),
    _instant("held_since", nullable=True),
    # NULL from a process of a release that did not know it yet, which stands for false.
    Column("is_fixed", Boolean, nullable=True),
    _text("reject_reason", nullable=True),
    _text("moved_from", nullable=True),
    # NULL where nobody found it helpful: such rows are in no index of it.
    Column("helpful_count", Integer, nullable=True),
    Column("unhelpful_count", Integer, nullable=True),
    _instant("created_at"),
    _instant("updated_at"),
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
    _merchant(),
    Column("rating_id", Uuid, nullable=False),
    _text("text"),
    _text("displayed_name"),
    _text("language"),
    _text("state"),
    Column("is_fixed", Boolean, nullable=True),
    _instant("created_at"),
    _instant("updated_at"),
    PrimaryKeyConstraint("merchant_id", "rating_id"),
    ForeignKeyConstraint(["merchant_id", "rating_id"], ["ratings.merchant_id", "ratings.id"]),
    Index(None, "merchant_id", "state", "rating_id"),
)

review_versions = Table(
    "review_versions",
    metadata,
    _merchant(),
    Column("rating_id", Uuid, nullable=False),
    Column("version", Integer, nullable=False),
    Column("stars", SmallInteger, nullable=False),
    _text("text", nullable=True),
    # When it was left, not when something else took its place.
    _instant("at"),
    _text("actor"),
    PrimaryKeyConstraint("merchant_id", "rating_id", "version"),
    ForeignKeyConstraint(["merchant_id", "rating_id"], ["ratings.merchant_id", "ratings.id"]),
    comment="What ratings and their text said before the customer changed them; added to, never changed.",
)

review_pictures = Table(
    "review_pictures",
    metadata,
    _merchant(),
    Column("id", Uuid, nullable=False),
    # NULL on the way to a review, and once taken down.
    Column("rating_id", Uuid, nullable=True),
    # Real time, by which what is loose is removed.
    _instant("stored_at"),
    PrimaryKeyConstraint("merchant_id", "id"),
    _of_merchant(),
    ForeignKeyConstraint(["merchant_id", "rating_id"], ["ratings.merchant_id", "ratings.id"]),
    Index(None, "merchant_id", "rating_id", "id", postgresql_where="rating_id IS NOT NULL"),
    Index("review_pictures_loose_idx", "merchant_id", "stored_at", postgresql_where="rating_id IS NULL"),
    comment="Pictures that lie on the shelf of pictures, by the review they go with.",
)

support_cases = Table(
    "support_cases",
    metadata,
    _merchant(),
    Column("id", Uuid, nullable=False),
    Column("rating_id", Uuid, nullable=False),
    _instant("opened_at"),
    _text("opened_by"),
    _instant("followed_up_at", nullable=True),
    _text("followed_up_by", nullable=True),
    _instant("closed_at", nullable=True),
    _text("closed_by", nullable=True),
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
    _merchant(),
    Column("rating_id", Uuid, nullable=False),
    _text("text"),
    _instant("created_at"),
    _text("created_by"),
    _instant("updated_at"),
    PrimaryKeyConstraint("merchant_id", "rating_id"),
    ForeignKeyConstraint(["merchant_id", "rating_id"], ["ratings.merchant_id", "ratings.id"]),
)

notices = Table(
    "notices",
    metadata,
    _merchant(),
    Column("id", Uuid, nullable=False),
    _text("notice"),
    Column("invitation_id", Uuid, nullable=False),
    Column("rating_id", Uuid, nullable=False),
    # The merchant's clock; everything below is real time.
    _instant("created_at"),
    _text("status"),
    _text("reason", nullable=True),
    Column("tries", SmallInteger, nullable=False),
    _instant("next_attempt_at", nullable=True),
    Column("lease_token", Uuid, nullable=True),
    _instant("lease_until", nullable=True),
    _instant("started_at", nullable=True),
    _instant("ended_at", nullable=True),
    _text("provider", nullable=True),
    _text("content_hash", nullable=True),
    _text("provider_message_id", nullable=True),
    Column("price", Numeric, nullable=True),
    _text("currency", nullable=True),
    PrimaryKeyConstraint("merchant_id", "id"),
    ForeignKeyConstraint(["merchant_id", "rating_id"], ["ratings.merchant_id", "ratings.id"]),
    Index(None, "merchant_id", "invitation_id", "id"),
    Index("notices_voucher_key", "merchant_id", "invitation_id", unique=True, postgresql_where="notice = 'voucher'"),
    Index("notices_due_idx", "merchant_id", "next_attempt_at", "id", postgresql_where="status = 'waiting'"),
    Index("notices_lease_idx", "merchant_id", "lease_until", postgresql_where="status = 'sending'"),
    comment="What follows a customer's answer, sent once: replies, vouchers, support's alerts and help.",
)

webhook_endpoints = Table(
    "webhook_endpoints",
    metadata,
    _merchant(),
    Column("id", Uuid, nullable=False),
    _text("url"),
    Column("kinds", ARRAY(Text), nullable=False),
    _text("key_id"),
    Column("sealed_secret", LargeBinary, nullable=False),
    _text("description", nullable=True),
    # Real time.
    _instant("created_at"),
    _instant("deleted_at", nullable=True),
    PrimaryKeyConstraint("merchant_id", "id"),
    _of_merchant(),
    comment="Where merchants' systems listen; a deleted one stays for what it was told.",
)

webhook_events = Table(
    "webhook_events",
    metadata,
    _merchant(),
    Column("id", Uuid, nullable=False),
    _text("kind"),
    # The merchant's clock.
    _instant("at"),
    Column("data", JSONB, nullable=False),
    # Real time.
    _instant("created_at"),
    PrimaryKeyConstraint("merchant_id", "id"),
    _of_merchant(),
    comment="The outbox: what merchants' systems are told, written in the transaction of what happened.",
)

webhook_deliveries = Table(
    "webhook_deliveries",
    metadata,
    _merchant(),
    Column("event_id", Uuid, nullable=False),
    Column("endpoint_id", Uuid, nullable=False),
    _text("status"),
    Column("tries", SmallInteger, nullable=False),
    # Real time: when it is sent, or, while somebody is at it, when anybody may.
    _instant("next_attempt_at", nullable=True),
    _text("last_answer", nullable=True),
    _instant("ended_at", nullable=True),
    PrimaryKeyConstraint("merchant_id", "event_id", "endpoint_id"),
    ForeignKeyConstraint(["merchant_id", "event_id"], ["webhook_events.merchant_id", "webhook_events.id"]),
    ForeignKeyConstraint(["merchant_id", "endpoint_id"], ["webhook_endpoints.merchant_id", "webhook_endpoints.id"]),
    Index(None, "merchant_id", "endpoint_id", "event_id"),
    Index(
        "webhook_deliveries_due_idx", "merchant_id", "next_attempt_at", postgresql_where="next_attempt_at IS NOT NULL"
    ),
    comment="One row for each event and endpoint.",
)

rating_totals = Table(
    "rating_totals",
    metadata,
    _merchant(),
    # The empty string stands for the service.
    _text("product_id"),
    _text("state"),
    Column("stars_1", BigInteger, nullable=False),
    Column("stars_2", BigInteger, nullable=False),
    Column("stars_3", BigInteger, nullable=False),
    Column("stars_4", BigInteger, nullable=False),
    Column("stars_5", BigInteger, nullable=False),
    PrimaryKeyConstraint("merchant_id", "product_id", "state"),
    _of_merchant(),
    comment="Counters kept in the rating's transaction; '*' as product_id sums all products.",
)

review_totals = Table(
    "review_totals",
    metadata,
    _merchant(),
    _text("product_id"),
    _text("state"),
    Column("stars_1", BigInteger, nullable=False),
    Column("stars_2", BigInteger, nullable=False),
    Column("stars_3", BigInteger, nullable=False),
    Column("stars_4", BigInteger, nullable=False),
    Column("stars_5", BigInteger, nullable=False),
    PrimaryKeyConstraint("merchant_id", "product_id", "state"),
    _of_merchant(),
    comment="Counters of texts by the stars that go with them, kept and keyed as rating_totals is.",
)

response_periods = Table(
    "response_periods",
    metadata,
    _merchant(),
    # `day` or `month`, of the merchant's zone.
    _text("unit"),
    Column("starts_on", Date, nullable=False),
    Column("shard", SmallInteger, nullable=False),
    Column("sent", BigInteger, nullable=False),
    Column("ratings", BigInteger, nullable=False),
    PrimaryKeyConstraint("merchant_id", "unit", "starts_on", "shard"),
    _of_merchant(),
    comment="Invitations first sent in a day or month, and ratings first left in it; its rows are added up.",
)

public_versions = Table(
    "public_versions",
    metadata,
    _merchant(),
    # As in rating_totals.
    _text("product_id"),
    Column("version", BigInteger, nullable=False),
    PrimaryKeyConstraint("merchant_id", "product_id"),
    _of_merchant(),
    comment="Counts the changes of what the public may see of a product; ETags are made of it.",
)

review_votes = Table(
    "review_votes",
    metadata,
    _merchant(),
    Column("rating_id", Uuid, nullable=False),
    Column("visitor_key", LargeBinary, nullable=False),
    Column("is_helpful", Boolean, nullable=False),
    _instant("voted_at"),
    PrimaryKeyConstraint("merchant_id", "rating_id", "visitor_key"),
    ForeignKeyConstraint(["merchant_id", "rating_id"], ["ratings.merchant_id", "ratings.id"]),
    comment="Whether visitors of a shop found a review helpful: one word a visitor.",
)

review_reports = Table(
    "review_reports",
    metadata,
    _merchant(),
    Column("id", Uuid, nullable=False),
    Column("rating_id", Uuid, nullable=False),
    Column("visitor_key", LargeBinary, nullable=False),
    _text("reason"),
    _text("comment", nullable=True),
    _instant("reported_at"),
    PrimaryKeyConstraint("merchant_id", "id"),
    UniqueConstraint("merchant_id", "rating_id", "visitor_key"),
    ForeignKeyConstraint(["merchant_id", "rating_id"], ["ratings.merchant_id", "ratings.id"]),
    Index(None, "merchant_id", "reported_at", "id"),
    comment="What visitors of a shop think is wrong with a review.",
)

address_counts = Table(
    "address_counts",
    metadata,
    _merchant(),
    # Real time, UTC.
    Column("day", Date, nullable=False),
    Column("rating_id", Uuid, nullable=False),
    Column("address_key", LargeBinary, nullable=False),
    Column("votes", Integer, nullable=False),
    Column("reports", Integer, nullable=False),
    PrimaryKeyConstraint("merchant_id", "day", "rating_id", "address_key"),
    _of_merchant(),
    comment="How often one address voted on a review or reported it on a day (real time); kept until it is over.",
)

timeline_entries = Table(
    "timeline_entries",
    metadata,
    _merchant(),
    Column("id", Uuid, nullable=False),
    _text("order_id", nullable=True),
    Column("invitation_id", Uuid, nullable=True),
    # The merchant's clock.
    _instant("at"),
    _text("actor"),
    _text("event"),
    _text("reason", nullable=True),
    Column("data", JSONB, nullable=False),
    PrimaryKeyConstraint("merchant_id", "id"),
    _of_merchant(),
    Index(None, "merchant_id", "order_id", "id", postgresql_where="order_id IS NOT NULL"),
    Index(None, "merchant_id", "invitation_id", "id", postgresql_where="invitation_id IS NOT NULL"),
    # Of what is done to orders and invitations no index is wanted by when it was: they are most of it.
    Index(
        "timeline_entries_of_merchant_idx",
        "merchant_id",
        "at",
        "id",
        postgresql_where="order_id IS NULL AND invitation_id IS NULL",
    ),
    comment="Append-only: who did what to an order, an invitation or the merchant's settings, and why.",
)

batch_updates = Table(
    "batch_updates",
    metadata,
    _merchant(),
    Column("id", Uuid, nullable=False),
    _text("action"),
    Column("day", Date, nullable=True),
    Column("shift_days", Integer, nullable=True),
    Column("policy_version", Integer, nullable=True),
    Column("chosen_by", JSON, nullable=False),
    Column("undo_of", Uuid, nullable=True),
    Column("matched", Integer, nullable=False),
    # The merchant's clock.
    _instant("created_at"),
    _text("created_by"),
    _instant("finished_at", nullable=True),
    PrimaryKeyConstraint("merchant_id", "id"),
    UniqueConstraint("merchant_id", "undo_of"),
    ForeignKeyConstraint(["merchant_id", "undo_of"], ["batch_updates.merchant_id", "batch_updates.id"]),
    _of_merchant(),
    Index("batch_updates_unfinished_idx", "merchant_id", "id", postgresql_where="finished_at IS NULL"),
    Index(None, "merchant_id", "created_at", "id"),
)

batch_update_chunks = Table(
    "batch_update_chunks",
    metadata,
    _merchant(),
    Column("batch_update_id", Uuid, nullable=False),
    Column("number", Integer, nullable=False),
    Column("invitation_ids", ARRAY(Uuid), nullable=False),
    # Orders that wait and are to be decided; such a chunk names no invitations.
    Column("order_ids", ARRAY(Text), nullable=False),
    _instant("done_at", nullable=True),
    Column("changed", Integer, nullable=False),
    Column("skipped", JSON, nullable=False),
    PrimaryKeyConstraint("merchant_id", "batch_update_id", "number"),
    ForeignKeyConstraint(["merchant_id", "batch_update_id"], ["batch_updates.merchant_id", "batch_updates.id"]),
    comment="What a batch update is about, frozen when it was accepted: a chunk is changed in one transaction.",
)

batch_update_changes = Table(
    "batch_update_changes",
    metadata,
    _merchant(),
    Column("batch_update_id", Uuid, nullable=False),
    Column("invitation_id", Uuid, nullable=False),
    _text("action"),
    _text("actor"),
    # The merchant's clock.
    _instant("at"),
    _text("before_status"),
    Column("before_steps", ARRAY(Text), nullable=False),
    _text("before_next_step", nullable=True),
    Column("before_policy_version", Integer, nullable=False),
    _instant("before_send_at"),
    Column("before_moved_by_merchant", Boolean, nullable=False),
    Column("before_send_now", Boolean, nullable=False),
    Column("before_rescheduled_to", Date, nullable=True),
    # Products that were taken out, as [id, ids of the orders that brought it, whether it was asked about].
    Column("before_products", JSON, nullable=True),
    _text("status"),
    _instant("send_at"),
    _instant("next_attempt_at", nullable=True),
    PrimaryKeyConstraint("merchant_id", "batch_update_id", "invitation_id"),
    # No foreign key: a look at the same one batch update for each of a million rows took a tenth of the time.
    Index(None, "merchant_id", "invitation_id"),
    comment="Append-only: what a batch update found and made of an invitation; read as part of its timeline.",
)

batch_update_orders = Table(
    "batch_update_orders",
    metadata,
    _merchant(),
    Column("batch_update_id", Uuid, nullable=False),
    _text("order_id"),
    _text("before_reason"),
    Column("before_trace", JSON, nullable=False),
    Column("version", Integer, nullable=False),
    # The invitation that it got or joined, and what one that it got was planned for.
    Column("invitation_id", Uuid, nullable=True),
    _instant("send_at", nullable=True),
    PrimaryKeyConstraint("merchant_id", "batch_update_id", "order_id"),
    ForeignKeyConstraint(["merchant_id", "batch_update_id"], ["batch_updates.merchant_id", "batch_updates.id"]),
    comment="Append-only: orders that waited and that a batch update decided, as they were and were left.",
)
idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    _merchant(),
    _text("path"),
    Column("key_hash", LargeBinary, nullable=False),
    Column("fingerprint", LargeBinary, nullable=False),
    # Real time.
    _instant("created_at"),
    _instant("running_until", nullable=True),
    Column("status", SmallInteger, nullable=True),
    # Sealed: answers hold addresses, and keys that are shown once.
    Column("answer", LargeBinary, nullable=True),
    PrimaryKeyConstraint("merchant_id", "path", "key_hash"),
    Index(None, "merchant_id", "created_at"),
    comment="Answers to calls with an Idempotency-Key, for a day. Of no merchant's row: making one is such a call.",
)
