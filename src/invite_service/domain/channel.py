"""A merchant's channel: through which provider its messages leave, from whom, and for how much."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Final

from invite_service.domain.branding import Branding
from invite_service.domain.invitation import Channel
from invite_service.domain.receipt import OutcomeWord


@dataclass(frozen=True, slots=True)
class Price:
    """What one message costs the merchant."""

    amount: Decimal
    currency: str
    """ISO 4217."""


SMS_PRICE: Final = Price(Decimal("0.40"), "NOK")
"""Of an SMS where the merchant's channel settings name no other (RULES.md section 2)."""


@dataclass(frozen=True, slots=True)
class SealedOptions:
    """A provider's options as they are stored: nobody who reads them can tell what they are."""

    key_id: str
    sealed: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class ChannelPause:
    """Since when nothing leaves by a channel (real time), and why."""

    paused_at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class ChannelCheck:
    """What a provider said the last time the settings were tried; `at` is real time."""

    at: datetime
    outcome: OutcomeWord
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelSettings:
    """What a merchant set for one channel; without a provider its messages leave through the installation's."""

    version: int = 0
    """0 while nothing was ever set."""
    provider: str | None = None
    options: SealedOptions | None = None
    """Set exactly when a provider is."""
    options_updated_at: datetime | None = None
    """Real time, as the other instants here."""
    from_address: str | None = None
    """An e-mail address; of an SMS, at most 11 letters and digits, or an E.164 number."""
    from_name: str | None = None
    reply_to: str | None = None
    sms_price: Price | None = None
    records_engagement: bool = False
    """Whether opens and clicks are recorded that the provider tells."""
    max_per_second: float | None = None
    """Messages that may leave in a second; None: as fast as the provider takes them."""
    max_per_hour: int | None = None
    updated_at: datetime | None = None

    @property
    def price_of_sms(self) -> Price:
        """What an SMS costs the merchant."""
        return self.sms_price or SMS_PRICE

    def price_of(self, channel: Channel) -> Price | None:
        """Tell what an accepted message costs the merchant; None where that is not counted per message."""
        return self.price_of_sms if channel is Channel.SMS else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Circuit:
    """What a provider did last that keeps messages from it; instants are real time."""

    provider: str
    openings: int = 0
    """How often in a row it opened; 0 where the provider only asked to wait."""
    reason: str | None = None
    """What the provider's last failure was."""
    open_until: datetime | None = None
    """Until then nothing is tried, and then one message."""
    trial_until: datetime | None = None
    """Until when that one has time for its answer."""
    rests_until: datetime | None = None
    """Until when the provider asked to wait."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """How many messages may leave, as it was, or will be, at an instant of real time."""

    tokens: float
    refilled_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelState:
    """A channel as it is: its settings, whether it is paused, and what provider and last check said under them."""

    settings: ChannelSettings = ChannelSettings()
    pause: ChannelPause | None = None
    check: ChannelCheck | None = None
    circuit: Circuit | None = None
    """None: messages leave."""
    shared_bucket: Bucket | None = None
    """Of the installation's provider, for merchants without one of their own; None where nothing ever held it back."""


UNSET_CHANNEL: Final = ChannelState()
"""A channel that nobody has set anything for: open, through the installation's provider."""


def signed_by(branding: Branding, *, email: ChannelSettings, sms: ChannelSettings) -> Branding:
    """Put the senders of the channels in the place of the branding's, where the channels name any.

    A provider sends from the addresses that it knows, so that what is set beside its credentials comes first.
    """
    if email.from_address is not None:
        branding = replace(
            branding,
            sender_email=email.from_address,
            sender_name=email.from_name or branding.sender_name,
        )
    if email.reply_to is not None:
        branding = replace(branding, reply_to=email.reply_to)
    if sms.from_address is not None:
        branding = replace(branding, sms_sender=sms.from_address)
    return branding
