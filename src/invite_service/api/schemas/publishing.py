"""How ratings and reviews get published, on the wire, by the names, defaults and ranges of RULES.md section 2."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints
from typing_extensions import TypedDict

from invite_service.api.schemas.branding import WarningResponse
from invite_service.api.schemas.fields import STRICT, Answer, Country
from invite_service.api.schemas.policy import Weekday
from invite_service.domain.publishing import Approval, HoldScope, NameDisplay, PublishingSettings, PublishingVersion
from invite_service.rules.publishing import HOLD_DAYS_RANGE, STARS_RANGE
from invite_service.services.publishing import warnings_of

Region = Annotated[str, StringConstraints(pattern=r"^[A-Z0-9]{1,6}$")]


class PublishingPatch(TypedDict, total=False):
    """The settings to change; those that are left out stay."""

    __pydantic_config__ = STRICT  # type: ignore[misc]

    approval: Literal["automatic", "support_trigger", "manual"]
    support_max_stars: Annotated[int, Field(ge=STARS_RANGE[0], le=STARS_RANGE[1])]
    """Under the support trigger: ratings up to this many stars wait, and support hears of them at once."""
    support_requires_review: bool
    """Stars alone are published at once, however low; only those with a text wait."""
    support_hold_working_days: Annotated[int, Field(ge=HOLD_DAYS_RANGE[0], le=HOLD_DAYS_RANGE[1])]
    support_hold_scope: Literal["low_ratings", "all_ratings"]
    """all_ratings: everyone waits the same; only low ratings alert support."""
    support_notifies_customer: bool
    """Customers whose ratings alert support get a mail that offers its help."""
    working_days: Annotated[list[Weekday], Field(min_length=1, max_length=7)]
    holiday_country: Country | None
    """Whose public holidays are no working days."""
    holiday_region: Region | None
    """A part of that country with holidays of its own: its ISO 3166-2 code without the country's."""
    review_name_display: Literal["full", "first_name_initial", "anonymous"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishingResponse(Answer):
    """The settings of one version."""

    version: int
    """0 while none were saved; the ETag is this number."""
    approval: Approval
    support_max_stars: int
    support_requires_review: bool
    support_hold_working_days: int
    support_hold_scope: HoldScope
    support_notifies_customer: bool
    working_days: tuple[str, ...]
    holiday_country: str | None
    holiday_region: str | None
    review_name_display: NameDisplay
    warnings: tuple[WarningResponse, ...]
    """What is to be known before relying on these settings."""

    @classmethod
    def of(cls, settings: PublishingSettings) -> Self:
        """Shape settings of the domain."""
        return cls(
            version=settings.version,
            approval=settings.approval,
            support_max_stars=settings.support_max_stars,
            support_requires_review=settings.support_requires_review,
            support_hold_working_days=settings.support_hold_working_days,
            support_hold_scope=settings.support_hold_scope,
            support_notifies_customer=settings.support_notifies_customer,
            working_days=settings.working_days,
            holiday_country=settings.holiday_country,
            holiday_region=settings.holiday_region,
            review_name_display=settings.review_name_display,
            warnings=tuple(WarningResponse(warning.code, warning.detail) for warning in warnings_of(settings)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishingVersionResponse(Answer):
    """A version that was in force at some time."""

    created_at: datetime
    """On the merchant's clock."""
    created_by: str
    """key: and the name of an API key, or operator."""
    settings: PublishingResponse

    @classmethod
    def of(cls, version: PublishingVersion) -> Self:
        """Shape a saved version."""
        return cls(
            created_at=version.created_at,
            created_by=version.created_by,
            settings=PublishingResponse.of(version.settings),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishingVersionListResponse(Answer):
    """A page of versions, the newest first."""

    items: Sequence[PublishingVersionResponse]
    next_cursor: str | None
