"""The public review policy on the wire."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from pydantic import BaseModel

from invite_service.api.schemas.fields import PARAMETERS, Answer
from invite_service.api.schemas.public_review import LanguageTag
from invite_service.domain.feedback import PublishState, RatedKind
from invite_service.domain.publishing import Approval, HoldScope, RejectReason
from invite_service.rendering.review_policy import state_policy
from invite_service.rendering.texts import FALLBACK_LANGUAGE, available_language, texts_of
from invite_service.rules.averages import CountsByState
from invite_service.rules.feedback import EDITABLE_FOR
from invite_service.rules.languages import read_language
from invite_service.rules.review_policy import Outcome, ReviewPolicy, outcomes_by_stars
from invite_service.services.review_policy import ReviewPolicyView


class ReviewPolicyParameters(BaseModel):
    """In which words the policy is told."""

    model_config = PARAMETERS

    language: LanguageTag = FALLBACK_LANGUAGE
    """Of the statements; English for one that has no texts."""

    def to_language(self) -> str:
        """Translate the language."""
        return available_language(read_language(self.language) or FALLBACK_LANGUAGE)


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectionResponse(Answer):
    """Who may leave stars and reviews."""

    invited_customers_only: bool
    """True of every merchant: each by the link of an invitation that an order brought, and in no other way."""
    product_or_service_drawn: bool
    """Chance decides who is asked about the products and who about the service."""
    vouchers_given: bool
    """Some customers got a voucher for their review, whatever its stars."""
    editable_days: int
    """Customers may change a review for so long after writing it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldResponse(Answer):
    """What waits before it is published, and for how long."""

    scope: HoldScope
    low_ratings_only: bool
    """Low ratings are seen later than others."""
    max_stars: int
    """What counts as low."""
    with_text_only: bool
    """Stars alone are published at once."""
    working_days: int
    working_weekdays: Sequence[str]
    holiday_country: str | None
    holiday_region: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalResponse(Answer):
    """Who or what lets stars and texts be seen."""

    approval: Approval
    hold: HoldResponse | None
    """Null where nothing waits by itself."""
    pictures_and_videos_held: bool
    """True of every merchant: a review with a picture or a link to a video is looked at first."""


@dataclass(frozen=True, slots=True)
class ShareResponse(Answer):
    """How many, and which part of all with as many stars."""

    count: int
    share: float
    """0 to 1, to four decimal places."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeResponse(Answer):
    """What became of those with one number of stars."""

    stars: int
    total: int
    published: ShareResponse
    pending: ShareResponse
    needs_attention: ShareResponse
    rejected: ShareResponse

    @classmethod
    def of(cls, stars: int, outcome: Outcome) -> Self:
        """Shape what was counted."""
        shares = {state: ShareResponse(outcome.counts[state], outcome.share(state)) for state in PublishState}
        return cls(
            stars=stars,
            total=outcome.total,
            published=shares[PublishState.PUBLISHED],
            pending=shares[PublishState.PENDING],
            needs_attention=shares[PublishState.NEEDS_ATTENTION],
            rejected=shares[PublishState.REJECTED],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class FiguresResponse(Answer):
    """What became of all that was ever left, by its stars, of products and service together."""

    ratings: Sequence[OutcomeResponse]
    reviews: Sequence[OutcomeResponse]
    """Of the texts; one whose stars are not published stands as these do."""
    rejected: Mapping[str, int]
    """Ratings of which stars or text were rejected, by why; other reasons there are none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewPolicyResponse(Answer):
    """How reviews are collected and checked, from what is configured and counted."""

    merchant: str
    collection: CollectionResponse
    approval: ApprovalResponse
    figures: FiguresResponse
    language: str
    statements: Sequence[str]
    """The same in sentences, to be shown."""

    @classmethod
    def of(cls, view: ReviewPolicyView, language: str) -> Self:
        """Shape what the service put together."""
        policy = view.policy
        return cls(
            merchant=view.merchant.name,
            collection=CollectionResponse(
                invited_customers_only=True,
                product_or_service_drawn=policy.is_drawn,
                vouchers_given=policy.gives_vouchers,
                editable_days=EDITABLE_FOR.days,
            ),
            approval=ApprovalResponse(
                approval=policy.settings.approval, hold=_hold(policy), pictures_and_videos_held=True
            ),
            figures=FiguresResponse(
                ratings=_outcomes(policy.stars),
                reviews=_outcomes(policy.texts),
                rejected={reason.value: policy.rejected.get(reason, 0) for reason in RejectReason},
            ),
            language=language,
            statements=state_policy(policy, texts_of(language), merchant_name=view.merchant.name),
        )


def _hold(policy: ReviewPolicy) -> HoldResponse | None:
    settings = policy.settings
    if settings.approval is not Approval.SUPPORT_TRIGGER:
        return None
    return HoldResponse(
        scope=settings.support_hold_scope,
        low_ratings_only=policy.holds_low_ratings_only,
        max_stars=settings.support_max_stars,
        with_text_only=settings.support_requires_review,
        working_days=settings.support_hold_working_days,
        working_weekdays=settings.working_days,
        holiday_country=settings.holiday_country,
        holiday_region=settings.holiday_region,
    )


def _outcomes(counts: Mapping[RatedKind, CountsByState]) -> list[OutcomeResponse]:
    return [OutcomeResponse.of(stars, outcome) for stars, outcome in enumerate(outcomes_by_stars(counts), start=1)]
