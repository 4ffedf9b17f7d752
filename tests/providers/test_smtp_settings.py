"""SMTP URLs: what they mean, every fault at once, and no secret in any of them."""

import pytest

from invite_service.domain.errors import ProviderSettingsError
from invite_service.providers.email.smtp_settings import Encryption, SmtpSettings, parse_smtp_url


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("smtp://mail.example.com", SmtpSettings(host="mail.example.com", port=587, encryption=Encryption.REQUIRED)),
        ("smtps://mail.example.com/", SmtpSettings(host="mail.example.com", port=465, encryption=Encryption.IMPLICIT)),
        ("smtp://127.0.0.1:25", SmtpSettings(host="127.0.0.1", port=25, encryption=Encryption.OPPORTUNISTIC)),
        ("SMTP://[::1]:2525", SmtpSettings(host="::1", port=2525, encryption=Encryption.OPPORTUNISTIC)),
        (
            "smtp://localhost:1025?starttls=never",
            SmtpSettings(host="localhost", port=1025, encryption=Encryption.NEVER),
        ),
        (
            "smtp://shop%40example.com:s%3Acr%2Ft%C3%A9@mail.example.com:25",
            SmtpSettings(
                host="mail.example.com",
                port=25,
                encryption=Encryption.REQUIRED,
                username="shop@example.com",
                password="s:cr/té",
            ),
        ),
        (
            (
                "smtps://u:p@mail.example.com:4465/?verify=no&ca_file=/etc/ca.pem&ehlo=shop.example.com&connections=3"
                "&messages_per_connection=50&idle=10&connect_timeout=2&timeout=9"
            ),
            SmtpSettings(
                host="mail.example.com",
                port=4465,
                encryption=Encryption.IMPLICIT,
                username="u",
                password="p",
                verify=False,
                ca_file="/etc/ca.pem",
                ehlo_name="shop.example.com",
                connections=3,
                messages_per_connection=50,
                idle_time=10,
                connect_timeout=2,
                timeout=9,
            ),
        ),
    ],
)
def test_url_is_read_with_its_defaults(url: str, expected: SmtpSettings) -> None:
    assert parse_smtp_url(url) == expected


@pytest.mark.parametrize(
    ("url", "codes"),
    [
        ("http://mail.example.com:25", ["scheme_unknown"]),
        ("smtp://", ["host_invalid"]),
        ("smtp://-mail-", ["host_invalid"]),
        ("smtp://mail.example.com:0", ["port_invalid"]),
        ("smtp://mail.example.com:65536", ["port_invalid"]),
        ("smtp://mail.example.com/path", ["url_invalid"]),
        ("smtp://[::1", ["url_invalid"]),
        ("smtp://user@mail.example.com", ["credentials_incomplete"]),
        ("smtp://user:%00@mail.example.com", ["credentials_invalid"]),
        ("smtp://user:%ff@mail.example.com", ["credentials_invalid"]),
        ("smtps://mail.example.com?starttls=required", ["starttls_invalid"]),
        ("smtp://mail.example.com?starttls=implicit", ["starttls_invalid"]),
        ("smtp://mail.example.com?verify", ["options_invalid"]),
        ("smtp://mail.example.com?colour=red", ["option_unknown"]),
        ("smtp://mail.example.com?verify=no&verify=yes", ["option_repeated"]),
        ("smtp://mail.example.com?" + "&".join(f"a{n}=1" for n in range(100)), ["options_invalid"]),
        (
            (
                "ftp://user@mail_:x/p?connections=0&timeout=301&idle=1.5&verify=maybe&ehlo=a%20b&ca_file="
                "&connect_timeout=&starttls=x"
            ),
            [
                "scheme_unknown",
                "url_invalid",
                "port_invalid",
                "credentials_incomplete",
                "starttls_invalid",
                "verify_invalid",
                "ca_file_invalid",
                "ehlo_invalid",
                "connections_invalid",
                "idle_invalid",
                "connect_timeout_invalid",
                "timeout_invalid",
            ],
        ),
    ],
)
def test_url_with_faults_names_each_of_them(url: str, codes: list[str]) -> None:
    with pytest.raises(ProviderSettingsError) as caught:
        parse_smtp_url(url)

    assert sorted(fault.code for fault in caught.value.faults) == sorted(codes)
    assert {fault.pointer for fault in caught.value.faults} == {"/url"}


@pytest.mark.parametrize(
    "url",
    [
        "smtp://user:hunter2/@mail.example.com",
        "smtp://user:12hunter2#34@mail.example.com",
        "smtp://user:hunter2?x=1@mail.example.com",
        "smtp://user:hun[hunter2@mail.example.com",
        "smtp://hunter2:@mail.example.com",
        "smtp://user:%ffhunter2@mail.example.com",
        "hunter2://user@mail.example.com",
        "smtp://mail.example.com?hunter2=1&connections=hunter2",
    ],
)
def test_fault_never_repeats_a_part_of_the_url(url: str) -> None:
    with pytest.raises(ProviderSettingsError) as caught:
        parse_smtp_url(url)

    assert caught.value.faults
    assert "hunter2" not in repr((caught.value, caught.value.detail, caught.value.faults))
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_settings_do_not_show_their_credentials() -> None:
    settings = parse_smtp_url("smtp://shopper:hunter2@mail.example.com")

    assert "hunter2" not in repr(settings)
    assert "shopper" not in repr(settings)
