import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from arq.connections import ArqRedis
from redis.asyncio import ConnectionPool

from invite_service.bell import (
    EXPIRES_AFTER,
    SEND_DUE_JOB,
    ArqBell,
    Bell,
    RecordingBell,
    SilentBell,
    deserialize_job,
    serialize_job,
)
from invite_service.domain.merchant import MerchantId
from tests.support.certificates import make_certificate

SHOP, OTHER = MerchantId("gift-shop"), MerchantId("other")


def connect(url: str) -> ArqRedis:
    return ArqRedis(ConnectionPool.from_url(url), job_serializer=serialize_job, job_deserializer=deserialize_job)


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    for _ in range(1000):
        if await condition():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it never came true")


async def test_many_rings_of_a_merchant_are_one_job_that_carries_only_its_id(redis_url: str) -> None:
    dropped: list[None] = []
    bell = ArqBell.connect(redis_url, on_dropped=lambda: dropped.append(None))
    for merchant_id in (SHOP, OTHER, SHOP, SHOP):
        bell.ring(merchant_id)
    await bell.close()
    redis = connect(redis_url)
    jobs = await redis.queued_jobs()
    lifetime = await redis.pttl(f"arq:job:{SEND_DUE_JOB}:{SHOP}")
    await redis.aclose(close_connection_pool=True)
    assert sorted((job.function, list(job.args), job.kwargs) for job in jobs) == [
        ("send_due", [SHOP], {}),
        ("send_due", [OTHER], {}),
    ]
    assert 0 < lifetime <= EXPIRES_AFTER.total_seconds() * 1000
    assert dropped == []


async def test_ring_after_the_job_was_taken_makes_another(redis_url: str) -> None:
    bell = ArqBell.connect(redis_url, on_dropped=lambda: None)
    redis = connect(redis_url)

    async def is_queued() -> bool:
        return len(await redis.queued_jobs()) == 1

    for _ in range(2):
        bell.ring(SHOP)
        await until(is_queued)
        await redis.flushdb()
    await bell.close()
    await redis.aclose(close_connection_pool=True)


@pytest.mark.parametrize(
    ("certified_host", "option", "is_heard"),
    [
        ("127.0.0.1", "", True),
        ("redis.example.com", "", False),
        ("redis.example.com", "&ssl_check_hostname=false", True),
        ("redis.example.com", "&ssl_cert_reqs=none", True),
    ],
)
async def test_certificate_of_another_host_is_not_talked_to_unless_the_url_says_so(
    tmp_path: Path, certified_host: str, option: str, *, is_heard: bool
) -> None:
    authority, context = make_certificate(tmp_path, host=certified_host)
    server = await asyncio.start_server(_answer_every_command, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    url = f"rediss://127.0.0.1:{port}/0?ssl_ca_certs={authority}{option}"
    bell = ArqBell.connect(url, on_dropped=lambda: None)
    assert await bell.is_heard() is is_heard
    await bell.close()
    server.close()


async def _answer_every_command(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        async for line in reader:
            if line.startswith(b"*"):
                writer.write(b"+PONG\r\n")
    writer.close()


async def test_without_redis_ringing_neither_waits_nor_fails_and_is_counted(unused_tcp_port: int) -> None:
    dropped: list[None] = []
    bell = ArqBell.connect(f"redis://127.0.0.1:{unused_tcp_port}/0", on_dropped=lambda: dropped.append(None))
    bell.ring(SHOP)
    bell.ring(OTHER)

    async def are_dropped() -> bool:
        return len(dropped) == 2

    await until(are_dropped)
    bell.ring(SHOP)
    await bell.close()
    assert len(dropped) == 3


async def test_redis_that_does_not_answer_is_given_up(unused_tcp_port: int) -> None:
    is_released = asyncio.Event()

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await is_released.wait()
        writer.close()

    dropped: list[None] = []
    async with await asyncio.start_server(hold, "127.0.0.1", unused_tcp_port):
        bell = ArqBell.connect(f"redis://127.0.0.1:{unused_tcp_port}/0", on_dropped=lambda: dropped.append(None))
        bell.ring(SHOP)
        async with asyncio.timeout(10):
            await bell.close()
        is_released.set()
    assert len(dropped) <= 1


async def test_silent_and_recording_bells_do_what_they_say() -> None:
    silent, recording = SilentBell(), RecordingBell()
    bells: list[Bell] = [silent, recording]
    for bell in bells:
        bell.ring(SHOP)
    await silent.close()
    await recording.close()
    assert recording.rung == [SHOP]
