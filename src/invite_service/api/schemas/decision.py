"""What became of posted orders, as it stands on the wire."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Self
from uuid import UUID

from invite_service.api.schemas.fields import Answer
from invite_service.api.schemas.invitation import InvitationResponse
from invite_service.api.schemas.problem import ProblemResponse
from invite_service.domain.decision import JsonFigure, Reason, TraceEntry, TraceOutcome
from invite_service.domain.invitation import Invitation
from invite_service.domain.order import Order, OrderOutcome


@dataclass
class TraceEntryResponse(Answer):
    """One rule that was looked at, with the figures that were compared."""

    rule: str
    outcome: TraceOutcome
    reason: str | None
    data: Mapping[str, JsonFigure]

    @classmethod
    def of(cls, entry: TraceEntry) -> Self:
        """Shape an entry of the domain."""
        return cls(entry.rule, entry.outcome, entry.reason, entry.data)


@dataclass(kw_only=True)
class DecisionResponse(Answer):
    """What became of an order, and every rule that was looked at on the way there."""

    order_id: str
    outcome: OrderOutcome
    reason: Reason | None
    eligible_at: datetime | None
    """From when on a purchase would be allowed again; this order stays blocked."""
    invitation: InvitationResponse | None
    """The invitation that it brought about, or that it was merged into."""
    trace: tuple[TraceEntryResponse, ...]

    @classmethod
    def of(cls, order: Order, invitation: Invitation | None) -> Self:
        """Shape a decided order and its invitation."""
        return cls(
            order_id=order.order_id,
            outcome=order.outcome,
            reason=order.reason,
            eligible_at=order.eligible_at,
            invitation=InvitationResponse.of(invitation) if invitation is not None else None,
            trace=tuple([TraceEntryResponse.of(entry) for entry in order.trace]),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchResultResponse(Answer):
    """What became of one order event of a batch."""

    index: int
    order_id: str | None
    """Null when the event was refused and has no usable id."""
    outcome: OrderOutcome | None
    reason: Reason | None
    invitation_id: UUID | None
    problem: ProblemResponse | None
    """Why the event was refused; the others went through all the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchResponse(Answer):
    """What became of a batch."""

    results: tuple[BatchResultResponse, ...]
    """One for each event, in the order they were posted."""
    counts: Mapping[str, int]
    """Events by outcome, and those that were refused; they add up to the events posted."""
