"""Each filter of the lists, in each sorting and both directions, is carried by an index: read from what PostgreSQL did.

On 200,000 invitations of twenty merchants, by the plan made for the parameters and by the one that connections keep.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
import pytest
from benchmarks.crowd import KNOWN_EMAIL, OLD_PRODUCT, RARE_PRODUCT, TOP_PRODUCT, Crowd, fill_crowd, sample_order

from invite_service.domain.invitation import Channel, InvitationStatus, Kind
from invite_service.domain.listing import InvitationFilter, InvitationSorting, OrderFilter, Span
from invite_service.domain.merchant import MerchantId
from invite_service.storage.choosing import Slice
from invite_service.storage.database import Database
from invite_service.storage.due import COUNT_DUE
from invite_service.storage.listing import ListingStore
from invite_service.storage.places import MANY, SAMPLE
from invite_service.storage.tables import REFERENCE_TABLES, metadata
from tests.support.builders import NOON, make_merchant
from tests.support.databases import DatabaseMaker
from tests.support.ingesting import KEYS, add_merchant, driver_of, make_database

CROWD = Crowd(rows=200_000, merchants=20)
LARGEST, SMALL = (MerchantId(CROWD.merchant_ids[number]) for number in (0, 7))

PAGE = 51

TENANT_TABLES = metadata.tables.keys() - REFERENCE_TABLES

READ_BESIDES = PAGE * PAGE + 500
"""Entries that may be read for a page besides its own rows: the first ones of as many days, and one of every day."""

READ_FOR_PRODUCT = 11_000
"""Rows of a product, or walked through, until a page by send_at is found."""

READ_FOR_OLD_PRODUCT = READ_FOR_PRODUCT + 2 * MANY + 2 * SAMPLE + 2 * READ_BESIDES
"""The same where the walk was in vain: it is counted, twice by a bitmap, then the days of its time are looked into."""


class RolledBackError(Exception):
    """Takes back what only one test is to see."""


def days(start: float | None, end: float | None) -> Span:
    return Span(
        start=None if start is None else NOON + timedelta(days=start),
        end=None if end is None else NOON + timedelta(days=end),
    )


FILTERS: dict[str, InvitationFilter] = {
    "nothing": InvitationFilter(),
    "each status": InvitationFilter(statuses=tuple(InvitationStatus)),
    **{status: InvitationFilter(statuses=(status,)) for status in InvitationStatus},
    **{kind: InvitationFilter(kind=kind) for kind in Kind},
    **{channel: InvitationFilter(channel=channel) for channel in Channel},
    "an order": InvitationFilter(order_id=sample_order(CROWD)),
    "a contact": InvitationFilter(contact=KNOWN_EMAIL),
    "created on a day": InvitationFilter(created=days(-200.4, -199.4)),
    "created since": InvitationFilter(created=days(-450, None)),
    "created before": InvitationFilter(created=days(None, -300)),
    "created in a span": InvitationFilter(created=days(-300, -200)),
    "today": InvitationFilter(sends=(days(-0.5, 0.5),)),
    "next 30 days": InvitationFilter(sends=(days(-0.5, 29.5),)),
    "last 30 days": InvitationFilter(sends=(days(-29.5, 0.5),)),
    "sent since": InvitationFilter(sends=(days(-400, None),)),
    "sent before": InvitationFilter(sends=(days(None, -300),)),
}

PRODUCTS = {
    "a rare product": InvitationFilter(product_id=RARE_PRODUCT),
    "a product of every time": InvitationFilter(product_id=TOP_PRODUCT),
    "a product of long ago": InvitationFilter(product_id=OLD_PRODUCT),
}


async def fill(url: str) -> None:
    database = make_database(url)
    for merchant_id in CROWD.merchant_ids:
        await add_merchant(database, make_merchant(id=MerchantId(merchant_id)))
    async with database.autocommit() as stores:
        await fill_crowd(driver_of(stores), CROWD, contact_key=KEYS.key(KNOWN_EMAIL), now=NOON)
    await database.close()


@pytest.fixture(scope="module")
def filled_url(database_maker: DatabaseMaker) -> Iterator[str]:
    """A database of many invitations, analyzed."""
    with database_maker.database(fresh=True) as url, asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        runner.run(fill(url))
        yield url


@pytest.fixture
async def database(filled_url: str) -> AsyncIterator[Database]:
    database = make_database(filled_url, pool_size=1)
    yield database
    await database.close()


class Plan:
    """What PostgreSQL did for a statement."""

    def __init__(self, root: dict[str, Any]) -> None:
        self.nodes = list(_nodes(root))
        self.text = orjson.dumps(root, option=orjson.OPT_INDENT_2).decode()

    @property
    def whole_tables(self) -> list[str]:
        """Tenant tables that it would read from end to end."""
        return [
            node["Relation Name"]
            for node in self.nodes
            if node["Node Type"] == "Seq Scan" and node["Relation Name"] in TENANT_TABLES
        ]

    @property
    def rows_read(self) -> int:
        """Rows, or entries of an index, that it read, those refused by a filter included."""
        refused = ("Rows Removed by Filter", "Rows Removed by Index Recheck")
        return sum(
            int(node["Actual Loops"] * (node["Actual Rows"] + sum(node.get(name, 0) for name in refused)))
            for node in self.nodes
            if "Relation Name" in node
        )

    @property
    def heap_rows(self) -> int:
        """Rows that were read where the index alone should have done."""
        reading = [node for node in self.nodes if "Relation Name" in node]
        fetched = sum(int(node["Heap Fetches"]) for node in reading if node["Node Type"] == "Index Only Scan")
        return fetched + sum(int(node["Actual Rows"]) for node in reading if node["Node Type"] != "Index Only Scan")


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", ()):
        yield from _nodes(child)


class PlanningDriver:
    """Runs each statement by both kinds of plan, keeps what was done, and gives its rows."""

    def __init__(self, driver: Any) -> None:
        self._driver = driver
        self.plans: list[Plan] = []

    async def fetch(self, query: str, *args: object) -> Any:
        await self._driver.execute(f"PREPARE explained AS {query}")
        for mode in ("force_custom_plan", "force_generic_plan"):
            await self._driver.execute(f"SET plan_cache_mode = {mode}")
            explained = await self._driver.fetchval(
                f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) EXECUTE explained ({', '.join(map(_literal, args))})"
            )
            self.plans.append(Plan(explained[0]["Plan"]))
        await self._driver.execute("DEALLOCATE explained; RESET plan_cache_mode")
        return await self._driver.fetch(query, *args)


def _literal(value: object) -> str:
    match value:
        case None:
            return "NULL"
        case bytes():
            return f"'\\x{value.hex()}'"
        case datetime():
            return f"'{value.isoformat()}'"
        case list():
            return "ARRAY[" + ", ".join(map(_literal, value)) + "]"
        case int():
            return str(value)
        case str() | UUID():
            return f"'{value}'"
        case _:
            raise TypeError(type(value).__name__)


async def read_pages(
    database: Database,
    merchant_id: MerchantId,
    chosen: InvitationFilter,
    sortings: Iterable[InvitationSorting] = InvitationSorting,
) -> list[Plan]:
    """Read the first page, and one further on, in each sorting and both directions, and check that both are right."""
    async with database.autocommit() as stores:
        return await read_pages_by(driver_of(stores), merchant_id, chosen, sortings)


async def read_pages_by(
    driver: Any, merchant_id: MerchantId, chosen: InvitationFilter, sortings: Iterable[InvitationSorting]
) -> list[Plan]:
    planning: Any = PlanningDriver(driver)
    listing = ListingStore(planning, KEYS)
    for sorted_by in sortings:
        for ascending in (True, False):
            part = Slice(limit=PAGE, ascending=ascending)
            first = await listing.list_invitations(merchant_id, chosen, sorted_by=sorted_by, part=part)
            places = [(getattr(item, sorted_by), item.id) for item in first]
            assert places == sorted(places, reverse=not ascending)
            if not places:
                continue
            further = Slice(limit=PAGE, ascending=ascending, beyond=places[len(places) // 2])
            second = await listing.list_invitations(merchant_id, chosen, sorted_by=sorted_by, part=further)
            assert second[: PAGE // 2] == first[len(places) // 2 + 1 :]
    plans: list[Plan] = planning.plans
    return plans


@pytest.mark.parametrize("merchant_id", [LARGEST, SMALL], ids=["largest", "small"])
@pytest.mark.parametrize("chosen", FILTERS.values(), ids=FILTERS)
async def test_page_of_a_filter_is_found_by_an_index(
    database: Database, merchant_id: MerchantId, chosen: InvitationFilter
) -> None:
    for plan in await read_pages(database, merchant_id, chosen):
        assert plan.whole_tables == [], plan.text
        assert plan.rows_read <= READ_BESIDES + 6 * PAGE, plan.text


@pytest.mark.parametrize("merchant_id", [LARGEST, SMALL], ids=["largest", "small"])
@pytest.mark.parametrize("chosen", PRODUCTS.values(), ids=PRODUCTS)
async def test_page_of_a_product_is_found_by_an_index(
    database: Database, merchant_id: MerchantId, chosen: InvitationFilter
) -> None:
    for plan in await read_pages(database, merchant_id, chosen, [InvitationSorting.CREATED_AT]):
        assert plan.whole_tables == [], plan.text
        assert plan.rows_read <= 6 * PAGE, plan.text
    limit = READ_FOR_OLD_PRODUCT if chosen.product_id == OLD_PRODUCT else READ_FOR_PRODUCT
    for plan in await read_pages(database, merchant_id, chosen, [InvitationSorting.SEND_AT]):
        assert plan.whole_tables == [], plan.text
        assert plan.rows_read <= limit, plan.text


@pytest.mark.parametrize("chosen", PRODUCTS.values(), ids=PRODUCTS)
async def test_page_of_a_product_is_found_by_an_index_where_much_was_written_lately(
    database: Database, chosen: InvitationFilter
) -> None:
    with contextlib.suppress(RolledBackError):
        async with database.transaction() as stores:
            driver = driver_of(stores)
            # Pages that were written since the last VACUUM, of which an index alone tells nothing.
            await driver.execute("UPDATE pg_class SET relallvisible = 0 WHERE relname = 'invitation_products'")
            for plan in await read_pages_by(driver, LARGEST, chosen, [InvitationSorting.CREATED_AT]):
                assert plan.rows_read <= 6 * PAGE, plan.text
            raise RolledBackError


@pytest.mark.parametrize("chosen", [*FILTERS.values(), *PRODUCTS.values()], ids=[*FILTERS, *PRODUCTS])
async def test_counts_of_a_filter_are_read_from_an_index(database: Database, chosen: InvitationFilter) -> None:
    async with database.autocommit() as stores:
        driver: Any = PlanningDriver(driver_of(stores))
        counts = await ListingStore(driver, KEYS).count_by_status(LARGEST, chosen)
    is_by_candidate = chosen.product_id or chosen.order_id or chosen.contact
    for plan in driver.plans:
        assert plan.whole_tables == [], plan.text
        assert plan.rows_read <= sum(counts.values()) * (2 if is_by_candidate else 1) + READ_BESIDES, plan.text
        assert is_by_candidate or plan.heap_rows == 0, plan.text


async def test_what_is_due_is_counted_without_a_look_at_what_is_scheduled_for_later(database: Database) -> None:
    async with database.autocommit() as stores:
        driver: Any = PlanningDriver(driver_of(stores))
        await driver.fetch(COUNT_DUE, NOON - timedelta(days=1), 100_000)
    for plan in driver.plans:
        assert plan.whole_tables == [], plan.text
        assert plan.rows_read <= len(CROWD.merchant_ids), plan.text


@pytest.mark.parametrize("chosen", [OrderFilter(), OrderFilter(received=days(-100, -50))], ids=["nothing", "a span"])
async def test_page_of_orders_is_found_by_an_index(database: Database, chosen: OrderFilter) -> None:
    async with database.autocommit() as stores:
        driver: Any = PlanningDriver(driver_of(stores))
        for ascending in (True, False):
            part = Slice(limit=PAGE, ascending=ascending)
            assert len(await ListingStore(driver, KEYS).list_orders(LARGEST, chosen, part=part)) == PAGE
    for plan in driver.plans:
        assert plan.whole_tables == [], plan.text
        assert plan.rows_read <= 2 * PAGE, plan.text


COMBINED = {
    "status and product": InvitationFilter(statuses=(InvitationStatus.SENT,), product_id=TOP_PRODUCT),
    "status and other span": InvitationFilter(statuses=(InvitationStatus.SENT,), created=days(-100, -90)),
    "both spans": InvitationFilter(created=days(-100, -90), sends=(days(-85, -80), days(-84, None))),
    "product and span": InvitationFilter(product_id=OLD_PRODUCT, created=days(-480, -470)),
    "contact and status": InvitationFilter(contact=KNOWN_EMAIL, statuses=(InvitationStatus.SENT,)),
    "contact and product": InvitationFilter(contact=KNOWN_EMAIL, product_id=TOP_PRODUCT),
    "order and contact": InvitationFilter(order_id=sample_order(CROWD), contact=KNOWN_EMAIL),
    "all of the state": InvitationFilter(
        statuses=(InvitationStatus.SENT, InvitationStatus.FAILED), kind=Kind.PRODUCT, channel=Channel.SMS
    ),
}

BY_HAND = {
    "status and product": "status = 'sent' AND has_top",
    "status and other span": "status = 'sent' AND created_at >= $2 - interval '100 days'"
    " AND created_at < $2 - interval '90 days'",
    "both spans": "created_at >= $2 - interval '100 days' AND created_at < $2 - interval '90 days'"
    " AND send_at >= $2 - interval '84 days' AND send_at < $2 - interval '80 days'",
    "product and span": "has_old AND created_at >= $2 - interval '480 days' AND created_at < $2 - interval '470 days'",
    "contact and status": "is_known AND status = 'sent'",
    "contact and product": "is_known AND has_top",
    "order and contact": "FALSE",
    "all of the state": "status IN ('sent', 'failed') AND kind = 'product' AND channel = 'sms'",
}

ROWS = f"""
SELECT * FROM (
    SELECT i.*,
        EXISTS (SELECT FROM invitation_products p WHERE p.merchant_id = i.merchant_id AND p.invitation_id = i.id
            AND product_id = '{TOP_PRODUCT}') AS has_top,
        EXISTS (SELECT FROM invitation_products p WHERE p.merchant_id = i.merchant_id AND p.invitation_id = i.id
            AND product_id = '{OLD_PRODUCT}') AS has_old,
        contact_key = $3 AS is_known
    FROM invitations i WHERE i.merchant_id = $1
) AS i
WHERE $2::timestamptz IS NOT NULL AND $3::bytea IS NOT NULL AND
"""


@pytest.mark.parametrize("name", COMBINED)
async def test_combined_filters_find_what_their_conditions_say(database: Database, name: str) -> None:
    async with database.autocommit() as stores:
        driver, listing = driver_of(stores), stores.listing
        expected = [
            (row[0], row[1], row[2], row[3])
            for row in await driver.fetch(
                f"SELECT id, send_at, created_at, status FROM ({ROWS} {BY_HAND[name]}) AS i",
                LARGEST,
                NOON,
                KEYS.key(KNOWN_EMAIL),
            )
        ]
        for place, sorted_by in ((1, InvitationSorting.SEND_AT), (2, InvitationSorting.CREATED_AT)):
            for ascending in (True, False):
                found = await listing.list_invitations(
                    LARGEST, COMBINED[name], sorted_by=sorted_by, part=Slice(limit=PAGE, ascending=ascending)
                )
                ordered = sorted(expected, key=lambda row: (row[place], row[0]), reverse=not ascending)
                assert [item.id for item in found] == [row[0] for row in ordered[:PAGE]]
        counts = await listing.count_by_status(LARGEST, COMBINED[name])
    assert counts == {status: sum(row[3] == status for row in expected) for status in InvitationStatus}
