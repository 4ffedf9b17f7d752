"""What was done and is to be done: the timeline, batch updates, webhooks, answers kept for keys."""

from sqlalchemy import (
    ARRAY,
    Boolean,
    Column,
    Date,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
)
from sqlalchemy.dialects.postgresql import JSON, JSONB

from invite_service.storage.metadata.columns import instant, merchant, metadata, of_merchant, words

webhook_endpoints = Table(
    "webhook_endpoints",
    metadata,
    merchant(),
    Column("id", Uuid, nullable=False),
    words("url"),
    Column("kinds", ARRAY(Text), nullable=False),
    words("key_id"),
    Column("sealed_secret", LargeBinary, nullable=False),
    words("description", nullable=True),
    # Real time.
    instant("created_at"),
    instant("deleted_at", nullable=True),
    PrimaryKeyConstraint("merchant_id", "id"),
    of_merchant(),
    comment="Where merchants' systems listen; a deleted one stays for what it was told.",
)

webhook_events = Table(
    "webhook_events",
    metadata,
    merchant(),
    Column("id", Uuid, nullable=False),
    words("kind"),
    # The merchant's clock.
    instant("at"),
    Column("data", JSONB, nullable=False),
    # Real time.
    instant("created_at"),
    PrimaryKeyConstraint("merchant_id", "id"),
    of_merchant(),
    comment="The outbox: what merchants' systems are told, written in the transaction of what happened.",
)

webhook_deliveries = Table(
    "webhook_deliveries",
    metadata,
    merchant(),
    Column("event_id", Uuid, nullable=False),
    Column("endpoint_id", Uuid, nullable=False),
    words("status"),
    Column("tries", SmallInteger, nullable=False),
    # Real time: when it is sent, or, while somebody is at it, when anybody may.
    instant("next_attempt_at", nullable=True),
    words("last_answer", nullable=True),
    instant("ended_at", nullable=True),
    PrimaryKeyConstraint("merchant_id", "event_id", "endpoint_id"),
    ForeignKeyConstraint(["merchant_id", "event_id"], ["webhook_events.merchant_id", "webhook_events.id"]),
    ForeignKeyConstraint(["merchant_id", "endpoint_id"], ["webhook_endpoints.merchant_id", "webhook_endpoints.id"]),
    Index(None, "merchant_id", "endpoint_id", "event_id"),
    Index(
        "webhook_deliveries_due_idx", "merchant_id", "next_attempt_at", postgresql_where="next_attempt_at IS NOT NULL"
    ),
    comment="One row for each event and endpoint.",
)

timeline_entries = Table(
    "timeline_entries",
    metadata,
    merchant(),
    Column("id", Uuid, nullable=False),
    words("order_id", nullable=True),
    Column("invitation_id", Uuid, nullable=True),
    # The merchant's clock.
    instant("at"),
    words("actor"),
    words("event"),
    words("reason", nullable=True),
    Column("data", JSONB, nullable=False),
    PrimaryKeyConstraint("merchant_id", "id"),
    of_merchant(),
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
    merchant(),
    Column("id", Uuid, nullable=False),
    words("action"),
    Column("day", Date, nullable=True),
    Column("shift_days", Integer, nullable=True),
    Column("policy_version", Integer, nullable=True),
    Column("chosen_by", JSON, nullable=False),
    Column("undo_of", Uuid, nullable=True),
    Column("matched", Integer, nullable=False),
    # The merchant's clock.
    instant("created_at"),
    words("created_by"),
    instant("finished_at", nullable=True),
    PrimaryKeyConstraint("merchant_id", "id"),
    UniqueConstraint("merchant_id", "undo_of"),
    ForeignKeyConstraint(["merchant_id", "undo_of"], ["batch_updates.merchant_id", "batch_updates.id"]),
    of_merchant(),
    Index("batch_updates_unfinished_idx", "merchant_id", "id", postgresql_where="finished_at IS NULL"),
    Index(None, "merchant_id", "created_at", "id"),
)

batch_update_chunks = Table(
    "batch_update_chunks",
    metadata,
    merchant(),
    Column("batch_update_id", Uuid, nullable=False),
    Column("number", Integer, nullable=False),
    Column("invitation_ids", ARRAY(Uuid), nullable=False),
    # Orders that wait and are to be decided; such a chunk names no invitations.
    Column("order_ids", ARRAY(Text), nullable=False),
    instant("done_at", nullable=True),
    Column("changed", Integer, nullable=False),
    Column("skipped", JSON, nullable=False),
    PrimaryKeyConstraint("merchant_id", "batch_update_id", "number"),
    ForeignKeyConstraint(["merchant_id", "batch_update_id"], ["batch_updates.merchant_id", "batch_updates.id"]),
    comment="What a batch update is about, frozen when it was accepted: a chunk is changed in one transaction.",
)

batch_update_changes = Table(
    "batch_update_changes",
    metadata,
    merchant(),
    Column("batch_update_id", Uuid, nullable=False),
    Column("invitation_id", Uuid, nullable=False),
    words("action"),
    words("actor"),
    # The merchant's clock.
    instant("at"),
    words("before_status"),
    Column("before_steps", ARRAY(Text), nullable=False),
    words("before_next_step", nullable=True),
    Column("before_policy_version", Integer, nullable=False),
    instant("before_send_at"),
    Column("before_moved_by_merchant", Boolean, nullable=False),
    Column("before_send_now", Boolean, nullable=False),
    Column("before_rescheduled_to", Date, nullable=True),
    # Products that were taken out, as [id, ids of the orders that brought it, whether it was asked about].
    Column("before_products", JSON, nullable=True),
    words("status"),
    instant("send_at"),
    instant("next_attempt_at", nullable=True),
    PrimaryKeyConstraint("merchant_id", "batch_update_id", "invitation_id"),
    # No foreign key: a look at the same one batch update for each of a million rows took a tenth of the time.
    Index(None, "merchant_id", "invitation_id"),
    comment="Append-only: what a batch update found and made of an invitation; read as part of its timeline.",
)

batch_update_orders = Table(
    "batch_update_orders",
    metadata,
    merchant(),
    Column("batch_update_id", Uuid, nullable=False),
    words("order_id"),
    words("before_reason"),
    Column("before_trace", JSON, nullable=False),
    Column("version", Integer, nullable=False),
    # The invitation that it got or joined, and what one that it got was planned for.
    Column("invitation_id", Uuid, nullable=True),
    instant("send_at", nullable=True),
    PrimaryKeyConstraint("merchant_id", "batch_update_id", "order_id"),
    ForeignKeyConstraint(["merchant_id", "batch_update_id"], ["batch_updates.merchant_id", "batch_updates.id"]),
    comment="Append-only: orders that waited and that a batch update decided, as they were and were left.",
)

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    merchant(),
    words("path"),
    Column("key_hash", LargeBinary, nullable=False),
    Column("fingerprint", LargeBinary, nullable=False),
    # Real time.
    instant("created_at"),
    instant("running_until", nullable=True),
    Column("status", SmallInteger, nullable=True),
    # Sealed: answers hold addresses, and keys that are shown once.
    Column("answer", LargeBinary, nullable=True),
    PrimaryKeyConstraint("merchant_id", "path", "key_hash"),
    Index(None, "merchant_id", "created_at"),
    comment="Answers to calls with an Idempotency-Key, for a day. Of no merchant's row: making one is such a call.",
)
