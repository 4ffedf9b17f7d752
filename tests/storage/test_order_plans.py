"""Orders are listed and counted by outcome and reason from an index: read from what PostgreSQL did with 200,000.

By the plan made for the parameters and by the one that connections keep.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Any

import pytest

from invite_service.domain.decision import Reason
from invite_service.domain.listing import OrderFilter, Span
from invite_service.domain.order import OrderOutcome
from invite_service.storage.choosing import Slice
from invite_service.storage.database import Database
from invite_service.storage.insights import InsightStore
from invite_service.storage.listing import ListingStore
from tests.storage.test_list_plans import PAGE, PlanningDriver
from tests.support.builders import MERCHANT_ID, NOON, make_merchant
from tests.support.databases import DatabaseMaker
from tests.support.ingesting import KEYS, add_merchant, driver_of, make_database

ORDERS = 200_000

SPAN = Span(start=NOON - timedelta(days=3), end=NOON)
IN_SPAN = 3 * 24 * 60

FILL = f"""
INSERT INTO orders (
    merchant_id, order_id, version, purchased_at, email_key, attributes, received_at, on_hold, outcome, reason, trace
)
SELECT $1, 'o' || n, 1, $2::timestamptz, decode(md5('c' || n), 'hex'), '{{}}', $2 - n * interval '1 minute', FALSE,
    CASE WHEN reason IN ('on_hold', 'status_not_triggering') THEN 'waiting' WHEN reason IS NOT NULL THEN 'blocked'
         WHEN n % 1000 = 998 THEN 'cancelled' WHEN n % 10 = 9 THEN 'merged' ELSE 'invited' END,
    reason, '[]'
FROM generate_series(1, {ORDERS}) n
CROSS JOIN LATERAL (
    SELECT CASE WHEN n % 40000 = 777 THEN 'no_consent' WHEN n % 10000 = 77 THEN 'on_hold'
                WHEN n % 10 < 3 THEN 'products_asked_recently' END AS reason
) AS reasons
"""

FILTERS = {
    "seldom an outcome": OrderFilter(outcome=OrderOutcome.CANCELLED),
    "often an outcome": OrderFilter(outcome=OrderOutcome.INVITED),
    "no order of the outcome and reason": OrderFilter(outcome=OrderOutcome.WAITING, reason=Reason.NO_CONSENT),
    "seldom a reason": OrderFilter(reason=Reason.NO_CONSENT),
    "never a reason": OrderFilter(reason=Reason.SUPPRESSED),
    "often a reason": OrderFilter(reason=Reason.PRODUCTS_ASKED_RECENTLY),
    "both": OrderFilter(outcome=OrderOutcome.BLOCKED, reason=Reason.NO_CONSENT),
    "outcome in a span": OrderFilter(outcome=OrderOutcome.CANCELLED, received=SPAN),
    "reason in a span": OrderFilter(reason=Reason.ON_HOLD, received=SPAN),
    "everything": OrderFilter(outcome=OrderOutcome.WAITING, reason=Reason.ON_HOLD, received=SPAN),
}


async def fill(url: str) -> None:
    database = make_database(url)
    await add_merchant(database, make_merchant())
    async with database.autocommit() as stores:
        await driver_of(stores).execute(FILL, MERCHANT_ID, NOON)
        await driver_of(stores).execute("VACUUM ANALYZE orders")
    await database.close()


@pytest.fixture(scope="module")
def filled_url(database_maker: DatabaseMaker) -> Iterator[str]:
    """A database of one merchant with many orders, analyzed."""
    with database_maker.database(fresh=True) as url, asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        runner.run(fill(url))
        yield url


@pytest.fixture
async def database(filled_url: str) -> AsyncIterator[Database]:
    database = make_database(filled_url, pool_size=1)
    yield database
    await database.close()


@pytest.mark.parametrize("ascending", [True, False], ids=["earliest first", "latest first"])
@pytest.mark.parametrize("chosen", FILTERS.values(), ids=FILTERS)
async def test_page_of_orders_by_outcome_or_reason_reads_little_more_than_it_shows(
    database: Database, chosen: OrderFilter, ascending: bool
) -> None:
    async with database.autocommit() as stores:
        driver: Any = PlanningDriver(driver_of(stores))
        await ListingStore(driver, KEYS).list_orders(MERCHANT_ID, chosen, part=Slice(limit=PAGE, ascending=ascending))
    for plan in driver.plans:
        assert plan.whole_tables == [], plan.text
        assert plan.rows_read <= 2 * PAGE, plan.text


async def test_orders_of_a_span_are_counted_from_an_index(database: Database) -> None:
    async with database.autocommit() as stores:
        driver: Any = PlanningDriver(driver_of(stores))
        counts = await InsightStore(driver).count_orders(MERCHANT_ID, start=SPAN.start, end=SPAN.end)
    assert sum(count.orders for count in counts) == IN_SPAN
    for plan in driver.plans:
        assert plan.whole_tables == [], plan.text
        assert plan.rows_read <= IN_SPAN + PAGE, plan.text
