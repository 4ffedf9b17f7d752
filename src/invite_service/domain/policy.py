"""A merchant's invitation settings, one frozen version at a time (RULES.md section 2)."""

from dataclasses import dataclass
from datetime import datetime, time
from enum import StrEnum
from functools import cached_property

from invite_service.domain.invitation import Channel


class DelayOrigin(StrEnum):
    """The instant from which a delay is counted."""

    SCHEDULED = "scheduled"
    """The triggering event was accepted."""
    PURCHASED = "purchased"
    SHIPPED = "shipped"
    DELIVERED = "delivered"


class ProductSteps(StrEnum):
    """Which of the two product messages are sent."""

    BOTH = "both"
    FIRST_ONLY = "first_only"
    SECOND_ONLY = "second_only"


class SendZone(StrEnum):
    """Whose wall clock the send window is read on."""

    MERCHANT = "merchant"
    RECIPIENT = "recipient"


class ConsentRequirement(StrEnum):
    """Whether an order needs consent of its own before its customer is asked."""

    NOT_REQUIRED = "not_required"
    REQUIRED = "required"


WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
"""Wire names of the days, in the order of `date.weekday()`."""

SUPPORTED_LANGUAGES = (
    "cs", "da", "de", "en", "es", "et", "fi", "fr", "it", "ja", "lv", "nb", "nl", "pl", "pt-BR", "ru", "sk", "sv",
)  # fmt: skip
"""Languages an invitation can be written in (RULES.md section 3)."""

AUTOMATIC_LANGUAGE = "automatic"
"""The policy's word for "the order's language, else the fallback"."""

DEFAULT_TRIGGER_STATUSES = ("processed", "sent", "shipped", "fulfilled", "complete", "completed", "delivered")
DEFAULT_HOLD_STATUSES = ("on_hold", "return_requested")
DEFAULT_CANCEL_STATUSES = (
    "cancelled", "canceled", "refunded", "returned", "voided", "failed", "expired", "unavailable",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Policy:
    """The settings of one version; names, defaults and ranges are those of RULES.md section 2."""

    version: int = 1
    product_delay_days: int = 14
    product_second_delay_days: int = 5
    service_delay_days: int = 7
    delay_origin: DelayOrigin = DelayOrigin.SCHEDULED
    service_percent: int = 0
    product_steps: ProductSteps = ProductSteps.BOTH
    product_repeat_days: int = 90
    service_repeat_days: int = 14
    block_days: int = 0
    preferred_channel: Channel = Channel.EMAIL
    language: str = AUTOMATIC_LANGUAGE
    fallback_language: str = "en"
    hosted_landing_page: bool = True
    send_window_start: time = time(10)
    send_window_end: time = time(12)
    send_days: tuple[str, ...] = WEEKDAYS
    send_zone: SendZone = SendZone.MERCHANT
    trigger_statuses: tuple[str, ...] = DEFAULT_TRIGGER_STATUSES
    hold_statuses: tuple[str, ...] = DEFAULT_HOLD_STATUSES
    cancel_statuses: tuple[str, ...] = DEFAULT_CANCEL_STATUSES
    excluded_product_ids: tuple[str, ...] = ()
    excluded_categories: tuple[str, ...] = ()
    consent: ConsentRequirement = ConsentRequirement.NOT_REQUIRED
    max_order_age_days: int = 180
    send_deadline_days: int = 14
    not_received_wait_days: int = 14

    @cached_property
    def send_weekdays(self) -> frozenset[int]:
        """The allowed days as `date.weekday()` numbers."""
        return frozenset(WEEKDAYS.index(day) for day in self.send_days)

    @cached_property
    def triggers(self) -> frozenset[str]:
        """The triggering statuses, case-folded; empty means that every status triggers."""
        return frozenset(status.casefold() for status in self.trigger_statuses)

    @cached_property
    def holds(self) -> frozenset[str]:
        """The statuses that put an order on hold, case-folded."""
        return frozenset(status.casefold() for status in self.hold_statuses)

    @cached_property
    def cancels(self) -> frozenset[str]:
        """The statuses that cancel an order, case-folded."""
        return frozenset(status.casefold() for status in self.cancel_statuses)

    @cached_property
    def excluded_ids(self) -> frozenset[str]:
        """Products that are never asked about, by id."""
        return frozenset(self.excluded_product_ids)

    @cached_property
    def excluded_category_names(self) -> frozenset[str]:
        """Products that are never asked about, by category."""
        return frozenset(self.excluded_categories)


@dataclass(frozen=True, slots=True)
class PolicySaving:
    """That a version of the policy was saved, when (merchant's clock) and by whom."""

    version: int
    saved_at: datetime
    saved_by: str


@dataclass(frozen=True, slots=True)
class FollowedPolicies:
    """The versions that an invitation goes by, most often the same one."""

    decided_by: PolicySaving
    """Its order was decided by this one."""
    planned_by: PolicySaving
    """The window, days and steps of what is to come are those of this one."""
