"""A worker inside the test's own process: what wakes it, and what it tells of itself."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from invite_service.bell import ArqBell
from invite_service.config import Settings
from invite_service.domain.errors import SchemaOutdatedError
from invite_service.domain.invitation import InvitationStatus
from invite_service.storage.database import Database
from invite_service.worker.main import working
from tests.support.sending import SECRET, SendingHouse
from tests.support.smtp_server import ScriptedSmtpServer
from tests.support.workers import build_ready_house, comes_true, smtp_settings
from tests.worker.test_endpoint import ask

SELDOM = 60.0
"""A poll interval that no test waits for."""


def make_settings(database_url: str, provider: Mapping[str, str], **settings: Any) -> Settings:
    return Settings(
        **{"database_url": database_url, "secret_key": SECRET, "poll_interval": 0.1, **provider, **settings}
    )


@pytest.fixture
async def ready(database: Database) -> SendingHouse:
    return await build_ready_house(database)


@pytest.fixture
async def smtp() -> AsyncIterator[ScriptedSmtpServer]:
    async with ScriptedSmtpServer() as server:
        yield server


async def test_without_redis_the_poll_loop_finds_what_is_due(
    ready: SendingHouse, smtp: ScriptedSmtpServer, database_url: str
) -> None:
    async with working(make_settings(database_url, smtp_settings(smtp.port))):
        [invitation] = await ready.invite_many(1)
        await comes_true(lambda: len(smtp.messages) == 1)
    assert (await ready.invitation(invitation.id)).status is InvitationStatus.SENT


async def test_bell_wakes_a_worker_that_polls_seldom(
    ready: SendingHouse, smtp: ScriptedSmtpServer, database_url: str, redis_url: str
) -> None:
    settings = make_settings(database_url, smtp_settings(smtp.port), redis_url=redis_url, poll_interval=SELDOM)
    bell = ArqBell.connect(redis_url, on_dropped=lambda: None)
    async with working(settings):
        await asyncio.sleep(0.2)
        await ready.invite_many(1)
        assert not smtp.messages
        bell.ring(ready.merchant.id)
        await comes_true(lambda: len(smtp.messages) == 1)
    await bell.close()


async def test_redis_that_is_not_there_changes_nothing(
    ready: SendingHouse, smtp: ScriptedSmtpServer, database_url: str
) -> None:
    settings = make_settings(database_url, smtp_settings(smtp.port), redis_url="redis://127.0.0.1:1/0")
    async with working(settings):
        await ready.invite_many(20)
        await comes_true(lambda: len(smtp.messages) == 20)


async def test_worker_tells_that_it_lives_and_what_it_sent(
    ready: SendingHouse, smtp: ScriptedSmtpServer, database_url: str
) -> None:
    await ready.invite_many(3)
    async with working(make_settings(database_url, smtp_settings(smtp.port))) as port:
        await comes_true(lambda: len(smtp.messages) == 3)
        await asyncio.sleep(0.1)
        assert (await ask(port, b"GET /livez HTTP/1.1\r\n\r\n")).endswith(b"ok\n")
        metrics = (await ask(port, b"GET /metrics HTTP/1.1\r\n\r\n")).decode()
    assert 'invite_messages_total{channel="email",outcome="accepted"} 3.0' in metrics
    assert 'invite_provider_seconds_count{provider="smtp"} 3.0' in metrics
    assert "invite_due_backlog" in metrics


async def test_expired_leases_are_settled_by_the_loop(
    ready: SendingHouse, smtp: ScriptedSmtpServer, database_url: str
) -> None:
    [invitation] = await ready.invite_many(1)
    await ready.rows(
        "UPDATE invitations SET status = 'sending', lease_token = gen_random_uuid(), lease_until = $1", ready.clock.now
    )
    async with working(make_settings(database_url, smtp_settings(smtp.port))):
        await comes_true(lambda: len(smtp.messages) == 1)
    assert (await ready.invitation(invitation.id)).status is InvitationStatus.SENT


async def test_database_that_goes_away_and_comes_back_costs_nothing_but_time(
    ready: SendingHouse, smtp: ScriptedSmtpServer, database_url: str
) -> None:
    ordered_at = ready.clock.now
    async with working(make_settings(database_url, smtp_settings(smtp.port))):
        await ready.invite_many(1, prefix="before")
        await comes_true(lambda: len(smtp.messages) == 1)
        await ready.rows(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name <> current_setting('application_name')"
        )
        ready.clock.now = ordered_at
        await ready.invite_many(5, prefix="after")
        await comes_true(lambda: len(smtp.messages) == 6)
    statuses = {row["status"] for row in await ready.rows("SELECT status FROM invitations")}
    assert statuses <= {"sent", "in_doubt"}


async def test_outdated_schema_is_refused(unmigrated_database_url: str) -> None:
    with pytest.raises(SchemaOutdatedError, match="invite-service migrate"):
        async with working(make_settings(unmigrated_database_url, {})):
            pass
