"""Orders of one customer that are posted at the same time end as one after the other would (DESIGN.md section 5)."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest

from invite_service.domain.invitation import Invitation
from invite_service.domain.order import OrderEvent, OrderOutcome
from invite_service.services.ingest import IngestedOrder
from invite_service.storage.sending import Lease
from tests.support.builders import NOON, make_order_event, make_policy, new_id
from tests.support.ingesting import IngestHouse
from tests.support.posting_process import ORDERS_OF_A_CUSTOMER

ROUNDS = 25

PROCESSES = 3
PROCESS_ROUNDS = 40

ROOT = Path(__file__).parents[2]


@pytest.fixture
async def shop(database_url: str) -> AsyncIterator[IngestHouse]:
    async with IngestHouse.open(database_url, pool_size=6) as house:
        yield house


async def post_at_once(shop: IngestHouse, *calls: OrderEvent | Sequence[OrderEvent]) -> list[IngestedOrder]:
    """Post each event, or list of events, in a call of its own, all at the same time."""
    grouped = [[call] if isinstance(call, OrderEvent) else call for call in calls]
    return [
        result for results in await asyncio.gather(*(shop.post(*events) for events in grouped)) for result in results
    ]


def outcomes(results: Sequence[IngestedOrder]) -> list[str]:
    return sorted(result.order.outcome.value for result in results)


async def invitations_of(shop: IngestHouse, order_ids: Sequence[str]) -> list[Invitation]:
    rows = await shop.rows(
        "SELECT DISTINCT invitation_id FROM invitation_orders WHERE merchant_id = $1 AND order_id = ANY($2::text[])",
        list(order_ids),
    )
    async with shop.database.transaction() as stores:
        return [await stores.invitations.get(shop.merchant.id, invitation_id) for (invitation_id,) in rows]


async def test_orders_of_a_new_customer_on_one_day_become_one_invitation(shop: IngestHouse) -> None:
    for number in range(ROUNDS):
        ids = [f"{number}-{place}" for place in range(4)]
        results = await post_at_once(
            shop,
            *(make_order_event(order_id=id_, email=f"{number}@example.com", products=(f"p{id_}",)) for id_ in ids),
        )
        assert outcomes(results) == ["invited", "merged", "merged", "merged"]
        [invitation] = await invitations_of(shop, ids)
        assert sorted(invitation.order_ids) == ids
        assert sorted(invitation.product_ids) == [f"p{id_}" for id_ in ids]


async def test_same_order_posted_twice_at_once_is_stored_once(shop: IngestHouse) -> None:
    for number in range(ROUNDS):
        event = make_order_event(order_id=f"{number}", email=f"{number}@example.com")
        results = await post_at_once(shop, event, event, event)
        assert sorted(result.is_new for result in results) == [False, False, True]
        assert outcomes(results) == ["invited"] * 3
        assert len({result.invitation.id for result in results if result.invitation}) == 1
    counts = await shop.rows(
        """SELECT (SELECT count(*) FROM order_events WHERE merchant_id = $1),
        (SELECT count(*) FROM invitations WHERE merchant_id = $1)"""
    )
    assert counts == [(ROUNDS, ROUNDS)]


async def test_same_order_without_any_contact_posted_twice_at_once_is_stored_once(shop: IngestHouse) -> None:
    for number in range(ROUNDS):
        event = make_order_event(order_id=f"{number}", email=None)
        results = await post_at_once(shop, event, event, event)
        assert sorted(result.is_new for result in results) == [False, False, True]
        assert outcomes(results) == ["blocked"] * 3
    assert await shop.rows("SELECT count(*) FROM order_events WHERE merchant_id = $1") == [(ROUNDS,)]


async def test_same_order_id_with_different_contacts_at_once_ends_as_one_order(shop: IngestHouse) -> None:
    for number in range(ROUNDS):
        results = await post_at_once(
            shop,
            *(make_order_event(order_id=f"{number}", email=f"{number}-{place}@example.com") for place in range(3)),
        )
        assert sorted(result.is_new for result in results) == [False, False, True]
        assert len(await invitations_of(shop, [f"{number}"])) == 1
    assert await shop.rows("SELECT count(*) FROM order_events WHERE merchant_id = $1") == [(3 * ROUNDS,)]


async def test_customers_who_share_only_a_phone_number_become_one_invitation(shop: IngestHouse) -> None:
    for number in range(ROUNDS):
        phone = f"+4791{number:06}"
        results = await post_at_once(
            shop,
            make_order_event(order_id=f"{number}-a", email=f"{number}-a@example.com", phone=phone),
            make_order_event(order_id=f"{number}-b", email=f"{number}-b@example.com", phone=phone),
            make_order_event(order_id=f"{number}-c", email=None, phone=phone),
        )
        assert outcomes(results) == ["invited", "merged", "merged"]


async def test_contact_that_changes_while_its_new_owner_orders(shop: IngestHouse) -> None:
    for number in range(ROUNDS):
        first, second = f"{number}-1", f"{number}-2"
        shared = f"{number}-shared@example.com"
        await shop.post(make_order_event(order_id=first, email=f"{number}-old@example.com"))
        await post_at_once(
            shop, OrderEvent(order_id=first, email=shared), make_order_event(order_id=second, email=shared)
        )
        ids = {first: "invited"}
        rows = await shop.rows(
            "SELECT order_id, outcome FROM orders WHERE merchant_id = $1 AND order_id = ANY($2::text[])",
            [first, second],
        )
        ids = dict(rows)
        joined = await invitations_of(shop, [first, second])
        # Before the change it is another customer's order; after it, one more of the same day.
        assert (ids, len(joined)) in [
            ({first: "invited", second: "invited"}, 2),
            ({first: "invited", second: "merged"}, 1),
        ]


async def test_invited_order_is_cancelled_while_another_joins(shop: IngestHouse) -> None:
    for number in range(ROUNDS):
        first, second = f"{number}-1", f"{number}-2"
        email = f"{number}@example.com"
        await shop.post(make_order_event(order_id=first, email=email))
        await post_at_once(
            shop,
            make_order_event(order_id=first, email=email, status="cancelled"),
            make_order_event(order_id=second, email=email, products=("cup",)),
        )
        async with shop.database.transaction() as stores:
            cancelled = await stores.orders.get(shop.merchant.id, first)
            left = await stores.orders.get(shop.merchant.id, second)
        assert (cancelled.outcome, left.outcome) == (OrderOutcome.CANCELLED, OrderOutcome.INVITED)
        to_come = [
            invitation for invitation in await invitations_of(shop, [first, second]) if invitation.has_messages_to_come
        ]
        assert [(invitation.id, invitation.product_ids) for invitation in to_come] == [(left.invitation_id, ("cup",))]


async def test_orders_with_disjoint_contacts_in_one_invitation_are_cancelled_at_once(shop: IngestHouse) -> None:
    for number in range(ROUNDS):
        phone = f"+4791{number:06}"
        ids = [f"{number}-1", f"{number}-2", f"{number}-3"]
        contacts = [(f"{number}@example.com", None), (f"{number}@example.com", phone), (None, phone)]
        for order_id, (email, number_) in zip(ids, contacts, strict=True):
            await shop.post(make_order_event(order_id=order_id, email=email, phone=number_, products=(order_id,)))
        await post_at_once(shop, *(OrderEvent(order_id=order_id, status="cancelled") for order_id in ids))
        [invitation] = await invitations_of(shop, ids)
        assert (invitation.status, invitation.ended_reason, invitation.product_ids) == (
            "cancelled",
            "order_cancelled",
            (),
        )


async def test_batches_with_the_same_orders_the_other_way_round(shop: IngestHouse) -> None:
    for number in range(5):
        events = [
            make_order_event(order_id=f"{number}-{place}", email=f"{number}-{place // 2}@example.com")
            for place in range(20)
        ]
        results = await post_at_once(shop, events, events[::-1], events[::2], events[1::2])
        assert sum(result.is_new for result in results) == 20
        first = results[:20]
        assert outcomes(first) == ["invited"] * 10 + ["merged"] * 10


async def test_nothing_joins_an_invitation_that_a_worker_has_claimed(database_url: str) -> None:
    soon = make_policy(product_delay_days=0)
    async with IngestHouse.open(database_url, policies=[soon], pool_size=6) as shop:
        claimed: dict[UUID, tuple[str, ...]] = {}
        is_over = asyncio.Event()
        worker = asyncio.create_task(_claim_until(shop, claimed, is_over))
        for number in range(2 * ROUNDS):
            email = f"{number}@example.com"
            ids = [f"{number}-{place}" for place in range(3)]
            results = await post_at_once(
                shop, *(make_order_event(order_id=id_, email=email, products=("mug",)) for id_ in ids)
            )
            # Whoever comes after the claim finds the product asked by a message that is being sent.
            assert set(outcomes(results)) <= {"invited", "merged", "blocked"}
            assert outcomes(results).count("invited") == 1
        is_over.set()
        await worker
        for invitation in await invitations_of(shop, [f"{n}-{p}" for n in range(2 * ROUNDS) for p in range(3)]):
            assert invitation.order_ids == claimed[invitation.id]


async def _claim_until(shop: IngestHouse, claimed: dict[UUID, tuple[str, ...]], is_over: asyncio.Event) -> None:
    """Claim whatever is due, as a worker does, and remember which orders each claimed invitation had."""
    is_last = False
    while not is_last:
        is_last = is_over.is_set()
        async with shop.database.transaction() as stores:
            ids = await stores.sending.claim_due(
                shop.merchant.id,
                now=NOON + timedelta(days=30),
                limit=5,
                lease=Lease(new_id(), NOON + timedelta(days=99)),
            )
        for invitation_id in ids:
            async with shop.database.transaction() as stores:
                claimed[invitation_id] = (await stores.invitations.get(shop.merchant.id, invitation_id)).order_ids
        is_last = is_last and not ids
        await asyncio.sleep(0)


async def test_processes_that_post_the_same_customers_at_once(shop: IngestHouse, database_url: str) -> None:
    running = []
    for seed in range(PROCESSES):
        arguments = ("-m", "tests.support.posting_process", database_url, str(seed), str(PROCESS_ROUNDS))
        running.append(
            await asyncio.create_subprocess_exec(
                sys.executable, *arguments, cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
            )
        )
    try:
        answers = [await process.communicate() for process in running]
    finally:
        for process in running:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
    assert [errors.decode() for _, errors in answers] == [""] * PROCESSES
    expected = PROCESS_ROUNDS * ORDERS_OF_A_CUSTOMER
    assert sum(int(output) for output, _ in answers) == expected
    counts = await shop.rows(
        """SELECT (SELECT count(*) FROM order_events WHERE merchant_id = $1),
        (SELECT count(*) FROM invitations WHERE merchant_id = $1),
        (SELECT count(*) FROM orders WHERE merchant_id = $1 AND outcome = 'invited'),
        (SELECT count(*) FROM orders WHERE merchant_id = $1 AND outcome = 'merged'),
        (SELECT count(*) FROM invitations WHERE merchant_id = $1 AND cardinality(order_ids) = $2)""",
        ORDERS_OF_A_CUSTOMER,
    )
    assert counts == [(expected, PROCESS_ROUNDS, PROCESS_ROUNDS, 3 * PROCESS_ROUNDS, PROCESS_ROUNDS)]
