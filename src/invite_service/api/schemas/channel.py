"""Channels on the wire."""

from dataclasses import dataclass
from datetime import datetime

from invite_service.api.schemas.fields import Answer
from invite_service.domain.invitation import Channel


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelResponse(Answer):
    """Whether messages may leave by a channel."""

    channel: Channel
    paused_at: datetime | None
    """Real time; null when the channel is open."""
    paused_reason: str | None
    """Such as misconfigured: what a provider refused about the settings."""
