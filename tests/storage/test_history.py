import asyncio
from dataclasses import replace
from datetime import timedelta

from invite_service.domain.invitation import Channel, InvitationStatus
from invite_service.domain.merchant import MerchantId
from invite_service.domain.suppression import Suppression, SuppressionReason, SuppressionSource
from invite_service.storage.history import NO_STORED_HISTORY
from invite_service.storage.invitations import InvitationChange
from tests.support.builders import NOON, make_order_event
from tests.support.ingesting import IngestHouse

KARI, OLA, PHONE = "kari@example.com", "ola@example.com", "+4791234567"


async def test_lock_tells_known_orders_and_contacts_nobody_has_seen(shop: IngestHouse) -> None:
    [posted] = await shop.post(make_order_event(order_id="1", phone=PHONE))
    async with shop.database.transaction() as stores:
        locked = await stores.history.lock(shop.merchant.id, ["1", "2"], [OLA])
    assert locked is not None
    assert locked.merchant == shop.merchant
    assert locked.contacts == {KARI, PHONE, OLA}
    assert locked.new_contacts == {OLA}
    [known] = locked.known_orders.values()
    assert (known.order_id, known.country, known.contacts) == ("1", "NO", (KARI, PHONE))
    assert (known.purchased_at, known.received_at) == (posted.order.purchased_at, NOON)


async def test_finding_tells_the_same_and_makes_no_contact(shop: IngestHouse) -> None:
    await shop.post(make_order_event(order_id="1"))
    async with shop.database.transaction() as stores:
        found = await stores.history.find(shop.merchant.id, ["1", "2"], [KARI, OLA])
        again = await stores.history.find(shop.merchant.id, ["1", "2"], [KARI, OLA])
    assert found is not None
    assert again == found
    assert found.contacts == {KARI, OLA}
    assert found.new_contacts == {OLA}
    assert set(found.known_orders) == {"1"}


async def test_no_merchant_has_nothing_to_lock_or_find(shop: IngestHouse) -> None:
    nobody = MerchantId("nobody")
    async with shop.database.transaction() as stores:
        assert await stores.history.find(nobody, ["1"], [KARI]) is None
    async with shop.database.transaction() as stores:
        assert await stores.history.lock(nobody, [], []) is None
    for order_ids in ([], ["1"]):
        locked = await _lock_in_a_transaction_that_may_fail(shop, nobody, order_ids)
        assert locked is None


async def _lock_in_a_transaction_that_may_fail(
    shop: IngestHouse, merchant_id: MerchantId, order_ids: list[str]
) -> object:
    async with shop.database.autocommit() as stores:
        return await stores.history.lock(merchant_id, order_ids, [KARI])


async def test_history_holds_what_shares_a_contact_and_what_hangs_on_it(shop: IngestHouse) -> None:
    [first] = await shop.post(make_order_event(order_id="1"))
    await shop.post(make_order_event(order_id="2", phone=PHONE))
    [third] = await shop.post(make_order_event(order_id="3", email=OLA, phone=PHONE, products=("cup",)))
    await shop.post(make_order_event(order_id="4", email="nobody@example.com"))
    async with shop.database.transaction() as stores:
        await stores.suppressions.add(
            shop.merchant.id,
            [KARI, OLA],
            SuppressionReason.HARD_BOUNCE,
            source=SuppressionSource.PROVIDER_ANSWER,
            at=NOON,
        )
        history = await stores.history.read(shop.merchant.id, {"3"}, {OLA}, lock=True)
    assert third.invitation is not None
    assert first.invitation is not None
    assert third.invitation.id == first.invitation.id
    by_id = {order.order_id: order for order in history.orders}
    assert set(by_id) == {"1", "2", "3"}
    assert by_id["3"] == replace(third.order, version=1)
    # The others come without lines and trace: no decision looks at them.
    assert by_id["1"] == replace(first.order, version=1, lines=(), trace=())
    assert list(history.invitations) == [third.invitation]
    # Kari is suppressed as well: the invitation goes to her.
    assert sorted(history.suppressions, key=lambda suppression: suppression.contact) == [
        Suppression(KARI, SuppressionReason.HARD_BOUNCE, NOON, Channel.EMAIL),
        Suppression(OLA, SuppressionReason.HARD_BOUNCE, NOON, Channel.EMAIL),
    ]
    assert (history.is_stale, history.reaches_further) == (False, True)


async def test_history_of_a_stranger_is_empty(shop: IngestHouse) -> None:
    await shop.post(make_order_event())
    async with shop.database.transaction() as stores:
        history = await stores.history.read(shop.merchant.id, {"9"}, {OLA}, lock=True)
    assert history == replace(NO_STORED_HISTORY, orders=[], invitations=[])


async def test_history_that_changed_while_its_lock_was_waited_for_is_stale_once(shop: IngestHouse) -> None:
    [posted] = await shop.post(make_order_event())
    invitation = posted.invitation
    assert invitation is not None
    holds_it, moved = asyncio.Event(), replace(invitation, send_at=NOON + timedelta(days=50))

    async def move() -> None:
        async with shop.database.transaction() as stores:
            await stores.invitations.lock(shop.merchant.id, [invitation.id])
            holds_it.set()
            await stores.invitations.save(shop.merchant.id, [InvitationChange(moved, invitation)])
            await shop.until_a_lock_is_awaited()

    moving = asyncio.create_task(move())
    await holds_it.wait()
    async with shop.database.transaction() as stores:
        first = await stores.history.read(shop.merchant.id, {"1001"}, {KARI}, lock=True)
        second = await stores.history.read(shop.merchant.id, {"1001"}, {KARI}, lock=True)
    await moving
    assert (first.is_stale, second.is_stale) == (True, False)
    assert list(second.invitations) == [moved]


async def test_history_whose_lock_was_waited_for_in_vain_is_not_stale(shop: IngestHouse) -> None:
    [posted] = await shop.post(make_order_event())
    assert posted.invitation is not None
    invitation_id, holds_it = posted.invitation.id, asyncio.Event()

    async def hold() -> None:
        async with shop.database.transaction() as stores:
            await stores.invitations.lock(shop.merchant.id, [invitation_id])
            holds_it.set()
            await shop.until_a_lock_is_awaited()

    holding = asyncio.create_task(hold())
    await holds_it.wait()
    async with shop.database.transaction() as stores:
        history = await stores.history.read(shop.merchant.id, {"1001"}, {KARI}, lock=True)
    await holding
    assert (history.is_stale, list(history.invitations)) == (False, [posted.invitation])


async def test_preview_waits_for_nobody(shop: IngestHouse) -> None:
    [posted] = await shop.post(make_order_event())
    assert posted.invitation is not None
    async with shop.database.transaction() as holder:
        await holder.history.lock(shop.merchant.id, ["1001"], [KARI])
        await holder.invitations.lock(shop.merchant.id, [posted.invitation.id])
        async with asyncio.timeout(10), shop.database.transaction() as stores:
            await stores.history.find(shop.merchant.id, ["1001"], [KARI])
            history = await stores.history.read(shop.merchant.id, {"1001"}, {KARI}, lock=False)
    assert list(history.invitations) == [posted.invitation]


async def test_orders_beside_a_known_one_in_its_invitation_are_locked_with_it(shop: IngestHouse) -> None:
    await shop.post(make_order_event(order_id="1"), make_order_event(order_id="2"))
    steps: list[str] = []

    async def lock_second() -> None:
        async with shop.database.transaction() as stores:
            await stores.history.lock(shop.merchant.id, ["2"], [])
            steps.append("second locked")

    async with shop.database.transaction() as stores:
        await stores.history.lock(shop.merchant.id, ["1"], [])
        waiting = asyncio.create_task(lock_second())
        await shop.until_a_lock_is_awaited()
        steps.append("first ends")
    await waiting
    assert steps == ["first ends", "second locked"]


async def test_what_only_feedback_can_change_is_not_locked(shop: IngestHouse) -> None:
    [posted] = await shop.post(make_order_event(order_id="1"))
    invitation = posted.invitation
    assert invitation is not None
    sent = replace(invitation, status=InvitationStatus.SENT, next_step=None, next_attempt_at=None)
    async with shop.database.transaction() as stores:
        await stores.invitations.lock(shop.merchant.id, [invitation.id])
        await stores.invitations.save(shop.merchant.id, [InvitationChange(sent, invitation)])
    async with shop.database.transaction() as holder:
        await holder.invitations.lock(shop.merchant.id, [invitation.id])
        async with asyncio.timeout(10), shop.database.transaction() as stores:
            history = await stores.history.read(shop.merchant.id, {"2"}, {KARI}, lock=True)
    assert list(history.invitations) == [sent]
