from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from invite_service.domain.decision import Reason, TraceEntry, TraceOutcome
from invite_service.domain.errors import OrderNotFoundError
from invite_service.domain.order import Order, OrderLine, OrderOutcome
from invite_service.storage.decisions import Decisions
from invite_service.storage.errors import TransactionConflictError
from tests.support.builders import NOON, make_line, make_order, new_id
from tests.support.ingesting import IngestHouse

AWKWARD = 'Å "quoted", {braced}, \\back\\slashed, NULL and a\ttab'

FULL = Order(
    order_id="2026/17 #4",
    status="shipped",
    updated_at=NOON - timedelta(hours=3, microseconds=1),
    purchased_at=datetime(2026, 3, 7, 23, 59, 59, 999999, tzinfo=timezone(timedelta(hours=5, minutes=45))),
    shipped_at=NOON - timedelta(days=1),
    delivered_at=NOON,
    customer_id="c-9",
    customer_name=AWKWARD,
    email="kari@example.com",
    phone="+4791234567",
    email_fault="email_unreadable",
    phone_fault="phone_not_mobile",
    language="nb-NO",
    country="NO",
    time_zone="Europe/Oslo",
    consent=False,
    lines=(
        OrderLine(
            id=AWKWARD,
            name=AWKWARD,
            url="https://gifts.example/p/1",
            image_url="https://gifts.example/i/1.jpg",
            brand=AWKWARD,
            sku=(AWKWARD, "", "null", "plain"),
            gtin="07012345678900",
            mpn="M-1",
            category=AWKWARD,
            price=Decimal("1234567890.010"),
            currency="NOK",
            variant_id="v",
            variant_name="large",
            returned=True,
        ),
        OrderLine(id="bare"),
    ),
    attributes=(AWKWARD, "", "b"),
    discount_code="TAKE10",
    discount_description=AWKWARD,
    received_at=NOON,
    triggered_at=NOON + timedelta(minutes=1),
    on_hold=True,
    outcome=OrderOutcome.BLOCKED,
    reason=Reason.PRODUCTS_ASKED_RECENTLY,
    eligible_at=NOON + timedelta(days=90),
    invitation_id=new_id(),
    trace=(
        TraceEntry("cancel_status", TraceOutcome.PASSED, None, {"status": AWKWARD}),
        TraceEntry(
            "product_repeat",
            TraceOutcome.DECIDED,
            "products_asked_recently",
            {"days": 90, "dropped": {"mug": "asked"}, "listed": ["a"], "none": None, "yes": True, "half": 0.5},
        ),
    ),
    version=1,
)

BARE = Order(order_id="bare", purchased_at=NOON, received_at=NOON, version=1)


async def store(shop: IngestHouse, order: Order, stored: Order | None = None) -> None:
    async with shop.database.transaction() as stores:
        await stores.decisions.record(
            shop.merchant.id,
            Decisions(
                posted_ids={order.order_id},
                orders=[order],
                stored_orders={} if stored is None else {stored.order_id: stored},
                accepted_at=NOON,
            ),
        )


async def read(shop: IngestHouse, order_id: str) -> Order:
    async with shop.database.transaction() as stores:
        return await stores.orders.get(shop.merchant.id, order_id)


@pytest.mark.parametrize("order", [FULL, BARE], ids=["full", "bare"])
async def test_order_comes_back_as_it_was_stored(shop: IngestHouse, order: Order) -> None:
    await store(shop, order)
    assert await read(shop, order.order_id) == order


async def test_instants_come_back_as_the_same_instants_in_utc(shop: IngestHouse) -> None:
    await store(shop, FULL)
    purchased_at = (await read(shop, FULL.order_id)).purchased_at
    assert (purchased_at, purchased_at.tzinfo) == (FULL.purchased_at, UTC)


async def test_every_field_of_a_known_order_can_be_cleared(shop: IngestHouse) -> None:
    await store(shop, FULL)
    cleared = replace(BARE, order_id=FULL.order_id, version=2)
    await store(shop, cleared, FULL)
    assert await read(shop, FULL.order_id) == cleared
    assert await shop.rows("SELECT email_key, phone_key FROM orders WHERE merchant_id = $1") == [(None, None)]


async def test_lines_are_replaced_by_fewer_and_by_more(shop: IngestHouse) -> None:
    three = make_order(lines=(make_line(id="a"), make_line(id="b"), make_line(id="c")))
    one = replace(three, lines=(make_line(id="b", returned=True),), version=2)
    two = replace(three, lines=(make_line(id="d"), make_line(id="b")), version=3)
    await store(shop, three)
    await store(shop, one, three)
    assert await read(shop, three.order_id) == one
    await store(shop, two, one)
    assert await read(shop, three.order_id) == two


async def test_new_order_that_somebody_else_stored_meanwhile_is_a_conflict(shop: IngestHouse) -> None:
    await store(shop, make_order())
    with pytest.raises(TransactionConflictError):
        await store(shop, make_order(customer_name="Somebody else"))
    assert await read(shop, "1001") == make_order()


async def test_known_order_that_somebody_else_changed_meanwhile_is_a_conflict(shop: IngestHouse) -> None:
    first = make_order()
    second = replace(first, customer_name="Kari", version=2)
    await store(shop, first)
    await store(shop, second, first)
    with pytest.raises(TransactionConflictError):
        await store(shop, replace(first, customer_name="Ola", version=2), first)
    assert await read(shop, "1001") == second


async def test_order_of_another_merchant_is_not_found(shop: IngestHouse) -> None:
    await store(shop, make_order())
    async with shop.database.transaction() as stores:
        with pytest.raises(OrderNotFoundError):
            await stores.orders.get(type(shop.merchant.id)("other"), "1001")
