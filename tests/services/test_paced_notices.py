"""Notices that may not leave yet: what keeps them back costs as much for a thousand of them as for one."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from invite_service.domain.invitation import Channel
from invite_service.domain.receipt import OutcomeWord, Receipt
from invite_service.providers.doubles import FakeSender, RecordingSender
from invite_service.services.notices import LONGEST_SHUT
from tests.services.test_approvals import MONDAY
from tests.services.test_notices import NoticeHouse, ask_many
from tests.support.sending import SendingHouse, driver_of, make_database

NOT_SENT = Receipt(outcome=OutcomeWord.NOT_SENT, reason="connection_refused", provider="fake")


@pytest.fixture
async def shop(database_url: str) -> AsyncIterator[NoticeHouse]:
    """A merchant whose one connection can be listened to."""
    database = make_database(database_url, pool_size=1)
    yield NoticeHouse(await SendingHouse.build(database))
    await database.close()


@asynccontextmanager
async def counted(shop: NoticeHouse) -> AsyncIterator[list[str]]:
    """Collect the statements that run meanwhile, by their first words."""
    statements: list[str] = []

    def remember(record: Any) -> None:
        statements.append(" ".join(record.query.split()[:2]))

    async with shop.house.database.transaction() as stores:
        driver = driver_of(stores)
    driver.add_query_logger(remember)
    yield statements
    # The logger is called when the event loop next turns.
    await asyncio.sleep(0)
    driver.remove_query_logger(remember)


async def limit(shop: NoticeHouse, channel: Channel, *, per_hour: int) -> None:
    await shop.house.rows(
        "INSERT INTO channel_settings (merchant_id, channel, version, max_per_hour) VALUES ($1, $2, 1, $3)",
        shop.house.merchant.id,
        channel,
        per_hour,
    )


async def test_limit_costs_as_many_statements_for_many_notices_as_for_few(shop: NoticeHouse) -> None:
    await limit(shop, Channel.EMAIL, per_hour=60)
    notices, costs = shop.house.notices(RecordingSender()), []
    for count in (6, 60):
        await ask_many(shop, count, prefix=f"{count}-")
        # Asking sets the clock.
        shop.house.clock.now = MONDAY + timedelta(minutes=count)
        async with counted(shop) as statements:
            assert await notices.send_due(shop.house.merchant.id) == 1
        costs.append(len(statements))
        # One is noted as started and as sent, and the others that were claimed are given back together.
        assert [statement for statement in statements if "UPDATE" in statement] == ["UPDATE notices"] * 3
        async with counted(shop) as statements:
            assert await notices.find_due() == []
            assert await notices.send_due(shop.house.merchant.id) == 0
        assert not any("UPDATE" in statement for statement in statements)
        assert len(statements) < 12
    assert costs[1] <= costs[0] < 60


async def test_notices_that_wait_for_a_token_leave_in_their_order(shop: NoticeHouse) -> None:
    await ask_many(shop, 7)
    await limit(shop, Channel.EMAIL, per_hour=60)
    sender = RecordingSender()
    notices = shop.house.notices(sender)
    for _ in range(7):
        assert await notices.send_due(shop.house.merchant.id) == 1
        shop.house.clock.now += timedelta(seconds=61)
    assert [message.to_address for message in sender.messages] == [f"b{number}@example.com" for number in range(7)]


async def test_channel_that_is_shut_keeps_nothing_of_the_other_back(shop: NoticeHouse) -> None:
    await ask_many(shop, 8)
    await shop.house.rows("UPDATE notices SET channel = 'sms' WHERE id IN (SELECT id FROM notices ORDER BY id LIMIT 4)")
    await limit(shop, Channel.SMS, per_hour=1)
    email, sms = RecordingSender(), RecordingSender()
    notices = shop.house.notices(email, sms=sms)
    assert await notices.send_due(shop.house.merchant.id) == 5
    assert (len(email.messages), len(sms.messages)) == (4, 1)
    assert await notices.find_due() == []


async def test_raised_limit_is_noticed_before_the_old_one_would_have_let_anything_leave(shop: NoticeHouse) -> None:
    await ask_many(shop, 3)
    await limit(shop, Channel.EMAIL, per_hour=1)
    notices = shop.house.notices(RecordingSender())
    assert await notices.send_due(shop.house.merchant.id) == 1
    await shop.house.rows("UPDATE channel_settings SET max_per_hour = 360000")
    assert await notices.find_due() == []
    shop.house.clock.now += LONGEST_SHUT
    assert await notices.find_due() == [shop.house.merchant.id]
    assert await notices.send_due(shop.house.merchant.id) == 2


async def test_open_circuit_ends_the_turn_and_what_waits_is_not_written(shop: NoticeHouse) -> None:
    await ask_many(shop, 12)
    sender = FakeSender([NOT_SENT] * 5, max_in_flight=1)
    notices = shop.house.notices(sender)
    assert await notices.send_due(shop.house.merchant.id) == 0
    assert len(sender.messages) == 5
    rows = await shop.house.rows("SELECT reason, count(*) FROM notices GROUP BY 1 ORDER BY 1")
    assert [tuple(row) for row in rows] == [("connection_refused", 5), (None, 7)]


@pytest.mark.parametrize("count", [5, 40])
async def test_pause_costs_as_many_statements_for_many_notices_as_for_few(shop: NoticeHouse, count: int) -> None:
    await ask_many(shop, count)
    await shop.house.change_merchant(paused_at=shop.house.clock.now, paused_reason="too_many_bounces")
    sender = RecordingSender()
    notices = shop.house.notices(sender)
    async with counted(shop) as statements:
        assert await notices.send_due(shop.house.merchant.id) == 0
    assert [statement for statement in statements if "UPDATE" in statement] == ["UPDATE notices"]
    assert len(statements) < 25
    assert await notices.find_due() == []
    await shop.house.change_merchant(paused_at=None, paused_reason=None)
    shop.house.clock.now += LONGEST_SHUT
    assert await notices.find_due() == [shop.house.merchant.id]
    assert await notices.send_due(shop.house.merchant.id) == count
