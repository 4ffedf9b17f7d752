"""The merchant's own timeline as it stands on the wire."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Self
from uuid import UUID

from pydantic import field_validator

from invite_service.api.schemas.fields import Answer, QueryInstant
from invite_service.api.schemas.listing import check_after_start
from invite_service.api.schemas.paging import PageParameters, write_cursors
from invite_service.domain.decision import JsonFigure
from invite_service.domain.listing import Span
from invite_service.domain.timeline import ListedEntry, TimelineEvent, TimelineFilter, TimelineSubject
from invite_service.services.paging import Page, PageRequest


class TimelineListParameters(PageParameters):
    """Which page of which entries is wanted."""

    sort: Literal["at", "-at"] = "-at"
    """A minus: latest first."""
    subject: TimelineSubject | None = None
    """What was changed; left out: everything."""
    at_from: QueryInstant | None = None
    """On the merchant's clock."""
    at_to: QueryInstant | None = None
    """Not included."""

    _ends_after_start = field_validator("at_to")(check_after_start)

    def to_filter(self) -> TimelineFilter:
        """Translate to the domain."""
        return TimelineFilter(subject=self.subject, at=Span(start=self.at_from, end=self.at_to))

    def to_page(self) -> PageRequest:
        """Translate to the page wanted."""
        return self.page(ascending=not self.sort.startswith("-"))


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedEntryResponse(Answer):
    """Who did what to the merchant's settings, when and why; without personal data."""

    id: UUID
    at: datetime
    """On the merchant's clock."""
    actor: str
    """rule, worker, provider, operator, sandbox, or key: and the name of an API key."""
    event: TimelineEvent
    reason: str | None
    data: Mapping[str, JsonFigure]

    @classmethod
    def of(cls, listed: ListedEntry) -> Self:
        """Shape an entry of the domain."""
        entry = listed.entry
        return cls(
            id=listed.id, at=entry.at, actor=entry.actor, event=entry.event, reason=entry.reason, data=entry.data
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineListResponse(Answer):
    """A page of the merchant's timeline."""

    items: Sequence[ListedEntryResponse]
    next_cursor: str | None
    """Null on the last page."""
    prev_cursor: str | None
    """Null on the first page."""

    @classmethod
    def of(cls, page: Page[ListedEntry], asked: TimelineListParameters) -> Self:
        """Shape a page, with cursors beside its last and its first item."""
        next_cursor, prev_cursor = write_cursors(
            page, lambda item: (item.entry.at, str(item.id)), listing=asked.listing()
        )
        return cls(
            items=[ListedEntryResponse.of(item) for item in page.items],
            next_cursor=next_cursor,
            prev_cursor=prev_cursor,
        )
