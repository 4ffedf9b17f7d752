"""Suppressed domains: seen when an order is decided, and again when its message is due."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from invite_service.domain.invitation import InvitationStatus
from invite_service.domain.order import OrderEvent, OrderOutcome
from invite_service.domain.suppression import (
    NewSuppression,
    Subject,
    SubjectKind,
    SuppressionReason,
    SuppressionSource,
)
from invite_service.providers.doubles import RecordingSender
from invite_service.services.send_report import SendReport
from invite_service.storage.database import Database
from tests.services.test_ingest_statements import counted
from tests.support.builders import MERCHANT_ID, NOON, make_order_event
from tests.support.ingesting import IngestHouse
from tests.support.sending import SendingHouse


@pytest.fixture
async def shop(database_url: str) -> AsyncIterator[IngestHouse]:
    async with IngestHouse.open(database_url, pool_size=1) as house:
        await house.post(make_order_event(order_id="first", email="first@else.example"))
        yield house


async def close_domain(database: Database, pattern: str = "@rival.example") -> None:
    new = NewSuppression(
        subject=Subject(SubjectKind.DOMAIN, pattern),
        reason=SuppressionReason.MANUAL,
        channel=None,
        source=SuppressionSource.MERCHANT,
        created_at=NOON,
    )
    async with database.transaction() as stores:
        await stores.suppressions.enter(MERCHANT_ID, [new])


async def test_new_customer_of_a_closed_domain_is_not_asked(shop: IngestHouse) -> None:
    await close_domain(shop.database)
    closed, other = await shop.post(
        make_order_event(order_id="1", email="kari@rival.example"),
        make_order_event(order_id="2", email="ola@mail.rival.example"),
    )
    assert (closed.order.outcome, closed.order.reason) == (OrderOutcome.BLOCKED, "suppressed")
    assert other.order.outcome is OrderOutcome.INVITED


async def test_domains_below_are_closed_by_a_star_and_a_dot(shop: IngestHouse) -> None:
    await close_domain(shop.database, "@.rival.example")
    closed, other = await shop.post(
        make_order_event(order_id="1", email="kari@de.mail.rival.example"),
        make_order_event(order_id="2", email="ola@rival.example"),
    )
    assert (closed.order.outcome, closed.order.reason) == (OrderOutcome.BLOCKED, "suppressed")
    assert other.order.outcome is OrderOutcome.INVITED


async def test_known_order_whose_event_tells_no_address_is_not_asked(shop: IngestHouse) -> None:
    await shop.post(make_order_event(order_id="1", email="kari@rival.example", status="paid"))
    await close_domain(shop.database)
    [result] = await shop.post(OrderEvent(order_id="1", status="shipped"))
    assert (result.order.outcome, result.order.reason) == (OrderOutcome.BLOCKED, "suppressed")


async def test_order_does_not_join_an_invitation_to_a_closed_domain(shop: IngestHouse) -> None:
    phone = "+4791234567"
    [first] = await shop.post(make_order_event(order_id="1", email="kari@rival.example", phone=phone))
    await close_domain(shop.database)
    [second] = await shop.post(
        make_order_event(order_id="2", email="kari@home.example", phone=phone, products=("lamp",))
    )
    assert first.invitation is not None
    assert second.order.outcome is not OrderOutcome.MERGED


async def test_merchant_without_wildcards_pays_no_statement_and_one_with_them_one(shop: IngestHouse) -> None:
    async with counted(shop) as statements:
        await shop.post(make_order_event(order_id="1", email="kari@rival.example"))
    assert statements == ["BEGIN", "WITH", "WITH", "COMMIT"]
    await close_domain(shop.database)
    async with counted(shop) as statements:
        await shop.post(*(make_order_event(order_id=f"n{n}", email=f"n{n}@d{n}.example") for n in range(100)))
    assert statements == ["BEGIN", "WITH", "SELECT", "WITH", "COMMIT"]
    async with counted(shop) as statements:
        await shop.post(make_order_event(order_id="3", email="kari@rival.example", products=("lamp",)))
    assert statements == ["BEGIN", "WITH", "WITH", "SELECT", "WITH", "COMMIT"]


async def test_message_to_a_domain_closed_meanwhile_is_skipped(database: Database) -> None:
    house = await SendingHouse.build(database)
    closed = await house.invite(order_id="1", email="kari@rival.example")
    other = await house.invite(order_id="2", email="ola@else.example")
    await close_domain(database)
    house.clock.now = max(closed.send_at, other.send_at) + timedelta(minutes=1)
    sender = RecordingSender()
    assert await house.send(sender) == SendReport(sent=1, skipped=1)
    kept = await house.invitation(closed.id)
    assert (kept.status, kept.ended_reason) == (InvitationStatus.CANCELLED, "suppressed")
    assert (await house.told(closed.id))[-1].reason == "suppressed"
    assert (await house.invitation(other.id)).last_sent_at is not None
