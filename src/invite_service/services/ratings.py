"""Averages of a merchant's ratings, read from counters."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from invite_service.domain.feedback import PublishState
from invite_service.domain.merchant import MerchantId
from invite_service.rules.averages import StarCounts, total
from invite_service.storage.database import Database


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


class RatingService:
    """Reads what customers' ratings add up to."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def summary(self, merchant_id: MerchantId, *, product_ids: Collection[str] | None = None) -> RatingSummary:
        """Sum up all ratings; `product_ids` narrows the product part to these, unknown ones counting nothing."""
        async with self._database.autocommit() as stores:
            found = await stores.ratings.find_totals(merchant_id, {None, *(product_ids or ())})
            whole = None if product_ids is not None else await stores.ratings.find_product_total(merchant_id)
        service = _standing([found.pop(None, {})])
        return RatingSummary(product=_standing(found.values() if whole is None else [whole]), service=service)


def _standing(counters: Collection[Mapping[PublishState, StarCounts]]) -> Standing:
    return Standing(
        published=_sum(counters, (PublishState.PUBLISHED,)),
        pending=_sum(counters, (PublishState.PENDING, PublishState.NEEDS_ATTENTION)),
    )


def _sum(counters: Collection[Mapping[PublishState, StarCounts]], states: Collection[PublishState]) -> StarCounts:
    return total(counter[state] for counter in counters for state in states if state in counter)
