"""The providers there are: from a name and its options, as stored, to a sender. Only bootstrap imports this."""

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import assert_never
from urllib.parse import parse_qsl

from invite_service.domain.errors import Fault, ProviderSettingsError
from invite_service.domain.invitation import Channel
from invite_service.providers.base import EventReader, Mailbox, Sender
from invite_service.providers.email.brevo import NAME as BREVO
from invite_service.providers.email.brevo import BrevoEvents, BrevoSender, BrevoSettings, parse_brevo
from invite_service.providers.email.mailgun import NAME as MAILGUN
from invite_service.providers.email.mailgun import MailgunEvents, MailgunSender, MailgunSettings, parse_mailgun
from invite_service.providers.email.mailjet import NAME as MAILJET
from invite_service.providers.email.mailjet import MailjetEvents, MailjetSender, MailjetSettings, parse_mailjet
from invite_service.providers.email.postmark import NAME as POSTMARK
from invite_service.providers.email.postmark import PostmarkEvents, PostmarkSender, PostmarkSettings, parse_postmark
from invite_service.providers.email.resend import NAME as RESEND
from invite_service.providers.email.resend import ResendEvents, ResendSender, ResendSettings, parse_resend
from invite_service.providers.email.sendgrid import NAME as SENDGRID
from invite_service.providers.email.sendgrid import SendGridEvents, SendGridSender, SendGridSettings, parse_sendgrid
from invite_service.providers.email.ses import NAME as SES
from invite_service.providers.email.ses import SesSender, SesSettings, parse_ses
from invite_service.providers.email.ses_events import SesEvents
from invite_service.providers.email.smtp import create_smtp_sender
from invite_service.providers.email.smtp_answers import NAME as SMTP
from invite_service.providers.email.smtp_settings import SmtpSettings, parse_smtp_url
from invite_service.providers.event_addresses import NO_EVENT_ADDRESSES, EventAddresses
from invite_service.providers.mailbox import NAME as MAILBOX
from invite_service.providers.mailbox import MailboxSender, MailboxSettings
from invite_service.providers.reach import EVERYWHERE, Reach
from invite_service.providers.sms.elks import NAME as ELKS
from invite_service.providers.sms.elks import ElksEvents, ElksSender, ElksSettings, parse_elks
from invite_service.providers.sms.link_mobility import NAME as LINK_MOBILITY
from invite_service.providers.sms.link_mobility import (
    LinkMobilityEvents,
    LinkMobilitySender,
    LinkMobilitySettings,
    parse_link_mobility,
)
from invite_service.providers.sms.sinch import NAME as SINCH
from invite_service.providers.sms.sinch import SinchEvents, SinchSender, SinchSettings, parse_sinch
from invite_service.providers.sms.twilio import NAME as TWILIO
from invite_service.providers.sms.twilio import TwilioEvents, TwilioSender, TwilioSettings, parse_twilio
from invite_service.providers.sms.vonage import NAME as VONAGE
from invite_service.providers.sms.vonage import VonageEvents, VonageSender, VonageSettings, parse_vonage

ProviderOptions = (
    SmtpSettings
    | MailboxSettings
    | BrevoSettings
    | MailgunSettings
    | MailjetSettings
    | PostmarkSettings
    | ResendSettings
    | SendGridSettings
    | SesSettings
    | ElksSettings
    | LinkMobilitySettings
    | SinchSettings
    | TwilioSettings
    | VonageSettings
)
"""What a provider's options are once they are read; one class per provider."""


@dataclass(frozen=True, slots=True)
class SenderSettings:
    """A provider and its options, read and found good; hashable, so that equal settings can share a sender."""

    provider: str
    options: ProviderOptions


@dataclass(frozen=True, slots=True)
class _Provider:
    """What there is to know of a provider before it is used."""

    channels: frozenset[Channel]
    required: frozenset[str]
    parse: Callable[[Mapping[str, str]], ProviderOptions]
    optional: frozenset[str] = frozenset()

    @property
    def option_names(self) -> frozenset[str]:
        """Name every option it has."""
        return self.required | self.optional


_EMAIL = frozenset({Channel.EMAIL})
_SMS = frozenset({Channel.SMS})

_PROVIDERS: Mapping[str, _Provider] = {
    MAILBOX: _Provider(channels=frozenset(Channel), required=frozenset(), parse=lambda _: MailboxSettings()),
    BREVO: _Provider(
        channels=_EMAIL,
        required=frozenset({"api_key"}),
        optional=frozenset({"api_url", "webhook_secret"}),
        parse=parse_brevo,
    ),
    MAILGUN: _Provider(
        channels=_EMAIL,
        required=frozenset({"api_key", "domain"}),
        optional=frozenset({"region", "api_url", "webhook_signing_key"}),
        parse=parse_mailgun,
    ),
    MAILJET: _Provider(
        channels=_EMAIL,
        required=frozenset({"api_key", "secret_key"}),
        optional=frozenset({"api_url", "webhook_secret"}),
        parse=parse_mailjet,
    ),
    POSTMARK: _Provider(
        channels=_EMAIL,
        required=frozenset({"server_token"}),
        optional=frozenset({"message_stream", "api_url", "webhook_secret"}),
        parse=parse_postmark,
    ),
    RESEND: _Provider(
        channels=_EMAIL,
        required=frozenset({"api_key"}),
        optional=frozenset({"api_url", "webhook_secret"}),
        parse=parse_resend,
    ),
    SENDGRID: _Provider(
        channels=_EMAIL,
        required=frozenset({"api_key"}),
        optional=frozenset({"region", "api_url", "webhook_public_key"}),
        parse=parse_sendgrid,
    ),
    SES: _Provider(
        channels=_EMAIL,
        required=frozenset({"region", "access_key_id", "secret_access_key"}),
        optional=frozenset({"configuration_set", "api_url", "webhook_secret"}),
        parse=parse_ses,
    ),
    SMTP: _Provider(
        channels=_EMAIL,
        required=frozenset({"url"}),
        parse=lambda options: parse_smtp_url(options["url"]),
    ),
    ELKS: _Provider(
        channels=_SMS,
        required=frozenset({"api_username", "api_password"}),
        optional=frozenset({"api_url", "webhook_secret"}),
        parse=parse_elks,
    ),
    LINK_MOBILITY: _Provider(
        channels=_SMS,
        required=frozenset({"username", "password", "platform_id", "platform_partner_id"}),
        optional=frozenset({"node", "gate_id", "api_url", "webhook_secret"}),
        parse=parse_link_mobility,
    ),
    SINCH: _Provider(
        channels=_SMS,
        required=frozenset({"service_plan_id", "api_token"}),
        optional=frozenset({"region", "api_url", "webhook_secret"}),
        parse=parse_sinch,
    ),
    TWILIO: _Provider(
        channels=_SMS,
        required=frozenset({"account_sid", "api_key_sid", "api_key_secret"}),
        optional=frozenset({"messaging_service_sid", "api_url", "webhook_auth_token"}),
        parse=parse_twilio,
    ),
    VONAGE: _Provider(
        channels=_SMS,
        required=frozenset({"api_key", "api_secret"}),
        optional=frozenset({"api_url", "webhook_signature_secret"}),
        parse=parse_vonage,
    ),
}

MAILBOX_SETTINGS = SenderSettings(MAILBOX, MailboxSettings())
"""The provider of sandbox merchants."""

_SCHEMES = {"smtp": SMTP, "smtps": SMTP, "mailbox": MAILBOX}


def provider_names(channel: Channel) -> tuple[str, ...]:
    """Name the providers of a channel, in alphabetical order."""
    return tuple(sorted(name for name, provider in _PROVIDERS.items() if channel in provider.channels))


def parse_settings(provider: str, options: Mapping[str, str], *, channel: Channel) -> SenderSettings:
    """Read a merchant's settings for one channel.

    Raises ProviderSettingsError with every fault at once; pointers lead into {"provider": …, "options": {…}}, and no
    fault repeats a value.
    """
    known = _PROVIDERS.get(provider)
    if known is None or channel not in known.channels:
        raise unknown_provider(channel)
    faults = [
        Fault(pointer=f"/options/{name}", code="option_missing", detail=f"{name} is required")
        for name in sorted(known.required - options.keys())
    ]
    if options.keys() - known.option_names:
        names = ", ".join(sorted(known.option_names)) or "none"
        faults.append(Fault(pointer="/options", code="option_unknown", detail=f"options of {provider}: {names}"))
    if not known.required - options.keys():
        try:
            parsed = known.parse(options)
        except ProviderSettingsError as error:
            faults += [replace(fault, pointer=f"/options{fault.pointer}") for fault in error.faults]
    if faults:
        raise ProviderSettingsError(f"The settings of {provider} have faults.", faults=faults)
    return SenderSettings(provider, parsed)


def parse_url(url: str, *, channel: Channel = Channel.EMAIL) -> SenderSettings:
    """Read the installation's default for a channel.

    That is an smtp:// or smtps:// URL, `mailbox:`, or the name of another provider and its options, percent-encoded:
    `provider:?option=value&option=value`. Raises ProviderSettingsError with every fault at once and no part of the URL.
    """
    scheme, _, rest = url.partition(":")
    provider = _SCHEMES.get(scheme.lower(), scheme.lower())
    if provider not in provider_names(channel):
        schemes = sorted({*_schemes_of(channel), *provider_names(channel)})
        fault = Fault(pointer="/url", code="scheme_unknown", detail=f"schemes: {', '.join(schemes)}")
        raise ProviderSettingsError("The provider URL has an unknown scheme.", faults=[fault])
    if provider == SMTP:
        return SenderSettings(provider, parse_smtp_url(url))
    return parse_settings(provider, _read_query(rest), channel=channel)


def _schemes_of(channel: Channel) -> list[str]:
    return [scheme for scheme, provider in _SCHEMES.items() if channel in _PROVIDERS[provider].channels]


def _read_query(rest: str) -> dict[str, str]:
    if not rest:
        return {}
    with contextlib.suppress(ValueError):
        pairs = parse_qsl(rest.removeprefix("?"), keep_blank_values=True, strict_parsing=True, errors="strict")
        if len(dict(pairs)) == len(pairs):
            return dict(pairs)
    fault = Fault(pointer="/url", code="url_invalid", detail="must read provider:?option=value&option=value")
    raise ProviderSettingsError("The provider URL cannot be read.", faults=[fault])


def create_sender(
    settings: SenderSettings,
    *,
    mailbox: Mailbox,
    clock: Callable[[], datetime],
    reach: Reach = EVERYWHERE,
    events: EventAddresses = NO_EVENT_ADDRESSES,
) -> Sender:
    """Make the sender, which connects within reach; whoever asked for it closes it.

    `clock` tells aware instants in UTC, for signatures that hold a time; `events` where those are told to report that
    are told so with each message. Raises ProviderSettingsError where a file that
    the settings name cannot be used.
    """
    match settings.options:
        case SmtpSettings() as smtp:
            return create_smtp_sender(smtp, reach=reach)
        case MailboxSettings():
            return MailboxSender(mailbox)
        case BrevoSettings() as brevo:
            return BrevoSender(brevo, reach=reach)
        case MailgunSettings() as mailgun:
            return MailgunSender(mailgun, reach=reach)
        case MailjetSettings() as mailjet:
            return MailjetSender(mailjet, reach=reach)
        case PostmarkSettings() as postmark:
            return PostmarkSender(postmark, reach=reach)
        case ResendSettings() as resend:
            return ResendSender(resend, reach=reach)
        case SendGridSettings() as sendgrid:
            return SendGridSender(sendgrid, reach=reach)
        case SesSettings() as ses:
            return SesSender(ses, clock=clock, reach=reach)
        case ElksSettings() as elks:
            return ElksSender(elks, events=events, reach=reach)
        case LinkMobilitySettings() as link_mobility:
            return LinkMobilitySender(link_mobility, reach=reach)
        case SinchSettings() as sinch:
            return SinchSender(sinch, events=events, reach=reach)
        case TwilioSettings() as twilio:
            return TwilioSender(twilio, events=events, reach=reach)
        case VonageSettings() as vonage:
            return VonageSender(vonage, events=events, reach=reach)
        case _:
            assert_never(settings.options)


def tells_events(provider: str) -> bool:
    """Say whether a provider tells later what became of a message: then it has an option to check its requests with."""
    known = _PROVIDERS.get(provider)
    return known is not None and any(name.startswith("webhook_") for name in known.option_names)


def create_event_reader(settings: SenderSettings) -> EventReader | None:
    """Make the reader of what the provider tells later; whoever asked for it closes it.

    None where the provider tells nothing, or where the settings lack what its requests are checked with.
    """
    match settings.options:
        case BrevoSettings(webhook_secret=str(secret)):
            return BrevoEvents(secret)
        case MailgunSettings(webhook_signing_key=str(key)):
            return MailgunEvents(key)
        case MailjetSettings(webhook_secret=str(secret)):
            return MailjetEvents(secret)
        case PostmarkSettings(webhook_secret=str(secret)):
            return PostmarkEvents(secret)
        case ResendSettings(webhook_secret=str(secret)):
            return ResendEvents(secret)
        case SendGridSettings(webhook_public_key=str(key)):
            return SendGridEvents(key)
        case SesSettings(webhook_secret=str(secret)):
            return SesEvents(secret)
        case ElksSettings(webhook_secret=str(secret)):
            return ElksEvents(secret)
        case LinkMobilitySettings(webhook_secret=str(secret)):
            return LinkMobilityEvents(secret)
        case SinchSettings(webhook_secret=str(secret)):
            return SinchEvents(secret)
        case TwilioSettings(webhook_auth_token=str(token)):
            return TwilioEvents(token)
        case VonageSettings(webhook_signature_secret=str(secret)):
            return VonageEvents(secret)
        case _:
            return None


def unknown_provider(channel: Channel) -> ProviderSettingsError:
    """Make the error that names the providers which merchants may choose from."""
    names = ", ".join(name for name in provider_names(channel) if name != MAILBOX) or "none"
    fault = Fault(pointer="/provider", code="provider_unknown", detail=f"providers for {channel}: {names}")
    return ProviderSettingsError(f"There is no such provider for {channel}.", faults=[fault])
