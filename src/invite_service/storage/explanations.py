"""What explains an invitation besides its own rows: names of its products, and who saved the policies it follows."""

from collections.abc import Sequence
from typing import Final

from invite_service.domain.invitation import Invitation
from invite_service.domain.merchant import MerchantId
from invite_service.domain.policy import FollowedPolicies, PolicySaving
from invite_service.storage.driver import Driver

LIST_PRODUCT_NAMES: Final = """
SELECT product_id, name FROM products WHERE merchant_id = $1 AND product_id = ANY($2::text[]) AND name IS NOT NULL
"""

# The version that decided is the invitation's own unless that was saved later: a reschedule or a new plan stores the
# current one. Then it is the newest that had been saved when the invitation was made.
LIST_SAVINGS: Final = """
SELECT version, created_at, created_by
FROM policies
WHERE merchant_id = $1 AND version = $2
UNION ALL
(
    SELECT version, created_at, created_by
    FROM policies
    WHERE merchant_id = $1 AND version < $2 AND created_at <= $3
    ORDER BY version DESC
    LIMIT 1
)
"""


class ExplanationStore:
    """What is told of a merchant's invitations."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    async def find_product_names(self, merchant_id: MerchantId, product_ids: Sequence[str]) -> dict[str, str]:
        """Find the newest names of products; those that nobody named are left out."""
        rows = await self._driver.fetch(LIST_PRODUCT_NAMES, merchant_id, product_ids)
        return {row["product_id"]: row["name"] for row in rows}

    async def get_policies(self, merchant_id: MerchantId, invitation: Invitation) -> FollowedPolicies:
        """Get what is known of the policies that an invitation follows."""
        rows = await self._driver.fetch(LIST_SAVINGS, merchant_id, invitation.policy_version, invitation.created_at)
        planned_by, *earlier = sorted((PolicySaving(*row) for row in rows), key=lambda one: -one.version)
        is_later = planned_by.saved_at > invitation.created_at
        return FollowedPolicies(decided_by=earlier[0] if is_later and earlier else planned_by, planned_by=planned_by)
