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
from invite_service.storage.contacts import ContactKeys
from invite_service.storage.driver import Driver
from invite_service.storage.invitations import READ_INVITATION_COLUMNS, READ_PRODUCTS, invitation_from_row
from invite_service.storage.merchants import MERCHANT_COLUMNS, merchant_from_row
from invite_service.storage.orders import READ_LINES, READ_ORDER_COLUMNS, order_from_row
from invite_service.storage.suppressions import HAS_WILDCARDS, list_covering, suppressions_from_rows

_KNOWN_COLUMNS: Final = ("order_id", "purchased_at", "received_at", "country", "email", "phone")

_KNOWN: Final = ", ".join(_KNOWN_COLUMNS)

_KNOWN_ARRAYS: Final = ", ".join(f"array_agg({name}) AS {name}" for name in _KNOWN_COLUMNS)

# Every table is read by arrays of keys, `= ANY(...)`, and never joined: a join leaves the planner free to read all rows
# of the merchant instead, which it does on tables that were never analyzed.

# The orders that share an invitation with a posted one are locked with it: when it is cancelled, one of them takes its
# place. A contact's row is locked by inserting it: that works alike for one nobody has seen, so that two processes that
# meet over a new customer queue up. WHERE FALSE keeps the lock and writes nothing; RETURNING tells who is new.
LOCK_ORDERS_AND_CONTACTS: Final = f"""
WITH locked AS MATERIALIZED (
    SELECT {_KNOWN}, email_key, phone_key
    FROM orders
    WHERE merchant_id = $1 AND order_id = ANY($2::text[] || ARRAY(
        SELECT order_id
        FROM invitation_orders
        WHERE merchant_id = $1 AND invitation_id = ANY(ARRAY(
            SELECT invitation_id FROM invitation_orders WHERE merchant_id = $1 AND order_id = ANY($2::text[])
        ))
    ))
    ORDER BY order_id
    FOR NO KEY UPDATE
), known AS MATERIALIZED (
    SELECT * FROM locked WHERE order_id IN (SELECT unnest($2::text[]))
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
SELECT {MERCHANT_COLUMNS}, {HAS_WILDCARDS}, (SELECT array_agg(contact_key) FROM added), k.*
FROM merchants, (SELECT {_KNOWN_ARRAYS} FROM known) AS k
WHERE merchants.id = $1
"""  # noqa: S608 - built from the constants above

FIND_ORDERS_AND_CONTACTS: Final = f"""
WITH known AS MATERIALIZED (
    SELECT {_KNOWN} FROM orders WHERE merchant_id = $1 AND order_id = ANY($2::text[])
), seen AS MATERIALIZED (
    SELECT contact_key FROM contacts WHERE merchant_id = $1 AND contact_key = ANY($3::bytea[])
)
SELECT {MERCHANT_COLUMNS},
    {HAS_WILDCARDS},
    ARRAY(
        SELECT wanted.contact_key FROM unnest($3::bytea[]) AS wanted (contact_key)
        WHERE wanted.contact_key NOT IN (SELECT contact_key FROM seen)
    ),
    k.*
FROM merchants, (SELECT {_KNOWN_ARRAYS} FROM known) AS k
WHERE merchants.id = $1
"""  # noqa: S608 - built from the constants above

# What only feedback can still change needs no lock: nothing of it is to come, and what left has left.
_CAN_CHANGE: Final = """(
        i.id IN (SELECT invitation_id FROM of_posted)
        OR i.status IN ('scheduled', 'sending', 'in_doubt', 'cancelled', 'missed', 'failed')
        OR i.status = 'sent' AND i.ended_reason IS NOT NULL
    )"""

_ORDER_COLUMN_COUNT: Final = READ_ORDER_COLUMNS.count(",") + 3
_INVITATION_COLUMN_COUNT: Final = READ_INVITATION_COLUMNS.count(",") + 2

_ORDER, _INVITATION, _SUPPRESSION, _LOCK, _WILDCARDS = 1, 2, 3, 4, 5
"""What a row of the history is."""

_INVITATION_START: Final = 1 + _ORDER_COLUMN_COUNT
_PLACE: Final = _INVITATION_START + _INVITATION_COLUMN_COUNT
_SUPPRESSION_START: Final = _PLACE + 1

_LOCKED: Final = f"""
, locked AS MATERIALIZED (
    SELECT i.id, i.ctid AS place
    FROM invitations i
    WHERE i.merchant_id = $1 AND i.id = ANY(ARRAY(SELECT invitation_id FROM joined)) AND {_CAN_CHANGE}
    ORDER BY i.id
    FOR NO KEY UPDATE
)"""  # noqa: S608 - built from the constant above


def _read_history(*, lock: bool) -> str:
    """Write the statement: its rows are orders, invitations, suppressions or locks, in columns side by side.

    One more row says that the merchant has wildcards.

    One statement costs one round trip and has one snapshot. When a row that was locked is not where the snapshot saw
    it, somebody changed it in between and everything else that was read may be as old: then it has to be read again.
    """
    no_order = ", ".join(["NULL"] * _ORDER_COLUMN_COUNT)
    no_invitation = ", ".join(["NULL"] * _INVITATION_COLUMN_COUNT)
    locks = f"""
UNION ALL
SELECT {_LOCK}, {no_order}, id, {no_invitation.removeprefix("NULL, ")}, place, NULL, NULL, NULL, NULL
FROM locked
"""  # noqa: S608 - built from the constants above
    return f"""
WITH related AS MATERIALIZED (
    SELECT order_id FROM orders WHERE merchant_id = $1 AND email_key = ANY($3::bytea[])
    UNION
    SELECT order_id FROM orders WHERE merchant_id = $1 AND phone_key = ANY($3::bytea[])
    UNION
    SELECT unnest($2::text[])
), of_posted AS MATERIALIZED (
    SELECT invitation_id FROM invitation_orders WHERE merchant_id = $1 AND order_id = ANY($2::text[])
), joined AS MATERIALIZED (
    SELECT DISTINCT invitation_id
    FROM invitation_orders
    WHERE merchant_id = $1 AND order_id = ANY(ARRAY(SELECT order_id FROM related))
), members AS MATERIALIZED (
    SELECT order_id FROM related
    UNION
    SELECT order_id
    FROM invitation_orders
    WHERE merchant_id = $1 AND invitation_id = ANY(ARRAY(SELECT invitation_id FROM joined))
), invited AS MATERIALIZED (
    SELECT {READ_INVITATION_COLUMNS}, {READ_PRODUCTS} AS products, CASE WHEN {_CAN_CHANGE} THEN i.ctid END AS place,
        i.contact_key
    FROM invitations i
    WHERE i.merchant_id = $1 AND i.id = ANY(ARRAY(SELECT invitation_id FROM joined))
){_LOCKED if lock else ""}
SELECT {_ORDER} AS row_kind, {READ_ORDER_COLUMNS},
    CASE WHEN o.order_id IN (SELECT unnest($2::text[])) THEN o.trace END,
    CASE WHEN o.order_id IN (SELECT unnest($2::text[])) THEN {READ_LINES} END,
    {no_invitation}, NULL, NULL::bytea, NULL::text, NULL::timestamptz, NULL::text
FROM orders o
WHERE o.merchant_id = $1 AND o.order_id = ANY(ARRAY(SELECT order_id FROM members))
UNION ALL
SELECT {_INVITATION}, {no_order}, {READ_INVITATION_COLUMNS}, products, place, NULL, NULL, NULL, NULL
FROM invited i
UNION ALL
SELECT {_SUPPRESSION}, {no_order}, {no_invitation}, NULL, s.contact_key, s.reason, s.created_at, s.channel
FROM suppressions s
WHERE s.merchant_id = $1 AND s.contact_key = ANY($3::bytea[] || ARRAY(SELECT contact_key FROM invited))
UNION ALL
SELECT {_WILDCARDS}, {no_order}, {no_invitation}, NULL, NULL, NULL, NULL, NULL
WHERE {HAS_WILDCARDS}
{locks if lock else ""}"""  # noqa: S608 - built from the constants above


LOCK_AND_READ_HISTORY: Final = _read_history(lock=True)

READ_HISTORY: Final = _read_history(lock=False)


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
    has_wildcards: bool
    """Whether the merchant has suppressed whole domains, new contacts perhaps among them."""


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
        *merchant, has_wildcards, new_keys, ids, purchases, receipts, countries, emails, phones = row
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
        return Locked(merchant_from_row(merchant), all_contacts, known, new_contacts, has_wildcards)

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
        invitations = [invitation_from_row(row[_INVITATION_START:_PLACE]) for row in invitation_rows]
        by_key |= {self._keys.key(invitation.contact): invitation.contact for invitation in invitations}
        # A contact that nothing tells any more is an erased customer's: it keeps nobody else from anything.
        found = [
            row[_SUPPRESSION_START:] for row in rows if row[0] == _SUPPRESSION and row[_SUPPRESSION_START] in by_key
        ]
        suppressions: Sequence[Suppression] = suppressions_from_rows(found, by_key) if found else ()
        if any(row[0] == _WILDCARDS for row in rows):
            all_contacts = set(contacts).union(
                *(order.contacts for order in orders), (invitation.contact for invitation in invitations)
            )
            covering = await list_covering(self._driver, self._keys, merchant_id, all_contacts)
            suppressions = [*suppressions, *covering]
        seen_at = {(row[_INVITATION_START], row[_PLACE]) for row in invitation_rows if row[_PLACE] is not None}
        locked_at = {(row[_INVITATION_START], row[_PLACE]) for row in rows if row[0] == _LOCK}
        return StoredHistory(
            orders,
            invitations,
            suppressions,
            is_stale=lock and seen_at != locked_at,
            reaches_further=any(
                order.order_id not in order_ids and contacts.isdisjoint(order.contacts) for order in orders
            ),
        )
