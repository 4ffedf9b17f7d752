"""An invitation with everything that belongs to it, on the wire."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Self

from invite_service.api.schemas.fields import Answer, Money
from invite_service.api.schemas.invitation import AttemptResponse, InvitationResponse
from invite_service.api.schemas.order_state import OrderSummaryResponse
from invite_service.api.schemas.paging import VersionListParameters
from invite_service.api.schemas.timeline import TimelineEntryResponse
from invite_service.domain.invitation import InvitedProduct, Step
from invite_service.domain.listing import AttemptRecord
from invite_service.domain.policy import PolicySaving
from invite_service.domain.receipt import OutcomeWord
from invite_service.rules.messages import MessageState, PlannedMessage, messages_of
from invite_service.services.invitations import Action, InvitationDetail


@dataclass(frozen=True, slots=True, kw_only=True)
class InvitedProductResponse(Answer):
    """A product that the invitation asks about, or did."""

    id: str
    name: str | None
    """As an order told it last."""
    brought_by: tuple[str, ...]
    """Ids of the live orders that brought it; none are left once it was taken out."""
    asked: bool
    """Whether a message that left, or may have left, asked about it."""

    @classmethod
    def of(cls, product: InvitedProduct, name: str | None) -> Self:
        """Shape a product of the domain."""
        return cls(id=product.product_id, name=name, brought_by=product.brought_by, asked=product.asked)


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageResponse(Answer):
    """One message of the invitation, planned or sent. Instants are on the merchant's clock."""

    step: Step
    state: MessageState
    """planned, sending, in_doubt, sent, or not_sent where it will not be."""
    send_at: datetime | None
    """The plan of the next message; a second one is planned when the first has left."""
    sent_at: datetime | None
    outcomes: tuple[OutcomeWord | None, ...]
    """Of its tries, the first one first; null while a call lasts. All of each try stands in attempts."""
    provider: str | None
    """Of the last try, as are the following three."""
    provider_message_id: str | None
    price: Money | None
    """What the provider takes for it."""
    currency: str | None

    @classmethod
    def of(cls, message: PlannedMessage, attempts: Sequence[AttemptRecord]) -> Self:
        """Shape a message with its tries."""
        last = attempts[-1] if attempts else None
        return cls(
            step=message.step,
            state=message.state,
            send_at=message.send_at,
            sent_at=message.sent_at,
            outcomes=tuple([attempt.outcome for attempt in attempts]),
            provider=last.provider if last is not None else None,
            provider_message_id=last.provider_message_id if last is not None else None,
            price=last.price if last is not None else None,
            currency=last.currency if last is not None else None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyReferenceResponse(Answer):
    """A version of the policy, and how to read it."""

    version: int
    saved_at: datetime
    """On the merchant's clock."""
    saved_by: str
    """key: and the name of an API key, or operator."""
    link: str
    """The call that lists it; needs the scope policy:read."""

    @classmethod
    def of(cls, saving: PolicySaving) -> Self:
        """Shape a saving of a version."""
        cursor = VersionListParameters().cursor_after(saving.version + 1, created_at=saving.saved_at)
        link = f"/v1/policy/versions?limit=1&cursor={cursor}"
        return cls(version=saving.version, saved_at=saving.saved_at, saved_by=saving.saved_by, link=link)


@dataclass(kw_only=True)
class InvitationDetailResponse(InvitationResponse):
    """An invitation, the orders that joined it, what was sent, and what happened."""

    orders: tuple[OrderSummaryResponse, ...]
    product_details: tuple[InvitedProductResponse, ...]
    """Those in products, and those that were taken out."""
    messages: tuple[MessageResponse, ...]
    """One for each of steps."""
    attempts: tuple[AttemptResponse, ...]
    decided_by: PolicyReferenceResponse
    """The policy that its order was decided by."""
    planned_by: PolicyReferenceResponse
    """The policy whose window, days and steps hold for what is to come: a reschedule stores the current one."""
    timeline: tuple[TimelineEntryResponse, ...]
    allowed_actions: tuple[Action, ...]
    """What would not be refused now; retry and mark_sent need the scope invitations:operate."""

    @classmethod
    def of_detail(cls, detail: InvitationDetail) -> Self:
        """Shape what the service found."""
        invitation = InvitationResponse.of(detail.invitation)
        names, attempts = detail.product_names, detail.attempts
        return cls(
            **{field.name: getattr(invitation, field.name) for field in fields(invitation)},
            orders=tuple([OrderSummaryResponse.of(order) for order in detail.orders]),
            product_details=tuple(
                [
                    InvitedProductResponse.of(product, names.get(product.product_id))
                    for product in detail.invitation.products
                ]
            ),
            messages=tuple(
                [
                    MessageResponse.of(message, [attempt for attempt in attempts if attempt.step is message.step])
                    for message in messages_of(detail.invitation)
                ]
            ),
            attempts=tuple([AttemptResponse.of(attempt) for attempt in attempts]),
            decided_by=PolicyReferenceResponse.of(detail.policies.decided_by),
            planned_by=PolicyReferenceResponse.of(detail.policies.planned_by),
            timeline=tuple([TimelineEntryResponse.of(entry) for entry in detail.timeline]),
            allowed_actions=tuple(detail.allowed_actions),
        )
