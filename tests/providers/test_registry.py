"""From a provider's name and options to a sender."""

from datetime import UTC, datetime
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
from invite_service.providers.reach import Reach
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
    assert (smtp.name, smtp.max_in_flight, smtp.honours_idempotency_key) == ("smtp", 3, False)
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
    assert registry.provider_names(Channel.SMS) == ("mailbox",)


SECRET = {"webhook_secret": "x"}
SES = {"region": "eu-north-1", "access_key_id": "x", "secret_access_key": "x"}
API_PROVIDERS: list[tuple[str, dict[str, str], dict[str, str], str]] = [
    ("brevo", {"api_key": "x"}, SECRET, "https://api.brevo.com/v3"),
    ("mailgun", {"api_key": "x", "domain": "mg.example.com"}, {"webhook_signing_key": "x"}, "https://api.mailgun.net"),
    ("mailjet", {"api_key": "x", "secret_key": "x"}, SECRET, "https://api.mailjet.com"),
    ("postmark", POSTMARK, SECRET, "https://api.postmarkapp.com"),
    ("resend", {"api_key": "x"}, {"webhook_secret": "whsec_c2VjcmV0"}, "https://api.resend.com"),
    ("sendgrid", {"api_key": "x"}, {"webhook_public_key": SendGrid.public_key}, "https://api.sendgrid.com"),
    ("ses", SES, SECRET, "https://email.eu-north-1.amazonaws.com"),
]


@pytest.mark.parametrize(("provider", "options", "secret", "api_url"), API_PROVIDERS)
async def test_provider_with_an_api_has_a_sender_of_its_name_and_a_reader_once_it_has_a_secret(
    provider: str, options: dict[str, str], secret: dict[str, str], api_url: str
) -> None:
    settings = registry.parse_settings(provider, options, channel=Channel.EMAIL)
    told = registry.parse_settings(provider, options | secret, channel=Channel.EMAIL)
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
    ],
)
def test_options_of_an_api_with_faults_name_each_of_them(
    provider: str, options: dict[str, str], codes: list[str]
) -> None:
    with pytest.raises(ProviderSettingsError) as caught:
        registry.parse_settings(provider, options, channel=Channel.EMAIL)

    assert [fault.code for fault in caught.value.faults] == codes


@pytest.mark.parametrize(
    ("provider", "options", "api_url"),
    [
        ("mailgun", {"api_key": "x", "domain": "mg.example.com", "region": "eu"}, "https://api.eu.mailgun.net"),
        ("sendgrid", {"api_key": "x", "region": "eu"}, "https://api.eu.sendgrid.com"),
        ("ses", SES | {"region": "cn-north-1"}, "https://email.cn-north-1.amazonaws.com.cn"),
    ],
)
def test_region_chooses_the_api(provider: str, options: dict[str, str], api_url: str) -> None:
    settings = registry.parse_settings(provider, options, channel=Channel.EMAIL).options

    assert isinstance(settings, ApiSettings)
    assert settings.api_url == api_url


@pytest.mark.parametrize(("provider", "options", "secret", "api_url"), API_PROVIDERS)
def test_settings_of_an_api_show_no_secret(
    provider: str, options: dict[str, str], secret: dict[str, str], api_url: str
) -> None:
    plain = {"domain", "region"}
    marked = {name: value if name in plain else "hunter2" for name, value in options.items()}
    given = secret if provider in {"resend", "sendgrid"} else dict.fromkeys(secret, "hunter2")
    settings = registry.parse_settings(provider, marked | given, channel=Channel.EMAIL)

    assert "hunter2" not in repr(settings)
    assert "c2VjcmV0" not in repr(settings)


def test_provider_that_tells_nothing_has_no_reader() -> None:
    assert registry.create_event_reader(registry.parse_url(URL)) is None


def test_default_url_of_another_channel_is_a_fault() -> None:
    with pytest.raises(ProviderSettingsError) as caught:
        registry.parse_url(URL, channel=Channel.SMS)

    assert [(fault.pointer, fault.code) for fault in caught.value.faults] == [("/url", "scheme_unknown")]


async def test_merchants_choose_from_what_reaches_customers_and_stays_out_of_the_installation() -> None:
    providers = registry.MerchantProviders(mailbox=NoMailbox(), clock=utc_now, reach=Reach())
    chosen = providers.read("smtp", {"url": URL}, channel=Channel.EMAIL)
    assert chosen.name == "smtp"
    assert chosen == providers.read("smtp", {"url": URL}, channel=Channel.EMAIL)
    assert len({chosen, providers.read("smtp", {"url": f"{URL}0"}, channel=Channel.EMAIL)}) == 2
    assert isinstance(chosen.create_sender(), SmtpSender)
    refused = [
        ("mailbox", {}, "provider_unknown"),
        ("smtp", {"url": f"{URL}&ca_file=/etc/passwd"}, "ca_file_not_allowed"),
    ]
    for provider, options, code in refused:
        with pytest.raises(ProviderSettingsError) as caught:
            providers.read(provider, options, channel=Channel.EMAIL)
        assert [fault.code for fault in caught.value.faults] == [code]
    inside = [
        ("smtp", {"url": "smtp://localhost"}, "/options/url"),
        ("postmark", POSTMARK | {"api_url": "https://169.254.169.254/latest"}, "/options/api_url"),
    ]
    for provider, options, pointer in inside:
        with pytest.raises(ProviderSettingsError) as caught:
            await providers.read(provider, options, channel=Channel.EMAIL).check_reach()
        assert [(fault.pointer, fault.code) for fault in caught.value.faults] == [(pointer, "address_not_allowed")]
    await providers.read("smtp", {"url": "smtp://nowhere.invalid"}, channel=Channel.EMAIL).check_reach()
