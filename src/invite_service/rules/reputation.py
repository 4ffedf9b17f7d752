"""Whether so many of a merchant's e-mails bounce, or are called spam, that its sending pauses by itself.

Providers close accounts that go on: Amazon SES reviews at 5 % bounces and at 0.1 % complaints.
"""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final

from invite_service.domain.provider_event import EventKind

MAX_BOUNCED: Final = 0.05
MAX_COMPLAINED: Final = 0.001
ENOUGH_MESSAGES: Final = 200
"""Messages within the span before which bounces and complaints are no share of anything."""
REPUTATION_SPAN: Final = timedelta(hours=24)
"""Real time, as what providers tell is."""

BOUNCES: Final = (EventKind.BOUNCED_HARD, EventKind.BOUNCED_SOFT)
HARMFUL: Final = frozenset({*BOUNCES, EventKind.COMPLAINED})
"""What providers count against who sends."""


class PauseReason(StrEnum):
    """Why a merchant was paused by itself."""

    TOO_MANY_BOUNCES = "too_many_bounces"
    TOO_MANY_COMPLAINTS = "too_many_complaints"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reputation:
    """A merchant's e-mails of a span: how many a provider took, and of how many it told later that they did harm."""

    messages: int
    bounced: int
    complained: int


def decide_pause(reputation: Reputation) -> PauseReason | None:
    """Decide whether sending pauses; exactly the limit is still borne."""
    if reputation.messages < ENOUGH_MESSAGES:
        return None
    if reputation.complained > MAX_COMPLAINED * reputation.messages:
        return PauseReason.TOO_MANY_COMPLAINTS
    if reputation.bounced > MAX_BOUNCED * reputation.messages:
        return PauseReason.TOO_MANY_BOUNCES
    return None
