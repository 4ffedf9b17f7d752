"""A batch update: one change to many invitations at once, chosen when it is accepted and done by a worker."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from invite_service.domain.decision import Reason, TraceEntry
from invite_service.domain.invitation import Invitation, InvitationStatus, InvitedProduct, Step
from invite_service.domain.listing import InvitationFilter

Chosen = InvitationFilter | Sequence[UUID]
"""How the invitations of a batch update are chosen: by a filter, or by their ids."""


class BatchAction(StrEnum):
    """What is done to each of the chosen invitations."""

    CANCEL = "cancel"
    ENABLE = "enable"
    RESCHEDULE = "reschedule"
    SEND_NOW = "send_now"
    REPLAN = "replan"
    """Open invitations are planned again under a new version of the policy."""
    UNDO = "undo"
    """What an earlier batch update changed is put back where it has not moved since."""


class BatchStatus(StrEnum):
    """How far a batch update is."""

    ACCEPTED = "accepted"
    """Its invitations are chosen; none is changed yet."""
    RUNNING = "running"
    FINISHED = "finished"


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchChange:
    """The change that is asked for."""

    action: BatchAction
    day: date | None = None
    """Reschedule: the day, in each invitation's own zone."""
    shift_days: int | None = None
    """Reschedule: how many days after its planned day each leaves instead; negative for earlier."""
    policy_version: int | None = None
    """Replan: the version to plan by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchUpdate:
    """A batch update and how far it is. Instants are on the merchant's clock."""

    id: UUID
    change: BatchChange
    chosen_by: Mapping[str, Any] = field(default_factory=dict)
    """What was asked for, as it was posted: the filter, or how many ids."""
    undo_of: UUID | None = None
    created_at: datetime
    created_by: str
    matched: int
    changed: int = 0
    skipped: Mapping[str, int] = field(default_factory=dict)
    """How many were left as they were, by reason."""
    is_started: bool = False
    finished_at: datetime | None = None

    @property
    def status(self) -> BatchStatus:
        """How far it is."""
        if self.finished_at is not None:
            return BatchStatus.FINISHED
        return BatchStatus.RUNNING if self.is_started else BatchStatus.ACCEPTED


@dataclass(frozen=True, slots=True)
class Alike:
    """Invitations that differ in nothing that decides what a batch update does to them, but in their own second.

    `example` is one of them, without products and orders. The lists are aligned.
    """

    example: Invitation
    ids: Sequence[UUID]
    spread_order_ids: Sequence[str]
    send_ats: Sequence[datetime]


@dataclass(frozen=True, slots=True)
class AlikeChange:
    """What becomes of invitations that are alike; the lists are aligned."""

    after: Invitation
    """The example as it becomes: what they have in common."""
    ids: Sequence[UUID]
    send_ats: Sequence[datetime]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanBefore:
    """What a batch update found of an invitation that it changed, as far as an undo puts it back."""

    status: InvitationStatus
    steps: tuple[Step, ...]
    next_step: Step | None
    policy_version: int
    send_at: datetime
    moved_by_merchant: bool
    send_now: bool
    rescheduled_to: date | None
    products: tuple[InvitedProduct, ...] = ()
    """Those that were taken out, as they were."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchEffect:
    """What a batch update did to one invitation."""

    invitation_id: UUID
    action: BatchAction
    before: PlanBefore
    status: InvitationStatus
    """What it became."""
    send_at: datetime
    next_attempt_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderEffect:
    """What a batch update found of an order that waited, and what it left it as."""

    order_id: str
    reason: Reason
    """Why it waited."""
    trace: tuple[TraceEntry, ...]
    """How that had been decided."""
    version: int
    """The order's, once it was decided."""
    invitation_id: UUID | None
    """The one it got, or joined."""
    send_at: datetime | None
    """What the invitation that it got was planned for; None where it got none."""
