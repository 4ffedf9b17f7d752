"""What became of one hand-over to a provider, in words that are the same for every provider."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

RAW_ANSWER_LIMIT = 500
"""Characters of a provider's answer that are kept."""


class OutcomeWord(StrEnum):
    """The six things that can become of a hand-over (DESIGN.md section 6)."""

    ACCEPTED = "accepted"
    """The provider has taken responsibility for the message."""
    REJECTED = "rejected"
    """The provider refused this message for good; the same message will never be taken."""
    MISCONFIGURED = "misconfigured"
    """Nothing of this merchant can leave before somebody changes settings; the message itself may be fine."""
    RATE_LIMITED = "rate_limited"
    """Not taken because of pace; `retry_after` says how long to wait."""
    NOT_SENT = "not_sent"
    """The message has certainly not left and may be tried again."""
    UNKNOWN = "unknown"
    """The message may have left; it is never tried again blindly."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """A provider's answer to one message, and what it means."""

    outcome: OutcomeWord
    reason: str
    """A snake_case word that says why, from the provider's page in docs/providers/."""
    provider: str
    provider_message_id: str | None = None
    raw_answer: str = ""
    """What the provider said, e-mail addresses taken out, at most RAW_ANSWER_LIMIT characters; empty for silence."""
    retry_after: timedelta | None = None
    """Set exactly when the outcome is `rate_limited`."""
    suppress_address: bool = False
    """The provider said that the address can never receive anything (RULES.md section 3, Channel)."""
