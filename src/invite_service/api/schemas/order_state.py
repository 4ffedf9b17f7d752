"""Orders as they are known, on the wire."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Self
from uuid import UUID

from pydantic import BaseModel

from invite_service.api.schemas.decision import TraceEntryResponse
from invite_service.api.schemas.fields import PARAMETERS, Answer, Money
from invite_service.api.schemas.invitation import InvitationResponse
from invite_service.api.schemas.timeline import TimelineEntryResponse
from invite_service.domain.decision import Reason
from invite_service.domain.order import Order, OrderLine, OrderOutcome
from invite_service.services.orders import OrderDetail


class StoryParameters(BaseModel):
    """How an order's story is told."""

    model_config = PARAMETERS

    language: Literal["en", "nb"] | None = None
    """Else what Accept-Language prefers, else English."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderSummaryResponse(Answer):
    """An order in a list."""

    order_id: str
    status: str | None
    purchased_at: datetime
    received_at: datetime
    """When its first event was accepted."""
    outcome: OrderOutcome
    reason: Reason | None
    eligible_at: datetime | None
    on_hold: bool
    invitation_id: UUID | None

    @classmethod
    def of(cls, order: Order) -> Self:
        """Shape an order of the domain."""
        return cls(
            order_id=order.order_id,
            status=order.status,
            purchased_at=order.purchased_at,
            received_at=order.received_at,
            outcome=order.outcome,
            reason=order.reason,
            eligible_at=order.eligible_at,
            on_hold=order.on_hold,
            invitation_id=order.invitation_id,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerResponse(Answer):
    """Who bought, as far as the contacts could be read."""

    id: str | None
    email: str | None
    name: str | None
    phone: str | None
    email_fault: str | None
    """Why a posted e-mail address counts as absent."""
    phone_fault: str | None
    """Why a posted phone number counts as absent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderProductResponse(Answer):
    """One bought product."""

    id: str
    name: str | None
    url: str | None
    image_url: str | None
    brand: str | None
    sku: tuple[str, ...]
    gtin: str | None
    mpn: str | None
    category: str | None
    price: Money | None
    currency: str | None
    variant_id: str | None
    variant_name: str | None
    returned: bool

    @classmethod
    def of(cls, line: OrderLine) -> Self:
        """Shape a line of the domain."""
        return cls(
            id=line.id,
            name=line.name,
            url=line.url,
            image_url=line.image_url,
            brand=line.brand,
            sku=line.sku,
            gtin=line.gtin,
            mpn=line.mpn,
            category=line.category,
            price=line.price,
            currency=line.currency,
            variant_id=line.variant_id,
            variant_name=line.variant_name,
            returned=line.returned,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscountResponse(Answer):
    """A discount that the order used."""

    code: str | None
    description: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderResponse(Answer):
    """Everything that is known of an order, what was decided and why, and what happened."""

    order_id: str
    status: str | None
    updated_at: datetime | None
    purchased_at: datetime
    shipped_at: datetime | None
    delivered_at: datetime | None
    received_at: datetime
    customer: CustomerResponse
    language: str | None
    country: str | None
    time_zone: str | None
    consent: bool | None
    products: tuple[OrderProductResponse, ...]
    attributes: tuple[str, ...]
    discount: DiscountResponse
    on_hold: bool
    outcome: OrderOutcome
    reason: Reason | None
    eligible_at: datetime | None
    trace: tuple[TraceEntryResponse, ...]
    summary: str
    """What became of it and why, in one sentence of the language asked for."""
    story: tuple[str, ...]
    """The trace in plain words: a text for each of its entries, in their order."""
    invitation: InvitationResponse | None
    timeline: tuple[TimelineEntryResponse, ...]

    @classmethod
    def of(cls, detail: OrderDetail) -> Self:
        """Shape an order with what belongs to it."""
        order, invitation = detail.order, detail.invitation
        return cls(
            order_id=order.order_id,
            status=order.status,
            updated_at=order.updated_at,
            purchased_at=order.purchased_at,
            shipped_at=order.shipped_at,
            delivered_at=order.delivered_at,
            received_at=order.received_at,
            customer=CustomerResponse(
                id=order.customer_id,
                email=order.email,
                name=order.customer_name,
                phone=order.phone,
                email_fault=order.email_fault,
                phone_fault=order.phone_fault,
            ),
            language=order.language,
            country=order.country,
            time_zone=order.time_zone,
            consent=order.consent,
            products=tuple([OrderProductResponse.of(line) for line in order.lines]),
            attributes=order.attributes,
            discount=DiscountResponse(code=order.discount_code, description=order.discount_description),
            on_hold=order.on_hold,
            outcome=order.outcome,
            reason=order.reason,
            eligible_at=order.eligible_at,
            trace=tuple([TraceEntryResponse.of(entry) for entry in order.trace]),
            summary=detail.story.summary,
            story=detail.story.sentences,
            invitation=InvitationResponse.of(invitation) if invitation is not None else None,
            timeline=tuple([TimelineEntryResponse.of(entry) for entry in detail.timeline]),
        )
