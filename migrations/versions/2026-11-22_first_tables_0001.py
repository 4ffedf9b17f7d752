"""first tables

Revision ID: 0001
Revises:
Create Date: 2026-11-22 00:00:00+00:00
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0001"
down_revision: str | None = None
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Apply this revision."""
    op.create_table(
        "merchants",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("time_zone", sa.Text(), nullable=False),
        sa.Column("homepage_url", sa.Text(), nullable=False),
        sa.Column("sandbox", sa.Boolean(), nullable=False),
        sa.Column("clock_offset", sa.Interval(), nullable=False),
        sa.Column("clock_token", sa.Uuid(), nullable=True),
        sa.Column("clock_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("policy_version", sa.Integer(), nullable=False),
        sa.Column("paused_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("paused_reason", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("merchants_pkey")),
    )
    op.create_table(
        "operator_keys",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("secret_hash", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("operator_keys_pkey")),
    )
    op.create_table(
        "api_keys",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("secret_hash", sa.LargeBinary(), nullable=False),
        sa.Column("scopes", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f("api_keys_merchants_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("api_keys_pkey")),
    )
    op.create_index(op.f("api_keys_merchant_id_idx"), "api_keys", ["merchant_id"], unique=False)
    op.create_table(
        "branding",
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("settings", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f("branding_merchants_fkey")),
        sa.PrimaryKeyConstraint("merchant_id", name=op.f("branding_pkey")),
    )
    op.create_table(
        "channels",
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("paused_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("paused_reason", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f("channels_merchants_fkey")),
        sa.PrimaryKeyConstraint("merchant_id", "channel", name=op.f("channels_pkey")),
        comment="Pauses of a merchant's channel; without a row the channel is open.",
    )
    op.create_table(
        "contacts",
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("contact_key", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f("contacts_merchants_fkey")),
        sa.PrimaryKeyConstraint("merchant_id", "contact_key", name=op.f("contacts_pkey")),
        comment="One row per contact: the lock of its history, and where its suppressions hang.",
    )
    op.create_table(
        "mailbox_messages",
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("invitation_id", sa.Uuid(), nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("recipient", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("html", sa.Text(), nullable=True),
        sa.Column("headers", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f("mailbox_messages_merchants_fkey")),
        sa.PrimaryKeyConstraint("merchant_id", "id", name=op.f("mailbox_messages_pkey")),
        comment="What the `mailbox` provider keeps; id is the attempt's, so that a message is kept once.",
    )
    op.create_index(
        op.f("mailbox_messages_merchant_id_sent_at_id_idx"),
        "mailbox_messages",
        ["merchant_id", "sent_at", "id"],
        unique=False,
    )
    op.create_table(
        "orders",
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("order_id", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("status", sa.Text(), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("purchased_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("shipped_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("delivered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("customer_id", sa.Text(), nullable=True),
        sa.Column("customer_name", sa.Text(), nullable=True),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("phone", sa.Text(), nullable=True),
        sa.Column("email_key", sa.LargeBinary(), nullable=True),
        sa.Column("phone_key", sa.LargeBinary(), nullable=True),
        sa.Column("email_fault", sa.Text(), nullable=True),
        sa.Column("phone_fault", sa.Text(), nullable=True),
        sa.Column("language", sa.Text(), nullable=True),
        sa.Column("country", sa.Text(), nullable=True),
        sa.Column("time_zone", sa.Text(), nullable=True),
        sa.Column("consent", sa.Boolean(), nullable=True),
        sa.Column("attributes", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("discount_code", sa.Text(), nullable=True),
        sa.Column("discount_description", sa.Text(), nullable=True),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("triggered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("on_hold", sa.Boolean(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("eligible_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("invitation_id", sa.Uuid(), nullable=True),
        sa.Column("trace", postgresql.JSON(astext_type=sa.Text()), nullable=False),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f("orders_merchants_fkey")),
        sa.PrimaryKeyConstraint("merchant_id", "order_id", name=op.f("orders_pkey")),
    )
    op.create_index(op.f("orders_merchant_id_email_key_idx"), "orders", ["merchant_id", "email_key"], unique=False)
    op.create_index(
        op.f("orders_merchant_id_phone_key_idx"),
        "orders",
        ["merchant_id", "phone_key"],
        unique=False,
        postgresql_where="phone_key IS NOT NULL",
    )
    op.create_index(
        op.f("orders_merchant_id_received_at_order_id_idx"),
        "orders",
        ["merchant_id", "received_at", "order_id"],
        unique=False,
    )
    op.create_table(
        "policies",
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("settings", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f("policies_merchants_fkey")),
        sa.PrimaryKeyConstraint("merchant_id", "version", name=op.f("policies_pkey")),
    )
    op.create_table(
        "products",
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("product_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("url", sa.Text(), nullable=True),
        sa.Column("image_url", sa.Text(), nullable=True),
        sa.Column("brand", sa.Text(), nullable=True),
        sa.Column("category", sa.Text(), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f("products_merchants_fkey")),
        sa.PrimaryKeyConstraint("merchant_id", "product_id", name=op.f("products_pkey")),
        comment="What messages and pages show of a product: the newest that an order told.",
    )
    op.create_table(
        "rating_totals",
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("product_id", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("stars_1", sa.BigInteger(), nullable=False),
        sa.Column("stars_2", sa.BigInteger(), nullable=False),
        sa.Column("stars_3", sa.BigInteger(), nullable=False),
        sa.Column("stars_4", sa.BigInteger(), nullable=False),
        sa.Column("stars_5", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f("rating_totals_merchants_fkey")),
        sa.PrimaryKeyConstraint("merchant_id", "product_id", "state", name=op.f("rating_totals_pkey")),
        comment="Counters kept in the rating's transaction; '*' as product_id sums all products.",
    )
    op.create_table(
        "timeline_entries",
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("order_id", sa.Text(), nullable=True),
        sa.Column("invitation_id", sa.Uuid(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("data", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f("timeline_entries_merchants_fkey")),
        sa.PrimaryKeyConstraint("merchant_id", "id", name=op.f("timeline_entries_pkey")),
        comment="Append-only: who did what to an order or an invitation, and why.",
    )
    op.create_index(
        op.f("timeline_entries_merchant_id_invitation_id_id_idx"),
        "timeline_entries",
        ["merchant_id", "invitation_id", "id"],
        unique=False,
        postgresql_where="invitation_id IS NOT NULL",
    )
    op.create_index(
        op.f("timeline_entries_merchant_id_order_id_id_idx"),
        "timeline_entries",
        ["merchant_id", "order_id", "id"],
        unique=False,
        postgresql_where="order_id IS NOT NULL",
    )
    op.create_table(
        "invitations",
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("contact", sa.Text(), nullable=True),
        sa.Column("contact_key", sa.LargeBinary(), nullable=False),
        sa.Column("customer_name", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("steps", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("next_step", sa.Text(), nullable=True),
        sa.Column("policy_version", sa.Integer(), nullable=False),
        sa.Column("time_zone", sa.Text(), nullable=False),
        sa.Column("spread_order_id", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("send_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("order_ids", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("held_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("moved_by_merchant", sa.Boolean(), nullable=False),
        sa.Column("send_now", sa.Boolean(), nullable=False),
        sa.Column("rescheduled_to", sa.Date(), nullable=True),
        sa.Column("message_count", sa.SmallInteger(), nullable=False),
        sa.Column("first_sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_message_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("not_received_on", sa.Date(), nullable=True),
        sa.Column("tries", sa.SmallInteger(), nullable=False),
        sa.Column("ended_reason", sa.Text(), nullable=True),
        sa.Column("lease_token", sa.Uuid(), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["merchant_id", "policy_version"],
            ["policies.merchant_id", "policies.version"],
            name=op.f("invitations_policies_fkey"),
        ),
        sa.PrimaryKeyConstraint("merchant_id", "id", name=op.f("invitations_pkey")),
    )
    op.create_index(
        "invitations_due_idx",
        "invitations",
        ["merchant_id", "next_attempt_at", "id"],
        unique=False,
        postgresql_where="status = 'scheduled' AND next_attempt_at IS NOT NULL",
    )
    op.create_index(
        "invitations_leased_idx",
        "invitations",
        ["merchant_id", "lease_until"],
        unique=False,
        postgresql_where="status = 'sending'",
    )
    op.create_index(
        op.f("invitations_merchant_id_contact_key_idx"), "invitations", ["merchant_id", "contact_key"], unique=False
    )
    op.create_index(
        op.f("invitations_merchant_id_created_at_id_idx"),
        "invitations",
        ["merchant_id", "created_at", "id"],
        unique=False,
    )
    op.create_index(
        op.f("invitations_merchant_id_send_at_id_idx"), "invitations", ["merchant_id", "send_at", "id"], unique=False
    )
    op.create_index(
        op.f("invitations_merchant_id_status_send_at_id_idx"),
        "invitations",
        ["merchant_id", "status", "send_at", "id"],
        unique=False,
    )
    op.create_table(
        "order_events",
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("order_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("body", postgresql.JSON(astext_type=sa.Text()), nullable=False),
        sa.Column("accepted_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["merchant_id", "order_id"],
            ["orders.merchant_id", "orders.order_id"],
            name=op.f("order_events_orders_fkey"),
        ),
        sa.PrimaryKeyConstraint("merchant_id", "order_id", "id", name=op.f("order_events_pkey")),
        comment="Append-only: what was posted, and when it was accepted on the merchant's clock.",
    )
    op.create_table(
        "order_lines",
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("order_id", sa.Text(), nullable=False),
        sa.Column("position", sa.SmallInteger(), nullable=False),
        sa.Column("product_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("url", sa.Text(), nullable=True),
        sa.Column("image_url", sa.Text(), nullable=True),
        sa.Column("brand", sa.Text(), nullable=True),
        sa.Column("sku", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("gtin", sa.Text(), nullable=True),
        sa.Column("mpn", sa.Text(), nullable=True),
        sa.Column("category", sa.Text(), nullable=True),
        sa.Column("price", sa.Numeric(), nullable=True),
        sa.Column("currency", sa.Text(), nullable=True),
        sa.Column("variant_id", sa.Text(), nullable=True),
        sa.Column("variant_name", sa.Text(), nullable=True),
        sa.Column("returned", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["merchant_id", "order_id"], ["orders.merchant_id", "orders.order_id"], name=op.f("order_lines_orders_fkey")
        ),
        sa.PrimaryKeyConstraint("merchant_id", "order_id", "position", name=op.f("order_lines_pkey")),
    )
    op.create_table(
        "suppressions",
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("contact_key", sa.LargeBinary(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["merchant_id", "contact_key"],
            ["contacts.merchant_id", "contacts.contact_key"],
            name=op.f("suppressions_contacts_fkey"),
        ),
        sa.PrimaryKeyConstraint("merchant_id", "contact_key", "reason", name=op.f("suppressions_pkey")),
    )
    op.create_table(
        "attempts",
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("invitation_id", sa.Uuid(), nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("idempotency_key", sa.Text(), nullable=False),
        sa.Column("content_hash", sa.LargeBinary(), nullable=False),
        sa.Column("product_ids", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("provider_message_id", sa.Text(), nullable=True),
        sa.Column("raw_answer", sa.Text(), nullable=True),
        sa.Column("price", sa.Numeric(), nullable=True),
        sa.Column("currency", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["merchant_id", "invitation_id"],
            ["invitations.merchant_id", "invitations.id"],
            name=op.f("attempts_invitations_fkey"),
        ),
        sa.PrimaryKeyConstraint("merchant_id", "id", name=op.f("attempts_pkey")),
        comment="One row per try, written before the provider is called, closed once, never deleted.",
    )
    op.create_index(
        op.f("attempts_merchant_id_invitation_id_idx"), "attempts", ["merchant_id", "invitation_id"], unique=False
    )
    op.create_index(
        "attempts_open_idx",
        "attempts",
        ["merchant_id", "started_at"],
        unique=False,
        postgresql_where="ended_at IS NULL",
    )
    op.create_table(
        "invitation_orders",
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("invitation_id", sa.Uuid(), nullable=False),
        sa.Column("order_id", sa.Text(), nullable=False),
        sa.Column("position", sa.SmallInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["merchant_id", "invitation_id"],
            ["invitations.merchant_id", "invitations.id"],
            name=op.f("invitation_orders_invitations_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["merchant_id", "order_id"],
            ["orders.merchant_id", "orders.order_id"],
            name=op.f("invitation_orders_orders_fkey"),
        ),
        sa.PrimaryKeyConstraint("merchant_id", "invitation_id", "order_id", name=op.f("invitation_orders_pkey")),
        comment="Every order that ever joined an invitation; invitations.order_ids repeats it in order of joining.",
    )
    op.create_index(
        op.f("invitation_orders_merchant_id_order_id_idx"),
        "invitation_orders",
        ["merchant_id", "order_id"],
        unique=False,
    )
    op.create_table(
        "invitation_products",
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("invitation_id", sa.Uuid(), nullable=False),
        sa.Column("product_id", sa.Text(), nullable=False),
        sa.Column("position", sa.SmallInteger(), nullable=False),
        sa.Column("brought_by", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("asked", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["merchant_id", "invitation_id"],
            ["invitations.merchant_id", "invitations.id"],
            name=op.f("invitation_products_invitations_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["merchant_id", "product_id"],
            ["products.merchant_id", "products.product_id"],
            name=op.f("invitation_products_products_fkey"),
        ),
        sa.PrimaryKeyConstraint("merchant_id", "invitation_id", "product_id", name=op.f("invitation_products_pkey")),
    )
    op.create_index(
        op.f("invitation_products_merchant_id_product_id_invitation_id_idx"),
        "invitation_products",
        ["merchant_id", "product_id", "invitation_id"],
        unique=False,
    )
    op.create_table(
        "ratings",
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("invitation_id", sa.Uuid(), nullable=False),
        sa.Column("product_id", sa.Text(), nullable=False),
        sa.Column("stars", sa.SmallInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("publish_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("stars BETWEEN 1 AND 5", name=op.f("ratings_stars_check")),
        sa.ForeignKeyConstraint(
            ["merchant_id", "invitation_id"],
            ["invitations.merchant_id", "invitations.id"],
            name=op.f("ratings_invitations_fkey"),
        ),
        sa.PrimaryKeyConstraint("merchant_id", "id", name=op.f("ratings_pkey")),
        sa.UniqueConstraint(
            "merchant_id", "invitation_id", "product_id", name=op.f("ratings_merchant_id_invitation_id_product_id_key")
        ),
    )
    op.create_index(
        op.f("ratings_merchant_id_created_at_id_idx"), "ratings", ["merchant_id", "created_at", "id"], unique=False
    )
    op.create_index(
        op.f("ratings_merchant_id_product_id_created_at_id_idx"),
        "ratings",
        ["merchant_id", "product_id", "created_at", "id"],
        unique=False,
    )
    op.create_table(
        "reviews",
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("rating_id", sa.Uuid(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("displayed_name", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("publish_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["merchant_id", "rating_id"], ["ratings.merchant_id", "ratings.id"], name=op.f("reviews_ratings_fkey")
        ),
        sa.PrimaryKeyConstraint("merchant_id", "rating_id", name=op.f("reviews_pkey")),
    )


def downgrade() -> None:
    """Take this revision back."""
    op.drop_table("reviews")
    op.drop_index(op.f("ratings_merchant_id_product_id_created_at_id_idx"), table_name="ratings")
    op.drop_index(op.f("ratings_merchant_id_created_at_id_idx"), table_name="ratings")
    op.drop_table("ratings")
    op.drop_index(
        op.f("invitation_products_merchant_id_product_id_invitation_id_idx"), table_name="invitation_products"
    )
    op.drop_table("invitation_products")
    op.drop_index(op.f("invitation_orders_merchant_id_order_id_idx"), table_name="invitation_orders")
    op.drop_table("invitation_orders")
    op.drop_index("attempts_open_idx", table_name="attempts", postgresql_where="ended_at IS NULL")
    op.drop_index(op.f("attempts_merchant_id_invitation_id_idx"), table_name="attempts")
    op.drop_table("attempts")
    op.drop_table("suppressions")
    op.drop_table("order_lines")
    op.drop_table("order_events")
    op.drop_index(op.f("invitations_merchant_id_status_send_at_id_idx"), table_name="invitations")
    op.drop_index(op.f("invitations_merchant_id_send_at_id_idx"), table_name="invitations")
    op.drop_index(op.f("invitations_merchant_id_created_at_id_idx"), table_name="invitations")
    op.drop_index(op.f("invitations_merchant_id_contact_key_idx"), table_name="invitations")
    op.drop_index("invitations_leased_idx", table_name="invitations", postgresql_where="status = 'sending'")
    op.drop_index(
        "invitations_due_idx",
        table_name="invitations",
        postgresql_where="status = 'scheduled' AND next_attempt_at IS NOT NULL",
    )
    op.drop_table("invitations")
    op.drop_index(
        op.f("timeline_entries_merchant_id_order_id_id_idx"),
        table_name="timeline_entries",
        postgresql_where="order_id IS NOT NULL",
    )
    op.drop_index(
        op.f("timeline_entries_merchant_id_invitation_id_id_idx"),
        table_name="timeline_entries",
        postgresql_where="invitation_id IS NOT NULL",
    )
    op.drop_table("timeline_entries")
    op.drop_table("rating_totals")
    op.drop_table("products")
    op.drop_table("policies")
    op.drop_index(op.f("orders_merchant_id_received_at_order_id_idx"), table_name="orders")
    op.drop_index(
        op.f("orders_merchant_id_phone_key_idx"), table_name="orders", postgresql_where="phone_key IS NOT NULL"
    )
    op.drop_index(op.f("orders_merchant_id_email_key_idx"), table_name="orders")
    op.drop_table("orders")
    op.drop_index(op.f("mailbox_messages_merchant_id_sent_at_id_idx"), table_name="mailbox_messages")
    op.drop_table("mailbox_messages")
    op.drop_table("contacts")
    op.drop_table("channels")
    op.drop_table("branding")
    op.drop_index(op.f("api_keys_merchant_id_idx"), table_name="api_keys")
    op.drop_table("api_keys")
    op.drop_table("operator_keys")
    op.drop_table("merchants")
