"""What the timeline tells of settings that were changed: which, and not from what to what."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from invite_service.domain.decision import JsonFigure
from invite_service.domain.timeline import TimelineEntry, TimelineEvent


def tell_change(
    event: TimelineEvent,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    *,
    version: int,
    at: datetime,
    actor: str,
) -> TimelineEntry:
    """Write the entry of a saved version; every version can be read, so names are enough."""
    changed = [name for name, value in after.items() if value != before[name]]
    data: dict[str, JsonFigure] = {"version": version, "changed": [*changed]}
    return TimelineEntry(at=at, actor=actor, event=event, data=data)
