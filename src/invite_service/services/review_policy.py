"""A merchant's public review policy, put together from its settings and from counters."""

from dataclasses import dataclass

from invite_service.domain.branding import Branding
from invite_service.domain.feedback import RatedKind
from invite_service.domain.merchant import Merchant, MerchantId
from invite_service.rules.draw import is_drawn
from invite_service.rules.review_policy import ReviewPolicy
from invite_service.services.policy_versions import PolicyVersions
from invite_service.storage.database import Database


@dataclass(frozen=True, slots=True)
class ReviewPolicyView:
    """A review policy, whose it is, and how the merchant's pages look."""

    merchant: Merchant
    branding: Branding
    policy: ReviewPolicy


class ReviewPolicyService:
    """Tells how reviews are collected and checked."""

    def __init__(self, database: Database, *, policies: PolicyVersions) -> None:
        self._database = database
        self._policies = policies

    async def get(self, merchant_id: MerchantId) -> ReviewPolicyView:
        """Get a merchant's review policy.

        Raises:
            MerchantNotFoundError: there is no such merchant.
        """
        async with self._database.autocommit(by_key=True) as stores:
            merchant = await stores.merchants.get(merchant_id)
            invitations = await self._policies.get(stores, merchant_id, [merchant.policy_version])
            service_stars, product_stars = await stores.totals.find_service_and_products(merchant_id)
            service_texts, product_texts = await stores.totals.find_texts(merchant_id)
            policy = ReviewPolicy(
                settings=await stores.publishing.get(merchant_id),
                is_drawn=is_drawn(invitations[merchant.policy_version].service_percent),
                gives_vouchers=await stores.notices.has_voucher(merchant_id),
                stars={RatedKind.PRODUCT: product_stars, RatedKind.SERVICE: service_stars},
                texts={RatedKind.PRODUCT: product_texts, RatedKind.SERVICE: service_texts},
                rejected=await stores.ratings.count_rejected(merchant_id),
            )
            return ReviewPolicyView(merchant, await stores.branding.get(merchant_id), policy)
