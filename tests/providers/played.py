"""What every company that the tests play has in common: a server of its own and a sender for it."""

from base64 import b64encode
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from invite_service.domain.invitation import Channel
from invite_service.domain.message import Message
from invite_service.providers.base import EventReader, EventRequest, Sender
from tests.providers.messages import RAW, make_message
from tests.support.vendor_server import Asked, Said, VendorServer

ATTEMPT = UUID("01936f00-0000-7000-8000-000000000000")

SECRET = "secret-of-the-shop"

REFUSED = {Channel.EMAIL: "inactive@example.net", Channel.SMS: "+4790000000"}
"""Addresses that companies refuse, where they can say so at once."""


def basic(username: str, password: str) -> dict[str, str]:
    """Make the header of HTTP Basic."""
    return {"authorization": f"Basic {b64encode(f'{username}:{password}'.encode()).decode()}"}


class PlayedCompany(Protocol):
    """One company: what it does with a request, and how its sender is made."""

    name: str
    channel: Channel
    taken: list[str]
    """The attempt ids of the messages that it took, in its order."""

    def __call__(self, asked: Asked) -> Said: ...

    def open(self, url: str, **changes: Any) -> Sender:
        """Make the sender for an API at the URL."""

    def refuse(self, status: int, headers: Mapping[str, str]) -> Said:
        """Say an error in the company's form."""

    def read_events(self) -> EventReader:
        """Make the reader of what the company tells later."""

    def tell(self, body: bytes, *, now: datetime) -> EventRequest:
        """Make the request that tells it."""


def make_api_message(number: int = 1, **changes: Any) -> Message:
    """An e-mail as it is rendered, with everything that an API may need; the number tells messages apart."""
    attempt_id = UUID(int=ATTEMPT.int + number)
    values = {
        "attempt_id": attempt_id,
        "message_id": f"<{attempt_id}@example.com>",
        "idempotency_key": str(attempt_id),
        "html": "<p>Hello Kari</p>\n",
        "raw": RAW.replace(b"1@example.com", f"{attempt_id}@example.com".encode()),
        "reply_to": "help@example.com",
        "headers": {
            "List-Unsubscribe": "<https://example.com/u/1>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
            "Auto-Submitted": "auto-generated",
        },
    }
    return make_message(number, **(values | changes))


def make_sms(number: int = 1, **changes: Any) -> Message:
    """An SMS as it is rendered; the number tells messages apart."""
    attempt_id = UUID(int=ATTEMPT.int + number)
    values = {
        "attempt_id": attempt_id,
        "channel": Channel.SMS,
        "to_address": "+4791234567",
        "to_name": None,
        "from_address": "GiftShop",
        "from_name": None,
        "subject": "",
        "text": f"How was it? https://example.com/i/{number}\nNo more: https://example.com/u/{number}",
        "headers": {},
        "message_id": f"<{attempt_id}@example.com>",
        "idempotency_key": str(attempt_id),
        "raw": None,
    }
    return make_message(number, **(values | changes))


def message_for(company: PlayedCompany, number: int = 1, **changes: Any) -> Message:
    """A message of the company's channel."""
    return (make_sms if company.channel is Channel.SMS else make_api_message)(number, **changes)


@asynccontextmanager
async def open_api(
    company: PlayedCompany, script: Sequence[Any] = (), **changes: Any
) -> AsyncIterator[tuple[VendorServer, Sender]]:
    """The company's server and a sender for it, both closed at the end."""
    async with VendorServer(company, script) as server:
        sender = company.open(server.url, **changes)
        try:
            yield server, sender
        finally:
            await sender.close()
