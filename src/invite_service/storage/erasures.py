"""Taking a customer's personal data away, wherever they lie, and what is written down of it (docs/adr/0027).

Which columns hold personal data is told one by one in tests/services/test_customers.py. Rows stay where others count
them or point to them: what was asked and rated goes on counting, of nobody.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from invite_service.domain.customer import Erasure
from invite_service.domain.feedback import Rating
from invite_service.domain.merchant import MerchantId
from invite_service.storage.customers import Customer
from invite_service.storage.driver import Driver, Row
from invite_service.storage.totals import count

# The status as it was is wanted, which RETURNING would tell as it is. Of one that is being sent the lease goes too: who
# holds it closes its attempt, and changes nothing else.
ERASE_INVITATIONS: Final = """
WITH before AS MATERIALIZED (
    SELECT id, status
    FROM invitations
    WHERE merchant_id = $1 AND id = ANY($2::uuid[]) AND (status <> 'erased' OR contact IS NOT NULL)
)
UPDATE invitations AS stored
SET contact = NULL, customer_name = NULL, status = 'erased', next_step = NULL, next_attempt_at = NULL, held_at = NULL,
    send_now = FALSE, ended_reason = 'erased', lease_token = NULL, lease_until = NULL
FROM before
WHERE stored.merchant_id = $1 AND stored.id = ANY(ARRAY(SELECT id FROM before)) AND stored.id = before.id
RETURNING stored.id, before.status
"""

# The version counts on, so that nobody writes over it what was read before.
ERASE_ORDERS: Final = """
UPDATE orders
SET version = version + 1, customer_id = NULL, customer_name = NULL, email = NULL, phone = NULL, email_key = NULL,
    phone_key = NULL, email_fault = NULL, phone_fault = NULL, attributes = '{}', discount_code = NULL,
    discount_description = NULL
WHERE merchant_id = $1 AND order_id = ANY($2::text[])
  AND (
      (email_key, phone_key, email, phone) IS DISTINCT FROM (NULL::bytea, NULL::bytea, NULL::text, NULL::text)
      OR (customer_id, customer_name, discount_code, discount_description)
          IS DISTINCT FROM (NULL::text, NULL::text, NULL::text, NULL::text)
      OR attributes <> '{}'
  )
RETURNING order_id
"""

# An engraving is a variant's name.
ERASE_LINES: Final = """
UPDATE order_lines SET variant_id = NULL, variant_name = NULL
WHERE merchant_id = $1 AND order_id = ANY($2::text[]) AND (variant_id IS NOT NULL OR variant_name IS NOT NULL)
"""

# What simulations replay stays: states, dates and products, by the names that order events have.
ERASE_EVENTS: Final = """
UPDATE order_events
SET body = coalesce((
    SELECT json_object_agg(
        part.key,
        CASE
            WHEN part.key = 'products' AND json_typeof(part.value) = 'array' THEN (
                SELECT coalesce(json_agg(line.value::jsonb - 'variant_id' - 'variant_name'), '[]'::json)
                FROM json_array_elements(part.value) AS line
            )
            ELSE part.value
        END
    )
    FROM json_each(order_events.body) AS part
    WHERE part.key = ANY($3::text[])
), '{}'::json)
WHERE merchant_id = $1 AND order_id = ANY($2::text[])
"""

KEPT_OF_EVENTS: Final = (
    "order_id",
    "status",
    "updated_at",
    "purchased_at",
    "shipped_at",
    "delivered_at",
    "language",
    "country",
    "time_zone",
    "consent",
    "products",
)
"""Fields of an order event that tell nothing of who bought."""

ERASE_ATTEMPTS: Final = """
UPDATE attempts SET raw_answer = NULL
WHERE merchant_id = $1 AND invitation_id = ANY($2::uuid[]) AND raw_answer IS NOT NULL
"""

DELETE_MESSAGES: Final = """
DELETE FROM mailbox_messages
WHERE merchant_id = $1 AND id = ANY(
    ARRAY(SELECT id FROM attempts WHERE merchant_id = $1 AND invitation_id = ANY($2::uuid[]))
    || ARRAY(SELECT id FROM notices WHERE merchant_id = $1 AND invitation_id = ANY($2::uuid[]))
)
"""

DELETE_REVIEWS: Final = "DELETE FROM reviews WHERE merchant_id = $1 AND rating_id = ANY($2::uuid[])"

DELETE_REPLIES: Final = "DELETE FROM replies WHERE merchant_id = $1 AND rating_id = ANY($2::uuid[])"

UNSIGN_REVIEWS: Final = """
UPDATE reviews SET displayed_name = '' WHERE merchant_id = $1 AND rating_id = ANY($2::uuid[]) AND displayed_name <> ''
"""

DELETE_VERSIONS: Final = "DELETE FROM review_versions WHERE merchant_id = $1 AND rating_id = ANY($2::uuid[])"

# Long enough ago to be removed from the shelf at the next look.
LOOSEN_PICTURES: Final = """
UPDATE review_pictures SET rating_id = NULL, stored_at = 'epoch'
WHERE merchant_id = $1 AND rating_id = ANY($2::uuid[])
RETURNING id
"""

ERASE_REPORTS: Final = """
UPDATE review_reports SET comment = NULL
WHERE merchant_id = $1 AND rating_id = ANY($2::uuid[]) AND comment IS NOT NULL
"""

CLOSE_CASES: Final = """
UPDATE support_cases SET closed_at = $3, closed_by = $4
WHERE merchant_id = $1 AND rating_id = ANY($2::uuid[]) AND closed_at IS NULL
RETURNING id, rating_id
"""

ERASE_NOTES: Final = """
UPDATE suppressions SET note = NULL WHERE merchant_id = $1 AND contact_key = ANY($2::bytea[]) AND note IS NOT NULL
"""

# Sealed by keys that only their callers know, answers cannot be looked into. Those to calls about these invitations and
# ratings become unreadable: sent again, such a call is told so, and not done again.
ERASE_ANSWERS: Final = """
UPDATE idempotency_keys SET answer = ''
WHERE merchant_id = $1 AND answer IS NOT NULL AND split_part(path, '/', 4) = ANY($2::text[])
"""

ADD_ERASURE: Final = """
INSERT INTO erasures (
    merchant_id, id, contact_key, erased_at, erased_by, keeps_reviews, contacts, orders, invitations, ratings, reviews,
    pictures
)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
"""

FIND_LAST: Final = """
SELECT id, erased_at, erased_by, keeps_reviews, contacts, orders, invitations, ratings, reviews, pictures
FROM erasures
WHERE merchant_id = $1 AND contact_key = $2
ORDER BY id DESC
LIMIT 1
"""


class ErasureStore:
    """Erases a merchant's customers, whose rows the transaction has locked (customers.py)."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    async def erase_orders(self, merchant_id: MerchantId, order_ids: Sequence[str]) -> list[str]:
        """Take out of orders who bought; give those that told it."""
        rows = await self._driver.fetch(ERASE_ORDERS, merchant_id, order_ids)
        await self._driver.execute(ERASE_LINES, merchant_id, order_ids)
        await self._driver.execute(ERASE_EVENTS, merchant_id, order_ids, KEPT_OF_EVENTS)
        return [row["order_id"] for row in rows]

    async def erase_invitations(self, merchant_id: MerchantId, invitation_ids: Sequence[UUID]) -> dict[UUID, str]:
        """End invitations, and take out of them and their messages who was asked; give the status they had."""
        rows = await self._driver.fetch(ERASE_INVITATIONS, merchant_id, invitation_ids)
        await self._driver.execute(ERASE_ATTEMPTS, merchant_id, invitation_ids)
        await self._driver.execute(DELETE_MESSAGES, merchant_id, invitation_ids)
        return {row["id"]: row["status"] for row in rows}

    async def erase_words(self, merchant_id: MerchantId, rating_ids: Sequence[UUID], *, keeps_reviews: bool) -> int:
        """Take away what customers wrote, or with `keeps_reviews` their names under it; give how many pictures went."""
        if keeps_reviews:
            await self._driver.execute(UNSIGN_REVIEWS, merchant_id, rating_ids)
        else:
            await self._driver.execute(DELETE_REPLIES, merchant_id, rating_ids)
            await self._driver.execute(DELETE_REVIEWS, merchant_id, rating_ids)
        await self._driver.execute(DELETE_VERSIONS, merchant_id, rating_ids)
        await self._driver.execute(ERASE_REPORTS, merchant_id, rating_ids)
        return len(await self._driver.fetch(LOOSEN_PICTURES, merchant_id, rating_ids))

    async def close_cases(
        self, merchant_id: MerchantId, rating_ids: Sequence[UUID], *, at: datetime, actor: str
    ) -> dict[UUID, UUID]:
        """Close open support cases, as there is nobody left to get in touch with; give their ratings by their ids."""
        rows = await self._driver.fetch(CLOSE_CASES, merchant_id, rating_ids, at, actor)
        return {row["id"]: row["rating_id"] for row in rows}

    async def erase_notes(self, merchant_id: MerchantId, customer: Customer, rating_ids: Collection[UUID]) -> None:
        """Take away what was noted beside contacts, and what was answered to calls about what was erased."""
        await self._driver.execute(ERASE_NOTES, merchant_id, customer.contact_keys)
        ids = [str(one) for one in (*customer.invitation_ids, *rating_ids)]
        await self._driver.execute(ERASE_ANSWERS, merchant_id, ids)

    async def count_words(
        self, merchant_id: MerchantId, changes: Sequence[tuple[Rating, Rating]], *, zone: str
    ) -> None:
        """Count ratings that lost their texts; a transaction's last statement, as for every rating."""
        await count(self._driver, merchant_id, changes, zone=zone)

    async def add(self, merchant_id: MerchantId, erasure: Erasure, contact_key: bytes) -> None:
        """Write down an erasure under the key of the contact that was asked for."""
        await self._driver.execute(
            ADD_ERASURE,
            merchant_id,
            erasure.id,
            contact_key,
            erasure.erased_at,
            erasure.erased_by,
            erasure.keeps_reviews,
            erasure.contacts,
            erasure.orders,
            erasure.invitations,
            erasure.ratings,
            erasure.reviews,
            erasure.pictures,
        )

    async def find_last(self, merchant_id: MerchantId, contact_key: bytes) -> Erasure | None:
        """Find the last erasure that was asked for by a contact."""
        row = await self._driver.fetchrow(FIND_LAST, merchant_id, contact_key)
        return None if row is None else _erasure(row)


def _erasure(row: Row) -> Erasure:
    return Erasure(
        id=row["id"],
        erased_at=row["erased_at"],
        erased_by=row["erased_by"],
        keeps_reviews=row["keeps_reviews"],
        contacts=row["contacts"],
        orders=row["orders"],
        invitations=row["invitations"],
        ratings=row["ratings"],
        reviews=row["reviews"],
        pictures=row["pictures"],
    )
