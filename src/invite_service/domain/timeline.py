"""The timeline: who did what to an order, an invitation or the merchant's settings, when and why (append-only)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from invite_service.domain.decision import JsonFigure
from invite_service.domain.listing import ALWAYS, Span


class TimelineEvent(StrEnum):
    """What happened."""

    ORDER_RECEIVED = "order_received"
    ORDER_CHANGED = "order_changed"
    """A later event changed what is known and the decision stands."""
    ORDER_EVENT_OUTDATED = "order_event_outdated"
    """An event older than the stored state was kept in the record and changed nothing."""
    ORDER_DECIDED = "order_decided"
    ORDER_HELD = "order_held"
    ORDER_RESUMED = "order_resumed"
    ORDER_RESTORED = "order_restored"
    """What a batch update had decided about it was taken back: it waits again."""
    ORDER_BECAME_INVITED = "order_became_invited"
    """The order that was invited went; this one, the oldest of the others, takes its place."""
    INVITATION_SCHEDULED = "invitation_scheduled"
    ORDER_JOINED = "order_joined"
    PRODUCTS_REMOVED = "products_removed"
    INVITATION_HELD = "invitation_held"
    INVITATION_RESUMED = "invitation_resumed"
    INVITATION_PLANNED_AGAIN = "invitation_planned_again"
    INVITATION_REPLANNED = "invitation_replanned"
    """Planned again under a new version of the policy."""
    INVITATION_CANCELLED = "invitation_cancelled"
    INVITATION_ENABLED = "invitation_enabled"
    INVITATION_RESCHEDULED = "invitation_rescheduled"
    INVITATION_SEND_NOW = "invitation_send_now"
    INVITATION_RESTORED = "invitation_restored"
    """What a batch update had changed was put back."""
    INVITATION_RETRIED = "invitation_retried"
    MESSAGE_SENT = "message_sent"
    MESSAGE_SKIPPED = "message_skipped"
    MESSAGE_POSTPONED = "message_postponed"
    MESSAGE_MISSED = "message_missed"
    MESSAGE_REJECTED = "message_rejected"
    MESSAGE_NOT_SENT = "message_not_sent"
    MESSAGE_IN_DOUBT = "message_in_doubt"
    MESSAGE_SETTLED = "message_settled"
    """An in-doubt message was found to have left, or an operator said so."""
    DELIVERY_REPORTED = "delivery_reported"
    """A provider told later what became of a message; the reason is the word for it."""
    MERCHANT_PAUSED = "merchant_paused"
    """Too much bounced, or was called spam; nothing leaves until somebody resumes it."""
    MERCHANT_RESUMED = "merchant_resumed"
    CHANNEL_PAUSED = "channel_paused"
    CHANNEL_RESUMED = "channel_resumed"
    CIRCUIT_OPENED = "circuit_opened"
    """A channel's provider failed several times in a row, or failed its trial; it is left alone for a while."""
    CIRCUIT_CLOSED = "circuit_closed"
    """It answers again, or somebody opened the channel by hand."""
    CHANNEL_CHANGED = "channel_changed"
    """The merchant's settings of a channel were replaced."""
    CHANNEL_RESET = "channel_reset"
    """They were taken away; messages leave through the installation's provider."""
    CHANNEL_CHECKED = "channel_checked"
    """They were tried; the reason is what the provider said."""
    POLICY_CHANGED = "policy_changed"
    """A version of the policy was saved; the data names the settings that differ."""
    PUBLISHING_CHANGED = "publishing_changed"
    """Likewise of the publishing settings."""
    BRANDING_CHANGED = "branding_changed"
    """The merchant's branding was replaced; the data names the fields that differ."""
    TEXT_CHANGED = "text_changed"
    """The merchant wrote, changed or deleted an own text."""
    TEST_MESSAGE_SENT = "test_message_sent"
    """A message to one of the merchant's own addresses, to look at it; of no invitation."""
    PAGE_VIEWED = "page_viewed"
    DELIVERY_CONFIRMED = "delivery_confirmed"
    NOT_RECEIVED = "not_received"
    FEEDBACK_LEFT = "feedback_left"
    UNSUBSCRIBED = "unsubscribed"
    CONTACTS_SUPPRESSED = "contacts_suppressed"
    """A merchant entered or imported suppressions."""
    SUPPRESSION_LIFTED = "suppression_lifted"
    CUSTOMER_ERASED = "customer_erased"
    """A customer's data were taken away; the data counts what was found, of whom nothing tells."""
    ORDER_ERASED = "order_erased"
    INVITATION_ERASED = "invitation_erased"
    RATING_PUBLISHED = "rating_published"
    RATING_HELD = "rating_held"
    RATING_REJECTED = "rating_rejected"
    RATING_MOVED = "rating_moved"
    """A product's rating was about the service, and counts there from now on."""
    SUPPORT_CASE_OPENED = "support_case_opened"
    SUPPORT_CASE_FOLLOWED_UP = "support_case_followed_up"
    SUPPORT_CASE_CLOSED = "support_case_closed"
    REPLY_WRITTEN = "reply_written"
    REPLY_WITHDRAWN = "reply_withdrawn"
    REVIEW_REPORTED = "review_reported"
    """A visitor of the shop thinks that something is wrong with it; the reason is what."""
    NOTICE_SENT = "notice_sent"
    """A message that follows an answer left: a reply, a voucher, support's help or its alert."""
    NOTICE_SKIPPED = "notice_skipped"
    NOTICE_FAILED = "notice_failed"
    NOTICE_IN_DOUBT = "notice_in_doubt"
    NOTICE_RETRIED = "notice_retried"
    """An operator lets one be tried again; the reason is why it had ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineEntry:
    """One entry; `at` is on the merchant's clock, `data` holds figures and words, never personal data."""

    at: datetime
    actor: str
    """rule, worker, provider, customer, visitor, key:<name>, operator or sandbox."""
    event: TimelineEvent
    order_id: str | None = None
    invitation_id: UUID | None = None
    reason: str | None = None
    data: Mapping[str, JsonFigure] = field(default_factory=dict)


class TimelineSubject(StrEnum):
    """What of a merchant an entry is about that is of no order and no invitation."""

    POLICY = "policy"
    PUBLISHING = "publishing"
    BRANDING = "branding"
    TEXTS = "texts"
    CHANNELS = "channels"
    SUPPRESSIONS = "suppressions"
    CUSTOMERS = "customers"
    MERCHANT = "merchant"
    """The merchant as a whole: whether it is paused."""


EVENTS_OF: Final = {
    TimelineSubject.POLICY: frozenset({TimelineEvent.POLICY_CHANGED}),
    TimelineSubject.PUBLISHING: frozenset({TimelineEvent.PUBLISHING_CHANGED}),
    TimelineSubject.BRANDING: frozenset({TimelineEvent.BRANDING_CHANGED}),
    TimelineSubject.TEXTS: frozenset({TimelineEvent.TEXT_CHANGED, TimelineEvent.TEST_MESSAGE_SENT}),
    TimelineSubject.CHANNELS: frozenset(
        {
            TimelineEvent.CHANNEL_PAUSED,
            TimelineEvent.CHANNEL_RESUMED,
            TimelineEvent.CHANNEL_CHANGED,
            TimelineEvent.CHANNEL_RESET,
            TimelineEvent.CHANNEL_CHECKED,
            TimelineEvent.CIRCUIT_OPENED,
            TimelineEvent.CIRCUIT_CLOSED,
        }
    ),
    TimelineSubject.SUPPRESSIONS: frozenset({TimelineEvent.CONTACTS_SUPPRESSED, TimelineEvent.SUPPRESSION_LIFTED}),
    TimelineSubject.CUSTOMERS: frozenset({TimelineEvent.CUSTOMER_ERASED}),
    TimelineSubject.MERCHANT: frozenset({TimelineEvent.MERCHANT_PAUSED, TimelineEvent.MERCHANT_RESUMED}),
}
"""The events of each subject; every event that can be of no invitation is of one."""


@dataclass(frozen=True, slots=True)
class ListedEntry:
    """An entry of the merchant's own timeline, with its id."""

    id: UUID
    entry: TimelineEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineFilter:
    """Which entries a list holds; what is left out filters nothing."""

    subject: TimelineSubject | None = None
    at: Span = ALWAYS
