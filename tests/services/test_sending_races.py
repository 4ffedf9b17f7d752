"""What others do to an invitation while it is being sent, and what happens when recording fails."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from uuid import UUID

import pytest

from invite_service.domain.errors import ActionRefusedError
from invite_service.domain.invitation import Invitation, InvitationStatus, InvitedProduct
from invite_service.domain.merchant import MerchantId
from invite_service.domain.message import Message
from invite_service.domain.receipt import OutcomeWord, Receipt
from invite_service.domain.timeline import TimelineEvent
from invite_service.providers.doubles import FakeSender, RecordingSender
from invite_service.rules.states import record_feedback
from invite_service.services.claim import LEASE_SECONDS
from invite_service.services.hand_over import Patience
from invite_service.services.invitations import InvitationService
from invite_service.services.send_report import SendReport
from invite_service.storage.contacts import ContactKeys
from invite_service.storage.database import Database
from invite_service.storage.invitations import InvitationChange
from invite_service.storage.sending import Lease
from invite_service.storage.stores import Stores
from tests.support.builders import make_merchant, make_order_event, new_id
from tests.support.sending import SECRET, OpenTurn, SendingHouse, make_database

Meanwhile = Callable[[Message], Awaitable[None]]


class BusySender(FakeSender):
    """Lets something happen during each call."""

    def __init__(self, meanwhile: Meanwhile, *receipts: Receipt, max_in_flight: int = 1) -> None:
        super().__init__(receipts, max_in_flight=max_in_flight)
        self._meanwhile = meanwhile

    async def send(self, message: Message) -> Receipt:
        await self._meanwhile(message)
        return await super().send(message)


def _answer(outcome: OutcomeWord) -> Receipt:
    return Receipt(outcome=outcome, reason="made_up", provider="fake")


async def _leave_feedback(house: SendingHouse, invitation_id: UUID) -> None:
    async with house.database.transaction() as stores:
        [stored] = await stores.invitations.lock(house.merchant.id, [invitation_id])
        await stores.invitations.save(house.merchant.id, [InvitationChange(record_feedback(stored), stored)])


async def test_feedback_during_the_call_stands_and_the_message_counts(house: SendingHouse) -> None:
    invitation = await house.invite()

    async def meanwhile(message: Message) -> None:
        await _leave_feedback(house, message.invitation_id)

    assert await house.send(BusySender(meanwhile)) == SendReport(sent=1)
    after = await house.invitation(invitation.id)
    assert (after.status, after.next_step, after.next_attempt_at) == (InvitationStatus.RESPONDED, None, None)
    assert (after.message_count, after.last_sent_at) == (1, house.clock.now)
    assert after.products == (InvitedProduct("mug", ("1001",), asked=True),)
    [entry] = await house.told(invitation.id)
    assert (entry.event, entry.data["status"]) == (TimelineEvent.MESSAGE_SENT, "responded")
    [attempt] = await house.attempts()
    assert attempt["outcome"] == "accepted"


async def test_feedback_between_claim_and_call_stops_the_message(house: SendingHouse) -> None:
    first, second = sorted(await house.invite_many(2), key=lambda invitation: (invitation.send_at, invitation.id))

    async def meanwhile(message: Message) -> None:
        await _leave_feedback(house, second.id)

    sender = BusySender(meanwhile)
    assert await house.send(sender) == SendReport(sent=1)
    assert [message.invitation_id for message in sender.messages] == [first.id]
    after = await house.invitation(second.id)
    assert (after.status, after.message_count) == (InvitationStatus.RESPONDED, 0)
    assert [attempt["invitation_id"] for attempt in await house.attempts()] == [first.id]


async def test_erasure_between_claim_and_call_stops_the_message(house: SendingHouse) -> None:
    first, second = sorted(await house.invite_many(2), key=lambda invitation: (invitation.send_at, invitation.id))

    async def meanwhile(message: Message) -> None:
        await house.rows("UPDATE invitations SET status = 'erased', contact = NULL WHERE id = $1", second.id)

    sender = BusySender(meanwhile)
    assert await house.send(sender) == SendReport(sent=1)
    assert [message.invitation_id for message in sender.messages] == [first.id]
    assert (await house.invitation(second.id)).status is InvitationStatus.ERASED


async def test_merchant_cannot_cancel_what_is_being_sent(house: SendingHouse) -> None:
    await house.invite()
    service = InvitationService(house.database, bell=house.bell, clock=house.clock)
    reasons = []

    async def meanwhile(message: Message) -> None:
        with pytest.raises(ActionRefusedError) as refusal:
            await service.cancel(house.merchant, message.invitation_id, actor="key:test")
        reasons.append(refusal.value.reason)

    assert await house.send(BusySender(meanwhile)) == SendReport(sent=1)
    assert reasons == ["being_sent"]


async def test_order_cancelled_during_the_call_skips_the_second_step(house: SendingHouse) -> None:
    invitation = await house.invite()

    async def meanwhile(message: Message) -> None:
        await house.post(make_order_event(status="cancelled"))

    assert await house.send(BusySender(meanwhile)) == SendReport(sent=1)
    after = await house.invitation(invitation.id)
    assert (after.status, after.product_ids, after.message_count) == (InvitationStatus.SCHEDULED, (), 1)
    house.clock.now = after.send_at
    assert await house.send(RecordingSender()) == SendReport(skipped=1)
    after = await house.invitation(invitation.id)
    assert (after.status, after.ended_reason) == (InvitationStatus.SENT, "order_cancelled")


async def test_hold_put_on_during_the_call_keeps_the_second_step_waiting(house: SendingHouse) -> None:
    invitation = await house.invite()

    async def meanwhile(message: Message) -> None:
        await house.post(make_order_event(status="on_hold"))

    assert await house.send(BusySender(meanwhile)) == SendReport(sent=1)
    after = await house.invitation(invitation.id)
    assert (after.status, after.held_at, after.next_attempt_at) == (
        InvitationStatus.SCHEDULED,
        house.clock.now,
        None,
    )
    await house.post(make_order_event(status="shipped"))
    resumed = await house.invitation(invitation.id)
    assert (resumed.held_at, resumed.next_attempt_at) == (None, after.send_at)


async def test_order_that_joins_during_the_call_makes_an_invitation_of_its_own(house: SendingHouse) -> None:
    invitation = await house.invite()
    joined: list[Invitation] = []

    async def meanwhile(message: Message) -> None:
        [ingested] = await house.post(make_order_event(order_id="1002", products=["bowl"]))
        assert ingested.invitation is not None
        joined.append(ingested.invitation)

    assert await house.send(BusySender(meanwhile)) == SendReport(sent=1)
    assert [other.id == invitation.id for other in joined] == [False]
    assert (await house.invitation(invitation.id)).order_ids == ("1001",)


async def _lose_lease(house: SendingHouse) -> None:
    house.clock.advance(timedelta(seconds=LEASE_SECONDS + 1))
    await house.leases.sweep()


async def test_answer_after_the_lease_was_swept_ends_the_doubt(house: SendingHouse) -> None:
    invitation = await house.invite()
    asked_at = house.clock.now
    seen: list[object] = []

    async def meanwhile(message: Message) -> None:
        await _lose_lease(house)
        seen.append((await house.invitation(message.invitation_id)).status)
        [attempt] = await house.attempts()
        seen.append((attempt["outcome"], attempt["reason"]))

    assert await house.send(BusySender(meanwhile)) == SendReport(sent=1)
    assert seen == [InvitationStatus.IN_DOUBT, ("unknown", "lease_lost")]
    after = await house.invitation(invitation.id)
    assert (after.status, after.message_count, after.first_sent_at) == (InvitationStatus.SCHEDULED, 1, asked_at)
    [attempt] = await house.attempts()
    assert (attempt["outcome"], attempt["reason"]) == ("accepted", "recorded")
    assert [entry.event for entry in await house.told(invitation.id)] == [
        TimelineEvent.MESSAGE_IN_DOUBT,
        TimelineEvent.MESSAGE_SENT,
    ]


async def test_rejection_after_the_lease_was_swept_takes_the_doubt_back(house: SendingHouse) -> None:
    invitation = await house.invite()

    async def meanwhile(message: Message) -> None:
        await _lose_lease(house)

    assert await house.send(BusySender(meanwhile, _answer(OutcomeWord.REJECTED))) == SendReport(failed=1)
    after = await house.invitation(invitation.id)
    assert (after.status, after.message_count, after.last_message_at) == (InvitationStatus.FAILED, 0, None)


async def test_late_answer_is_not_counted_twice_where_an_operator_had_settled_it(house: SendingHouse) -> None:
    invitation = await house.invite()
    service = InvitationService(house.database, bell=house.bell, clock=house.clock)

    async def meanwhile(message: Message) -> None:
        await _lose_lease(house)
        await service.mark_sent(house.merchant, message.invitation_id, actor="operator")

    await house.send(BusySender(meanwhile))
    after = await house.invitation(invitation.id)
    assert (after.status, after.message_count) == (InvitationStatus.SCHEDULED, 1)
    [attempt] = await house.attempts()
    assert attempt["outcome"] == "accepted"


async def test_late_acceptance_of_a_cancelled_retry_leaves_it_sent(house: SendingHouse) -> None:
    invitation = await house.invite()
    service = InvitationService(house.database, bell=house.bell, clock=house.clock)

    async def meanwhile(message: Message) -> None:
        await _lose_lease(house)
        await service.retry(house.merchant, message.invitation_id, actor="operator")
        await service.cancel(house.merchant, message.invitation_id, actor="key:test")

    await house.send(BusySender(meanwhile))
    after = await house.invitation(invitation.id)
    assert (after.status, after.message_count, after.ended_reason) == (
        InvitationStatus.SENT,
        1,
        "cancelled_by_merchant",
    )


async def test_expired_lease_without_an_attempt_is_due_again(house: SendingHouse) -> None:
    invitation = await house.invite()
    lease = Lease(new_id(), house.clock.now + timedelta(seconds=LEASE_SECONDS))
    async with house.database.transaction() as stores:
        claimed = await stores.sending.claim_due(house.merchant.id, now=house.clock.now, limit=5, lease=lease)
    assert claimed == [invitation.id]
    assert await house.leases.sweep() == SendReport()
    assert (await house.invitation(invitation.id)).status is InvitationStatus.SENDING

    house.clock.advance(timedelta(seconds=LEASE_SECONDS + 1))
    assert await house.leases.sweep() == SendReport(postponed=1)
    assert await house.invitation(invitation.id) == invitation
    [entry] = await house.told(invitation.id)
    assert (entry.event, entry.reason) == (TimelineEvent.MESSAGE_POSTPONED, "lease_lost")
    assert await house.send(RecordingSender()) == SendReport(sent=1)


async def test_message_whose_lease_was_swept_before_its_call_is_not_called(house: SendingHouse) -> None:
    invitations = await house.invite_many(2)

    async def meanwhile(message: Message) -> None:
        await _lose_lease(house)

    sender = BusySender(meanwhile)
    await house.send(sender)
    assert len(sender.messages) == 1
    [other] = {invitation.id for invitation in invitations} - {sender.messages[0].invitation_id}
    assert (await house.invitation(other)).status is InvitationStatus.SCHEDULED
    assert await house.send(RecordingSender()) == SendReport(sent=1)


async def test_hanging_call_keeps_its_lease(house: SendingHouse) -> None:
    invitation = await house.invite()

    async def meanwhile(message: Message) -> None:
        house.clock.advance(timedelta(seconds=LEASE_SECONDS - 1))
        await asyncio.sleep(0.3)
        house.clock.advance(timedelta(seconds=LEASE_SECONDS - 1))
        assert await house.leases.sweep() == SendReport()

    service = house.sending(BusySender(meanwhile), patience=Patience(call=0.05))
    assert await service.send_due(house.merchant.id, turn=OpenTurn()) == SendReport(sent=1)
    assert (await house.invitation(invitation.id)).message_count == 1


async def test_hanging_call_keeps_its_lease_though_others_end(house: SendingHouse) -> None:
    await house.invite_many(4)
    started: list[UUID] = []

    async def meanwhile(message: Message) -> None:
        started.append(message.invitation_id)
        match len(started):
            case 1:
                await asyncio.sleep(0.5)
                assert (await house.invitation(message.invitation_id)).status is InvitationStatus.SENDING
            case 2 | 3 as place:
                await asyncio.sleep(0.1 * place)
                house.clock.advance(timedelta(seconds=LEASE_SECONDS / 2 - 1))
            case _:
                await asyncio.sleep(0.4)
                house.clock.advance(timedelta(seconds=LEASE_SECONDS / 2 - 1))
                assert await house.leases.sweep() == SendReport()

    service = house.sending(BusySender(meanwhile, max_in_flight=4), patience=Patience(call=0.15))
    assert await service.send_due(house.merchant.id, turn=OpenTurn()) == SendReport(sent=4)
    assert not await house.rows("SELECT FROM timeline_entries WHERE event = 'message_in_doubt'")


async def test_two_services_send_no_message_twice(house: SendingHouse) -> None:
    invitations = await house.invite_many(120)
    senders = [RecordingSender(), RecordingSender()]

    async def work(sender: RecordingSender) -> None:
        service = house.sending(sender, batch_size=10)
        while await service.send_due(house.merchant.id, turn=OpenTurn()) != SendReport():
            pass

    await asyncio.gather(*(work(sender) for sender in senders))
    sent = [message.invitation_id for sender in senders for message in sender.messages]
    assert sorted(sent) == sorted(invitation.id for invitation in invitations)
    assert min(len(sender.messages) for sender in senders) >= 24


class _EndingTurn(OpenTurn):
    """Ends once so many messages have been handed over."""

    def __init__(self, sender: RecordingSender, after: int) -> None:
        self._sender = sender
        self._after = after

    @property
    def must_end(self) -> bool:
        return len(self._sender.messages) >= self._after


async def test_turn_that_must_end_finishes_its_calls_and_gives_the_rest_back(house: SendingHouse) -> None:
    invitations = await house.invite_many(30)
    sender = FakeSender(max_in_flight=4)

    report = await house.send(sender, turn=_EndingTurn(sender, 8))

    assert report == SendReport(sent=8)
    stored = await house.invitations([invitation.id for invitation in invitations])
    assert {invitation.status for invitation in stored} == {InvitationStatus.SCHEDULED}
    untouched = [invitation for invitation in stored if invitation.message_count == 0]
    assert len(untouched) == 22
    assert {row["lease_token"] for row in await house.rows("SELECT lease_token FROM invitations")} == {None}
    for invitation in untouched:
        assert not await house.told(invitation.id)


class FlakyDatabase(Database):
    """Fails to give out connections for single statements as often as it is told to."""

    failures = 0
    transaction_failures = 0

    @contextlib.asynccontextmanager
    async def transaction(self, *, by_key: bool = False) -> AsyncIterator[Stores]:
        if self.transaction_failures > 0:
            self.transaction_failures -= 1
            raise OSError("the database is away")
        async with super().transaction(by_key=by_key) as stores:
            yield stores

    @contextlib.asynccontextmanager
    async def autocommit(self, *, by_key: bool = False) -> AsyncIterator[Stores]:
        if self.failures > 0:
            self.failures -= 1
            raise OSError("the database is away")
        async with super().autocommit(by_key=by_key) as stores:
            yield stores


@pytest.fixture
async def flaky(database_url: str) -> AsyncIterator[tuple[SendingHouse, FlakyDatabase]]:
    plain = make_database(database_url)
    house = await SendingHouse.build(plain)
    database = FlakyDatabase(database_url, contact_keys=ContactKeys(SECRET), new_id=new_id, pool_size=4)
    flaky_house = SendingHouse(database, house.merchant, house.clock)
    yield flaky_house, database
    await database.close()
    await plain.close()


async def test_answers_are_recorded_once_the_database_is_back(flaky: tuple[SendingHouse, FlakyDatabase]) -> None:
    house, database = flaky
    invitations = await house.invite_many(6)

    async def meanwhile(message: Message) -> None:
        database.failures = 2

    report = await house.send(BusySender(meanwhile, max_in_flight=1))

    assert report == SendReport(sent=1)
    stored = await house.invitations([invitation.id for invitation in invitations])
    assert sorted(invitation.message_count for invitation in stored) == [0, 0, 0, 0, 0, 1]
    assert {invitation.status for invitation in stored} == {InvitationStatus.SCHEDULED}
    assert [attempt["outcome"] for attempt in await house.attempts()] == ["accepted"]


async def test_what_cannot_be_recorded_is_in_doubt_once_its_lease_expires(
    flaky: tuple[SendingHouse, FlakyDatabase],
) -> None:
    house, database = flaky
    await house.invite_many(3)

    async def meanwhile(message: Message) -> None:
        database.failures = 100

    sender = BusySender(meanwhile)
    with pytest.raises(OSError, match="the database is away"):
        await house.send(sender)
    assert len(sender.messages) == 1
    database.failures = 0
    house.clock.advance(timedelta(seconds=LEASE_SECONDS + 1))
    assert await house.leases.sweep() == SendReport(in_doubt=1, postponed=2)


async def test_calls_in_flight_end_before_a_failure_is_raised(flaky: tuple[SendingHouse, FlakyDatabase]) -> None:
    house, database = flaky
    await house.invite_many(2)
    ended: list[UUID] = []

    async def meanwhile(message: Message) -> None:
        database.failures = 100
        if ended:
            await asyncio.sleep(0.3)
        ended.append(message.invitation_id)

    with pytest.raises(OSError, match="the database is away"):
        await house.send(BusySender(meanwhile, max_in_flight=2))
    assert len(ended) == 2


async def test_pause_that_cannot_be_stored_keeps_no_answer_from_being_recorded(
    flaky: tuple[SendingHouse, FlakyDatabase],
) -> None:
    house, database = flaky
    invitation = await house.invite()

    async def meanwhile(message: Message) -> None:
        database.transaction_failures = 1

    report = await house.send(BusySender(meanwhile, _answer(OutcomeWord.MISCONFIGURED)))

    assert report == SendReport(postponed=1)
    assert (await house.invitation(invitation.id)).status is InvitationStatus.SCHEDULED
    assert not await house.rows("SELECT FROM channels")


async def test_two_merchants_share_a_sender_that_takes_one_call_at_a_time(house: SendingHouse) -> None:
    other = await SendingHouse.build(house.database, merchant=make_merchant(id=MerchantId("other-shop")))
    await house.invite_many(8)
    await other.invite_many(8)
    house.clock.now = max(house.clock.now, other.clock.now)
    both_claimed = asyncio.Event()

    async def meanwhile(message: Message) -> None:
        while not both_claimed.is_set():
            sending = await house.rows("SELECT FROM invitations WHERE status = 'sending' GROUP BY merchant_id")
            if len(sending) == 2:
                both_claimed.set()
        await asyncio.sleep(0.02)

    sender = BusySender(meanwhile)
    service = house.sending(sender, patience=Patience(place=0.001))

    reports = await asyncio.gather(*(service.send_due(each.merchant.id, turn=OpenTurn()) for each in (house, other)))

    assert reports == [SendReport(sent=8), SendReport(sent=8)]
    first_half = {message.merchant_id for message in sender.messages[:8]}
    assert first_half == {house.merchant.id, other.merchant.id}


async def test_opening_that_nobody_can_tell_of_is_never_called_and_given_back(
    house: SendingHouse, database_url: str
) -> None:
    losing = LosingDatabase(database_url, contact_keys=ContactKeys(SECRET), new_id=new_id, pool_size=4)
    losing.house = house
    invitations = await house.invite_many(3)
    sender = RecordingSender()
    service = house.sending(sender, database=losing)

    assert await service.send_due(house.merchant.id, turn=OpenTurn()) == SendReport()
    assert not sender.messages
    assert sorted(invitations, key=lambda i: i.id) == sorted(
        await house.invitations([invitation.id for invitation in invitations]), key=lambda i: i.id
    )
    attempts = await house.attempts()
    assert [(attempt["outcome"], attempt["reason"]) for attempt in attempts] == [("not_sent", "never_begun")] * 3
    await losing.close()


class LosingDatabase(Database):
    """Commits the statement that opens attempts and then fails, once."""

    house: SendingHouse
    has_failed = False

    @contextlib.asynccontextmanager
    async def autocommit(self, *, by_key: bool = False) -> AsyncIterator[Stores]:
        async with super().autocommit(by_key=by_key) as stores:
            yield stores
        if not self.has_failed and await self.house.attempts():
            self.has_failed = True
            raise OSError("the connection broke")
