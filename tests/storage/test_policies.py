from dataclasses import fields
from datetime import time

from invite_service.domain.invitation import Channel
from invite_service.domain.policy import ConsentRequirement, DelayOrigin, Policy, ProductSteps, SendZone
from invite_service.storage.database import Database
from invite_service.storage.policies import PolicyVersion, policy_from_json, policy_json
from tests.support.builders import MERCHANT_ID, make_merchant, make_policy
from tests.support.ingesting import add_merchant

OTHER = Policy(
    version=2,
    product_delay_days=0,
    product_second_delay_days=90,
    service_delay_days=365,
    delay_origin=DelayOrigin.DELIVERED,
    service_percent=100,
    product_steps=ProductSteps.SECOND_ONLY,
    product_repeat_days=3650,
    service_repeat_days=0,
    block_days=1,
    preferred_channel=Channel.SMS,
    language="pt-BR",
    fallback_language="nb",
    hosted_landing_page=False,
    send_window_start=time(0, 0),
    send_window_end=time(23, 59),
    send_days=("tue", "sun"),
    send_zone=SendZone.RECIPIENT,
    trigger_statuses=(),
    hold_statuses=("På vent",),
    cancel_statuses=("gone",),
    excluded_product_ids=("p/1", 'p"2'),
    excluded_categories=("gift cards",),
    consent=ConsentRequirement.REQUIRED,
    max_order_age_days=0,
    send_deadline_days=1,
    not_received_wait_days=90,
)
"""Another value than the default in every field."""


def test_other_policy_differs_from_the_default_in_every_field() -> None:
    assert [field.name for field in fields(Policy) if getattr(OTHER, field.name) == field.default] == []


async def test_versions_come_back_as_they_were_saved(database: Database) -> None:
    await add_merchant(database, make_merchant(), make_policy(), OTHER)
    async with database.transaction() as stores:
        found = await stores.policies.find_versions(MERCHANT_ID, [2, 1, 3])
        merchant = await stores.merchants.get(MERCHANT_ID)
    assert found == {1: make_policy(), 2: OTHER}
    assert merchant.policy_version == 2


async def test_versions_are_listed_newest_first_and_in_pages(database: Database) -> None:
    merchant = make_merchant()
    await add_merchant(database, merchant, *(make_policy(version=number) for number in (1, 2, 3)))
    async with database.transaction() as stores:
        newest = await stores.policies.list_versions(MERCHANT_ID, before=None, limit=2)
        older = await stores.policies.list_versions(MERCHANT_ID, before=2, limit=2)
    versions = [PolicyVersion(make_policy(version=number), merchant.created_at, "operator") for number in (3, 2, 1)]
    assert (newest, older) == (versions[:2], versions[2:])


def test_setting_newer_than_the_saved_version_has_its_default() -> None:
    settings = policy_json(OTHER)
    del settings["send_zone"]
    assert policy_from_json(2, settings).send_zone is SendZone.MERCHANT


def test_settings_are_written_by_their_wire_names_and_forms() -> None:
    written = policy_json(make_policy(send_days=("mon",), send_window_start=time(9, 5)))
    assert (written["send_days"], written["send_window_start"], written["preferred_channel"]) == (
        ["mon"],
        "09:05",
        "email",
    )
    assert "version" not in written
