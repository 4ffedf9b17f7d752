"""A sandbox merchant's clock and mailbox (DESIGN.md section 8), over a real database."""

import asyncio
from datetime import datetime, timedelta

import pytest

from invite_service.domain.errors import ClockMoveUnfinishedError, InvalidInputError, NotASandboxError
from invite_service.domain.invitation import Channel, Invitation, InvitationStatus, Step
from invite_service.providers.mailbox import MailboxSender
from invite_service.services.approvals import ApprovalService
from invite_service.services.claim import LEASE_SECONDS
from invite_service.services.mailbox import DatabaseMailbox
from invite_service.services.paging import PageRequest, Place
from invite_service.services.sandbox import ClockReport, SandboxService
from invite_service.services.send_report import SendReport
from invite_service.services.sending import SendingService
from invite_service.storage.database import Database
from invite_service.storage.mailbox import KeptMessage
from invite_service.storage.sending import Lease
from tests.support.builders import NOON, make_merchant, make_order_event, new_id
from tests.support.sending import OpenTurn, SendingHouse

START = NOON - timedelta(days=100)
"""Where the sandbox's clock begins."""


class Sandbox:
    """A sandbox merchant and the services around it."""

    def __init__(self, house: SendingHouse, *, max_rounds: int = 5000) -> None:
        self.house = house
        self.id = house.merchant.id
        mailbox = MailboxSender(DatabaseMailbox(house.database, clock=house.clock))
        self.sending: SendingService = house.sending(mailbox, sms=mailbox)
        self.service = SandboxService(
            house.database,
            sending=self.sending,
            notices=house.notices(mailbox, sms=mailbox),
            approvals=ApprovalService(house.database, clock=house.clock, new_id=new_id),
            leases=house.leases,
            clock=house.clock,
            new_id=new_id,
            max_rounds=max_rounds,
        )

    async def invite(self, order_id: str = "1001", **changes: object) -> Invitation:
        now = await self.service.now(self.id)
        event = make_order_event(order_id=order_id, purchased_at=now, **changes)  # type: ignore[arg-type]
        [ingested] = await self.house.post(event)
        assert ingested.invitation is not None
        return ingested.invitation

    async def messages(self, page: PageRequest | None = None) -> list[KeptMessage]:
        return list((await self.service.list_messages(self.id, page or PageRequest())).items)


@pytest.fixture
async def sandbox(database: Database) -> Sandbox:
    merchant = make_merchant(sandbox=True, clock_offset=START - NOON, created_at=START)
    return Sandbox(await SendingHouse.build(database, merchant=merchant))


async def test_advancing_sends_every_message_at_its_own_time(sandbox: Sandbox) -> None:
    invitation = await sandbox.invite()

    moved = await sandbox.service.advance(sandbox.id, timedelta(days=30))

    assert moved == ClockReport(now=START + timedelta(days=30), report=SendReport(sent=2))
    assert await sandbox.service.now(sandbox.id) == START + timedelta(days=30)
    first, second = await sandbox.messages()
    after = await sandbox.house.invitation(invitation.id)
    assert after.status is InvitationStatus.SENT
    assert (first.sent_at, second.sent_at) == (invitation.send_at, after.send_at)
    assert (after.first_sent_at, after.last_sent_at) == (invitation.send_at, after.send_at)
    assert (first.step, second.step) == (Step.PRODUCT_1, Step.PRODUCT_2)
    assert (first.to, first.channel, first.invitation_id) == ("kari@example.com", Channel.EMAIL, invitation.id)
    assert first.subject
    assert first.html is not None
    assert "https://reviews.example/i/" in first.text
    assert first.headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert first.headers["To"] == "Kari Nordmann <kari@example.com>"
    assert first.headers["Message-ID"].endswith("@reviews.example>")
    told = await sandbox.house.told(invitation.id)
    assert [entry.at for entry in told] == [first.sent_at, second.sent_at]


async def test_advancing_to_before_anything_is_due_sends_nothing(sandbox: Sandbox) -> None:
    invitation = await sandbox.invite()

    moved = await sandbox.service.move_to(sandbox.id, invitation.send_at - timedelta(seconds=1))

    assert moved == ClockReport(now=invitation.send_at - timedelta(seconds=1), report=SendReport())
    assert await sandbox.messages() == []


async def test_next_due_stops_at_each_message(sandbox: Sandbox) -> None:
    first = await sandbox.invite()
    second = await sandbox.invite("1002", email=None, phone="+4790000001")
    due = sorted([first.send_at, second.send_at])

    moved = [await sandbox.service.move_to_next_due(sandbox.id) for _ in range(4)]

    after = await sandbox.house.invitation(first.id)
    assert after.first_sent_at == first.send_at
    assert [report.now for report in moved] == [*due, after.send_at, after.send_at]
    assert [report.report for report in moved] == [SendReport(sent=1)] * 3 + [SendReport()]
    sms = [message for message in await sandbox.messages() if message.channel is Channel.SMS]
    assert [(message.to, message.subject, message.html, message.headers) for message in sms] == [
        ("+4790000001", "", None, {"From": "Reviews"})
    ]


async def test_clock_moves_forward_only(sandbox: Sandbox) -> None:
    with pytest.raises(InvalidInputError) as refusal:
        await sandbox.service.move_to(sandbox.id, START - timedelta(seconds=1))
    assert [(fault.pointer, fault.code) for fault in refusal.value.faults] == [("/to", "clock_backwards")]
    with pytest.raises(InvalidInputError) as refusal:
        await sandbox.service.advance(sandbox.id, timedelta(seconds=-1))
    assert [(fault.pointer, fault.code) for fault in refusal.value.faults] == [("/advance", "clock_backwards")]
    assert await sandbox.service.now(sandbox.id) == START


async def test_clock_runs_on_with_real_time(sandbox: Sandbox) -> None:
    sandbox.house.clock.advance(timedelta(hours=3))
    assert await sandbox.service.now(sandbox.id) == START + timedelta(hours=3)


async def test_send_now_leaves_by_send_due_without_moving_the_clock(sandbox: Sandbox) -> None:
    invitation = await sandbox.invite()
    await sandbox.house.rows(
        "UPDATE invitations SET send_now = true, send_at = $2, next_attempt_at = $2 WHERE merchant_id = $1",
        sandbox.id,
        START,
    )

    assert await sandbox.service.send_due(sandbox.id) == ClockReport(now=START, report=SendReport(sent=1))
    [message] = await sandbox.messages()
    assert (message.invitation_id, message.sent_at) == (invitation.id, START)
    assert await sandbox.service.send_due(sandbox.id) == ClockReport(now=START, report=SendReport())


async def test_many_messages_of_many_days_all_leave_at_their_own_time(sandbox: Sandbox) -> None:
    planned: dict[object, datetime] = {}
    for day in range(3):
        events = [
            make_order_event(order_id=f"{day}-{number}", email=f"c{day}.{number}@example.com", purchased_at=None)
            for number in range(30)
        ]
        for ingested in await sandbox.house.post(*events):
            assert ingested.invitation is not None
            planned[ingested.invitation.id] = ingested.invitation.send_at
        await sandbox.service.advance(sandbox.id, timedelta(days=1))

    moved = await sandbox.service.advance(sandbox.id, timedelta(days=40))

    assert moved.report == SendReport(sent=180)
    sent = await sandbox.messages(PageRequest(limit=200))
    assert {message.invitation_id: message.sent_at for message in sent if message.step is Step.PRODUCT_1} == planned
    assert [message.sent_at for message in sent] == sorted(message.sent_at for message in sent)


async def test_message_on_hold_comes_up_each_day_and_stays(sandbox: Sandbox) -> None:
    invitation = await sandbox.invite()
    await sandbox.house.rows("UPDATE orders SET on_hold = true WHERE merchant_id = $1", sandbox.id)

    moved = await sandbox.service.advance(sandbox.id, timedelta(days=20))

    assert moved.report == SendReport()
    told = await sandbox.house.told(invitation.id)
    assert {entry.reason for entry in told} == {"on_hold"}
    assert (await sandbox.house.invitation(invitation.id)).status is InvitationStatus.SCHEDULED


async def test_missed_and_skipped_messages_are_reported(sandbox: Sandbox) -> None:
    invitation = await sandbox.invite()
    await sandbox.house.rows(
        "INSERT INTO ratings (merchant_id, id, invitation_id, product_id, stars, state, created_at, updated_at)"
        " VALUES ($1, gen_random_uuid(), $2, 'mug', 5, 'published', $3, $3)",
        sandbox.id,
        invitation.id,
        START,
    )
    late = await sandbox.invite("1002", email="ola@example.com")
    await sandbox.house.rows(
        "UPDATE invitations SET send_at = send_at - interval '20 days' WHERE merchant_id = $1 AND id = $2",
        sandbox.id,
        late.id,
    )

    moved = await sandbox.service.advance(sandbox.id, timedelta(days=20))

    assert moved.report == SendReport(skipped=1, missed=1)


async def test_messages_that_a_worker_sends_meanwhile_are_counted(sandbox: Sandbox) -> None:
    count = 60
    events = [make_order_event(order_id=f"{n}", email=f"c{n}@example.com", purchased_at=None) for n in range(count)]
    await sandbox.house.post(*events)
    done = asyncio.Event()

    async def worker() -> None:
        while not done.is_set():
            if await sandbox.sending.find_due():
                await sandbox.sending.send_due(sandbox.id, turn=OpenTurn())
            await asyncio.sleep(0.001)

    working = asyncio.create_task(worker())
    moved = await sandbox.service.advance(sandbox.id, timedelta(days=30))
    done.set()
    await working

    assert moved.report == SendReport(sent=2 * count)
    sent = await sandbox.messages(PageRequest(limit=200))
    assert len({(message.invitation_id, message.step) for message in sent}) == len(sent) == 2 * count


async def test_call_waits_for_what_a_worker_is_sending(sandbox: Sandbox) -> None:
    invitation = await sandbox.invite()
    lease = Lease(new_id(), sandbox.house.clock.now + timedelta(seconds=LEASE_SECONDS))
    async with sandbox.house.database.transaction() as stores:
        await stores.sending.claim_due(sandbox.id, now=invitation.send_at, limit=1, lease=lease)

    moving = asyncio.create_task(sandbox.service.move_to(sandbox.id, invitation.send_at))
    await asyncio.sleep(0.2)
    assert not moving.done()
    sandbox.house.clock.advance(timedelta(seconds=LEASE_SECONDS + 1))

    assert (await moving).report == SendReport(sent=1)


async def test_two_calls_at_once_follow_one_another(sandbox: Sandbox) -> None:
    await sandbox.invite()

    moved = await asyncio.gather(*(sandbox.service.advance(sandbox.id, timedelta(days=10)) for _ in range(3)))

    assert sorted(report.now for report in moved) == [START + timedelta(days=days) for days in (10, 20, 30)]
    assert await sandbox.service.now(sandbox.id) == START + timedelta(days=30)
    assert len(await sandbox.messages()) == 2


async def test_call_that_died_keeps_the_clock_for_a_minute_only(sandbox: Sandbox) -> None:
    async with sandbox.house.database.autocommit() as stores:
        until = sandbox.house.clock.now + timedelta(seconds=60)
        assert await stores.clocks.take(sandbox.id, token=new_id(), until=until, real_now=sandbox.house.clock.now)
    moving = asyncio.create_task(sandbox.service.advance(sandbox.id, timedelta(days=1)))
    await asyncio.sleep(0.1)
    assert not moving.done()

    sandbox.house.clock.advance(timedelta(seconds=61))

    assert (await moving).now == START + timedelta(days=1, seconds=61)


async def test_move_that_takes_too_many_batches_says_how_far_it_came_and_goes_on(sandbox: Sandbox) -> None:
    await sandbox.invite()
    impatient = Sandbox(sandbox.house, max_rounds=1)

    with pytest.raises(ClockMoveUnfinishedError, match="call again to go on"):
        await impatient.service.advance(sandbox.id, timedelta(days=30))
    assert len(await sandbox.messages()) == 1
    moved = await sandbox.service.advance(sandbox.id, timedelta(days=30))
    assert moved.report == SendReport(sent=1)


async def test_real_merchant_has_no_clock(house: SendingHouse) -> None:
    service = Sandbox(house).service
    for call in (
        service.now(house.merchant.id),
        service.advance(house.merchant.id, timedelta(days=1)),
        service.move_to(house.merchant.id, NOON),
        service.move_to_next_due(house.merchant.id),
        service.send_due(house.merchant.id),
        service.list_messages(house.merchant.id, PageRequest()),
    ):
        with pytest.raises(NotASandboxError):
            await call


async def test_mailbox_is_read_page_by_page(sandbox: Sandbox) -> None:
    events = [make_order_event(order_id=f"{n}", email=f"c{n}@example.com", purchased_at=None) for n in range(5)]
    await sandbox.house.post(*events)
    await sandbox.service.advance(sandbox.id, timedelta(days=15))
    everything = await sandbox.messages()

    first = await sandbox.service.list_messages(sandbox.id, PageRequest(limit=3))
    place = Place(at=first.items[-1].sent_at, id=first.items[-1].id)
    second = await sandbox.service.list_messages(sandbox.id, PageRequest(limit=3, place=place))

    assert [*first.items, *second.items] == everything
    assert (len(first.items), first.has_next, len(second.items), second.has_next) == (3, True, 2, False)
    newest = await sandbox.messages(PageRequest(ascending=False))
    assert newest == everything[::-1]
