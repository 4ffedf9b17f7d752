"""Channels on the wire."""

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Final

from pydantic import BaseModel, Field, StringConstraints, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from invite_service.api.schemas.branding import Email, SenderName, SmsSender, check_email
from invite_service.api.schemas.fields import STRICT, Currency, Money, Price, Text50
from invite_service.domain.channel import ChannelSettings, ChannelState, Circuit
from invite_service.domain.channel import Price as DomainPrice
from invite_service.domain.errors import Fault
from invite_service.domain.invitation import Channel
from invite_service.domain.receipt import OutcomeWord
from invite_service.rules.sms_senders import warn_of_sender
from invite_service.services.channels import NewSettings

MAX_OPTIONS: Final = 30

OptionName = Annotated[str, StringConstraints(min_length=1, max_length=50)]
OptionValue = Annotated[str, StringConstraints(max_length=8000)]
"""Long enough for a private key in PEM."""
Address = Annotated[str, StringConstraints(min_length=1, max_length=320)]

_SMS_SENDER: Final = TypeAdapter(SmsSender)


class SenderRequest(BaseModel):
    """Whom messages are from."""

    model_config = STRICT

    address: Address
    """An e-mail address that the provider may send from; of SMS, at most 11 letters and digits, or an E.164 number."""
    name: SenderName | None = None
    """Of e-mail only; default: the branding's, then the merchant's."""


class PriceRequest(BaseModel):
    """What one SMS costs."""

    model_config = STRICT

    amount: Price
    currency: Currency


class ChannelRequest(BaseModel):
    """The whole channel: what is left out, or null, goes back to its default, but for credentials."""

    model_config = STRICT

    provider: Text50 | None = None
    """Null: the installation's."""
    credentials: Annotated[dict[OptionName, OptionValue], Field(max_length=MAX_OPTIONS)] | None = None
    """The provider's options by name, such as `url` of smtp; never shown again. Left out: those that are stored for the
    same provider stay."""
    sender: SenderRequest | None = Field(default=None, alias="from")
    """Required for an e-mail provider of one's own; else the branding's sender."""
    reply_to: Email | None = None
    """Of e-mail only."""
    price: PriceRequest | None = None
    """Of SMS only; recorded with each message that is accepted. Default: 0.40 NOK."""
    record_opens: bool = False
    """Of e-mail only: keep opens and clicks that the provider tells; else they are dropped unread."""
    max_per_second: Annotated[float, Field(ge=0.001, le=1000, allow_inf_nan=False)] | None = None
    """Invitations that leave in a second at the most, however many workers there are. Null: as many as are taken."""
    max_per_hour: Annotated[int, Field(ge=1, le=3_600_000)] | None = None
    """The same of an hour, spread evenly over it; of two limits the slower holds."""

    def to_settings(self) -> NewSettings:
        """Translate to what the service takes."""
        sender, price = self.sender, self.price
        return NewSettings(
            provider=self.provider,
            options=self.credentials,
            from_address=sender.address.strip() if sender is not None else None,
            from_name=sender.name if sender is not None else None,
            reply_to=self.reply_to,
            sms_price=DomainPrice(price.amount, price.currency) if price is not None else None,
            records_engagement=self.record_opens,
            max_per_second=self.max_per_second,
            max_per_hour=self.max_per_hour,
        )

    def find_faults(self, channel: Channel) -> Iterator[Fault]:
        """Name what is good in itself and not for this channel."""
        if channel is Channel.EMAIL:
            if self.price is not None:
                yield Fault("/price", "not_of_channel", "E-mails are not counted by price.")
            if self.sender is not None and not _is_email(self.sender.address):
                yield Fault("/from/address", "invalid_format", "Must be an e-mail address.")
            return
        if self.record_opens:
            yield Fault("/record_opens", "not_of_channel", "An SMS is not seen being opened.")
        if self.reply_to is not None:
            yield Fault("/reply_to", "not_of_channel", "An SMS has no other address for replies.")
        if self.sender is not None and self.sender.name is not None:
            yield Fault("/from/name", "not_of_channel", "An SMS shows no name beside its sender.")
        if self.sender is not None and not _is_sms_sender(self.sender.address):
            detail = "Must be at most 11 letters and digits, or an E.164 number."
            yield Fault("/from/address", "invalid_format", detail)


def _is_email(address: str) -> bool:
    try:
        check_email(address)
    except ValueError:
        return False
    return True


def _is_sms_sender(address: str) -> bool:
    try:
        _SMS_SENDER.validate_python(address.strip())
    except ValidationError:
        return False
    return True


class CredentialsResponse(TypedDict):
    """What may be said of credentials."""

    set: bool
    updated_at: datetime | None
    """Real time, as every instant here."""


class SenderResponse(TypedDict):
    """Whom messages are from."""

    address: str
    name: str | None


class PriceResponse(TypedDict):
    """What one message costs."""

    amount: Money
    currency: str


class CheckResponse(TypedDict):
    """What the provider said the last time these settings were tried."""

    at: datetime
    outcome: OutcomeWord
    """accepted: they work. misconfigured: they do not. not_sent, rate_limited and unknown: it could not be told."""
    reason: str
    """A word from the provider's page."""


class ChannelWarning(TypedDict):
    """Something to know of what was saved."""

    code: str
    detail: str


class CircuitResponse(TypedDict):
    """What the provider did last that keeps messages from it, though nothing is wrong with the settings."""

    provider: str
    openings: int
    """How often in a row it failed for so long that nothing was tried any more."""
    reason: str | None
    """What its last failure was: a word from the provider's page."""
    open_until: datetime | None
    """Until then nothing is tried; then one message is, and its answer decides for all others."""
    rests_until: datetime | None
    """Until when the provider asked to wait."""


_From = TypedDict("_From", {"from": SenderResponse | None})


class ChannelResponse(_From):
    """A channel as it is. Credentials are never shown."""

    channel: Channel
    version: int
    """0 while nothing was ever set; the ETag is this number."""
    provider: str | None
    """Null: messages leave through the installation's."""
    credentials: CredentialsResponse
    events_url: str | None
    """What to enter at the provider, so that it tells what became of messages; null for one that tells nothing."""
    reply_to: str | None
    price: PriceResponse | None
    """Null for e-mail."""
    record_opens: bool
    max_per_second: float | None
    max_per_hour: int | None
    """Null: no limit."""
    updated_at: datetime | None
    last_check: CheckResponse | None
    """Null where these settings were never tried."""
    circuit: CircuitResponse | None
    """Null: the provider answers."""
    paused_at: datetime | None
    """Null when the channel is open."""
    paused_reason: str | None
    """What a provider refused about the settings, or why there is none to send through."""
    warnings: list[ChannelWarning]
    """Of SMS: what its sender cannot do, and in which countries."""


def channel_response(channel: Channel, state: ChannelState, *, events_url: str | None) -> ChannelResponse:
    """Shape a channel."""
    settings, pause, check = state.settings, state.pause, state.check
    price = settings.price_of(channel)
    sender = settings.from_address
    return {
        "channel": channel,
        "version": settings.version,
        "provider": settings.provider,
        "credentials": {"set": settings.options is not None, "updated_at": settings.options_updated_at},
        "events_url": events_url,
        "from": {"address": sender, "name": settings.from_name} if sender is not None else None,
        "reply_to": settings.reply_to,
        "price": {"amount": price.amount, "currency": price.currency} if price is not None else None,
        "record_opens": settings.records_engagement,
        "max_per_second": settings.max_per_second,
        "max_per_hour": settings.max_per_hour,
        "updated_at": settings.updated_at,
        "last_check": {"at": check.at, "outcome": check.outcome, "reason": check.reason} if check is not None else None,
        "circuit": _circuit(state.circuit) if state.circuit is not None else None,
        "paused_at": pause.paused_at if pause is not None else None,
        "paused_reason": pause.reason if pause is not None else None,
        "warnings": _warnings(channel, settings),
    }


def _circuit(circuit: Circuit) -> CircuitResponse:
    return {
        "provider": circuit.provider,
        "openings": circuit.openings,
        "reason": circuit.reason,
        "open_until": circuit.open_until,
        "rests_until": circuit.rests_until,
    }


def _warnings(channel: Channel, settings: ChannelSettings) -> list[ChannelWarning]:
    if channel is not Channel.SMS or settings.from_address is None:
        return []
    return [{"code": one.code, "detail": one.detail} for one in warn_of_sender(settings.from_address)]
