"""Suppressions: contacts that must not be written to, and how far each reason reaches."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class SuppressionReason(StrEnum):
    """Why a contact is suppressed (RULES.md section 3, "Channel")."""

    HARD_BOUNCE = "hard_bounce"
    """The address does not exist: that address only."""
    SMS_UNDELIVERABLE = "sms_undeliverable"
    """The number can never take SMS: that number only."""
    UNSUBSCRIBED = "unsubscribed"
    COMPLAINED = "complained"
    ERASED = "erased"
    MANUAL = "manual"
    """Entered by the merchant; read as a wish of the customer, so as wide as unsubscribing."""


ADDRESS_REASONS = frozenset({SuppressionReason.HARD_BOUNCE, SuppressionReason.SMS_UNDELIVERABLE})
"""Reasons that close one address; all others close every channel to the customer."""


@dataclass(frozen=True, slots=True)
class Suppression:
    """One reason on one normalised contact."""

    contact: str
    reason: SuppressionReason
    created_at: datetime | None = None
