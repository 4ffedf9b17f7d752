"""Doing a call once: what is stored with it, what is taken back, and who waits for whom."""

import asyncio
from datetime import datetime, timedelta

import pytest

from invite_service.bell import RecordingBell
from invite_service.domain.errors import IdempotencyConflictError
from invite_service.domain.merchant import MerchantId
from invite_service.services.idempotency import (
    RUNS_FOR,
    IdempotencyAnswerLostError,
    IdempotencyKeyBusyError,
    IdempotencyService,
    Joined,
    KeptAnswer,
    KeyedCall,
)
from invite_service.services.sealing import AnswerSeal
from invite_service.storage.database import Database
from invite_service.storage.errors import TransactionConflictError
from tests.support.builders import NOON, make_merchant
from tests.support.ingesting import add_merchant
from tests.support.sending import driver_of

SHOP = MerchantId("shop")
CALL = KeyedCall(SHOP, "/v1/things", "k", b"body")


class Shop:
    """A database with the service, and things that effects make: merchants, whose names are told."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.now = NOON
        self.bell = RecordingBell()
        self.service = IdempotencyService(
            database, seal=AnswerSeal("a secret of tests"), bell=self.bell, clock=self._tell, wait_seconds=0.2
        )

    def _tell(self) -> datetime:
        return self.now

    async def made(self) -> list[str]:
        async with self.database.autocommit() as stores:
            return [merchant.id for merchant in await stores.merchants.list_(after="", limit=10)]

    async def make(self, joined: Joined) -> KeptAnswer:
        """Make a thing within the key's transaction, and ring."""
        number = len(await self.made())
        await add_merchant(joined.database, make_merchant(id=f"thing-{number}"))
        joined.bell.ring(SHOP)
        assert self.bell.rung == []
        return KeptAnswer(201, b"made")


@pytest.fixture
async def shop(database: Database) -> Shop:
    return Shop(database)


async def test_effect_and_answer_are_stored_together_and_the_bell_rings_after(shop: Shop) -> None:
    assert await shop.service.run(CALL, shop.make) == KeptAnswer(201, b"made")
    assert shop.bell.rung == [SHOP]
    assert await shop.service.run(CALL, shop.make) == KeptAnswer(201, b"made", is_replayed=True)
    assert await shop.made() == ["thing-0"]
    assert shop.bell.rung == [SHOP]


async def test_what_fails_takes_everything_back_and_may_be_done_again(shop: Shop) -> None:
    async def make_and_fail(joined: Joined) -> KeptAnswer:
        await shop.make(joined)
        raise RuntimeError("our own fault")

    with pytest.raises(RuntimeError):
        await shop.service.run(CALL, make_and_fail)
    assert await shop.made() == []
    assert shop.bell.rung == []
    assert await shop.service.run(CALL, shop.make) == KeptAnswer(201, b"made")


async def test_a_part_that_fails_is_taken_back_alone(shop: Shop) -> None:
    async def make_half(joined: Joined) -> None:
        async with joined.database.transaction() as stores:
            await stores.merchants.add(make_merchant(id="half"))
            raise LookupError

    async def refuse(joined: Joined) -> KeptAnswer:
        with pytest.raises(LookupError):
            await make_half(joined)
        return KeptAnswer(409, b"refused")

    assert await shop.service.run(CALL, refuse) == KeptAnswer(409, b"refused")
    assert await shop.service.run(CALL, shop.make) == KeptAnswer(409, b"refused", is_replayed=True)
    assert await shop.made() == []


async def test_a_conflict_begins_the_call_again(shop: Shop) -> None:
    tries = 0

    async def make_at_the_third(joined: Joined) -> KeptAnswer:
        nonlocal tries
        tries += 1
        answer = await shop.make(joined)
        if tries < 3:
            raise TransactionConflictError
        return answer

    assert await shop.service.run(CALL, make_at_the_third) == KeptAnswer(201, b"made")
    assert await shop.made() == ["thing-0"]
    assert shop.bell.rung == [SHOP]


async def test_conflicts_without_end_are_told(shop: Shop) -> None:
    async def conflict(joined: Joined) -> KeptAnswer:
        raise TransactionConflictError

    with pytest.raises(TransactionConflictError):
        await shop.service.run(CALL, conflict)
    assert await shop.service.run(CALL, shop.make) == KeptAnswer(201, b"made")


async def test_who_comes_meanwhile_waits_and_does_it_when_the_first_fails(shop: Shop) -> None:
    is_open, may_go = asyncio.Event(), asyncio.Event()

    async def hang_and_fail(joined: Joined) -> KeptAnswer:
        is_open.set()
        await may_go.wait()
        raise RuntimeError("our own fault")

    first = asyncio.create_task(shop.service.run(CALL, hang_and_fail))
    await is_open.wait()
    second = asyncio.create_task(shop.service.run(CALL, shop.make))
    await asyncio.sleep(0.2)
    assert not second.done()
    may_go.set()
    with pytest.raises(RuntimeError):
        await first
    assert await second == KeptAnswer(201, b"made")


async def test_apart_the_answer_is_kept_and_a_failure_is_not(shop: Shop) -> None:
    async def fail() -> KeptAnswer:
        raise RuntimeError("our own fault")

    async def answer() -> KeptAnswer:
        return KeptAnswer(200, b"moved")

    with pytest.raises(RuntimeError):
        await shop.service.run_apart(CALL, fail)
    assert await shop.service.run_apart(CALL, answer) == KeptAnswer(200, b"moved")
    assert await shop.service.run_apart(CALL, fail) == KeptAnswer(200, b"moved", is_replayed=True)


async def test_apart_a_dead_call_gives_its_key_up_after_a_while(shop: Shop) -> None:
    async def answer() -> KeptAnswer:
        return KeptAnswer(200, b"moved")

    async with shop.database.transaction() as stores:
        # What a process that died in the middle leaves behind.
        await stores.idempotency_keys.claim(
            shop.service._place(CALL),
            CALL.fingerprint,
            now=NOON,
            running_until=NOON + RUNS_FOR,
            expired_at=NOON - timedelta(days=1),
        )
    with pytest.raises(IdempotencyConflictError):
        await shop.service.run_apart(KeyedCall(SHOP, CALL.path, CALL.key, b"another"), answer)
    with pytest.raises(IdempotencyKeyBusyError):
        await shop.service.run_apart(CALL, answer)
    shop.now += RUNS_FOR
    assert await shop.service.run_apart(CALL, answer) == KeptAnswer(200, b"moved")


async def test_answer_that_was_sealed_otherwise_is_lost_and_the_call_is_not_done_again(shop: Shop) -> None:
    await shop.service.run(CALL, shop.make)
    async with shop.database.transaction() as stores:
        await driver_of(stores).execute("UPDATE idempotency_keys SET answer = decode(repeat('5e', 40), 'hex')")

    with pytest.raises(IdempotencyAnswerLostError):
        await shop.service.run(CALL, shop.make)
    assert await shop.made() == ["thing-0"]
