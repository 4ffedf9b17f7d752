"""Ending loops that run until they are cancelled."""

import asyncio
from collections.abc import Collection
from typing import Any, Final

import structlog

log = structlog.get_logger()

CANCEL_AGAIN_SECONDS: Final = 1.0
"""After which a task that has not ended is cancelled once more: a library on its stack may have swallowed the first."""

MAX_CANCELS: Final = 10
"""After which a task is left to the end of the process."""


async def end_tasks(tasks: Collection["asyncio.Task[Any]"], *, again_after: float = CANCEL_AGAIN_SECONDS) -> None:
    """Cancel tasks until they have ended; what they raise is theirs."""
    pending = {task for task in tasks if not task.done()}
    for _ in range(MAX_CANCELS):
        if not pending:
            return
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=again_after)
    if pending:
        log.warning("Left loops that do not end", tasks=sorted(task.get_name() for task in pending))
