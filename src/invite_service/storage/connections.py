"""Connections that are kept in hand from one transaction to the next."""

import asyncio
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import PoolProxiedConnection
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.util import greenlet_spawn

CHECKOUT_SECONDS: Final = 30.0
"""How long a transaction waits for a free connection."""


@dataclass(slots=True, eq=False)
class Held:
    """A connection in hand."""

    connection: PoolProxiedConnection
    by_key: bool | None = False
    """Whether its session plans as for statements that find their rows by keys; None: nobody knows."""

    @property
    def driver(self) -> Any:
        """The asyncpg connection, which carries no types."""
        return self.connection.driver_connection


class Connections:
    """Takes connections from SQLAlchemy's pool as they are needed, and gives them back at the end only.

    To go through the pool each time takes two greenlets and its events: 75 µs, more than a short statement.
    """

    def __init__(self, engine: AsyncEngine, *, size: int) -> None:
        """Make it, with nothing in hand yet; `size` is that of the engine's pool."""
        self._engine = engine
        self._size = size
        self._free = asyncio.Semaphore(size)
        self._idle: list[Held] = []
        self._count = 0
        """Connections idle, taken or being made."""

    @property
    def in_use(self) -> int:
        """How many are taken, or being made."""
        return self._count - len(self._idle)

    async def take(self, *, by_key: bool) -> Held:
        """Take a connection, if there is room one whose session plans as wanted; the server has not closed it.

        That used last comes first, as it has the plans. Raises TimeoutError when none gets free, and what connecting
        raises.
        """
        if self._free.locked():
            async with asyncio.timeout(CHECKOUT_SECONDS):
                await self._free.acquire()
        else:
            await self._free.acquire()
        try:
            while held := self._choose(by_key=by_key):
                self._idle.remove(held)
                if not held.driver.is_closed():
                    return held
                await self._give_back(held)
            return await self._connect()
        except BaseException:
            self._free.release()
            raise

    async def _connect(self) -> Held:
        self._count += 1
        try:
            return Held(await self._engine.raw_connection())
        except BaseException:
            self._count -= 1
            raise

    def _choose(self, *, by_key: bool) -> Held | None:
        for held in reversed(self._idle):
            if held.by_key is by_key:
                return held
        return self._idle[-1] if self._idle and self._count == self._size else None

    def put_back(self, held: Held) -> None:
        """Keep a connection for the next one who takes one."""
        self._idle.append(held)
        self._free.release()

    async def close(self) -> None:
        """Give back what is in hand."""
        while self._idle:
            await self._give_back(self._idle.pop())

    async def _give_back(self, held: Held) -> None:
        self._count -= 1
        await greenlet_spawn(held.connection.close)
