"""Reviews on the wire as anybody may read them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import BaseModel, Field, StringConstraints

from invite_service.api.schemas.fields import PARAMETERS, Answer
from invite_service.api.schemas.paging import PageParameters, write_cursors
from invite_service.api.schemas.rating import ProductIds, Stars, StarsResponse
from invite_service.domain.public_review import PublicFilter, PublicReview, ReviewSorting
from invite_service.rendering.badges import BadgeTheme
from invite_service.rendering.texts import FALLBACK_LANGUAGE
from invite_service.rules.averages import PublicStanding, StarCounts
from invite_service.rules.languages import read_language
from invite_service.services.paging import Page, PageRequest

MAX_LANGUAGES = 20

LanguageTag = Annotated[str, StringConstraints(min_length=2, max_length=10)]


class PublicReviewParameters(PageParameters):
    """Which page of which published ratings is wanted."""

    sort: Literal["newest", "oldest", "highest", "lowest", "most_helpful"] = "newest"
    """Among equals the newest come first."""
    stars: Annotated[list[Stars], Field(max_length=5)] = Field(default_factory=list)
    """Several may be given."""
    language: Annotated[list[LanguageTag], Field(max_length=MAX_LANGUAGES)] = Field(default_factory=list)
    """Of the review's text, as it is shown there; several may be given. Leaves out ratings without a text."""
    has_review: bool | None = None

    @property
    def sorting(self) -> ReviewSorting:
        """The order wanted."""
        return ReviewSorting(self.sort)

    def to_filter(self) -> PublicFilter:
        """Translate to the domain."""
        return PublicFilter(stars=self.stars, languages=self.language, has_text=self.has_review)

    def to_page(self) -> PageRequest:
        """Translate to the page wanted."""
        return self.page(ascending=self.sorting is ReviewSorting.OLDEST)


class SummariesParameters(BaseModel):
    """Which products are summed up."""

    model_config = PARAMETERS

    product_id: Annotated[ProductIds, Field(min_length=1)]
    """Several may be given, up to 200."""


class JsonLdParameters(BaseModel):
    """How much of a product is described."""

    model_config = PARAMETERS

    reviews: Annotated[int, Field(ge=0, le=20)] = 5
    """Of the newest with a text, how many at most."""


class BadgeParameters(BaseModel):
    """How a badge looks."""

    model_config = PARAMETERS

    theme: Literal["light", "dark"] = "light"
    """What it stands on."""
    language: LanguageTag = FALLBACK_LANGUAGE
    """Of its title and figures; English for one that has no texts."""

    def to_theme(self) -> BadgeTheme:
        """Translate the theme."""
        return BadgeTheme(self.theme)

    def to_language(self) -> str:
        """Translate the language."""
        return read_language(self.language) or FALLBACK_LANGUAGE


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicStandingResponse(StarsResponse):
    """Published stars, counted."""

    review_count: int
    """How many of them have a published text."""

    @classmethod
    def of_standing(cls, standing: PublicStanding) -> Self:
        """Shape what the service counted."""
        return cls(
            count=standing.stars.rating_count,
            average=standing.stars.average,
            distribution=_distribution(standing.stars),
            review_count=standing.texts.rating_count,
        )


def _distribution(counts: StarCounts) -> Mapping[str, int]:
    return {str(stars): count for stars, count in enumerate(counts, start=1)}


@dataclass(kw_only=True)
class PublicTextResponse(Answer):
    """The text that goes with stars."""

    text: str
    language: str
    displayed_name: str
    """Empty for somebody who is not named."""
    picture_ids: Sequence[UUID]
    """Each is at `/public/v1/{merchant_id}/pictures/{picture_id}`."""


@dataclass(kw_only=True)
class PublicReplyResponse(Answer):
    """What the merchant says to the text."""

    text: str
    created_at: datetime
    updated_at: datetime


@dataclass(kw_only=True)
class VotesResponse(Answer):
    """How many visitors found the review helpful, and how many did not."""

    helpful: int
    not_helpful: int


@dataclass(kw_only=True)
class PublicReviewResponse(Answer):
    """Published stars, and their review where it is published too."""

    id: UUID
    product_id: str | None
    """Null for the service."""
    stars: int
    review: PublicTextResponse | None
    reply: PublicReplyResponse | None
    is_verified_buyer: bool
    """True of all: stars and reviews come by the link that a customer was sent for an order, and in no other way."""
    votes: VotesResponse
    created_at: datetime
    updated_at: datetime
    """When the customer left or last edited it."""

    @classmethod
    def of(cls, review: PublicReview) -> Self:
        """Shape a review of the domain."""
        reply = review.reply
        return cls(
            id=review.id,
            product_id=review.product_id,
            stars=review.stars,
            review=PublicTextResponse(
                text=review.text,
                language=review.language or "",
                displayed_name=review.displayed_name,
                picture_ids=review.picture_ids,
            )
            if review.text is not None
            else None,
            reply=PublicReplyResponse(text=reply.text, created_at=reply.created_at, updated_at=reply.updated_at)
            if reply is not None
            else None,
            is_verified_buyer=True,
            votes=VotesResponse(helpful=review.helpful_count, not_helpful=review.unhelpful_count),
            created_at=review.created_at,
            updated_at=review.updated_at,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicReviewListResponse(Answer):
    """A page of published ratings, and what all of them add up to, whatever the filters."""

    summary: PublicStandingResponse
    items: Sequence[PublicReviewResponse]
    next_cursor: str | None
    """Null on the last page."""
    prev_cursor: str | None
    """Null on the first page."""

    @classmethod
    def of(cls, standing: PublicStanding, page: Page[PublicReview], asked: PublicReviewParameters) -> Self:
        """Shape a page, with cursors beside its last and its first item."""
        sorting = asked.sorting
        next_cursor, prev_cursor = write_cursors(
            page,
            lambda review: (review.created_at, str(review.id)),
            rank_of=lambda review: review.rank_by(sorting),
            listing=asked.listing(),
        )
        return cls(
            summary=PublicStandingResponse.of_standing(standing),
            items=[PublicReviewResponse.of(review) for review in page.items],
            next_cursor=next_cursor,
            prev_cursor=prev_cursor,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductSummaryResponse(PublicStandingResponse):
    """Published stars of one product, counted."""

    product_id: str


@dataclass(frozen=True, slots=True)
class SummariesResponse(Answer):
    """The products that were asked about, each once, in their order; one that nobody rated has counts of zero."""

    items: Sequence[ProductSummaryResponse]

    @classmethod
    def of(cls, standings: Mapping[str | None, PublicStanding], product_ids: Sequence[str]) -> Self:
        """Shape what the service counted."""
        return cls(
            [
                ProductSummaryResponse(
                    product_id=product_id,
                    count=standing.stars.rating_count,
                    average=standing.stars.average,
                    distribution=_distribution(standing.stars),
                    review_count=standing.texts.rating_count,
                )
                for product_id in product_ids
                for standing in (standings[product_id],)
            ]
        )
