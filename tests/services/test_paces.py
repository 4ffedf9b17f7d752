"""Messages leave no faster than merchant and installation set, by all workers together, and nobody waits for others."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from invite_service.domain.invitation import Channel
from invite_service.domain.merchant import MerchantId
from invite_service.domain.receipt import OutcomeWord
from invite_service.providers.doubles import FakeSender, RecordingSender
from invite_service.rules.paces import Pace
from invite_service.services.send_report import SendReport
from invite_service.services.sending import SendingService
from invite_service.storage.database import Database
from tests.services.test_sending_outcomes import make_receipt
from tests.support.builders import make_merchant
from tests.support.sending import SendingHouse, driver_of, make_database

STEP = timedelta(seconds=0.251)


class NotedTurn:
    """A turn that never ends, and notes after how many seconds its merchant wants another."""

    def __init__(self) -> None:
        self.announced: list[float] = []

    @property
    def must_end(self) -> bool:
        return False

    def announce_more(self, *, after: float = 0.0) -> None:
        self.announced.append(round(after, 3))


async def set_limits(house: SendingHouse, channel: str = "email", **limits: float) -> None:
    values = {"max_per_second": None, "max_per_hour": None, **limits}
    await house.rows(
        "INSERT INTO channel_settings (merchant_id, channel, version, max_per_second, max_per_hour)"
        " VALUES ($1, $2, 1, $3, $4)",
        house.merchant.id,
        channel,
        values["max_per_second"],
        values["max_per_hour"],
    )


async def take_turn(sending: SendingService, house: SendingHouse) -> int:
    return (await sending.send_due(house.merchant.id, turn=NotedTurn())).sent


async def fill(house: SendingHouse, count: int, *, prefix: str = "A") -> SendingHouse:
    """Let so many messages be due that may leave at any time of the day."""
    await house.invite_many(count, prefix=prefix)
    await house.rows("UPDATE invitations SET send_now = true, next_attempt_at = $1", house.clock.now)
    return house


@pytest.fixture
async def many(house: SendingHouse) -> SendingHouse:
    return await fill(house, 40)


async def test_merchants_own_limit_holds_for_all_its_workers_together(many: SendingHouse) -> None:
    await set_limits(many, max_per_second=8)
    workers = [many.sending(RecordingSender()) for _ in range(3)]
    sent = []
    for _ in range(5):
        sent.append(sum(await asyncio.gather(*(take_turn(worker, many) for worker in workers))))
        many.clock.advance(STEP)
    assert sent == [4, 2, 2, 2, 2]


async def test_merchant_comes_back_as_soon_as_something_may_leave(many: SendingHouse) -> None:
    await set_limits(many, max_per_hour=7200)
    sending, turn = many.sending(RecordingSender()), NotedTurn()
    assert await sending.send_due(many.merchant.id, turn=turn) == SendReport(sent=1)
    many.clock.advance(timedelta(seconds=0.2))
    assert await sending.send_due(many.merchant.id, turn=turn) == SendReport()
    assert turn.announced == [0.501, 0.301]
    assert await sending.find_due() == []
    many.clock.advance(timedelta(seconds=0.302))
    assert await sending.find_due() == [many.merchant.id]
    assert await sending.send_due(many.merchant.id, turn=turn) == SendReport(sent=1)


async def test_what_is_kept_back_is_not_touched(many: SendingHouse) -> None:
    await set_limits(many, max_per_hour=1)
    sending = many.sending(RecordingSender())
    assert await take_turn(sending, many) == 1
    before = await many.rows("SELECT * FROM invitations ORDER BY id")
    many.clock.advance(timedelta(minutes=59))
    assert await take_turn(sending, many) == 0
    assert await many.rows("SELECT * FROM invitations ORDER BY id") == before
    assert await many.rows("SELECT 1 FROM timeline_entries WHERE event = 'message_postponed'") == []


async def test_channel_without_a_limit_is_as_fast_as_ever_beside_one_with(many: SendingHouse) -> None:
    await many.rows("UPDATE invitations SET channel = 'sms' WHERE id IN (SELECT id FROM invitations LIMIT 15)")
    await set_limits(many, "sms", max_per_second=1)
    email, sms = RecordingSender(), RecordingSender()
    report = await many.sending(email, sms=sms).send_due(many.merchant.id, turn=NotedTurn())
    assert len(email.messages) == 25
    assert report.sent - 25 == len(sms.messages)
    assert len(sms.messages) <= 1


async def test_messages_that_are_not_due_cost_no_token(house: SendingHouse) -> None:
    await fill(house, 2)
    await set_limits(house, max_per_second=8)
    sending = house.sending(RecordingSender())
    assert [await take_turn(sending, house) for _ in range(3)] == [2, 0, 0]
    await house.rows("UPDATE invitations SET status = 'scheduled', next_attempt_at = $1", house.clock.now)
    [bucket] = await house.rows("SELECT tokens FROM send_paces")
    assert bucket["tokens"] == 2


@pytest.fixture
async def houses(database: Database) -> list[SendingHouse]:
    """A merchant with sixty due messages, and two with six each."""
    built = [
        await SendingHouse.build(database, merchant=make_merchant(id=MerchantId(name)))
        for name in ("large", "small", "tiny")
    ]
    for house, count in zip(built, (60, 6, 6), strict=True):
        await fill(house, count)
    for house in built:
        house.clock = built[0].clock
    return built


async def test_installations_limit_is_shared_by_turns(houses: list[SendingHouse]) -> None:
    sender = RecordingSender()
    workers = [houses[0].sending(sender, paces={Channel.EMAIL: Pace(8)}) for _ in range(2)]
    sent = dict.fromkeys((house.merchant.id for house in houses), 0)
    for _ in range(16):
        for worker in workers:
            # The large one always asks first.
            for house in houses:
                sent[house.merchant.id] += await take_turn(worker, house)
        houses[0].clock.advance(STEP)
    assert sum(sent.values()) <= 4 + 8 * 15 * STEP.total_seconds()
    assert sum(sent.values()) >= 30
    assert [sent[house.merchant.id] for house in houses[1:]] == [6, 6]


async def test_merchant_with_a_slow_limit_takes_nothing_from_others(houses: list[SendingHouse]) -> None:
    large, small, _ = houses
    await set_limits(large, max_per_hour=1)
    sending = large.sending(RecordingSender(), paces={Channel.EMAIL: Pace(400)})
    assert await take_turn(sending, large) == 1
    for _ in range(3):
        assert await take_turn(sending, large) == 0
    assert await take_turn(sending, small) == 6
    [bucket] = await small.rows("SELECT tokens FROM provider_paces")
    assert bucket["tokens"] == 200 - 1 - 6


async def test_merchant_with_a_provider_of_its_own_pays_nothing_to_the_installations_limit(many: SendingHouse) -> None:
    await many.rows(
        "INSERT INTO channel_settings (merchant_id, channel, version, provider, key_id, sealed_options)"
        " VALUES ($1, 'email', 1, 'smtp', 'k', '')",
        many.merchant.id,
    )
    assert await take_turn(many.sending(RecordingSender(), paces={Channel.EMAIL: Pace(1)}), many) == 40
    assert await many.rows("SELECT * FROM provider_paces") == []


async def test_sandbox_keeps_to_no_limit(many: SendingHouse) -> None:
    await many.change_merchant(sandbox=True)
    await set_limits(many, max_per_hour=1)
    assert await take_turn(many.sending(RecordingSender(), paces={Channel.EMAIL: Pace(1)}), many) == 40


async def test_wait_of_the_installations_provider_holds_for_all_merchants_and_workers(
    houses: list[SendingHouse],
) -> None:
    large, small, _ = houses
    asked = make_receipt(OutcomeWord.RATE_LIMITED, retry_after=timedelta(minutes=2))
    await take_turn(large.sending(FakeSender([asked], max_in_flight=1)), large)
    other = large.sending(RecordingSender())

    large.clock.advance(timedelta(seconds=119))
    assert [await take_turn(other, house) for house in (large, small)] == [0, 0]
    large.clock.advance(timedelta(seconds=1))
    assert await take_turn(other, small) == 6


async def test_trial_of_a_circuit_counts_too(many: SendingHouse) -> None:
    await set_limits(many, max_per_hour=3600)
    failed = make_receipt(OutcomeWord.NOT_SENT, reason="connection_refused")
    failing = many.sending(FakeSender([failed] * 5, max_in_flight=1))
    for _ in range(5):
        await take_turn(failing, many)
        many.clock.advance(timedelta(seconds=1))
    sending = many.sending(RecordingSender())
    assert await take_turn(sending, many) == 0
    many.clock.advance(timedelta(seconds=30))
    await many.rows("UPDATE send_paces SET tokens = 0, refilled_at = $1", many.clock.now)
    assert await take_turn(sending, many) == 0
    assert [row["trial_until"] for row in await many.rows("SELECT trial_until FROM provider_circuits")] == [None]
    many.clock.advance(timedelta(seconds=1))
    assert await take_turn(sending, many) == 1
    assert await many.rows("SELECT 1 FROM provider_circuits") == []


@pytest.fixture
async def alone(database_url: str) -> AsyncIterator[SendingHouse]:
    """A house of one connection, so that what runs on it can be seen."""
    database = make_database(database_url, pool_size=1)
    yield await fill(await SendingHouse.build(database), 40)
    await database.close()


async def count_statements(house: SendingHouse, sending: SendingService) -> int:
    """Count what a turn asks PostgreSQL in which two messages leave."""
    statements: list[str] = []

    def note(record: Any) -> None:
        statements.append(record.query)

    async with house.database.transaction() as stores:
        driver = driver_of(stores)
    driver.add_query_logger(note)
    assert await take_turn(sending, house) == 2
    await asyncio.sleep(0)
    driver.remove_query_logger(note)
    return len(statements)


async def test_limits_cost_one_statement_each(alone: SendingHouse) -> None:
    free = alone.sending(RecordingSender(), batch_size=2)
    await take_turn(free, alone)
    usual = await count_statements(alone, free)

    shared = alone.sending(RecordingSender(), paces={Channel.EMAIL: Pace(8)})
    await take_turn(shared, alone)
    alone.clock.advance(STEP)
    # The other channel is looked at once and then left alone, so that the claim of its own costs nothing.
    assert await count_statements(alone, shared) == usual + 1

    await set_limits(alone, max_per_second=8)
    own = alone.sending(RecordingSender())
    await take_turn(own, alone)
    alone.clock.advance(STEP)
    assert await count_statements(alone, own) == usual
