"""Encryption and login: who gets a message, who gets a password, and what the rest is called."""

from ipaddress import ip_network
from typing import Any

import pytest

from invite_service.domain.errors import Fault, ProviderSettingsError
from invite_service.domain.receipt import OutcomeWord, Receipt
from invite_service.providers.email.smtp import create_smtp_sender
from invite_service.providers.email.smtp_settings import Encryption
from invite_service.providers.reach import Reach
from tests.providers.conftest import Certificate
from tests.providers.messages import ACCEPTED, make_message, make_settings, open_sender, wait_until
from tests.support.smtp_server import Act, At, Behaviour, ScriptedSmtpServer

CREDENTIALS = ("shop", "sécret:@/")
LOGIN: dict[str, Any] = {"username": CREDENTIALS[0], "password": CREDENTIALS[1]}

MISCONFIGURED = OutcomeWord.MISCONFIGURED
NOT_SENT = OutcomeWord.NOT_SENT


def make_receipt(outcome: OutcomeWord, reason: str, raw_answer: str = "") -> Receipt:
    return Receipt(outcome=outcome, reason=reason, provider="smtp", raw_answer=raw_answer)


@pytest.mark.parametrize("encryption", [Encryption.REQUIRED, Encryption.OPPORTUNISTIC])
async def test_starttls_with_a_trusted_certificate_sends_encrypted(
    certificate: Certificate, encryption: Encryption
) -> None:
    server = ScriptedSmtpServer(starttls=certificate.server_context, credentials=CREDENTIALS)
    async with (
        server,
        open_sender(server, encryption=encryption, ca_file=certificate.ca_file, **LOGIN) as sender,
    ):
        receipts = [await sender.send(make_message(number)) for number in (1, 2)]

    assert receipts == [ACCEPTED, ACCEPTED]
    assert server.commands[1] == "STARTTLS"
    assert server.connection_count == 1


async def test_implicit_tls_with_a_trusted_certificate_sends(certificate: Certificate) -> None:
    server = ScriptedSmtpServer(implicit_tls=certificate.server_context, credentials=CREDENTIALS)
    async with (
        server,
        open_sender(server, encryption=Encryption.IMPLICIT, ca_file=certificate.ca_file, **LOGIN) as sender,
    ):
        receipts = [await sender.send(make_message(number)) for number in (1, 2)]

    assert receipts == [ACCEPTED, ACCEPTED]
    assert server.connection_count == 1


async def test_required_starttls_that_is_not_offered_sends_nothing() -> None:
    async with ScriptedSmtpServer() as server, open_sender(server, encryption=Encryption.REQUIRED, **LOGIN) as sender:
        receipt = await sender.send(make_message())
        await wait_until(lambda: server.open_connection_count == 0)

    assert receipt == make_receipt(MISCONFIGURED, "starttls_unsupported")
    assert [command.split()[0] for command in server.commands] == ["EHLO"]


@pytest.mark.parametrize(
    ("behaviour", "expected"),
    [
        ("454 4.7.0 TLS not now", make_receipt(NOT_SENT, "starttls_deferred", "454 4.7.0 TLS not now")),
        ("501 5.5.4 No", make_receipt(MISCONFIGURED, "starttls_refused", "501 5.5.4 No")),
        (Act.DROP, make_receipt(NOT_SENT, "dropped_at_starttls")),
    ],
)
async def test_required_starttls_that_is_refused_sends_nothing(
    certificate: Certificate, behaviour: Behaviour, expected: Receipt
) -> None:
    server = ScriptedSmtpServer({At.STARTTLS: behaviour}, starttls=certificate.server_context)
    async with (
        server,
        open_sender(server, encryption=Encryption.REQUIRED, ca_file=certificate.ca_file) as sender,
    ):
        receipt = await sender.send(make_message())

    assert receipt == expected
    assert server.messages == []


async def test_starttls_that_hangs_is_not_sent(certificate: Certificate) -> None:
    server = ScriptedSmtpServer({At.STARTTLS: Act.HANG}, starttls=certificate.server_context)
    async with server, open_sender(server, encryption=Encryption.REQUIRED, timeout=0.25) as sender:
        receipt = await sender.send(make_message())

    assert receipt == make_receipt(NOT_SENT, "timeout_at_starttls")


async def test_opportunistic_starttls_that_is_not_offered_sends_in_the_clear() -> None:
    async with ScriptedSmtpServer() as server, open_sender(server, encryption=Encryption.OPPORTUNISTIC) as sender:
        receipt = await sender.send(make_message())

    assert receipt == ACCEPTED


async def test_opportunistic_starttls_never_sends_a_password_in_the_clear() -> None:
    server = ScriptedSmtpServer(credentials=CREDENTIALS)
    async with server, open_sender(server, encryption=Encryption.OPPORTUNISTIC, **LOGIN) as sender:
        receipt = await sender.send(make_message())

    assert receipt == make_receipt(MISCONFIGURED, "auth_needs_tls")
    assert [command.split()[0] for command in server.commands] == ["EHLO"]


@pytest.mark.parametrize("encryption", [Encryption.REQUIRED, Encryption.IMPLICIT])
async def test_certificate_that_nobody_vouches_for_is_misconfigured(
    certificate: Certificate, foreign_certificate: Certificate, encryption: Encryption
) -> None:
    context = certificate.server_context
    server = (
        ScriptedSmtpServer(implicit_tls=context)
        if encryption is Encryption.IMPLICIT
        else ScriptedSmtpServer(starttls=context)
    )
    async with server, open_sender(server, encryption=encryption, ca_file=foreign_certificate.ca_file) as sender:
        receipt = await sender.send(make_message())

    assert (receipt.outcome, receipt.reason) == (MISCONFIGURED, "certificate_invalid")
    assert "self-signed certificate" in receipt.raw_answer
    assert server.messages == []


async def test_certificate_for_another_host_is_misconfigured(foreign_certificate: Certificate) -> None:
    server = ScriptedSmtpServer(starttls=foreign_certificate.server_context)
    async with (
        server,
        open_sender(server, encryption=Encryption.REQUIRED, ca_file=foreign_certificate.ca_file) as sender,
    ):
        receipt = await sender.send(make_message())

    assert (receipt.outcome, receipt.reason) == (MISCONFIGURED, "certificate_invalid")
    assert "127.0.0.1" in receipt.raw_answer


async def test_certificate_is_not_looked_at_when_told_so(foreign_certificate: Certificate) -> None:
    server = ScriptedSmtpServer(starttls=foreign_certificate.server_context)
    async with server, open_sender(server, encryption=Encryption.REQUIRED, verify=False) as sender:
        receipt = await sender.send(make_message())

    assert receipt == ACCEPTED


async def test_implicit_tls_to_a_port_without_it_is_not_sent() -> None:
    async with ScriptedSmtpServer() as server, open_sender(server, encryption=Encryption.IMPLICIT) as sender:
        receipt = await sender.send(make_message())

    assert (receipt.outcome, receipt.reason) == (NOT_SENT, "tls_failed")


@pytest.mark.parametrize("method", ["PLAIN", "LOGIN", "CRAM-MD5"])
async def test_each_login_method_logs_in(method: str) -> None:
    server = ScriptedSmtpServer(credentials=CREDENTIALS, auth_methods=[method])
    async with server, open_sender(server, **LOGIN) as sender:
        receipt = await sender.send(make_message())

    assert receipt == ACCEPTED
    assert server.commands[1].split()[:2] == ["AUTH", method]


@pytest.mark.parametrize(
    ("behaviour", "expected"),
    [
        (
            "454 4.7.0 Temporary authentication failure",
            make_receipt(NOT_SENT, "auth_deferred", "454 4.7.0 Temporary authentication failure"),
        ),
        ("421 4.3.2 Bye", make_receipt(NOT_SENT, "auth_deferred", "421 4.3.2 Bye")),
        ("534 5.7.9 Too weak", make_receipt(MISCONFIGURED, "auth_failed", "534 5.7.9 Too weak")),
        (Act.DROP, make_receipt(NOT_SENT, "dropped_at_auth")),
    ],
)
async def test_login_that_is_refused_has_its_outcome(behaviour: Behaviour, expected: Receipt) -> None:
    server = ScriptedSmtpServer({At.AUTH: behaviour}, credentials=CREDENTIALS)
    async with server, open_sender(server, **LOGIN) as sender:
        receipt = await sender.send(make_message())

    assert receipt == expected
    assert server.messages == []


async def test_login_that_hangs_is_not_sent() -> None:
    server = ScriptedSmtpServer({At.AUTH: Act.HANG}, credentials=CREDENTIALS)
    async with server, open_sender(server, timeout=0.25, **LOGIN) as sender:
        receipt = await sender.send(make_message())

    assert receipt == make_receipt(NOT_SENT, "timeout_at_auth")


async def test_wrong_password_is_misconfigured_and_tried_once() -> None:
    server = ScriptedSmtpServer(credentials=CREDENTIALS)
    async with server, open_sender(server, username="shop", password="wrong") as sender:
        receipt = await sender.send(make_message())

    assert receipt == make_receipt(MISCONFIGURED, "auth_failed", "535 5.7.8 Bad credentials")
    assert len([command for command in server.commands if command.startswith("AUTH")]) == 1


async def test_login_method_that_the_server_disowns_gives_way_to_the_next() -> None:
    server = ScriptedSmtpServer({At.AUTH: ["504 5.5.4 Not that one"]}, credentials=CREDENTIALS)
    async with server, open_sender(server, **LOGIN) as sender:
        receipt = await sender.send(make_message())

    assert receipt == ACCEPTED


async def test_server_without_login_is_misconfigured() -> None:
    async with ScriptedSmtpServer() as server, open_sender(server, **LOGIN) as sender:
        receipt = await sender.send(make_message())

    assert receipt == make_receipt(MISCONFIGURED, "auth_unsupported")


async def test_server_that_wants_a_login_we_do_not_have_is_misconfigured() -> None:
    async with ScriptedSmtpServer(credentials=CREDENTIALS) as server, open_sender(server) as sender:
        receipt = await sender.send(make_message())

    assert receipt == make_receipt(MISCONFIGURED, "auth_required", "530 5.7.0 Authentication required")


async def test_check_of_good_settings_is_accepted_and_sends_nothing(certificate: Certificate) -> None:
    server = ScriptedSmtpServer(starttls=certificate.server_context, credentials=CREDENTIALS)
    async with (
        server,
        open_sender(server, encryption=Encryption.REQUIRED, ca_file=certificate.ca_file, **LOGIN) as sender,
    ):
        receipt = await sender.check()

    assert receipt == make_receipt(OutcomeWord.ACCEPTED, "settings_work")
    assert [command.split()[0] for command in server.commands] == ["EHLO", "STARTTLS", "EHLO", "AUTH", "NOOP", "QUIT"]


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ({At.AUTH: "535 5.7.8 No"}, make_receipt(MISCONFIGURED, "auth_failed", "535 5.7.8 No")),
        ({At.NOOP: "450 4.3.0 Later"}, make_receipt(NOT_SENT, "noop_deferred", "450 4.3.0 Later")),
        ({At.NOOP: Act.DROP}, make_receipt(NOT_SENT, "dropped_at_noop")),
    ],
)
async def test_check_of_bad_settings_says_what_is_wrong(script: dict[At, Behaviour], expected: Receipt) -> None:
    server = ScriptedSmtpServer(script, credentials=CREDENTIALS)
    async with server, open_sender(server, **LOGIN) as sender:
        receipt = await sender.check()

    assert receipt == expected


def test_file_of_authorities_that_cannot_be_read_is_a_fault() -> None:
    settings = make_settings(25, encryption=Encryption.REQUIRED, ca_file="/does/not/exist.pem")

    with pytest.raises(ProviderSettingsError) as caught:
        create_smtp_sender(settings)

    assert caught.value.faults == (
        Fault(pointer="/url", code="ca_file_invalid", detail="ca_file cannot be read as a PEM file"),
    )


async def test_server_out_of_reach_is_not_connected_to() -> None:
    async with ScriptedSmtpServer() as server:
        sender = create_smtp_sender(make_settings(server.port, host="localhost"), reach=Reach())
        receipts = [await sender.send(make_message()), await sender.check()]
        await sender.close()

    assert receipts == [make_receipt(MISCONFIGURED, "address_not_allowed")] * 2
    assert server.connection_count == 0


async def test_server_in_a_network_within_reach_is_sent_through() -> None:
    async with ScriptedSmtpServer() as server:
        reach = Reach(networks=(ip_network("127.0.0.0/8"),))
        sender = create_smtp_sender(make_settings(server.port), reach=reach)
        receipt = await sender.send(make_message())
        await sender.close()

    assert receipt == ACCEPTED
