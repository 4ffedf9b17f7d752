"""Webhooks on the wire."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import BaseModel, Field

from invite_service.api.schemas.fields import STRICT, Answer, SecureAddress, Text200
from invite_service.api.schemas.paging import PageParameters, write_cursors
from invite_service.domain.decision import JsonFigure
from invite_service.domain.webhook import DeliveryStatus, WebhookDelivery, WebhookEndpoint, WebhookKind
from invite_service.services.paging import Page, PageRequest
from invite_service.services.webhooks import NewEndpoint

KindName = Literal[
    "invitation.not_received",
    "rating.created",
    "rating.updated",
    "rating.published",
    "rating.held",
    "rating.rejected",
    "support_case.opened",
    "customer.unsubscribed",
    "channel.paused",
    "merchant.paused",
]


class WebhookEndpointRequest(BaseModel):
    """Where a system of yours listens."""

    model_config = STRICT

    url: SecureAddress
    """https, outside of the installation's own network; redirects are not followed."""
    events: Annotated[list[KindName], Field(max_length=len(WebhookKind))] = Field(default_factory=list)
    """What it is told; empty or left out: everything, also what is added later."""
    description: Text200 | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookEndpointResponse(Answer):
    """Where a system of yours listens."""

    id: UUID
    url: str
    events: Sequence[str]
    description: str | None
    created_at: datetime

    @classmethod
    def of(cls, endpoint: WebhookEndpoint) -> Self:
        """Shape an endpoint of the domain."""
        return cls(
            id=endpoint.id,
            url=endpoint.url,
            events=sorted(endpoint.kinds),
            description=endpoint.description,
            created_at=endpoint.created_at,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class NewWebhookEndpointResponse(WebhookEndpointResponse):
    """An endpoint with its secret."""

    secret: str
    """whsec_ and base64: the key that signs. Shown this once."""

    @classmethod
    def of_new(cls, new: NewEndpoint) -> Self:
        """Shape an endpoint and its secret."""
        endpoint = new.endpoint
        return cls(
            id=endpoint.id,
            url=endpoint.url,
            events=sorted(endpoint.kinds),
            description=endpoint.description,
            created_at=endpoint.created_at,
            secret=new.secret,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookEndpointListResponse(Answer):
    """All endpoints, the oldest first; a merchant has at most ten."""

    items: Sequence[WebhookEndpointResponse]
    next_cursor: None = None


class WebhookEventListParameters(PageParameters):
    """Which page of which events is wanted; the newest come first."""

    status: list[DeliveryStatus] = Field(default_factory=list)
    """Several may be given."""

    def to_page(self) -> PageRequest:
        """Translate to the page wanted; raises InvalidInputError for a cursor that is none of this list."""
        return self.page(ascending=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookEventResponse(Answer):
    """An event as one endpoint was or is to be told."""

    id: UUID
    """The `webhook-id` header."""
    type: WebhookKind
    at: datetime
    """On the merchant's clock."""
    data: Mapping[str, JsonFigure]
    status: DeliveryStatus
    tries: int
    next_attempt_at: datetime | None
    """Real time, as ended_at."""
    last_answer: str | None
    """The HTTP status of the last try, or why there was none."""
    ended_at: datetime | None

    @classmethod
    def of(cls, delivery: WebhookDelivery) -> Self:
        """Shape a delivery of the domain."""
        return cls(
            id=delivery.event.id,
            type=delivery.event.kind,
            at=delivery.event.at,
            data=delivery.event.data,
            status=delivery.status,
            tries=delivery.tries,
            next_attempt_at=delivery.next_attempt_at,
            last_answer=delivery.last_answer,
            ended_at=delivery.ended_at,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookEventListResponse(Answer):
    """A page of events."""

    items: Sequence[WebhookEventResponse]
    next_cursor: str | None
    """Null on the last page."""
    prev_cursor: str | None
    """Null on the first page."""

    @classmethod
    def of(cls, page: Page[WebhookDelivery], asked: WebhookEventListParameters) -> Self:
        """Shape a page, with cursors beside its last and its first item."""
        next_cursor, prev_cursor = write_cursors(
            page, lambda item: (item.event.at, str(item.event.id)), listing=asked.listing()
        )
        return cls(
            items=[WebhookEventResponse.of(item) for item in page.items],
            next_cursor=next_cursor,
            prev_cursor=prev_cursor,
        )
