"""What a provider tells later about a message that it took, in words that are the same for every provider."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

REASON_LIMIT = 500
"""Characters of a provider's explanation that are kept."""


class EventKind(StrEnum):
    """What can become of a message after a provider took it."""

    SENT = "sent"
    """Under way to the receiver's server; says only that the provider has the message."""
    DELIVERED = "delivered"
    """Taken by the receiver's server, or shown by the phone's network as arrived."""
    DEFERRED = "deferred"
    """Not taken yet; the provider goes on trying."""
    BOUNCED_HARD = "bounced_hard"
    """The address can never receive anything."""
    BOUNCED_SOFT = "bounced_soft"
    """Given up for a reason that may pass."""
    COMPLAINED = "complained"
    """The customer called it spam."""
    UNSUBSCRIBED = "unsubscribed"
    """The customer told the provider to stop, or had done so before."""
    STOPPED = "stopped"
    """The customer answered an SMS with a word that means stop."""
    REPLIED = "replied"
    """The customer answered an SMS; `text` holds the words, and whether they mean stop is not the reader's to say."""
    FAILED = "failed"
    """Will not be delivered, and the reason says nothing about the address."""
    OPENED = "opened"
    CLICKED = "clicked"
    UNKNOWN = "unknown"
    """A word that we do not know, or one that says nothing about the message; kept as it came."""


class EventVerdict(StrEnum):
    """What became of one request that says it comes from a provider."""

    TRUE = "true"
    """It comes from the provider; there may be no event in it all the same."""
    UNSIGNED = "unsigned"
    """No secret, or a signature that is missing or wrong: it may come from anybody."""
    STALE = "stale"
    """Signed, but longer ago than a request takes to arrive; it may be somebody's recording."""
    UNREADABLE = "unreadable"
    """From the provider, and not in a form that we can read."""
    UNCHECKED = "unchecked"
    """What the check needs could not be fetched just now; the provider should ask again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderEvent:
    """One thing that a provider told about one message; who it was for stays out of its repr, and so out of logs."""

    provider: str
    kind: EventKind
    raw_kind: str
    """The provider's own word, at most 100 characters."""
    event_id: str
    """The provider's id of the event, else a hash of what it said; a repetition has the same one."""
    occurred_at: datetime | None
    """Aware; None where the provider does not say."""
    attempt_id: UUID | None = None
    """Where the provider hands back what was sent along."""
    provider_message_id: str | None = None
    """As in the receipt of the hand-over."""
    message_id: str | None = None
    """RFC 5322 Message-ID with its angle brackets, where the provider tells it."""
    address: str | None = field(default=None, repr=False)
    """The e-mail address or number that the event is about."""
    text: str | None = field(default=None, repr=False)
    """Of `replied`: what the customer wrote; never stored."""
    reason: str = ""
    """Why, in the provider's or the receiving server's words, without addresses and numbers, at most REASON_LIMIT."""

    @property
    def attempt_of_message_id(self) -> UUID | None:
        """The attempt that the Message-ID names: those that we write begin with its id."""
        try:
            return UUID((self.message_id or "").strip("<>").partition("@")[0])
        except ValueError:
            return None


@dataclass(frozen=True, slots=True, kw_only=True)
class EventReading:
    """What was read from one request; there are events only where the verdict is `true`."""

    verdict: EventVerdict
    events: tuple[ProviderEvent, ...] = ()
