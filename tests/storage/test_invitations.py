from dataclasses import fields, replace
from datetime import date, timedelta
from uuid import UUID

import pytest

from invite_service.domain.errors import InvitationNotFoundError
from invite_service.domain.invitation import Channel, Invitation, InvitationStatus, InvitedProduct, Kind, Step
from invite_service.storage.decisions import Decisions
from invite_service.storage.errors import TransactionConflictError
from invite_service.storage.invitations import InvitationChange
from tests.support.builders import NOON, make_invitation, make_line, make_order, new_id
from tests.support.ingesting import KEYS, IngestHouse

FIXED = {"id", "created_at"}

CHANGED = Invitation(
    id=new_id(),
    kind=Kind.SERVICE,
    channel=Channel.SMS,
    language="pt-BR",
    contact="+4791234567",
    customer_name=None,
    status=InvitationStatus.IN_DOUBT,
    steps=(Step.PRODUCT_2,),
    next_step=None,
    policy_version=1,
    time_zone="Asia/Kathmandu",
    spread_order_id="1002",
    created_at=NOON + timedelta(seconds=1),
    send_at=NOON + timedelta(days=3),
    next_attempt_at=None,
    order_ids=("1001", "1002"),
    products=(InvitedProduct("mug", (), asked=True), InvitedProduct('c"up', ("1002", "1001"))),
    held_at=NOON + timedelta(hours=1),
    moved_by_merchant=True,
    send_now=True,
    rescheduled_to=date(2026, 3, 13),
    message_count=2,
    first_sent_at=NOON + timedelta(hours=2),
    last_sent_at=NOON + timedelta(hours=3),
    last_message_at=NOON + timedelta(hours=4),
    not_received_on=date(2026, 3, 12),
    tries=11,
    ended_reason="order_cancelled",
)
"""Another value than `make_invitation` has in every field."""


async def store_new(shop: IngestHouse, *invitations: Invitation) -> None:
    """Store invitations with the orders and products they name."""
    orders = [
        make_order(order_id=order_id, lines=(make_line(), make_line(id='c"up')))
        for order_id in {order_id for invitation in invitations for order_id in invitation.order_ids}
    ]
    async with shop.database.transaction() as stores:
        await stores.decisions.record(
            shop.merchant.id,
            Decisions(
                posted_ids={order.order_id for order in orders},
                orders=orders,
                invitations=invitations,
                accepted_at=NOON,
            ),
        )


async def read(shop: IngestHouse, invitation_id: UUID) -> Invitation:
    async with shop.database.transaction() as stores:
        return await stores.invitations.get(shop.merchant.id, invitation_id)


async def save(shop: IngestHouse, change: InvitationChange) -> None:
    async with shop.database.transaction() as stores:
        await stores.invitations.lock(shop.merchant.id, [change.invitation.id])
        await stores.invitations.save(shop.merchant.id, [change])


@pytest.mark.parametrize("invitation", [make_invitation(), CHANGED], ids=["new", "changed"])
async def test_invitation_comes_back_as_it_was_stored(shop: IngestHouse, invitation: Invitation) -> None:
    await store_new(shop, invitation)
    assert await read(shop, invitation.id) == invitation


def test_changed_value_differs_from_a_new_one_in_every_field() -> None:
    made = make_invitation()
    same = [field.name for field in fields(Invitation) if getattr(made, field.name) == getattr(CHANGED, field.name)]
    assert same == ["policy_version"]


async def test_every_field_that_may_change_is_saved(shop: IngestHouse) -> None:
    made = make_invitation(order_ids=("1001", "1002"))
    await store_new(shop, made)
    changed = replace(CHANGED, **{name: getattr(made, name) for name in FIXED})
    await save(shop, InvitationChange(changed, made))
    assert await read(shop, made.id) == changed
    keys = await shop.rows("SELECT contact_key FROM invitations WHERE merchant_id = $1")
    assert keys == [(KEYS.key(changed.contact),)]


async def test_products_that_join_and_leave_are_saved(shop: IngestHouse) -> None:
    made = make_invitation()
    await store_new(shop, made, make_invitation(order_ids=("1002",), products=('c"up',)))
    joined = replace(made, products=(InvitedProduct("mug", ()), InvitedProduct('c"up', ("1001",))))
    await save(shop, InvitationChange(joined, made))
    assert await read(shop, made.id) == joined


async def test_saving_over_another_status_is_a_conflict(shop: IngestHouse) -> None:
    made = make_invitation()
    await store_new(shop, made)
    await save(shop, InvitationChange(replace(made, status=InvitationStatus.CANCELLED), made))
    with pytest.raises(TransactionConflictError):
        await save(shop, InvitationChange(replace(made, tries=1), made))


async def test_lock_reads_those_that_exist_sorted_by_id(shop: IngestHouse) -> None:
    first, second = make_invitation(), make_invitation(order_ids=("1002",))
    await store_new(shop, first, second)
    async with shop.database.transaction() as stores:
        locked = await stores.invitations.lock(shop.merchant.id, [second.id, new_id(), first.id])
    assert locked == [first, second]


async def test_erased_contact_reads_as_empty_and_keeps_its_key(shop: IngestHouse) -> None:
    made = make_invitation()
    await store_new(shop, made)
    await shop.rows("UPDATE invitations SET contact = NULL WHERE merchant_id = $1")
    erased = replace(made, contact="")
    assert await read(shop, made.id) == erased
    await save(shop, InvitationChange(replace(erased, status=InvitationStatus.ERASED), erased))
    assert await shop.rows("SELECT contact, contact_key, status FROM invitations WHERE merchant_id = $1") == [
        (None, KEYS.key(made.contact), "erased")
    ]


async def test_unknown_invitation_is_not_found(shop: IngestHouse) -> None:
    with pytest.raises(InvitationNotFoundError):
        await read(shop, new_id())
