"""Ratings on the wire: one by one, and what they add up to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import BaseModel, Field, StringConstraints, field_validator

from invite_service.api.schemas.fields import PARAMETERS, STRICT, Answer, Id100, QueryInstant
from invite_service.api.schemas.listing import check_after_start
from invite_service.api.schemas.paging import PageParameters, write_cursors
from invite_service.domain.feedback import PublishState, RatedKind, RatingFilter, ShownRating
from invite_service.domain.listing import Span
from invite_service.domain.publishing import RejectReason
from invite_service.rules.averages import StarCounts
from invite_service.rules.publishing import ALL_PARTS, RatingPart
from invite_service.services.paging import Page, PageRequest
from invite_service.services.ratings import RatingHistory, RatingSummary, Standing

MAX_PRODUCTS = 200
"""Products whose ratings are asked for at once."""

Stars = Annotated[int, Field(ge=1, le=5)]
ProductIds = Annotated[list[Id100], Field(max_length=MAX_PRODUCTS)]


@dataclass(frozen=True, slots=True, kw_only=True)
class StarsResponse(Answer):
    """Stars, counted."""

    count: int
    average: float | None
    """Rounded to two decimal places; null where there is no rating."""
    distribution: Mapping[str, int]
    """Ratings by number of stars, "1" to "5"."""

    @classmethod
    def of(cls, counts: StarCounts) -> Self:
        """Shape counts of the domain."""
        distribution = {str(stars): count for stars, count in enumerate(counts, start=1)}
        return cls(count=counts.rating_count, average=counts.average, distribution=distribution)


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingResponse(Answer):
    """Stars by how they stand; rejected ones are in neither."""

    published: StarsResponse
    pending: StarsResponse
    """Pending, and those that need attention."""

    @classmethod
    def of(cls, standing: Standing) -> Self:
        """Shape what the service counted."""
        return cls(published=StarsResponse.of(standing.published), pending=StarsResponse.of(standing.pending))


@dataclass(frozen=True, slots=True, kw_only=True)
class RatingSummaryResponse(Answer):
    """The stars of products, and of the service."""

    product: StandingResponse
    service: StandingResponse

    @classmethod
    def of(cls, summary: RatingSummary) -> Self:
        """Shape what the service counted."""
        return cls(product=StandingResponse.of(summary.product), service=StandingResponse.of(summary.service))


class RatingSummaryParameters(BaseModel):
    """Which ratings are summed up."""

    model_config = PARAMETERS

    product_id: ProductIds = Field(default_factory=list)
    """Narrows the product part to these products; several may be given."""
    created_from: QueryInstant | None = None
    """When the stars were first left. With a period they are counted one by one, else read from counters."""
    created_to: QueryInstant | None = None
    """Not included."""

    _ends_after_start = field_validator("created_to")(check_after_start)

    def created(self) -> Span:
        """Tell the period."""
        return Span(start=self.created_from, end=self.created_to)


class RatingListParameters(PageParameters):
    """Which page of which ratings is wanted."""

    sort: Literal["created_at", "-created_at"] = "-created_at"
    """When the stars were first left; a minus: latest first."""
    kind: RatedKind | None = None
    product_id: ProductIds = Field(default_factory=list)
    """Several may be given."""
    invitation_id: UUID | None = None
    stars: Annotated[list[Stars], Field(max_length=5)] = Field(default_factory=list)
    """Several may be given."""
    state: PublishState | None = None
    """Of the stars."""
    review_state: PublishState | None = None
    """Of the text; leaves out those without one."""
    has_review: bool | None = None
    created_from: QueryInstant | None = None
    created_to: QueryInstant | None = None
    """Not included."""

    @property
    def is_ascending(self) -> bool:
        """Whether the earliest come first."""
        return not self.sort.startswith("-")

    _ends_after_start = field_validator("created_to")(check_after_start)

    def to_filter(self) -> RatingFilter:
        """Translate to the domain."""
        return RatingFilter(
            kind=self.kind,
            product_ids=self.product_id or None,
            invitation_id=self.invitation_id,
            stars=self.stars,
            state=self.state,
            review_state=self.review_state,
            has_review=self.has_review,
            created=Span(start=self.created_from, end=self.created_to),
        )

    def to_page(self) -> PageRequest:
        """Translate to the page wanted."""
        return self.page(ascending=self.is_ascending)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewResponse(Answer):
    """The text that goes with stars."""

    text: str
    state: PublishState
    displayed_name: str
    """The name it is shown with; empty for none."""
    language: str
    """The language it is taken to be in."""
    picture_ids: Sequence[UUID]
    """Each is at `/v1/ratings/{rating_id}/pictures/{picture_id}`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyResponse(Answer):
    """What you say to a review, in public. Instants are on the merchant's clock."""

    text: str
    created_at: datetime
    created_by: str
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedRatingResponse(Answer):
    """Stars, and the review that goes with them. Instants are on the merchant's clock."""

    id: UUID
    invitation_id: UUID
    kind: RatedKind
    product_id: str | None
    """Null for the service."""
    stars: int
    state: PublishState
    review: ReviewResponse | None
    reply: ReplyResponse | None
    publish_at: datetime | None
    """When what is pending here is published by itself; null where nothing is, or you hold it."""
    reject_reason: RejectReason | None
    moved_from: str | None
    """The product it was left for, where it was moved to the service."""
    created_at: datetime
    updated_at: datetime
    """When the customer left or last edited it."""

    @classmethod
    def of(cls, shown: ShownRating) -> Self:
        """Shape a rating of the domain."""
        rating = shown.rating
        review = None
        if rating.review_text is not None and rating.review_state is not None:
            review = ReviewResponse(
                text=rating.review_text,
                state=rating.review_state,
                displayed_name=shown.displayed_name or "",
                language=shown.language or "",
                picture_ids=rating.picture_ids,
            )
        return cls(
            id=rating.id,
            invitation_id=rating.invitation_id,
            kind=RatedKind.SERVICE if rating.product_id is None else RatedKind.PRODUCT,
            product_id=rating.product_id,
            stars=rating.stars,
            state=rating.state,
            review=review,
            reply=ReplyResponse(
                text=shown.reply.text,
                created_at=shown.reply.created_at,
                created_by=shown.reply.created_by,
                updated_at=shown.reply.updated_at,
            )
            if shown.reply is not None
            else None,
            publish_at=rating.publish_at,
            reject_reason=rating.reject_reason,
            moved_from=rating.moved_from,
            created_at=rating.created_at,
            updated_at=rating.updated_at,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewVersionResponse(Answer):
    """Stars and text as they stood from an instant on, on the merchant's clock."""

    stars: int
    text: str | None
    at: datetime
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RatingDetailResponse(ListedRatingResponse):
    """A rating, and what it said before."""

    history: Sequence[ReviewVersionResponse]
    """The oldest first, what it says now last; of more than 100, the newest."""

    @classmethod
    def of_history(cls, history: RatingHistory) -> Self:
        """Shape what the service read."""
        listed = ListedRatingResponse.of(history.shown)
        return cls(
            **{member.name: getattr(listed, member.name) for member in fields(listed)},
            history=[
                ReviewVersionResponse(stars=version.stars, text=version.text, at=version.at, by=version.by)
                for version in history.versions
            ],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RatingListResponse(Answer):
    """A page of ratings."""

    items: Sequence[ListedRatingResponse]
    next_cursor: str | None
    """Null on the last page."""
    prev_cursor: str | None
    """Null on the first page."""

    @classmethod
    def of(cls, page: Page[ShownRating], asked: RatingListParameters) -> Self:
        """Shape a page, with cursors beside its last and its first item."""
        next_cursor, prev_cursor = write_cursors(
            page, lambda item: (item.rating.created_at, str(item.rating.id)), listing=asked.listing()
        )
        return cls(
            items=[ListedRatingResponse.of(item) for item in page.items],
            next_cursor=next_cursor,
            prev_cursor=prev_cursor,
        )


class RatingPartsRequest(BaseModel):
    """What of a rating is acted on."""

    model_config = STRICT

    parts: Annotated[list[Literal["stars", "review"]], Field(min_length=1, max_length=2)] | None = None
    """Left out: the stars, and the review where there is one."""

    def chosen(self) -> frozenset[RatingPart]:
        """Tell the parts."""
        return frozenset(map(RatingPart, self.parts)) if self.parts is not None else ALL_PARTS


class RejectRequest(RatingPartsRequest):
    """Why a rating is rejected, and what of it."""

    reason: Literal[
        "offensive",
        "personal_data",
        "spam",
        "off_topic",
        "not_genuine",
        "unlawful",
        "copyright",
        "customer_asked",
    ]
    """A closed list: how content the customer was is no reason."""


class ReplyRequest(BaseModel):
    """What is said to a review."""

    model_config = STRICT

    text: Annotated[str, StringConstraints(max_length=10_000)]
    """Plain text of 1 to 2000 characters, after trimming."""


class MoveRequest(BaseModel):
    """Where a rating is moved."""

    model_config = STRICT

    to: Literal["service"]
