"""Metadata of every table (DESIGN.md section 4).

`merchant_id` leads every primary key, unique constraint and foreign key of a tenant table, so that the schema
distributes on Citus unchanged; the tables of `REFERENCE_TABLES` are the only exceptions. All instants are
timestamptz. Columns on the merchant's clock and on real time are told apart in the comments of their section.
"""

from typing import Final

from invite_service.storage.metadata.accounts import (
    api_keys,
    branding,
    merchants,
    operator_keys,
    policies,
    publishing_settings,
    test_messages,
    texts,
)
from invite_service.storage.metadata.columns import metadata
from invite_service.storage.metadata.customers import (
    contacts,
    erasures,
    suppressions,
)
from invite_service.storage.metadata.delivery import (
    channel_settings,
    channels,
    provider_circuits,
    provider_paces,
    send_paces,
)
from invite_service.storage.metadata.feedback import (
    address_counts,
    public_versions,
    rating_totals,
    ratings,
    replies,
    response_periods,
    review_pictures,
    review_reports,
    review_totals,
    review_versions,
    review_votes,
    reviews,
    support_cases,
)
from invite_service.storage.metadata.messages import (
    attempts,
    invitation_orders,
    invitation_products,
    invitations,
    mailbox_messages,
    notices,
    provider_events,
)
from invite_service.storage.metadata.purchases import (
    order_events,
    order_lines,
    orders,
    products,
)
from invite_service.storage.metadata.records import (
    batch_update_changes,
    batch_update_chunks,
    batch_update_orders,
    batch_updates,
    idempotency_keys,
    timeline_entries,
    webhook_deliveries,
    webhook_endpoints,
    webhook_events,
)

REFERENCE_TABLES: Final = frozenset({"merchants", "api_keys", "operator_keys", "provider_paces"})
"""Small tables that exist whole on every node."""

__all__ = [
    "REFERENCE_TABLES",
    "address_counts",
    "api_keys",
    "attempts",
    "batch_update_changes",
    "batch_update_chunks",
    "batch_update_orders",
    "batch_updates",
    "branding",
    "channel_settings",
    "channels",
    "contacts",
    "erasures",
    "idempotency_keys",
    "invitation_orders",
    "invitation_products",
    "invitations",
    "mailbox_messages",
    "merchants",
    "metadata",
    "notices",
    "operator_keys",
    "order_events",
    "order_lines",
    "orders",
    "policies",
    "products",
    "provider_circuits",
    "provider_events",
    "provider_paces",
    "public_versions",
    "publishing_settings",
    "rating_totals",
    "ratings",
    "replies",
    "response_periods",
    "review_pictures",
    "review_reports",
    "review_totals",
    "review_versions",
    "review_votes",
    "reviews",
    "send_paces",
    "support_cases",
    "suppressions",
    "test_messages",
    "texts",
    "timeline_entries",
    "webhook_deliveries",
    "webhook_endpoints",
    "webhook_events",
]
