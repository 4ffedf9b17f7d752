"""Support cases: customers who were not content, or whose word a merchant holds."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class SupportCase:
    """One case about one rating; instants are on the merchant's clock, actors as the timeline names them."""

    id: UUID
    rating_id: UUID
    opened_at: datetime
    opened_by: str
    """`rule` for the support trigger, `visitor` for a report, else whoever held the rating."""
    followed_up_at: datetime | None = None
    """When the merchant first got in touch with the customer."""
    followed_up_by: str | None = None
    closed_at: datetime | None = None
    closed_by: str | None = None
