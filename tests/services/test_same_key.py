"""Messages in doubt at a provider that honours keys: the same bytes again, minutes later and by another worker."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import pytest

from invite_service.domain.invitation import Invitation, InvitationStatus
from invite_service.domain.message import Message
from invite_service.domain.receipt import OutcomeWord, Receipt
from invite_service.domain.suppression import SuppressionReason, SuppressionSource
from invite_service.domain.timeline import TimelineEvent
from invite_service.providers.doubles import FakeSender
from invite_service.services.same_key import WRITTEN_AHEAD
from tests.support.builders import make_branding, make_order_event, make_policy
from tests.support.sending import SendingHouse

LIFETIME = timedelta(hours=24)
UNKNOWN = Receipt(outcome=OutcomeWord.UNKNOWN, reason="timeout_after_request", provider="fake")
NOT_SENT = Receipt(outcome=OutcomeWord.NOT_SENT, reason="connection_refused", provider="fake")
REJECTED = Receipt(outcome=OutcomeWord.REJECTED, reason="message_refused", provider="fake")


def make_sender(receipts: Iterable[Receipt] = (), *, key_lifetime: timedelta | None = LIFETIME) -> FakeSender:
    return FakeSender(receipts, key_lifetime=key_lifetime)


async def leave_in_doubt(house: SendingHouse, **changes: Any) -> tuple[Invitation, FakeSender]:
    """Let a provider swallow an invitation's message three times, and wait until it is asked about."""
    invitation = await house.invite(**changes)
    sender = make_sender([UNKNOWN] * 3)
    await house.send(sender)
    assert (await house.invitation(invitation.id)).status is InvitationStatus.IN_DOUBT
    house.clock.advance(timedelta(minutes=1))
    return invitation, sender


async def leave_two_in_doubt(house: SendingHouse) -> list[Invitation]:
    """The same of two customers' messages."""
    invitations = await house.invite_many(2)
    await house.rows("UPDATE invitations SET send_now = true")
    await house.send(make_sender([UNKNOWN] * 6))
    house.clock.advance(timedelta(minutes=1))
    return invitations


async def check_left_in_doubt(house: SendingHouse, invitation: Invitation) -> None:
    again = make_sender()
    assert await house.doubts(again).look_up(house.merchant.id) == 0
    assert again.messages == []
    assert (await house.invitation(invitation.id)).status is InvitationStatus.IN_DOUBT


async def unsubscribe(house: SendingHouse, contact: str) -> None:
    async with house.database.transaction() as stores:
        await stores.suppressions.add(
            house.merchant.id,
            [contact],
            SuppressionReason.UNSUBSCRIBED,
            source=SuppressionSource.UNSUBSCRIBE,
            at=house.clock.now,
        )


async def change_repeat_days(house: SendingHouse, days: int) -> None:
    async with house.database.transaction() as stores:
        merchant = await stores.merchants.get(house.merchant.id)
        policy = make_policy(version=merchant.policy_version + 1, product_repeat_days=days)
        await stores.policies.add(merchant.id, policy, created_at=house.clock.now, created_by="test")
        await stores.merchants.set_policy_version(merchant.id, policy.version, replacing=merchant.policy_version)


class UnsubscribingSender(FakeSender):
    """Takes so long that everybody else unsubscribes meanwhile."""

    def __init__(self, house: SendingHouse, contacts: Iterable[str]) -> None:
        super().__init__(key_lifetime=LIFETIME)
        self._house = house
        self._contacts = contacts

    async def send(self, message: Message) -> Receipt:
        """Accept."""
        for contact in self._contacts:
            if contact != message.to_address:
                await unsubscribe(self._house, contact)
        return await super().send(message)


async def test_same_bytes_under_the_same_key_settle_the_doubt(house: SendingHouse) -> None:
    invitation, sender = await leave_in_doubt(house)
    asked_at, again = house.clock.now - timedelta(minutes=1), make_sender()

    assert await house.doubts(again).look_up(house.merchant.id) == 1
    [message] = again.messages
    assert {message.raw, *(first.raw for first in sender.messages)} == {message.raw}
    assert message.idempotency_key == sender.messages[0].idempotency_key
    settled = await house.invitation(invitation.id)
    assert (settled.status, settled.next_step, settled.message_count, settled.first_sent_at) == (
        InvitationStatus.SCHEDULED,
        invitation.steps[1],
        1,
        asked_at,
    )
    [attempt] = await house.attempts()
    assert (attempt["outcome"], attempt["provider_message_id"]) == ("accepted", str(message.attempt_id))
    assert [entry.event for entry in await house.told(invitation.id)] == [
        TimelineEvent.MESSAGE_IN_DOUBT,
        TimelineEvent.MESSAGE_SENT,
    ]
    assert house.bell.rung[-1] == house.merchant.id
    assert await house.doubts(again).look_up(house.merchant.id) == 0


async def test_message_that_a_killed_worker_left_behind_is_sent_by_another(house: SendingHouse) -> None:
    invitation = await house.invite()
    await house.send(make_sender([UNKNOWN] * 3))
    # As a killed worker leaves it: the attempt is open, the lease runs out.
    await house.rows("UPDATE attempts SET ended_at = NULL, outcome = NULL, reason = NULL")
    await house.rows(
        "UPDATE invitations SET status = 'sending', last_message_at = NULL, lease_token = $1, lease_until = $2",
        invitation.id,
        house.clock.now + timedelta(seconds=60),
    )
    house.clock.advance(timedelta(seconds=90))
    await house.leases.sweep()
    again = make_sender()

    assert await house.doubts(again).look_up(house.merchant.id) == 1
    assert (await house.invitation(invitation.id)).message_count == 1
    assert [attempt["outcome"] for attempt in await house.attempts()] == ["accepted"]


async def test_refusal_ends_the_doubt_as_failed(house: SendingHouse) -> None:
    invitation, _ = await leave_in_doubt(house)
    assert await house.doubts(make_sender([REJECTED])).look_up(house.merchant.id) == 1
    refused = await house.invitation(invitation.id)
    assert (refused.status, refused.ended_reason, refused.last_message_at) == (
        InvitationStatus.FAILED,
        "message_refused",
        None,
    )


@pytest.mark.parametrize(("seconds", "settled"), [(WRITTEN_AHEAD, 1), (WRITTEN_AHEAD + 1, 0)])
async def test_message_that_was_written_seconds_before_its_attempt_began_is_the_same(
    house: SendingHouse, seconds: int, settled: int
) -> None:
    await leave_in_doubt(house)
    await house.rows("UPDATE attempts SET started_at = started_at + $1::interval", timedelta(seconds=seconds))
    house.clock.advance(timedelta(seconds=seconds))
    assert await house.doubts(make_sender()).look_up(house.merchant.id) == settled


@pytest.mark.parametrize("receipt", [UNKNOWN, NOT_SENT])
async def test_answer_that_settles_nothing_leaves_the_doubt_for_the_next_look(
    house: SendingHouse, receipt: Receipt
) -> None:
    invitation, _ = await leave_in_doubt(house)
    again = make_sender([receipt])
    doubts = house.doubts(again)
    assert await doubts.look_up(house.merchant.id) == 0
    assert (await house.invitation(invitation.id)).status is InvitationStatus.IN_DOUBT
    assert await doubts.look_up(house.merchant.id) == 0
    assert len(again.messages) == 1
    house.clock.advance(timedelta(minutes=5))
    assert await doubts.look_up(house.merchant.id) == 1


async def test_answer_that_settles_nothing_leaves_the_others_for_the_next_look(house: SendingHouse) -> None:
    await leave_two_in_doubt(house)
    again = make_sender([NOT_SENT])
    doubts = house.doubts(again)
    assert await doubts.look_up(house.merchant.id) == 0
    assert len(again.messages) == 1
    assert await doubts.look_up(house.merchant.id) == 1
    assert again.messages[0].to_address != again.messages[1].to_address


async def test_key_that_may_have_ended_is_not_used(house: SendingHouse) -> None:
    invitation, _ = await leave_in_doubt(house)
    house.clock.advance(LIFETIME - timedelta(minutes=3))
    await check_left_in_doubt(house, invitation)


async def test_message_that_would_not_be_the_same_stays_in_doubt(house: SendingHouse) -> None:
    invitation, _ = await leave_in_doubt(house)
    async with house.database.transaction() as stores:
        await stores.branding.replace(
            house.merchant.id, make_branding(sender_name="Another Name"), replacing=0, at=house.clock.now
        )
    await check_left_in_doubt(house, invitation)


async def test_product_that_is_asked_elsewhere_meanwhile_is_not_asked_about(house: SendingHouse) -> None:
    await house.invite(order_id="earlier")
    await house.send(make_sender())
    await house.rows("UPDATE invitations SET status = 'sent', next_step = NULL, next_attempt_at = NULL")
    await change_repeat_days(house, 0)
    invitation, _ = await leave_in_doubt(house, products=("mug", "bowl"), purchased_at=house.clock.now)
    await change_repeat_days(house, 90)
    await check_left_in_doubt(house, invitation)


@pytest.mark.parametrize(
    "pause",
    [
        "UPDATE merchants SET paused_at = $2 WHERE id = $1",
        "INSERT INTO channels (merchant_id, channel, paused_at, paused_reason) VALUES ($1, 'email', $2, 'key_invalid')",
    ],
)
async def test_pause_keeps_the_message_back(house: SendingHouse, pause: str) -> None:
    invitation, _ = await leave_in_doubt(house)
    await house.rows(pause, house.merchant.id, house.clock.now)
    await check_left_in_doubt(house, invitation)


async def test_customer_who_unsubscribed_meanwhile_is_not_written_to(house: SendingHouse) -> None:
    invitation, _ = await leave_in_doubt(house)
    await unsubscribe(house, invitation.contact)
    await check_left_in_doubt(house, invitation)


async def test_customer_who_unsubscribes_while_another_is_written_to_is_not(house: SendingHouse) -> None:
    invitations = await leave_two_in_doubt(house)
    again = UnsubscribingSender(house, {invitation.contact for invitation in invitations})
    assert await house.doubts(again).look_up(house.merchant.id) == 1
    assert len(again.messages) == 1


async def test_order_cancelled_meanwhile_is_not_asked_about(house: SendingHouse) -> None:
    invitation, _ = await leave_in_doubt(house)
    await house.post(make_order_event(status="cancelled", updated_at=house.clock.now))
    await check_left_in_doubt(house, invitation)


async def test_attempt_of_another_provider_is_left_alone(house: SendingHouse) -> None:
    invitation, _ = await leave_in_doubt(house)
    await house.rows("UPDATE attempts SET provider = 'other'")
    await check_left_in_doubt(house, invitation)


async def test_calls_that_fail_open_the_circuit_and_an_answer_closes_it(house: SendingHouse) -> None:
    await leave_two_in_doubt(house)
    again = make_sender([NOT_SENT] * 5)
    doubts = house.doubts(again)
    for wait in (0, 0, 5, 0, 15):
        house.clock.advance(timedelta(minutes=wait))
        assert await doubts.look_up(house.merchant.id) == 0
    assert len(again.messages) == 5
    [circuit] = await house.rows("SELECT provider, openings, open_until FROM provider_circuits")
    assert tuple(circuit) == ("fake", 1, house.clock.now + timedelta(seconds=30))

    house.clock.advance(timedelta(seconds=29))
    assert await doubts.look_up(house.merchant.id) == 0
    assert len(again.messages) == 5
    house.clock.advance(timedelta(hours=1))
    assert await doubts.look_up(house.merchant.id) == 2
    assert await house.rows("SELECT 1 FROM provider_circuits") == []


async def test_message_in_doubt_at_the_windows_end_is_sent_when_the_next_one_opens_while_its_key_lasts(
    house: SendingHouse,
) -> None:
    invitation = await house.invite()
    ends_at = invitation.send_at.replace(hour=11, minute=0, second=0, microsecond=0)
    house.clock.now = ends_at - timedelta(seconds=10)
    await house.send(make_sender([UNKNOWN] * 3))
    again = make_sender()
    doubts, settled = house.doubts(again), [0]
    while house.clock.now < ends_at + timedelta(hours=24) and not any(settled):
        house.clock.advance(timedelta(minutes=4))
        settled.append(await doubts.look_up(house.merchant.id))
    opens_at = ends_at + timedelta(hours=22)
    assert opens_at <= house.clock.now < opens_at + timedelta(minutes=10)
    assert [message.message_id for message in again.messages] == [(await house.attempts())[0]["message_id"]]


async def test_repeats_wait_for_the_limits_that_all_messages_keep_to(house: SendingHouse) -> None:
    await leave_two_in_doubt(house)
    await house.rows(
        "INSERT INTO channel_settings (merchant_id, channel, version, max_per_hour) VALUES ($1, 'email', 1, 60)",
        house.merchant.id,
    )
    again, settled = make_sender(), []
    doubts = house.doubts(again)
    for seconds in (0, 59, 2):
        house.clock.advance(timedelta(seconds=seconds))
        settled.append(await doubts.look_up(house.merchant.id))
    assert settled == [1, 0, 1]
