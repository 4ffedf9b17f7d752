"""How notices end, and what the timeline says of it."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final
from uuid import UUID

from invite_service.domain.channel import Price
from invite_service.domain.merchant import Merchant, MerchantId
from invite_service.domain.notice import NoticeStatus, QueuedNotice
from invite_service.domain.receipt import OutcomeWord, Receipt
from invite_service.domain.timeline import TimelineEntry, TimelineEvent
from invite_service.services.conclusions import PROVIDER, WORKER
from invite_service.storage.stores import Stores

_EVENTS: Final[Mapping[NoticeStatus, TimelineEvent]] = {
    NoticeStatus.SENT: TimelineEvent.NOTICE_SENT,
    NoticeStatus.SKIPPED: TimelineEvent.NOTICE_SKIPPED,
    NoticeStatus.FAILED: TimelineEvent.NOTICE_FAILED,
    NoticeStatus.IN_DOUBT: TimelineEvent.NOTICE_IN_DOUBT,
}
"""What the timeline says of a notice that has ended."""

ENDS: Final[Mapping[OutcomeWord, NoticeStatus]] = {
    OutcomeWord.ACCEPTED: NoticeStatus.SENT,
    OutcomeWord.REJECTED: NoticeStatus.FAILED,
    OutcomeWord.UNKNOWN: NoticeStatus.IN_DOUBT,
}
"""The answers that end a notice; after any other it waits."""


def ended(notice: QueuedNotice, status: NoticeStatus, *, reason: str) -> QueuedNotice:
    """Give a notice as it has ended."""
    return replace(notice, status=status, reason=reason, next_attempt_at=None)


async def record_end(
    stores: Stores,
    merchant: Merchant,
    notice: QueuedNotice,
    *,
    token: UUID,
    real_now: datetime,
    receipt: Receipt | None = None,
    price: Price | None = None,
) -> bool:
    """Write what became of a notice that was leased or is in doubt; False where it is in others' hands."""
    is_ours = await stores.notices.finish(
        merchant.id, notice, token=token, real_now=real_now, receipt=receipt, price=price
    )
    if is_ours:
        await tell(stores, merchant.id, [notice], at=merchant.now(real_now))
    return is_ours


async def end_notice_doubt(
    stores: Stores, merchant: Merchant, notice_id: UUID, *, reason: str, now: datetime, actor: str = PROVIDER
) -> bool:
    """Settle a notice as sent, since its provider has it, or an operator says so; False where it is in no doubt."""
    settled = await stores.notices.end_doubt(merchant.id, notice_id, reason=reason)
    if settled is None:
        return False
    await tell(stores, merchant.id, [settled], actor=actor, at=now)
    return True


async def tell(
    stores: Stores, merchant_id: MerchantId, notices: Iterable[QueuedNotice], *, at: datetime, actor: str = WORKER
) -> None:
    """Write into the timeline what became of those that have ended; of those that wait again it says nothing."""
    entries = [
        entry_of(notice, _EVENTS[notice.status], at=at, actor=actor) for notice in notices if notice.status in _EVENTS
    ]
    await stores.timeline.add(merchant_id, entries)


def entry_of(notice: QueuedNotice, event: TimelineEvent, *, at: datetime, actor: str) -> TimelineEntry:
    """Write an entry of the timeline about a notice."""
    return TimelineEntry(
        at=at,
        actor=actor,
        event=event,
        invitation_id=notice.invitation_id,
        reason=notice.reason,
        data={"notice": notice.notice.value, "notice_id": str(notice.id), "rating_id": str(notice.rating_id)},
    )
