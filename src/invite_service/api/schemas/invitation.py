"""Invitations as they stand on the wire, and what a merchant may ask to be done to one."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Self
from uuid import UUID

from pydantic import BaseModel, TypeAdapter

from invite_service.api.schemas.fields import STRICT, Answer, Day, Money
from invite_service.domain.invitation import Channel, Invitation, InvitationStatus, Kind, Step
from invite_service.domain.listing import AttemptRecord, InvitationSummary
from invite_service.domain.provider_event import EventKind
from invite_service.domain.receipt import OutcomeWord


@dataclass(kw_only=True)
class InvitationResponse(Answer):
    """One planned request to one customer. Instants are on the merchant's clock."""

    id: UUID
    kind: Kind
    channel: Channel
    language: str
    status: InvitationStatus
    steps: tuple[Step, ...]
    next_step: Step | None
    send_at: datetime
    """The plan of the next message, or of the last one."""
    products: tuple[str, ...]
    """Ids of the products it asks about now."""
    order_ids: tuple[str, ...]
    """Every order that ever joined, the one that was invited first."""
    created_at: datetime
    first_sent_at: datetime | None
    last_sent_at: datetime | None
    message_count: int
    """Messages that left."""
    ended_reason: str | None
    contact: str | None
    """The e-mail address or phone number it goes to; null once erased."""
    customer_name: str | None
    time_zone: str
    """IANA name of the zone its send window is read in."""
    policy_version: int
    held_at: datetime | None
    """Since when one of its orders is on hold."""
    send_now: bool
    rescheduled_to: date | None

    @classmethod
    def of(cls, invitation: Invitation) -> Self:
        """Shape an invitation of the domain."""
        return cls(
            id=invitation.id,
            kind=invitation.kind,
            channel=invitation.channel,
            language=invitation.language,
            status=invitation.status,
            steps=invitation.steps,
            next_step=invitation.next_step,
            send_at=invitation.send_at,
            products=invitation.product_ids,
            order_ids=invitation.order_ids,
            created_at=invitation.created_at,
            first_sent_at=invitation.first_sent_at,
            last_sent_at=invitation.last_sent_at,
            message_count=invitation.message_count,
            ended_reason=invitation.ended_reason,
            contact=invitation.contact or None,
            customer_name=invitation.customer_name,
            time_zone=invitation.time_zone,
            policy_version=invitation.policy_version,
            held_at=invitation.held_at,
            send_now=invitation.send_now,
            rescheduled_to=invitation.rescheduled_to,
        )

    @classmethod
    def of_summary(cls, summary: InvitationSummary) -> Self:
        """Shape an invitation of a list, whose fields are these."""
        return cls(**summary._asdict())


class RescheduleRequest(BaseModel):
    """The day to which an invitation is moved."""

    model_config = STRICT

    date: Day
    """A day in the invitation's zone, today or later; send_days do not apply to it."""


RESCHEDULE = TypeAdapter(RescheduleRequest)
"""Validates a move."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptResponse(Answer):
    """One try to hand a message over to a provider."""

    id: UUID
    step: Step
    channel: Channel
    language: str
    provider: str
    products: tuple[str, ...]
    """Ids of the products it asks about."""
    asked_at: datetime
    """On the merchant's clock: when the customer was, or may have been, written to."""
    started_at: datetime
    """Real time."""
    ended_at: datetime | None
    """Real time; null while the call lasts."""
    outcome: OutcomeWord | None
    reason: str | None
    message_id: str
    provider_message_id: str | None
    price: Money | None
    currency: str | None
    delivery: EventKind | None
    """What the provider told last of the message; null while it has told nothing."""
    delivery_at: datetime | None
    """When that happened, real time."""

    @classmethod
    def of(cls, attempt: AttemptRecord) -> Self:
        """Shape an attempt of the domain."""
        return cls(
            id=attempt.id,
            step=attempt.step,
            channel=attempt.channel,
            language=attempt.language,
            provider=attempt.provider,
            products=attempt.product_ids,
            asked_at=attempt.asked_at,
            started_at=attempt.started_at,
            ended_at=attempt.ended_at,
            outcome=attempt.outcome,
            reason=attempt.reason,
            message_id=attempt.message_id,
            provider_message_id=attempt.provider_message_id,
            price=attempt.price,
            currency=attempt.currency,
            delivery=attempt.delivery,
            delivery_at=attempt.delivery_at,
        )
