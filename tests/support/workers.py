"""Real worker processes, and merchants whose messages are due in real time."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import UTC, datetime, time, timedelta
from typing import TypeVar

from invite_service.domain.merchant import MerchantId
from invite_service.domain.policy import Policy, ProductSteps
from invite_service.storage.database import Database
from tests.support.builders import MERCHANT_ID, make_merchant, make_policy
from tests.support.sending import SECRET, SendingHouse

T = TypeVar("T")

WORK = (
    "from invite_service.config import load_settings; from invite_service.worker.main import run; run(load_settings())"
)

PATIENCE = 60.0
"""Seconds a test waits for something that happens within one on an idle machine."""


def ready_zone(now: datetime) -> str:
    """Name a zone whose wall clock is near noon, so that no test meets the end of a window."""
    hours = 12 - now.hour
    return f"Etc/GMT{-hours:+d}" if hours else "Etc/GMT"


def ready_policy() -> Policy:
    """Ask once, a day after the order, at any time of the day."""
    return make_policy(
        product_delay_days=1,
        product_steps=ProductSteps.FIRST_ONLY,
        send_window_start=time(0),
        send_window_end=time(23, 59),
    )


async def build_ready_house(database: Database, merchant_id: MerchantId = MERCHANT_ID) -> SendingHouse:
    """Add a merchant whose orders are ingested two days ago, so that their messages are due when they are stored."""
    now = datetime.now(UTC)
    merchant = make_merchant(id=merchant_id, time_zone=ready_zone(now), created_at=now - timedelta(days=400))
    house = await SendingHouse.build(database, policy=ready_policy(), merchant=merchant)
    house.clock.now = now - timedelta(days=2)
    return house


class WorkerProcess:
    """`invite-service worker` as a process of its own."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.log = ""
        self._reading = asyncio.create_task(self._read())

    @classmethod
    async def start(cls, database_url: str, **settings: str) -> "WorkerProcess":
        """Start a worker; `settings` are variables without their prefix, in lower case."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            WORK,
            env=_environment(database_url, settings),
            stderr=asyncio.subprocess.PIPE,
        )
        return cls(process)

    async def _read(self) -> None:
        assert self._process.stderr is not None
        async for line in self._process.stderr:
            self.log += line.decode()

    async def kill(self) -> None:
        """End it as a crash would."""
        self._process.kill()
        await self.wait()

    async def stop(self) -> int:
        """Ask it to end and give its exit code."""
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGTERM)
        return await self.wait()

    async def wait(self) -> int:
        """Wait until it has ended and give its exit code."""
        code = await self._process.wait()
        await self._reading
        return code


def _environment(database_url: str, settings: Mapping[str, str]) -> dict[str, str]:
    named = {f"INVITE_{name.upper()}": value for name, value in settings.items()}
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("INVITE_")}
    return {
        **inherited,
        "INVITE_DATABASE_URL": database_url,
        "INVITE_SECRET_KEY": SECRET,
        "INVITE_POLL_INTERVAL": "0.2",
        **named,
    }


def smtp_settings(port: int) -> dict[str, str]:
    """Name an SMTP server on loopback as a worker's provider."""
    return {"smtp_url": f"smtp://127.0.0.1:{port}?starttls=never", "sender_email": "invitations@reviews.example"}


@contextlib.asynccontextmanager
async def worker(database_url: str, **settings: str) -> AsyncIterator[WorkerProcess]:
    """Run a worker while the block lasts; it must end well."""
    process = await WorkerProcess.start(database_url, **settings)
    try:
        yield process
    finally:
        code = await process.stop()
    assert code == 0, process.log


async def comes_to_be(look: Callable[[], Awaitable[T | None]]) -> T:
    """Look until there is something, and give it."""
    async with asyncio.timeout(PATIENCE):
        while (found := await look()) is None:  # noqa: ASYNC110 - what is looked for comes from other processes
            await asyncio.sleep(0.02)
    return found


async def comes_true(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - what is waited for happens in other processes
            await asyncio.sleep(0.01)
