"""Notices as an operator sees them, and what an operator may do about one that has ended."""

from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from invite_service.domain.errors import ActionRefusedError
from invite_service.domain.merchant import Merchant
from invite_service.domain.notice import NoticeRecord, NoticeStatus
from invite_service.domain.timeline import TimelineEvent
from invite_service.rules.notices import MARKED_SENT, mark_notice_sent, retry_notice
from invite_service.services.accounts import AccountReader
from invite_service.services.notice_ends import end_notice_doubt, entry_of
from invite_service.services.notice_writing import NoticeWriter, Unwanted
from invite_service.services.paging import Page, PageRequest, page_of
from invite_service.storage.database import Database


class NoticeSettlingService:
    """Lists a merchant's notices, lets one be tried again, and settles one in doubt.

    Each action is written to the timeline of its invitation under its `actor`, and raises NoticeNotFoundError where the
    merchant has no notice of that id, ActionRefusedError with the reason where its state does not allow it. Doing what
    has been done already changes nothing.
    """

    def __init__(
        self, database: Database, *, writer: NoticeWriter, accounts: AccountReader, clock: Callable[[], datetime]
    ) -> None:
        """Make a service; `clock` tells real time."""
        self._database = database
        self._writer = writer
        self._accounts = accounts
        self._clock = clock

    async def list_(self, merchant: Merchant, *, status: NoticeStatus | None, page: PageRequest) -> Page[NoticeRecord]:
        """List notices by when they were queued; only those of a status where that is asked for."""
        async with self._database.autocommit() as stores:
            found = await stores.notices.list_(merchant.id, status=status, part=page.to_slice())
        return page_of(found, page)

    async def get(self, merchant: Merchant, notice_id: UUID) -> NoticeRecord:
        """Get a notice."""
        async with self._database.autocommit() as stores:
            return await stores.notices.get(merchant.id, notice_id)

    async def retry(self, merchant: Merchant, notice_id: UUID, *, actor: str) -> NoticeRecord:
        """Let a notice be tried again that is in doubt or has failed, where there is something to write still.

        It keeps its Message-ID and its key, so that where keys are honoured an error sends nothing twice.
        """
        real_now = self._clock()
        async with self._database.transaction() as stores:
            stored = await stores.notices.lock(merchant.id, notice_id)
            retried = retry_notice(stored, now=real_now)
            if retried != stored:
                account = await self._accounts.read(stores, merchant.id)
                draft = await self._writer.draft(stores, account, stored, real_now=real_now)
                if isinstance(draft, Unwanted):
                    raise ActionRefusedError(draft.reason, "It is not to be sent any more.")
                await stores.notices.retry(merchant.id, retried)
                at = merchant.now(real_now)
                entry = entry_of(stored, TimelineEvent.NOTICE_RETRIED, at=at, actor=actor)
                await stores.timeline.add(merchant.id, [entry])
            return await stores.notices.get(merchant.id, notice_id)

    async def mark_sent(self, merchant: Merchant, notice_id: UUID, *, actor: str) -> NoticeRecord:
        """Settle a notice in doubt as having left."""
        async with self._database.transaction() as stores:
            stored = await stores.notices.lock(merchant.id, notice_id)
            if mark_notice_sent(stored) != stored:
                now = merchant.now(self._clock())
                await end_notice_doubt(stores, merchant, notice_id, reason=MARKED_SENT, now=now, actor=actor)
            return await stores.notices.get(merchant.id, notice_id)
