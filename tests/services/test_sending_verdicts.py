"""Every row of RULES.md section 7: what is asked again right before a message, over a real database."""

from datetime import UTC, datetime, timedelta

import pytest

from invite_service.domain.feedback import PublishState, Rating
from invite_service.domain.invitation import Channel, Invitation, InvitationStatus, InvitedProduct, Kind, Step
from invite_service.domain.suppression import SuppressionReason, SuppressionSource
from invite_service.domain.timeline import TimelineEvent
from invite_service.providers.doubles import RecordingSender
from invite_service.services.send_report import SendReport
from invite_service.storage.rating_changes import RatingChange
from tests.support.builders import make_order_event, make_policy, new_id
from tests.support.sending import SendingHouse


async def _give_to(house: SendingHouse, invitation: Invitation, contact: str) -> None:
    """Let an invitation and its order belong to another customer, as if ingest had not known that."""
    async with house.database.transaction() as stores:
        key = stores.contacts._keys.key(contact)
    order_id = invitation.order_ids[0]
    await house.rows(
        "UPDATE orders SET email = $3, email_key = $4 WHERE merchant_id = $1 AND order_id = $2",
        house.merchant.id,
        order_id,
        contact,
        key,
    )
    await house.rows(
        "UPDATE invitations SET contact = $3, contact_key = $4 WHERE merchant_id = $1 AND id = $2",
        house.merchant.id,
        invitation.id,
        contact,
        key,
    )


async def test_due_message_is_sent_and_its_second_step_planned(house: SendingHouse) -> None:
    invitation = await house.invite()
    sender = RecordingSender()
    sent_at = house.clock.now

    report = await house.send(sender)

    assert report == SendReport(sent=1)
    [message] = sender.messages
    assert (message.invitation_id, message.step, message.to_address) == (
        invitation.id,
        Step.PRODUCT_1,
        "kari@example.com",
    )
    after = await house.invitation(invitation.id)
    assert (after.status, after.next_step, after.message_count) == (InvitationStatus.SCHEDULED, Step.PRODUCT_2, 1)
    assert after.first_sent_at == after.last_sent_at == after.last_message_at == sent_at
    assert after.send_at == after.next_attempt_at
    assert after.send_at.date() == (sent_at + timedelta(days=5)).date()
    assert after.products == (InvitedProduct("mug", ("1001",), asked=True),)
    [attempt] = await house.attempts()
    assert (attempt["outcome"], attempt["asked_at"], attempt["ended_at"], attempt["message_id"]) == (
        "accepted",
        sent_at,
        sent_at,
        message.message_id,
    )
    assert attempt["content_hash"].hex() == message.content_hash()
    assert attempt["price"] is None
    [entry] = await house.told(invitation.id)
    assert (entry.event, entry.at, entry.reason) == (TimelineEvent.MESSAGE_SENT, sent_at, None)
    assert entry.data == {
        "step": "product_1",
        "channel": "email",
        "provider": "recording",
        "attempt_id": str(message.attempt_id),
        "status": "scheduled",
        "next_attempt_at": after.send_at.isoformat(),
    }


async def test_message_that_is_not_due_yet_stays(house: SendingHouse) -> None:
    invitation = await house.invite()
    house.clock.advance(timedelta(seconds=-1))
    sender = RecordingSender()

    assert await house.send(sender) == SendReport()
    assert not sender.messages
    assert await house.invitation(invitation.id) == invitation


async def test_second_step_ends_the_invitation_as_sent(house: SendingHouse) -> None:
    invitation = await house.invite()
    sender = RecordingSender()
    await house.send(sender)
    house.clock.now = (await house.invitation(invitation.id)).send_at

    assert await house.send(sender) == SendReport(sent=1)
    assert [message.step for message in sender.messages] == [Step.PRODUCT_1, Step.PRODUCT_2]
    after = await house.invitation(invitation.id)
    assert (after.status, after.next_step, after.next_attempt_at, after.message_count) == (
        InvitationStatus.SENT,
        None,
        None,
        2,
    )
    assert after.ended_reason is None


async def test_sms_is_sent_once_with_its_price(house: SendingHouse) -> None:
    [ingested] = await house.post(make_order_event(email=None, phone="+4790000001"))
    assert ingested.invitation is not None
    house.clock.now = ingested.invitation.send_at
    sender = RecordingSender()

    assert await house.send(sms=sender) == SendReport(sent=1)
    after = await house.invitation(ingested.invitation.id)
    assert (after.status, after.steps, after.channel) == (InvitationStatus.SENT, (Step.PRODUCT_1,), Channel.SMS)
    [attempt] = await house.attempts()
    assert (str(attempt["price"]), attempt["currency"]) == ("0.40", "NOK")


async def _assert_skipped(house: SendingHouse, invitation: Invitation, reason: str) -> None:
    sender = RecordingSender()
    assert await house.send(sender) == SendReport(skipped=1)
    assert not sender.messages
    after = await house.invitation(invitation.id)
    assert (after.status, after.ended_reason, after.next_attempt_at) == (InvitationStatus.CANCELLED, reason, None)
    [entry] = await house.told(invitation.id)
    assert (entry.event, entry.reason, entry.data) == (TimelineEvent.MESSAGE_SKIPPED, reason, {"step": "product_1"})
    assert not await house.attempts()


async def test_cancelled_order_is_skipped(house: SendingHouse) -> None:
    invitation = await house.invite()
    await house.rows("UPDATE orders SET outcome = 'cancelled' WHERE merchant_id = $1", house.merchant.id)
    await _assert_skipped(house, invitation, "order_cancelled")


async def test_feedback_left_is_skipped(house: SendingHouse) -> None:
    invitation = await house.invite()
    await _rate(house, invitation)
    await _assert_skipped(house, invitation, "feedback_left")


async def _rate(house: SendingHouse, invitation: Invitation) -> None:
    rating = Rating(
        id=new_id(),
        invitation_id=invitation.id,
        product_id="mug",
        stars=5,
        state=PublishState.PUBLISHED,
        review_text=None,
        review_state=None,
        created_at=house.clock.now,
        updated_at=house.clock.now,
    )
    async with house.database.transaction() as stores:
        await stores.ratings.save(
            house.merchant.id, [RatingChange(rating=rating, stored=None)], zone=house.merchant.time_zone
        )


@pytest.mark.parametrize("reason", [SuppressionReason.UNSUBSCRIBED, SuppressionReason.HARD_BOUNCE])
async def test_suppressed_address_is_skipped(house: SendingHouse, reason: SuppressionReason) -> None:
    invitation = await house.invite()
    async with house.database.transaction() as stores:
        await stores.suppressions.add(
            house.merchant.id, ["kari@example.com"], reason, source=SuppressionSource.UNSUBSCRIBE, at=house.clock.now
        )
    await _assert_skipped(house, invitation, "suppressed")


async def test_wide_suppression_of_the_other_contact_is_skipped(house: SendingHouse) -> None:
    invitation = await house.invite(phone="+4790000001")
    async with house.database.transaction() as stores:
        await stores.suppressions.add(
            house.merchant.id,
            ["+4790000001"],
            SuppressionReason.COMPLAINED,
            source=SuppressionSource.UNSUBSCRIBE,
            at=house.clock.now,
        )
    await _assert_skipped(house, invitation, "suppressed")


async def test_dead_other_address_changes_nothing(house: SendingHouse) -> None:
    await house.invite(phone="+4790000001")
    async with house.database.transaction() as stores:
        await stores.suppressions.add(
            house.merchant.id,
            ["+4790000001"],
            SuppressionReason.SMS_UNDELIVERABLE,
            source=SuppressionSource.PROVIDER_ANSWER,
            at=house.clock.now,
        )
    assert await house.send(RecordingSender()) == SendReport(sent=1)


async def test_two_that_would_drop_each_other_leave_the_older(house: SendingHouse) -> None:
    older = await house.invite(order_id="1", email="kari@example.com")
    house.clock.now = older.created_at + timedelta(minutes=1)
    younger = await house.invite(order_id="2", email="ola@example.com")
    await _give_to(house, younger, "kari@example.com")
    house.clock.now = max(older.send_at, younger.send_at)
    sender = RecordingSender()

    assert await house.send(sender) == SendReport(sent=1, skipped=1)
    assert [message.invitation_id for message in sender.messages] == [older.id]
    after = await house.invitation(younger.id)
    assert (after.status, after.ended_reason) == (InvitationStatus.CANCELLED, "asked_elsewhere")


async def test_younger_is_sent_where_the_older_of_the_same_claim_is_skipped(house: SendingHouse) -> None:
    older = await house.invite(order_id="1", email="kari@example.com")
    house.clock.now = older.created_at + timedelta(minutes=1)
    younger = await house.invite(order_id="2", email="ola@example.com")
    await _give_to(house, younger, "kari@example.com")
    await _rate(house, older)
    house.clock.now = max(older.send_at, younger.send_at)
    sender = RecordingSender()

    assert await house.send(sender) == SendReport(sent=1, skipped=1)
    assert [message.invitation_id for message in sender.messages] == [younger.id]


async def test_products_that_another_invitation_asks_are_dropped(house: SendingHouse) -> None:
    older = await house.invite(order_id="1", email="kari@example.com", products=["mug"])
    house.clock.now = older.created_at + timedelta(minutes=1)
    younger = await house.invite(order_id="2", email="ola@example.com", products=["bowl", "mug"])
    await _give_to(house, younger, "kari@example.com")
    house.clock.now = max(older.send_at, younger.send_at)

    assert await house.send(RecordingSender()) == SendReport(sent=2)
    after = await house.invitation(younger.id)
    assert after.products == (InvitedProduct("bowl", ("2",), asked=True), InvitedProduct("mug", (), asked=False))
    [entry] = await house.told(younger.id)
    assert entry.data["dropped"] == ["mug"]
    products = {attempt["invitation_id"]: attempt["product_ids"] for attempt in await house.attempts()}
    assert products == {older.id: ["mug"], younger.id: ["bowl"]}


async def test_other_kind_with_messages_to_come_is_skipped(house: SendingHouse) -> None:
    older = await house.invite(order_id="1", email="kari@example.com", products=["mug"])
    house.clock.now = older.created_at + timedelta(minutes=1)
    younger = await house.invite(order_id="2", email="ola@example.com", products=["bowl"])
    await _give_to(house, younger, "kari@example.com")
    await house.rows(
        "UPDATE invitations SET kind = 'service', steps = '{service}', next_step = 'service'"
        " WHERE merchant_id = $1 AND id = $2",
        house.merchant.id,
        younger.id,
    )
    house.clock.now = max(older.send_at, younger.send_at)

    assert await house.send(RecordingSender()) == SendReport(sent=1, skipped=1)
    after = await house.invitation(younger.id)
    assert (after.kind, after.status, after.ended_reason) == (
        Kind.SERVICE,
        InvitationStatus.CANCELLED,
        "asked_elsewhere",
    )


async def test_message_past_its_deadline_is_missed(house: SendingHouse) -> None:
    invitation = await house.invite()
    house.clock.advance(timedelta(days=14, seconds=1))

    assert await house.send(RecordingSender()) == SendReport(missed=1)
    after = await house.invitation(invitation.id)
    assert (after.status, after.ended_reason) == (InvitationStatus.MISSED, "missed")
    [entry] = await house.told(invitation.id)
    assert (entry.event, entry.reason) == (TimelineEvent.MESSAGE_MISSED, None)


async def test_message_exactly_at_its_deadline_is_not_missed(house: SendingHouse) -> None:
    invitation = await house.invite()
    await _mark_send_now(house, invitation)
    house.clock.advance(timedelta(days=14))
    assert await house.send(RecordingSender()) == SendReport(sent=1)


async def test_missed_second_step_leaves_the_invitation_sent(house: SendingHouse) -> None:
    invitation = await house.invite()
    await house.send(RecordingSender())
    house.clock.now = (await house.invitation(invitation.id)).send_at + timedelta(days=15)

    assert await house.send(RecordingSender()) == SendReport(missed=1)
    after = await house.invitation(invitation.id)
    assert (after.status, after.ended_reason, after.message_count) == (InvitationStatus.SENT, "missed", 1)


async def test_closed_window_postpones_to_the_next_days_window(house: SendingHouse) -> None:
    invitation = await house.invite()
    house.clock.now = house.clock.now.replace(hour=20)

    assert await house.send(RecordingSender()) == SendReport(postponed=1)
    after = await house.invitation(invitation.id)
    until = datetime.combine(house.clock.now.date() + timedelta(days=1), datetime.min.time(), UTC) + timedelta(hours=9)
    assert (after.status, after.send_at, after.next_attempt_at) == (
        InvitationStatus.SCHEDULED,
        invitation.send_at,
        until,
    )
    [entry] = await house.told(invitation.id)
    assert (entry.event, entry.reason) == (TimelineEvent.MESSAGE_POSTPONED, "window_closed")
    assert entry.data == {"step": "product_1", "until": until.isoformat()}


async def test_send_now_leaves_outside_the_window(house: SendingHouse) -> None:
    invitation = await house.invite()
    house.clock.now = house.clock.now.replace(hour=20)
    await _mark_send_now(house, invitation)

    assert await house.send(RecordingSender()) == SendReport(sent=1)
    assert not (await house.invitation(invitation.id)).send_now


async def _mark_send_now(house: SendingHouse, invitation: Invitation) -> None:
    await house.rows(
        "UPDATE invitations SET send_now = true WHERE merchant_id = $1 AND id = $2", house.merchant.id, invitation.id
    )


async def test_held_order_postpones(house: SendingHouse) -> None:
    invitation = await house.invite()
    await house.rows("UPDATE orders SET on_hold = true WHERE merchant_id = $1", house.merchant.id)

    assert await house.send(RecordingSender()) == SendReport(postponed=1)
    [entry] = await house.told(invitation.id)
    assert (entry.event, entry.reason) == (TimelineEvent.MESSAGE_POSTPONED, "on_hold")


async def test_paused_merchant_postpones(house: SendingHouse) -> None:
    invitation = await house.invite()
    await house.change_merchant(paused_at=house.clock.now)

    assert await house.send(RecordingSender()) == SendReport(postponed=1)
    [entry] = await house.told(invitation.id)
    assert (entry.event, entry.reason) == (TimelineEvent.MESSAGE_POSTPONED, "paused")


async def test_deadline_goes_by_the_current_policy(house: SendingHouse) -> None:
    await house.invite()
    async with house.database.transaction() as stores:
        await stores.policies.add(
            house.merchant.id,
            make_policy(version=2, send_deadline_days=1),
            created_at=house.clock.now,
            created_by="test",
        )
        await stores.merchants.set_policy_version(house.merchant.id, 2, replacing=1)
    house.clock.advance(timedelta(days=1, seconds=1))

    assert await house.send(RecordingSender()) == SendReport(missed=1)


async def test_window_goes_by_the_version_the_invitation_was_planned_by(house: SendingHouse) -> None:
    await house.invite()
    async with house.database.transaction() as stores:
        policy = make_policy(
            version=2,
            send_window_start=datetime.min.time().replace(hour=22),
            send_window_end=datetime.min.time().replace(hour=23),
        )
        await stores.policies.add(house.merchant.id, policy, created_at=house.clock.now, created_by="test")
        await stores.merchants.set_policy_version(house.merchant.id, 2, replacing=1)

    assert await house.send(RecordingSender()) == SendReport(sent=1)
