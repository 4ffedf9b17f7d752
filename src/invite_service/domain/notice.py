"""Notices: messages that follow a customer's answer, queued with what they are about and sent once."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from invite_service.domain.channel import Price
from invite_service.domain.invitation import Channel
from invite_service.domain.message import Notice


class NoticeStatus(StrEnum):
    """What became of a notice."""

    WAITING = "waiting"
    SENDING = "sending"
    SENT = "sent"
    SKIPPED = "skipped"
    """It is not to be sent any more, or never was; the reason says why."""
    FAILED = "failed"
    IN_DOUBT = "in_doubt"
    """It may have left; it is not sent again before somebody says that it has not."""


class NoticeAction(StrEnum):
    """What an operator may do to a notice."""

    RETRY = "retry"
    MARK_SENT = "mark_sent"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewNotice:
    """A notice to be queued."""

    id: UUID
    notice: Notice
    invitation_id: UUID
    rating_id: UUID
    created_at: datetime
    """On the merchant's clock."""
    next_attempt_at: datetime
    """Real time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuedNotice:
    """A notice as stored; instants but `created_at` are real time."""

    id: UUID
    """Also its Message-ID's and its idempotency key, however often it is tried."""
    notice: Notice
    channel: Channel
    """The invitation's; the mail to support is one in any case."""
    invitation_id: UUID
    rating_id: UUID
    created_at: datetime
    """On the merchant's clock."""
    status: NoticeStatus = NoticeStatus.WAITING
    tries: int = 0
    next_attempt_at: datetime | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeRecord:
    """A notice, and how it went when it was last tried; instants are real time."""

    notice: QueuedNotice
    started_at: datetime | None
    """None while no call has begun."""
    ended_at: datetime | None
    provider: str | None
    message_id: str | None
    provider_message_id: str | None
    price: Price | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a merchant says to a review, in public; instants are on the merchant's clock."""

    rating_id: UUID
    text: str = field(repr=False)
    created_at: datetime
    created_by: str
    updated_at: datetime
