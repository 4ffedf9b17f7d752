"""An invitation with everything that belongs to it, on the wire."""

from dataclasses import dataclass, fields
from typing import Self

from invite_service.api.schemas.invitation import AttemptResponse, InvitationResponse
from invite_service.api.schemas.order_state import OrderSummaryResponse
from invite_service.api.schemas.timeline import TimelineEntryResponse
from invite_service.services.invitations import Action, InvitationDetail


@dataclass(frozen=True, slots=True, kw_only=True)
class InvitationDetailResponse(InvitationResponse):
    """An invitation, the orders that joined it, what was sent, and what happened."""

    orders: tuple[OrderSummaryResponse, ...]
    attempts: tuple[AttemptResponse, ...]
    timeline: tuple[TimelineEntryResponse, ...]
    allowed_actions: tuple[Action, ...]
    """What its state allows; retry and mark_sent need the scope invitations:operate."""

    @classmethod
    def of_detail(cls, detail: InvitationDetail) -> Self:
        """Shape what the service found."""
        invitation = InvitationResponse.of(detail.invitation)
        return cls(
            **{field.name: getattr(invitation, field.name) for field in fields(invitation)},
            orders=tuple([OrderSummaryResponse.of(order) for order in detail.orders]),
            attempts=tuple([AttemptResponse.of(attempt) for attempt in detail.attempts]),
            timeline=tuple([TimelineEntryResponse.of(entry) for entry in detail.timeline]),
            allowed_actions=tuple(detail.allowed_actions),
        )
