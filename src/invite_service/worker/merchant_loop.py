"""A loop that looks for merchants with something to do, and does it, for some of them at the same time."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import structlog

from invite_service.domain.merchant import MerchantId

log = structlog.get_logger()

MAX_PAUSE: Final = 60.0
"""Seconds after which a merchant whose turn keeps failing has another."""


ROUND_SECONDS: Final = 60.0
"""After which nobody's turn begins before the loop has looked again: who waits longest comes first then."""


class MerchantLoop:
    """Does what is due of one kind; a merchant whose turn fails keeps nobody else's back, and waits for longer."""

    def __init__(
        self,
        kind: str,
        *,
        find_due: Callable[[], Awaitable[Sequence[MerchantId]]],
        work: Callable[[MerchantId], Awaitable[int]],
        interval: float,
        on_failure: Callable[[], None],
        at_once: int = 1,
        round_seconds: float = ROUND_SECONDS,
    ) -> None:
        """Make a loop that looks every `interval` seconds, and lets `at_once` merchants have their turns together.

        `kind` is what is done, for the log; `work` tells how many of them it did; `on_failure` is told of what failed.
        """
        self._at_once = at_once
        self._round_seconds = round_seconds
        self._served_at: dict[MerchantId, float] = {}
        self._kind = kind
        self._find_due = find_due
        self._work = work
        self._interval = interval
        self._on_failure = on_failure
        self._pauses: dict[MerchantId, float] = {}
        self._paused_until: dict[MerchantId, float] = {}

    async def run(self) -> None:
        """Turn until cancelled; what fails is logged and tried again."""
        while True:
            await self._turn()
            await asyncio.sleep(self._interval)

    async def _turn(self) -> None:
        try:
            merchant_ids = await self._find_due()
        except Exception as error:
            self._on_failure()
            log.warning("Failed to look for something to do", kind=self._kind, error=type(error).__name__)
            return
        loop = asyncio.get_running_loop()
        began_at = loop.time()
        self._served_at = {one: self._served_at.get(one, 0.0) for one in merchant_ids}
        ready = [one for one in merchant_ids if self._paused_until.get(one, 0.0) <= began_at]
        waiting = deque(sorted(ready, key=self._served_at.__getitem__))

        async def work_on() -> None:
            while waiting and loop.time() - began_at < self._round_seconds:
                merchant_id = waiting.popleft()
                self._served_at[merchant_id] = loop.time()
                await self._work_for(merchant_id)

        async with asyncio.TaskGroup() as group:
            for _ in range(min(self._at_once, len(waiting))):
                group.create_task(work_on())

    async def _work_for(self, merchant_id: MerchantId) -> None:
        try:
            count = await self._work(merchant_id)
        except Exception:
            self._on_failure()
            pause = min(2 * self._pauses.get(merchant_id, self._interval / 2), MAX_PAUSE)
            self._pauses[merchant_id] = pause
            self._paused_until[merchant_id] = asyncio.get_running_loop().time() + pause
            log.exception(
                "Failed a merchant's turn", kind=self._kind, merchant_id=merchant_id, seconds_until_retry=pause
            )
        else:
            self._pauses.pop(merchant_id, None)
            log.info("Took a merchant's turn", kind=self._kind, merchant_id=merchant_id, count=count)
