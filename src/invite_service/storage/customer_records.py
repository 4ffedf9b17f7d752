"""Everything that is kept of a customer, read as it is stored: what an export hands out (docs/adr/0027)."""

from typing import Final

from invite_service.domain.merchant import MerchantId
from invite_service.storage.customers import Customer
from invite_service.storage.driver import Driver

_RATINGS: Final = "SELECT id FROM ratings WHERE merchant_id = $1 AND invitation_id = ANY($3::uuid[])"
_ATTEMPTS: Final = "SELECT id FROM attempts WHERE merchant_id = $1 AND invitation_id = ANY($3::uuid[])"
_NOTICES: Final = "SELECT id FROM notices WHERE merchant_id = $1 AND invitation_id = ANY($3::uuid[])"
_OF_ORDERS: Final = "SELECT id FROM timeline_entries WHERE merchant_id = $1 AND order_id = ANY($2::text[])"
_OF_INVITATIONS: Final = "SELECT id FROM timeline_entries WHERE merchant_id = $1 AND invitation_id = ANY($3::uuid[])"

_BY_ORDER: Final = "merchant_id = $1 AND order_id = ANY($2::text[])"
_BY_ID: Final = "merchant_id = $1 AND id = ANY($3::uuid[])"
_BY_INVITATION: Final = "merchant_id = $1 AND invitation_id = ANY($3::uuid[])"
_BY_RATING: Final = f"merchant_id = $1 AND rating_id = ANY(ARRAY({_RATINGS}))"
_BY_MESSAGE: Final = f"merchant_id = $1 AND id = ANY(ARRAY({_ATTEMPTS}) || ARRAY({_NOTICES}))"
_BY_CONTACT: Final = "merchant_id = $1 AND contact_key = ANY($4::bytea[])"
_BY_ENTRY: Final = f"merchant_id = $1 AND id = ANY(ARRAY({_OF_ORDERS} UNION {_OF_INVITATIONS}))"

_ORDERS: Final = """order_id, status, purchased_at, shipped_at, delivered_at, received_at, customer_id, customer_name,
    email, phone, language, country, time_zone, consent, attributes, discount_code, discount_description, outcome,
    reason, invitation_id, trace"""
_LINES: Final = """order_id, position, product_id, name, url, image_url, brand, sku, gtin, mpn, category,
    price::text AS price, currency, variant_id, variant_name, returned"""
_INVITATIONS: Final = """id, kind, channel, language, contact, customer_name, status, steps, order_ids, created_at,
    send_at, first_sent_at, last_sent_at, not_received_on, ended_reason"""
_MESSAGES: Final = """id, invitation_id, step, channel, language, provider, product_ids, asked_at, outcome, reason,
    raw_answer, delivery, delivery_at"""
_MAILBOX: Final = "id, invitation_id, step, channel, recipient, subject, text, html, headers, sent_at"
_SENT_NOTICES: Final = "id, notice, invitation_id, rating_id, created_at, status, reason, provider"
_STARS: Final = """id, invitation_id, NULLIF(product_id, '') AS product_id, stars, state, reject_reason, moved_from,
    created_at, updated_at"""
_REVIEWS: Final = "rating_id, text, displayed_name, language, state, created_at, updated_at"
_CASES: Final = "id, rating_id, opened_at, opened_by, followed_up_at, closed_at"
_SUPPRESSIONS: Final = "kind, channel, reason, source, note, created_at"
_ENTRIES: Final = "at, actor, event, reason, order_id, invitation_id, data"

_PARTS: Final = {
    "orders": ("orders", _ORDERS, _BY_ORDER, "order_id"),
    "order_lines": ("order_lines", _LINES, _BY_ORDER, "order_id, position"),
    "order_events": ("order_events", "order_id, accepted_at, body", _BY_ORDER, "order_id, id"),
    "invitations": ("invitations", _INVITATIONS, _BY_ID, "id"),
    "messages": ("attempts", _MESSAGES, _BY_INVITATION, "id"),
    "mailbox": ("mailbox_messages", _MAILBOX, _BY_MESSAGE, "id"),
    "notices": ("notices", _SENT_NOTICES, _BY_INVITATION, "id"),
    "ratings": ("ratings", _STARS, _BY_INVITATION, "id"),
    "reviews": ("reviews", _REVIEWS, _BY_RATING, "rating_id"),
    "earlier_versions": ("review_versions", "rating_id, stars, text, at", _BY_RATING, "rating_id, version"),
    "pictures": ("review_pictures", "id, rating_id, stored_at", _BY_RATING, "id"),
    "replies": ("replies", "rating_id, text, created_at, updated_at", _BY_RATING, "rating_id"),
    "reports": ("review_reports", "rating_id, reason, comment, reported_at", _BY_RATING, "id"),
    "support_cases": ("support_cases", _CASES, _BY_RATING, "id"),
    "suppressions": ("suppressions", _SUPPRESSIONS, _BY_CONTACT, "id"),
    "timeline": ("timeline_entries", _ENTRIES, _BY_ENTRY, "id"),
}
"""Table, columns, condition and order of each part; $2 are orders, $3 invitations, $4 contacts' keys."""


def _part(name: str, table: str, columns: str, condition: str, order: str) -> str:
    """Write a part; what it is sorted by need not be among what it shows.

    OFFSET 0 keeps the planner from going through a merchant's rows in their order to find a few of them.
    """
    return f"""
SELECT '{name}' AS part, coalesce(jsonb_agg(to_jsonb(found)), '[]'::jsonb) AS rows
FROM (
    SELECT {columns} FROM (SELECT * FROM {table} WHERE {condition} OFFSET 0) AS kept ORDER BY {order}
) AS found
"""  # noqa: S608 - constants


# One statement, and so of one instant.
READ_RECORD: Final = "UNION ALL".join(_part(name, *part) for name, part in _PARTS.items())


class CustomerRecordStore:
    """What a merchant keeps of its customers."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    async def read(self, merchant_id: MerchantId, customer: Customer) -> dict[str, list[dict[str, object]]]:
        """Read everything, by part."""
        rows = await self._driver.fetch(
            READ_RECORD, merchant_id, customer.order_ids, customer.invitation_ids, customer.contact_keys
        )
        return {row["part"]: row["rows"] for row in rows}
