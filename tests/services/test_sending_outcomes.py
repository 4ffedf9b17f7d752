"""Every row of RULES.md sections 7 and 8 that a provider's answer decides, over a real database."""

from datetime import timedelta

import pytest

from invite_service.domain.invitation import Channel, Invitation, InvitationStatus, InvitedProduct
from invite_service.domain.message import Message
from invite_service.domain.receipt import OutcomeWord, Receipt
from invite_service.domain.timeline import TimelineEvent
from invite_service.providers.doubles import FakeSender, RecordingSender
from invite_service.services.send_report import SendReport
from tests.support.builders import make_order_event
from tests.support.sending import OpenTurn, SendingHouse


def make_receipt(
    outcome: OutcomeWord,
    *,
    reason: str = "made_up",
    retry_after: timedelta | None = None,
    suppress_address: bool = False,
) -> Receipt:
    return Receipt(
        outcome=outcome,
        reason=reason,
        provider="fake",
        raw_answer="550 no",
        retry_after=retry_after,
        suppress_address=suppress_address,
    )


async def _last_entry(house: SendingHouse, invitation: Invitation) -> tuple[TimelineEvent, str | None]:
    entry = (await house.told(invitation.id))[-1]
    return entry.event, entry.reason


async def test_rejected_message_fails(house: SendingHouse) -> None:
    invitation = await house.invite()
    sender = FakeSender([make_receipt(OutcomeWord.REJECTED, reason="mailbox_full_for_ever")])

    assert await house.send(sender) == SendReport(failed=1)
    after = await house.invitation(invitation.id)
    assert (after.status, after.ended_reason, after.next_attempt_at) == (
        InvitationStatus.FAILED,
        "mailbox_full_for_ever",
        None,
    )
    assert after.products == invitation.products
    [attempt] = await house.attempts()
    assert (attempt["outcome"], attempt["reason"], attempt["raw_answer"]) == (
        "rejected",
        "mailbox_full_for_ever",
        "550 no",
    )
    assert await _last_entry(house, invitation) == (TimelineEvent.MESSAGE_REJECTED, "mailbox_full_for_ever")
    assert not await house.rows("SELECT * FROM suppressions")


async def test_rejected_second_step_leaves_the_invitation_sent(house: SendingHouse) -> None:
    invitation = await house.invite()
    await house.send(RecordingSender())
    house.clock.now = (await house.invitation(invitation.id)).send_at

    report = await house.send(FakeSender([make_receipt(OutcomeWord.REJECTED, reason="address_unknown")]))

    assert report == SendReport(failed=1)
    after = await house.invitation(invitation.id)
    assert (after.status, after.ended_reason, after.message_count) == (InvitationStatus.SENT, "address_unknown", 1)


async def test_dead_address_is_suppressed(house: SendingHouse) -> None:
    await house.invite()
    await house.send(FakeSender([make_receipt(OutcomeWord.REJECTED, suppress_address=True)]))

    [suppression] = await house.rows("SELECT * FROM suppressions")
    assert (suppression["reason"], suppression["source"], suppression["created_at"]) == (
        "hard_bounce",
        "provider_answer",
        house.clock.now,
    )


async def test_dead_number_is_suppressed_for_sms(house: SendingHouse) -> None:
    await house.invite(email=None, phone="+4790000001")
    await house.send(sms=FakeSender([make_receipt(OutcomeWord.REJECTED, suppress_address=True)]))

    [suppression] = await house.rows("SELECT * FROM suppressions")
    assert suppression["reason"] == "sms_undeliverable"


async def test_unsent_message_is_tried_after_1_5_15_60_minutes_then_hourly_and_fails_after_12(
    house: SendingHouse,
) -> None:
    invitation = await house.invite()
    await house.rows("UPDATE invitations SET send_now = true WHERE merchant_id = $1", house.merchant.id)
    waits = []
    sender = FakeSender([make_receipt(OutcomeWord.NOT_SENT, reason="connection_refused")] * 12)
    for tries in range(1, 12):
        assert await house.send(sender) == SendReport(not_sent=1)
        after = await house.invitation(invitation.id)
        assert (after.status, after.tries, after.send_at) == (InvitationStatus.SCHEDULED, tries, invitation.send_at)
        assert after.next_attempt_at is not None
        waits.append((after.next_attempt_at - house.clock.now) / timedelta(minutes=1))
        house.clock.now = after.next_attempt_at

    assert waits == [1, 5, 15, 60, 60, 60, 60, 60, 60, 60, 60]
    assert await house.send(sender) == SendReport(failed=1)
    after = await house.invitation(invitation.id)
    assert (after.status, after.ended_reason) == (InvitationStatus.FAILED, "provider_unavailable")
    assert len(await house.attempts()) == 12
    entry = (await house.told(invitation.id))[-1]
    assert (entry.event, entry.reason, entry.data["status"]) == (
        TimelineEvent.MESSAGE_NOT_SENT,
        "connection_refused",
        "failed",
    )


async def test_retry_that_would_leave_the_window_waits_for_the_next_one(house: SendingHouse) -> None:
    invitation = await house.invite()
    house.clock.now = house.clock.now.replace(hour=10, minute=59, second=30)

    assert await house.send(FakeSender([make_receipt(OutcomeWord.NOT_SENT)])) == SendReport(not_sent=1)
    after = await house.invitation(invitation.id)
    assert after.next_attempt_at == house.clock.now.replace(hour=9, minute=0, second=0) + timedelta(days=1)


async def test_rate_limit_waits_as_told_and_counts_no_try(house: SendingHouse) -> None:
    invitation = await house.invite()
    sender = FakeSender([make_receipt(OutcomeWord.RATE_LIMITED, retry_after=timedelta(seconds=30))])

    assert await house.send(sender) == SendReport(postponed=1)
    after = await house.invitation(invitation.id)
    assert (after.status, after.tries, after.next_attempt_at) == (
        InvitationStatus.SCHEDULED,
        0,
        house.clock.now + timedelta(seconds=30),
    )
    assert await _last_entry(house, invitation) == (TimelineEvent.MESSAGE_NOT_SENT, "made_up")


async def test_rate_limit_postpones_the_rest_of_the_batch_without_calls(house: SendingHouse) -> None:
    await house.invite_many(20)
    slow = FakeSender([make_receipt(OutcomeWord.RATE_LIMITED, retry_after=timedelta(minutes=2))] * 4, max_in_flight=4)
    sending = house.sending(slow)

    report = await sending.send_due(house.merchant.id, turn=OpenTurn())

    assert report == SendReport(postponed=20)
    assert len(slow.messages) == 4
    waiting = await house.rows("SELECT next_attempt_at, tries FROM invitations")
    assert {(row["next_attempt_at"], row["tries"]) for row in waiting} == {(house.clock.now + timedelta(minutes=2), 0)}
    house.clock.advance(timedelta(minutes=2))
    assert await sending.send_due(house.merchant.id, turn=OpenTurn()) == SendReport(sent=20)


async def test_resting_provider_is_not_called_for_the_next_batch_either(house: SendingHouse) -> None:
    await house.invite_many(6)
    sender = FakeSender([make_receipt(OutcomeWord.RATE_LIMITED, retry_after=timedelta(minutes=2))], max_in_flight=1)
    sending = house.sending(sender, batch_size=3)

    assert await sending.send_due(house.merchant.id, turn=OpenTurn()) == SendReport(postponed=3)
    assert await sending.send_due(house.merchant.id, turn=OpenTurn()) == SendReport()
    assert len(sender.messages) == 1


async def test_misconfigured_pauses_the_channel_and_gives_the_rest_back(house: SendingHouse) -> None:
    invitations = await house.invite_many(10)
    sender = FakeSender([make_receipt(OutcomeWord.MISCONFIGURED, reason="bad_password")], max_in_flight=1)

    assert await house.send(sender) == SendReport(postponed=1)
    assert len(sender.messages) == 1
    stored = await house.invitations([invitation.id for invitation in invitations])
    assert {(invitation.status, invitation.tries) for invitation in stored} == {(InvitationStatus.SCHEDULED, 0)}
    untouched = [invitation for invitation in stored if invitation.id != sender.messages[0].invitation_id]
    assert sorted(untouched, key=lambda i: i.id) == sorted(
        (i for i in invitations if i.id != sender.messages[0].invitation_id), key=lambda i: i.id
    )
    [channel] = await house.rows("SELECT * FROM channels")
    assert (channel["channel"], channel["paused_at"], channel["paused_reason"]) == (
        "email",
        house.clock.now,
        "bad_password",
    )
    [paused] = await house.rows("SELECT * FROM timeline_entries WHERE event = 'channel_paused'")
    assert (paused["reason"], paused["data"], paused["actor"]) == ("bad_password", {"channel": "email"}, "worker")
    assert await house.send(sender) == SendReport(postponed=9)
    assert len(sender.messages) == 1


async def test_resumed_channel_sends_what_waited_for_it(house: SendingHouse) -> None:
    [invitation] = await house.invite_many(1)
    await house.send(FakeSender([make_receipt(OutcomeWord.MISCONFIGURED)]))
    channels = house.channels()
    house.bell.rung.clear()

    assert await channels.resume(house.merchant, Channel.EMAIL, actor="operator") is True
    assert await channels.resume(house.merchant, Channel.EMAIL, actor="operator") is False
    assert house.bell.rung == [house.merchant.id]
    assert (await house.invitation(invitation.id)).next_attempt_at == house.clock.now
    assert await house.send(RecordingSender()) == SendReport(sent=1)


async def test_channel_without_a_provider_is_paused(house: SendingHouse) -> None:
    sms = await house.invite(order_id="1", email=None, phone="+4790000001")
    email = await house.invite(order_id="2", email="ola@example.com")
    house.clock.now = max(sms.send_at, email.send_at)

    assert await house.send(RecordingSender()) == SendReport(sent=1, postponed=1)
    [channel] = await house.rows("SELECT * FROM channels")
    assert (channel["channel"], channel["paused_reason"]) == ("sms", "no_provider")
    assert await _last_entry(house, sms) == (TimelineEvent.MESSAGE_POSTPONED, "paused")
    assert not [attempt for attempt in await house.attempts() if attempt["channel"] == "sms"]


async def test_unknown_outcome_is_in_doubt_and_counts_as_asked(house: SendingHouse) -> None:
    invitation = await house.invite()
    asked_at = house.clock.now
    sender = FakeSender([make_receipt(OutcomeWord.UNKNOWN, reason="connection_lost")])

    assert await house.send(sender) == SendReport(in_doubt=1)
    after = await house.invitation(invitation.id)
    assert (after.status, after.next_attempt_at, after.message_count, after.last_message_at) == (
        InvitationStatus.IN_DOUBT,
        None,
        0,
        asked_at,
    )
    assert after.products == (InvitedProduct("mug", ("1001",), asked=True),)
    assert await _last_entry(house, invitation) == (TimelineEvent.MESSAGE_IN_DOUBT, "connection_lost")
    house.clock.advance(timedelta(days=2))
    assert await house.send(RecordingSender()) == SendReport()


async def test_unknown_outcome_is_asked_again_with_the_same_bytes_where_keys_are_honoured(house: SendingHouse) -> None:
    await house.invite()
    unknown = make_receipt(OutcomeWord.UNKNOWN)
    sender = FakeSender([unknown, unknown], key_lifetime=timedelta(hours=24))

    assert await house.send(sender) == SendReport(sent=1)
    assert len(sender.messages) == 3
    assert len({(message.raw, message.idempotency_key, message.attempt_id) for message in sender.messages}) == 1
    assert [attempt["outcome"] for attempt in await house.attempts()] == ["accepted"]


async def test_unknown_outcome_that_stays_is_in_doubt_also_where_keys_are_honoured(house: SendingHouse) -> None:
    await house.invite()
    sender = FakeSender([make_receipt(OutcomeWord.UNKNOWN)] * 3, key_lifetime=timedelta(hours=24))

    assert await house.send(sender) == SendReport(in_doubt=1)
    assert len(sender.messages) == 3


@pytest.mark.parametrize("further", [OutcomeWord.NOT_SENT, OutcomeWord.RATE_LIMITED, OutcomeWord.MISCONFIGURED])
async def test_answer_that_looked_at_no_key_says_nothing_of_the_call_before(
    house: SendingHouse, further: OutcomeWord
) -> None:
    invitation = await house.invite()
    sender = FakeSender(
        [make_receipt(OutcomeWord.UNKNOWN), make_receipt(further), make_receipt(further)],
        key_lifetime=timedelta(hours=24),
    )

    assert await house.send(sender) == SendReport(in_doubt=1)
    assert len(sender.messages) == 3
    assert (await house.invitation(invitation.id)).status is InvitationStatus.IN_DOUBT


async def test_refusal_under_the_same_key_is_that_of_the_call_before(house: SendingHouse) -> None:
    await house.invite()
    sender = FakeSender(
        [make_receipt(OutcomeWord.UNKNOWN), make_receipt(OutcomeWord.REJECTED)], key_lifetime=timedelta(hours=24)
    )

    assert await house.send(sender) == SendReport(failed=1)
    assert len(sender.messages) == 2


class _RaisingSender(RecordingSender):
    async def send(self, message: Message) -> Receipt:
        await super().send(message)
        raise RuntimeError("no sender does this")


async def test_sender_that_raises_leaves_the_message_in_doubt(house: SendingHouse) -> None:
    invitation = await house.invite()

    assert await house.send(_RaisingSender()) == SendReport(in_doubt=1)
    assert await _last_entry(house, invitation) == (TimelineEvent.MESSAGE_IN_DOUBT, "sender_raised")


async def test_message_that_cannot_be_written_stops_no_other_and_is_tried_again(house: SendingHouse) -> None:
    invitations = await house.invite_many(3)
    broken = invitations[1]
    await house.rows(
        "UPDATE invitations SET contact = E'a\\nb@example.com' WHERE merchant_id = $1 AND id = $2",
        house.merchant.id,
        broken.id,
    )
    await house.rows(
        "UPDATE orders SET email = E'a\\nb@example.com' WHERE merchant_id = $1 AND order_id = $2",
        house.merchant.id,
        broken.order_ids[0],
    )

    assert await house.send(RecordingSender()) == SendReport(sent=2, not_sent=1)
    after = await house.invitation(broken.id)
    assert (after.status, after.tries) == (InvitationStatus.SCHEDULED, 1)
    entry = (await house.told(broken.id))[-1]
    assert (entry.event, entry.reason, entry.data["error"]) == (
        TimelineEvent.MESSAGE_NOT_SENT,
        "not_written",
        "ValueError",
    )
    assert len(await house.attempts()) == 2


@pytest.mark.parametrize("max_in_flight", [1, 3, 8])
async def test_no_more_attempts_are_open_than_calls_in_flight(house: SendingHouse, max_in_flight: int) -> None:
    await house.invite_many(25)
    sender = _CountingSender(house, max_in_flight)

    assert await house.send(sender) == SendReport(sent=25)
    assert max(sender.open_counts) <= max_in_flight
    assert len({message.invitation_id for message in sender.messages}) == 25


class _CountingSender(FakeSender):
    """Looks at each call how many attempts are open."""

    def __init__(self, house: SendingHouse, max_in_flight: int) -> None:
        super().__init__(max_in_flight=max_in_flight)
        self._house = house
        self.open_counts: list[int] = []

    async def send(self, message: Message) -> Receipt:
        [row] = await self._house.rows("SELECT count(*) AS count FROM attempts WHERE ended_at IS NULL")
        self.open_counts.append(row["count"])
        return await super().send(message)


async def test_calls_are_observed_by_outcome_and_channel(house: SendingHouse) -> None:
    await house.post(make_order_event(order_id="2", email=None, phone="+4790000001"))
    invitation = await house.invite()
    house.clock.now = house.clock.now.replace(hour=10, minute=59)
    await house.send(FakeSender([make_receipt(OutcomeWord.NOT_SENT)]), sms=RecordingSender())

    assert sorted(house.answers.outcomes) == ["email:not_sent", "sms:accepted"]
    assert (await house.invitation(invitation.id)).tries == 1


async def test_message_that_cannot_be_judged_stops_no_other_and_is_tried_again(house: SendingHouse) -> None:
    # An older invitation of the same customer about the same product, so that the purchases of it are compared.
    two_days_ago = house.clock.now - timedelta(days=2)
    await house.post(
        make_order_event(order_id="B", email="a0@example.com", products=("tent",), purchased_at=two_days_ago)
    )
    broken, *_ = await house.invite_many(3)
    await house.rows(
        "UPDATE invitation_products SET product_id = 'tent', brought_by = '{nowhere}'"
        " WHERE merchant_id = $1 AND invitation_id = $2",
        house.merchant.id,
        broken.id,
    )

    assert await house.send(RecordingSender()) == SendReport(sent=3, not_sent=1)
    entry = (await house.told(broken.id))[-1]
    assert (entry.event, entry.reason, entry.data["error"]) == (
        TimelineEvent.MESSAGE_NOT_SENT,
        "not_judged",
        "KeyError",
    )
