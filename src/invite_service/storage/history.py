"""The history that order events are decided on: what shares a contact with their orders (RULES.md section 1).

Reading goes in two steps, as DESIGN.md section 5 has it: `lock` takes the orders and the contacts, so that nobody adds
to their history any more; `read`, a statement of its own, sees what others committed until then and locks the
invitations that could still change.
"""

from collections.abc import Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final

import asyncpg

from invite_service.domain.invitation import Invitation
from invite_service.domain.merchant import Merchant, MerchantId
from invite_service.domain.order import Order
from invite_service.domain.suppression import Suppression
from invite_service.storage.contacts import ContactKeys, suppressions_from_rows
from invite_service.storage.driver import Driver
from invite_service.storage.invitations import READ_INVITATION_COLUMNS, READ_PRODUCTS, invitation_from_row
from invite_service.storage.merchants import MERCHANT_COLUMNS, merchant_from_row
from invite_service.storage.orders import READ_LINES, READ_ORDER_COLUMNS, order_from_row

_KNOWN_COLUMNS: Final = ("order_id", "purchased_at", "received_at", "country", "email", "phone")

_KNOWN: Final = ", ".join(_KNOWN_COLUMNS)

_KNOWN_ARRAYS: Final = ", ".join(f"array_agg({name}) AS {name}" for name in _KNOWN_COLUMNS)

# The orders that share an invitation with a posted one are locked with it: when it is cancelled, one of them takes its
# place. A contact's row is locked by inserting it: that works alike for one nobody has seen, so that two processes that
# meet over a new customer queue up. WHERE FALSE keeps the lock and writes nothing; RETURNING tells who is new.
LOCK_ORDERS_AND_CONTACTS: Final = f"""
WITH posted AS MATERIALIZED (
    SELECT unnest($2::text[]) AS order_id
), locked AS MATERIALIZED (
    SELECT {_KNOWN}, email_key, phone_key
    FROM orders
    WHERE merchant_id = $1 AND order_id IN (
        SELECT order_id FROM posted
        UNION
        SELECT beside.order_id
        FROM posted
        JOIN invitation_orders joined ON joined.merchant_id = $1 AND joined.order_id = posted.order_id
        JOIN invitation_orders beside ON beside.merchant_id = $1 AND beside.invitation_id = joined.invitation_id
    )
    ORDER BY order_id
    FOR NO KEY UPDATE
), known AS MATERIALIZED (
    SELECT * FROM locked JOIN posted USING (order_id)
), wanted AS (
    SELECT unnest($3::bytea[]) AS contact_key
    UNION SELECT email_key FROM known WHERE email_key IS NOT NULL
    UNION SELECT phone_key FROM known WHERE phone_key IS NOT NULL
), added AS (
    INSERT INTO contacts (merchant_id, contact_key)
    SELECT $1, contact_key FROM wanted ORDER BY contact_key
    ON CONFLICT (merchant_id, contact_key) DO UPDATE SET contact_key = EXCLUDED.contact_key WHERE FALSE
    RETURNING contact_key
)
SELECT {MERCHANT_COLUMNS}, (SELECT array_agg(contact_key) FROM added), k.*
FROM merchants, (SELECT {_KNOWN_ARRAYS} FROM known) AS k
WHERE merchants.id = $1
"""  # noqa: S608 - built from the constants above

FIND_ORDERS_AND_CONTACTS: Final = f"""
WITH known AS MATERIALIZED (
    SELECT {_KNOWN} FROM orders WHERE merchant_id = $1 AND order_id = ANY($2::text[])
)
SELECT {MERCHANT_COLUMNS},
    ARRAY(
        SELECT wanted.contact_key FROM unnest($3::bytea[]) AS wanted (contact_key)
        WHERE NOT EXISTS (
            SELECT FROM contacts c WHERE c.merchant_id = $1 AND c.contact_key = wanted.contact_key
        )
    ),
    k.*
FROM merchants, (SELECT {_KNOWN_ARRAYS} FROM known) AS k
WHERE merchants.id = $1
"""  # noqa: S608 - built from the constants above

# What only feedback can still change needs no lock: nothing of it is to come, and what left has left.
_CAN_CHANGE: Final = """(
    joined.is_posted
    OR i.status IN ('scheduled', 'sending', 'in_doubt', 'cancelled', 'missed', 'failed')
    OR i.status = 'sent' AND i.ended_reason IS NOT NULL
)"""

_ORDER_COLUMN_COUNT: Final = READ_ORDER_COLUMNS.count(",") + 3
_INVITATION_COLUMN_COUNT: Final = READ_INVITATION_COLUMNS.count(",") + 2


def _read_history(*, lock: bool) -> str:
    """Write the statement: its rows are orders, invitations or suppressions, in columns side by side.

    One statement costs one round trip and has one snapshot. When a row that was locked is not where the snapshot saw
    it, somebody changed it in between and everything else that was read may be as old: then it has to be read again.
    """
    locked = f"""
    SELECT i.id, i.ctid AS place
    FROM joined JOIN invitations i ON i.merchant_id = $1 AND i.id = joined.invitation_id
    WHERE {_CAN_CHANGE}
    ORDER BY i.id
    FOR NO KEY UPDATE OF i
    """  # noqa: S608 - built from the constants above
    is_stale = f"{_CAN_CHANGE} AND locked.place IS DISTINCT FROM i.ctid"
    no_order = ", ".join(["NULL"] * _ORDER_COLUMN_COUNT)
    no_invitation = ", ".join(["NULL"] * _INVITATION_COLUMN_COUNT)
    return f"""
WITH related AS MATERIALIZED (
    SELECT order_id, bool_or(is_posted) AS is_posted
    FROM (
        SELECT order_id, FALSE AS is_posted FROM orders WHERE merchant_id = $1 AND email_key = ANY($3::bytea[])
        UNION ALL
        SELECT order_id, FALSE FROM orders WHERE merchant_id = $1 AND phone_key = ANY($3::bytea[])
        UNION ALL
        SELECT unnest($2::text[]), TRUE
    ) AS found
    GROUP BY order_id
), joined AS MATERIALIZED (
    SELECT invitation_id, bool_or(is_posted) AS is_posted
    FROM related JOIN invitation_orders USING (order_id)
    WHERE merchant_id = $1
    GROUP BY invitation_id
), {f"locked AS MATERIALIZED ({locked})," if lock else ""} members AS MATERIALIZED (
    SELECT order_id, bool_or(is_posted) AS is_posted
    FROM (
        SELECT order_id, is_posted FROM related
        UNION ALL
        SELECT order_id, FALSE FROM joined JOIN invitation_orders USING (invitation_id) WHERE merchant_id = $1
    ) AS found
    GROUP BY order_id
)
SELECT 1 AS row_kind, {READ_ORDER_COLUMNS},
    CASE WHEN members.is_posted THEN o.trace END, CASE WHEN members.is_posted THEN {READ_LINES} END,
    {no_invitation}, NULL, NULL::bytea, NULL::text, NULL::timestamptz
FROM members JOIN orders o ON o.merchant_id = $1 AND o.order_id = members.order_id
UNION ALL
SELECT 2, {no_order},
    {READ_INVITATION_COLUMNS}, {READ_PRODUCTS}, {is_stale if lock else "FALSE"}, NULL, NULL, NULL
FROM joined JOIN invitations i ON i.merchant_id = $1 AND i.id = joined.invitation_id
    {"LEFT JOIN locked ON locked.id = i.id" if lock else ""}
UNION ALL
SELECT 3, {no_order}, {no_invitation}, NULL, s.contact_key, s.reason, s.created_at
FROM suppressions s
WHERE s.merchant_id = $1 AND s.contact_key IN (
    SELECT unnest($3::bytea[])
    UNION
    SELECT i.contact_key FROM joined JOIN invitations i ON i.merchant_id = $1 AND i.id = joined.invitation_id
)
"""  # noqa: S608 - built from the constants above


LOCK_AND_READ_HISTORY: Final = _read_history(lock=True)

READ_HISTORY: Final = _read_history(lock=False)

_ORDER, _INVITATION, _SUPPRESSION = 1, 2, 3


@dataclass(frozen=True, slots=True)
class Locked:
    """What the first step finds out; none of it may be relied on once the transaction has ended."""

    merchant: Merchant
    contacts: frozenset[str]
    """Those asked for and those of the known orders."""
    known_orders: Mapping[str, Order]
    """Of the orders that are known only what tells their contacts: dates of the purchase, country and contacts."""
    new_contacts: frozenset[str]
    """Contacts nobody has seen before: they have no history."""


@dataclass(frozen=True, slots=True)
class StoredHistory:
    """What is stored of a history. Orders that were not asked for by id come without lines and trace."""

    orders: Sequence[Order] = ()
    invitations: Sequence[Invitation] = ()
    suppressions: Sequence[Suppression] = ()
    is_stale: bool = False
    """Whether somebody changed it while it was read and locked, so that it has to be read again."""
    reaches_further: bool = False
    """Whether an invitation holds orders with none of the contacts asked for: their lock is the invitation's alone, so
    that they have to be read again once that is held."""


NO_STORED_HISTORY: Final = StoredHistory()


class HistoryStore:
    """The orders and invitations of a merchant that decisions are made on."""

    def __init__(self, driver: Driver, keys: ContactKeys) -> None:
        self._driver = driver
        self._keys = keys

    async def lock(
        self, merchant_id: MerchantId, order_ids: Collection[str], contacts: Collection[str]
    ) -> Locked | None:
        """Lock the orders that are known and those beside them, then these contacts and those of the known orders.

        The locks last until the transaction ends, which for None, where there is no such merchant, has failed.
        """
        try:
            return await self._find(LOCK_ORDERS_AND_CONTACTS, merchant_id, order_ids, contacts)
        except asyncpg.ForeignKeyViolationError:
            return None

    async def find(
        self, merchant_id: MerchantId, order_ids: Collection[str], contacts: Collection[str]
    ) -> Locked | None:
        """Find out the same without locking anything, for a preview."""
        return await self._find(FIND_ORDERS_AND_CONTACTS, merchant_id, order_ids, contacts)

    async def _find(
        self, statement: str, merchant_id: MerchantId, order_ids: Collection[str], contacts: Collection[str]
    ) -> Locked | None:
        by_key = {self._keys.key(contact): contact for contact in contacts}
        row = await self._driver.fetchrow(statement, merchant_id, list(order_ids), list(by_key))
        if row is None:
            return None
        *merchant, new_keys, ids, purchases, receipts, countries, emails, phones = row
        known = {
            order_id: Order(
                order_id=order_id,
                purchased_at=purchased_at,
                received_at=received_at,
                country=country,
                email=email,
                phone=phone,
            )
            for order_id, purchased_at, received_at, country, email, phone in zip(
                ids or (), purchases or (), receipts or (), countries or (), emails or (), phones or (), strict=True
            )
        }
        # A key that is not asked about is one of a known order, and so not new.
        new_contacts = frozenset(by_key[key] for key in new_keys or () if key in by_key)
        all_contacts = frozenset(contacts).union(*(order.contacts for order in known.values()))
        return Locked(merchant_from_row(merchant), all_contacts, known, new_contacts)

    async def read(
        self, merchant_id: MerchantId, order_ids: Collection[str], contacts: AbstractSet[str], *, lock: bool
    ) -> StoredHistory:
        """Read these orders and everything that shares one of these contacts, with all that hangs on it.

        With `lock`, invitations that could still change are locked until the transaction ends, sorted by id.
        """
        by_key = {self._keys.key(contact): contact for contact in contacts}
        statement = LOCK_AND_READ_HISTORY if lock else READ_HISTORY
        rows = await self._driver.fetch(statement, merchant_id, list(order_ids), list(by_key))
        orders = [order_from_row(row[1:_INVITATION_START]) for row in rows if row[0] == _ORDER]
        invitation_rows = [row for row in rows if row[0] == _INVITATION]
        invitations = [invitation_from_row(row[_INVITATION_START:_SUPPRESSION_START]) for row in invitation_rows]
        by_key |= {self._keys.key(invitation.contact): invitation.contact for invitation in invitations}
        suppressions = [row[_SUPPRESSION_START + 1 :] for row in rows if row[0] == _SUPPRESSION]
        return StoredHistory(
            orders,
            invitations,
            suppressions_from_rows(suppressions, by_key) if suppressions else (),
            is_stale=any(row[_SUPPRESSION_START] for row in invitation_rows),
            reaches_further=any(
                order.order_id not in order_ids and contacts.isdisjoint(order.contacts) for order in orders
            ),
        )


_INVITATION_START: Final = 1 + _ORDER_COLUMN_COUNT
_SUPPRESSION_START: Final = _INVITATION_START + _INVITATION_COLUMN_COUNT
