"""Who is moving a sandbox merchant's clock: a lease on the merchant's row, so that moves follow one another."""

from datetime import datetime
from typing import Final
from uuid import UUID

from invite_service.domain.merchant import MerchantId
from invite_service.storage.driver import Driver

TAKE_CLOCK: Final = """
UPDATE merchants
SET clock_token = $2, clock_until = $3
WHERE id = $1 AND sandbox AND (clock_token IS NULL OR clock_token = $2 OR clock_until < $4)
RETURNING id
"""

RELEASE_CLOCK: Final = """
UPDATE merchants SET clock_token = NULL, clock_until = NULL WHERE id = $1 AND clock_token = $2
"""


class ClockStore:
    """Leases on clocks; their instants are real time."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    async def take(self, merchant_id: MerchantId, *, token: UUID, until: datetime, real_now: datetime) -> bool:
        """Take or renew the lease; False while another holds it, or for a real merchant."""
        return await self._driver.fetchval(TAKE_CLOCK, merchant_id, token, until, real_now) is not None

    async def release(self, merchant_id: MerchantId, *, token: UUID) -> None:
        """Give the lease back, where it is still held."""
        await self._driver.execute(RELEASE_CLOCK, merchant_id, token)
