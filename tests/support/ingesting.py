"""A merchant whose orders are ingested for real, over a clock that stands still until a test moves it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any

from invite_service.bell import RecordingBell
from invite_service.domain.merchant import Merchant
from invite_service.domain.order import OrderEvent
from invite_service.domain.policy import Policy
from invite_service.services.ingest import IngestedOrder, IngestItem, OrderIngestService
from invite_service.services.policy_versions import PolicyVersions
from invite_service.storage.contacts import ContactKeys
from invite_service.storage.database import Database
from invite_service.storage.stores import Stores
from tests.support.builders import NOON, make_merchant, make_policy, new_id

KEYS = ContactKeys("a secret of tests, long enough to be one")


def make_database(url: str, *, pool_size: int = 5, statement_cache: bool = True) -> Database:
    return Database(url, contact_keys=KEYS, new_id=new_id, pool_size=pool_size, statement_cache=statement_cache)


async def add_merchant(database: Database, merchant: Merchant, *policies: Policy) -> None:
    """Add a merchant with these policy versions, the last of which is the current one."""
    saved = policies or (make_policy(),)
    async with database.transaction() as stores:
        await stores.merchants.add(replace(merchant, policy_version=saved[-1].version))
        for policy in saved:
            await stores.policies.add(merchant.id, policy, created_at=merchant.created_at, created_by="operator")


class IngestHouse:
    """One merchant, its ingest service and everything a test wants to look at afterwards."""

    def __init__(self, database: Database, merchant: Merchant) -> None:
        self.database = database
        self.merchant = merchant
        self.now = NOON
        self.bell = RecordingBell()
        self.service = OrderIngestService(
            database,
            clock=lambda: self.now,
            new_id=new_id,
            bell=self.bell,
            policy_versions=PolicyVersions(),
        )

    @classmethod
    async def build(
        cls, database: Database, *, merchant: Merchant | None = None, policies: Sequence[Policy] = ()
    ) -> "IngestHouse":
        """Add the merchant with its policies."""
        house = cls(database, merchant or make_merchant())
        await add_merchant(database, house.merchant, *policies)
        return house

    @classmethod
    @asynccontextmanager
    async def open(
        cls, url: str, *, merchant: Merchant | None = None, policies: Sequence[Policy] = (), pool_size: int = 5
    ) -> AsyncIterator["IngestHouse"]:
        """Build it over a database of its own, which is closed at the end."""
        database = make_database(url, pool_size=pool_size)
        try:
            yield await cls.build(database, merchant=merchant, policies=policies)
        finally:
            await database.close()

    async def post(self, *events: OrderEvent, at: datetime | None = None) -> list[IngestedOrder]:
        """Ingest events in one call and expect all of them to be accepted; the clock stays at `at`."""
        self.now = at or self.now
        results = await self.service.ingest(self.merchant.id, [make_item(event) for event in events])
        accepted = [result for result in results if isinstance(result, IngestedOrder)]
        assert len(accepted) == len(events), results
        return accepted

    async def rows(self, query: str, *args: object) -> list[tuple[Any, ...]]:
        """Look into the database; $1 is the merchant."""
        async with self.database.transaction() as stores:
            return [tuple(row) for row in await driver_of(stores).fetch(query, self.merchant.id, *args)]

    async def until_a_lock_is_awaited(self) -> None:
        """Wait until some transaction of this database waits for another."""
        waiting = (
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        for _ in range(2000):
            if await self.rows(f"{waiting} AND $1::text <> ''") != [(0,)]:
                return
            await asyncio.sleep(0.005)
        raise AssertionError("nobody waits for a lock")


def make_item(event: OrderEvent) -> IngestItem:
    return IngestItem(event, {"order_id": event.order_id})


def driver_of(stores: Stores) -> Any:
    return stores._driver
