"""A provider that fails is left alone for a while, by all workers, and found to be back by one message."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from invite_service.domain.invitation import Channel, InvitationStatus
from invite_service.domain.merchant import MerchantId
from invite_service.domain.message import Message
from invite_service.domain.receipt import OutcomeWord, Receipt
from invite_service.providers.doubles import FakeSender, RecordingSender
from invite_service.services.send_report import SendReport
from invite_service.services.sending import MAX_REST, SendingService
from tests.services.test_sending_outcomes import make_receipt
from tests.support.builders import make_merchant
from tests.support.sending import OpenTurn, SendingHouse, driver_of, make_database
from tests.support.workers import comes_true

FAILED = make_receipt(OutcomeWord.NOT_SENT, reason="connection_refused")


def failing(count: int, *, max_in_flight: int = 1) -> FakeSender:
    return FakeSender([FAILED] * count, max_in_flight=max_in_flight)


async def take_turn(sending: SendingService, house: SendingHouse) -> SendReport:
    return await sending.send_due(house.merchant.id, turn=OpenTurn())


async def circuits(house: SendingHouse) -> list[Any]:
    return await house.rows("SELECT * FROM provider_circuits WHERE merchant_id = $1", house.merchant.id)


async def told(house: SendingHouse) -> list[tuple[str, str, str | None, Any]]:
    rows = await house.rows(
        "SELECT actor, event, reason, data FROM timeline_entries WHERE event LIKE 'circuit_%' ORDER BY id"
    )
    return [tuple(row) for row in rows]


@pytest.fixture
async def many(house: SendingHouse) -> SendingHouse:
    """Twelve messages that may leave at any time of the day."""
    await house.invite_many(12)
    await house.rows("UPDATE invitations SET send_now = true")
    return house


async def test_five_failures_in_a_row_open_the_circuit_and_the_rest_waits_without_a_try(many: SendingHouse) -> None:
    sender = failing(5)
    sending = many.sending(sender)
    until = many.clock.now + timedelta(seconds=30)

    assert await take_turn(sending, many) == SendReport(not_sent=5, postponed=7)

    assert len(sender.messages) == 5
    [circuit] = await circuits(many)
    assert dict(circuit) == {
        "merchant_id": many.merchant.id,
        "channel": "email",
        "provider": "fake",
        "settings_version": 0,
        "openings": 1,
        "reason": "connection_refused",
        "open_until": until,
        "trial_until": None,
        "rests_until": None,
    }
    waiting = await many.rows("SELECT tries, next_attempt_at FROM invitations WHERE tries = 0")
    assert [(row["tries"], row["next_attempt_at"]) for row in waiting] == [(0, until)] * 7
    postponed = await many.rows("SELECT reason FROM timeline_entries WHERE event = 'message_postponed'")
    assert [row["reason"] for row in postponed] == ["circuit_open"] * 7
    data = {"channel": "email", "provider": "fake", "openings": 1, "until": until.isoformat()}
    assert await told(many) == [("worker", "circuit_opened", "connection_refused", data)]


async def test_answer_in_between_keeps_the_circuit_closed(many: SendingHouse) -> None:
    refused = make_receipt(OutcomeWord.REJECTED)
    sender = FakeSender([*[FAILED] * 4, refused, *[FAILED] * 4], max_in_flight=1)
    assert await take_turn(many.sending(sender), many) == SendReport(not_sent=8, failed=1, sent=3)
    assert await circuits(many) == []


async def test_messages_without_an_answer_open_it_too(many: SendingHouse) -> None:
    sender = FakeSender([make_receipt(OutcomeWord.UNKNOWN, reason="timed_out")] * 5, max_in_flight=1)
    assert await take_turn(many.sending(sender), many) == SendReport(in_doubt=5, postponed=7)


async def test_what_comes_due_while_it_is_open_is_left_alone_by_every_worker(many: SendingHouse) -> None:
    await take_turn(many.sending(failing(5)), many)
    await many.rows("UPDATE invitations SET next_attempt_at = $1", many.clock.now)
    before = await many.rows("SELECT * FROM invitations ORDER BY id")
    other = RecordingSender()

    assert await take_turn(many.sending(other), many) == SendReport()

    assert other.messages == []
    assert await many.rows("SELECT * FROM invitations ORDER BY id") == before


async def test_merchant_that_may_send_nothing_is_not_looked_at_for_a_while(many: SendingHouse) -> None:
    await take_turn(many.sending(failing(5)), many)
    await many.rows("UPDATE invitations SET next_attempt_at = $1", many.clock.now)
    sending = many.sending(RecordingSender())
    assert await sending.find_due() == [many.merchant.id]
    await take_turn(sending, many)
    assert await sending.find_due() == []
    many.clock.advance(MAX_REST)
    assert await sending.find_due() == [many.merchant.id]


async def test_other_channel_goes_on(house: SendingHouse) -> None:
    await house.invite_many(6)
    await house.invite(order_id="S", email=None, phone="+4790000001")
    await house.rows("UPDATE invitations SET send_now = true, next_attempt_at = $1", house.clock.now)
    await house.rows("UPDATE invitations SET next_attempt_at = $1 WHERE channel = 'sms'", house.clock.now)
    await take_turn(house.sending(failing(5), sms=FakeSender([FAILED])), house)
    await house.rows("UPDATE invitations SET next_attempt_at = $1", house.clock.now)

    email, sms = RecordingSender(), RecordingSender()
    assert await take_turn(house.sending(email, sms=sms), house) == SendReport(sent=1)
    assert (len(email.messages), len(sms.messages)) == (0, 1)


async def test_other_merchants_of_the_same_provider_go_on(many: SendingHouse) -> None:
    other = await SendingHouse.build(many.database, merchant=make_merchant(id=MerchantId("other-shop")))
    await other.invite()
    sending = many.sending(failing(5))
    await take_turn(sending, many)
    many.clock.now = max(many.clock.now, other.clock.now)
    assert await take_turn(sending, other) == SendReport(sent=1)


async def test_one_message_tries_when_the_time_is_over_and_its_success_lets_all_leave(many: SendingHouse) -> None:
    await take_turn(many.sending(failing(5)), many)
    many.clock.advance(timedelta(seconds=30))
    await many.rows("UPDATE invitations SET next_attempt_at = $1", many.clock.now)
    sending = many.sending(RecordingSender())

    assert await take_turn(sending, many) == SendReport(sent=1)
    assert await circuits(many) == []
    assert (await told(many))[1:] == [("worker", "circuit_closed", None, {"channel": "email", "provider": "fake"})]
    assert await take_turn(sending, many) == SendReport(sent=11)


async def test_trial_that_fails_opens_it_again_for_longer_up_to_a_quarter_of_an_hour(many: SendingHouse) -> None:
    sender = failing(12)
    await take_turn(many.sending(sender), many)
    seconds = []
    for _ in range(7):
        [circuit] = await circuits(many)
        seconds.append((circuit["open_until"] - many.clock.now).total_seconds())
        many.clock.now = circuit["open_until"]
        await many.rows("UPDATE invitations SET next_attempt_at = $1", many.clock.now)
        # Another worker each time, which knows nothing but what is stored.
        assert await take_turn(many.sending(sender), many) == SendReport(not_sent=1)
    assert seconds == [30, 60, 120, 240, 480, 900, 900]
    assert len(sender.messages) == 12


class _SlowSender(RecordingSender):
    def __init__(self) -> None:
        super().__init__()
        self.answer = asyncio.Event()

    async def send(self, message: Message) -> Receipt:
        receipt = await super().send(message)
        await self.answer.wait()
        return receipt


async def test_only_one_message_of_all_workers_tries(many: SendingHouse) -> None:
    await take_turn(many.sending(failing(5)), many)
    many.clock.advance(timedelta(seconds=30))
    await many.rows("UPDATE invitations SET next_attempt_at = $1", many.clock.now)
    senders = [_SlowSender() for _ in range(4)]
    turns = [asyncio.create_task(take_turn(many.sending(sender), many)) for sender in senders]
    await comes_true(lambda: sum(turn.done() for turn in turns) == 3 and any(sender.messages for sender in senders))
    assert sum(len(sender.messages) for sender in senders) == 1
    for sender in senders:
        sender.answer.set()
    reports = await asyncio.gather(*turns)
    assert sum(report.sent for report in reports) == 1


async def test_trial_that_is_not_to_be_sent_leaves_the_next_message_its_turn(many: SendingHouse) -> None:
    await take_turn(many.sending(failing(5)), many)
    many.clock.advance(timedelta(seconds=30))
    await many.rows("UPDATE invitations SET next_attempt_at = $1", many.clock.now)
    [first] = await many.rows("SELECT id FROM invitations ORDER BY next_attempt_at, id LIMIT 1")
    await many.rows("UPDATE orders SET outcome = 'cancelled' WHERE invitation_id = $1", first["id"])
    sending = many.sending(RecordingSender())

    assert await take_turn(sending, many) == SendReport(skipped=1)
    assert (await many.invitation(first["id"])).status is InvitationStatus.CANCELLED
    assert await take_turn(sending, many) == SendReport(sent=1)


async def test_circuit_without_anything_due_keeps_its_trial(many: SendingHouse) -> None:
    await take_turn(many.sending(failing(5)), many)
    many.clock.advance(timedelta(seconds=30))
    await many.rows("UPDATE invitations SET next_attempt_at = $1", many.clock.now + timedelta(hours=1))
    assert await take_turn(many.sending(RecordingSender()), many) == SendReport()
    assert [circuit["trial_until"] for circuit in await circuits(many)] == [None]


async def test_changed_settings_start_without_it(many: SendingHouse) -> None:
    await take_turn(many.sending(failing(5)), many)
    await many.rows(
        "INSERT INTO channel_settings (merchant_id, channel, version, reply_to) VALUES ($1, 'email', 1, 'a@b.example')",
        many.merchant.id,
    )
    await many.rows("UPDATE invitations SET next_attempt_at = $1", many.clock.now)
    assert await take_turn(many.sending(RecordingSender()), many) == SendReport(sent=12)


async def test_channel_opened_by_hand_lets_all_leave_from_a_worker_that_saw_it_fail_too(many: SendingHouse) -> None:
    sending = many.sending(failing(5))
    await take_turn(sending, many)
    many.bell.rung.clear()

    assert await many.channels().resume(many.merchant, Channel.EMAIL, actor="key:first") is True
    assert await many.channels().resume(many.merchant, Channel.EMAIL, actor="key:first") is False

    assert many.bell.rung == [many.merchant.id]
    assert (await told(many))[1:] == [("key:first", "circuit_closed", None, {"channel": "email", "provider": "fake"})]
    assert await take_turn(sending, many) == SendReport(sent=12)


async def use_own_provider(house: SendingHouse) -> None:
    """Let the merchant have a provider that no other sends through."""
    await house.rows(
        "INSERT INTO channel_settings (merchant_id, channel, version, provider, key_id, sealed_options)"
        " VALUES ($1, 'email', 1, 'smtp', 'k', '')",
        house.merchant.id,
    )


async def test_wait_that_a_provider_asks_for_is_kept_by_other_workers(many: SendingHouse) -> None:
    await use_own_provider(many)
    asked = make_receipt(OutcomeWord.RATE_LIMITED, retry_after=timedelta(minutes=2))
    until = many.clock.now + timedelta(minutes=2)
    await take_turn(many.sending(FakeSender([asked], max_in_flight=1)), many)
    await many.rows("UPDATE invitations SET next_attempt_at = $1", many.clock.now)
    other = RecordingSender()
    sending = many.sending(other)

    assert [(row["openings"], row["rests_until"]) for row in await circuits(many)] == [(0, until)]
    many.clock.advance(timedelta(seconds=119))
    assert await take_turn(sending, many) == SendReport()
    many.clock.advance(timedelta(seconds=1))
    assert await take_turn(sending, many) == SendReport(sent=12)
    assert await circuits(many) == []
    assert await told(many) == []


async def test_wait_that_a_provider_asks_for_goes_on_whatever_it_answers_other_workers(many: SendingHouse) -> None:
    now, until = many.clock.now, many.clock.now + timedelta(minutes=2)
    async with many.database.transaction() as stores:
        await stores.circuits.rest(many.merchant.id, Channel.EMAIL, provider="fake", version=0, until=until)
        await stores.circuits.rest(many.merchant.id, Channel.EMAIL, provider="fake", version=0, until=now)
        assert await stores.circuits.close(many.merchant.id, Channel.EMAIL, version=0, real_now=now) is None
        assert await stores.circuits.close(many.merchant.id, Channel.EMAIL, version=0, real_now=until) == (0, "fake")


async def test_wait_that_a_provider_asks_for_is_no_open_circuit_to_close_by_hand(many: SendingHouse) -> None:
    await use_own_provider(many)
    asked = make_receipt(OutcomeWord.RATE_LIMITED, retry_after=timedelta(minutes=2))
    until = many.clock.now + timedelta(minutes=2)
    await take_turn(many.sending(FakeSender([asked], max_in_flight=1)), many)

    assert await many.channels().resume(many.merchant, Channel.EMAIL, actor="key:first") is False

    assert [row["rests_until"] for row in await circuits(many)] == [until]
    assert await told(many) == []


@pytest.mark.parametrize("is_own", [False, True])
async def test_wait_of_a_second_is_no_business_of_others(many: SendingHouse, *, is_own: bool) -> None:
    if is_own:
        await use_own_provider(many)
    asked = make_receipt(OutcomeWord.RATE_LIMITED, retry_after=timedelta(seconds=1))
    await take_turn(many.sending(FakeSender([asked], max_in_flight=1)), many)
    assert await circuits(many) == []
    assert await many.rows("SELECT 1 FROM provider_paces") == []


async def test_failures_under_settings_that_were_replaced_say_nothing(many: SendingHouse) -> None:
    async with many.database.transaction() as stores:
        values: dict[str, Any] = {
            "provider": "fake",
            "reason": "timed_out",
            "real_now": many.clock.now,
            "durations": [timedelta(seconds=30)],
        }
        assert await stores.circuits.open(many.merchant.id, Channel.EMAIL, version=2, **values)
        assert await stores.circuits.open(many.merchant.id, Channel.EMAIL, version=1, **values) is None
        assert await stores.circuits.open(many.merchant.id, Channel.EMAIL, version=2, **values) is None
        assert (await stores.circuits.open(many.merchant.id, Channel.EMAIL, version=3, **values) or (0,))[0] == 1
        assert await stores.circuits.count_open() == {"fake": 1}


@pytest.fixture
async def alone(database_url: str) -> AsyncIterator[SendingHouse]:
    """A house of one connection, so that what runs on it can be seen."""
    database = make_database(database_url, pool_size=1)
    yield await SendingHouse.build(database)
    await database.close()


async def test_merchant_whose_provider_answers_pays_nothing(alone: SendingHouse) -> None:
    await alone.invite_many(10)
    await take_turn(alone.sending(RecordingSender(), batch_size=2), alone)
    statements: list[str] = []
    async with alone.database.transaction() as stores:
        driver = driver_of(stores)
    driver.add_query_logger(lambda record: statements.append(record.query))

    assert await take_turn(alone.sending(RecordingSender(), batch_size=8), alone) == SendReport(sent=8)

    await asyncio.sleep(0)
    about = [one for one in statements if "provider_circuits" in one or "_paces" in one]
    assert len(about) == 1
    assert "channel_settings" in about[0]
    assert len(statements) <= 8
