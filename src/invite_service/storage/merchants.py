"""Merchants: rows of merchants and the values they stand for."""

from datetime import datetime, timedelta
from typing import Final

from invite_service.domain.errors import MerchantExistsError, MerchantNotFoundError
from invite_service.domain.merchant import Merchant, MerchantId
from invite_service.storage.driver import Driver, Row
from invite_service.storage.errors import TransactionConflictError

MERCHANT_COLUMNS: Final = (
    "id, name, time_zone, homepage_url, sandbox, clock_offset, policy_version, paused_at, paused_reason, created_at"
)
"""What a select takes of merchants; see `merchant_from_row`."""

ADD_MERCHANT: Final = f"""
INSERT INTO merchants ({MERCHANT_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
ON CONFLICT (id) DO NOTHING
RETURNING id
"""  # noqa: S608 - built from the constant above

FIND_MERCHANT: Final = f"SELECT {MERCHANT_COLUMNS} FROM merchants WHERE id = $1"  # noqa: S608 - likewise

LIST_MERCHANTS: Final = f"SELECT {MERCHANT_COLUMNS} FROM merchants WHERE id > $1 ORDER BY id LIMIT $2"  # noqa: S608

LOCK_MERCHANT: Final = f"{FIND_MERCHANT} FOR NO KEY UPDATE"

SET_POLICY_VERSION: Final = """
UPDATE merchants SET policy_version = $3 WHERE id = $1 AND policy_version = $2 RETURNING id
"""

# A sandbox's clock moves forward only (DESIGN.md section 8).
MOVE_CLOCK: Final = """
UPDATE merchants SET clock_offset = $2 WHERE id = $1 AND sandbox AND clock_offset <= $2 RETURNING id
"""


class MerchantStore:
    """The merchants of this installation."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    async def add(self, merchant: Merchant) -> None:
        """Add a merchant.

        Raises:
            MerchantExistsError: its id is taken.
        """
        added = await self._driver.fetchval(
            ADD_MERCHANT,
            merchant.id,
            merchant.name,
            merchant.time_zone,
            merchant.homepage_url,
            merchant.sandbox,
            merchant.clock_offset,
            merchant.policy_version,
            merchant.paused_at,
            merchant.paused_reason,
            merchant.created_at,
        )
        if added is None:
            raise MerchantExistsError("A merchant of that id exists already.")

    async def find(self, merchant_id: MerchantId) -> Merchant | None:
        """Find a merchant."""
        row = await self._driver.fetchrow(FIND_MERCHANT, merchant_id)
        return None if row is None else merchant_from_row(row)

    async def get(self, merchant_id: MerchantId) -> Merchant:
        """Get a merchant.

        Raises:
            MerchantNotFoundError: there is none of that id.
        """
        merchant = await self.find(merchant_id)
        if merchant is None:
            raise MerchantNotFoundError("No merchant of that id exists.")
        return merchant

    async def list_(self, *, after: str = "", limit: int) -> list[Merchant]:
        """List merchants by id, those that come after `after`."""
        return [merchant_from_row(row) for row in await self._driver.fetch(LIST_MERCHANTS, after, limit)]

    async def lock(self, merchant_id: MerchantId) -> Merchant:
        """Lock a merchant's settings until the transaction ends, and get the merchant; orders go on meanwhile.

        Raises:
            MerchantNotFoundError: there is none of that id.
        """
        row = await self._driver.fetchrow(LOCK_MERCHANT, merchant_id)
        if row is None:
            raise MerchantNotFoundError("No merchant of that id exists.")
        return merchant_from_row(row)

    async def set_policy_version(self, merchant_id: MerchantId, version: int, *, replacing: int) -> None:
        """Make a saved version the current one.

        Raises:
            TransactionConflictError: `replacing` is not the current one; the merchant's lock prevents that.
        """
        if await self._driver.fetchval(SET_POLICY_VERSION, merchant_id, replacing, version) is None:
            raise TransactionConflictError("Somebody else changed the policy.")

    async def move_clock(self, merchant_id: MerchantId, offset: timedelta) -> bool:
        """Set what a sandbox's clock is ahead of real time; False for a real merchant, or when it would run back."""
        return await self._driver.fetchval(MOVE_CLOCK, merchant_id, offset) is not None


def merchant_from_row(row: Row) -> Merchant:
    """Make a merchant of MERCHANT_COLUMNS."""
    merchant_id, name, time_zone, homepage_url, sandbox, clock_offset, policy_version, *pause, created_at = row
    assert isinstance(created_at, datetime)
    paused_at, paused_reason = pause
    return Merchant(
        id=MerchantId(merchant_id),
        name=name,
        time_zone=time_zone,
        homepage_url=homepage_url,
        sandbox=sandbox,
        clock_offset=clock_offset,
        policy_version=policy_version,
        paused_at=paused_at,
        paused_reason=paused_reason,
        created_at=created_at,
    )
