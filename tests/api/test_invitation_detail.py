"""What is shown of one invitation: whose orders, which products, what its messages became, and by which policies."""

from datetime import timedelta
from decimal import Decimal
from typing import Any
from unittest.mock import ANY
from uuid import UUID

from tests.api.conftest import Api, MerchantClient

ADD_ATTEMPT = """
INSERT INTO attempts (
    merchant_id, id, invitation_id, step, channel, language, provider, message_id, idempotency_key, content_hash,
    product_ids, asked_at, started_at, ended_at, outcome, reason, provider_message_id, price, currency
)
SELECT merchant_id, $1, id, 'product_1', 'sms', 'nb', 'some-sms', $2, $2, 'h', ARRAY['t1'], $3, $3, $3, $4, $5, $6,
    $7::numeric, CASE WHEN $7::numeric IS NOT NULL THEN 'NOK' END
FROM invitations
"""


async def read(merchant: MerchantClient, invitation: dict[str, Any]) -> Any:
    answer = await merchant.get(f"/v1/invitations/{invitation['id']}")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def patch_policy(merchant: MerchantClient, **settings: Any) -> None:
    answer = await merchant.request("PATCH", "/v1/policy", json=settings, headers={"If-Match": "*"})
    assert answer.status_code == 200, answer.text


async def test_products_tell_which_orders_brought_them_and_those_taken_out_stay(merchant: MerchantClient) -> None:
    await merchant.post_order(products=[{"id": "t1", "name": "Tent"}, {"id": "t2"}])
    joined = await merchant.post_order(order_id="A-1002", products=[{"id": "t1"}, {"id": "t3", "name": "Stove"}])
    await merchant.post_order(products=[{"id": "t1", "name": "Tent"}, {"id": "t2", "returned": True}])
    found = await read(merchant, joined["invitation"])
    assert found["products"] == ["t1", "t3"]
    assert found["product_details"] == [
        {"id": "t1", "name": "Tent", "brought_by": ["A-1001", "A-1002"], "asked": False},
        {"id": "t2", "name": None, "brought_by": [], "asked": False},
        {"id": "t3", "name": "Stove", "brought_by": ["A-1002"], "asked": False},
    ]
    assert [(order["order_id"], order["outcome"]) for order in found["orders"]] == [
        ("A-1001", "invited"),
        ("A-1002", "merged"),
    ]


async def test_a_message_by_sms_tells_its_tries_its_provider_and_its_price(api: Api, merchant: MerchantClient) -> None:
    order = await merchant.post_order(customer={"phone": "+4791234567"})
    at = api.clock.now + timedelta(days=14)
    async with api.context.database.transaction() as stores:
        execute = stores._driver.execute
        await execute(ADD_ATTEMPT, UUID(int=1), "m1", at, "not_sent", "unreachable", None, None)
        await execute(ADD_ATTEMPT, UUID(int=2), "m2", at, "accepted", "accepted", "sms-77", Decimal("0.40"))
        await execute(
            "UPDATE invitations SET status = 'sent', next_step = NULL, next_attempt_at = NULL, message_count = 1, "
            "first_sent_at = $1, last_sent_at = $1, last_message_at = $1",
            at,
        )
    found = await read(merchant, order["invitation"])
    assert found["messages"] == [
        {
            "step": "product_1",
            "state": "sent",
            "send_at": None,
            "sent_at": "2026-03-16T12:00:00Z",
            "outcomes": ["not_sent", "accepted"],
            "provider": "some-sms",
            "provider_message_id": "sms-77",
            "price": "0.40",
            "currency": "NOK",
        }
    ]
    assert [(attempt["outcome"], attempt["price"]) for attempt in found["attempts"]] == [
        ("not_sent", None),
        ("accepted", "0.40"),
    ]


async def test_the_policy_that_decided_is_named_also_after_a_reschedule(api: Api, merchant: MerchantClient) -> None:
    api.clock.now += timedelta(hours=1)
    await patch_policy(merchant, product_delay_days=10)
    api.clock.now += timedelta(hours=1)
    invitation = (await merchant.post_order())["invitation"]
    second = {"version": 2, "saved_at": "2026-03-02T13:00:00Z", "saved_by": "key:first", "link": ANY}
    found = await read(merchant, invitation)
    assert (found["decided_by"], found["planned_by"]) == (second, second)

    api.clock.now += timedelta(hours=1)
    await patch_policy(merchant, send_window_end="11:00")
    moved = await merchant.post(f"/v1/invitations/{invitation['id']}/reschedule", {"date": "2026-03-20"})
    assert moved.status_code == 200, moved.text
    third = {"version": 3, "saved_at": "2026-03-02T15:00:00Z", "saved_by": "key:first", "link": ANY}
    found = await read(merchant, invitation)
    assert (found["decided_by"], found["planned_by"]) == (second, third)

    for reference in (found["decided_by"], found["planned_by"]):
        listed = (await merchant.get(reference["link"])).json()["items"]
        assert [(one["policy"]["version"], one["created_at"], one["created_by"]) for one in listed] == [
            (reference["version"], reference["saved_at"], reference["saved_by"])
        ]


async def test_a_cancelled_invitation_plans_nothing_and_tells_who_cancelled_it(merchant: MerchantClient) -> None:
    invitation = (await merchant.post_order())["invitation"]
    await merchant.post(f"/v1/invitations/{invitation['id']}/cancel")
    found = await read(merchant, invitation)
    assert [(message["state"], message["send_at"]) for message in found["messages"]] == [
        ("not_sent", None),
        ("not_sent", None),
    ]
    assert found["allowed_actions"] == ["enable"]
    assert [(entry["actor"], entry["event"]) for entry in found["timeline"]] == [
        ("rule", "invitation_scheduled"),
        ("key:first", "invitation_cancelled"),
    ]
