"""What a hosted page shows of an invitation, besides its ratings, and what was done there."""

from datetime import datetime
from typing import Final
from uuid import UUID

from invite_service.domain.invitation import Step
from invite_service.domain.merchant import MerchantId
from invite_service.domain.timeline import TimelineEvent
from invite_service.storage.driver import Driver
from invite_service.storage.sending import ProductCard

LIST_CARDS: Final = """
SELECT p.product_id, products.name, products.url, products.image_url
FROM invitation_products AS p
JOIN products ON products.merchant_id = $1 AND products.product_id = p.product_id
WHERE p.merchant_id = $1 AND p.invitation_id = $2
ORDER BY p.position
"""

FIND_LAST_EVENTS: Final = """
SELECT event, max(at)
FROM timeline_entries
WHERE merchant_id = $1 AND invitation_id = $2
    AND (event IN ('delivery_confirmed', 'not_received') OR event = 'page_viewed' AND data ->> 'step' = $3)
GROUP BY event
"""


class PageStore:
    """A merchant's hosted pages."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    async def list_cards(self, merchant_id: MerchantId, invitation_id: UUID) -> list[ProductCard]:
        """List what is shown of the products an invitation has or had, in the order they joined."""
        return [ProductCard(*row) for row in await self._driver.fetch(LIST_CARDS, merchant_id, invitation_id)]

    async def find_last_events(
        self, merchant_id: MerchantId, invitation_id: UUID, step: Step
    ) -> dict[TimelineEvent, datetime]:
        """Find when delivery was last confirmed or reported missing, and the page of a step last viewed."""
        rows = await self._driver.fetch(FIND_LAST_EVENTS, merchant_id, invitation_id, step)
        return {TimelineEvent(event): at for event, at in rows}
