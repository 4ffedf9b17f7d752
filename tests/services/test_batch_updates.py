"""Batch updates: what is chosen is frozen, each invitation is changed once, and what was changed can be put back."""

import asyncio
from collections import Counter
from datetime import date, timedelta
from uuid import UUID

import pytest

from invite_service.domain.batch_update import BatchAction, BatchChange, BatchStatus, BatchUpdate, Chosen
from invite_service.domain.errors import (
    ActionRefusedError,
    BatchUpdateNotFoundError,
    UndoRefusedError,
    UnexpectedCountError,
)
from invite_service.domain.invitation import InvitationStatus
from invite_service.domain.listing import InvitationFilter
from invite_service.domain.timeline import TimelineEntry, TimelineEvent
from invite_service.services.batch_updates import BatchUpdateService
from invite_service.services.batch_work import BatchWorkService
from invite_service.services.invitations import InvitationService
from invite_service.services.policy_versions import PolicyVersions
from invite_service.storage.database import Database
from tests.support.builders import NOON, make_merchant, make_order_event, new_id
from tests.support.ingesting import IngestHouse

CANCEL = BatchChange(action=BatchAction.CANCEL)
ENABLE = BatchChange(action=BatchAction.ENABLE)
SEND_NOW = BatchChange(action=BatchAction.SEND_NOW)
EVERYTHING = InvitationFilter()
DAY = date(2026, 4, 20)


@pytest.fixture
async def house(database: Database) -> IngestHouse:
    return await IngestHouse.build(database)


def make_service(house: IngestHouse, *, chunk_size: int = 3) -> BatchUpdateService:
    return BatchUpdateService(
        house.database,
        clock=lambda: house.now,
        new_id=new_id,
        policies=PolicyVersions(),
        chunk_size=chunk_size,
    )


def make_work(house: IngestHouse) -> BatchWorkService:
    return BatchWorkService(
        house.database, bell=house.bell, clock=lambda: house.now, new_id=new_id, policies=PolicyVersions()
    )


async def invite(house: IngestHouse, count: int, *, prefix: str = "c") -> list[UUID]:
    """Ingest orders of as many new customers, and give their invitations."""
    events = [
        make_order_event(order_id=f"{prefix}{number}", email=f"{prefix}{number}@example.com") for number in range(count)
    ]
    return [ingested.invitation.id for ingested in await house.post(*events) if ingested.invitation is not None]


async def accept(
    house: IngestHouse, change: BatchChange, chosen: Chosen = EVERYTHING, *, expected_count: int | None = None
) -> BatchUpdate:
    return await make_service(house).accept(
        house.merchant, chosen, change, chosen_by={"status": "any"}, expected_count=expected_count, actor="key:shop"
    )


async def finish(house: IngestHouse, batch: BatchUpdate) -> BatchUpdate:
    """Work until nothing is left, and read what became of it."""
    work = make_work(house)
    while await work.work(house.merchant.id, batch.id):
        pass
    return await make_service(house).get(house.merchant.id, batch.id)


async def do(house: IngestHouse, change: BatchChange, chosen: Chosen = EVERYTHING) -> BatchUpdate:
    return await finish(house, await accept(house, change, chosen))


async def undo(house: IngestHouse, batch: BatchUpdate) -> BatchUpdate:
    return await finish(house, await make_service(house).undo(house.merchant, batch.id, actor="key:shop"))


async def plans(house: IngestHouse) -> list[tuple[object, ...]]:
    """Everything that a batch update can change, of every invitation."""
    return await house.rows(
        "SELECT id, status, steps, next_step, policy_version, send_at, next_attempt_at, held_at, moved_by_merchant,"
        " send_now, rescheduled_to, tries, ended_reason FROM invitations WHERE merchant_id = $1 ORDER BY id"
    )


async def statuses(house: IngestHouse) -> Counter[str]:
    rows = await house.rows("SELECT status FROM invitations WHERE merchant_id = $1")
    return Counter(status for (status,) in rows)


async def test_batch_is_done_in_chunks_and_tells_how_far_it_is(house: IngestHouse) -> None:
    await invite(house, 7)
    batch = await accept(house, CANCEL)
    assert (batch.status, batch.matched) == (BatchStatus.ACCEPTED, 7)
    service = make_service(house)
    assert await make_work(house).work(house.merchant.id, batch.id)
    under_way = await service.get(house.merchant.id, batch.id)
    assert (under_way.status, under_way.changed) == (BatchStatus.RUNNING, 3)
    done = await finish(house, batch)
    assert done == BatchUpdate(
        id=batch.id,
        change=CANCEL,
        chosen_by={"status": "any"},
        created_at=house.now,
        created_by="key:shop",
        matched=7,
        changed=7,
        is_started=True,
        finished_at=house.now,
    )
    assert done.status is BatchStatus.FINISHED
    assert await statuses(house) == {"cancelled": 7}
    assert await make_work(house).list_unfinished(house.merchant.id) == []


async def test_what_comes_after_it_was_accepted_is_not_touched(house: IngestHouse) -> None:
    await invite(house, 4)
    batch = await accept(house, CANCEL)
    await invite(house, 3, prefix="later")
    done = await finish(house, batch)
    assert (done.matched, done.changed) == (4, 4)
    assert await statuses(house) == {"cancelled": 4, "scheduled": 3}


async def test_other_number_than_expected_is_refused_and_changes_nothing(house: IngestHouse) -> None:
    await invite(house, 4)
    with pytest.raises(UnexpectedCountError) as refused:
        await accept(house, CANCEL, expected_count=3)
    assert refused.value.matched == 4
    assert await house.rows("SELECT id FROM batch_updates WHERE merchant_id = $1") == []
    assert (await accept(house, CANCEL, expected_count=4)).matched == 4


async def test_ids_choose_what_exists_of_them(house: IngestHouse) -> None:
    ids = await invite(house, 3)
    done = await do(house, CANCEL, [ids[0], ids[2], new_id()])
    assert (done.matched, done.changed) == (2, 2)
    assert await statuses(house) == {"cancelled": 2, "scheduled": 1}


async def test_what_its_state_refuses_is_counted_by_reason(house: IngestHouse) -> None:
    ids = await invite(house, 5)
    await do(house, CANCEL, ids[:2])
    await house.rows(
        "UPDATE invitations SET status = 'sent', message_count = 2 WHERE merchant_id = $1 AND id = $2", ids[2]
    )
    done = await do(house, CANCEL)
    assert (done.changed, done.skipped) == (2, {"unchanged": 2, "already_sent": 1})
    assert done.matched == done.changed + sum(done.skipped.values())


async def test_forecast_tells_what_is_then_done(house: IngestHouse) -> None:
    ids = await invite(house, 6)
    await do(house, CANCEL, ids[:1])
    change = BatchChange(action=BatchAction.RESCHEDULE, day=DAY)
    before = await plans(house)
    forecast = await make_service(house).forecast(house.merchant, EVERYTHING, change)
    assert await plans(house) == before
    done = await do(house, change)
    assert (forecast.matched, forecast.would_change, forecast.skipped) == (done.matched, done.changed, done.skipped)
    [(first, last)] = await house.rows(
        "SELECT min(send_at), max(send_at) FROM invitations WHERE merchant_id = $1 AND status = 'scheduled'"
    )
    assert (forecast.first_send_at, forecast.last_send_at) == (first, last)
    assert forecast.load == {DAY: 5}


async def test_shift_moves_each_by_days_from_its_own(house: IngestHouse) -> None:
    await invite(house, 2)
    house.now += timedelta(days=2)
    await invite(house, 2, prefix="later")
    before = dict(await house.rows("SELECT id, send_at FROM invitations WHERE merchant_id = $1"))
    await do(house, BatchChange(action=BatchAction.RESCHEDULE, shift_days=2))
    after = dict(await house.rows("SELECT id, send_at FROM invitations WHERE merchant_id = $1"))
    assert {key: moved - before[key] for key, moved in after.items()} == dict.fromkeys(before, timedelta(days=2))


async def test_batch_rings_the_bell_when_something_is_due(house: IngestHouse) -> None:
    await invite(house, 2)
    house.bell.rung.clear()
    await do(house, BatchChange(action=BatchAction.RESCHEDULE, day=DAY))
    assert house.bell.rung == []
    await do(house, SEND_NOW)
    assert house.bell.rung == [house.merchant.id]


async def test_every_change_is_in_the_timeline_of_its_invitation(house: IngestHouse) -> None:
    [invitation_id] = await invite(house, 1)
    batch = await do(house, CANCEL)
    await undo(house, batch)
    service = InvitationService(house.database, bell=house.bell, clock=lambda: house.now)
    detail = await service.get(house.merchant, invitation_id)
    told = [(entry.actor, entry.event.value, entry.reason) for entry in detail.timeline]
    assert told == [
        ("rule", "invitation_scheduled", None),
        ("key:shop", "invitation_cancelled", "cancelled_by_merchant"),
        ("key:shop", "invitation_restored", None),
    ]
    assert detail.timeline[1].data == {
        "status": "cancelled",
        "send_at": detail.invitation.send_at.isoformat(),
        "batch_update_id": str(batch.id),
    }


@pytest.mark.parametrize(
    "change",
    [
        CANCEL,
        SEND_NOW,
        BatchChange(action=BatchAction.RESCHEDULE, day=DAY),
        BatchChange(action=BatchAction.RESCHEDULE, shift_days=-1),
    ],
    ids=["cancel", "send_now", "reschedule", "shift"],
)
async def test_undo_puts_everything_back(house: IngestHouse, change: BatchChange) -> None:
    await invite(house, 5)
    before = await plans(house)
    batch = await do(house, change)
    assert await plans(house) != before
    undone = await undo(house, batch)
    assert (undone.changed, undone.skipped, undone.undo_of) == (5, {}, batch.id)
    assert await plans(house) == before


async def test_enabling_one_that_a_batch_enabled_changes_nothing(house: IngestHouse) -> None:
    [enabled, restored] = await invite(house, 2)
    cancelled = await do(house, CANCEL)
    await do(house, ENABLE, [enabled])
    await undo(house, cancelled)
    before = await plans(house)
    service = InvitationService(house.database, bell=house.bell, clock=lambda: house.now)
    assert (await service.enable(house.merchant, enabled, actor="key:shop")).status is InvitationStatus.SCHEDULED
    with pytest.raises(ActionRefusedError) as refused:
        await service.enable(house.merchant, restored, actor="key:shop")
    assert refused.value.reason == "not_cancelled"
    assert await plans(house) == before


async def test_enabling_again_what_was_enabled_counts_as_unchanged(house: IngestHouse) -> None:
    [by_hand, by_batch, viewed, moved, _] = await invite(house, 5)
    service = InvitationService(house.database, bell=house.bell, clock=lambda: house.now)
    await do(house, CANCEL, [by_hand, by_batch, viewed, moved])
    await service.enable(house.merchant, by_hand, actor="key:shop")
    await do(house, ENABLE, [by_batch, viewed, moved])
    await service.reschedule(house.merchant, moved, DAY, actor="key:shop")
    entry = TimelineEntry(at=house.now, actor="customer", event=TimelineEvent.PAGE_VIEWED, invitation_id=viewed)
    async with house.database.transaction() as stores:
        await stores.timeline.add(house.merchant.id, [entry])
    before = await plans(house)
    expected = {"unchanged": 3, "not_cancelled": 2}
    forecast = await make_service(house).forecast(house.merchant, EVERYTHING, ENABLE)
    assert (forecast.matched, forecast.would_change, forecast.skipped) == (5, 0, expected)
    done = await do(house, ENABLE)
    assert (done.matched, done.changed, done.skipped) == (5, 0, expected)
    assert await plans(house) == before


async def test_undo_of_enabling_cancels_again(house: IngestHouse) -> None:
    await invite(house, 3)
    await do(house, CANCEL)
    before = await plans(house)
    batch = await do(house, ENABLE)
    assert await statuses(house) == {"scheduled": 3}
    await undo(house, batch)
    assert await plans(house) == before


async def test_undo_leaves_alone_what_has_moved_since(house: IngestHouse) -> None:
    ids = await invite(house, 4)
    batch = await do(house, BatchChange(action=BatchAction.RESCHEDULE, day=DAY))
    service = InvitationService(house.database, bell=house.bell, clock=lambda: house.now)
    await service.cancel(house.merchant, ids[1], actor="key:shop")
    await service.reschedule(house.merchant, ids[2], DAY + timedelta(days=1), actor="key:shop")
    undone = await undo(house, batch)
    assert (undone.matched, undone.changed, undone.skipped) == (4, 2, {"moved_since": 2})


async def test_undo_of_a_cancel_asks_nobody_twice(house: IngestHouse) -> None:
    await invite(house, 1)
    batch = await do(house, CANCEL)
    again = make_order_event(order_id="again", email="c0@example.com", purchased_at=NOON - timedelta(days=1))
    await house.post(again)
    undone = await undo(house, batch)
    assert (undone.changed, undone.skipped) == (0, {"asked_elsewhere": 1})
    assert await statuses(house) == {"cancelled": 1, "scheduled": 1}


async def test_undo_asked_for_many_times_at_once_is_one(house: IngestHouse) -> None:
    await invite(house, 2)
    batch = await do(house, CANCEL)
    service = make_service(house)
    undoing = await asyncio.gather(*(service.undo(house.merchant, batch.id, actor="key:shop") for _ in range(6)))
    assert len({one.id for one in undoing}) == 1


async def test_undo_is_refused_where_it_cannot_be_done(house: IngestHouse) -> None:
    await invite(house, 2)
    service = make_service(house)
    with pytest.raises(BatchUpdateNotFoundError):
        await service.undo(house.merchant, new_id(), actor="key:shop")
    batch = await accept(house, CANCEL)
    with pytest.raises(UndoRefusedError, match="running"):
        await service.undo(house.merchant, batch.id, actor="key:shop")
    await finish(house, batch)
    undone = await service.undo(house.merchant, batch.id, actor="key:shop")
    assert (await service.undo(house.merchant, batch.id, actor="key:shop")).id == undone.id
    await finish(house, undone)
    with pytest.raises(UndoRefusedError, match="undone"):
        await service.undo(house.merchant, undone.id, actor="key:shop")
    late = await do(house, CANCEL)
    house.now += timedelta(days=30, seconds=1)
    with pytest.raises(UndoRefusedError, match="30 days"):
        await service.undo(house.merchant, late.id, actor="key:shop")


async def test_workers_side_by_side_change_each_invitation_once(house: IngestHouse) -> None:
    await invite(house, 30)
    batch = await accept(house, CANCEL)
    await asyncio.gather(*(finish(house, batch) for _ in range(4)))
    done = await make_service(house).get(house.merchant.id, batch.id)
    assert (done.status, done.changed) == (BatchStatus.FINISHED, 30)
    assert len(await house.rows("SELECT FROM batch_update_changes WHERE merchant_id = $1")) == 30


async def test_overlapping_batches_end_as_one_after_the_other(house: IngestHouse) -> None:
    await invite(house, 24)
    cancelling = await accept(house, CANCEL)
    moving = await accept(house, BatchChange(action=BatchAction.RESCHEDULE, day=DAY))
    cancelled, moved = await asyncio.gather(finish(house, cancelling), finish(house, moving))
    assert cancelled.changed == 24
    assert moved.changed + moved.skipped.get("already_cancelled", 0) == 24
    assert await statuses(house) == {"cancelled": 24}


async def test_orders_that_arrive_meanwhile_are_decided_on_what_is_there(house: IngestHouse) -> None:
    await invite(house, 20)
    batch = await accept(house, CANCEL)
    joining = [
        make_order_event(order_id=f"join{number}", email=f"c{number}@example.com", products=["cup"])
        for number in range(20)
    ]
    await asyncio.gather(finish(house, batch), *(house.post(event) for event in joining))
    rows = await house.rows(
        "SELECT o.outcome, i.status FROM orders o JOIN invitations i"
        " ON i.merchant_id = o.merchant_id AND i.id = o.invitation_id"
        " WHERE o.merchant_id = $1 AND o.order_id LIKE 'join%'"
    )
    assert set(rows) <= {("merged", "cancelled"), ("invited", "scheduled")}
    assert len(rows) == 20


async def test_only_messages_still_to_come_are_moved(house: IngestHouse) -> None:
    ids = await invite(house, 1)
    await house.rows("UPDATE invitations SET status = 'sending' WHERE merchant_id = $1")
    done = await do(house, SEND_NOW, ids)
    assert (done.changed, done.skipped) == (0, {"being_sent": 1})
    [(status,)] = await house.rows("SELECT status FROM invitations WHERE merchant_id = $1")
    assert InvitationStatus(status) is InvitationStatus.SENDING


async def test_batch_goes_by_the_merchants_clock(database: Database) -> None:
    ahead = timedelta(days=40)
    house = await IngestHouse.build(database, merchant=make_merchant(sandbox=True, clock_offset=ahead))
    await invite(house, 1)
    done = await do(house, SEND_NOW)
    assert (done.created_at, done.finished_at) == (NOON + ahead, NOON + ahead)
    assert await house.rows("SELECT send_at FROM invitations WHERE merchant_id = $1") == [(NOON + ahead,)]
