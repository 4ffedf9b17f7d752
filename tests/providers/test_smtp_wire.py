"""What is written to the server: the bytes as given, the extensions they need, and nothing that could be misread."""

from typing import Any

import pytest

from invite_service.domain.receipt import OutcomeWord, Receipt
from tests.providers.messages import ACCEPTED, RAW, make_message, open_sender
from tests.support.smtp_server import EXTENSIONS, At, ScriptedSmtpServer

HEAD = b"From: shop@example.com\r\nTo: kari@example.net\r\nSubject: Hi\r\n\r\n"
EIGHT_BIT = HEAD + "Blåbær\r\n".encode()
UTF8_HEADER = HEAD.replace(b"Subject: Hi", "Subject: Blåbær".encode()) + b"Hi\r\n"


@pytest.mark.parametrize(
    "raw",
    [
        HEAD + b".\r\n..\r\n.dot\r\nlast\r\n",
        HEAD + b"one\r\n.\r\nMAIL FROM:<evil@example.com>\r\n",
        b".starts: with a dot\r\n\r\nHi\r\n",
        HEAD + b"x" * 998 + b"\r\n",
        HEAD + (b"x" * 76 + b"\r\n") * 30_000,
    ],
    ids=["dots", "final_dot_inside", "dot_first", "longest_line", "two_megabytes"],
)
async def test_bytes_arrive_as_they_were_given(raw: bytes) -> None:
    async with ScriptedSmtpServer() as server, open_sender(server) as sender:
        receipts = [await sender.send(make_message(number, raw=raw)) for number in (1, 2)]

    assert receipts == [ACCEPTED, ACCEPTED]
    assert [message.data for message in server.messages] == [raw, raw]


@pytest.mark.parametrize(
    "raw",
    [
        HEAD + b"one\n.\nMAIL FROM:<evil@example.com>\r\n",
        HEAD + b"one\r.\rtwo\r\n",
        HEAD + b"one\r\n.\rtwo\r\n",
        HEAD + b"one\n.\rtwo\r\n",
        HEAD + b"one\n\rtwo\r\n",
        HEAD + b"no line end",
        b"",
        None,
    ],
    ids=["lone_lf", "lone_cr", "mixed", "one_of_each", "turned_round", "no_line_end", "empty", "none"],
)
async def test_bytes_that_servers_read_differently_are_never_written(raw: bytes | None) -> None:
    async with ScriptedSmtpServer() as server, open_sender(server) as sender:
        receipt = await sender.send(make_message(raw=raw))

    assert receipt == Receipt(outcome=OutcomeWord.REJECTED, reason="malformed_message", provider="smtp")
    assert server.connection_count == 0


@pytest.mark.parametrize(
    "address",
    [
        "kari@example.net\r\nRCPT TO:<evil@example.com>",
        "kari@example.net\n",
        "kari@example.net> SIZE=1",
        "<kari@example.net",
        "kari @example.net",
        "kari\x00@example.net",
        "kari\x7f@example.net",
        "kari\u2028@example.net",
        "kari\udcff@example.net",
        '"kari"@example.net',
        "kari",
        "@example.net",
        "kari@",
        "",
        "k" * 250 + "@example.net",
    ],
)
async def test_address_that_could_be_misread_never_reaches_the_server(address: str) -> None:
    async with ScriptedSmtpServer() as server, open_sender(server) as sender:
        to = await sender.send(make_message(to_address=address))
        from_ = await sender.send(make_message(from_address=address))

    assert to == Receipt(outcome=OutcomeWord.REJECTED, reason="invalid_address", provider="smtp")
    assert from_ == Receipt(outcome=OutcomeWord.MISCONFIGURED, reason="invalid_sender_address", provider="smtp")
    assert server.connection_count == 0


@pytest.mark.parametrize(
    ("changes", "options"),
    [
        ({"raw": EIGHT_BIT}, f"SIZE={len(EIGHT_BIT)} BODY=8BITMIME"),
        ({"raw": UTF8_HEADER}, f"SIZE={len(UTF8_HEADER)} SMTPUTF8 BODY=8BITMIME"),
        ({"to_address": "kåre@example.net", "raw": RAW}, f"SIZE={len(RAW)} SMTPUTF8"),
        ({"raw": RAW}, f"SIZE={len(RAW)}"),
    ],
    ids=["eight_bit", "utf8_header", "utf8_address", "plain"],
)
async def test_mail_command_asks_for_what_the_message_needs(changes: dict[str, Any], options: str) -> None:
    async with ScriptedSmtpServer() as server, open_sender(server) as sender:
        receipt = await sender.send(make_message(**changes))

    assert receipt == ACCEPTED
    assert [message.mail_from for message in server.messages] == [f"FROM:<shop@example.com> {options}"]


@pytest.mark.parametrize(
    ("changes", "outcome", "reason"),
    [
        ({"to_address": "kåre@example.net"}, OutcomeWord.REJECTED, "smtputf8_unsupported"),
        ({"raw": EIGHT_BIT}, OutcomeWord.MISCONFIGURED, "eight_bit_unsupported"),
    ],
)
async def test_server_without_the_extension_gets_nothing(
    changes: dict[str, Any], outcome: OutcomeWord, reason: str
) -> None:
    async with ScriptedSmtpServer(extensions=["PIPELINING"]) as server, open_sender(server) as sender:
        receipt = await sender.send(make_message(1, **changes))
        second = await sender.send(make_message(2))

    assert receipt == Receipt(outcome=outcome, reason=reason, provider="smtp")
    assert second == ACCEPTED
    assert [message.mail_from for message in server.messages] == ["FROM:<shop@example.com>"]
    assert server.connection_count == 1


@pytest.mark.parametrize("extensions", [EXTENSIONS, EXTENSIONS[1:]], ids=["pipelined", "step_by_step"])
@pytest.mark.parametrize("stage", [At.MAIL, At.RCPT])
async def test_reply_too_many_ends_the_connection_before_the_message(stage: At, extensions: list[str]) -> None:
    script = {stage: ["250 2.0.0 Ok\r\n250 2.0.0 Ok"]}
    async with ScriptedSmtpServer(script, extensions=extensions) as server, open_sender(server) as sender:
        first = await sender.send(make_message(1))
        second = await sender.send(make_message(2))

    assert (first.outcome, first.reason.partition("_")[0]) == (OutcomeWord.NOT_SENT, "unreadable")
    assert second == ACCEPTED
    assert [message.connection for message in server.messages] == [2]


@pytest.mark.parametrize("reply", ["250-" + "x" * 40_000, "250-x\r\n" * 10_000 + "250 x", "25", "abc def", "2500 x"])
async def test_reply_that_is_none_is_not_sent(reply: str) -> None:
    async with ScriptedSmtpServer({At.MAIL: reply}) as server, open_sender(server) as sender:
        receipt = await sender.send(make_message())

    assert receipt == Receipt(outcome=OutcomeWord.NOT_SENT, reason="unreadable_at_mail", provider="smtp")
    assert server.messages == []


async def test_acceptance_before_the_message_has_left_is_believed_by_nobody() -> None:
    raw = HEAD + (b"x" * 76 + b"\r\n") * 200_000
    async with ScriptedSmtpServer({At.MID_BODY: "250 2.0.0 Ok"}) as server, open_sender(server) as sender:
        receipt = await sender.send(make_message(raw=raw))

    assert receipt == Receipt(outcome=OutcomeWord.UNKNOWN, reason="unreadable_after_data", provider="smtp")


async def test_data_command_that_is_taken_without_a_recipient_gets_no_message() -> None:
    # RFC 2920 section 3.1 allows a server to say 354 though it has refused the only recipient.
    script = {At.RCPT: ["550 5.7.1 No"], At.DATA: ["354 Go on"]}
    async with ScriptedSmtpServer(script) as server, open_sender(server) as sender:
        first = await sender.send(make_message(1))
        second = await sender.send(make_message(2))

    assert first == Receipt(
        outcome=OutcomeWord.REJECTED, reason="recipient_refused", provider="smtp", raw_answer="550 5.7.1 No"
    )
    assert second == ACCEPTED
    assert [message.connection for message in server.messages] == [2]
