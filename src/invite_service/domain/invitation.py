"""An invitation: one planned request to one customer, and the words for its parts and states."""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from invite_service.domain.values import quick


class Kind(StrEnum):
    """What an invitation asks about."""

    PRODUCT = "product"
    SERVICE = "service"


class Channel(StrEnum):
    """The way a message travels."""

    EMAIL = "email"
    SMS = "sms"


class Step(StrEnum):
    """One message of an invitation (RULES.md section 1)."""

    PRODUCT_1 = "product_1"
    """Asks whether the order has arrived."""
    PRODUCT_2 = "product_2"
    """Asks for stars directly."""
    SERVICE = "service"


class InvitationStatus(StrEnum):
    """The states of RULES.md section 8."""

    SCHEDULED = "scheduled"
    SENDING = "sending"
    IN_DOUBT = "in_doubt"
    """A message may or may not have left; never retried blindly."""
    SENT = "sent"
    RESPONDED = "responded"
    CANCELLED = "cancelled"
    MISSED = "missed"
    FAILED = "failed"
    ERASED = "erased"


MESSAGES_TO_COME = frozenset({InvitationStatus.SCHEDULED, InvitationStatus.SENDING, InvitationStatus.IN_DOUBT})
"""Statuses of an invitation that may still send, or may be sending (RULES.md section 1)."""


@quick
@dataclass(frozen=True, slots=True)
class InvitedProduct:
    """A product of an invitation.

    `brought_by` holds the ids of the live orders that brought it, empty once it was taken out again;
    `asked` says that a message which left (or may have left) asked about it.
    """

    product_id: str
    brought_by: tuple[str, ...]
    asked: bool = False


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """The state of one invitation. Every instant is aware and on the merchant's clock (DESIGN.md section 4)."""

    id: UUID
    kind: Kind
    channel: Channel
    language: str
    contact: str
    """The address it goes to, normalised: an e-mail address or an E.164 number."""
    customer_name: str | None
    status: InvitationStatus
    steps: tuple[Step, ...]
    next_step: Step | None
    policy_version: int
    """The version whose window, days, second delay and steps count (RULES.md section 7)."""
    time_zone: str
    """IANA name of the send zone."""
    spread_order_id: str
    """The `invited` order, whose id draws the second within the window; when it goes, the one that takes its place."""
    created_at: datetime
    send_at: datetime
    """The plan; the deadline counts from it."""
    next_attempt_at: datetime | None
    """What the worker reads; None while nothing is to be sent."""
    order_ids: tuple[str, ...]
    """Every order that ever joined, the one that was invited first."""
    products: tuple[InvitedProduct, ...] = ()
    held_at: datetime | None = None
    """Since when a live order is on hold; the deadline stands still meanwhile."""
    moved_by_merchant: bool = False
    send_now: bool = False
    """Window and days do not apply to the next message."""
    rescheduled_to: date | None = None
    """The day the merchant chose; allowed whatever send_days say."""
    message_count: int = 0
    """Messages that left."""
    first_sent_at: datetime | None = None
    last_sent_at: datetime | None = None
    last_message_at: datetime | None = None
    """When the last message left or may have left; what "asked" counts from."""
    not_received_on: date | None = None
    """Local day of the last "not received" report."""
    tries: int = 0
    """Failed tries of the next step since it was planned."""
    ended_reason: str | None = None

    @property
    def has_messages_to_come(self) -> bool:
        """Whether it is scheduled, sending or in doubt."""
        return self.status in MESSAGES_TO_COME

    @property
    def is_open(self) -> bool:
        """Whether it is scheduled, nothing has left and none of it is in doubt (RULES.md section 1)."""
        return self.status is InvitationStatus.SCHEDULED and self.last_message_at is None

    @property
    def product_ids(self) -> tuple[str, ...]:
        """The products it asks about now, in the order they joined."""
        return tuple([product.product_id for product in self.products if product.brought_by])

    @property
    def ever_asked_ids(self) -> tuple[str, ...]:
        """The products it asks or ever asked about: what feedback is taken for."""
        return tuple(product.product_id for product in self.products if product.brought_by or product.asked)
