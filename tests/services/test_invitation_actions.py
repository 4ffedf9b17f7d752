"""Actions on invitations beside each other and beside ingest: as if one had come after the other."""

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest

from invite_service.domain.errors import ActionRefusedError, InvitationNotFoundError
from invite_service.domain.invitation import InvitationStatus
from invite_service.domain.timeline import TimelineEntry, TimelineEvent
from invite_service.services.invitations import Action, InvitationService, allowed_actions
from invite_service.storage.database import Database
from tests.support.builders import NOON, make_invitation, make_merchant, make_order_event, new_id
from tests.support.ingesting import IngestHouse

ROUNDS = 12


@pytest.fixture
async def house(database: Database) -> IngestHouse:
    return await IngestHouse.build(database)


def make_service(house: IngestHouse) -> InvitationService:
    return InvitationService(house.database, bell=house.bell, clock=lambda: house.now)


async def invite(house: IngestHouse, number: int) -> UUID:
    """Ingest an order of a new customer and give its invitation."""
    [ingested] = await house.post(make_order_event(order_id=f"A{number}", email=f"c{number}@example.com"))
    assert ingested.invitation is not None
    return ingested.invitation.id


async def test_an_action_rings_the_bell_once_it_is_done_and_not_when_nothing_changed(house: IngestHouse) -> None:
    service = make_service(house)
    invitation_id = await invite(house, 1)
    house.bell.rung.clear()
    await service.cancel(house.merchant, invitation_id, actor="key:shop")
    assert house.bell.rung == [house.merchant.id]
    await service.cancel(house.merchant, invitation_id, actor="key:shop")
    assert house.bell.rung == [house.merchant.id]
    events = await house.rows("SELECT actor, event FROM timeline_entries WHERE merchant_id = $1 AND actor <> 'rule'")
    assert events == [("key:shop", "invitation_cancelled")]


async def test_the_same_action_many_times_at_once_happens_once(house: IngestHouse) -> None:
    service = make_service(house)
    invitation_id = await invite(house, 1)
    results = await asyncio.gather(
        *(service.cancel(house.merchant, invitation_id, actor="key:shop") for _ in range(ROUNDS))
    )
    assert {result.status for result in results} == {InvitationStatus.CANCELLED}
    events = await house.rows("SELECT event FROM timeline_entries WHERE merchant_id = $1 AND actor <> 'rule'")
    assert events == [("invitation_cancelled",)]


async def events_of(house: IngestHouse, invitation_id: UUID) -> list[str]:
    detail = await make_service(house).get(house.merchant, invitation_id)
    return [entry.event.value for entry in detail.timeline]


async def test_enabling_many_times_at_once_is_enabling_once(house: IngestHouse) -> None:
    service = make_service(house)
    invitation_id = await invite(house, 1)
    before = (await service.get(house.merchant, invitation_id)).invitation
    await service.cancel(house.merchant, invitation_id, actor="key:shop")
    house.bell.rung.clear()
    enabling = [service.enable(house.merchant, invitation_id, actor="key:shop") for _ in range(ROUNDS)]
    assert await asyncio.gather(*enabling) == [before] * ROUNDS
    assert house.bell.rung == [house.merchant.id]
    assert await events_of(house, invitation_id) == [
        "invitation_scheduled",
        "invitation_cancelled",
        "invitation_enabled",
    ]


async def test_enabling_again_what_something_happened_to_since_is_refused(house: IngestHouse) -> None:
    service = make_service(house)
    invitation_id = await invite(house, 1)
    await service.cancel(house.merchant, invitation_id, actor="key:shop")
    enabled = await service.enable(house.merchant, invitation_id, actor="key:shop")
    viewed = TimelineEntry(at=house.now, actor="customer", event=TimelineEvent.PAGE_VIEWED, invitation_id=invitation_id)
    async with house.database.transaction() as stores:
        await stores.timeline.add(house.merchant.id, [viewed])
    assert await service.enable(house.merchant, invitation_id, actor="key:shop") == enabled
    await house.post(make_order_event(order_id="B1", email="c1@example.com", products=["cup"]))
    with pytest.raises(ActionRefusedError) as refused:
        await service.enable(house.merchant, invitation_id, actor="key:shop")
    assert refused.value.reason == "not_cancelled"


async def test_moving_to_a_slot_that_has_passed_today_many_times_is_told_once(house: IngestHouse) -> None:
    service = make_service(house)
    invitation_id = await invite(house, 1)
    house.now = NOON + timedelta(hours=22, minutes=59, seconds=50)
    moved = await service.reschedule(house.merchant, invitation_id, house.now.date(), actor="key:shop")
    assert moved.send_at == house.now
    house.now += timedelta(seconds=5)
    assert await service.reschedule(house.merchant, invitation_id, house.now.date(), actor="key:shop") == moved
    assert await events_of(house, invitation_id) == ["invitation_scheduled", "invitation_rescheduled"]


async def test_sending_now_many_times_is_told_once(house: IngestHouse) -> None:
    service = make_service(house)
    invitation_id = await invite(house, 1)
    hurried = await service.send_now(house.merchant, invitation_id, actor="key:shop")
    house.now += timedelta(seconds=5)
    assert await service.send_now(house.merchant, invitation_id, actor="key:shop") == hurried
    assert await events_of(house, invitation_id) == ["invitation_scheduled", "invitation_send_now"]


async def test_of_two_actions_at_once_the_second_sees_the_first(house: IngestHouse) -> None:
    service = make_service(house)
    for number in range(ROUNDS):
        invitation_id = await invite(house, number)
        cancelled, sent_now = await asyncio.gather(
            service.cancel(house.merchant, invitation_id, actor="key:shop"),
            service.send_now(house.merchant, invitation_id, actor="key:shop"),
            return_exceptions=True,
        )
        stored = (await service.get(house.merchant, invitation_id)).invitation
        assert not isinstance(cancelled, BaseException)
        assert stored.status is InvitationStatus.CANCELLED
        if isinstance(sent_now, BaseException):
            assert isinstance(sent_now, ActionRefusedError)
            assert sent_now.reason == "already_cancelled"


async def test_enabling_while_the_customer_orders_again_asks_about_a_product_once(house: IngestHouse) -> None:
    service = make_service(house)
    for number in range(ROUNDS):
        invitation_id = await invite(house, number)
        await service.cancel(house.merchant, invitation_id, actor="key:shop")
        again = make_order_event(
            order_id=f"B{number}", email=f"c{number}@example.com", purchased_at=NOON - timedelta(days=1)
        )
        await asyncio.gather(
            service.enable(house.merchant, invitation_id, actor="key:shop"), house.post(again), return_exceptions=True
        )
        asking = await house.rows(
            """
            SELECT count(*) FROM invitations i
            JOIN invitation_products p ON p.merchant_id = i.merchant_id AND p.invitation_id = i.id
            WHERE i.merchant_id = $1 AND i.status = 'scheduled' AND i.contact = $2 AND p.product_id = 'mug'
              AND cardinality(p.brought_by) > 0
            """,
            f"c{number}@example.com",
        )
        assert asking == [(1,)], number


async def test_cancelling_while_an_order_of_the_same_day_joins_leaves_no_order_behind(house: IngestHouse) -> None:
    service = make_service(house)
    for number in range(ROUNDS):
        invitation_id = await invite(house, number)
        joining = make_order_event(order_id=f"B{number}", email=f"c{number}@example.com", products=["cup"])
        await asyncio.gather(service.cancel(house.merchant, invitation_id, actor="key:shop"), house.post(joining))
        [(outcome, status)] = await house.rows(
            """
            SELECT o.outcome, i.status FROM orders o
            JOIN invitations i ON i.merchant_id = o.merchant_id AND i.id = o.invitation_id
            WHERE o.merchant_id = $1 AND o.order_id = $2
            """,
            f"B{number}",
        )
        assert (outcome, status) in {("merged", "cancelled"), ("invited", "scheduled")}


async def test_an_invitation_of_another_merchant_is_not_found(house: IngestHouse) -> None:
    service = make_service(house)
    invitation_id = await invite(house, 1)
    other = make_merchant(id="other")
    with pytest.raises(InvitationNotFoundError):
        await service.cancel(other, invitation_id, actor="key:shop")
    with pytest.raises(InvitationNotFoundError):
        await service.get(house.merchant, new_id())


@pytest.mark.parametrize(
    ("status", "allowed"),
    [
        (InvitationStatus.SCHEDULED, (Action.CANCEL, Action.SEND_NOW, Action.RESCHEDULE)),
        (InvitationStatus.SENDING, ()),
        (InvitationStatus.IN_DOUBT, (Action.RETRY, Action.MARK_SENT)),
        (InvitationStatus.FAILED, (Action.RETRY,)),
        (InvitationStatus.MISSED, (Action.RETRY,)),
        (InvitationStatus.SENT, ()),
        (InvitationStatus.CANCELLED, ()),
        (InvitationStatus.RESPONDED, ()),
        (InvitationStatus.ERASED, ()),
    ],
)
def test_the_state_says_what_may_be_done(status: InvitationStatus, allowed: tuple[Action, ...]) -> None:
    assert allowed_actions(make_invitation(status=status)) == allowed


def test_what_the_merchant_ended_may_be_enabled() -> None:
    for status in (InvitationStatus.CANCELLED, InvitationStatus.SENT):
        ended = make_invitation(status=status, ended_reason="cancelled_by_merchant")
        assert allowed_actions(ended) == (Action.ENABLE,)
