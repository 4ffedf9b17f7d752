"""Hears the bell by way of arq, and starts over for as long as Redis is away.

Nothing depends on it: what it would have woken is found by the poll loop a second later (DESIGN.md section 2).
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC
from typing import TYPE_CHECKING, Final, cast

import structlog
from arq import func
from arq.connections import ArqRedis
from arq.worker import Worker

from invite_service.bell import SEND_DUE_JOB, deserialize_job, open_pool, serialize_job
from invite_service.domain.merchant import MerchantId
from invite_service.worker.jobs.send_due import WAKE, send_due

if TYPE_CHECKING:
    from arq.typing import WorkerCoroutine

log = structlog.get_logger()

POLL_DELAY: Final = 0.5
"""Seconds between two looks of arq into its queue."""

QUEUE_READ_LIMIT: Final = 10_000
"""Jobs arq reads at once. Running jobs stay in the set it reads from, so that a low limit would starve its slots."""

JOB_SECONDS: Final = 5
"""A job only sets a flag. A killed process keeps its merchant's bell for this and ten seconds more."""

CONNECTION_SECONDS: Final = 5.0
"""For connecting to Redis and for each of its answers."""

NEVER: Final = 10 * 365 * 24 * 3600
"""Seconds between arq's health records: all workers share one key, and any that closes deletes it."""

BACKOFF_SECONDS: Final = (0.5, 1.0, 2.0, 5.0)
"""Pauses before starting over; the last one repeats."""


class BellListener:
    """Runs an arq worker whose only job is to wake the dispatcher."""

    def __init__(
        self,
        redis_url: str,
        *,
        wake: Callable[[MerchantId], None],
        backoff: Sequence[float] = BACKOFF_SECONDS,
    ) -> None:
        self._redis_url = redis_url
        self._wake = wake
        self._backoff = backoff

    async def run(self) -> None:
        """Listen until cancelled, starting over whenever Redis goes away."""
        loop = asyncio.get_running_loop()
        failures = 0
        while True:
            started_at = loop.time()
            try:
                await self._listen()
            except Exception as error:
                if loop.time() - started_at > self._backoff[-1]:
                    failures = 0
                pause = self._backoff[min(failures, len(self._backoff) - 1)]
                failures += 1
                log.warning("Lost the bell", error=type(error).__name__, seconds_until_retry=pause)
                await asyncio.sleep(pause)

    async def _listen(self) -> None:
        pool = open_pool(self._redis_url, seconds=CONNECTION_SECONDS)
        redis = ArqRedis(pool, job_serializer=serialize_job, job_deserializer=deserialize_job)
        worker = Worker(
            functions=[
                func(
                    cast("WorkerCoroutine", send_due),
                    name=SEND_DUE_JOB,
                    keep_result=0,
                    max_tries=1,
                    timeout=JOB_SECONDS,
                )
            ],
            redis_pool=redis,
            ctx={WAKE: self._wake},
            handle_signals=False,
            poll_delay=POLL_DELAY,
            queue_read_limit=QUEUE_READ_LIMIT,
            job_timeout=JOB_SECONDS,
            job_completion_wait=JOB_SECONDS,
            keep_result=0,
            max_tries=1,
            retry_jobs=False,
            health_check_interval=NEVER,
            job_serializer=serialize_job,
            job_deserializer=deserialize_job,
            log_results=False,
            timezone=UTC,
        )
        try:
            await worker.async_run()
        finally:
            if worker.tasks:
                await asyncio.wait(worker.tasks.values(), timeout=JOB_SECONDS)
            await redis.aclose(close_connection_pool=True)
