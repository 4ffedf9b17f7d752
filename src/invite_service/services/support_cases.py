"""Support cases: which there are, following them up and closing them."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from invite_service.domain.errors import SupportCaseNotFoundError
from invite_service.domain.merchant import Merchant
from invite_service.domain.support import SupportCase
from invite_service.domain.timeline import TimelineEntry, TimelineEvent
from invite_service.services.paging import Page, PageRequest, page_of
from invite_service.storage.database import Database


class SupportCaseService:
    """Lists a merchant's support cases, and notes what was done about one. Doing it again changes nothing.

    Each action raises SupportCaseNotFoundError where the merchant has no case of that id.
    """

    def __init__(self, database: Database, *, clock: Callable[[], datetime]) -> None:
        """Make a service; `clock` tells real time."""
        self._database = database
        self._clock = clock

    async def list_(self, merchant: Merchant, *, is_open: bool | None, page: PageRequest) -> Page[SupportCase]:
        """List cases by when they were opened; only open or only closed ones where that is asked for."""
        async with self._database.autocommit() as stores:
            found = await stores.support_cases.list_(merchant.id, is_open=is_open, part=page.to_slice())
        return page_of(found, page)

    async def follow_up(self, merchant: Merchant, case_id: UUID, *, actor: str) -> SupportCase:
        """Note that somebody got in touch with the customer."""

        def follow_up(case: SupportCase, at: datetime) -> SupportCase:
            return case if case.followed_up_at is not None else replace(case, followed_up_at=at, followed_up_by=actor)

        return await self._change(
            merchant, case_id, follow_up, event=TimelineEvent.SUPPORT_CASE_FOLLOWED_UP, actor=actor
        )

    async def close(self, merchant: Merchant, case_id: UUID, *, actor: str) -> SupportCase:
        """Close a case; what it is about stands as it did."""

        def close(case: SupportCase, at: datetime) -> SupportCase:
            return case if case.closed_at is not None else replace(case, closed_at=at, closed_by=actor)

        return await self._change(merchant, case_id, close, event=TimelineEvent.SUPPORT_CASE_CLOSED, actor=actor)

    async def _change(
        self,
        merchant: Merchant,
        case_id: UUID,
        change: Callable[[SupportCase, datetime], SupportCase],
        *,
        event: TimelineEvent,
        actor: str,
    ) -> SupportCase:
        async with self._database.transaction() as stores:
            stored = await stores.support_cases.lock(merchant.id, case_id)
            if stored is None:
                raise SupportCaseNotFoundError("No support case of that id exists.")
            at = merchant.now(self._clock())
            changed = change(stored, at)
            if changed == stored:
                return stored
            await stores.support_cases.save(merchant.id, changed)
            rating = await stores.ratings.get(merchant.id, stored.rating_id)
            entry = TimelineEntry(
                at=at,
                actor=actor,
                event=event,
                invitation_id=rating.invitation_id,
                data={"rating_id": str(rating.id), "support_case_id": str(case_id)},
            )
            await stores.timeline.add(merchant.id, [entry])
        return changed
