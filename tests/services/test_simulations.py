"""Simulations: recorded orders replayed under two policies, by the rules that decide for real."""

import asyncio
import gzip
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from itertools import combinations, pairwise
from pathlib import Path
from time import process_time
from typing import Any

import orjson
import pytest

from invite_service.api.simulations import read_recorded
from invite_service.domain.channel import ChannelSettings, Price
from invite_service.domain.decision import Reason
from invite_service.domain.errors import InvalidInputError
from invite_service.domain.invitation import Channel, Kind
from invite_service.domain.order import OrderOutcome
from invite_service.domain.policy import ConsentRequirement, DelayOrigin, Policy, ProductSteps, SendZone
from invite_service.rules.simulation import Fate
from invite_service.services.ingest import IngestItem
from invite_service.services.simulations import ChangedFate, Progress, SimulationResult, SimulationService
from invite_service.storage.database import Database
from tests.support.builders import NOON, make_merchant, make_policy
from tests.support.ingesting import IngestHouse

REAL_ORDERS = Path(__file__).parents[1] / "data" / "gift-shop-300.jsonl.gz"

CURRENT = make_policy()

POLICIES = (
    CURRENT,
    make_policy(service_percent=40, block_days=20, send_zone=SendZone.RECIPIENT),
    make_policy(delay_origin=DelayOrigin.PURCHASED, product_repeat_days=7, send_days=("mon", "wed")),
    make_policy(product_steps=ProductSteps.SECOND_ONLY, send_window_start=time(8), trigger_statuses=()),
)

MANY_IN_AN_HOUR = 1_000
"""Messages: in one go, those of a side would be nearly half of all the work that is left once the orders are read."""

BEGINNING, END = datetime(2000, 1, 1, tzinfo=UTC), datetime(2090, 1, 1, tzinfo=UTC)


@pytest.fixture
async def house(database: Database) -> IngestHouse:
    return await IngestHouse.build(database)


async def record(house: IngestHouse, body: Mapping[str, Any], *, at: datetime) -> None:
    """Ingest an order as it is posted, at an instant."""
    house.now = at
    await house.service.ingest(house.merchant.id, [IngestItem(read_recorded(body), body)])


async def simulate(
    house: IngestHouse,
    changed: Policy,
    *,
    current: Policy = CURRENT,
    start: datetime = BEGINNING,
    end: datetime = END,
) -> tuple[SimulationResult, list[ChangedFate]]:
    service = SimulationService(house.database)
    total = await service.count(house.merchant, start=start, end=end)
    news = [
        one
        async for one in service.run(
            house.merchant,
            current=current,
            changed=changed,
            start=start,
            end=end,
            total=total,
            read_event=read_recorded,
        )
    ]
    progress = [one for one in news if isinstance(one, Progress)]
    assert progress[0] == Progress(0, total)
    assert progress[-1] == Progress(total, total)
    result = news[-1]
    assert isinstance(result, SimulationResult)
    return result, [one for one in news if isinstance(one, ChangedFate)]


def body(order_id: str, **changes: Any) -> dict[str, Any]:
    return {
        "order_id": order_id,
        "status": "shipped",
        "customer": {"email": f"{order_id}@example.com"},
        "products": [{"id": "mug"}],
        **changes,
    }


async def record_real_orders(house: IngestHouse) -> int:
    lines = gzip.decompress(REAL_ORDERS.read_bytes()).splitlines()
    for line in lines:
        posted = {name: value for name, value in orjson.loads(line).items() if not name.startswith("_")}
        await record(house, posted, at=datetime.fromisoformat(posted["purchased_at"]) + timedelta(hours=1))
    return len(lines)


async def test_same_policy_gives_no_difference_on_real_orders(database: Database) -> None:
    merchant = make_merchant(time_zone="Europe/London")
    house = await IngestHouse.build(database, merchant=merchant)
    count = await record_real_orders(house)
    results = []
    for policy in POLICIES:
        result, changes = await simulate(house, replace(policy, version=2), current=policy)
        assert (result.orders, result.unreadable, changes, result.changes) == (count, 0, [], {})
        assert result.before == result.after
        assert sum(result.before.outcomes.values()) == count
        assert sum(result.before.load_by_day.values()) == sum(result.before.messages.values())
        assert sum(result.before.load_by_hour.values()) == sum(result.before.messages.values())
        results.append(result.before)
    assert all(one != other for one, other in combinations(results, 2))


async def test_outcomes_are_those_that_were_decided(database: Database) -> None:
    """Nothing was sent for real, so compare where no message of the simulation comes in between."""
    merchant = make_merchant(time_zone="Europe/London")
    patient = make_policy(product_delay_days=365, max_order_age_days=0)
    house = await IngestHouse.build(database, merchant=merchant, policies=[patient])
    count = await record_real_orders(house)
    service = SimulationService(house.database)
    news = service.run(
        merchant,
        current=patient,
        changed=patient,
        start=BEGINNING,
        end=END,
        total=count,
        read_event=read_recorded,
    )
    [result] = [one async for one in news if isinstance(one, SimulationResult)]
    decided = await house.rows("SELECT outcome, count(*) FROM orders WHERE merchant_id = $1 GROUP BY outcome")
    assert {outcome: n for outcome, n in result.before.outcomes.items() if n} == dict(decided)


async def test_changed_policy_names_the_orders_that_change(house: IngestHouse) -> None:
    await record(house, body("asked"), at=NOON)
    await record(house, body("waits", status="packed"), at=NOON + timedelta(hours=1))
    result, changes = await simulate(house, make_policy(trigger_statuses=("packed",), service_percent=100))
    invited = Fate(OrderOutcome.INVITED, None, Kind.PRODUCT)
    asked_by_service = Fate(OrderOutcome.INVITED, None, Kind.SERVICE)
    assert {change.order_id: (change.before.outcome, change.after) for change in changes} == {
        "asked": (OrderOutcome.INVITED, changes[0].after),
        "waits": (OrderOutcome.WAITING, asked_by_service),
    }
    assert changes[0].before == invited
    assert changes[0].after.outcome is OrderOutcome.WAITING
    assert sum(result.changes.values()) == 2
    assert result.before.messages == {("product_1", Channel.EMAIL): 1, ("product_2", Channel.EMAIL): 1}
    assert result.after.messages == {("service", Channel.EMAIL): 1}


async def test_messages_that_would_have_left_count_as_asked(house: IngestHouse) -> None:
    customer = {"email": "kari@example.com"}
    await record(house, body("first", customer=customer), at=NOON)
    await record(house, body("second", customer=customer), at=NOON + timedelta(days=60))
    result, changes = await simulate(house, make_policy(product_repeat_days=1))
    assert [change.order_id for change in changes] == ["second"]
    assert changes[0].before.reason == "products_asked_recently"
    assert changes[0].after.outcome is OrderOutcome.INVITED
    assert sum(result.after.messages.values()) == 4


async def test_sms_cost_and_load_are_told_for_both_sides(house: IngestHouse) -> None:
    customer = {"email": "kari@example.com", "phone": "+4791234567"}
    await record(house, body("one", customer=customer, country="NO"), at=NOON)
    result, changes = await simulate(
        house, make_policy(preferred_channel=Channel.SMS, send_window_start=NOON.time().replace(hour=15),
                           send_window_end=NOON.time().replace(hour=16))
    )  # fmt: skip
    assert changes == []
    assert (result.before.sms_cost, result.after.sms_cost) == (
        Price(Decimal("0.00"), "NOK"),
        Price(Decimal("0.40"), "NOK"),
    )
    assert list(result.after.load_by_hour) == [15]
    assert sum(result.before.load_by_hour.values()) == 2


async def test_sms_cost_what_the_merchant_pays(house: IngestHouse) -> None:
    settings = ChannelSettings(version=1, sms_price=Price(Decimal("0.065"), "EUR"), updated_at=NOON)
    async with house.database.transaction() as stores:
        await stores.channels.save(house.merchant.id, Channel.SMS, settings, replacing=0)
    await record(house, body("one", customer={"phone": "+4791234567"}, country="NO"), at=NOON)
    result, _ = await simulate(house, make_policy(preferred_channel=Channel.SMS))
    messages = sum(count for (_, channel), count in result.after.messages.items() if channel is Channel.SMS)
    assert messages > 0
    assert result.after.sms_cost == Price(messages * Decimal("0.065"), "EUR")


async def test_later_events_are_replayed_when_they_came(house: IngestHouse) -> None:
    await record(house, body("gone"), at=NOON)
    await record(house, body("other"), at=NOON + timedelta(hours=1))
    await record(house, {"order_id": "gone", "status": "cancelled"}, at=NOON + timedelta(days=2))
    result, _ = await simulate(house, make_policy())
    assert result.before.outcomes[OrderOutcome.CANCELLED] == 1
    assert result.before.messages == {("product_1", Channel.EMAIL): 1, ("product_2", Channel.EMAIL): 1}


async def test_categories_and_returned_lines_are_replayed(house: IngestHouse) -> None:
    await record(house, body("cup", products=[{"id": "mug", "name": "Mug", "category": "kitchen"}]), at=NOON)
    await record(house, body("sent back"), at=NOON)
    returned = {"order_id": "sent back", "products": [{"id": "mug", "returned": True}]}
    await record(house, returned, at=NOON + timedelta(days=1))
    result, changes = await simulate(house, make_policy(excluded_categories=("kitchen",)))
    assert [(change.order_id, change.after.reason) for change in changes] == [("cup", Reason.PRODUCTS_EXCLUDED)]
    assert sum(result.before.messages.values()) == 2
    assert result.after.messages == {}


async def test_others_have_their_turn_while_messages_of_one_hour_are_sent(house: IngestHouse) -> None:
    for part in range(40):
        house.now = NOON + timedelta(minutes=part)
        bodies = [body(f"o{number}") for number in range(part, MANY_IN_AN_HOUR, 40)]
        await house.service.ingest(house.merchant.id, [IngestItem(read_recorded(one), one) for one in bodies])
    policy = make_policy(send_window_end=time(11), product_steps=ProductSteps.FIRST_ONLY)
    turns: list[float] = []

    async def take_turns() -> None:
        while True:
            turns.append(process_time())
            await asyncio.sleep(0)

    news = SimulationService(house.database).run(
        house.merchant,
        current=policy,
        changed=policy,
        start=BEGINNING,
        end=END,
        total=MANY_IN_AN_HOUR,
        read_event=read_recorded,
    )
    async for one in news:
        if one == Progress(MANY_IN_AN_HOUR // 2, MANY_IN_AN_HOUR):
            break
    other = asyncio.create_task(take_turns())
    *told, result = [one async for one in news]
    other.cancel()
    assert told == [Progress(MANY_IN_AN_HOUR * 3 // 4, MANY_IN_AN_HOUR), Progress(MANY_IN_AN_HOUR, MANY_IN_AN_HOUR)]
    assert isinstance(result, SimulationResult)
    assert sum(result.after.messages.values()) == MANY_IN_AN_HOUR
    work = [later - earlier for earlier, later in pairwise(turns)]
    assert max(work) < sum(work) / 4


async def test_period_chooses_orders_by_when_they_first_came(house: IngestHouse) -> None:
    await record(house, body("before"), at=NOON)
    await record(house, body("inside"), at=NOON + timedelta(days=1))
    await record(house, body("after"), at=NOON + timedelta(days=2))
    start, end = NOON + timedelta(days=1), NOON + timedelta(days=2)
    changed = make_policy(consent=ConsentRequirement.REQUIRED)
    result, changes = await simulate(house, changed, start=start, end=end)
    assert result.orders == 1
    assert [change.order_id for change in changes] == ["inside"]


async def test_too_many_orders_are_refused(house: IngestHouse) -> None:
    for number in range(3):
        await record(house, body(f"o{number}"), at=NOON + timedelta(minutes=number))
    service = SimulationService(house.database, max_orders=2)
    with pytest.raises(InvalidInputError) as refused:
        await service.count(house.merchant, start=BEGINNING, end=END)
    assert [fault.pointer for fault in refused.value.faults] == ["/to"]


async def test_nothing_is_stored(house: IngestHouse) -> None:
    await record(house, body("one"), at=NOON)
    tables = ("orders", "order_events", "invitations", "attempts", "timeline_entries", "mailbox_messages")
    counting = " UNION ALL ".join(f"SELECT count(*) FROM {table} WHERE merchant_id = $1" for table in tables)
    before = await house.rows(counting)
    await simulate(house, make_policy(service_percent=100))
    assert await house.rows(counting) == before
