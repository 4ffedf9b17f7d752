"""What visitors say about reviews on the wire."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import BaseModel, StringConstraints

from invite_service.api.schemas.fields import STRICT, Answer
from invite_service.api.schemas.paging import PageParameters, write_cursors
from invite_service.domain.publishing import RejectReason
from invite_service.domain.visitor import ReviewReport
from invite_service.services.paging import Page, PageRequest

VisitorWord = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{16,100}$")]


class VoteRequest(BaseModel):
    """Whether a review helped somebody."""

    model_config = STRICT

    helpful: bool
    visitor: VisitorWord
    """A random word of at least 16 letters, digits, `-` or `_` that the page keeps for this visitor, such as a UUID."""


class ReportRequest(BaseModel):
    """What is wrong with a review."""

    model_config = STRICT

    reason: Literal["offensive", "personal_data", "spam", "off_topic", "not_genuine", "unlawful", "copyright"]
    """How content the customer was is no reason."""
    comment: Annotated[str, StringConstraints(max_length=1000)] | None = None
    visitor: VisitorWord
    """As for votes."""


class ReportListParameters(PageParameters):
    """Which page of which reports is wanted."""

    sort: Literal["reported_at", "-reported_at"] = "-reported_at"
    """A minus: latest first."""
    rating_id: UUID | None = None

    def to_page(self) -> PageRequest:
        """Translate to the page wanted; raises InvalidInputError for a cursor that is none of this list."""
        return self.page(ascending=not self.sort.startswith("-"))


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportResponse(Answer):
    """What somebody thinks is wrong with a review; who, nobody knows. The instant is on the merchant's clock."""

    id: UUID
    rating_id: UUID
    """`GET /v1/ratings/{id}` shows it."""
    reason: RejectReason
    comment: str | None
    reported_at: datetime

    @classmethod
    def of(cls, report: ReviewReport) -> Self:
        """Shape a report of the domain."""
        return cls(
            id=report.id,
            rating_id=report.rating_id,
            reason=report.reason,
            comment=report.comment,
            reported_at=report.reported_at,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportListResponse(Answer):
    """A page of reports."""

    items: Sequence[ReportResponse]
    next_cursor: str | None
    """Null on the last page."""
    prev_cursor: str | None
    """Null on the first page."""

    @classmethod
    def of(cls, page: Page[ReviewReport], asked: ReportListParameters) -> Self:
        """Shape a page, with cursors beside its last and its first item."""
        next_cursor, prev_cursor = write_cursors(
            page, lambda report: (report.reported_at, str(report.id)), listing=asked.listing()
        )
        return cls(
            items=[ReportResponse.of(report) for report in page.items],
            next_cursor=next_cursor,
            prev_cursor=prev_cursor,
        )
