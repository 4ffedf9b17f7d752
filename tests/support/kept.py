"""A database whose connections outlive a test: the next one need not connect, look into the catalog and plan again."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Final

import asyncpg

from invite_service.storage.contacts import ContactKeys
from invite_service.storage.database import PLAN_BY_KEY, Database
from tests.support.builders import new_id
from tests.support.databases import KEPT

SECRET: Final = "a secret of tests, long enough to be one"

POOL_SIZE: Final = 8
"""As many as any test wants that does not look at the pool itself."""

FORGET: Final = "SELECT pg_advisory_unlock_all(); CLOSE ALL; UNLISTEN *; DISCARD TEMP; RESET ALL"
"""Takes from a session what a test may have put into it, and leaves what it has learnt: catalog, statements, plans."""


class KeptDatabase(Database):
    """A Database that can be given to one test after the other."""

    def __init__(self, url: str) -> None:
        super().__init__(url, contact_keys=ContactKeys(SECRET), new_id=new_id, pool_size=POOL_SIZE, name=KEPT)
        self.url = url

    async def forget(self) -> bool:
        """Make its sessions as new, planning by key or not; False where one is in use, in a transaction or gone."""
        idle = self._connections._idle
        if self.connections_in_use or any(held.driver.is_closed() or held.driver.is_in_transaction() for held in idle):
            return False
        try:
            for held in idle:
                await held.driver.execute(f"{FORGET}; {PLAN_BY_KEY}" if held.by_key else FORGET)
                held.by_key = bool(held.by_key)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
            return False
        return True


class DatabaseKeeper:
    """Lends a Database to one test after the other for as long as they are given the same address."""

    def __init__(self) -> None:
        self._kept: KeptDatabase | None = None

    @contextlib.asynccontextmanager
    async def lend(self, url: str) -> AsyncIterator[Database]:
        """Give out the Database of this address, with connections that another test may have used."""
        if self._kept is None or self._kept.url != url:
            await self.close()
            self._kept = KeptDatabase(url)
        async with ending_tasks():
            yield self._kept
        if not await self._kept.forget():
            await self.close()

    async def close(self) -> None:
        """Close the connections."""
        if self._kept is not None:
            await self._kept.close()
            self._kept = None


@contextlib.asynccontextmanager
async def ending_tasks() -> AsyncIterator[None]:
    """End with the block what tasks it leaves running, as the end of a loop would."""
    before = asyncio.all_tasks()
    yield
    left = asyncio.all_tasks() - before - {asyncio.current_task()}
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
