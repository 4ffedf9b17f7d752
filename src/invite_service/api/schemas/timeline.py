"""The timeline as it stands on the wire."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Self
from uuid import UUID

from invite_service.api.schemas.fields import Answer
from invite_service.domain.decision import JsonFigure
from invite_service.domain.timeline import TimelineEntry, TimelineEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineEntryResponse(Answer):
    """Who did what, when and why; without personal data."""

    at: datetime
    """On the merchant's clock."""
    actor: str
    """rule, worker, provider, customer, visitor, operator, sandbox, or key: and the name of an API key."""
    event: TimelineEvent
    order_id: str | None
    invitation_id: UUID | None
    reason: str | None
    data: Mapping[str, JsonFigure]

    @classmethod
    def of(cls, entry: TimelineEntry) -> Self:
        """Shape an entry of the domain."""
        return cls(
            at=entry.at,
            actor=entry.actor,
            event=entry.event,
            order_id=entry.order_id,
            invitation_id=entry.invitation_id,
            reason=entry.reason,
            data=entry.data,
        )
