"""Notices on the wire."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Self
from uuid import UUID

from invite_service.api.schemas.fields import Answer, Money
from invite_service.api.schemas.paging import PageParameters, write_cursors
from invite_service.domain.invitation import Channel
from invite_service.domain.message import Notice
from invite_service.domain.notice import NoticeAction, NoticeRecord, NoticeStatus
from invite_service.rules.notices import ALLOWED
from invite_service.services.paging import Page, PageRequest


class NoticeListParameters(PageParameters):
    """Which page of which notices is wanted."""

    sort: Literal["created_at", "-created_at"] = "-created_at"
    """A minus: latest first."""
    status: NoticeStatus | None = None

    def to_page(self) -> PageRequest:
        """Translate to the page wanted; raises InvalidInputError for a cursor that is none of this list."""
        return self.page(ascending=not self.sort.startswith("-"))


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeResponse(Answer):
    """A message that follows a customer's answer. Instants but created_at are real time."""

    id: UUID
    notice: Notice
    channel: Channel
    invitation_id: UUID
    """Its timeline tells what happened to the notice."""
    rating_id: UUID
    status: NoticeStatus
    reason: str | None
    """Why it is so: the provider's word, or ours. A pause or a limit that keeps it back leaves none."""
    tries: int
    """Those after which it provably had not left."""
    created_at: datetime
    """On the merchant's clock."""
    next_attempt_at: datetime | None
    started_at: datetime | None
    """When the last call began; null while it waits."""
    ended_at: datetime | None
    provider: str | None
    """Of the last call, as are message_id and provider_message_id."""
    message_id: str | None
    provider_message_id: str | None
    price: Money | None
    """What the provider takes for it."""
    currency: str | None
    allowed_actions: Sequence[NoticeAction]
    """What an operator may do about it; what there is to write may still refuse a retry."""

    @classmethod
    def of(cls, record: NoticeRecord) -> Self:
        """Shape a notice of the domain."""
        notice, price = record.notice, record.price
        return cls(
            id=notice.id,
            notice=notice.notice,
            channel=notice.channel,
            invitation_id=notice.invitation_id,
            rating_id=notice.rating_id,
            status=notice.status,
            reason=notice.reason,
            tries=notice.tries,
            created_at=notice.created_at,
            next_attempt_at=notice.next_attempt_at,
            started_at=record.started_at,
            ended_at=record.ended_at,
            provider=record.provider,
            message_id=record.message_id,
            provider_message_id=record.provider_message_id,
            price=price.amount if price is not None else None,
            currency=price.currency if price is not None else None,
            allowed_actions=ALLOWED.get(notice.status, ()),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeListResponse(Answer):
    """A page of notices."""

    items: Sequence[NoticeResponse]
    next_cursor: str | None
    """Null on the last page."""
    prev_cursor: str | None
    """Null on the first page."""

    @classmethod
    def of(cls, page: Page[NoticeRecord], asked: NoticeListParameters) -> Self:
        """Shape a page, with cursors beside its last and its first item."""
        next_cursor, prev_cursor = write_cursors(
            page, lambda item: (item.notice.created_at, str(item.notice.id)), listing=asked.listing()
        )
        return cls(
            items=[NoticeResponse.of(item) for item in page.items], next_cursor=next_cursor, prev_cursor=prev_cursor
        )
