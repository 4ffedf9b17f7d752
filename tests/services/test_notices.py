"""What follows a customer's answer: replies, vouchers, support's alert and its help, each sent once."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from invite_service.domain.branding import Branding
from invite_service.domain.errors import ActionRefusedError, InvalidInputError
from invite_service.domain.feedback import Rating
from invite_service.domain.invitation import Channel
from invite_service.domain.message import Message, Notice
from invite_service.domain.receipt import OutcomeWord, Receipt
from invite_service.domain.texts import MerchantText, TextName
from invite_service.domain.timeline import TimelineEvent
from invite_service.providers.base import Sender
from invite_service.providers.doubles import FakeSender, RecordingSender
from invite_service.rules.paces import Pace
from invite_service.services.replies import ReplyService
from invite_service.services.texts import TextService
from tests.services.test_approvals import MONDAY, ApprovalHouse
from tests.services.test_feedback import stars
from tests.support.builders import make_branding, new_id
from tests.support.sending import SendingHouse


class NoticeHouse(ApprovalHouse):
    """A merchant who answers its customers."""

    def __init__(self, house: SendingHouse) -> None:
        super().__init__(house)
        self.replies = ReplyService(house.database, clock=house.clock, new_id=new_id)

    async def reply(self, rating: Rating, text: str) -> None:
        await self.replies.write(self.house.merchant, rating.id, text, actor="key:shop")

    async def brand(self, branding: Branding) -> None:
        async with self.house.database.transaction() as stores:
            await stores.branding.replace(self.house.merchant.id, branding, replacing=0, at=MONDAY)

    async def send(self, sender: Sender) -> int:
        return await self.house.notices(sender).send_due(self.house.merchant.id)

    async def statuses(self) -> list[tuple[str, str, str | None]]:
        rows = await self.house.rows("SELECT notice, status, reason FROM notices ORDER BY id")
        return [(row["notice"], row["status"], row["reason"]) for row in rows]

    async def notice_events(self) -> list[tuple[TimelineEvent, str | None]]:
        rows = await self.house.rows(
            "SELECT event, reason FROM timeline_entries WHERE event LIKE 'notice%' OR event LIKE 'reply%' ORDER BY id"
        )
        return [(TimelineEvent(row["event"]), row["reason"]) for row in rows]


@pytest.fixture
async def shop(house: SendingHouse) -> NoticeHouse:
    return NoticeHouse(house)


async def test_customer_hears_of_a_reply_once_and_not_of_its_edits(shop: NoticeHouse) -> None:
    [rating] = await shop.leave(await shop.ask(), stars("mug", 4, "Nice."))
    await shop.reply(rating, "  Thank you!\r\nSee you soon. ")
    await shop.reply(rating, "Thank you!\nSee you soon.")
    sender = RecordingSender()
    assert await shop.house.notices(sender).find_due() == [shop.house.merchant.id]
    assert await shop.send(sender) == 1
    await shop.reply(rating, "Thanks!")
    assert await shop.send(sender) == 0

    [message] = sender.messages
    assert (message.step, message.to_address) == (Notice.REPLY_NOTICE, "kari@example.com")
    assert "Thank you!" in message.text
    assert "Nice." in message.text
    shown = await shop.ratings.get(shop.house.merchant.id, rating.id)
    assert shown.reply is not None
    assert (shown.reply.text, shown.reply.created_by, shown.reply.created_at) == ("Thanks!", "key:shop", MONDAY)
    assert await shop.notice_events() == [
        (TimelineEvent.REPLY_WRITTEN, None),
        (TimelineEvent.NOTICE_SENT, "recorded"),
        (TimelineEvent.REPLY_WRITTEN, None),
    ]


async def test_withdrawn_reply_is_not_told(shop: NoticeHouse) -> None:
    [rating] = await shop.leave(await shop.ask(), stars("mug", 4, "Nice."))
    await shop.reply(rating, "Thank you!")
    withdrawn = await shop.replies.withdraw(shop.house.merchant, rating.id, actor="key:shop")
    assert withdrawn.reply is None
    assert await shop.replies.withdraw(shop.house.merchant, rating.id, actor="key:shop") == withdrawn
    assert await shop.send(RecordingSender()) == 0
    assert await shop.statuses() == [("reply_notice", "skipped", "reply_withdrawn")]


async def test_faulty_reply_and_reply_to_stars_alone_are_refused(shop: NoticeHouse) -> None:
    [rating] = await shop.leave(await shop.ask(), stars("mug", 4))
    with pytest.raises(ActionRefusedError) as refused:
        await shop.reply(rating, "Thank you!")
    assert refused.value.reason == "no_review"
    for text, code in (("  ", "bad_length"), ("a" * 2001, "bad_length"), ("a\x07", "text_not_plain")):
        with pytest.raises(InvalidInputError) as faulty:
            await shop.reply(rating, text)
        assert [(fault.pointer, fault.code) for fault in faulty.value.faults] == [("/text", code)]


async def test_voucher_follows_the_first_review_whatever_its_stars(shop: NoticeHouse) -> None:
    invitation = await shop.ask("mug", "tent", discount_code="THANKS10", discount_description="10 % off")
    await shop.leave(invitation, stars("mug", 5))
    assert await shop.statuses() == []
    await shop.leave(invitation, stars("mug", 1, "Rubbish."))
    await shop.leave(invitation, stars("tent", 5, "Great."))
    sender = RecordingSender()
    assert await shop.send(sender) == 1
    [message] = sender.messages
    assert (message.step, "THANKS10" in message.text, "10 % off" in message.text) == (Notice.VOUCHER, True, True)
    assert await shop.statuses() == [("voucher", "sent", "recorded")]
    assert shop.house.answers.outcomes == ["email:accepted"]


async def test_voucher_is_written_in_the_merchants_words(shop: NoticeHouse) -> None:
    invitation = await shop.ask("mug", discount_code="THANKS10")
    text = MerchantText(name=TextName.VOUCHER, language=invitation.language, fields={"subject": "For {{ order_id }}"})
    texts = TextService(shop.house.database, clock=shop.house.clock)
    await texts.replace(shop.house.merchant.id, text, replacing=None, actor="key:shop")
    await shop.leave(invitation, stars("mug", 5, "Great."))
    sender = RecordingSender()
    assert await shop.send(sender) == 1
    assert sender.messages[0].subject == f"For {invitation.order_ids[0]}"


async def test_support_and_the_customer_hear_of_few_stars_at_once(shop: NoticeHouse) -> None:
    await shop.brand(make_branding(support_email="help@gifts.example"))
    await shop.trigger_support(support_notifies_customer=True)
    [low] = await shop.leave(await shop.ask(), stars("mug", 2, "Broken."))
    sender = RecordingSender()
    assert await shop.send(sender) == 2
    alert, notice = sender.messages
    assert (alert.step, alert.to_address, alert.subject) == (
        Notice.SUPPORT_ALERT,
        "help@gifts.example",
        "A customer gave 2 stars",
    )
    [[case_id]] = await shop.house.rows("SELECT id FROM support_cases WHERE rating_id = $1", low.id)
    assert alert.text == (
        "A customer gave “The mug” 2 stars. A support case is open.\n\n"
        "The customer wrote:\n\n"
        "Broken.\n\n"
        "It will be published on 11 May 2026 at 14:00. The customer may change it until then, and afterwards.\n\n"
        f"Orders: 1001\n\nSupport case: {case_id}"
    )
    assert (notice.step, notice.to_address) == (Notice.SUPPORT_NOTICE, "kari@example.com")


async def test_without_a_support_address_nobody_is_alerted_and_it_is_told(shop: NoticeHouse) -> None:
    await shop.trigger_support()
    await shop.leave(await shop.ask(), stars("mug", 2))
    assert await shop.send(RecordingSender()) == 0
    assert await shop.notice_events() == [(TimelineEvent.NOTICE_SKIPPED, "no_support_address")]


async def test_unsubscribed_customer_is_not_written_to(shop: NoticeHouse) -> None:
    invitation = await shop.ask()
    [rating] = await shop.leave(invitation, stars("mug", 4, "Nice."))
    await shop.reply(rating, "Thank you!")
    await shop.service.unsubscribe(shop.unsubscribe_token(invitation))
    assert await shop.send(RecordingSender()) == 0
    assert await shop.statuses() == [("reply_notice", "skipped", "suppressed")]


def answer(outcome: OutcomeWord, **changes: Any) -> Receipt:
    return Receipt(outcome=outcome, reason="said_so", provider="fake", **changes)


@pytest.mark.parametrize(
    ("receipt", "status", "wait"),
    [
        (answer(OutcomeWord.NOT_SENT), "waiting", timedelta(minutes=1)),
        (answer(OutcomeWord.RATE_LIMITED, retry_after=timedelta(seconds=30)), "waiting", timedelta(seconds=30)),
        (answer(OutcomeWord.REJECTED), "failed", None),
        (answer(OutcomeWord.UNKNOWN), "in_doubt", None),
    ],
)
async def test_providers_answer_decides_what_follows(
    shop: NoticeHouse, receipt: Receipt, status: str, wait: timedelta | None
) -> None:
    [rating] = await shop.leave(await shop.ask(), stars("mug", 4, "Nice."))
    await shop.reply(rating, "Thank you!")
    sender = FakeSender([receipt])
    assert await shop.send(sender) == 0
    [[found, next_attempt_at]] = await shop.house.rows("SELECT status, next_attempt_at FROM notices")
    assert (found, next_attempt_at) == (status, MONDAY + wait if wait is not None else None)
    if wait is not None:
        shop.house.clock.now += wait
        assert await shop.send(sender) == 1
        assert await shop.statuses() == [("reply_notice", "sent", "recorded")]
    else:
        shop.house.clock.now += timedelta(days=1)
        assert await shop.send(sender) == 0


async def suppressions(shop: NoticeHouse) -> list[tuple[str, str | None, str]]:
    return [tuple(row) for row in await shop.house.rows("SELECT reason, channel, source FROM suppressions")]


async def test_address_that_a_provider_says_is_dead_is_suppressed(shop: NoticeHouse) -> None:
    [rating] = await shop.leave(await shop.ask(), stars("mug", 4, "Nice."))
    await shop.reply(rating, "Thank you!")
    assert await shop.send(FakeSender([answer(OutcomeWord.REJECTED, suppress_address=True)])) == 0
    assert await suppressions(shop) == [("hard_bounce", "email", "provider_answer")]
    assert await shop.statuses() == [("reply_notice", "failed", "said_so")]


async def test_dead_address_of_support_suppresses_nobody(shop: NoticeHouse) -> None:
    await shop.brand(make_branding(support_email="help@gifts.example"))
    await shop.trigger_support()
    await shop.leave(await shop.ask(), stars("mug", 1))
    await shop.send(FakeSender([answer(OutcomeWord.REJECTED, suppress_address=True)]))
    assert await suppressions(shop) == []
    assert await shop.statuses() == [("support_alert", "failed", "said_so")]


async def test_refused_settings_pause_the_channel_and_count_no_try(shop: NoticeHouse) -> None:
    [rating] = await shop.leave(await shop.ask(), stars("mug", 4, "Nice."))
    await shop.reply(rating, "Thank you!")
    sender = FakeSender([answer(OutcomeWord.MISCONFIGURED)])
    assert await shop.send(sender) == 0
    shop.house.clock.now += timedelta(minutes=5)
    assert await shop.send(sender) == 0
    assert len(sender.messages) == 1
    [[channel, reason]] = await shop.house.rows("SELECT channel, paused_reason FROM channels")
    assert (channel, reason) == ("email", "said_so")
    [[tries]] = await shop.house.rows("SELECT tries FROM notices")
    await shop.house.rows("UPDATE channels SET paused_at = NULL, paused_reason = NULL")
    shop.house.clock.now += timedelta(minutes=5)
    assert (tries, await shop.send(sender)) == (0, 1)


async def ask_many(shop: NoticeHouse, count: int, *, prefix: str = "B") -> None:
    """Have as many customers hear of a reply."""
    for number in range(count):
        invitation = await shop.ask(order_id=f"{prefix}{number}", email=f"{prefix.lower()}{number}@example.com")
        [rating] = await shop.leave(invitation, stars("mug", 4, "Nice."))
        await shop.reply(rating, "Thank you!")


async def test_refused_settings_are_not_tried_for_every_notice_of_a_turn(shop: NoticeHouse) -> None:
    await ask_many(shop, 6)
    sender = FakeSender([answer(OutcomeWord.MISCONFIGURED)] * 6, max_in_flight=1)
    assert await shop.send(sender) == 0
    assert len(sender.messages) == 1
    assert sorted(await shop.statuses(), key=str) == [
        ("reply_notice", "waiting", "said_so"),
        *[("reply_notice", "waiting", None)] * 5,
    ]


async def test_notices_wait_for_the_limits_that_all_messages_keep_to(shop: NoticeHouse) -> None:
    await ask_many(shop, 4)
    await shop.house.rows(
        "INSERT INTO channel_settings (merchant_id, channel, version, max_per_hour) VALUES ($1, 'email', 1, 60)",
        shop.house.merchant.id,
    )
    sender = RecordingSender()
    notices = shop.house.notices(sender, paces={Channel.EMAIL: Pace(10.0)})
    sent = []
    for seconds in (0, 59, 2, 61, 61):
        shop.house.clock.now += timedelta(seconds=seconds)
        sent.append(await notices.send_due(shop.house.merchant.id))
    assert sent == [1, 0, 1, 1, 1]
    waited = await shop.house.rows("SELECT status, tries FROM notices")
    assert [tuple(row) for row in waited] == [("sent", 0)] * 4


async def test_notices_of_a_turn_that_is_over_are_the_next_ones_at_once(shop: NoticeHouse) -> None:
    await ask_many(shop, 3)
    sender = RecordingSender()
    assert await shop.house.notices(sender, turn_seconds=-1).send_due(shop.house.merchant.id) == 0
    assert sender.messages == []
    assert await shop.send(sender) == 3


async def test_notices_open_the_circuit_and_wait_for_it(shop: NoticeHouse) -> None:
    await ask_many(shop, 7)
    sender = FakeSender([answer(OutcomeWord.NOT_SENT)] * 5, max_in_flight=1)
    notices = shop.house.notices(sender)
    assert await notices.send_due(shop.house.merchant.id) == 0
    assert len(sender.messages) == 5
    shop.house.clock.now += timedelta(seconds=29)
    assert await notices.send_due(shop.house.merchant.id) == 0
    assert len(sender.messages) == 5
    shop.house.clock.now += timedelta(minutes=2)
    assert await notices.send_due(shop.house.merchant.id) >= 1
    assert await shop.house.rows("SELECT 1 FROM provider_circuits") == []


async def test_unclear_answer_is_asked_again_with_the_same_key_where_keys_are_honoured(shop: NoticeHouse) -> None:
    [rating] = await shop.leave(await shop.ask(), stars("mug", 4, "Nice."))
    await shop.reply(rating, "Thank you!")
    sender = FakeSender([answer(OutcomeWord.UNKNOWN)], key_lifetime=timedelta(hours=24))
    assert await shop.send(sender) == 1
    first, second = sender.messages
    assert first == second


async def test_notice_is_tried_twelve_times_and_has_then_failed(shop: NoticeHouse) -> None:
    [rating] = await shop.leave(await shop.ask(), stars("mug", 4, "Nice."))
    await shop.reply(rating, "Thank you!")
    sender = FakeSender([answer(OutcomeWord.NOT_SENT)] * 20)
    for _ in range(20):
        await shop.send(sender)
        shop.house.clock.now += timedelta(hours=1)
    assert len(sender.messages) == 12
    assert await shop.statuses() == [("reply_notice", "failed", "provider_unavailable")]


class DyingSender(RecordingSender):
    """Takes the message, and never answers."""

    async def send(self, message: Message) -> Receipt:
        await super().send(message)
        raise asyncio.CancelledError


async def test_what_a_dead_process_had_started_is_in_doubt_and_not_sent_again(shop: NoticeHouse) -> None:
    [rating] = await shop.leave(await shop.ask(), stars("mug", 4, "Nice."))
    await shop.reply(rating, "Thank you!")
    with pytest.raises(asyncio.CancelledError):
        await shop.send(DyingSender())
    assert await shop.send(RecordingSender()) == 0
    shop.house.clock.now += timedelta(minutes=3)
    sender = RecordingSender()
    assert await shop.house.notices(sender).find_due() == [shop.house.merchant.id]
    assert await shop.send(sender) == 0
    assert await shop.statuses() == [("reply_notice", "in_doubt", "lease_expired")]
    assert (await shop.notice_events())[-1] == (TimelineEvent.NOTICE_IN_DOUBT, "lease_expired")


async def test_two_workers_send_each_notice_once(shop: NoticeHouse) -> None:
    for number in range(6):
        invitation = await shop.ask(order_id=f"A{number}", email=f"a{number}@example.com")
        [rating] = await shop.leave(invitation, stars("mug", 4, "Nice."))
        await shop.reply(rating, "Thank you!")
    sender = RecordingSender()
    sent = await asyncio.gather(*(shop.send(sender) for _ in range(3)))
    assert sum(sent) == 6
    assert sorted(message.to_address for message in sender.messages) == [
        f"a{number}@example.com" for number in range(6)
    ]
