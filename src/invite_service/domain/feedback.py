"""What customers say: stars (a rating) and the text that goes with them (a review)."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from invite_service.domain.listing import ALWAYS, Span
from invite_service.domain.notice import Reply
from invite_service.domain.publishing import RejectReason


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
    consent: bool = True
    """The customer was told that a review is shown to others, and agreed."""
    added_pictures: tuple[UUID, ...] = ()
    """Pictures on the shelf that are to go with the review."""
    removed_pictures: tuple[UUID, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rating:
    """Stars as stored, one per invitation and product (or service), with the review's text if there is one.

    Instants are on the merchant's clock.
    """

    id: UUID
    invitation_id: UUID
    product_id: str | None
    """None for the service."""
    stars: int
    state: PublishState
    review_text: str | None
    review_state: PublishState | None
    reviewed_at: datetime | None = None
    """When the text was first left: what may be changed goes by its age."""
    picture_ids: tuple[UUID, ...] = ()
    """Pictures that go with the text, in the order they were uploaded."""
    publish_at: datetime | None = None
    """When what is pending is published; None where nothing is, or a merchant holds it."""
    held_since: datetime | None = None
    """When something of it was first left waiting: a hold's clock is not restarted (RULES.md section 9)."""
    is_fixed: bool = False
    """The merchant holds or has rejected the stars: their state stands, whatever the customer edits."""
    is_review_fixed: bool = False
    """The same of the text."""
    reject_reason: RejectReason | None = None
    """Why the merchant rejected the stars, the text or both."""
    moved_from: str | None = None
    """The product it was left for, where the merchant moved it to the service."""
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class ReviewVersion:
    """Stars and text as they stood from an instant on."""

    stars: int
    text: str | None = field(repr=False)
    at: datetime
    """On the merchant's clock."""
    by: str


class RatedKind(StrEnum):
    """What stars are about."""

    PRODUCT = "product"
    SERVICE = "service"


@dataclass(frozen=True, slots=True)
class ShownRating:
    """A rating in a list, with what goes with its review."""

    rating: Rating
    displayed_name: str | None
    """The name the review is shown with, "" for none; None where there is no review."""
    language: str | None
    """The language the review is taken to be in."""
    reply: Reply | None = None
    """What the merchant says to the review."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RatingFilter:
    """Which ratings a list holds; what is left out filters nothing."""

    kind: RatedKind | None = None
    product_ids: Collection[str] | None = None
    invitation_id: UUID | None = None
    stars: Collection[int] = ()
    """Any of these; none given, any number of stars."""
    state: PublishState | None = None
    review_state: PublishState | None = None
    has_review: bool | None = None
    created: Span = ALWAYS
    """When the stars were first left."""
