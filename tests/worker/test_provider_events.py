"""A provider that takes messages from a real worker and tells over HTTP what became of them."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from invite_service.bootstrap import Factory
from invite_service.domain.invitation import Channel, InvitationStatus
from invite_service.main import create_app
from invite_service.services.channels import NewSettings
from invite_service.storage.database import Database
from invite_service.worker.main import working
from tests.support.sending import SendingHouse
from tests.support.vendor_server import Act, Asked, Said, VendorServer
from tests.support.workers import build_ready_house, comes_to_be
from tests.worker.test_channels import make_settings

SECRET = "made-up-for-postmark-0123456789"


def take(asked: Asked) -> Said:
    """Take messages as Postmark does, one or many."""
    posted = asked.json()
    if isinstance(posted, list):
        return Said.json([{"ErrorCode": 0, "Message": "OK", "MessageID": f"pm-{n}"} for n, _ in enumerate(posted)])
    return Said.json({"ErrorCode": 0, "Message": "OK", "MessageID": "pm-0"})


@dataclass(frozen=True)
class Postmark:
    """The company: takes messages, and calls back."""

    server: VendorServer
    http: httpx.AsyncClient
    services: Factory

    async def set_up(self, house: SendingHouse, *, records_engagement: bool = False) -> None:
        """Enter its credentials for the merchant."""
        settings = NewSettings(
            provider="postmark",
            options={"server_token": "token-of-a-server", "webhook_secret": SECRET, "api_url": self.server.url},
            from_address="hei@gifts.example",
            records_engagement=records_engagement,
        )
        await self.services.create_channels().replace(
            house.merchant, Channel.EMAIL, settings, replacing=0, actor="test"
        )

    async def tell(self, record: dict[str, Any], *, secret: str = SECRET, merchant: str = "gift-shop") -> int:
        """Call back with a record, and give the answer's status."""
        answer = await self.http.post(f"/provider-events/postmark/{merchant}", json=record, auth=("postmark", secret))
        assert answer.status_code != 200 or answer.content == b""
        return answer.status_code


@pytest.fixture
async def house(database: Database) -> SendingHouse:
    return await build_ready_house(database)


@pytest.fixture
async def postmark(database_url: str) -> AsyncIterator[Postmark]:
    app = create_app(make_settings(database_url))
    async with (
        VendorServer(take) as server,
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://reviews.test") as http,
    ):
        yield Postmark(server, http, app.state.factory)


async def find_ended(house: SendingHouse, outcome: str) -> Any:
    """Find the only attempt once it has ended like this."""
    return next((attempt for attempt in await house.attempts() if attempt["outcome"] == outcome), None)


async def find_suppression(house: SendingHouse) -> Any:
    return next(iter(await house.rows("SELECT * FROM suppressions")), None)


def bounce(attempt_id: object, **changes: Any) -> dict[str, Any]:
    record = {
        "RecordType": "Bounce",
        "ID": 42,
        "Type": "HardBounce",
        "MessageID": "pm-0",
        "Metadata": {"attempt_id": str(attempt_id)},
        "Email": "a0@example.com",
        "BouncedAt": "2026-11-05T16:33:54.9070259Z",
        "Description": "The server was unable to deliver your message.",
    }
    return record | changes


async def test_bounce_is_taken_once_and_closes_the_address(
    house: SendingHouse, postmark: Postmark, database_url: str
) -> None:
    await postmark.set_up(house)
    async with working(make_settings(database_url)):
        [invitation] = await house.invite_many(1)
        await comes_to_be(lambda: find_ended(house, "accepted"))
    [attempt] = await house.attempts()
    record = bounce(attempt["id"])
    assert await postmark.tell(record, secret="wrong") == 403
    assert await house.rows("SELECT 1 FROM provider_events") == []
    assert [await postmark.tell(record), await postmark.tell(record)] == [200, 200]
    [attempt] = await house.attempts()
    assert attempt["delivery"] == "bounced_hard"
    rows = await house.rows("SELECT reason, channel, source FROM suppressions")
    assert [tuple(row) for row in rows] == [("hard_bounce", "email", "provider_event")]
    told = await house.rows(
        "SELECT event FROM timeline_entries WHERE invitation_id = $1 AND actor = 'provider' ORDER BY id", invitation.id
    )
    assert [row["event"] for row in told] == ["contacts_suppressed", "delivery_reported"]


async def test_delivery_of_a_message_nobody_heard_of_again_ends_the_doubt(
    house: SendingHouse, postmark: Postmark, database_url: str
) -> None:
    await postmark.set_up(house)
    postmark.server.play(Act.TAKE_AND_RESET)
    async with working(make_settings(database_url)):
        [invitation] = await house.invite_many(1)
        await comes_to_be(lambda: find_ended(house, "unknown"))
    assert (await house.invitation(invitation.id)).status is InvitationStatus.IN_DOUBT
    [attempt] = await house.attempts()
    record = {"RecordType": "Delivery", "Metadata": {"attempt_id": str(attempt["id"])}, "MessageID": "pm-0"}
    assert await postmark.tell(record) == 200
    assert (await house.invitation(invitation.id)).status is InvitationStatus.SENT


async def test_event_that_came_early_is_joined_by_the_worker(
    house: SendingHouse, postmark: Postmark, database_url: str
) -> None:
    await postmark.set_up(house)
    assert await postmark.tell(bounce(None, Metadata={})) == 200
    async with working(make_settings(database_url)):
        await house.invite_many(1)
        await comes_to_be(lambda: find_ended(house, "accepted"))
        await comes_to_be(lambda: find_suppression(house))


async def test_who_cannot_be_checked_is_answered_alike(house: SendingHouse, postmark: Postmark) -> None:
    assert await postmark.tell(bounce("x")) == 403
    await postmark.set_up(house)
    assert await postmark.tell(bounce("x"), merchant="nobody") == 403
    assert await postmark.tell({"Nonsense": True}) == 400
    refused = await postmark.http.post("/provider-events/sendgrid/gift-shop", content=b"[]")
    assert (refused.status_code, refused.json()["code"]) == (403, "event_not_verified")
    assert await postmark.tell(bounce("x", ID=7)) == 200


async def test_metrics_count_what_was_told(house: SendingHouse, postmark: Postmark) -> None:
    await postmark.set_up(house)
    await postmark.tell(bounce("x"))
    await postmark.tell(bounce("x"), secret="wrong")
    metrics = (await postmark.http.get("/metrics")).text
    assert 'invite_provider_events_total{kind="bounced_hard",provider="postmark"} 1.0' in metrics
    assert 'invite_provider_event_requests_total{verdict="unsigned"} 1.0' in metrics
