from datetime import datetime, timedelta
from typing import Any

import pytest

from invite_service.domain.errors import InvalidInputError, MerchantExistsError, MerchantNotFoundError
from invite_service.domain.merchant import Merchant, MerchantId
from invite_service.domain.policy import Policy
from invite_service.services.access import ALL_SCOPES, AccessService
from invite_service.services.merchants import MerchantService, NewMerchant
from invite_service.services.policy import PolicyService
from invite_service.services.policy_versions import PolicyVersions
from invite_service.storage.database import Database
from tests.support.builders import NOON


@pytest.fixture
def merchants(database: Database) -> MerchantService:
    return MerchantService(database, clock=lambda: NOON)


def make_new(**changes: Any) -> NewMerchant:
    facts: dict[str, Any] = {
        "id": "gift-shop",
        "name": "The Gift Shop",
        "time_zone": "Europe/Oslo",
        "homepage_url": "https://gifts.example",
    }
    return NewMerchant(**{**facts, **changes})


async def test_new_merchant_has_the_default_policy_and_a_key_that_may_do_everything(
    database: Database, merchants: MerchantService
) -> None:
    created = await merchants.create(make_new())
    expected = Merchant(
        id=MerchantId("gift-shop"),
        name="The Gift Shop",
        time_zone="Europe/Oslo",
        homepage_url="https://gifts.example",
        sandbox=False,
        created_at=NOON,
    )
    assert created.merchant == expected
    assert await merchants.get(expected.id) == expected
    caller = await AccessService(database, clock=lambda: NOON).authenticate(created.api_key)
    assert (caller.merchant, caller.scopes, caller.actor) == (expected, ALL_SCOPES, "key:first")
    policies = PolicyService(database, policy_versions=PolicyVersions(), clock=lambda: NOON)
    assert await policies.get(expected.id) == Policy()
    [version] = await policies.list_versions(expected.id, limit=10)
    assert (version.created_at, version.created_by) == (NOON, "operator")


async def test_clock_of_a_sandbox_starts_where_it_is_told(merchants: MerchantService) -> None:
    start = datetime.fromisoformat("2024-01-02T03:04:05+01:00")
    created = await merchants.create(make_new(sandbox=True, clock=start))
    assert created.merchant.now(NOON + timedelta(hours=1)) == start + timedelta(hours=1)
    now = await merchants.create(make_new(id="now", sandbox=True))
    assert now.merchant.now(NOON) == NOON


async def test_taken_id_is_refused_and_the_key_of_the_first_stays(merchants: MerchantService) -> None:
    await merchants.create(make_new())
    with pytest.raises(MerchantExistsError):
        await merchants.create(make_new(name="Another"))
    assert (await merchants.get(MerchantId("gift-shop"))).name == "The Gift Shop"


@pytest.mark.parametrize(
    ("changes", "pointers"),
    [
        ({"id": ""}, ["/id"]),
        ({"id": "a" * 21}, ["/id"]),
        ({"id": "-a"}, ["/id"]),
        ({"id": "Å"}, ["/id"]),
        ({"name": " "}, ["/name"]),
        ({"name": "a\x00b"}, ["/name"]),
        ({"time_zone": "Europe/Atlantis"}, ["/time_zone"]),
        ({"time_zone": "../etc/passwd"}, ["/time_zone"]),
        ({"homepage_url": "javascript:alert(1)"}, ["/homepage_url"]),
        ({"homepage_url": "https://"}, ["/homepage_url"]),
        ({"homepage_url": "https://[half"}, ["/homepage_url"]),
        ({"clock": NOON}, ["/clock"]),
        ({"clock": NOON.replace(tzinfo=None), "sandbox": True}, ["/clock"]),
        ({"id": "A", "name": "", "time_zone": "", "homepage_url": ""}, ["/id", "/name", "/time_zone", "/homepage_url"]),
    ],
)
async def test_merchant_that_cannot_be_made_names_every_fault(
    merchants: MerchantService, changes: dict[str, Any], pointers: list[str]
) -> None:
    with pytest.raises(InvalidInputError) as caught:
        await merchants.create(make_new(**changes))
    assert [fault.pointer for fault in caught.value.faults] == pointers


@pytest.mark.parametrize("slug", ["a", "0", "a-b", "a" * 20, "2-3--4"])
async def test_slugs_that_are_allowed(merchants: MerchantService, slug: str) -> None:
    assert (await merchants.create(make_new(id=slug))).merchant.id == slug


async def test_merchants_are_listed_by_id_in_pages(merchants: MerchantService) -> None:
    for slug in ("b", "a", "c"):
        await merchants.create(make_new(id=slug))
    assert [merchant.id for merchant in await merchants.list_(limit=2)] == ["a", "b"]
    assert [merchant.id for merchant in await merchants.list_(after="b", limit=2)] == ["c"]
    with pytest.raises(MerchantNotFoundError):
        await merchants.get(MerchantId("d"))
