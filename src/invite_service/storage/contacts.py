"""Contacts: the key each one is known by, and the lock of its history."""

import hmac
from collections.abc import Collection, Iterable
from functools import lru_cache
from typing import Final

from invite_service.domain.merchant import MerchantId
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

    def _keys_of(self, contacts: Iterable[str]) -> list[bytes]:
        return sorted({self._keys.key(contact) for contact in contacts})
