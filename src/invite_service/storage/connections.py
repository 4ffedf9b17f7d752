"""Connections that are kept in hand from one transaction to the next."""

import asyncio
from typing import Any, Final

from sqlalchemy import PoolProxiedConnection
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.util import greenlet_spawn

CHECKOUT_SECONDS: Final = 30.0
"""How long a transaction waits for a free connection."""


class Connections:
    """Takes connections from SQLAlchemy's pool as they are needed, and gives them back at the end only.

    To go through the pool each time takes two greenlets and its events: 75 µs, more than a short statement.
    """

    def __init__(self, engine: AsyncEngine, *, size: int) -> None:
        """Make it, with nothing in hand yet; `size` is that of the engine's pool."""
        self._engine = engine
        self._free = asyncio.Semaphore(size)
        self._idle: list[PoolProxiedConnection] = []

    async def take(self) -> PoolProxiedConnection:
        """Take a connection: that used last, as it has the plans, or a new one; the server has not closed it.

        Raises TimeoutError when none gets free, and what connecting raises.
        """
        if self._free.locked():
            async with asyncio.timeout(CHECKOUT_SECONDS):
                await self._free.acquire()
        else:
            await self._free.acquire()
        try:
            while self._idle:
                connection = self._idle.pop()
                if not driver_of(connection).is_closed():
                    return connection
                await greenlet_spawn(connection.close)
            return await self._engine.raw_connection()
        except BaseException:
            self._free.release()
            raise

    def put_back(self, connection: PoolProxiedConnection) -> None:
        """Keep a connection for the next one who takes one."""
        self._idle.append(connection)
        self._free.release()

    async def close(self) -> None:
        """Give back what is in hand."""
        while self._idle:
            await greenlet_spawn(self._idle.pop().close)


def driver_of(connection: PoolProxiedConnection) -> Any:
    """Give the asyncpg connection, which carries no types."""
    return connection.driver_connection
