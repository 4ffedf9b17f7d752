"""The bell: wakes workers early, carries merchant ids only, and may be lost at any time (DESIGN.md section 2)."""

import asyncio
import contextlib
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final, Protocol
from urllib.parse import parse_qsl, urlsplit

import orjson
from arq.connections import ArqRedis
from redis.asyncio import ConnectionPool
from redis.exceptions import RedisError

from invite_service.domain.merchant import MerchantId

SEND_DUE_JOB: Final = "send_due"
"""The job a bell asks for; its only argument is the merchant's id."""

RING_SECONDS: Final = 1.0
"""Longest wait for Redis to take one bell; nobody waits for it."""

EXPIRES_AFTER: Final = timedelta(minutes=1)
"""A bell nobody heard by then is void: every poll loop has looked many times."""


def serialize_job(job: dict[str, Any]) -> bytes:
    """Write an arq job as JSON: pickle would let whoever writes to Redis run code."""
    return orjson.dumps(job)


def deserialize_job(body: bytes) -> dict[str, Any]:
    """Read an arq job from JSON."""
    job: dict[str, Any] = orjson.loads(body)
    return job


def open_pool(redis_url: str, *, seconds: float) -> ConnectionPool:
    """Make a pool for a Redis that need not be there yet; `seconds` limit connecting and each answer.

    Over TLS a certificate has to be of the host that the URL names, which the library would not look at by itself. A
    URL that asks for no certificate (`ssl_cert_reqs=none`) gets what it asks for.
    """
    parts = urlsplit(redis_url)
    is_checked = parts.scheme == "rediss" and dict(parse_qsl(parts.query)).get("ssl_cert_reqs") != "none"
    tls = {"ssl_check_hostname": True} if is_checked else {}
    return ConnectionPool.from_url(redis_url, socket_connect_timeout=seconds, socket_timeout=seconds, **tls)


class Bell(Protocol):
    """What a service rings after its commit, when something is due at once."""

    def ring(self, merchant_id: MerchantId) -> None:
        """Wake a worker for this merchant; returns at once and never fails."""

    async def is_heard(self) -> bool | None:
        """Say whether Redis answers; None for an installation without one."""


class ArqBell:
    """Rings by way of arq: one job per merchant at a time, so that a hundred rings are one.

    Rings are collected and handed to Redis by a task of their own. What Redis does not take is dropped and told to
    `on_dropped`, once per merchant: the poll loop finds the row.
    """

    def __init__(self, redis: ArqRedis, *, on_dropped: Callable[[], None]) -> None:
        self._redis = redis
        self._on_dropped = on_dropped
        self._waiting: dict[MerchantId, None] = {}
        self._ringing: asyncio.Task[None] | None = None

    @classmethod
    def connect(cls, redis_url: str, *, on_dropped: Callable[[], None]) -> "ArqBell":
        """Make a bell for a Redis that need not be there yet."""
        pool = open_pool(redis_url, seconds=RING_SECONDS)
        redis = ArqRedis(pool, job_serializer=serialize_job, job_deserializer=deserialize_job)
        return cls(redis, on_dropped=on_dropped)

    def ring(self, merchant_id: MerchantId) -> None:
        """Wake a worker for this merchant; returns at once and never fails."""
        self._waiting[merchant_id] = None
        if self._ringing is None:
            self._ringing = asyncio.get_running_loop().create_task(self._hand_over())

    async def is_heard(self) -> bool | None:
        """Say whether Redis answers, within RING_SECONDS."""
        try:
            async with asyncio.timeout(RING_SECONDS):
                await self._redis.ping()
        except (RedisError, OSError, TimeoutError):
            return False
        return True

    async def close(self) -> None:
        """Hand over what waits, for as long as one bell may take, and close the connections."""
        if self._ringing is not None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._ringing, RING_SECONDS)
        await self._redis.aclose(close_connection_pool=True)

    async def _hand_over(self) -> None:
        try:
            while self._waiting:
                merchant_id = next(iter(self._waiting))
                del self._waiting[merchant_id]
                await self._enqueue(merchant_id)
        finally:
            self._ringing = None

    async def _enqueue(self, merchant_id: MerchantId) -> None:
        try:
            async with asyncio.timeout(RING_SECONDS):
                await self._redis.enqueue_job(
                    SEND_DUE_JOB, merchant_id, _job_id=f"{SEND_DUE_JOB}:{merchant_id}", _expires=EXPIRES_AFTER
                )
        except (RedisError, OSError, TimeoutError):
            self._on_dropped()


class SilentBell:
    """The bell of an installation without Redis: workers find everything by polling."""

    def ring(self, merchant_id: MerchantId) -> None:
        """Do nothing."""

    async def is_heard(self) -> bool | None:
        """Say that there is no Redis."""
        return None

    async def close(self) -> None:
        """Do nothing."""


class RecordingBell:
    """A bell that remembers who it was rung for, in order."""

    def __init__(self) -> None:
        self.rung: list[MerchantId] = []

    def ring(self, merchant_id: MerchantId) -> None:
        """Remember the merchant."""
        self.rung.append(merchant_id)

    async def is_heard(self) -> bool | None:
        """Say that somebody listens."""
        return True

    async def close(self) -> None:
        """Do nothing."""
