"""One click in a mail that a real worker sent (RFC 8058), and what the worker sends after it: nothing."""

from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy

import httpx
import pytest

from invite_service.domain.invitation import Invitation, InvitationStatus
from invite_service.domain.order import OrderOutcome
from invite_service.main import create_app
from invite_service.storage.database import Database
from invite_service.worker.main import working
from tests.support.builders import make_order_event
from tests.support.sending import SendingHouse
from tests.support.smtp_server import ScriptedSmtpServer
from tests.support.workers import build_ready_house, comes_true, smtp_settings
from tests.worker.test_working import make_settings

KARI, OLA = "kari@example.com", "ola@example.com"


@pytest.fixture
async def ready(database: Database) -> SendingHouse:
    return await build_ready_house(database)


async def invite(ready: SendingHouse, order_id: str, email: str, product: str) -> Invitation:
    """Have a message due at once."""
    ready.clock.now = datetime.now(UTC) - timedelta(days=2)
    return await ready.invite(order_id=order_id, email=email, products=(product,), purchased_at=ready.clock.now)


async def test_one_click_takes_effect_at_once(ready: SendingHouse, database_url: str) -> None:
    async with ScriptedSmtpServer() as smtp:
        settings = make_settings(database_url, smtp_settings(smtp.port))
        app = create_app(settings)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://reviews.test") as browser,
        ):
            async with working(settings):
                asked = await invite(ready, "1", KARI, "mug")
                await comes_true(lambda: len(smtp.messages) == 1)
            # With the worker away a second message to her, and one to somebody else, are due.
            waiting = await invite(ready, "2", KARI, "lamp")
            other = await invite(ready, "3", OLA, "lamp")

            message = message_from_bytes(smtp.messages[0].data, policy=policy.default)
            assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
            link = message["List-Unsubscribe"].strip("<>")
            answer = await browser.post(link[link.index("/u/") :], data={"List-Unsubscribe": "One-Click"})
            assert (answer.status_code, answer.history) == (200, [])
            ended = await ready.invitation(waiting.id)
            assert (ended.status, ended.ended_reason) == (InvitationStatus.CANCELLED, "unsubscribed")

            async with working(settings):
                await comes_true(lambda: len(smtp.messages) == 2)
                event = make_order_event(order_id="4", email=KARI, products=("pan",), purchased_at=ready.clock.now)
                [later] = await ready.post(event)
                assert (later.order.outcome, later.order.reason) == (OrderOutcome.BLOCKED, "suppressed")
            recipients = [received.rcpt_to for received in smtp.messages]
    assert recipients == [(f"TO:<{KARI}>",), (f"TO:<{OLA}>",)]
    assert (await ready.invitation(asked.id)).status is InvitationStatus.SENT
    assert (await ready.invitation(other.id)).status is InvitationStatus.SENT
