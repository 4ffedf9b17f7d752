import asyncio
from dataclasses import replace
from datetime import time, timedelta

import pytest

from invite_service.domain.errors import InvalidInputError, MerchantNotFoundError, PreconditionFailedError
from invite_service.domain.merchant import MerchantId
from invite_service.domain.policy import DelayOrigin, Policy
from invite_service.services.policy import PolicyService
from invite_service.services.policy_versions import PolicyVersions
from invite_service.storage.database import Database
from invite_service.storage.policies import PolicyVersion
from tests.support.builders import MERCHANT_ID, NOON, make_merchant, make_policy
from tests.support.ingesting import IngestHouse

AHEAD = timedelta(days=3)


@pytest.fixture
async def shop(database: Database) -> IngestHouse:
    merchant = make_merchant(sandbox=True, clock_offset=AHEAD)
    return await IngestHouse.build(database, merchant=merchant)


@pytest.fixture
def policies(shop: IngestHouse) -> PolicyService:
    return PolicyService(shop.database, policy_versions=PolicyVersions(), clock=lambda: shop.now)


async def test_change_makes_a_version_that_holds_from_then_on(shop: IngestHouse, policies: PolicyService) -> None:
    changes = {"product_delay_days": 3, "delay_origin": "shipped", "send_window_end": "17:30", "send_days": ["mon"]}
    changed = await policies.patch(MERCHANT_ID, changes, replacing=1, actor="key:shop")
    expected = replace(
        Policy(),
        version=2,
        product_delay_days=3,
        delay_origin=DelayOrigin.SHIPPED,
        send_window_end=time(17, 30),
        send_days=("mon",),
    )
    assert changed == expected
    assert await policies.get(MERCHANT_ID) == expected
    assert await policies.list_versions(MERCHANT_ID, limit=10) == [
        PolicyVersion(expected, NOON + AHEAD, "key:shop"),
        PolicyVersion(Policy(), shop.merchant.created_at, "operator"),
    ]
    assert [saved.policy.version for saved in await policies.list_versions(MERCHANT_ID, before=2, limit=1)] == [1]


async def test_values_of_the_domain_are_taken_as_well(policies: PolicyService) -> None:
    changes = {"send_window_start": time(9), "delay_origin": DelayOrigin.PURCHASED, "excluded_product_ids": ("a",)}
    changed = await policies.patch(MERCHANT_ID, changes, replacing=None, actor="operator")
    assert changed == make_policy(version=2, **changes)


async def test_change_that_changes_nothing_makes_no_version(policies: PolicyService) -> None:
    changes = {"product_delay_days": 14, "send_window_start": "10:00"}
    assert await policies.patch(MERCHANT_ID, changes, replacing=1, actor="key:shop") == Policy()
    assert len(await policies.list_versions(MERCHANT_ID, limit=10)) == 1


async def test_change_of_a_version_that_was_replaced_is_refused(policies: PolicyService) -> None:
    await policies.patch(MERCHANT_ID, {"block_days": 1}, replacing=1, actor="key:a")
    with pytest.raises(PreconditionFailedError):
        await policies.patch(MERCHANT_ID, {"block_days": 2}, replacing=1, actor="key:b")
    assert (await policies.get(MERCHANT_ID)).block_days == 1


async def test_every_fault_is_named_at_once_and_nothing_is_saved(policies: PolicyService) -> None:
    with pytest.raises(InvalidInputError) as caught:
        await policies.patch(
            MERCHANT_ID,
            {"product_delay_days": 366, "send_days": [], "send_window_end": "09:00", "fallback_language": "xx"},
            replacing=None,
            actor="key:shop",
        )
    assert sorted(fault.pointer for fault in caught.value.faults) == [
        "/fallback_language",
        "/product_delay_days",
        "/send_days",
        "/send_window_end",
    ]
    assert await policies.get(MERCHANT_ID) == Policy()


@pytest.mark.parametrize("name", ["version", "product_delay", ""])
async def test_setting_that_does_not_exist_is_refused(policies: PolicyService, name: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        await policies.patch(MERCHANT_ID, {name: 1}, replacing=None, actor="key:shop")
    assert [fault.code for fault in caught.value.faults] == ["unknown_field"]


async def test_changes_of_any_version_at_once_all_hold(shop: IngestHouse, policies: PolicyService) -> None:
    names = ["product_delay_days", "service_delay_days", "block_days", "service_percent"]
    await asyncio.gather(*(policies.patch(MERCHANT_ID, {name: 9}, replacing=None, actor="key:shop") for name in names))
    assert await policies.get(MERCHANT_ID) == make_policy(version=5, **dict.fromkeys(names, 9))


async def test_changes_of_the_same_version_at_once_let_one_through(policies: PolicyService) -> None:
    results = await asyncio.gather(
        *(policies.patch(MERCHANT_ID, {"block_days": days}, replacing=1, actor="key:shop") for days in (1, 2, 3)),
        return_exceptions=True,
    )
    assert sum(isinstance(result, Policy) for result in results) == 1
    assert sum(isinstance(result, PreconditionFailedError) for result in results) == 2


async def test_policy_of_nobody_is_not_found(policies: PolicyService) -> None:
    with pytest.raises(MerchantNotFoundError):
        await policies.get(MerchantId("nobody"))
    with pytest.raises(MerchantNotFoundError):
        await policies.patch(MerchantId("nobody"), {}, replacing=None, actor="operator")


async def test_versions_are_read_once_and_forgotten_when_there_are_too_many(shop: IngestHouse) -> None:
    versions = PolicyVersions(max_remembered=1)
    async with shop.database.transaction() as stores:
        await stores.policies.add(MERCHANT_ID, make_policy(version=2), created_at=NOON, created_by="operator")
        found = await versions.get(stores, MERCHANT_ID, [1, 2, 2])
        await stores.policies.add(MERCHANT_ID, make_policy(version=3), created_at=NOON, created_by="operator")
        [third] = (await versions.get(stores, MERCHANT_ID, [3])).values()
        again = await versions.get(stores, MERCHANT_ID, [3])
    assert found == {1: make_policy(), 2: make_policy(version=2)}
    assert again[3] is third
