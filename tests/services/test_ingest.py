from dataclasses import replace
from datetime import timedelta

import pytest

from invite_service.domain.errors import Fault, MerchantNotFoundError
from invite_service.domain.invitation import InvitationStatus, InvitedProduct
from invite_service.domain.merchant import MerchantId
from invite_service.domain.order import UNSET, Order, OrderEvent, OrderOutcome
from invite_service.domain.suppression import SuppressionReason, SuppressionSource
from invite_service.domain.timeline import TimelineEvent
from invite_service.services.ingest import IngestedOrder, IngestItem, RefusedOrder
from invite_service.storage.database import Database
from tests.support.builders import MERCHANT_ID, NOON, make_line, make_merchant, make_order_event, make_policy
from tests.support.ingesting import IngestHouse, add_merchant, make_item

COUNT_ROWS = """
SELECT (SELECT count(*) FROM orders WHERE merchant_id = $1), (SELECT count(*) FROM order_lines WHERE merchant_id = $1),
    (SELECT count(*) FROM order_events WHERE merchant_id = $1),
    (SELECT count(*) FROM invitations WHERE merchant_id = $1),
    (SELECT count(*) FROM timeline_entries WHERE merchant_id = $1),
    (SELECT count(*) FROM contacts WHERE merchant_id = $1)
"""


@pytest.fixture
async def shop(database: Database) -> IngestHouse:
    return await IngestHouse.build(database)


async def stored(shop: IngestHouse, order_id: str) -> Order:
    async with shop.database.transaction() as stores:
        return await stores.orders.get(shop.merchant.id, order_id)


async def test_new_order_is_stored_with_its_invitation_record_and_timeline(shop: IngestHouse) -> None:
    event = make_order_event(products=("mug", "cup"))
    body = {"order_id": "1001", "extra": ["kept", None, 1.5]}
    [result] = await shop.service.ingest(shop.merchant.id, [IngestItem(event, body)])

    assert isinstance(result, IngestedOrder)
    assert (result.is_new, result.order.outcome, result.order.received_at) == (True, OrderOutcome.INVITED, NOON)
    assert await stored(shop, "1001") == replace(result.order, version=1)
    invitation = result.invitation
    assert invitation is not None
    assert invitation.products == (InvitedProduct("mug", ("1001",)), InvitedProduct("cup", ("1001",)))
    async with shop.database.transaction() as stores:
        assert await stores.invitations.get(shop.merchant.id, invitation.id) == invitation
        timeline = await stores.timeline.list_of_order(shop.merchant.id, "1001")
    assert [(entry.event, entry.actor, entry.invitation_id) for entry in timeline] == [
        (TimelineEvent.INVITATION_SCHEDULED, "rule", invitation.id)
    ]
    assert await shop.rows("SELECT order_id, body, accepted_at FROM order_events WHERE merchant_id = $1") == [
        ("1001", body, NOON)
    ]
    assert await shop.rows(
        "SELECT invitation_id, order_id, position FROM invitation_orders WHERE merchant_id = $1"
    ) == [(invitation.id, "1001", 0)]


async def test_same_event_again_answers_the_same_and_writes_nothing(shop: IngestHouse) -> None:
    [first] = await shop.post(make_order_event())
    before = await shop.rows(COUNT_ROWS)
    place = "SELECT ctid::text, version FROM orders WHERE merchant_id = $1"
    order_before = await shop.rows(place)
    [again] = await shop.post(make_order_event(), at=NOON + timedelta(hours=1))
    assert (again.is_new, replace(again.order, version=0), again.invitation) == (False, first.order, first.invitation)
    assert await shop.rows(COUNT_ROWS) == before
    assert await shop.rows(place) == order_before


async def test_merged_order_joins_the_stored_invitation(shop: IngestHouse) -> None:
    [first] = await shop.post(make_order_event())
    [second] = await shop.post(make_order_event(order_id="1002", products=("cup", "mug")))
    assert first.invitation is not None
    assert second.order.outcome is OrderOutcome.MERGED
    assert second.invitation == replace(
        first.invitation,
        order_ids=("1001", "1002"),
        products=(InvitedProduct("mug", ("1001", "1002")), InvitedProduct("cup", ("1002",))),
    )
    async with shop.database.transaction() as stores:
        assert await stores.invitations.get(shop.merchant.id, first.invitation.id) == second.invitation


async def test_cancelled_order_passes_its_place_on_to_a_stored_one(shop: IngestHouse) -> None:
    await shop.post(make_order_event())
    await shop.post(make_order_event(order_id="1002", products=("cup",)))
    before = await stored(shop, "1002")
    [cancelled] = await shop.post(make_order_event(status="cancelled"))
    assert cancelled.order.outcome is OrderOutcome.CANCELLED
    assert cancelled.invitation is not None
    assert cancelled.invitation.product_ids == ("cup",)
    assert await stored(shop, "1002") == replace(before, outcome=OrderOutcome.INVITED, version=2)


async def test_later_event_keeps_what_it_does_not_carry(shop: IngestHouse) -> None:
    await shop.post(make_order_event())
    [later] = await shop.post(OrderEvent(order_id="1001", customer_id="c-7"))
    assert (later.order.email, later.order.lines, later.order.customer_id) == (
        "kari@example.com",
        (make_line(),),
        "c-7",
    )
    assert await stored(shop, "1001") == replace(later.order, version=2)


async def test_history_is_found_by_the_contact_an_event_brings(shop: IngestHouse) -> None:
    await shop.post(make_order_event(order_id="1", status="paid", email=None))
    await shop.post(make_order_event(order_id="2", email="ola@example.com"))
    [result] = await shop.post(OrderEvent(order_id="1", email="ola@example.com", status="fulfilled"))
    assert (result.order.outcome, result.order.email) == (OrderOutcome.MERGED, "ola@example.com")


async def test_national_number_is_read_with_the_stored_country_before_its_history_is(shop: IngestHouse) -> None:
    await shop.post(make_order_event(order_id="1", email="a@example.com", phone="+4791234567"))
    await shop.post(make_order_event(order_id="2", email="b@example.com", status="paid"))
    [result] = await shop.post(OrderEvent(order_id="2", phone="912 34 567", status="fulfilled"))
    assert (result.order.phone, result.order.outcome) == ("+4791234567", OrderOutcome.MERGED)


async def test_national_number_is_read_with_a_country_of_the_same_call(shop: IngestHouse) -> None:
    await shop.post(make_order_event(order_id="1", email="a@example.com", phone="+4791234567"))
    results = await shop.post(
        make_order_event(order_id="2", email="b@example.com", status="paid", country="NO"),
        OrderEvent(order_id="2", phone="912 34 567", status="fulfilled"),
    )
    assert [(result.order.outcome, result.is_new) for result in results] == [
        (OrderOutcome.WAITING, True),
        (OrderOutcome.MERGED, False),
    ]


async def test_contact_that_an_event_takes_away_leads_to_the_order_no_more(shop: IngestHouse) -> None:
    await shop.post(make_order_event(order_id="1"))
    await shop.post(OrderEvent(order_id="1", email="new@example.com"))
    results = await shop.post(
        make_order_event(order_id="2", email="kari@example.com"),
        make_order_event(order_id="3", email="new@example.com"),
    )
    assert [result.order.outcome for result in results] == [OrderOutcome.INVITED, OrderOutcome.MERGED]


async def test_orders_that_share_only_a_phone_number_are_one_history(shop: IngestHouse) -> None:
    await shop.post(make_order_event(order_id="1", email="a@example.com", phone="+4791234567"))
    [result] = await shop.post(make_order_event(order_id="2", email="b@example.com", phone="+47 912 34 567"))
    assert result.order.outcome is OrderOutcome.MERGED


async def test_suppression_is_seen(shop: IngestHouse) -> None:
    async with shop.database.transaction() as stores:
        await stores.suppressions.add(
            shop.merchant.id,
            ["kari@example.com"],
            SuppressionReason.UNSUBSCRIBED,
            source=SuppressionSource.UNSUBSCRIBE,
            at=NOON,
        )
    [result] = await shop.post(make_order_event())
    assert (result.order.outcome, result.order.reason) == (OrderOutcome.BLOCKED, "suppressed")


async def test_bounced_address_of_the_open_invitation_is_not_merged_into(shop: IngestHouse) -> None:
    await shop.post(make_order_event(order_id="1", phone="+4791234567"))
    async with shop.database.transaction() as stores:
        await stores.suppressions.add(
            shop.merchant.id,
            ["kari@example.com"],
            SuppressionReason.HARD_BOUNCE,
            source=SuppressionSource.PROVIDER_ANSWER,
            at=NOON,
        )
    [result] = await shop.post(make_order_event(order_id="2", email=None, phone="+4791234567", products=("cup",)))
    assert (result.order.outcome, result.invitation and result.invitation.contact) == (
        OrderOutcome.INVITED,
        "+4791234567",
    )


async def test_event_that_is_wrong_in_itself_is_refused_alone(shop: IngestHouse) -> None:
    wrong = make_order_event(order_id="2", purchased_at=NOON + timedelta(hours=24, seconds=1))
    results = await shop.service.ingest(
        shop.merchant.id, [make_item(make_order_event(order_id="1")), make_item(wrong), make_item(make_order_event())]
    )
    assert [getattr(result, "is_new", None) for result in results] == [True, None, True]
    assert results[1] == RefusedOrder(
        "2", (Fault("/purchased_at", "in_the_future", "The purchase lies more than 24 hours in the future."),)
    )
    assert sorted(await shop.rows("SELECT order_id FROM orders WHERE merchant_id = $1")) == [("1",), ("1001",)]


async def test_future_is_told_by_the_merchants_own_clock(database: Database) -> None:
    ahead = make_merchant(sandbox=True, clock_offset=timedelta(days=100))
    shop = await IngestHouse.build(database, merchant=ahead)
    [result] = await shop.post(make_order_event(purchased_at=NOON + timedelta(days=100)))
    assert (result.order.outcome, result.order.received_at) == (OrderOutcome.INVITED, NOON + timedelta(days=100))


async def test_outdated_event_is_kept_in_the_record_and_changes_nothing(shop: IngestHouse) -> None:
    await shop.post(make_order_event(updated_at=NOON))
    before = await stored(shop, "1001")
    await shop.post(make_order_event(updated_at=NOON - timedelta(seconds=1), status="cancelled"))
    assert await stored(shop, "1001") == before
    assert await shop.rows("SELECT count(*) FROM order_events WHERE merchant_id = $1") == [(2,)]


async def test_lines_that_a_later_event_changes_are_replaced(shop: IngestHouse) -> None:
    await shop.post(make_order_event(products=("a", "b", "c")))
    await shop.post(OrderEvent(order_id="1001", lines=(make_line(id="d"),)))
    assert (await stored(shop, "1001")).lines == (make_line(id="d"),)
    await shop.post(OrderEvent(order_id="1001", status=UNSET, lines=()))
    assert (await stored(shop, "1001")).lines == ()


async def test_new_policy_version_counts_from_the_next_event_on(shop: IngestHouse) -> None:
    await shop.post(make_order_event(order_id="1"))
    async with shop.database.transaction() as stores:
        services_only = make_policy(version=2, service_percent=100)
        await stores.policies.add(shop.merchant.id, services_only, created_at=NOON, created_by="key:shop")
        await stores.merchants.set_policy_version(shop.merchant.id, 2, replacing=1)
    [result] = await shop.post(make_order_event(order_id="2", email="ola@example.com"))
    assert result.invitation is not None
    assert (result.invitation.kind, result.invitation.policy_version) == ("service", 2)


async def test_held_invitation_resumes_by_the_version_it_was_made_under(shop: IngestHouse) -> None:
    [first] = await shop.post(make_order_event())
    await shop.post(OrderEvent(order_id="1001", status="on_hold"))
    [resumed] = await shop.post(OrderEvent(order_id="1001", status="shipped"), at=NOON + timedelta(days=30))
    assert first.invitation is not None
    assert resumed.invitation is not None
    assert (resumed.invitation.status, resumed.invitation.held_at) == (InvitationStatus.SCHEDULED, None)
    assert resumed.invitation.send_at > NOON + timedelta(days=30)


async def test_bell_is_rung_once_for_what_is_due_at_once_and_not_for_later(database: Database) -> None:
    at_once = make_policy(product_delay_days=0, send_window_start=NOON.replace(hour=0).time())
    at_once = replace(at_once, send_window_end=NOON.replace(hour=23).time())
    shop = await IngestHouse.build(database, policies=[at_once])
    await shop.post(make_order_event(order_id="1"), make_order_event(order_id="2", email="ola@example.com"))
    assert shop.bell.rung == [MERCHANT_ID]
    shop = await IngestHouse.build(database, merchant=make_merchant(id=MerchantId("later")))
    await shop.post(make_order_event())
    assert shop.bell.rung == []


async def test_preview_decides_the_same_and_stores_nothing(shop: IngestHouse) -> None:
    await shop.post(make_order_event(order_id="1"))
    before = await shop.rows(COUNT_ROWS)
    event = make_order_event(order_id="2", products=("cup",))
    [preview] = await shop.service.preview(shop.merchant.id, [event])
    assert await shop.rows(COUNT_ROWS) == before
    [result] = await shop.post(event)
    assert preview == result


async def test_preview_of_a_new_customer_and_of_a_faulty_event(shop: IngestHouse) -> None:
    faulty = make_order_event(order_id="2", purchased_at=NOON + timedelta(days=2))
    [new, refused] = await shop.service.preview(shop.merchant.id, [make_order_event(), faulty])
    assert isinstance(new, IngestedOrder)
    assert (new.order.outcome, new.is_new) == (OrderOutcome.INVITED, True)
    assert isinstance(refused, RefusedOrder)
    assert await shop.rows(COUNT_ROWS) == [(0, 0, 0, 0, 0, 0)]


async def test_unknown_merchant_is_not_found(shop: IngestHouse) -> None:
    nobody = MerchantId("nobody")
    with pytest.raises(MerchantNotFoundError):
        await shop.service.ingest(nobody, [make_item(make_order_event())])
    with pytest.raises(MerchantNotFoundError):
        await shop.service.preview(nobody, [make_order_event()])


async def test_merchants_do_not_see_each_other(shop: IngestHouse) -> None:
    other = IngestHouse(shop.database, make_merchant(id=MerchantId("other")))
    await add_merchant(shop.database, other.merchant)
    await shop.post(make_order_event())
    [result] = await other.post(make_order_event(order_id="1002"))
    assert (result.order.outcome, result.is_new) == (OrderOutcome.INVITED, True)
    assert await shop.rows("SELECT order_id FROM orders WHERE merchant_id = $1") == [("1001",)]


async def test_call_without_events_does_nothing(shop: IngestHouse) -> None:
    assert await shop.service.ingest(shop.merchant.id, []) == []
