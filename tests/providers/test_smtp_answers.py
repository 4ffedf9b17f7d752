"""Sentences of real servers, and what each means."""

import socket
from datetime import timedelta

import pytest

from invite_service.domain.receipt import OutcomeWord, Receipt
from invite_service.providers.email.smtp_answers import (
    RETRY_AFTER,
    Answer,
    Reply,
    Stage,
    judge,
    judge_error,
)

HOUR = timedelta(hours=1)


def judge_reply(stage: Stage, code: int, text: str) -> Receipt:
    return judge(Answer(stage, Reply(code, text)))


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (550, "5.1.1 <k@example.net>: Recipient address rejected: User unknown in virtual mailbox table"),
        (550, "5.1.1 The email account that you tried to reach does not exist."),
        (550, "5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup"),
        (556, "5.1.10 Recipient address has null MX"),
        (550, "No such user here"),
        (550, "Requested action not taken: mailbox not found"),
        (553, "sorry, that recipient does not exist (#5.7.1)"),
        (550, "Unknown user"),
    ],
)
def test_dead_address_is_rejected_and_to_be_suppressed(code: int, text: str) -> None:
    receipt = judge_reply(Stage.RCPT, code, text)

    assert (receipt.outcome, receipt.reason, receipt.suppress_address) == (
        OutcomeWord.REJECTED,
        "recipient_refused",
        True,
    )


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (550, "5.7.1 Blocked by policy, user unknown to our list"),
        (552, "5.2.2 Mailbox full"),
        (552, "Requested mail action aborted: exceeded storage allocation"),
        (550, "5.2.1 The user you are trying to contact is receiving mail at a rate that prevents additional messages"),
        (554, "5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org"),
        (550, "Mailbox unavailable"),
        # OpenSMTPD 6.8, of any recipient at all where nobody has logged in.
        (550, "Invalid recipient: <kari@example.net>"),
    ],
)
def test_other_refusal_of_a_recipient_leaves_the_address_alone(code: int, text: str) -> None:
    receipt = judge_reply(Stage.RCPT, code, text)

    assert (receipt.outcome, receipt.reason, receipt.suppress_address) == (
        OutcomeWord.REJECTED,
        "recipient_refused",
        False,
    )


def test_sender_who_is_unknown_after_the_message_leaves_the_recipients_address_alone() -> None:
    receipt = judge_reply(Stage.MESSAGE, 550, "Verification failed\nNo Such User Here\nSender verify failed")

    assert (receipt.outcome, receipt.reason, receipt.suppress_address) == (
        OutcomeWord.REJECTED,
        "message_refused",
        False,
    )


@pytest.mark.parametrize(
    ("stage", "code", "text", "reason"),
    [
        (Stage.RCPT, 554, "5.7.1 <k@example.net>: Relay access denied", "relay_denied"),
        (Stage.RCPT, 550, "5.7.54 SMTP; Unable to relay recipient in non-accepted domain", "relay_denied"),
        (Stage.RCPT, 550, "relay not permitted", "relay_denied"),
        (Stage.RCPT, 530, "5.7.57 Client not authenticated to send mail", "auth_required"),
        (Stage.RCPT, 503, "Valid RCPT command must precede DATA; authentication required", "auth_required"),
        (Stage.MAIL, 530, "Must issue a STARTTLS command first", "auth_required"),
        (Stage.MAIL, 550, "5.7.60 SMTP; Client does not have permissions to send as this sender", "sender_refused"),
        (Stage.MAIL, 501, "5.1.7 Bad sender address syntax", "sender_refused"),
        (Stage.RCPT, 550, "5.1.1 <s@example.com>: Sender address rejected: User unknown", "sender_refused"),
        # Exim 4.96 with `require verify = sender`, as cPanel sets it up: "no such user" is said of the sender.
        (
            Stage.RCPT,
            550,
            "Verification failed for <ghost@example.net>\nNo Such User Here\nSender verify failed",
            "sender_refused",
        ),
        (Stage.RCPT, 550, "Sender verify failed", "sender_refused"),
        (Stage.DATA, 530, "5.7.0 Authentication required", "auth_required"),
        (Stage.GREETING, 554, "5.7.1 No SMTP service here", "greeting_refused"),
        (Stage.EHLO, 504, "5.5.2 <vm>: Helo command rejected: need fully-qualified hostname", "ehlo_refused"),
        (Stage.AUTH, 535, "5.7.8 Username and Password not accepted", "auth_failed"),
        (Stage.STARTTLS, 502, "5.5.1 Command not implemented", "starttls_refused"),
    ],
)
def test_refusal_that_settings_can_cure_is_misconfigured(stage: Stage, code: int, text: str, reason: str) -> None:
    receipt = judge_reply(stage, code, text)

    assert (receipt.outcome, receipt.reason) == (OutcomeWord.MISCONFIGURED, reason)


@pytest.mark.parametrize(
    ("stage", "code", "text", "retry_after"),
    [
        (Stage.GREETING, 421, "4.7.0 mx Error: too many connections from 192.0.2.1", RETRY_AFTER),
        (Stage.MAIL, 421, "4.7.28 Gmail has detected an unusual rate of mail from your IP", RETRY_AFTER),
        (Stage.MESSAGE, 454, "Throttling failure: Maximum sending rate exceeded.", RETRY_AFTER),
        (Stage.MESSAGE, 454, "Throttling failure: Daily message quota exceeded.", HOUR),
        (Stage.MAIL, 432, "4.3.2 Concurrent connections limit exceeded; too many concurrent", RETRY_AFTER),
        (Stage.RCPT, 550, "5.4.5 Daily user sending limit exceeded", HOUR),
        (Stage.RCPT, 450, "4.7.1 Rate limit reached, please wait 90 seconds", timedelta(seconds=90)),
        (Stage.RCPT, 450, "4.7.1 Rate limit reached, retry in 0 seconds", timedelta(seconds=1)),
        (Stage.RCPT, 450, "4.7.1 Too many messages, come back after 7 hours", HOUR),
    ],
)
def test_wish_for_a_slower_pace_is_rate_limited(stage: Stage, code: int, text: str, retry_after: timedelta) -> None:
    assert judge_reply(stage, code, text) == Receipt(
        outcome=OutcomeWord.RATE_LIMITED,
        reason="rate_limited",
        provider="smtp",
        raw_answer=f"{code} {text}",
        retry_after=retry_after,
    )


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (450, "4.2.1 The user you are trying to contact is receiving mail at a rate that prevents it; rate limit"),
        (451, "4.7.1 Greylisting in action, please come back later"),
        (452, "4.2.2 The email account that you tried to reach is over quota"),
        (450, "4.7.25 Client host rejected: cannot find your hostname"),
        (421, "4.4.2 Connection timed out"),
    ],
)
def test_other_deferral_is_not_sent(code: int, text: str) -> None:
    assert judge_reply(Stage.RCPT, code, text) == Receipt(
        outcome=OutcomeWord.NOT_SENT, reason="recipient_deferred", provider="smtp", raw_answer=f"{code} {text}"
    )


def test_raw_answer_keeps_no_address_and_nothing_unprintable() -> None:
    text = "5.7.1 <kari.nordmann+x@example.net>\x00: no\r\n(from=shop@example.com)\udcff, \u202ebye " + "x" * 600

    receipt = judge_reply(Stage.MESSAGE, 554, text)

    start = "554 5.7.1 <[address]> : no  ([address]) ,  bye "
    assert receipt.raw_answer == (start + "x" * 600)[:500]


def test_answer_that_is_not_smtp_is_not_repeated() -> None:
    assert judge_reply(Stage.GREETING, -1, "-ERR unknown command, secret of an inner service") == Receipt(
        outcome=OutcomeWord.NOT_SENT, reason="unreadable_at_greeting", provider="smtp"
    )


@pytest.mark.parametrize(
    ("stage", "error", "reason"),
    [
        (Stage.CONNECT, socket.gaierror(socket.EAI_NONAME, "unknown"), "dns_failed"),
        (Stage.CONNECT, ConnectionRefusedError(), "connection_refused"),
        (Stage.CONNECT, OSError(101, "Network is unreachable"), "connect_failed"),
        (Stage.CONNECT, TimeoutError(), "timeout_at_connect"),
        (Stage.EHLO, ConnectionResetError(), "dropped_at_ehlo"),
    ],
)
def test_error_before_any_message_is_not_sent(stage: Stage, error: Exception, reason: str) -> None:
    assert judge_error(stage, error) == Receipt(outcome=OutcomeWord.NOT_SENT, reason=reason, provider="smtp")
