"""What anybody may read of a merchant's reviews."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from invite_service.domain.branding import Branding
from invite_service.domain.merchant import MerchantId
from invite_service.domain.public_review import (
    ProductFacts,
    PublicFilter,
    PublicReview,
    ReviewPlace,
    ReviewSorting,
)
from invite_service.rules.averages import PublicStanding
from invite_service.services.paging import Page, PageRequest, page_of
from invite_service.storage.database import Database
from invite_service.storage.public_reviews import ReviewSlice


class PublicReviewService:
    """Reads what is published. What tells a standing raises MerchantNotFoundError where there is no such merchant.

    Whoever answers from a standing and a list of two looks asks for the standing first: then its version is never newer
    than what goes with it.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def standing(self, merchant_id: MerchantId, product_id: str | None) -> PublicStanding:
        """Tell how a product, or the service where it is None, stands."""
        return (await self.standings(merchant_id, [product_id]))[product_id]

    async def standings(
        self, merchant_id: MerchantId, product_ids: Sequence[str | None]
    ) -> Mapping[str | None, PublicStanding]:
        """Tell how some products stand, at least one; of what nobody rated the counts are zero."""
        async with self._database.autocommit(by_key=True) as stores:
            return await stores.public_reviews.find_standings(merchant_id, product_ids)

    async def product(self, merchant_id: MerchantId, product_id: str) -> ProductFacts:
        """Tell what is known of a product.

        Raises:
            ProductNotFoundError: no order told of one of that id.
        """
        async with self._database.autocommit(by_key=True) as stores:
            return await stores.public_products.get(merchant_id, product_id)

    async def branding(self, merchant_id: MerchantId) -> Branding:
        """Get the branding of a merchant, or the defaults."""
        async with self._database.autocommit(by_key=True) as stores:
            return await stores.branding.get(merchant_id)

    async def list_(
        self,
        merchant_id: MerchantId,
        product_id: str | None,
        chosen: PublicFilter,
        *,
        sorting: ReviewSorting,
        page: PageRequest,
    ) -> Page[PublicReview]:
        """List what is published of a product, or of the service where it is None."""
        part = _slice_of(sorting, page)
        async with self._database.autocommit(by_key=True) as stores:
            return page_of(await stores.public_reviews.list_(merchant_id, product_id, chosen, part=part), page)

    async def list_with_standing(
        self,
        merchant_id: MerchantId,
        product_id: str | None,
        chosen: PublicFilter,
        *,
        sorting: ReviewSorting,
        page: PageRequest,
    ) -> tuple[PublicStanding, Page[PublicReview]]:
        """List what is published, and tell how that stands at the same moment."""
        part = _slice_of(sorting, page)
        async with self._database.autocommit(by_key=True) as stores:
            standing, found = await stores.public_reviews.list_with_standing(merchant_id, product_id, chosen, part=part)
        return standing, page_of(found, page)


def _slice_of(sorting: ReviewSorting, page: PageRequest) -> ReviewSlice:
    place = page.place
    return ReviewSlice(
        sorting=sorting,
        limit=page.limit + 1,
        beyond=ReviewPlace(place.rank, place.at, UUID(str(place.id))) if place is not None else None,
        is_backwards=place is not None and place.backwards,
    )
