"""Support cases on the wire."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Self
from uuid import UUID

from invite_service.api.schemas.fields import Answer
from invite_service.api.schemas.paging import PageParameters, write_cursors
from invite_service.domain.support import SupportCase
from invite_service.services.paging import Page, PageRequest


class SupportCaseListParameters(PageParameters):
    """Which page of which support cases is wanted."""

    sort: Literal["opened_at", "-opened_at"] = "-opened_at"
    """A minus: latest first."""
    state: Literal["open", "closed"] | None = None

    @property
    def is_open(self) -> bool | None:
        """Whether open or closed ones are wanted; None for both."""
        return None if self.state is None else self.state == "open"

    def to_page(self) -> PageRequest:
        """Translate to the page wanted; raises InvalidInputError for a cursor that is none of this list."""
        return self.page(ascending=not self.sort.startswith("-"))


@dataclass(frozen=True, slots=True, kw_only=True)
class SupportCaseResponse(Answer):
    """A customer who was not content, or whose word you hold. Instants are on the merchant's clock."""

    id: UUID
    rating_id: UUID
    """`GET /v1/ratings/{id}` shows it."""
    opened_at: datetime
    opened_by: str
    """rule for the support trigger, visitor for a report (`GET /v1/review-reports`), else whoever held the rating."""
    followed_up_at: datetime | None
    followed_up_by: str | None
    closed_at: datetime | None
    closed_by: str | None

    @classmethod
    def of(cls, case: SupportCase) -> Self:
        """Shape a case of the domain."""
        return cls(
            id=case.id,
            rating_id=case.rating_id,
            opened_at=case.opened_at,
            opened_by=case.opened_by,
            followed_up_at=case.followed_up_at,
            followed_up_by=case.followed_up_by,
            closed_at=case.closed_at,
            closed_by=case.closed_by,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SupportCaseListResponse(Answer):
    """A page of support cases."""

    items: Sequence[SupportCaseResponse]
    next_cursor: str | None
    """Null on the last page."""
    prev_cursor: str | None
    """Null on the first page."""

    @classmethod
    def of(cls, page: Page[SupportCase], asked: SupportCaseListParameters) -> Self:
        """Shape a page, with cursors beside its last and its first item."""
        next_cursor, prev_cursor = write_cursors(
            page, lambda item: (item.opened_at, str(item.id)), listing=asked.listing()
        )
        return cls(
            items=[SupportCaseResponse.of(item) for item in page.items],
            next_cursor=next_cursor,
            prev_cursor=prev_cursor,
        )
