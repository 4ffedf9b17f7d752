"""The loop that does batch updates, a chunk at a time and merchant by merchant."""

import asyncio
from collections.abc import Callable
from typing import Final
from uuid import UUID

import structlog

from invite_service.domain.merchant import MerchantId
from invite_service.services.batch_work import BatchWorkService

log = structlog.get_logger()

LANES: Final = 2
"""Chunks of one batch update that are changed at once: one is decided on while the database writes the other."""

MAX_PAUSE: Final = 60.0
"""Seconds after which a merchant whose batch update keeps failing is tried again."""


class BatchUpdateLoop:
    """Looks for batch updates with something left to do; a merchant's own go one after the other, the oldest first."""

    def __init__(self, batches: BatchWorkService, *, interval: float, on_failure: Callable[[], None]) -> None:
        """Make a loop that looks every `interval` seconds while there is nothing to do."""
        self._batches = batches
        self._interval = interval
        self._on_failure = on_failure
        self._pauses: dict[MerchantId, float] = {}
        self._paused_until: dict[MerchantId, float] = {}

    async def run(self) -> None:
        """Turn until cancelled; a chunk that was begun then is taken back and done by whoever comes next."""
        while True:
            if not await self._turn():
                await asyncio.sleep(self._interval)

    async def _turn(self) -> bool:
        """Do a few chunks of every merchant; False when nobody has anything to do."""
        try:
            merchant_ids = await self._batches.find_merchants()
        except Exception as error:
            self._on_failure()
            log.warning("Failed to look for batch updates", error=type(error).__name__)
            return False
        now = asyncio.get_running_loop().time()
        waiting = [merchant_id for merchant_id in merchant_ids if self._paused_until.get(merchant_id, 0.0) <= now]
        worked = [await self._work_for(merchant_id) for merchant_id in waiting]
        return any(worked)

    async def _work_for(self, merchant_id: MerchantId) -> bool:
        try:
            unfinished = await self._batches.list_unfinished(merchant_id)
            worked = bool(unfinished) and await self._work(merchant_id, unfinished[0])
        except Exception:
            self._on_failure()
            pause = min(2 * self._pauses.get(merchant_id, self._interval / 2), MAX_PAUSE)
            self._pauses[merchant_id] = pause
            self._paused_until[merchant_id] = asyncio.get_running_loop().time() + pause
            log.exception("Failed to do a batch update", merchant_id=merchant_id, seconds_until_retry=pause)
            return False
        self._pauses.pop(merchant_id, None)
        return worked

    async def _work(self, merchant_id: MerchantId, batch_id: UUID) -> bool:
        async with asyncio.TaskGroup() as lanes:
            chunks = [lanes.create_task(self._batches.work(merchant_id, batch_id)) for _ in range(LANES)]
        return any(chunk.result() for chunk in chunks)
