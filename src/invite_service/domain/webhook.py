"""Webhooks: what merchants' systems are told, where, and what became of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from invite_service.domain.channel import SealedOptions
from invite_service.domain.decision import JsonFigure


class WebhookKind(StrEnum):
    """What a merchant's system may be told; each names ids and states, never a customer's contact or words."""

    INVITATION_NOT_RECEIVED = "invitation.not_received"
    """A customer says that not everything has arrived."""
    RATING_CREATED = "rating.created"
    RATING_UPDATED = "rating.updated"
    """The customer changed stars or words."""
    RATING_PUBLISHED = "rating.published"
    RATING_HELD = "rating.held"
    RATING_REJECTED = "rating.rejected"
    SUPPORT_CASE_OPENED = "support_case.opened"
    CUSTOMER_UNSUBSCRIBED = "customer.unsubscribed"
    CHANNEL_PAUSED = "channel.paused"
    MERCHANT_PAUSED = "merchant.paused"


class DeliveryStatus(StrEnum):
    """What became of telling one endpoint of one event."""

    WAITING = "waiting"
    SENDING = "sending"
    DELIVERED = "delivered"
    FAILED = "failed"
    """Every try was used up; it can be sent again by hand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookEndpoint:
    """Where a merchant's system listens; instants are real time."""

    id: UUID
    url: str
    kinds: frozenset[WebhookKind]
    """What it is told; empty for everything."""
    secret: SealedOptions
    """The key that signs, and beside it the one before as long as that still signs as well."""
    description: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookEvent:
    """Something that happened; `at` is on the merchant's clock."""

    id: UUID
    kind: WebhookKind
    at: datetime
    data: Mapping[str, JsonFigure] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookDelivery:
    """Telling one endpoint of one event; instants are real time."""

    event: WebhookEvent
    endpoint_id: UUID
    status: DeliveryStatus = DeliveryStatus.WAITING
    tries: int = 0
    next_attempt_at: datetime | None = None
    last_answer: str | None = None
    """The HTTP status of the last try, or why there was none."""
    ended_at: datetime | None = None
