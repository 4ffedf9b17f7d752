"""DESIGN.md section 5: at most eight statements a call, BEGIN and COMMIT included, however many orders."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from invite_service.domain.order import OrderEvent
from tests.support.builders import NOON, make_order_event, make_policy
from tests.support.ingesting import IngestHouse, driver_of

MOST = 8


@asynccontextmanager
async def counted(shop: IngestHouse) -> AsyncIterator[list[str]]:
    """Collect the statements that run on the house's only connection."""
    statements: list[str] = []

    def remember(record: Any) -> None:
        statements.append(record.query.split()[0])

    # By key, as ingest plans: a session that planned otherwise before is told so first.
    async with shop.database.transaction(by_key=True) as stores:
        driver = driver_of(stores)
    driver.add_query_logger(remember)
    yield statements
    # The logger is called when the event loop next turns.
    await asyncio.sleep(0)
    driver.remove_query_logger(remember)


@pytest.fixture
async def shop(database_url: str) -> AsyncIterator[IngestHouse]:
    async with IngestHouse.open(database_url, pool_size=1) as house:
        # Types and policy versions are looked up once per connection and process.
        await house.post(make_order_event(order_id="first", email="first@example.com", phone="+4741234567"))
        await house.post(make_order_event(order_id="first", email="first@example.com", status="cancelled"))
        yield house


def events_of_new_customers(count: int) -> list[OrderEvent]:
    return [make_order_event(order_id=f"n{number}", email=f"n{number}@example.com") for number in range(count)]


def events_of_mixed_customers(count: int) -> list[OrderEvent]:
    """Known orders that change, repeat customers, new ones, and pairs of the same day."""
    return [
        make_order_event(
            order_id=f"n{number}" if number % 4 == 0 else f"m{number}",
            email=f"n{number - number % 2}@example.com" if number % 3 else f"m{number}@example.com",
            products=("mug", f"p{number}"),
            status="cancelled" if number % 8 == 0 else "fulfilled",
        )
        for number in range(count)
    ]


@pytest.mark.parametrize("count", [1, 2, 1000])
async def test_new_customers_take_four_statements_however_many(shop: IngestHouse, count: int) -> None:
    async with counted(shop) as statements:
        await shop.post(*events_of_new_customers(count))
    assert statements == ["BEGIN", "WITH", "WITH", "COMMIT"]


@pytest.mark.parametrize("count", [1, 2, 1000])
async def test_known_customers_take_five_statements_however_many(shop: IngestHouse, count: int) -> None:
    await shop.post(*events_of_new_customers(count))
    async with counted(shop) as statements:
        await shop.post(*events_of_mixed_customers(count), at=NOON + timedelta(hours=1))
    assert statements == ["BEGIN", "WITH", "WITH", "WITH", "COMMIT"]


@pytest.mark.parametrize("count", [1, 2, 1000])
async def test_same_events_again_take_four_statements_however_many(shop: IngestHouse, count: int) -> None:
    await shop.post(*events_of_new_customers(count))
    async with counted(shop) as statements:
        await shop.post(*events_of_new_customers(count))
    assert statements == ["BEGIN", "WITH", "WITH", "COMMIT"]


async def test_everything_at_once_takes_no_more_than_eight(shop: IngestHouse) -> None:
    await add_version(shop)
    await shop.post(make_order_event(order_id="a", email="a@example.com", phone="+4791234567"))
    # A sibling without the contact that is posted has the history read twice.
    await shop.post(make_order_event(order_id="b", email="b@example.com", phone="+4791234567"))
    await shop.post(make_order_event(order_id="c", email="c@example.com", status="paid"))
    fresh = IngestHouse(shop.database, shop.merchant)
    events: Sequence[OrderEvent] = [
        OrderEvent(order_id="c", phone="412 34 567", status="fulfilled"),
        make_order_event(order_id="d", email="a@example.com"),
    ]
    async with counted(shop) as statements:
        await fresh.post(*events)
    assert statements[0] == "BEGIN"
    assert statements[-1] == "COMMIT"
    assert len(statements) == MOST, statements


async def add_version(shop: IngestHouse) -> None:
    async with shop.database.transaction(by_key=True) as stores:
        policy = replace(make_policy(version=2), product_delay_days=3)
        await stores.policies.add(shop.merchant.id, policy, created_at=NOON, created_by="operator")
        await stores.merchants.set_policy_version(shop.merchant.id, 2, replacing=1)
