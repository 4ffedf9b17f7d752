"""Beginning a change again where another transaction came in between."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from invite_service.storage.errors import TransactionConflictError

MAX_CONFLICTS: Final = 5
"""How often a change is begun because somebody else changed the same customers' histories."""

T = TypeVar("T")


async def try_again(change: Callable[[], Awaitable[T]]) -> T:
    """Make a change, from the beginning where another transaction came in between.

    Raises:
        TransactionConflictError: others came in between again and again; nothing was written.
    """
    for _ in range(MAX_CONFLICTS - 1):
        try:
            return await change()
        except TransactionConflictError:
            await asyncio.sleep(0)
    return await change()
