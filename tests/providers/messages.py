"""Builders of messages and senders for the tests of providers."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from invite_service.domain.invitation import Channel, Step
from invite_service.domain.message import Message
from invite_service.domain.receipt import OutcomeWord, Receipt
from invite_service.providers.email.smtp import SmtpSender, create_smtp_sender
from invite_service.providers.email.smtp_settings import Encryption, SmtpSettings
from tests.support.smtp_server import ScriptedSmtpServer

RAW = (
    b"From: Gift Shop <shop@example.com>\r\n"
    b"To: Kari <kari@example.net>\r\n"
    b"Subject: How was it?\r\n"
    b"Message-ID: <1@example.com>\r\n"
    b"\r\n"
    b"Hello Kari\r\n"
)

ACCEPTED = Receipt(
    outcome=OutcomeWord.ACCEPTED,
    reason="message_accepted",
    provider="smtp",
    raw_answer="250 2.0.0 Ok: queued as 4711",
)


def make_message(number: int = 1, **changes: Any) -> Message:
    """An e-mail that any server takes; the number tells messages of one test apart."""
    values: dict[str, Any] = {
        "attempt_id": UUID(int=number),
        "merchant_id": "gift-shop",
        "invitation_id": UUID(int=1000 + number),
        "step": Step.PRODUCT_1,
        "channel": Channel.EMAIL,
        "to_address": "kari@example.net",
        "to_name": "Kari",
        "from_address": "shop@example.com",
        "from_name": "Gift Shop",
        "subject": "How was it?",
        "text": "Hello Kari\n",
        "headers": {"List-Unsubscribe": "<https://example.com/u/1>"},
        "message_id": f"<{number}@example.com>",
        "idempotency_key": f"key-{number}",
        "raw": RAW.replace(b"<1@", f"<{number}@".encode()),
    }
    return Message(**(values | changes))


def make_settings(port: int, **changes: Any) -> SmtpSettings:
    """Settings for a server on loopback, with limits that only a hanging server reaches."""
    values: dict[str, Any] = {
        "host": "127.0.0.1",
        "port": port,
        "encryption": Encryption.NEVER,
        "timeout": 10.0,
        "connect_timeout": 5.0,
    }
    return SmtpSettings(**(values | changes))


@asynccontextmanager
async def open_sender(server: ScriptedSmtpServer, **changes: Any) -> AsyncIterator[SmtpSender]:
    """A sender for the server, closed at the end."""
    sender = create_smtp_sender(make_settings(server.port, **changes))
    try:
        yield sender
    finally:
        await sender.close()


async def wait_until(condition: Callable[[], bool]) -> None:
    """Wait, at most five seconds, for something that happens in a server of the test."""
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - what is waited for happens in the server's own state
            await asyncio.sleep(0.005)
