"""Suppressions: contacts that must not be written to, why, who said so, and how far each reason reaches."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from invite_service.domain.invitation import Channel


class SuppressionReason(StrEnum):
    """Why a contact is suppressed (RULES.md section 3, "Channel")."""

    HARD_BOUNCE = "hard_bounce"
    """The address does not exist: that address only."""
    SOFT_BOUNCES = "soft_bounces"
    """The address took nothing three times within 72 hours: that address only."""
    SMS_UNDELIVERABLE = "sms_undeliverable"
    """The number can never take SMS: that number only."""
    UNSUBSCRIBED = "unsubscribed"
    COMPLAINED = "complained"
    ERASED = "erased"
    MANUAL = "manual"
    """Entered by the merchant; a wish of the customer, so as wide as unsubscribing unless a channel is named."""


class SuppressionSource(StrEnum):
    """Who brought it."""

    MERCHANT = "merchant"
    """Entered one by one, with an API key."""
    IMPORT = "import"
    UNSUBSCRIBE = "unsubscribe"
    """The customer, by the link or the one-click header of a message."""
    PROVIDER_ANSWER = "provider_answer"
    """What the provider answered when a message was handed over."""
    PROVIDER_EVENT = "provider_event"
    """What the provider told later."""
    SMS_STOP = "sms_stop"
    """The customer, by an SMS."""
    ERASURE = "erasure"


class SubjectKind(StrEnum):
    """What a suppression stands on."""

    EMAIL = "email"
    PHONE = "phone"
    DOMAIN = "domain"
    """Every address of a mail domain, or of the domains below it."""


ADDRESS_REASONS: Final = frozenset(
    {SuppressionReason.HARD_BOUNCE, SuppressionReason.SOFT_BOUNCES, SuppressionReason.SMS_UNDELIVERABLE}
)
"""Reasons that close one address; all others close every channel to the customer, unless they name one."""

OF_THE_MERCHANT: Final = frozenset({SuppressionSource.MERCHANT, SuppressionSource.IMPORT})
"""Sources that are the merchant's own word."""

CHANNEL_OF: Final = {
    SubjectKind.EMAIL: Channel.EMAIL,
    SubjectKind.DOMAIN: Channel.EMAIL,
    SubjectKind.PHONE: Channel.SMS,
}
"""The channel on which each kind of subject is written to."""


@dataclass(frozen=True, slots=True)
class Suppression:
    """One reason on one normalised contact, as it counts in a decision."""

    contact: str
    reason: SuppressionReason
    created_at: datetime | None = None
    channel: Channel | None = None
    """The one channel it closes, which is the contact's own; None: every channel, as far as the reason reaches."""

    @property
    def closes_customer(self) -> bool:
        """Whether it closes every channel to the customer, and not this address alone."""
        return self.channel is None and self.reason not in ADDRESS_REASONS


@dataclass(frozen=True, slots=True)
class Subject:
    """What is to be suppressed: a normalised address, number or domain pattern, or the key it is known by."""

    kind: SubjectKind
    text: str | None
    """None where only the key is known."""
    key: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSuppression:
    """A suppression to be entered."""

    subject: Subject
    reason: SuppressionReason
    channel: Channel | None
    source: SuppressionSource
    created_at: datetime
    """On the merchant's clock."""
    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSuppression:
    """A suppression as it is kept: of the contact only its key."""

    id: UUID
    contact_key: bytes
    kind: SubjectKind
    channel: Channel | None
    """The one channel it closes; None: every channel to the customer."""
    reason: SuppressionReason
    source: SuppressionSource
    note: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SuppressionFilter:
    """Which suppressions a list holds; what is left out filters nothing."""

    closes: Channel | None = None
    """Those that keep messages of this channel from being sent, those that close every channel among them."""
    reason: SuppressionReason | None = None
    source: SuppressionSource | None = None
