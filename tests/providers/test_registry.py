"""From a provider's name and options to a sender."""

from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from urllib.parse import quote

import pytest

from invite_service.domain.errors import Fault, ProviderSettingsError
from invite_service.domain.invitation import Channel
from invite_service.domain.message import Message
from invite_service.providers import registry
from invite_service.providers.email.postmark import parse_postmark
from invite_service.providers.email.smtp import SmtpSender
from invite_service.providers.email.smtp_settings import parse_smtp_url
from invite_service.providers.http import ApiSettings
from invite_service.providers.mailbox import MailboxSender, MailboxSettings
from tests.providers.companies import SendGrid

POSTMARK = {"server_token": "5a1b"}
"""The required options alone."""
URL = "smtp://mail.example.com?connections=3"


def utc_now() -> datetime:
    return datetime.now(UTC)


class NoMailbox:
    async def keep(self, message: Message) -> None:
        raise AssertionError("nothing is sent here")


@pytest.mark.parametrize(
    ("provider", "options", "channel", "expected"),
    [
        ("smtp", {"url": URL}, Channel.EMAIL, registry.SenderSettings("smtp", parse_smtp_url(URL))),
        ("mailbox", {}, Channel.EMAIL, registry.SenderSettings("mailbox", MailboxSettings())),
        ("postmark", POSTMARK, Channel.EMAIL, registry.SenderSettings("postmark", parse_postmark(POSTMARK))),
        ("mailbox", {}, Channel.SMS, registry.SenderSettings("mailbox", MailboxSettings())),
    ],
)
def test_stored_settings_are_read(
    provider: str, options: dict[str, str], channel: Channel, expected: registry.SenderSettings
) -> None:
    parsed = registry.parse_settings(provider, options, channel=channel)

    assert parsed == expected
    assert hash(parsed) == hash(expected)


@pytest.mark.parametrize(
    ("provider", "options", "channel", "faults"),
    [
        ("pigeon", {"url": URL}, Channel.EMAIL, [("/provider", "provider_unknown")]),
        ("smtp", {"url": URL}, Channel.SMS, [("/provider", "provider_unknown")]),
        ("smtp", {}, Channel.EMAIL, [("/options/url", "option_missing")]),
        (
            "smtp",
            {"uri": URL},
            Channel.EMAIL,
            [("/options/url", "option_missing"), ("/options", "option_unknown")],
        ),
        (
            "smtp",
            {"url": "smtp://user@mail.example.com:x", "colour": "red"},
            Channel.EMAIL,
            [
                ("/options", "option_unknown"),
                ("/options/url", "port_invalid"),
                ("/options/url", "credentials_incomplete"),
            ],
        ),
        ("mailbox", {"url": URL}, Channel.SMS, [("/options", "option_unknown")]),
        ("postmark", {"webhook_secret": "x"}, Channel.EMAIL, [("/options/server_token", "option_missing")]),
        (
            "postmark",
            {"server_token": "", "api_url": "ftp://x", "url": URL},
            Channel.EMAIL,
            [
                ("/options", "option_unknown"),
                ("/options/api_url", "api_url_invalid"),
                ("/options/server_token", "server_token_invalid"),
            ],
        ),
    ],
)
def test_stored_settings_with_faults_name_each_of_them(
    provider: str, options: dict[str, str], channel: Channel, faults: list[tuple[str, str]]
) -> None:
    with pytest.raises(ProviderSettingsError) as caught:
        registry.parse_settings(provider, options, channel=channel)

    assert [(fault.pointer, fault.code) for fault in caught.value.faults] == faults


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (URL, registry.SenderSettings("smtp", parse_smtp_url(URL))),
        ("smtps://mail.example.com", registry.SenderSettings("smtp", parse_smtp_url("smtps://mail.example.com"))),
        ("mailbox:", registry.SenderSettings("mailbox", MailboxSettings())),
    ],
)
def test_default_url_chooses_the_provider(url: str, expected: registry.SenderSettings) -> None:
    assert registry.parse_url(url) == expected


def test_default_url_names_a_provider_and_its_options() -> None:
    url = f"postmark:?server_token={quote('p&ss=', safe='')}&message_stream=reviews"
    options = {"server_token": "p&ss=", "message_stream": "reviews"}
    assert registry.parse_url(url) == registry.parse_settings("postmark", options, channel=Channel.EMAIL)
    assert registry.parse_url("mailbox:", channel=Channel.SMS).provider == "mailbox"


@pytest.mark.parametrize("url", ["mailbox:hunter2", "mailbox:?hunter2", "mailbox:?a=hunter2&a=1", "mailbox:?%ff=1"])
def test_default_url_that_cannot_be_read_is_a_fault_without_the_url(url: str) -> None:
    with pytest.raises(ProviderSettingsError) as caught:
        registry.parse_url(url)

    assert [(fault.pointer, fault.code) for fault in caught.value.faults] == [("/url", "url_invalid")]
    assert "hunter2" not in repr(caught.value.faults)


@pytest.mark.parametrize("url", ["", "hunter2", "hunter2://mail.example.com"])
def test_default_url_of_no_provider_is_a_fault_without_the_url(url: str) -> None:
    with pytest.raises(ProviderSettingsError) as caught:
        registry.parse_url(url)

    schemes = ", ".join(sorted([*registry.provider_names(Channel.EMAIL), "smtps"]))
    assert caught.value.faults == (Fault(pointer="/url", code="scheme_unknown", detail=f"schemes: {schemes}"),)


async def test_settings_become_the_sender_of_their_provider() -> None:
    smtp = registry.create_sender(registry.parse_url(URL), mailbox=NoMailbox(), clock=utc_now)
    mailbox = registry.create_sender(registry.parse_url("mailbox:"), mailbox=NoMailbox(), clock=utc_now)

    assert isinstance(smtp, SmtpSender)
    assert (smtp.name, smtp.max_in_flight, smtp.key_lifetime) == ("smtp", 3, None)
    assert isinstance(mailbox, MailboxSender)


def test_providers_of_a_channel_are_named() -> None:
    assert registry.provider_names(Channel.EMAIL) == (
        "brevo",
        "mailbox",
        "mailgun",
        "mailjet",
        "postmark",
        "resend",
        "sendgrid",
        "ses",
        "smtp",
    )
    assert registry.provider_names(Channel.SMS) == ("46elks", "link_mobility", "mailbox", "sinch", "twilio", "vonage")


SECRET = {"webhook_secret": "x"}
SES = {"region": "eu-north-1", "access_key_id": "x", "secret_access_key": "x"}
TWILIO = {"account_sid": f"AC{'1' * 32}", "api_key_sid": f"SK{'2' * 32}", "api_key_secret": "x"}
LINK = {"username": "shop", "password": "x", "platform_id": "10", "platform_partner_id": "20"}
API_PROVIDERS: list[tuple[str, dict[str, str], dict[str, str], str]] = [
    ("brevo", {"api_key": "x"}, SECRET, "https://api.brevo.com/v3"),
    ("mailgun", {"api_key": "x", "domain": "mg.example.com"}, {"webhook_signing_key": "x"}, "https://api.mailgun.net"),
    ("mailjet", {"api_key": "x", "secret_key": "x"}, SECRET, "https://api.mailjet.com"),
    ("postmark", POSTMARK, SECRET, "https://api.postmarkapp.com"),
    ("resend", {"api_key": "x"}, {"webhook_secret": "whsec_c2VjcmV0"}, "https://api.resend.com"),
    ("sendgrid", {"api_key": "x"}, {"webhook_public_key": SendGrid.public_key}, "https://api.sendgrid.com"),
    ("ses", SES, SECRET, "https://email.eu-north-1.amazonaws.com"),
    ("46elks", {"api_username": "u1", "api_password": "x"}, SECRET, "https://api.46elks.com"),
    ("link_mobility", LINK, SECRET, "https://wsx.sp247.net"),
    ("sinch", {"service_plan_id": "p1", "api_token": "x"}, SECRET, "https://eu.sms.api.sinch.com"),
    ("twilio", TWILIO, {"webhook_auth_token": "x"}, "https://api.twilio.com"),
    ("vonage", {"api_key": "k1", "api_secret": "x"}, {"webhook_signature_secret": "x"}, "https://api.nexmo.com"),
]
OF_SMS = {"46elks", "link_mobility", "sinch", "twilio", "vonage"}


def channel_of(provider: str) -> Channel:
    return Channel.SMS if provider in OF_SMS else Channel.EMAIL


@pytest.mark.parametrize(("provider", "options", "secret", "api_url"), API_PROVIDERS)
async def test_provider_with_an_api_has_a_sender_of_its_name_and_a_reader_once_it_has_a_secret(
    provider: str, options: dict[str, str], secret: dict[str, str], api_url: str
) -> None:
    settings = registry.parse_settings(provider, options, channel=channel_of(provider))
    told = registry.parse_settings(provider, options | secret, channel=channel_of(provider))
    sender, reader = (
        registry.create_sender(settings, mailbox=NoMailbox(), clock=utc_now),
        registry.create_event_reader(told),
    )

    assert isinstance(settings.options, ApiSettings)
    assert settings.options.api_url == api_url
    assert sender.name == provider
    assert reader is not None
    assert reader.name == provider
    assert registry.create_event_reader(settings) is None
    await sender.close()
    await reader.close()


@pytest.mark.parametrize(
    ("provider", "options", "codes"),
    [
        ("brevo", {"api_key": ""}, ["api_key_invalid"]),
        (
            "mailgun",
            {"api_key": "", "domain": "mg/../x", "region": "moon"},
            ["region_invalid", "api_key_invalid", "domain_invalid"],
        ),
        ("mailjet", {"api_key": "a b", "secret_key": ""}, ["api_key_invalid", "secret_key_invalid"]),
        ("resend", {"api_key": "", "webhook_secret": "no*base64"}, ["api_key_invalid", "webhook_secret_invalid"]),
        (
            "sendgrid",
            {"api_key": "", "region": "moon", "webhook_public_key": "c2VjcmV0"},
            ["region_invalid", "api_key_invalid", "webhook_public_key_invalid"],
        ),
        (
            "ses",
            SES | {"region": "Moon", "configuration_set": "a/b", "secret_access_key": ""},
            ["region_invalid", "secret_access_key_invalid", "configuration_set_invalid"],
        ),
        ("46elks", {"api_username": "u/1", "api_password": ""}, ["api_username_invalid", "api_password_invalid"]),
        (
            "link_mobility",
            LINK | {"node": "moon", "platform_id": "", "gate_id": "a b", "password": ""},
            ["node_invalid", "password_invalid", "platform_id_invalid", "gate_id_invalid"],
        ),
        (
            "sinch",
            {"service_plan_id": "../x", "api_token": "", "region": "moon"},
            ["region_invalid", "service_plan_id_invalid", "api_token_invalid"],
        ),
        (
            "twilio",
            {"account_sid": "SK1", "api_key_sid": "x", "api_key_secret": "", "messaging_service_sid": "MG"},
            ["account_sid_invalid", "api_key_sid_invalid", "api_key_secret_invalid", "messaging_service_sid_invalid"],
        ),
        (
            "vonage",
            {"api_key": "k:1", "api_secret": "", "webhook_signature_secret": ""},
            ["api_key_invalid", "api_secret_invalid", "webhook_signature_secret_invalid"],
        ),
    ],
)
def test_options_of_an_api_with_faults_name_each_of_them(
    provider: str, options: dict[str, str], codes: list[str]
) -> None:
    with pytest.raises(ProviderSettingsError) as caught:
        registry.parse_settings(provider, options, channel=channel_of(provider))

    assert [fault.code for fault in caught.value.faults] == codes


@pytest.mark.parametrize(
    ("provider", "options", "api_url"),
    [
        ("mailgun", {"api_key": "x", "domain": "mg.example.com", "region": "eu"}, "https://api.eu.mailgun.net"),
        ("sendgrid", {"api_key": "x", "region": "eu"}, "https://api.eu.sendgrid.com"),
        ("ses", SES | {"region": "cn-north-1"}, "https://email.cn-north-1.amazonaws.com.cn"),
        ("sinch", {"service_plan_id": "p", "api_token": "x", "region": "us"}, "https://us.sms.api.sinch.com"),
        ("link_mobility", LINK | {"node": "no"}, "https://no.linkmobility.io"),
    ],
)
def test_region_chooses_the_api(provider: str, options: dict[str, str], api_url: str) -> None:
    settings = registry.parse_settings(provider, options, channel=channel_of(provider)).options

    assert isinstance(settings, ApiSettings)
    assert settings.api_url == api_url


@pytest.mark.parametrize(("provider", "options", "secret", "api_url"), API_PROVIDERS)
def test_settings_of_an_api_show_no_secret(
    provider: str, options: dict[str, str], secret: dict[str, str], api_url: str
) -> None:
    plain = {name for name in options if name.endswith(("_id", "_sid", "username", "domain", "region"))}
    plain |= {"api_key"} & options.keys() if provider == "vonage" else set()
    marked = {name: value if name in plain else "hunter2" for name, value in options.items()}
    given = secret if provider in {"resend", "sendgrid"} else dict.fromkeys(secret, "hunter2")
    settings = registry.parse_settings(provider, marked | given, channel=channel_of(provider))

    assert "hunter2" not in repr(settings)
    assert "c2VjcmV0" not in repr(settings)


def test_provider_that_tells_nothing_has_no_reader() -> None:
    assert registry.create_event_reader(registry.parse_url(URL)) is None


def test_default_url_of_another_channel_is_a_fault() -> None:
    with pytest.raises(ProviderSettingsError) as caught:
        registry.parse_url(URL, channel=Channel.SMS)

    assert [(fault.pointer, fault.code) for fault in caught.value.faults] == [("/url", "scheme_unknown")]


def test_file_of_every_company_is_in_the_table_under_the_name_it_gives_itself() -> None:
    folder = Path(registry.__file__).parent
    modules = [
        f"{path.parent.name}.{path.stem}" for channel in ("email", "sms") for path in folder.glob(f"{channel}/*.py")
    ]
    adapters = {module for module in modules if hasattr(import_module(f"invite_service.providers.{module}"), "ADAPTER")}
    listed = {provider.module: name for name, provider in registry._PROVIDERS.items()}

    assert adapters | {"mailbox"} == listed.keys()
    for module, name in listed.items():
        assert name == import_module(f"invite_service.providers.{module}").NAME
