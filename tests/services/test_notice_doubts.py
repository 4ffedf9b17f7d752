"""Notices in doubt: asking their providers about them, as about messages of invitations."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from invite_service.domain.invitation import Channel
from invite_service.domain.message import Message, Notice
from invite_service.domain.receipt import Receipt
from invite_service.domain.suppression import SuppressionReason, SuppressionSource
from invite_service.providers.doubles import FakeSender
from invite_service.services.same_key import WRITTEN_AHEAD
from tests.services.test_approvals import MONDAY
from tests.services.test_doubts import AskableSender
from tests.services.test_feedback import stars
from tests.services.test_notices import DyingSender, NoticeHouse, suppressions
from tests.services.test_same_key import LIFETIME, NOT_SENT, REJECTED, UNKNOWN, make_sender
from tests.support.builders import make_branding
from tests.support.sending import SendingHouse


@pytest.fixture
async def shop(house: SendingHouse) -> NoticeHouse:
    return NoticeHouse(house)


async def write_reply(shop: NoticeHouse, sender: FakeSender) -> Message:
    """Leave a reply's notice in doubt, and wait until it is asked about."""
    [rating] = await shop.leave(await shop.ask(), stars("mug", 4, "Nice."))
    await shop.reply(rating, "Thank you!")
    await shop.send(sender)
    assert [status for _, status, _ in await shop.statuses()] == ["in_doubt"]
    shop.house.clock.advance(timedelta(minutes=1))
    return sender.messages[0]


async def told(shop: NoticeHouse) -> list[tuple[str, str, str]]:
    rows = await shop.house.rows(
        "SELECT actor, event, reason FROM timeline_entries WHERE event LIKE 'notice%' ORDER BY id"
    )
    return [tuple(row) for row in rows]


async def settle(shop: NoticeHouse, *receipts: Receipt, key_lifetime: timedelta | None = LIFETIME) -> FakeSender:
    """Ask a provider that answers so about what is in doubt."""
    again = make_sender(receipts, key_lifetime=key_lifetime)
    await shop.house.doubts(again).look_up(shop.house.merchant.id)
    return again


async def test_notice_that_its_provider_has_was_sent(shop: NoticeHouse) -> None:
    sender = AskableSender(knows_after=1)
    message = await write_reply(shop, sender)
    began_at, service = shop.house.clock.now - timedelta(minutes=1), shop.house.doubts(sender)
    assert await service.find_due() == [shop.house.merchant.id]
    assert await service.look_up(shop.house.merchant.id) == 0
    assert await service.look_up(shop.house.merchant.id) == 0
    shop.house.clock.advance(timedelta(minutes=5))
    assert await service.look_up(shop.house.merchant.id) == 1
    assert sender.asked == [(message.message_id, "kari@example.com", began_at, message.content_hash())] * 2
    assert await shop.statuses() == [("reply_notice", "sent", "found_later")]
    assert await told(shop) == [
        ("worker", "notice_in_doubt", "timeout_after_data"),
        ("provider", "notice_sent", "found_later"),
    ]
    assert await service.find_due() == []


async def test_alert_is_looked_for_by_the_address_of_support(shop: NoticeHouse) -> None:
    await shop.brand(make_branding(support_email="help@gifts.example"))
    await shop.trigger_support()
    await shop.leave(await shop.ask(), stars("mug", 1))
    sender = AskableSender()
    await shop.send(sender)
    shop.house.clock.advance(timedelta(minutes=1))
    assert await shop.house.doubts(sender).look_up(shop.house.merchant.id) == 1
    [(_, to_address, _, _)] = sender.asked
    assert to_address == "help@gifts.example"
    assert await shop.statuses() == [("support_alert", "sent", "found_later")]


async def test_same_bytes_under_the_same_key_settle_the_doubt_about_a_notice(shop: NoticeHouse) -> None:
    message = await write_reply(shop, make_sender([UNKNOWN] * 3))
    again = await settle(shop)
    assert again.messages == [message]
    assert await told(shop) == [
        ("worker", "notice_in_doubt", UNKNOWN.reason),
        ("worker", "notice_sent", "recorded"),
    ]
    [row] = await shop.house.rows("SELECT status, provider_message_id, next_attempt_at, lease_token FROM notices")
    assert tuple(row) == ("sent", str(message.attempt_id), None, None)
    assert (await settle(shop)).messages == []


async def test_every_kind_of_notice_is_written_again_in_the_same_bytes(shop: NoticeHouse) -> None:
    await shop.brand(make_branding(support_email="help@gifts.example"))
    await shop.trigger_support(support_notifies_customer=True)
    by_mail = await shop.ask("mug", discount_code="THANKS10")
    by_sms = await shop.ask("mug", order_id="S1", email=None, phone="+4791234567", discount_code="THANKS11")
    for invitation in (by_mail, by_sms):
        [rating] = await shop.leave(invitation, stars("mug", 1, "Broken."))
        await shop.reply(rating, "We are sorry!")
    first = make_sender([UNKNOWN] * 100)
    await shop.house.notices(first, sms=first).send_due(shop.house.merchant.id)
    shop.house.clock.advance(timedelta(minutes=1))
    again = make_sender()
    await shop.house.doubts(again, sms=again).look_up(shop.house.merchant.id)
    assert {message.attempt_id: message for message in again.messages} == {
        message.attempt_id: message for message in first.messages
    }
    assert sorted((message.step, message.channel) for message in again.messages) == sorted(
        [
            *((notice, Channel.EMAIL) for notice in Notice),
            (Notice.SUPPORT_ALERT, Channel.EMAIL),
            (Notice.REPLY_NOTICE, Channel.SMS),
            (Notice.VOUCHER, Channel.SMS),
        ]
    )
    assert {status for _, status, _ in await shop.statuses()} == {"sent", "skipped"}


async def test_notice_that_a_killed_worker_left_behind_is_sent_by_another(shop: NoticeHouse) -> None:
    [rating] = await shop.leave(await shop.ask(), stars("mug", 4, "Nice."))
    await shop.reply(rating, "Thank you!")
    dying = DyingSender()
    dying.name = "fake"
    with pytest.raises(asyncio.CancelledError):
        await shop.send(dying)
    shop.house.clock.advance(timedelta(minutes=3))
    assert await shop.send(make_sender()) == 0
    assert await shop.statuses() == [("reply_notice", "in_doubt", "lease_expired")]
    assert (await settle(shop)).messages == dying.messages
    assert await shop.statuses() == [("reply_notice", "sent", "recorded")]


async def test_refusal_ends_the_doubt_about_a_notice_as_failed(shop: NoticeHouse) -> None:
    await write_reply(shop, make_sender([UNKNOWN] * 3))
    await settle(shop, replace(REJECTED, suppress_address=True))
    assert await shop.statuses() == [("reply_notice", "failed", "message_refused")]
    assert await suppressions(shop) == [("hard_bounce", "email", "provider_answer")]


@pytest.mark.parametrize("answer", [NOT_SENT, UNKNOWN])
async def test_answer_that_says_nothing_of_the_call_before_leaves_the_doubt(shop: NoticeHouse, answer: Receipt) -> None:
    await write_reply(shop, make_sender([UNKNOWN] * 3))
    assert len((await settle(shop, answer)).messages) == 1
    assert await shop.statuses() == [("reply_notice", "in_doubt", UNKNOWN.reason)]


async def unsubscribe(shop: NoticeHouse) -> None:
    async with shop.house.database.transaction() as stores:
        await stores.suppressions.add(
            shop.house.merchant.id,
            ["kari@example.com"],
            SuppressionReason.UNSUBSCRIBED,
            source=SuppressionSource.UNSUBSCRIBE,
            at=shop.house.clock.now,
        )


async def edit(shop: NoticeHouse) -> None:
    await shop.house.rows("UPDATE replies SET text = 'Thanks!'")


async def withdraw(shop: NoticeHouse) -> None:
    await shop.house.rows("DELETE FROM replies")


async def pause(shop: NoticeHouse) -> None:
    await shop.house.change_merchant(paused_at=shop.house.clock.now, paused_reason="too_many_bounces")


async def begin_earlier(shop: NoticeHouse) -> None:
    await shop.house.rows(
        "UPDATE notices SET started_at = started_at + $1::interval", timedelta(seconds=WRITTEN_AHEAD + 1)
    )


async def outlive_the_key(shop: NoticeHouse) -> None:
    shop.house.clock.advance(LIFETIME)


@pytest.mark.parametrize("change", [unsubscribe, edit, withdraw, pause, begin_earlier, outlive_the_key])
async def test_notice_that_may_not_leave_as_it_was_is_not_called_about(shop: NoticeHouse, change: Any) -> None:
    await write_reply(shop, make_sender([UNKNOWN] * 3))
    await change(shop)
    shop.house.clock.advance(timedelta(minutes=1))
    assert (await settle(shop)).messages == []
    assert await shop.statuses() == [("reply_notice", "in_doubt", UNKNOWN.reason)]


async def test_notice_of_a_paused_merchant_is_called_about_once_it_is_resumed(shop: NoticeHouse) -> None:
    message = await write_reply(shop, make_sender([UNKNOWN] * 3))
    await pause(shop)
    again = make_sender()
    service = shop.house.doubts(again)
    assert await service.look_up(shop.house.merchant.id) == 0
    await shop.house.change_merchant(paused_at=None, paused_reason=None)
    shop.house.clock.advance(timedelta(minutes=5))
    assert await service.look_up(shop.house.merchant.id) == 1
    assert again.messages == [message]


async def test_invitations_and_notices_in_doubt_are_asked_about_together(shop: NoticeHouse) -> None:
    await shop.house.invite(order_id="B1", email="ola@example.com")
    await shop.house.send(AskableSender())
    sender = AskableSender()
    await write_reply(shop, sender)
    await shop.house.rows("UPDATE attempts SET started_at = $1 WHERE outcome = 'unknown'", MONDAY)
    assert await shop.house.doubts(sender).look_up(shop.house.merchant.id) == 2
    assert {to_address for _, to_address, _, _ in sender.asked} == {"kari@example.com", "ola@example.com"}
