"""Asking providers about messages in doubt."""

from datetime import datetime, timedelta

from invite_service.domain.invitation import InvitationStatus
from invite_service.domain.receipt import OutcomeWord, Receipt
from invite_service.domain.timeline import TimelineEvent
from invite_service.providers.doubles import FakeSender
from invite_service.services.doubts import KEPT_FOR
from tests.support.sending import SendingHouse

FOUND = Receipt(outcome=OutcomeWord.ACCEPTED, reason="found_later", provider="fake", provider_message_id="9")
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
