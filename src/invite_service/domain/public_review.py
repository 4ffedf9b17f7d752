"""Reviews as the public sees them: published stars, and of texts the published ones."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from invite_service.domain.notice import Reply


class ReviewSorting(StrEnum):
    """In what order reviews stand; among equals the newest come first."""

    NEWEST = "newest"
    OLDEST = "oldest"
    HIGHEST = "highest"
    LOWEST = "lowest"
    MOST_HELPFUL = "most_helpful"


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicReview:
    """Published stars; instants are on the merchant's clock."""

    id: UUID
    product_id: str | None
    """None for the service."""
    stars: int
    created_at: datetime
    updated_at: datetime
    """When the customer left or last edited it."""
    text: str | None
    """None where there is none, or it is not published."""
    displayed_name: str
    """"" for none, as it always is where there is no text."""
    language: str | None
    """Of the text."""
    reply: Reply | None
    """What the merchant says to the text."""
    picture_ids: tuple[UUID, ...] = ()
    """Pictures that go with the text, where that is published."""
    helpful_count: int
    unhelpful_count: int

    def rank_by(self, sorting: ReviewSorting) -> int:
        """Tell what a sorting looks at before the instant; 0 for one that looks at nothing else."""
        match sorting:
            case ReviewSorting.HIGHEST | ReviewSorting.LOWEST:
                return self.stars
            case ReviewSorting.MOST_HELPFUL:
                return self.helpful_count
            case _:
                return 0


@dataclass(frozen=True, slots=True)
class ReviewPlace:
    """A place in a sorted list, beside a review."""

    rank: int
    at: datetime
    id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicFilter:
    """Which reviews are shown; what is left out filters nothing."""

    stars: Collection[int] = ()
    """Any of these."""
    languages: Collection[str] = ()
    """Texts in any of these."""
    has_text: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductFacts:
    """What orders told of a product: the newest of each, and the codes of what the last customer to rate it bought."""

    product_id: str
    name: str | None
    url: str | None
    image_url: str | None
    brand: str | None
    gtin: str | None
    mpn: str | None
    skus: Collection[str]
    updated_at: datetime
