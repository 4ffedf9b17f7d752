"""What lists hold, and how their items are chosen."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final, NamedTuple
from uuid import UUID

from invite_service.domain.decision import Reason
from invite_service.domain.invitation import Channel, InvitationStatus, Kind, Step
from invite_service.domain.order import OrderOutcome
from invite_service.domain.provider_event import EventKind
from invite_service.domain.receipt import OutcomeWord


class InvitationSorting(StrEnum):
    """The instants that invitations can be sorted by."""

    SEND_AT = "send_at"
    CREATED_AT = "created_at"


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A half-open span of time, either end of which may be missing."""

    start: datetime | None = None
    end: datetime | None = None


ALWAYS: Final = Span()
"""No limits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InvitationFilter:
    """Which invitations a list holds; what is left out filters nothing."""

    statuses: Sequence[InvitationStatus] = ()
    kind: Kind | None = None
    channel: Channel | None = None
    product_id: str | None = None
    order_id: str | None = None
    contact: str | None = None
    """A normalised contact."""
    created: Span = ALWAYS
    sends: Sequence[Span] = ()
    """All of these spans apply."""


class InvitationSummary(NamedTuple):
    """An invitation in a list, with the words that stand for its kind, channel, status and steps.

    A tuple because lists are long, and a row becomes one at a tenth of what an Invitation costs.
    """

    id: UUID
    kind: str
    channel: str
    language: str
    status: str
    steps: Sequence[str]
    next_step: str | None
    send_at: datetime
    products: Sequence[str]
    """Ids of the products it asks about now."""
    order_ids: Sequence[str]
    created_at: datetime
    first_sent_at: datetime | None
    last_sent_at: datetime | None
    message_count: int
    ended_reason: str | None
    contact: str | None
    """None once erased."""
    customer_name: str | None
    time_zone: str
    policy_version: int
    held_at: datetime | None
    send_now: bool
    rescheduled_to: date | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderFilter:
    """Which orders a list holds; what is left out filters nothing."""

    received: Span = ALWAYS
    outcome: OrderOutcome | None = None
    reason: Reason | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptRecord:
    """One try to hand a message over, as it went."""

    id: UUID
    step: Step
    channel: Channel
    language: str
    provider: str
    product_ids: tuple[str, ...]
    asked_at: datetime
    """On the merchant's clock."""
    started_at: datetime
    """Real time, as is ended_at."""
    ended_at: datetime | None
    outcome: OutcomeWord | None
    """None while the call lasts."""
    reason: str | None
    message_id: str
    provider_message_id: str | None
    price: Decimal | None
    currency: str | None
    delivery: EventKind | None
    """The latest news from the provider; None while there are none."""
    delivery_at: datetime | None
    """When it happened, real time."""
