"""Whose due invitations are while they are being sent, and what is read right before a message.

A claimed invitation is `sending` under a lease: a token that gives the right to start calls, and an instant (real
time) after which others may settle it. Claims never cross merchants.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from invite_service.domain.invitation import Invitation
from invite_service.domain.merchant import MerchantId
from invite_service.domain.order import Order, OrderOutcome
from invite_service.rules.suppressions import NOTHING_SUPPRESSED, SuppressedContacts
from invite_service.storage.contacts import ContactKeys
from invite_service.storage.driver import Driver, Row
from invite_service.storage.invitations import READ_INVITATION_COLUMNS, READ_PRODUCTS, invitation_from_row
from invite_service.storage.suppressions import HAS_WILDCARDS, list_covering_each

COUNT_SENDING: Final = """
SELECT count(*)
FROM invitations AS i
WHERE i.merchant_id = $1 AND i.status = 'sending' AND i.next_attempt_at <= $2
"""

# An array, so that the rows are found by their key whatever the planner knows of the table.
CLAIM_DUE: Final = """
WITH due AS (
    SELECT i.id
    FROM invitations AS i
    WHERE i.merchant_id = $1 AND i.status = 'scheduled' AND i.next_attempt_at IS NOT NULL AND i.next_attempt_at <= $2
    ORDER BY i.next_attempt_at, i.id
    LIMIT $3
    FOR UPDATE SKIP LOCKED
)
UPDATE invitations
SET status = 'sending', lease_token = $4, lease_until = $5
WHERE invitations.merchant_id = $1 AND invitations.id = ANY(ARRAY(SELECT due.id FROM due))
RETURNING invitations.id
"""

# Where another channel lets less through. Due messages of that one are passed over: no index tells channels apart.
CLAIM_DUE_OF_CHANNEL: Final = CLAIM_DUE.replace(
    "AND i.next_attempt_at <= $2", "AND i.next_attempt_at <= $2 AND i.channel = $6"
)

# Rows are locked in the order of their ids, as everybody locks them, before any of them is changed.
RENEW_LEASES: Final = """
WITH held AS (
    SELECT locked.id
    FROM (
        SELECT i.id, i.status, i.lease_token
        FROM invitations AS i
        WHERE i.merchant_id = $1 AND i.id = ANY($2::uuid[])
        ORDER BY i.id
        OFFSET 0
        FOR NO KEY UPDATE
    ) AS locked
    WHERE locked.status = 'sending' AND locked.lease_token = $3
)
UPDATE invitations
SET lease_until = $4
WHERE invitations.merchant_id = $1 AND invitations.id = ANY(ARRAY(SELECT held.id FROM held))
"""

# FOR UPDATE, unlike the locks of those who change an invitation, also waits for an attempt that is being opened.
LOCK_EXPIRED: Final = """
SELECT i.id
FROM invitations AS i
WHERE i.merchant_id = $1 AND i.status = 'sending' AND i.lease_until < $2
ORDER BY i.id
LIMIT $3
FOR UPDATE SKIP LOCKED
"""

# The history goes by the contacts of live orders (RULES.md section 1).
# An array of a query's rows has the same length for the planner every time; by that of a parameter it would plan anew
# for each short claim, which takes 8 ms, and longer than reading it.
READ_CONTENTS: Final = f"""
SELECT {READ_INVITATION_COLUMNS},
    (
        SELECT json_agg(json_build_array(p.product_id, p.brought_by, p.asked, products.name, products.url,
                                         products.image_url) ORDER BY p.position)
        FROM invitation_products AS p
        JOIN products ON products.merchant_id = $1 AND products.product_id = p.product_id
        WHERE p.merchant_id = $1 AND p.invitation_id = i.id
    ) AS products,
    (
        SELECT json_agg(json_build_array(
            o.order_id, o.purchased_at, o.outcome, o.on_hold, o.invitation_id, o.email, o.phone,
            ARRAY(
                SELECT s.channel IS NULL FROM suppressions AS s WHERE s.merchant_id = $1 AND s.contact_key = o.email_key
            ),
            ARRAY(
                SELECT s.channel IS NULL FROM suppressions AS s WHERE s.merchant_id = $1 AND s.contact_key = o.phone_key
            )
        ) ORDER BY joined.position)
        FROM invitation_orders AS joined
        JOIN orders AS o ON o.merchant_id = $1 AND o.order_id = joined.order_id
        WHERE joined.merchant_id = $1 AND joined.invitation_id = i.id
    ) AS orders,
    ARRAY(
        SELECT s.channel IS NULL FROM suppressions AS s WHERE s.merchant_id = $1 AND s.contact_key = i.contact_key
    ) AS suppressions,
    {HAS_WILDCARDS} AS has_wildcards,
    EXISTS (
        SELECT FROM ratings WHERE ratings.merchant_id = $1 AND ratings.invitation_id = i.id
    ) AS has_feedback,
    ARRAY(
        SELECT DISTINCT others.invitation_id
        FROM invitation_orders AS joined
        JOIN orders AS o ON o.merchant_id = $1 AND o.order_id = joined.order_id AND o.outcome <> 'cancelled'
        CROSS JOIN LATERAL (
            SELECT related.order_id FROM orders AS related
            WHERE related.merchant_id = $1 AND related.email_key = o.email_key AND related.outcome <> 'cancelled'
            UNION ALL
            SELECT related.order_id FROM orders AS related
            WHERE related.merchant_id = $1 AND related.phone_key = o.phone_key AND related.phone_key IS NOT NULL
              AND related.outcome <> 'cancelled'
            UNION ALL
            SELECT o.order_id
        ) AS related
        JOIN invitation_orders AS others ON others.merchant_id = $1 AND others.order_id = related.order_id
        WHERE joined.merchant_id = $1 AND joined.invitation_id = i.id AND others.invitation_id <> i.id
    ) AS other_ids
FROM invitations AS i
WHERE i.merchant_id = $1 AND i.id = ANY(ARRAY(SELECT unnest($2::uuid[])))
ORDER BY i.next_attempt_at, i.id
"""  # noqa: S608 - built from constants

READ_INVITATIONS: Final = f"""
SELECT {READ_INVITATION_COLUMNS}, {READ_PRODUCTS} AS products
FROM invitations AS i
WHERE i.merchant_id = $1 AND i.id = ANY($2::uuid[])
"""  # noqa: S608 - built from constants

# Ids grow with time, so that those after `floor` came after it.
COUNT_FATES: Final = """
SELECT count(*) FILTER (WHERE event = 'message_sent') AS sent,
       count(*) FILTER (WHERE event = 'message_skipped') AS skipped,
       count(*) FILTER (WHERE event = 'message_missed') AS missed,
       count(*) FILTER (
           WHERE event = 'message_rejected' OR (event = 'message_not_sent' AND data ->> 'status' <> 'scheduled')
       ) AS failed,
       count(*) FILTER (WHERE event = 'message_in_doubt') AS in_doubt
FROM timeline_entries
WHERE merchant_id = $1 AND id > $2 AND actor = 'worker'
"""

HASTEN: Final = """
WITH waiting AS (
    SELECT i.id
    FROM invitations AS i
    WHERE i.merchant_id = $1 AND i.status = 'scheduled' AND i.channel = $2
      AND i.send_at <= $3 AND i.next_attempt_at > $3
    ORDER BY i.id
    FOR NO KEY UPDATE
)
UPDATE invitations
SET next_attempt_at = $3
WHERE invitations.merchant_id = $1 AND invitations.id = ANY(ARRAY(SELECT waiting.id FROM waiting))
"""

# What is known of settings that were replaced meanwhile says nothing about those that replaced them.
PAUSE_CHANNEL: Final = """
INSERT INTO channels (merchant_id, channel, paused_at, paused_reason)
SELECT $1, $2, $3, $4
WHERE coalesce((SELECT s.version FROM channel_settings AS s WHERE s.merchant_id = $1 AND s.channel = $2), 0) = $5
ON CONFLICT (merchant_id, channel) DO UPDATE
SET paused_at = EXCLUDED.paused_at, paused_reason = EXCLUDED.paused_reason
WHERE channels.paused_at IS NULL
RETURNING channel
"""

RESUME_CHANNEL: Final = """
UPDATE channels
SET paused_at = NULL, paused_reason = NULL
WHERE merchant_id = $1 AND channel = $2 AND paused_at IS NOT NULL
RETURNING channel
"""


@dataclass(frozen=True, slots=True)
class ProductCard:
    """What a message shows of a product."""

    product_id: str
    name: str | None
    url: str | None
    image_url: str | None


@dataclass(frozen=True, slots=True)
class SendContent:
    """An invitation with everything that decides whether and what is sent, read fresh."""

    invitation: Invitation
    cards: tuple[ProductCard, ...]
    orders: tuple[Order, ...]
    """Every order that joined, with the facts that sending needs of it."""
    suppressed: SuppressedContacts
    has_feedback: bool
    other_ids: tuple[UUID, ...]
    """The other invitations of the history of its live orders."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to start calls for what was claimed under it."""

    token: UUID
    until: datetime
    """Real time."""


class SendingStore:
    """Due invitations and the leases on them; `now` is the merchant's time, lease instants are real time."""

    def __init__(self, driver: Driver, keys: ContactKeys) -> None:
        self._driver = driver
        self._keys = keys

    async def count_sending(self, merchant_id: MerchantId, *, due_by: datetime) -> int:
        """Count what is being sent, by whoever, of what was due by an instant."""
        count: int = await self._driver.fetchval(COUNT_SENDING, merchant_id, due_by)
        return count

    async def claim_due(self, merchant_id: MerchantId, *, now: datetime, limit: int, lease: Lease) -> list[UUID]:
        """Claim the earliest due invitations that nobody else holds; they are `sending` from the commit on."""
        rows = await self._driver.fetch(CLAIM_DUE, merchant_id, now, limit, lease.token, lease.until)
        return [row[0] for row in rows]

    async def claim_due_of(
        self, merchant_id: MerchantId, channel: str, *, now: datetime, limit: int, lease: Lease
    ) -> list[UUID]:
        """Claim in the same way, of one channel only."""
        rows = await self._driver.fetch(
            CLAIM_DUE_OF_CHANNEL, merchant_id, now, limit, lease.token, lease.until, channel
        )
        return [row[0] for row in rows]

    async def renew_leases(self, merchant_id: MerchantId, invitation_ids: Collection[UUID], *, lease: Lease) -> None:
        """Move the end of a lease on those of the invitations that are still held under its token."""
        await self._driver.execute(RENEW_LEASES, merchant_id, list(invitation_ids), lease.token, lease.until)

    async def lock_expired(self, merchant_id: MerchantId, *, real_now: datetime, limit: int) -> list[Invitation]:
        """Lock invitations whose lease has expired until the transaction ends, and read them.

        Whoever held the lease can open no attempt meanwhile, and those already open can be seen.
        """
        rows = await self._driver.fetch(LOCK_EXPIRED, merchant_id, real_now, limit)
        return await self.read_invitations(merchant_id, [row[0] for row in rows])

    async def read_contents(self, merchant_id: MerchantId, invitation_ids: Collection[UUID]) -> list[SendContent]:
        """Read what sending needs of invitations, in the order in which they are due."""
        if not invitation_ids:
            return []
        rows = await self._driver.fetch(READ_CONTENTS, merchant_id, list(invitation_ids))
        contents = [_content(row) for row in rows]
        if rows and rows[0]["has_wildcards"]:
            contents = await self._cover(merchant_id, contents)
        return contents

    async def _cover(self, merchant_id: MerchantId, contents: Sequence[SendContent]) -> list[SendContent]:
        """Add what wildcards say of the contacts."""
        contacts = [
            {content.invitation.contact}.union(*(order.contacts for order in content.orders)) for content in contents
        ]
        covering = await list_covering_each(self._driver, self._keys, merchant_id, contacts)
        return [
            replace(content, suppressed=content.suppressed.joined(found)) if found else content
            for content, found in zip(contents, covering, strict=True)
        ]

    async def read_invitations(self, merchant_id: MerchantId, invitation_ids: Collection[UUID]) -> list[Invitation]:
        """Read invitations without locking them, in no order."""
        if not invitation_ids:
            return []
        rows = await self._driver.fetch(READ_INVITATIONS, merchant_id, list(invitation_ids))
        return [invitation_from_row(row) for row in rows]

    async def count_fates(self, merchant_id: MerchantId, *, since: UUID) -> dict[str, int]:
        """Count what became of messages since an id was made, by whoever sent them."""
        row = await self._driver.fetchrow(COUNT_FATES, merchant_id, since)
        assert row is not None
        return dict(row)

    async def hasten(self, merchant_id: MerchantId, channel: str, *, now: datetime) -> None:
        """Make due at once what was due before and waits only because its channel, or the merchant, was paused."""
        await self._driver.execute(HASTEN, merchant_id, channel, now)

    async def pause_channel(
        self, merchant_id: MerchantId, channel: str, *, version: int, real_now: datetime, reason: str
    ) -> bool:
        """Pause a channel for what its settings of a version led to, and say whether it was open until now.

        One whose settings were changed since stays open.
        """
        paused = await self._driver.fetchval(PAUSE_CHANNEL, merchant_id, channel, real_now, reason, version)
        return paused is not None

    async def resume_channel(self, merchant_id: MerchantId, channel: str) -> bool:
        """Open a channel again and say whether it was paused until now."""
        return await self._driver.fetchval(RESUME_CHANNEL, merchant_id, channel) is not None


def _content(row: Row) -> SendContent:
    *invitation, products, orders, suppressions, _, has_feedback, other_ids = row
    value = invitation_from_row((*invitation, [product[:3] for product in products or ()]))
    return SendContent(
        invitation=value,
        cards=tuple(ProductCard(product_id, *shown) for product_id, _, _, *shown in products or ()),
        orders=tuple(_order(order) for order in orders or ()),
        suppressed=_suppressed(value, suppressions, orders or ()),
        has_feedback=has_feedback,
        other_ids=tuple(other_ids),
    )


def _order(row: Sequence[Any]) -> Order:
    order_id, purchased_at, outcome, on_hold, invitation_id, email, phone, _, _ = row
    purchase = datetime.fromisoformat(purchased_at)
    return Order(
        order_id=order_id,
        purchased_at=purchase,
        received_at=purchase,
        outcome=OrderOutcome(outcome),
        on_hold=on_hold,
        invitation_id=UUID(invitation_id) if invitation_id is not None else None,
        email=email,
        phone=phone,
    )


def _suppressed(invitation: Invitation, reaches: Sequence[bool], orders: Iterable[Sequence[Any]]) -> SuppressedContacts:
    found = [(invitation.contact, is_wide) for is_wide in reaches]
    for *_, email, phone, email_reaches, phone_reaches in orders:
        found += [(email, is_wide) for is_wide in email_reaches]
        found += [(phone, is_wide) for is_wide in phone_reaches]
    return SuppressedContacts.closing(found) if found else NOTHING_SUPPRESSED
