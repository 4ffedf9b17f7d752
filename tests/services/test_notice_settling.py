"""What an operator does about notices that have ended."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from invite_service.domain.errors import ActionRefusedError, NoticeNotFoundError
from invite_service.domain.message import Message
from invite_service.domain.notice import NoticeStatus
from invite_service.domain.receipt import Receipt
from invite_service.providers.doubles import FakeSender, RecordingSender
from invite_service.services.accounts import AccountReader
from invite_service.services.notice_settling import NoticeSettlingService
from invite_service.services.paging import PageRequest
from tests.services.test_feedback import stars
from tests.services.test_notice_doubts import edit, settle, told, unsubscribe, withdraw, write_reply
from tests.services.test_notices import NoticeHouse, ask_many
from tests.services.test_same_key import LIFETIME, REJECTED, UNKNOWN, make_sender
from tests.support.sending import SendingHouse, make_notice_writer

ACTOR = "key:ops"


@pytest.fixture
async def shop(house: SendingHouse) -> NoticeHouse:
    return NoticeHouse(house)


@pytest.fixture
def settling(shop: NoticeHouse) -> NoticeSettlingService:
    house = shop.house
    return NoticeSettlingService(
        house.database,
        writer=make_notice_writer(),
        accounts=AccountReader(policies=house.policies, texts=house.texts),
        clock=house.clock,
    )


async def test_notice_that_did_not_leave_is_sent_when_an_operator_says_so(
    shop: NoticeHouse, settling: NoticeSettlingService
) -> None:
    message = await write_reply(shop, FakeSender([UNKNOWN]))
    merchant = shop.house.merchant
    retried = await settling.retry(merchant, message.attempt_id, actor=ACTOR)
    assert (retried.notice.status, retried.notice.reason, retried.notice.next_attempt_at) == (
        NoticeStatus.WAITING,
        "retried",
        shop.house.clock.now,
    )
    assert (retried.started_at, retried.ended_at) == (None, None)
    assert await settling.retry(merchant, message.attempt_id, actor=ACTOR) == retried
    sender = RecordingSender()
    assert await shop.send(sender) == 1
    [again] = sender.messages
    assert (again.attempt_id, again.message_id, again.idempotency_key) == (
        message.attempt_id,
        message.message_id,
        message.idempotency_key,
    )
    assert await told(shop) == [
        ("worker", "notice_in_doubt", UNKNOWN.reason),
        (ACTOR, "notice_retried", UNKNOWN.reason),
        ("worker", "notice_sent", "recorded"),
    ]
    with pytest.raises(ActionRefusedError) as refused:
        await settling.retry(merchant, message.attempt_id, actor=ACTOR)
    assert refused.value.reason == "already_sent"


async def test_notice_that_has_failed_is_tried_again_twelve_times(
    shop: NoticeHouse, settling: NoticeSettlingService
) -> None:
    message = await write_reply(shop, make_sender([UNKNOWN] * 3))
    await settle(shop, REJECTED)
    retried = await settling.retry(shop.house.merchant, message.attempt_id, actor=ACTOR)
    assert (retried.notice.status, retried.notice.tries) == (NoticeStatus.WAITING, 0)
    assert await shop.send(RecordingSender()) == 1


async def test_notice_that_left_is_settled_by_an_operator(shop: NoticeHouse, settling: NoticeSettlingService) -> None:
    message = await write_reply(shop, FakeSender([UNKNOWN]))
    merchant = shop.house.merchant
    marked = await settling.mark_sent(merchant, message.attempt_id, actor=ACTOR)
    assert (marked.notice.status, marked.notice.reason) == (NoticeStatus.SENT, "marked_sent")
    assert await settling.mark_sent(merchant, message.attempt_id, actor=ACTOR) == marked
    assert await told(shop) == [
        ("worker", "notice_in_doubt", UNKNOWN.reason),
        (ACTOR, "notice_sent", "marked_sent"),
    ]
    [[data]] = await shop.house.rows("SELECT data FROM timeline_entries WHERE event = 'notice_sent'")
    assert data == {
        "notice": "reply_notice",
        "notice_id": str(message.attempt_id),
        "rating_id": str(marked.notice.rating_id),
    }
    shop.house.clock.advance(timedelta(days=1))
    assert await shop.send(RecordingSender()) == 0


@pytest.mark.parametrize(("change", "reason"), [(unsubscribe, "suppressed"), (withdraw, "reply_withdrawn")])
async def test_notice_that_is_not_to_be_sent_any_more_is_not_tried_again(
    shop: NoticeHouse, settling: NoticeSettlingService, change: Any, reason: str
) -> None:
    message = await write_reply(shop, FakeSender([UNKNOWN]))
    await change(shop)
    with pytest.raises(ActionRefusedError) as refused:
        await settling.retry(shop.house.merchant, message.attempt_id, actor=ACTOR)
    assert refused.value.reason == reason
    assert [status for _, status, _ in await shop.statuses()] == ["in_doubt"]


async def test_what_is_in_doubt_again_after_a_retry_is_asked_about_as_if_for_the_first_time(
    shop: NoticeHouse, settling: NoticeSettlingService
) -> None:
    message = await write_reply(shop, make_sender([UNKNOWN] * 3))
    again = make_sender([UNKNOWN] * 3)
    service = shop.house.doubts(again)
    await service.look_up(shop.house.merchant.id)
    await settling.retry(shop.house.merchant, message.attempt_id, actor=ACTOR)
    await edit(shop)
    await shop.send(make_sender([UNKNOWN] * 3))
    shop.house.clock.advance(timedelta(minutes=1))
    again.messages.clear()
    await service.look_up(shop.house.merchant.id)
    [repeated] = again.messages
    assert "Thanks!" in repeated.text


class OvertakenSender(FakeSender):
    """Refuses a message, but an operator lets it be tried again before the answer is there."""

    def __init__(self, shop: NoticeHouse, settling: NoticeSettlingService) -> None:
        super().__init__([REJECTED], key_lifetime=LIFETIME)
        self._shop = shop
        self._settling = settling

    async def send(self, message: Message) -> Receipt:
        """Let it be tried again, and refuse."""
        await self._settling.retry(self._shop.house.merchant, message.attempt_id, actor=ACTOR)
        return await super().send(message)


async def test_answer_that_comes_after_an_operators_retry_does_not_take_it_back(
    shop: NoticeHouse, settling: NoticeSettlingService
) -> None:
    await write_reply(shop, make_sender([UNKNOWN] * 3))
    await shop.house.doubts(OvertakenSender(shop, settling)).look_up(shop.house.merchant.id)
    assert await shop.statuses() == [("reply_notice", "waiting", "retried")]
    assert await shop.send(RecordingSender()) == 1


async def test_notices_are_listed_by_status_and_page(shop: NoticeHouse, settling: NoticeSettlingService) -> None:
    await ask_many(shop, 3)
    await shop.send(FakeSender([UNKNOWN]))
    merchant = shop.house.merchant
    doubtful = await settling.list_(merchant, status=NoticeStatus.IN_DOUBT, page=PageRequest(limit=2))
    assert [item.notice.status for item in doubtful.items] == [NoticeStatus.IN_DOUBT]
    every = await settling.list_(merchant, status=None, page=PageRequest(limit=2, ascending=False))
    assert (len(every.items), every.has_next, every.has_previous) == (2, True, False)
    assert every.items[0].notice.id > every.items[1].notice.id
    nobody = await settling.list_(merchant, status=NoticeStatus.FAILED, page=PageRequest())
    assert nobody.items == []


async def test_nothing_is_done_about_another_merchants_notice(
    shop: NoticeHouse, settling: NoticeSettlingService
) -> None:
    await shop.leave(await shop.ask(), stars("mug", 4, "Nice."))
    for action in (settling.retry, settling.mark_sent):
        with pytest.raises(NoticeNotFoundError):
            await action(shop.house.merchant, UUID(int=7), actor=ACTOR)
