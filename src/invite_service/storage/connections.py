"""Connections that are kept in hand from one transaction to the next."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode

import asyncpg

CHECKOUT_SECONDS: Final = 30.0
"""How long a transaction waits for a free connection."""


CLOSE_SECONDS: Final = 2.0
"""How long a connection may take to say goodbye; past it it is dropped."""


def address_for_driver(url: str) -> str:
    """Write a database's URL as asyncpg takes it: of scheme `postgresql`, and `ssl` by its name in libpq, `sslmode`."""
    place, _, query = url.partition("://")[2].partition("?")
    options = [("sslmode" if name == "ssl" else name, value) for name, value in parse_qsl(query)]
    return f"postgresql://{place}?{urlencode(options)}"


@dataclass(slots=True, eq=False)
class Held:
    """A connection in hand."""

    driver: Any
    """The asyncpg connection, which carries no types."""
    by_key: bool | None = False
    """Whether its session plans as for statements that find their rows by keys; None: nobody knows."""


class Connections:
    """Makes connections as they are needed, keeps them, and closes them at the end only.

    That used last is the one used next. A pool that resets a connection each time it comes back costs a round trip, as
    much as a short statement.
    """

    def __init__(self, connect: Callable[[], Awaitable[Any]], *, size: int) -> None:
        """Make it, with nothing in hand yet; `connect` makes a connection, of which there will be at most `size`."""
        self._connect = connect
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
                self._count -= 1
            return await self._open()
        except BaseException:
            self._free.release()
            raise

    async def _open(self) -> Held:
        self._count += 1
        try:
            return Held(await self._connect())
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
        """Close what is in hand."""
        while self._idle:
            await self._end(self._idle.pop())

    async def _end(self, held: Held) -> None:
        self._count -= 1
        # The driver drops a connection that it cannot close in order.
        with contextlib.suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError):
            await held.driver.close(timeout=CLOSE_SECONDS)
