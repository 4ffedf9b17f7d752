"""The loop that finds what is due, over a real database that makes parts of it wait."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta

import pytest

from invite_service.domain.merchant import MerchantId
from invite_service.storage.database import Database
from invite_service.worker.dispatcher import Dispatcher, Turn
from invite_service.worker.endpoint import Heartbeat
from invite_service.worker.poll_loop import PollLoop
from tests.support.builders import make_merchant
from tests.support.sending import SendingHouse, driver_of

INTERVAL = 0.05


@pytest.fixture
async def house(database: Database) -> SendingHouse:
    return await SendingHouse.build(database)


class Turns:
    """The merchants that were given a turn, and how often a look failed."""

    def __init__(self) -> None:
        self.given: list[MerchantId] = []
        self.failures = 0
        self.backlogs: list[int] = []
        self.circuits: list[Mapping[str, int]] = []

    async def take(self, merchant_id: MerchantId, turn: Turn) -> None:
        self.given.append(merchant_id)

    def note_failure(self) -> None:
        self.failures += 1


@contextlib.asynccontextmanager
async def polling(house: SendingHouse) -> AsyncIterator[Turns]:
    turns = Turns()
    dispatcher = Dispatcher(turns.take)
    loop = PollLoop(
        sending=house.sending(),
        leases=house.leases,
        dispatcher=dispatcher,
        heartbeat=Heartbeat(asyncio.get_running_loop().time),
        interval=INTERVAL,
        on_failure=turns.note_failure,
        on_backlog=turns.backlogs.append,
        on_circuits=turns.circuits.append,
    )
    task = asyncio.create_task(loop.run())
    try:
        yield turns
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await dispatcher.stop()


async def test_due_merchant_is_found_while_expired_leases_take_long_to_settle(house: SendingHouse) -> None:
    other = await SendingHouse.build(house.database, merchant=make_merchant(id=MerchantId("other-shop")))
    await house.invite()
    await house.rows(
        "UPDATE invitations SET status = 'sending', lease_token = gen_random_uuid(), lease_until = $1",
        house.clock.now - timedelta(seconds=1),
    )
    await other.invite()
    house.clock.now = max(house.clock.now, other.clock.now)

    async with house.database.transaction() as stores:
        await driver_of(stores).execute("LOCK TABLE attempts IN ACCESS EXCLUSIVE MODE")
        async with polling(house) as turns, asyncio.timeout(3):
            while turns.given.count(MerchantId("other-shop")) < 3:  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    assert turns.backlogs == []


async def test_looks_that_fail_are_counted_and_made_again(house: SendingHouse) -> None:
    await house.invite()
    await house.rows("ALTER TABLE merchants RENAME TO away")
    async with polling(house) as turns, asyncio.timeout(10):
        while turns.failures < 3:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        assert turns.given == []
        await house.rows("ALTER TABLE away RENAME TO merchants")
        while not turns.given:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
