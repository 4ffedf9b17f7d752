"""Who may claim what is due and for how long, over a real database."""

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest

from invite_service.domain.invitation import InvitationStatus
from invite_service.storage.database import Database
from invite_service.storage.sending import Lease
from tests.support.builders import NOON, make_order_event, new_id
from tests.support.sending import SendingHouse


@pytest.fixture
async def house(database: Database) -> SendingHouse:
    return await SendingHouse.build(database)


async def _claim(house: SendingHouse, limit: int, *, token: UUID | None = None) -> list[UUID]:
    lease = Lease(token or new_id(), house.clock.now + timedelta(minutes=1))
    async with house.database.autocommit() as stores:
        return await stores.sending.claim_due(house.merchant.id, now=house.clock.now, limit=limit, lease=lease)


async def test_claims_take_the_earliest_and_are_disjoint(house: SendingHouse) -> None:
    invitations = await house.invite_many(30)
    by_due = sorted(invitations, key=lambda invitation: (invitation.send_at, invitation.id))

    first = await _claim(house, 10)
    second = await _claim(house, 100)

    assert set(first) == {invitation.id for invitation in by_due[:10]}
    assert set(second) == {invitation.id for invitation in by_due[10:]}
    assert await _claim(house, 100) == []


async def test_claims_at_the_same_time_are_disjoint(house: SendingHouse) -> None:
    invitations = await house.invite_many(60)

    claims = await asyncio.gather(*(_claim(house, 7) for _ in range(10)))

    claimed = [invitation_id for claim in claims for invitation_id in claim]
    assert len(claimed) == len(set(claimed))
    rest = await _claim(house, 100)
    assert {*claimed, *rest} == {invitation.id for invitation in invitations}


async def test_claim_passes_by_what_somebody_else_has_locked(house: SendingHouse) -> None:
    first, second = await house.invite_many(2)
    async with house.database.transaction() as stores:
        await stores.invitations.lock(house.merchant.id, [first.id])
        assert await _claim(house, 10) == [second.id]
    assert await _claim(house, 10) == [first.id]


async def test_lease_is_renewed_only_under_its_token(house: SendingHouse) -> None:
    await house.invite_many(2)
    token = new_id()
    ids = await _claim(house, 2, token=token)
    later = house.clock.now + timedelta(hours=1)
    async with house.database.autocommit() as stores:
        await stores.sending.renew_leases(house.merchant.id, ids, lease=Lease(new_id(), later))
        await stores.sending.renew_leases(house.merchant.id, ids[:1], lease=Lease(token, later))
    rows = await house.rows("SELECT id, lease_until FROM invitations")
    assert {row["id"]: row["lease_until"] for row in rows} == {
        ids[0]: later,
        ids[1]: house.clock.now + timedelta(minutes=1),
    }


async def test_only_expired_leases_are_locked(house: SendingHouse) -> None:
    await house.invite_many(3)
    ids = await _claim(house, 2)
    async with house.database.transaction() as stores:
        assert await stores.sending.lock_expired(house.merchant.id, real_now=house.clock.now, limit=10) == []
        after = house.clock.now + timedelta(minutes=1, seconds=1)
        expired = await stores.sending.lock_expired(house.merchant.id, real_now=after, limit=10)
        merchants = await stores.due.list_merchants_with_expired_leases(real_now=after)
    assert {invitation.id for invitation in expired} == set(ids)
    assert {invitation.status for invitation in expired} == {InvitationStatus.SENDING}
    assert merchants == [house.merchant.id]


async def test_hastening_makes_due_what_only_waited(house: SendingHouse) -> None:
    waiting, planned = await house.invite_many(2)
    now = house.clock.now
    for invitation, send_at in ((waiting, now - timedelta(hours=1)), (planned, now + timedelta(days=1))):
        await house.rows(
            "UPDATE invitations SET send_at = $2, next_attempt_at = $3 WHERE id = $1",
            invitation.id,
            send_at,
            now + timedelta(days=1),
        )
    async with house.database.autocommit() as stores:
        await stores.sending.hasten(house.merchant.id, "sms", now=now)
        assert await stores.due.find_next_due(house.merchant.id) == now + timedelta(days=1)
        await stores.sending.hasten(house.merchant.id, "email", now=now)
        assert await stores.due.find_next_due(house.merchant.id) == now
    assert (await house.invitation(planned.id)).next_attempt_at == now + timedelta(days=1)


async def _waits_for_a_lock(house: SendingHouse) -> None:
    """Wait until another statement does."""
    async with asyncio.timeout(10):
        while not await house.rows("SELECT FROM pg_locks WHERE NOT granted"):  # noqa: ASYNC110
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("changes", ["hasten", "renew_leases"])
async def test_many_invitations_are_changed_in_the_order_in_which_others_lock_them(
    house: SendingHouse, changes: str
) -> None:
    low, high = sorted(invitation.id for invitation in await house.invite_many(2))
    token = new_id()
    if changes == "renew_leases":
        await _claim(house, 2, token=token)

    async def change() -> None:
        async with house.database.autocommit() as stores:
            if changes == "hasten":
                await stores.sending.hasten(house.merchant.id, "email", now=house.clock.now)
            else:
                lease = Lease(token, house.clock.now + timedelta(hours=1))
                await stores.sending.renew_leases(house.merchant.id, [high, low], lease=lease)

    # The lower id comes last, whether the table is walked or an index on any of the instants.
    for number, invitation_id in enumerate((high, low)):
        await house.rows(
            "UPDATE invitations SET send_at = $2, next_attempt_at = $3 WHERE id = $1",
            invitation_id,
            house.clock.now - timedelta(hours=2 - number),
            house.clock.now + timedelta(hours=1 + number),
        )
    async with house.database.transaction() as stores:
        await stores.invitations.lock(house.merchant.id, [low])
        changing = asyncio.create_task(change())
        await _waits_for_a_lock(house)
        await stores.invitations.lock(house.merchant.id, [high])
    await changing


async def test_contents_tell_the_other_invitations_of_the_history(house: SendingHouse) -> None:
    """By the e-mail address, by the phone number, and by an order that belongs elsewhere by now."""
    [mine] = await house.post(make_order_event(order_id="1", email="a@example.com", phone="+4790000001"))
    [by_phone] = await house.post(
        make_order_event(order_id="2", email="b@example.com", phone="+4790000001", products=["bowl"])
    )
    [by_email] = await house.post(
        make_order_event(order_id="3", email="a@example.com", products=["cup"], purchased_at=NOON - timedelta(days=9))
    )
    [stranger] = await house.post(make_order_event(order_id="4", email="c@example.com"))
    assert mine.invitation is not None
    related = {ingested.invitation.id for ingested in (by_phone, by_email) if ingested.invitation is not None}
    assert stranger.invitation is not None
    async with house.database.autocommit() as stores:
        [content] = await stores.sending.read_contents(house.merchant.id, [mine.invitation.id])
    assert set(content.other_ids) == related - {mine.invitation.id}
    assert content.invitation == await house.invitation(mine.invitation.id)
