"""What a provider's later news means: for the message, for its address and for the customer behind it."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from invite_service.domain.invitation import Channel
from invite_service.domain.provider_event import EventKind
from invite_service.domain.suppression import SuppressionReason, SuppressionSource

SOFT_BOUNCE_LIMIT: Final = 3
"""Soft bounces of one address within SOFT_BOUNCE_SPAN after which it is suppressed."""

SOFT_BOUNCE_SPAN: Final = timedelta(hours=72)

ENGAGEMENT: Final = frozenset({EventKind.OPENED, EventKind.CLICKED})
"""What is recorded only for merchants who want it."""

_RANKS: Final[Mapping[EventKind, int]] = {
    EventKind.SENT: 1,
    EventKind.DEFERRED: 2,
    EventKind.DELIVERED: 3,
    EventKind.BOUNCED_SOFT: 3,
    EventKind.BOUNCED_HARD: 3,
    EventKind.FAILED: 3,
    EventKind.UNSUBSCRIBED: 4,
    EventKind.COMPLAINED: 5,
}
"""Events arrive in any order: one of a lower rank does not take back what a higher one said."""

PROVES_IT_LEFT: Final = frozenset(_RANKS.keys() | ENGAGEMENT) - {EventKind.FAILED}
"""What only a message that the provider has can bring; `failed` may also mean that it never took it."""

TOLD: Final = frozenset(_RANKS.keys() | ENGAGEMENT | {EventKind.STOPPED}) - {EventKind.SENT, EventKind.DEFERRED}
"""What stands in the timeline; waypoints do not."""

_CLOSES_CUSTOMER: Final[Mapping[EventKind, tuple[SuppressionReason, SuppressionSource]]] = {
    EventKind.COMPLAINED: (SuppressionReason.COMPLAINED, SuppressionSource.PROVIDER_EVENT),
    EventKind.UNSUBSCRIBED: (SuppressionReason.UNSUBSCRIBED, SuppressionSource.PROVIDER_EVENT),
    EventKind.STOPPED: (SuppressionReason.UNSUBSCRIBED, SuppressionSource.SMS_STOP),
}


def replaces_delivery(kind: EventKind, current: EventKind | None) -> bool:
    """Say whether an event is the new state of a message's delivery."""
    return kind in _RANKS and (current is None or _RANKS[kind] >= _RANKS[current])


def closes_customer(kind: EventKind) -> tuple[SuppressionReason, SuppressionSource] | None:
    """Say why an event closes every channel to the customer, and who said so; None where it does not."""
    return _CLOSES_CUSTOMER.get(kind)


def closes_address(kind: EventKind, channel: Channel, *, soft_bounces: int) -> SuppressionReason | None:
    """Say why an event closes the address it is about; `soft_bounces` counts those of the span, this one included."""
    if kind is EventKind.BOUNCED_HARD:
        return SuppressionReason.HARD_BOUNCE if channel is Channel.EMAIL else SuppressionReason.SMS_UNDELIVERABLE
    if kind is EventKind.BOUNCED_SOFT and soft_bounces >= SOFT_BOUNCE_LIMIT:
        return SuppressionReason.SOFT_BOUNCES
    return None
