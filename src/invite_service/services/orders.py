"""Looking at orders: what is known of them, what was decided and why."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from invite_service.domain.invitation import Invitation
from invite_service.domain.listing import OrderFilter
from invite_service.domain.merchant import Merchant
from invite_service.domain.order import Order
from invite_service.domain.timeline import TimelineEntry
from invite_service.rendering.stories import Story, tell_story
from invite_service.rendering.texts import FALLBACK_LANGUAGE
from invite_service.services.paging import Page, PageRequest, all_of, page_of
from invite_service.storage.choosing import Slice
from invite_service.storage.database import Database


@dataclass(frozen=True, slots=True)
class OrderDetail:
    """An order with the invitation it is part of, everything that happened to it, and its story."""

    order: Order
    invitation: Invitation | None
    timeline: Sequence[TimelineEntry]
    story: Story


class OrderService:
    """Reads a merchant's orders."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list_(self, merchant: Merchant, chosen: OrderFilter, *, page: PageRequest) -> Page[Order]:
        """List orders by when they were received, without lines and traces."""
        async with self._database.autocommit() as stores:
            found = await stores.listing.list_orders(merchant.id, chosen, part=page.to_slice())
        return page_of(found, page)

    async def export(
        self, merchant: Merchant, chosen: OrderFilter, *, ascending: bool = True
    ) -> AsyncIterator[Sequence[Order]]:
        """Go through all the orders that `list_` pages through, some at a time; no connection is held in between."""

        async def read(part: Slice) -> Sequence[Order]:
            async with self._database.autocommit() as stores:
                return await stores.listing.list_orders(merchant.id, chosen, part=part)

        async for items in all_of(read, lambda order: (order.received_at, order.order_id), ascending=ascending):
            yield items

    async def get(self, merchant: Merchant, order_id: str, *, language: str = FALLBACK_LANGUAGE) -> OrderDetail:
        """Get an order, its story told in one of the story languages.

        Raises:
            OrderNotFoundError: the merchant has none of that id.
        """
        async with self._database.autocommit() as stores:
            order = await stores.orders.get(merchant.id, order_id)
            timeline = await stores.timeline.list_of_order(merchant.id, order_id)
            invitation = None
            if order.invitation_id is not None:
                invitation = await stores.invitations.get(merchant.id, order.invitation_id)
        story = tell_story(order, invitation, language=language, zone=merchant.time_zone)
        return OrderDetail(order, invitation, timeline, story)
