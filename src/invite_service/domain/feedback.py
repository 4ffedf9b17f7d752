"""What customers say: stars (a rating) and the text that goes with them (a review)."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class PublishState(StrEnum):
    """The states of stars and of text (RULES.md section 9)."""

    PUBLISHED = "published"
    PENDING = "pending"
    NEEDS_ATTENTION = "needs_attention"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """What one submitted form says about one product, or about the service (`product_id` None)."""

    product_id: str | None
    stars: int
    """1 to 5, 5 is best."""
    text: str | None = None
    """The review; None leaves a review that is there as it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rating:
    """Stars as stored, one per invitation and product (or service), with the review's text if there is one."""

    id: UUID
    invitation_id: UUID
    product_id: str | None
    stars: int
    state: PublishState
    review_text: str | None
    review_state: PublishState | None
    created_at: datetime
    updated_at: datetime
