"""Asking providers about messages in doubt."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

from invite_service.domain.invitation import InvitationStatus
from invite_service.domain.receipt import OutcomeWord, Receipt
from invite_service.domain.timeline import TimelineEvent
from invite_service.providers.doubles import FakeSender
from invite_service.services.doubts import AT_ONCE, KEPT_FOR
from tests.support.sending import SendingHouse

FOUND = Receipt(outcome=OutcomeWord.ACCEPTED, reason="found_later", provider="fake", provider_message_id="9")
HASTY = 0.5
"""Seconds after which a provider counts as hanging; others must answer sooner however busy the machine is."""

UNKNOWN = Receipt(outcome=OutcomeWord.UNKNOWN, reason="timeout_after_data", provider="fake")


class AskableSender(FakeSender):
    """Leaves every message in doubt, and can be asked later; it knows of them after as many questions as it is told."""

    def __init__(self, *, knows_after: int = 0) -> None:
        super().__init__([UNKNOWN] * 100)
        self.knows_after = knows_after
        self.asked: list[tuple[str, str, datetime, str]] = []

    async def look_up(
        self, message_id: str, *, to_address: str, attempted_at: datetime, content_hash: str
    ) -> Receipt | None:
        self.asked.append((message_id, to_address, attempted_at, content_hash))
        return FOUND if len(self.asked) > self.knows_after else None


async def test_message_that_its_provider_has_was_sent(house: SendingHouse) -> None:
    invitation, sender = await house.invite(), AskableSender()
    await house.send(sender)
    assert (await house.invitation(invitation.id)).status is InvitationStatus.IN_DOUBT
    began_at, service = house.clock.now, house.doubts(sender)

    assert await service.find_due() == [house.merchant.id]
    assert await service.look_up(house.merchant.id) == 0
    house.clock.now += timedelta(minutes=1)
    assert await service.look_up(house.merchant.id) == 1
    [message] = sender.messages
    assert sender.asked == [(message.message_id, "kari@example.com", began_at, message.content_hash())]

    settled = await house.invitation(invitation.id)
    assert (settled.status, settled.next_step, settled.first_sent_at) == (
        InvitationStatus.SCHEDULED,
        invitation.steps[1],
        began_at,
    )
    [[event, reason]] = await house.rows("SELECT event, reason FROM timeline_entries WHERE actor = 'provider'")
    assert (event, reason) == (TimelineEvent.MESSAGE_SETTLED, "found_later")
    assert await service.find_due() == []
    assert house.bell.rung[-1] == house.merchant.id


async def test_provider_is_asked_less_and_less_often_and_not_for_ever(house: SendingHouse) -> None:
    await house.invite()
    sender = AskableSender(knows_after=1000)
    await house.send(sender)
    began_at, service = house.clock.now, house.doubts(sender)
    asked_after = []
    while house.clock.now < began_at + KEPT_FOR + timedelta(days=1):
        before = len(sender.asked)
        await service.look_up(house.merchant.id)
        if len(sender.asked) > before:
            asked_after.append((house.clock.now - began_at) // timedelta(minutes=1))
        house.clock.now += timedelta(minutes=1) if len(asked_after) < 3 else timedelta(minutes=30)
    assert asked_after[:3] == [1, 6, 21]
    assert 12 <= len(asked_after) <= 16
    assert asked_after[-1] <= KEPT_FOR // timedelta(minutes=1)


async def test_sender_that_cannot_be_asked_leaves_the_doubt(house: SendingHouse) -> None:
    invitation, sender = await house.invite(), FakeSender([UNKNOWN])
    await house.send(sender)
    house.clock.now += timedelta(hours=1)
    assert await house.doubts(sender).look_up(house.merchant.id) == 0
    assert (await house.invitation(invitation.id)).status is InvitationStatus.IN_DOUBT


class OtherSender(AskableSender):
    """Another company's."""

    name = "other"


async def test_only_the_provider_that_was_called_is_asked(house: SendingHouse) -> None:
    await house.invite()
    await house.send(FakeSender([UNKNOWN]))
    house.clock.now += timedelta(hours=1)
    other = OtherSender()
    assert await house.doubts(other).look_up(house.merchant.id) == 0
    assert other.asked == []


async def test_merchant_without_a_provider_any_more_keeps_the_doubt(house: SendingHouse) -> None:
    await house.invite()
    await house.send(FakeSender([UNKNOWN]))
    house.clock.now += timedelta(hours=1)
    service = house.doubts(None)
    assert await service.look_up(house.merchant.id) == 0


class SlowSender(AskableSender):
    """Knows of every message; as many questions as it is told hang first, the others take a moment."""

    def __init__(self, *, hanging: int = 0) -> None:
        super().__init__()
        self._hanging = hanging
        self._open = 0
        self.most_open = 0

    async def look_up(self, message_id: str, **about: Any) -> Receipt | None:
        self._open += 1
        self.most_open = max(self.most_open, self._open)
        try:
            found = await super().look_up(message_id, **about)
            await asyncio.sleep(60 if len(self.asked) <= self._hanging else 0.01)
        finally:
            self._open -= 1
        return found


async def leave_in_doubt(house: SendingHouse, sender: FakeSender, count: int) -> None:
    await house.invite_many(count)
    await house.rows("UPDATE invitations SET send_now = true")
    await house.send(sender)
    house.clock.advance(timedelta(minutes=1))


async def test_provider_that_answers_is_asked_about_some_at_once(house: SendingHouse) -> None:
    sender = SlowSender()
    await leave_in_doubt(house, sender, 8)
    assert await house.doubts(sender).look_up(house.merchant.id) == 8
    assert (len(sender.asked), sender.most_open) == (8, AT_ONCE)


async def test_provider_that_hangs_costs_one_question_and_is_left_alone_for_longer_each_time(
    house: SendingHouse,
) -> None:
    sender = SlowSender(hanging=2)
    await leave_in_doubt(house, sender, 6)
    service, asked = house.doubts(sender, look_seconds=HASTY), []
    for wait in (29, 1, 59, 1):
        settled = await service.look_up(house.merchant.id)
        asked.append((settled, len(sender.asked)))
        house.clock.advance(timedelta(seconds=wait))
    assert asked == [(0, 1), (0, 1), (0, 2), (0, 2)]
    assert await service.look_up(house.merchant.id) == 4
    house.clock.advance(timedelta(hours=1))
    assert await service.look_up(house.merchant.id) == 2


async def test_channel_whose_provider_hangs_keeps_nothing_of_the_other_back(house: SendingHouse) -> None:
    email, sms = SlowSender(hanging=1), SlowSender()
    await house.invite_many(2)
    await house.rows("UPDATE invitations SET send_now = true")
    await house.rows("UPDATE invitations SET channel = 'sms' WHERE id IN (SELECT id FROM invitations LIMIT 1)")
    await house.send(email, sms=sms)
    house.clock.advance(timedelta(minutes=1))
    assert await house.doubts(email, sms=sms, look_seconds=HASTY).look_up(house.merchant.id) == 1
    assert (len(email.asked), len(sms.asked)) == (1, 1)


async def test_provider_whose_circuit_is_open_is_not_asked(house: SendingHouse) -> None:
    sender = AskableSender()
    await leave_in_doubt(house, sender, 5)
    house.clock.now -= timedelta(seconds=45)
    assert await house.rows("SELECT 1 FROM provider_circuits") != []
    await house.rows("UPDATE attempts SET started_at = started_at - interval '1 minute'")
    service = house.doubts(sender)
    assert await service.look_up(house.merchant.id) == 0
    assert sender.asked == []
    house.clock.advance(timedelta(seconds=15))
    assert await service.look_up(house.merchant.id) == 5
