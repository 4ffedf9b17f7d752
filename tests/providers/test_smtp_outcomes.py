"""Every stage of an SMTP conversation, everything a server can do there: our outcome word and reason."""

import socket
from datetime import timedelta

import pytest

from invite_service.domain.receipt import OutcomeWord, Receipt
from tests.providers.messages import ACCEPTED, RAW, make_message, open_sender
from tests.support.smtp_server import EXTENSIONS, Act, At, Behaviour, ScriptedSmtpServer

NOT_SENT = OutcomeWord.NOT_SENT
REJECTED = OutcomeWord.REJECTED
MISCONFIGURED = OutcomeWord.MISCONFIGURED
RATE_LIMITED = OutcomeWord.RATE_LIMITED
UNKNOWN = OutcomeWord.UNKNOWN

ANSWERS: list[tuple[At, Behaviour, OutcomeWord, str]] = [
    (At.GREETING, "554 5.3.2 No service", MISCONFIGURED, "greeting_refused"),
    (At.GREETING, "450 4.3.2 Later", NOT_SENT, "greeting_deferred"),
    (At.GREETING, "421 4.3.2 Shutting down", NOT_SENT, "greeting_deferred"),
    (At.GREETING, "421 4.7.0 Too many connections from you", RATE_LIMITED, "rate_limited"),
    (At.GREETING, "HTTP/1.1 400 Bad Request", NOT_SENT, "unreadable_at_greeting"),
    (At.GREETING, Act.DROP, NOT_SENT, "dropped_at_greeting"),
    (At.EHLO, "550 5.7.1 Not you", MISCONFIGURED, "ehlo_refused"),
    (At.EHLO, "451 4.3.0 Later", NOT_SENT, "ehlo_deferred"),
    (At.EHLO, Act.DROP, NOT_SENT, "dropped_at_ehlo"),
    (At.MAIL, "550 5.7.1 Sender denied", MISCONFIGURED, "sender_refused"),
    (At.MAIL, "553 5.1.8 Sender address rejected: Domain not found", MISCONFIGURED, "sender_refused"),
    (At.MAIL, "554 5.7.1 Relay access denied", MISCONFIGURED, "relay_denied"),
    (At.MAIL, "530 5.7.0 Authentication required", MISCONFIGURED, "auth_required"),
    (At.MAIL, "552 5.3.4 Message size exceeds fixed limit", REJECTED, "message_too_large"),
    (At.MAIL, "555 5.5.4 Unsupported option", REJECTED, "sender_refused"),
    (At.MAIL, "451 4.3.0 Later", NOT_SENT, "sender_deferred"),
    (At.MAIL, "454 Throttling failure: Maximum sending rate exceeded.", RATE_LIMITED, "rate_limited"),
    (At.MAIL, "354 What?", NOT_SENT, "unreadable_at_mail"),
    (At.MAIL, Act.DROP, NOT_SENT, "dropped_at_mail"),
    (At.RCPT, "550 5.7.1 Policy", REJECTED, "recipient_refused"),
    (At.RCPT, "554 5.7.1 <kari@example.net>: Relay access denied", MISCONFIGURED, "relay_denied"),
    (At.RCPT, "553 5.7.1 <shop@example.com>: Sender address rejected: not owned", MISCONFIGURED, "sender_refused"),
    (At.RCPT, "421 4.3.2 Shutting down", NOT_SENT, "recipient_deferred"),
    (At.RCPT, "450 4.2.0 Greylisted, come back in 300 seconds", NOT_SENT, "recipient_deferred"),
    (At.RCPT, "452 4.2.2 Mailbox over quota", NOT_SENT, "recipient_deferred"),
    (At.RCPT, "450 4.7.1 Error: too much mail from 192.0.2.1", RATE_LIMITED, "rate_limited"),
    (At.RCPT, Act.DROP, NOT_SENT, "dropped_at_rcpt"),
    (At.DATA, "554 5.7.1 No", REJECTED, "data_refused"),
    (At.DATA, "451 4.3.0 Later", NOT_SENT, "data_deferred"),
    (At.DATA, "250 2.0.0 What?", NOT_SENT, "unreadable_at_data"),
    (At.DATA, Act.DROP, NOT_SENT, "dropped_at_data"),
    (At.MID_BODY, "552 5.3.4 Too big", REJECTED, "message_too_large"),
    (At.MID_BODY, "451 4.3.0 Disk full", NOT_SENT, "message_deferred"),
    (At.MID_BODY, Act.DROP, UNKNOWN, "dropped_after_data"),
    (At.FINAL_DOT, "554 5.7.1 Spam", REJECTED, "message_refused"),
    (At.FINAL_DOT, "451 4.7.1 Try again later", NOT_SENT, "message_deferred"),
    (At.FINAL_DOT, "421 4.3.0 Shutting down", NOT_SENT, "message_deferred"),
    (At.FINAL_DOT, "454 Throttling failure: Daily message quota exceeded.", RATE_LIMITED, "rate_limited"),
    (At.FINAL_DOT, "354 What?", UNKNOWN, "unreadable_after_data"),
    (At.FINAL_DOT, "What?", UNKNOWN, "unreadable_after_data"),
    (At.FINAL_DOT, Act.DROP, UNKNOWN, "dropped_after_data"),
]

HANGS: list[tuple[At, OutcomeWord, str]] = [
    (At.GREETING, NOT_SENT, "timeout_at_greeting"),
    (At.EHLO, NOT_SENT, "timeout_at_ehlo"),
    (At.MAIL, NOT_SENT, "timeout_at_mail"),
    (At.RCPT, NOT_SENT, "timeout_at_rcpt"),
    (At.DATA, NOT_SENT, "timeout_at_data"),
    (At.MID_BODY, UNKNOWN, "timeout_after_data"),
    (At.FINAL_DOT, UNKNOWN, "timeout_after_data"),
]

PIPELINING = pytest.mark.parametrize(
    "extensions",
    [EXTENSIONS, [name for name in EXTENSIONS if name != "PIPELINING"]],
    ids=["pipelined", "step_by_step"],
)


@PIPELINING
@pytest.mark.parametrize(("stage", "behaviour", "outcome", "reason"), ANSWERS)
async def test_server_that_misbehaves_gives_the_outcome_of_its_stage(
    stage: At, behaviour: Behaviour, outcome: OutcomeWord, reason: str, extensions: list[str]
) -> None:
    async with ScriptedSmtpServer({stage: behaviour}, extensions=extensions) as server, open_sender(server) as sender:
        receipt = await sender.send(make_message())

    assert (receipt.outcome, receipt.reason, receipt.provider) == (outcome, reason, "smtp")
    assert (receipt.retry_after is not None) == (outcome is RATE_LIMITED)
    assert server.messages == []
    assert server.connection_count == 1


@PIPELINING
@pytest.mark.parametrize(("stage", "outcome", "reason"), HANGS)
async def test_server_that_hangs_gives_the_outcome_of_its_stage(
    stage: At, outcome: OutcomeWord, reason: str, extensions: list[str]
) -> None:
    async with (
        ScriptedSmtpServer({stage: Act.HANG}, extensions=extensions) as server,
        open_sender(server, timeout=0.25) as sender,
    ):
        receipt = await sender.send(make_message())

    assert receipt == Receipt(outcome=outcome, reason=reason, provider="smtp")
    assert server.messages == []


@PIPELINING
async def test_server_that_behaves_gets_the_message_once_and_unchanged(extensions: list[str]) -> None:
    async with ScriptedSmtpServer(extensions=extensions) as server, open_sender(server) as sender:
        receipt = await sender.send(make_message())

    assert receipt == ACCEPTED
    assert [(message.mail_from, message.rcpt_to, message.data) for message in server.messages] == [
        (f"FROM:<shop@example.com> SIZE={len(RAW)}", ("TO:<kari@example.net>",), RAW)
    ]


async def test_acceptance_with_a_goodbye_behind_it_stands() -> None:
    goodbye = "250 2.0.0 Ok\r\n421 4.3.0 Bye"
    async with ScriptedSmtpServer({At.FINAL_DOT: goodbye}) as server, open_sender(server) as sender:
        receipt = await sender.send(make_message())

    assert (receipt.outcome, receipt.reason) == (OutcomeWord.ACCEPTED, "message_accepted")


async def test_address_that_does_not_exist_is_to_be_suppressed() -> None:
    answer = "550 5.1.1 <kari@example.net>: Recipient address rejected: User unknown"
    async with ScriptedSmtpServer({At.RCPT: answer}) as server, open_sender(server) as sender:
        receipt = await sender.send(make_message())

    assert receipt == Receipt(
        outcome=REJECTED,
        reason="recipient_refused",
        provider="smtp",
        raw_answer="550 5.1.1 <[address]>: Recipient address rejected: User unknown",
        suppress_address=True,
    )


async def test_rate_that_names_a_pause_is_waited_for() -> None:
    answer = "421 4.7.0 Too many messages, try again in 5 minutes"
    async with ScriptedSmtpServer({At.MAIL: answer}) as server, open_sender(server) as sender:
        receipt = await sender.send(make_message())

    assert receipt == Receipt(
        outcome=RATE_LIMITED,
        reason="rate_limited",
        provider="smtp",
        raw_answer=answer,
        retry_after=timedelta(minutes=5),
    )


async def test_port_that_nobody_listens_on_is_not_sent() -> None:
    server = ScriptedSmtpServer()
    await server.start()
    await server.stop()

    async with open_sender(server) as sender:
        receipt = await sender.send(make_message())

    assert receipt == Receipt(outcome=NOT_SENT, reason="connection_refused", provider="smtp")


async def test_host_name_that_cannot_be_looked_up_is_not_sent() -> None:
    # A label longer than DNS allows fails without asking any name server.
    async with ScriptedSmtpServer() as server, open_sender(server, host="a" * 70) as sender:
        receipt = await sender.send(make_message())

    assert receipt == Receipt(outcome=NOT_SENT, reason="dns_failed", provider="smtp")


async def test_host_that_swallows_connections_is_not_sent() -> None:
    with socket.socket() as full:
        # A listener whose queue is full answers no further SYN.
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            server = ScriptedSmtpServer()
            server.port = port
            async with open_sender(server, connect_timeout=0.3) as sender:
                receipt = await sender.send(make_message())

    assert receipt == Receipt(outcome=NOT_SENT, reason="timeout_at_connect", provider="smtp")
