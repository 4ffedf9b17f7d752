"""Who has something due, by whose clock, over a real database."""

from datetime import timedelta

import pytest

from invite_service.domain.merchant import MerchantId
from invite_service.storage.database import Database
from tests.support.builders import NOON, make_merchant, make_order_event
from tests.support.sending import SendingHouse

BEHIND, AHEAD = MerchantId("behind"), MerchantId("ahead")


@pytest.fixture
async def house(database: Database) -> SendingHouse:
    return await SendingHouse.build(database)


@pytest.mark.parametrize("by_join", [False, True])
async def test_merchants_are_due_by_their_own_clocks(database: Database, house: SendingHouse, *, by_join: bool) -> None:
    invitation = await house.invite()
    offsets = {BEHIND: timedelta(days=-1), AHEAD: timedelta(days=1)}
    for merchant_id, offset in offsets.items():
        merchant = make_merchant(id=merchant_id, sandbox=True, clock_offset=offset)
        sandbox = await SendingHouse.build(database, merchant=merchant)
        sandbox.clock.now = NOON - offset
        await sandbox.post(make_order_event())

    async def due(after: timedelta, *, except_for: tuple[MerchantId, ...] = ()) -> set[MerchantId]:
        async with database.autocommit() as stores:
            found = await stores.due.list_due_merchants(
                real_now=invitation.send_at + after, except_for=except_for, by_join=by_join
            )
        assert len(found) == len(set(found))
        return set(found)

    assert await due(timedelta(days=-1, hours=-3)) == set()
    assert await due(timedelta(days=-1, hours=3)) == {AHEAD}
    assert await due(timedelta()) == {AHEAD, house.merchant.id}
    assert await due(timedelta(days=1, hours=3)) == {AHEAD, house.merchant.id, BEHIND}
    assert await due(timedelta(days=2), except_for=(AHEAD, BEHIND)) == {house.merchant.id}


@pytest.mark.parametrize("by_join", [False, True])
async def test_due_messages_are_counted_up_to_a_limit(house: SendingHouse, *, by_join: bool) -> None:
    await house.invite_many(5)
    now = house.clock.now
    async with house.database.autocommit() as stores:
        assert await stores.due.count_due(real_now=now, at_most=100, by_join=by_join) == 5
        assert await stores.due.count_due(real_now=now, at_most=3, by_join=by_join) == 3
        assert await stores.due.count_due(real_now=now - timedelta(days=1), at_most=3, by_join=by_join) == 0
