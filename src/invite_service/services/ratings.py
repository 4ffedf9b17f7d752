"""A merchant's ratings: lists of them, and averages, read from counters where these are kept."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from invite_service.domain.feedback import PublishState, RatedKind, RatingFilter, ReviewVersion, ShownRating
from invite_service.domain.listing import ALWAYS, Span
from invite_service.domain.merchant import MerchantId
from invite_service.rules.averages import StarCounts, total
from invite_service.services.paging import Page, PageRequest, page_of
from invite_service.services.visits import CUSTOMER
from invite_service.storage.database import Database

MAX_VERSIONS: Final = 100
"""Versions of a rating that are told, the newest of them."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Stars by how they stand (RULES.md section 9); rejected ones are in neither."""

    published: StarCounts
    pending: StarCounts
    """Pending and needs_attention."""


@dataclass(frozen=True, slots=True)
class RatingSummary:
    """The stars of products, and of the service."""

    product: Standing
    service: Standing


@dataclass(frozen=True, slots=True)
class RatingHistory:
    """A rating, and what it said from when on: the oldest first, what it says now last."""

    shown: ShownRating
    versions: tuple[ReviewVersion, ...]


class RatingService:
    """Reads ratings, and what they add up to."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list_(self, merchant_id: MerchantId, chosen: RatingFilter, *, page: PageRequest) -> Page[ShownRating]:
        """List ratings by when they were first left."""
        async with self._database.autocommit() as stores:
            return page_of(await stores.ratings.list_shown(merchant_id, chosen, part=page.to_slice()), page)

    async def get(self, merchant_id: MerchantId, rating_id: UUID) -> ShownRating:
        """Get a rating.

        Raises:
            RatingNotFoundError: the merchant has none of that id.
        """
        async with self._database.autocommit() as stores:
            return await stores.ratings.get_shown(merchant_id, rating_id)

    async def get_history(self, merchant_id: MerchantId, rating_id: UUID) -> RatingHistory:
        """Get a rating, and what it said before; raises like `get`."""
        async with self._database.autocommit() as stores:
            shown = await stores.ratings.get_shown(merchant_id, rating_id)
            earlier = await stores.review_versions.list_newest(merchant_id, rating_id, limit=MAX_VERSIONS - 1)
        rating = shown.rating
        current = ReviewVersion(rating.stars, rating.review_text, rating.updated_at, CUSTOMER)
        return RatingHistory(shown, (*reversed(earlier), current))

    async def summary(
        self, merchant_id: MerchantId, *, product_ids: Collection[str] | None = None, created: Span = ALWAYS
    ) -> RatingSummary:
        """Sum up all ratings; `product_ids` narrows the product part to these, unknown ones counting nothing.

        `created` is when the stars were first left: for a period no counters are kept, so they are counted one by one.
        """
        if created != ALWAYS:
            return await self._count(merchant_id, product_ids=product_ids, created=created)
        async with self._database.autocommit() as stores:
            if product_ids is None:
                service, products = await stores.totals.find_service_and_products(merchant_id)
                return RatingSummary(product=_standing([products]), service=_standing([service]))
            found = await stores.totals.find_ratings(merchant_id, {None, *product_ids})
        return RatingSummary(service=_standing([found.pop(None, {})]), product=_standing(found.values()))

    async def _count(
        self, merchant_id: MerchantId, *, product_ids: Collection[str] | None, created: Span
    ) -> RatingSummary:
        wanted = {
            RatedKind.PRODUCT: RatingFilter(kind=RatedKind.PRODUCT, product_ids=product_ids, created=created),
            RatedKind.SERVICE: RatingFilter(kind=RatedKind.SERVICE, created=created),
        }
        async with self._database.autocommit() as stores:
            counted = {
                kind: (await stores.ratings.count_stars(merchant_id, chosen)).get(kind, {})
                for kind, chosen in wanted.items()
            }
        return RatingSummary(
            product=_standing([counted[RatedKind.PRODUCT]]), service=_standing([counted[RatedKind.SERVICE]])
        )


def _standing(counters: Collection[Mapping[PublishState, StarCounts]]) -> Standing:
    return Standing(
        published=_sum(counters, (PublishState.PUBLISHED,)),
        pending=_sum(counters, (PublishState.PENDING, PublishState.NEEDS_ATTENTION)),
    )


def _sum(counters: Collection[Mapping[PublishState, StarCounts]], states: Collection[PublishState]) -> StarCounts:
    return total(counter[state] for counter in counters for state in states if state in counter)
