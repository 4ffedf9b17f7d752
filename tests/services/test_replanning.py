"""Previews of a replanning as the service makes them; what they tell and what applying does is tested by the API."""

import pytest

from invite_service.domain.errors import InvalidInputError
from invite_service.services.batch_updates import BatchUpdateService
from invite_service.services.policy import PolicyService
from invite_service.services.policy_versions import PolicyVersions
from invite_service.services.replanning import ReplanningService
from invite_service.storage.database import Database
from tests.support.builders import make_order_event, new_id
from tests.support.ingesting import IngestHouse


@pytest.fixture
async def house(database: Database) -> IngestHouse:
    return await IngestHouse.build(database)


def make_service(house: IngestHouse, *, max_waiting: int) -> ReplanningService:
    versions = PolicyVersions()
    return ReplanningService(
        house.database,
        policy=PolicyService(house.database, policy_versions=versions, clock=lambda: house.now),
        batches=BatchUpdateService(house.database, clock=lambda: house.now, new_id=new_id, policies=versions),
        clock=lambda: house.now,
        new_id=new_id,
        max_waiting=max_waiting,
    )


async def test_more_waiting_orders_than_a_preview_holds_are_refused(house: IngestHouse) -> None:
    for number in range(3):
        await house.post(make_order_event(order_id=f"o{number}", email=f"c{number}@example.com", status="pending"))
    changes = {"trigger_statuses": ["pending"]}

    preview = await make_service(house, max_waiting=3).preview(house.merchant, changes, replacing=None)
    assert (preview.waiting_orders, dict(preview.outcomes)) == (3, {"invited": 3})

    with pytest.raises(InvalidInputError) as refused:
        await make_service(house, max_waiting=2).preview(house.merchant, changes, replacing=None)
    assert [(fault.pointer, fault.code) for fault in refused.value.faults] == [("?replan", "out_of_range")]
