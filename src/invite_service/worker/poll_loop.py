"""The loop that looks into PostgreSQL every second, whatever Redis says (DESIGN.md section 6)."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import structlog

from invite_service.services.leases import LeaseService
from invite_service.services.sending import SendingService
from invite_service.worker.dispatcher import Dispatcher
from invite_service.worker.endpoint import Heartbeat

log = structlog.get_logger()

SWEEP_SECONDS: Final = 5.0
"""Between two looks for expired leases, and at how much is due."""

LOOK_SECONDS: Final = 5.0
"""How long one look may take: a database that hangs is not the loop's death."""


class PollLoop:
    """Lines up merchants with due invitations, and settles what dead workers left behind."""

    def __init__(
        self,
        *,
        sending: SendingService,
        leases: LeaseService,
        dispatcher: Dispatcher,
        heartbeat: Heartbeat,
        interval: float,
        on_failure: Callable[[], None],
        on_backlog: Callable[[int], None],
        on_circuits: Callable[[Mapping[str, int]], None],
    ) -> None:
        """Make a loop that turns every `interval` seconds.

        `on_failure` is told of looks that failed, `on_backlog` now and then how many messages are due, and
        `on_circuits` how many circuits are open, by provider.
        """
        self._sending = sending
        self._leases = leases
        self._dispatcher = dispatcher
        self._heartbeat = heartbeat
        self._interval = interval
        self._on_failure = on_failure
        self._on_backlog = on_backlog
        self._on_circuits = on_circuits

    async def run(self) -> None:
        """Turn until cancelled; what fails is logged and tried again at the next turn.

        Settling goes beside looking: however long it takes after a crash, nobody's message waits for it.
        """
        async with asyncio.TaskGroup() as loops:
            loops.create_task(self._turn(self._look, every=self._interval, beats=True))
            loops.create_task(self._turn(self._sweep, every=SWEEP_SECONDS))

    async def _turn(self, step: Callable[[], Awaitable[None]], *, every: float, beats: bool = False) -> None:
        loop = asyncio.get_running_loop()
        while True:
            next_turn = loop.time() + every
            if beats:
                self._heartbeat.beat()
            await step()
            await asyncio.sleep(max(0.0, next_turn - loop.time()))

    async def _look(self) -> None:
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                for merchant_id in await self._sending.find_due(except_for=self._dispatcher.busy):
                    self._dispatcher.wake(merchant_id)
        except Exception as error:
            self._on_failure()
            log.warning("Failed to look for due messages", error=type(error).__name__)

    async def _sweep(self) -> None:
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                await self._leases.sweep()
                self._on_backlog(await self._sending.count_due())
                self._on_circuits(await self._sending.count_open_circuits())
        except Exception as error:
            self._on_failure()
            log.warning("Failed to settle expired leases", error=type(error).__name__)
