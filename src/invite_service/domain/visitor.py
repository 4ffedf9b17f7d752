"""What visitors of a shop say about its reviews: whether one helped them, or what is wrong with it."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from invite_service.domain.publishing import RejectReason


@dataclass(frozen=True, slots=True)
class Votes:
    """How many visitors found a review helpful, and how many did not."""

    helpful: int
    unhelpful: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewReport:
    """One visitor's word on a review; `reported_at` is on the merchant's clock."""

    id: UUID
    rating_id: UUID
    reason: RejectReason
    comment: str | None
    reported_at: datetime
