"""The bell as the worker hears it, over a real Redis that comes and goes."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import pytest

from invite_service.bell import ArqBell
from invite_service.domain.merchant import MerchantId
from invite_service.embedded.redis import find_redis
from invite_service.worker.bell_listener import BellListener
from invite_service.worker.ending import end_tasks
from tests.support.workers import comes_true

A, B = MerchantId("a"), MerchantId("b")


@contextlib.asynccontextmanager
async def listening(redis_url: str) -> AsyncIterator[list[MerchantId]]:
    woken: list[MerchantId] = []
    task = asyncio.create_task(BellListener(redis_url, wake=woken.append, backoff=(0.05,)).run())
    try:
        yield woken
    finally:
        await end_tasks([task])


@contextlib.asynccontextmanager
async def ringing(redis_url: str) -> AsyncIterator[ArqBell]:
    bell = ArqBell.connect(redis_url, on_dropped=lambda: None)
    try:
        yield bell
    finally:
        await bell.close()


async def test_ring_wakes_its_merchant(redis_url: str) -> None:
    async with listening(redis_url) as woken, ringing(redis_url) as bell:
        bell.ring(A)
        bell.ring(B)
        await comes_true(lambda: sorted(woken) == [A, B])


async def test_ring_before_anybody_listens_is_heard(redis_url: str) -> None:
    async with ringing(redis_url) as bell:
        bell.ring(A)
    async with listening(redis_url) as woken:
        await comes_true(lambda: woken == [A])


async def test_merchant_can_be_rung_again_after_it_was_heard(redis_url: str) -> None:
    # Again and again: a ring is void while arq still puts the one before away, and the poll loop makes up for it.
    async with listening(redis_url) as woken:
        for _ in range(3):
            await _ring_until_heard(redis_url, woken)


class OwnRedis:
    """A Redis on a port of its own that can be stopped and started again."""

    def __init__(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        program = find_redis()
        if program is None:
            pytest.skip("needs a redis-server")
        options = ("--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no")
        self._process = await asyncio.create_subprocess_exec(
            program, *options, cwd="/", stdout=asyncio.subprocess.DEVNULL
        )

    async def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            await self._process.wait()
            self._process = None


@pytest.fixture
async def own_redis() -> AsyncIterator[OwnRedis]:
    redis = OwnRedis()
    yield redis
    await redis.stop()


async def test_redis_that_comes_and_goes_is_heard_whenever_it_is_there(own_redis: OwnRedis) -> None:
    async with listening(own_redis.url) as woken:
        await asyncio.sleep(0.2)
        for _ in range(3):
            await own_redis.start()
            await _ring_until_heard(own_redis.url, woken)
            await own_redis.stop()
            await asyncio.sleep(0.2)


async def _ring_until_heard(redis_url: str, woken: list[MerchantId]) -> None:
    """Ring again and again: a Redis that has just started, empty, may miss a ring."""
    before = len(woken)
    async with ringing(redis_url) as bell, asyncio.timeout(60):
        while len(woken) == before:
            bell.ring(A)
            await asyncio.sleep(0.1)
    assert set(woken) == {A}
