"""A merchant's own timeline: what was done to its settings, channels and suppressions, by whom and why."""

from invite_service.domain.merchant import Merchant
from invite_service.domain.timeline import ListedEntry, TimelineFilter
from invite_service.services.paging import Page, PageRequest, page_of
from invite_service.storage.database import Database


class TimelineService:
    """Lists what is of no order and no invitation; what is stands with these."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list_(self, merchant: Merchant, chosen: TimelineFilter, *, page: PageRequest) -> Page[ListedEntry]:
        """List entries by when they happened, on the merchant's clock."""
        async with self._database.autocommit() as stores:
            found = await stores.timeline.list_of_merchant(merchant.id, chosen, part=page.to_slice())
        return page_of(found, page)
