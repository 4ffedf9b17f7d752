"""The providers there are: from a name and its options, as stored, to a sender. Only bootstrap imports this."""

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from importlib import import_module
from typing import Any, Final
from urllib.parse import parse_qsl

from invite_service.domain.errors import Fault, ProviderSettingsError
from invite_service.domain.invitation import Channel
from invite_service.providers.adapter import Adapter, Surroundings
from invite_service.providers.base import EventReader, Mailbox, Sender
from invite_service.providers.email.smtp_settings import SmtpSettings
from invite_service.providers.event_addresses import NO_EVENT_ADDRESSES, EventAddresses
from invite_service.providers.http import ApiSettings
from invite_service.providers.mailbox import NAME as MAILBOX
from invite_service.providers.mailbox import MailboxSettings
from invite_service.providers.reach import EVERYWHERE, Reach

SMTP: Final = "smtp"

ProviderOptions = SmtpSettings | MailboxSettings | ApiSettings
"""What a provider's options are once they are read; each company with an API has its own class of ApiSettings."""


@dataclass(frozen=True, slots=True)
class SenderSettings:
    """A provider and its options, read and found good; hashable, so that equal settings can share a sender."""

    provider: str
    options: ProviderOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class _Provider:
    """What there is to know of a provider before its module is imported."""

    module: str
    """Below `invite_service.providers`; its ADAPTER does the rest."""
    channels: frozenset[Channel]
    required: frozenset[str]
    optional: frozenset[str] = frozenset()

    @property
    def option_names(self) -> frozenset[str]:
        """Name every option it has."""
        return self.required | self.optional

    def load(self) -> Adapter[Any]:
        """Import the module when it is first needed: most processes send through one or two of them."""
        adapter = import_module(f"invite_service.providers.{self.module}").ADAPTER
        assert isinstance(adapter, Adapter)
        return adapter


_EMAIL = frozenset({Channel.EMAIL})
_SMS = frozenset({Channel.SMS})

_PROVIDERS: Mapping[str, _Provider] = {
    MAILBOX: _Provider(module="mailbox", channels=frozenset(Channel), required=frozenset()),
    "brevo": _Provider(
        module="email.brevo",
        channels=_EMAIL,
        required=frozenset({"api_key"}),
        optional=frozenset({"api_url", "webhook_secret"}),
    ),
    "mailgun": _Provider(
        module="email.mailgun",
        channels=_EMAIL,
        required=frozenset({"api_key", "domain"}),
        optional=frozenset({"region", "api_url", "webhook_signing_key"}),
    ),
    "mailjet": _Provider(
        module="email.mailjet",
        channels=_EMAIL,
        required=frozenset({"api_key", "secret_key"}),
        optional=frozenset({"api_url", "webhook_secret"}),
    ),
    "postmark": _Provider(
        module="email.postmark",
        channels=_EMAIL,
        required=frozenset({"server_token"}),
        optional=frozenset({"message_stream", "api_url", "webhook_secret"}),
    ),
    "resend": _Provider(
        module="email.resend",
        channels=_EMAIL,
        required=frozenset({"api_key"}),
        optional=frozenset({"api_url", "webhook_secret"}),
    ),
    "sendgrid": _Provider(
        module="email.sendgrid",
        channels=_EMAIL,
        required=frozenset({"api_key"}),
        optional=frozenset({"region", "api_url", "webhook_public_key"}),
    ),
    "ses": _Provider(
        module="email.ses_events",
        channels=_EMAIL,
        required=frozenset({"region", "access_key_id", "secret_access_key"}),
        optional=frozenset({"configuration_set", "api_url", "webhook_secret"}),
    ),
    SMTP: _Provider(
        module="email.smtp",
        channels=_EMAIL,
        required=frozenset({"url"}),
    ),
    "46elks": _Provider(
        module="sms.elks",
        channels=_SMS,
        required=frozenset({"api_username", "api_password"}),
        optional=frozenset({"api_url", "webhook_secret"}),
    ),
    "link_mobility": _Provider(
        module="sms.link_mobility",
        channels=_SMS,
        required=frozenset({"username", "password", "platform_id", "platform_partner_id"}),
        optional=frozenset({"node", "gate_id", "api_url", "webhook_secret"}),
    ),
    "sinch": _Provider(
        module="sms.sinch",
        channels=_SMS,
        required=frozenset({"service_plan_id", "api_token"}),
        optional=frozenset({"region", "api_url", "webhook_secret"}),
    ),
    "twilio": _Provider(
        module="sms.twilio",
        channels=_SMS,
        required=frozenset({"account_sid", "api_key_sid", "api_key_secret"}),
        optional=frozenset({"messaging_service_sid", "api_url", "webhook_auth_token"}),
    ),
    "vonage": _Provider(
        module="sms.vonage",
        channels=_SMS,
        required=frozenset({"api_key", "api_secret"}),
        optional=frozenset({"api_url", "webhook_signature_secret"}),
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
            parsed = known.load().parse(options)
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
        return SenderSettings(provider, _PROVIDERS[SMTP].load().parse({"url": url}))
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
    given = Surroundings(mailbox=mailbox, clock=clock, reach=reach, events=events)
    return _PROVIDERS[settings.provider].load().create_sender(settings.options, given)


def tells_events(provider: str) -> bool:
    """Say whether a provider tells later what became of a message: then it has an option to check its requests with."""
    known = _PROVIDERS.get(provider)
    return known is not None and any(name.startswith("webhook_") for name in known.option_names)


def create_event_reader(settings: SenderSettings) -> EventReader | None:
    """Make the reader of what the provider tells later; whoever asked for it closes it.

    None where the provider tells nothing, or where the settings lack what its requests are checked with.
    """
    return _PROVIDERS[settings.provider].load().create_reader(settings.options)


def unknown_provider(channel: Channel) -> ProviderSettingsError:
    """Make the error that names the providers which merchants may choose from."""
    names = ", ".join(name for name in provider_names(channel) if name != MAILBOX) or "none"
    fault = Fault(pointer="/provider", code="provider_unknown", detail=f"providers for {channel}: {names}")
    return ProviderSettingsError(f"There is no such provider for {channel}.", faults=[fault])
