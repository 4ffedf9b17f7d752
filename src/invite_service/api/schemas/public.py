"""What a merchant's own page gets and sends by the token of a message's link."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import BaseModel, Field, StringConstraints
from pydantic.functional_validators import AfterValidator
from pydantic_core import PydanticCustomError

from invite_service.api.schemas.fields import STRICT, Id100
from invite_service.domain.feedback import Feedback, Rating
from invite_service.domain.invitation import Kind
from invite_service.rules.feedback import MAX_RATINGS, MAX_TEXT_LENGTH, editable_until
from invite_service.services.feedback_pages import FeedbackPage

_ROOM_FOR_TRIMMING = 2 * MAX_TEXT_LENGTH
"""Characters of a review as posted; the limit itself counts after trimming, and names its own fault."""


def check_consent(consent: bool) -> bool:
    """Check that the customer agreed: a review is published, and nothing else can be done with it."""
    if not consent:
        raise PydanticCustomError("not_a_choice", "Must be true: the customer agrees that the review is shown.")
    return consent


class ReviewRequest(BaseModel):
    """The words that go with stars."""

    model_config = STRICT

    text: Annotated[str, StringConstraints(max_length=_ROOM_FOR_TRIMMING)]
    """Plain text, at most 5000 characters."""
    consent: Annotated[bool, AfterValidator(check_consent)]
    """True: the customer agreed that the review is shown."""


class RatingRequest(BaseModel):
    """Stars for one product, or for the service where no product is named."""

    model_config = STRICT

    product_id: Id100 | None = None
    stars: int
    """From 1 to 5; 5 is best."""
    review: ReviewRequest | None = None
    """Left out: a review that was left earlier stays."""


class FeedbackRequest(BaseModel):
    """What a customer says, all at once; rating a product again takes the place of what was said before."""

    model_config = STRICT

    ratings: Annotated[list[RatingRequest], Field(max_length=MAX_RATINGS)]

    def to_feedback(self) -> tuple[Feedback, ...]:
        """Translate to the domain."""
        return tuple(
            Feedback(
                product_id=rating.product_id,
                stars=rating.stars,
                text=rating.review.text if rating.review is not None else None,
            )
            for rating in self.ratings
        )


@dataclass(frozen=True, slots=True)
class ReviewResponse:
    """A review as it stands."""

    text: str
    state: str
    """published, pending, needs_attention or rejected."""
    picture_ids: Sequence[UUID]
    """Each is at `/public/v1/invitations/{token}/pictures/{picture_id}`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RatingResponse:
    """Stars as they stand, with the review that goes with them."""

    product_id: str | None
    stars: int
    state: str
    """published, pending, needs_attention or rejected."""
    review: ReviewResponse | None
    editable_until: datetime | None
    """From then on it can no longer be changed; null as long as it has no text."""
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, rating: Rating) -> Self:
        """Shape a rating of the domain."""
        review = None
        if rating.review_text is not None and rating.review_state is not None:
            review = ReviewResponse(rating.review_text, rating.review_state, rating.picture_ids)
        return cls(
            product_id=rating.product_id,
            stars=rating.stars,
            state=rating.state,
            review=review,
            editable_until=editable_until(rating),
            created_at=rating.created_at,
            updated_at=rating.updated_at,
        )


@dataclass(frozen=True, slots=True)
class FeedbackResponse:
    """The ratings that were given, as they now stand."""

    ratings: Sequence[RatingResponse]


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedProductResponse:
    """A product that the customer is asked about."""

    id: str
    name: str | None
    url: str | None
    image_url: str | None
    rating: RatingResponse | None
    is_editable: bool
    """False: what was answered is too old to be changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AskingMerchantResponse:
    """Who asks, and how a page of theirs looks."""

    name: str
    homepage_url: str
    logo_url: str | None
    primary_color: str
    text_color: str
    background_color: str
    support_email: str | None
    support_phone: str | None
    support_url: str | None
    contact_url: str | None
    """Where a link to the support leads: its page, or mailto."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicInvitationResponse:
    """What a page needs to ask the customer."""

    kind: str
    """product or service."""
    step: str
    """The message that brought the customer: product_1, product_2 or service."""
    language: str
    customer_name: str | None
    displayed_name: str
    """The name a review left now is shown with; empty for none."""
    merchant: AskingMerchantResponse
    is_delivery_confirmed: bool
    asks_about_delivery: bool
    """The page begins with the question whether everything has arrived."""
    products: Sequence[AskedProductResponse]
    """Everything that was ever asked about; empty for the service."""
    takes_pictures: bool
    """Pictures can be added to a review."""
    service_rating: RatingResponse | None
    is_service_editable: bool
    """False: likewise, and for an invitation that is not about the service."""
    texts: Mapping[str, str | Sequence[str]]
    """What a page says, ours or the merchant's own words; `stars` are five labels, `direction` is ltr or rtl."""

    @classmethod
    def of(
        cls,
        page: FeedbackPage,
        *,
        texts: Mapping[str, str | Sequence[str]],
        contact_url: str | None,
        asks_about_delivery: bool,
    ) -> Self:
        """Shape what the service read."""
        ratings: Mapping[str | None, RatingResponse] = {
            rating.product_id: RatingResponse.of(rating) for rating in page.ratings
        }
        branding = page.branding
        return cls(
            kind=page.invitation.kind,
            step=page.step,
            language=page.invitation.language,
            customer_name=page.invitation.customer_name,
            displayed_name=page.displayed_name,
            merchant=AskingMerchantResponse(
                name=page.merchant.name,
                homepage_url=page.merchant.homepage_url,
                logo_url=branding.logo_url,
                primary_color=branding.primary_color,
                text_color=branding.text_color,
                background_color=branding.background_color,
                support_email=branding.support_email,
                support_phone=branding.support_phone,
                support_url=branding.support_url,
                contact_url=contact_url,
            ),
            is_delivery_confirmed=page.is_delivery_confirmed,
            asks_about_delivery=asks_about_delivery,
            products=[
                AskedProductResponse(
                    id=card.product_id,
                    name=card.name,
                    url=card.url,
                    image_url=card.image_url,
                    rating=ratings.get(card.product_id),
                    is_editable=page.is_open(card.product_id),
                )
                for card in page.products
            ],
            takes_pictures=page.takes_pictures,
            service_rating=ratings.get(None),
            texts=texts,
            is_service_editable=page.invitation.kind is Kind.SERVICE and page.is_open(None),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class NotReceivedResponse:
    """What to tell a customer whose order has not arrived in full."""

    notice: str
    """In the invitation's language, or in English where that has no texts."""
    support_email: str | None
    support_phone: str | None
    support_url: str | None
