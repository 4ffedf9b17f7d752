"""Google's product-review feed: every published review of a product that has an address."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from invite_service.domain.merchant import Merchant, MerchantId
from invite_service.domain.product_feed import FeedReview
from invite_service.services.paging import CHUNK
from invite_service.storage.database import Database
from invite_service.storage.product_feed import FeedPlace

_BEGINNING: Final = FeedPlace(datetime(1970, 1, 1, tzinfo=UTC), UUID(int=0))
"""Before every rating."""


class ProductFeedService:
    """Reads what the feed tells."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def merchant(self, merchant_id: MerchantId) -> Merchant:
        """Get whose reviews they are.

        Raises:
            MerchantNotFoundError: there is none of that id.
        """
        async with self._database.autocommit(by_key=True) as stores:
            return await stores.merchants.get(merchant_id)

    async def read(self, merchant_id: MerchantId) -> AsyncIterator[Sequence[FeedReview]]:
        """Go through the published reviews of a merchant's products, the oldest first, some at a time.

        No connection is kept between two parts: whoever reads slowly keeps nobody else waiting.
        """
        beyond: FeedPlace | None = _BEGINNING
        while beyond is not None:
            async with self._database.autocommit(by_key=True) as stores:
                reviews, beyond = await stores.product_feed.read(merchant_id, beyond, limit=CHUNK)
            yield reviews
