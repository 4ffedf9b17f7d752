"""A database whose transactions are parts of one that is already open."""

import contextlib
from collections.abc import AsyncIterator

from invite_service.storage.database import Database
from invite_service.storage.stores import Stores


class JoinedDatabase(Database):
    """Lets services that open transactions of their own take part in an open one; what they write commits with it.

    Each is a savepoint, so that one that fails takes back what it wrote, and the locks it got, and nothing else. Of a
    database it has the transactions only.
    """

    def __init__(self, stores: Stores) -> None:
        """Join the transaction that handed out these stores."""
        self._joined = stores

    @contextlib.asynccontextmanager
    async def transaction(self, *, by_key: bool = False) -> AsyncIterator[Stores]:
        """Open a part of the transaction."""
        async with self._joined.savepoint():
            yield self._joined

    @contextlib.asynccontextmanager
    async def autocommit(self, *, by_key: bool = False) -> AsyncIterator[Stores]:
        """Hand out the transaction's stores; nothing commits before the transaction does."""
        async with self._joined.savepoint():
            yield self._joined
