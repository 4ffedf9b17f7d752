"""Contacts: the key each one is known by, the lock of its history, and the suppressions that hang there."""

import hmac
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Final

from invite_service.domain.merchant import MerchantId
from invite_service.domain.suppression import Suppression, SuppressionReason
from invite_service.storage.driver import Driver

_KEY_PURPOSE: Final = b"invite_service contact key v1"
"""Keeps these keys apart from everything else that is made from the same secret."""

_REMEMBERED: Final = 4096
"""Contacts whose key is not made again: those of a few batches."""


class ContactKeys:
    """Makes the key a contact is looked up and locked by: HMAC-SHA256 of the normalised contact (DESIGN.md section 4).

    Keys of one installation stay the same as long as its secret does.
    """

    def __init__(self, secret: str) -> None:
        self._pepper = hmac.digest(secret.encode(), _KEY_PURPOSE, "sha256")
        # An order's contact is looked up, locked, and written with the order and its invitation.
        self._made = lru_cache(_REMEMBERED)(self._make)

    def key(self, contact: str) -> bytes:
        """Return the 32 bytes that stand for a normalised contact."""
        return self._made(contact)

    def _make(self, contact: str) -> bytes:
        return hmac.digest(self._pepper, contact.encode(), "sha256")

    def find_key(self, contact: str | None) -> bytes | None:
        """Return the key of a contact that may be absent."""
        return None if contact is None else self.key(contact)


# A contact's row is locked by inserting it: that works alike for one nobody has seen, so that two processes that meet
# over a new customer queue up. WHERE FALSE keeps the lock and writes nothing.
LOCK_CONTACTS: Final = """
INSERT INTO contacts (merchant_id, contact_key)
SELECT $1, wanted.contact_key
FROM unnest($2::bytea[]) AS wanted (contact_key)
ORDER BY wanted.contact_key
ON CONFLICT (merchant_id, contact_key) DO UPDATE SET contact_key = EXCLUDED.contact_key WHERE FALSE
RETURNING contact_key
"""

ADD_SUPPRESSIONS: Final = """
INSERT INTO suppressions (merchant_id, contact_key, reason, source, created_at)
SELECT $1, wanted.contact_key, $3, $4, $5
FROM unnest($2::bytea[]) AS wanted (contact_key)
ORDER BY wanted.contact_key
ON CONFLICT (merchant_id, contact_key, reason) DO NOTHING
"""

LIST_SUPPRESSIONS: Final = """
SELECT contact_key, reason, created_at
FROM suppressions
WHERE merchant_id = $1 AND contact_key = ANY($2::bytea[])
"""


class ContactStore:
    """A merchant's contacts; every contact passed in is normalised."""

    def __init__(self, driver: Driver, keys: ContactKeys) -> None:
        self._driver = driver
        self._keys = keys

    async def lock(self, merchant_id: MerchantId, contacts: Collection[str]) -> None:
        """Lock contacts until the transaction ends, making their rows where there are none.

        Whoever changes what a contact's history says takes this lock, after those on orders and before those on
        invitations (DESIGN.md section 4).
        """
        if contacts:
            await self._driver.fetch(LOCK_CONTACTS, merchant_id, self._keys_of(contacts))

    async def add_suppressions(
        self,
        merchant_id: MerchantId,
        contacts: Collection[str],
        reason: SuppressionReason,
        *,
        source: str,
        at: datetime,
    ) -> None:
        """Suppress contacts for a reason; one that carries it already keeps its date. Locks them.

        `source` says who brought it, in the words of the timeline's actors; `at` is on the merchant's clock.
        """
        if contacts:
            await self.lock(merchant_id, contacts)
            await self._driver.execute(ADD_SUPPRESSIONS, merchant_id, self._keys_of(contacts), reason.value, source, at)

    async def list_suppressions(self, merchant_id: MerchantId, contacts: Collection[str]) -> list[Suppression]:
        """List every reason that the contacts carry."""
        by_key = {self._keys.key(contact): contact for contact in contacts}
        rows = await self._driver.fetch(LIST_SUPPRESSIONS, merchant_id, list(by_key))
        return suppressions_from_rows(rows, by_key)

    def _keys_of(self, contacts: Iterable[str]) -> list[bytes]:
        return sorted({self._keys.key(contact) for contact in contacts})


def suppressions_from_rows(rows: Iterable[Sequence[object]], contacts: Mapping[bytes, str]) -> list[Suppression]:
    """Make suppressions of rows (contact_key, reason, created_at); `contacts` tells whose keys they are."""
    suppressions = []
    for contact_key, reason, created_at in rows:
        assert isinstance(contact_key, bytes)
        assert isinstance(created_at, datetime)
        suppressions.append(Suppression(contacts[contact_key], SuppressionReason(str(reason)), created_at))
    return suppressions
