"""Running workers and a limit: together they keep it, and come back for what it keeps back."""

import asyncio

import pytest

from invite_service.rules.paces import Pace
from invite_service.storage.database import Database
from invite_service.worker.main import working
from tests.support.sending import SendingHouse
from tests.support.smtp_server import ScriptedSmtpServer
from tests.support.workers import build_ready_house, comes_true, smtp_settings
from tests.worker.test_channels import make_settings

PACE = Pace(12)
COUNT = 24


@pytest.fixture
async def house(database: Database) -> SendingHouse:
    return await build_ready_house(database)


async def test_two_workers_keep_the_installations_limit_together(house: SendingHouse, database_url: str) -> None:
    await house.invite_many(COUNT)
    async with ScriptedSmtpServer() as server:
        # Nothing but the limit brings them back in time.
        limits = {"email_max_per_second": PACE.per_second, "poll_interval": 30}
        settings = make_settings(database_url, **smtp_settings(server.port), **limits)
        began_at = asyncio.get_running_loop().time()
        async with working(settings), working(settings):
            await comes_true(lambda: len(server.messages) == COUNT)
            seconds = asyncio.get_running_loop().time() - began_at
    assert (COUNT - PACE.burst) / PACE.per_second <= seconds < 30
