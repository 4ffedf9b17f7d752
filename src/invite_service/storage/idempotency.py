"""Answers that were given to calls with an Idempotency-Key, for a day; keys and answers come here unreadable."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from invite_service.domain.merchant import MerchantId
from invite_service.storage.driver import Driver

# Waits for a transaction that is about to commit the same key. An expired row, and one whose call died, is taken over.
CLAIM_KEY: Final = """
INSERT INTO idempotency_keys (merchant_id, path, key_hash, fingerprint, created_at, running_until)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (merchant_id, path, key_hash) DO UPDATE
SET fingerprint = excluded.fingerprint, created_at = excluded.created_at, running_until = excluded.running_until,
    status = NULL, answer = NULL
WHERE idempotency_keys.created_at <= $7 OR idempotency_keys.status IS NULL AND idempotency_keys.running_until <= $5
RETURNING TRUE
"""

FIND_KEY: Final = """
SELECT fingerprint, status, answer FROM idempotency_keys WHERE merchant_id = $1 AND path = $2 AND key_hash = $3
"""

KEEP_ANSWER: Final = """
UPDATE idempotency_keys SET status = $4, answer = $5, running_until = NULL
WHERE merchant_id = $1 AND path = $2 AND key_hash = $3
"""

RELEASE_KEY: Final = """
DELETE FROM idempotency_keys WHERE merchant_id = $1 AND path = $2 AND key_hash = $3 AND status IS NULL
"""

LIST_MERCHANTS_WITH_EXPIRED_KEYS: Final = """
SELECT i.merchant_id FROM idempotency_keys i WHERE i.created_at <= $1 GROUP BY i.merchant_id
"""

DELETE_EXPIRED_KEYS: Final = "DELETE FROM idempotency_keys WHERE merchant_id = $1 AND created_at <= $2"


@dataclass(frozen=True, slots=True)
class KeyPlace:
    """Where a key stands: the same key at another address, or of another merchant, is another one."""

    merchant_id: MerchantId
    path: str
    key_hash: bytes


@dataclass(frozen=True, slots=True)
class StoredCall:
    """A call that was made with a key."""

    fingerprint: bytes
    """Of its body."""
    status: int | None
    """None while it is under way."""
    answer: bytes | None


class IdempotencyStore:
    """The keys of calls and what was answered to them. Instants are real time."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    async def claim(
        self,
        place: KeyPlace,
        fingerprint: bytes,
        *,
        now: datetime,
        running_until: datetime | None,
        expired_at: datetime,
    ) -> StoredCall | None:
        """Take a key for a call, None when it is ours now; else the call that has it.

        `running_until` says until when nobody else may take it, for a claim that is committed before the call is done.
        Keys made up to `expired_at` are forgotten.
        """
        parameters = (place.merchant_id, place.path, place.key_hash)
        claimed = await self._driver.fetchval(CLAIM_KEY, *parameters, fingerprint, now, running_until, expired_at)
        if claimed:
            return None
        row = await self._driver.fetchrow(FIND_KEY, *parameters)
        assert row is not None, "claiming has locked it"
        return StoredCall(row["fingerprint"], row["status"], row["answer"])

    async def keep(self, place: KeyPlace, *, status: int, answer: bytes) -> None:
        """Keep the answer to a call whose key was claimed."""
        await self._driver.execute(KEEP_ANSWER, place.merchant_id, place.path, place.key_hash, status, answer)

    async def release(self, place: KeyPlace) -> None:
        """Give a claimed key back, unless its answer is kept."""
        await self._driver.execute(RELEASE_KEY, place.merchant_id, place.path, place.key_hash)

    async def list_merchants_with_expired(self, *, expired_at: datetime) -> list[MerchantId]:
        """List the merchants that have keys made up to an instant."""
        rows = await self._driver.fetch(LIST_MERCHANTS_WITH_EXPIRED_KEYS, expired_at)
        return [MerchantId(row["merchant_id"]) for row in rows]

    async def delete_expired(self, merchant_id: MerchantId, *, expired_at: datetime) -> int:
        """Delete a merchant's keys made up to an instant, and tell how many there were."""
        tag = await self._driver.execute(DELETE_EXPIRED_KEYS, merchant_id, expired_at)
        return int(tag.rpartition(" ")[2])
