"""How ratings and reviews get published: a merchant's settings, one frozen version at a time (RULES.md section 2)."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from invite_service.domain.policy import WEEKDAYS

WORKING_DAYS = WEEKDAYS[:5]
"""Monday to Friday, the working days of a merchant who named none."""


class Approval(StrEnum):
    """Who or what lets stars and text be seen (RULES.md section 9)."""

    AUTOMATIC = "automatic"
    """Everything at once."""
    SUPPORT_TRIGGER = "support_trigger"
    """Low ratings wait some working days, and support hears of them at once."""
    MANUAL = "manual"
    """Texts wait until the merchant approves of them."""


class HoldScope(StrEnum):
    """What waits under the support trigger."""

    LOW_RATINGS = "low_ratings"
    ALL_RATINGS = "all_ratings"
    """Everyone waits the same; only low ratings alert support."""


class NameDisplay(StrEnum):
    """What a review shows of its author's name."""

    FULL = "full"
    FIRST_NAME_INITIAL = "first_name_initial"
    ANONYMOUS = "anonymous"


class RejectReason(StrEnum):
    """Why a merchant may reject stars or a text: a closed list, none of it about how content the customer was.

    16 CFR 465.7 lets reviews be withheld only for what applies to all of them alike, whatever their sentiment.
    """

    OFFENSIVE = "offensive"
    PERSONAL_DATA = "personal_data"
    """Of somebody: names, addresses, numbers."""
    SPAM = "spam"
    OFF_TOPIC = "off_topic"
    NOT_GENUINE = "not_genuine"
    """Not the word of a customer about this purchase."""
    UNLAWFUL = "unlawful"
    COPYRIGHT = "copyright"
    CUSTOMER_ASKED = "customer_asked"


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishingSettings:
    """One version of the settings."""

    version: int = 0
    """0 is what holds as long as nothing was saved."""
    approval: Approval = Approval.AUTOMATIC
    support_max_stars: int = 3
    """1 to 4: what counts as low under the support trigger."""
    support_requires_review: bool = False
    """Stars alone are published at once, however low; only those with a text wait."""
    support_hold_working_days: int = 5
    """1 to 30."""
    support_hold_scope: HoldScope = HoldScope.LOW_RATINGS
    support_notifies_customer: bool = False
    """Customers whose ratings alert support get a mail that offers its help."""
    working_days: tuple[str, ...] = WORKING_DAYS
    """Of mon to sun, at least one."""
    holiday_country: str | None = None
    """ISO 3166 alpha-2; its public holidays are no working days."""
    holiday_region: str | None = None
    """A part of that country with holidays of its own, by its ISO 3166-2 code without the country."""
    review_name_display: NameDisplay = NameDisplay.FIRST_NAME_INITIAL


@dataclass(frozen=True, slots=True)
class PublishingVersion:
    """A saved version: the settings, when they were saved (the merchant's clock) and by whom."""

    settings: PublishingSettings
    created_at: datetime
    created_by: str
