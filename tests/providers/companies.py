"""The companies as the tests play them: each takes what is in order, and refuses what is not, in its own form."""

from base64 import b64encode
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from invite_service.domain.message import Message
from invite_service.providers.base import EventReader, EventRequest, Sender
from invite_service.providers.email.postmark import PostmarkEvents, PostmarkSender, PostmarkSettings
from tests.providers.messages import make_message
from tests.support.vendor_server import Asked, Said, VendorServer

ATTEMPT = UUID("01936f00-0000-7000-8000-000000000000")


SECRET = "secret-of-the-shop"


def basic(username: str, password: str) -> dict[str, str]:
    """Make the header of HTTP Basic."""
    return {"authorization": f"Basic {b64encode(f'{username}:{password}'.encode()).decode()}"}


class PlayedCompany(Protocol):
    """One company: what it does with a request, and how its sender is made."""

    name: str
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
        "reply_to": "help@example.com",
        "headers": {
            "List-Unsubscribe": "<https://example.com/u/1>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
            "Auto-Submitted": "auto-generated",
        },
    }
    return make_message(number, **(values | changes))


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


class Postmark:
    """Answers as shown in Postmark's API reference for /email, /email/batch, /server and /messages/outbound."""

    name = "postmark"
    token = "5a1b9c7e-token"

    def __init__(self) -> None:
        self.taken: list[str] = []

    def open(self, url: str, **changes: Any) -> Sender:
        return PostmarkSender(PostmarkSettings(api_url=url, server_token=self.token, **changes))

    def read_events(self) -> EventReader:
        return PostmarkEvents(SECRET)

    def tell(self, body: bytes, *, now: datetime) -> EventRequest:
        return EventRequest(body=body, headers=basic("anybody", SECRET))

    def refuse(self, status: int, headers: Mapping[str, str]) -> Said:
        return Said.json({"ErrorCode": 9, "Message": "No, kari@example.net"}, status=status, headers=headers)

    def __call__(self, asked: Asked) -> Said:
        if asked.headers.get("x-postmark-server-token") != self.token:
            return Said.json({"ErrorCode": 10, "Message": "No Account or Server API tokens were supplied"}, status=401)
        match asked.method, asked.path:
            case "POST", "/email":
                answer = self._take(asked.json())
                return Said.json(answer, status=422 if answer["ErrorCode"] else 200)
            case "POST", "/email/batch":
                assert len(asked.json()) <= 500
                return Said.json([self._take(message) for message in asked.json()])
            case "GET", "/server":
                return Said.json({"ID": 1, "Name": "Invitations"})
            case "GET", "/messages/outbound":
                assert asked.query.keys() == {"count", "offset", "metadata_attempt_id"}
                found = [attempt for attempt in self.taken if attempt == asked.query["metadata_attempt_id"]]
                messages = [{"MessageID": f"pm-{attempt}"} for attempt in found]
                return Said.json({"TotalCount": len(found), "Messages": messages})
            case _:
                return Said.json({"ErrorCode": 12, "Message": "Resource not found"}, status=404)

    def _take(self, message: Any) -> dict[str, Any]:
        if "inactive@" in message["To"]:
            text = "Found inactive addresses: inactive@example.net. Inactive recipients are ones that bounced."
            return {"ErrorCode": 406, "Message": f"You tried to send to a recipient marked as inactive. {text}"}
        attempt = message["Metadata"]["attempt_id"]
        self.taken.append(attempt)
        return {
            "To": message["To"],
            "SubmittedAt": "2026-11-10T08:00:00Z",
            "MessageID": f"pm-{attempt}",
            "ErrorCode": 0,
            "Message": "OK",
        }


COMPANIES: tuple[type[PlayedCompany], ...] = (Postmark,)
