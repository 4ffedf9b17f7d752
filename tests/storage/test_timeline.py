from datetime import timedelta

from invite_service.domain.timeline import TimelineEntry, TimelineEvent
from tests.support.builders import NOON, new_id
from tests.support.ingesting import IngestHouse


async def test_entries_come_back_by_order_and_by_invitation_oldest_first(shop: IngestHouse) -> None:
    invitation_id = new_id()
    received = TimelineEntry(at=NOON, actor="rule", event=TimelineEvent.ORDER_RECEIVED, order_id="1")
    scheduled = TimelineEntry(
        at=NOON + timedelta(days=1),
        actor="key:shop",
        event=TimelineEvent.INVITATION_SCHEDULED,
        order_id="1",
        invitation_id=invitation_id,
        reason="invited",
        data={"steps": ["product_1"], "count": 2},
    )
    async with shop.database.transaction() as stores:
        await stores.timeline.add(shop.merchant.id, [received, scheduled])
        await stores.timeline.add(shop.merchant.id, [])
    async with shop.database.transaction() as stores:
        assert await stores.timeline.list_of_order(shop.merchant.id, "1") == [received, scheduled]
        assert await stores.timeline.list_of_order(shop.merchant.id, "2") == []
        assert await stores.timeline.list_of_invitation(shop.merchant.id, invitation_id) == [scheduled]


async def test_order_tells_what_became_of_its_invitation_since_it_joined(shop: IngestHouse) -> None:
    invitation_id = new_id()

    def told(hours: int, event: TimelineEvent, order_id: str | None = None) -> TimelineEntry:
        at = NOON + timedelta(hours=hours)
        return TimelineEntry(at=at, actor="worker", event=event, order_id=order_id, invitation_id=invitation_id)

    scheduled = told(0, TimelineEvent.INVITATION_SCHEDULED, "1")
    rescheduled = told(1, TimelineEvent.INVITATION_RESCHEDULED)
    joined = told(2, TimelineEvent.ORDER_JOINED, "2")
    sent = told(3, TimelineEvent.MESSAGE_SENT)
    async with shop.database.transaction() as stores:
        await stores.timeline.add(shop.merchant.id, [sent, joined, rescheduled, scheduled])

    async with shop.database.transaction() as stores:
        assert await stores.timeline.list_of_order(shop.merchant.id, "1") == [scheduled, rescheduled, sent]
        assert await stores.timeline.list_of_order(shop.merchant.id, "2") == [joined, sent]
        assert await stores.timeline.list_of_order(shop.merchant.id, "3") == []
