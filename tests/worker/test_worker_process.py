"""Whole workers as processes of their own, sending to a real SMTP server."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator

import pytest

from invite_service.domain.invitation import Invitation, InvitationStatus
from invite_service.domain.merchant import MerchantId
from invite_service.storage.database import Database
from tests.support.backlog import add_backlog
from tests.support.sending import SendingHouse
from tests.support.smtp_server import Received, ScriptedSmtpServer
from tests.support.workers import PATIENCE, WorkerProcess, build_ready_house, comes_true, smtp_settings, worker

CONNECTIONS = 16
"""What an SMTP sender has unless told otherwise."""


@pytest.fixture
async def ready(database: Database) -> SendingHouse:
    return await build_ready_house(database)


@pytest.fixture
async def smtp() -> AsyncIterator[ScriptedSmtpServer]:
    async with ScriptedSmtpServer() as server:
        yield server


def _received(*servers: ScriptedSmtpServer) -> Counter[str]:
    return Counter(_recipient(message) for server in servers for message in server.messages)


def _recipient(message: Received) -> str:
    return message.rcpt_to[0].partition("<")[2].partition(">")[0]


async def _settled(house: SendingHouse) -> None:
    """Wait until nothing is to be sent or being sent any more."""
    async with asyncio.timeout(PATIENCE):
        while await house.rows("SELECT FROM invitations WHERE status IN ('scheduled', 'sending')"):  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def _stored(house: SendingHouse, invitations: list[Invitation]) -> dict[str, Invitation]:
    stored = await house.invitations([invitation.id for invitation in invitations])
    return {invitation.contact: invitation for invitation in stored}


async def test_killed_worker_leaves_each_message_accepted_once_or_in_doubt(
    ready: SendingHouse, smtp: ScriptedSmtpServer, database_url: str
) -> None:
    invitations = await ready.invite_many(1000)
    first = await WorkerProcess.start(database_url, **smtp_settings(smtp.port))
    await comes_true(lambda: len(smtp.messages) >= 300)
    await first.kill()
    # What a minute would do by itself.
    await ready.rows("UPDATE invitations SET lease_until = lease_until - interval '1 hour' WHERE status = 'sending'")

    async with worker(database_url, **smtp_settings(smtp.port)):
        await _settled(ready)

    received = _received(smtp)
    stored = await _stored(ready, invitations)
    doubtful = {contact for contact, invitation in stored.items() if invitation.status is InvitationStatus.IN_DOUBT}
    assert len(doubtful) <= CONNECTIONS
    assert {invitation.status for invitation in stored.values()} <= {InvitationStatus.SENT, InvitationStatus.IN_DOUBT}
    assert max(received.values()) == 1
    assert {contact for contact in stored if contact not in received} <= doubtful
    assert not await ready.rows("SELECT FROM attempts WHERE ended_at IS NULL")


async def test_two_workers_share_the_work_and_send_no_message_twice(ready: SendingHouse, database_url: str) -> None:
    async with ScriptedSmtpServer() as one, ScriptedSmtpServer() as other:
        async with (
            worker(database_url, **smtp_settings(one.port)) as first,
            worker(database_url, **smtp_settings(other.port)) as second,
        ):
            await comes_true(lambda: "Started a worker" in first.log and "Started a worker" in second.log)
            invitations = await ready.invite_many(600)
            await comes_true(lambda: len(one.messages) + len(other.messages) >= 600)
        received = _received(one, other)
        assert received == Counter(invitation.contact for invitation in invitations)
        assert min(len(one.messages), len(other.messages)) >= 120
    stored = await _stored(ready, invitations)
    assert {invitation.status for invitation in stored.values()} == {InvitationStatus.SENT}


async def test_ten_messages_of_a_small_merchant_leave_within_5_seconds_beside_100_000_of_a_large_one(
    ready: SendingHouse, smtp: ScriptedSmtpServer, database_url: str
) -> None:
    small = await build_ready_house(ready.database, MerchantId("small-shop"))
    await add_backlog(ready, 100_000)

    async with worker(database_url, **smtp_settings(smtp.port)):
        await comes_true(lambda: len(smtp.messages) >= 300)
        posted_at = time.monotonic()
        await small.invite_many(10, prefix="small")
        await comes_true(lambda: sum("small" in message.rcpt_to[0] for message in smtp.messages) == 10)
        seconds = time.monotonic() - posted_at

    assert seconds < 5
    assert max(_received(smtp).values()) == 1
    [row] = await ready.rows("SELECT count(*) AS waiting FROM invitations WHERE status = 'scheduled'")
    assert row["waiting"] > 90_000


async def test_stopped_worker_finishes_its_calls_and_gives_the_rest_back(
    ready: SendingHouse, database_url: str
) -> None:
    hold = asyncio.Event()
    async with ScriptedSmtpServer(hold=hold) as smtp:
        invitations = await ready.invite_many(300)
        process = await WorkerProcess.start(database_url, **smtp_settings(smtp.port))
        await comes_true(lambda: smtp.waiting_at_final_dot == CONNECTIONS)
        stopping = asyncio.create_task(process.stop())
        await comes_true(lambda: "Stopping the worker" in process.log)
        assert not stopping.done()
        hold.set()
        assert await stopping == 0, process.log
        received = _received(smtp)

    stored = await _stored(ready, invitations)
    assert sum(received.values()) == len(received) == CONNECTIONS
    assert {contact for contact, invitation in stored.items() if invitation.message_count == 1} == set(received)
    assert {invitation.status for contact, invitation in stored.items() if contact not in received} == {
        InvitationStatus.SCHEDULED
    }
    assert not await ready.rows("SELECT FROM attempts WHERE ended_at IS NULL")
    assert not await ready.rows("SELECT FROM invitations WHERE lease_token IS NOT NULL")


async def test_worker_refuses_an_outdated_schema(unmigrated_database_url: str) -> None:
    process = await WorkerProcess.start(unmigrated_database_url)
    assert await process.wait() == 1
    assert "SchemaOutdatedError" in process.log
    assert "invite-service migrate" in process.log
