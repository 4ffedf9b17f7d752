"""Finding everything of one customer by the keys of their contacts, and locking it (docs/adr/0027)."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from invite_service.domain.merchant import MerchantId
from invite_service.domain.suppression import SubjectKind
from invite_service.storage.contacts import LOCK_CONTACTS
from invite_service.storage.driver import Driver, Row
from invite_service.storage.invitations import LOCK_INVITATIONS

# Arrays of keys, and no joins: so that every table is read by its keys whatever the planner knows of it.
FIND_CUSTOMER: Final = """
WITH carrying AS MATERIALIZED (
    SELECT order_id FROM orders WHERE merchant_id = $1 AND email_key = ANY($2::bytea[])
    UNION
    SELECT order_id FROM orders WHERE merchant_id = $1 AND phone_key = ANY($2::bytea[])
), invited AS MATERIALIZED (
    SELECT id FROM invitations WHERE merchant_id = $1 AND contact_key = ANY($2::bytea[])
    UNION
    SELECT invitation_id
    FROM invitation_orders
    WHERE merchant_id = $1 AND order_id = ANY(ARRAY(SELECT order_id FROM carrying))
), behind AS MATERIALIZED (
    SELECT order_id FROM carrying
    UNION
    SELECT order_id
    FROM invitation_orders
    WHERE merchant_id = $1 AND invitation_id = ANY(ARRAY(SELECT id FROM invited))
), told AS MATERIALIZED (
    SELECT email_key, phone_key
    FROM orders
    WHERE merchant_id = $1 AND order_id = ANY(ARRAY(SELECT order_id FROM behind))
)
SELECT
    ARRAY(SELECT order_id FROM behind ORDER BY order_id),
    ARRAY(SELECT id FROM invited ORDER BY id),
    ARRAY(
        SELECT email_key FROM told WHERE email_key IS NOT NULL
        UNION SELECT contact_key FROM invitations
        WHERE merchant_id = $1 AND id = ANY(ARRAY(SELECT id FROM invited)) AND channel = 'email'
    ),
    ARRAY(
        SELECT phone_key FROM told WHERE phone_key IS NOT NULL
        UNION SELECT contact_key FROM invitations
        WHERE merchant_id = $1 AND id = ANY(ARRAY(SELECT id FROM invited)) AND channel = 'sms'
    )
"""

LOCK_ORDERS: Final = """
SELECT order_id FROM orders WHERE merchant_id = $1 AND order_id = ANY($2::text[]) ORDER BY order_id FOR NO KEY UPDATE
"""

LOCK_RATINGS: Final = """
SELECT id FROM ratings WHERE merchant_id = $1 AND invitation_id = ANY($2::uuid[]) ORDER BY id FOR NO KEY UPDATE
"""


@dataclass(frozen=True, slots=True)
class Customer:
    """Who is behind a contact: every list is sorted."""

    order_ids: tuple[str, ...]
    invitation_ids: tuple[UUID, ...]
    contacts: tuple[tuple[bytes, SubjectKind], ...]
    """By their keys: the one asked for, and those told beside it."""

    @property
    def contact_keys(self) -> list[bytes]:
        """The keys of the contacts."""
        return [key for key, _ in self.contacts]


class CustomerStore:
    """A merchant's customers, each known by the contacts that their orders share."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    async def find(self, merchant_id: MerchantId, contact_key: bytes, kind: SubjectKind) -> Customer:
        """Find what belongs to a contact, and to the contacts that its orders and invitations tell beside it."""
        _, _, emails, phones = await self._find(merchant_id, [contact_key])
        contacts = dict.fromkeys(emails, SubjectKind.EMAIL) | dict.fromkeys(phones, SubjectKind.PHONE)
        contacts[contact_key] = kind
        order_ids, invitation_ids, *_ = await self._find(merchant_id, list(contacts))
        return Customer(tuple(order_ids), tuple(invitation_ids), tuple(sorted(contacts.items())))

    async def lock(self, merchant_id: MerchantId, customer: Customer) -> None:
        """Lock orders, contacts and invitations, in the order of DESIGN.md section 4, until the transaction ends."""
        await self._driver.fetch(LOCK_ORDERS, merchant_id, customer.order_ids)
        await self._driver.fetch(LOCK_CONTACTS, merchant_id, customer.contact_keys)
        await self._driver.fetch(LOCK_INVITATIONS, merchant_id, customer.invitation_ids)

    async def lock_ratings(self, merchant_id: MerchantId, invitation_ids: Collection[UUID]) -> list[UUID]:
        """Lock what was left on invitations that this transaction holds."""
        rows = await self._driver.fetch(LOCK_RATINGS, merchant_id, list(invitation_ids))
        return [row["id"] for row in rows]

    async def _find(self, merchant_id: MerchantId, keys: Collection[bytes]) -> Row:
        row = await self._driver.fetchrow(FIND_CUSTOMER, merchant_id, list(keys))
        assert row is not None
        return row
