"""Later events of orders (RULES.md sections 4 and 5) from outside: what ends how, and what both timelines tell."""

import random
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.api.conftest import Api, MerchantClient, make_order

SHIPPED = "2026-03-02T08:00:00Z"


async def patch_policy(merchant: MerchantClient, **settings: Any) -> None:
    answer = await merchant.request("PATCH", "/v1/policy", json=settings, headers={"If-Match": "*"})
    assert answer.status_code == 200, answer.text


async def post(merchant: MerchantClient, order_id: str, **fields: Any) -> dict[str, Any]:
    """Post an event that tells these fields and no others."""
    answer = await merchant.post("/v1/orders", {"order_id": order_id, **fields})
    assert answer.status_code in {200, 201}, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def read(merchant: MerchantClient, path: str) -> Any:
    answer = await merchant.get(path)
    assert answer.status_code == 200, answer.text
    return answer.json()


Told = tuple[str, str, str | None, dict[str, Any]]
"""An entry of a timeline: event, order, reason, data."""


async def timeline(merchant: MerchantClient, path: str) -> list[Told]:
    """What happened to an order or an invitation, all of it by the rules."""
    entries = (await read(merchant, path))["timeline"]
    assert {entry["actor"] for entry in entries} == {"rule"}
    return [(entry["event"], entry["order_id"], entry["reason"], entry["data"]) for entry in entries]


SCHEDULED = {"kind": "product", "channel": "email", "send_at": "2026-03-16T10:40:29+00:00"}


async def invite_two(merchant: MerchantClient) -> str:
    """Post two orders of one customer and one day, t1 and t2 in the first, t2 and t3 in the second: one invitation."""
    first = await merchant.post_order(products=[{"id": "t1"}, {"id": "t2"}])
    second = await merchant.post_order(order_id="A-1002", products=[{"id": "t2"}, {"id": "t3"}])
    assert second["outcome"] == "merged"
    return f"/v1/invitations/{first['invitation']['id']}"


JOINED = [
    ("invitation_scheduled", "A-1001", None, SCHEDULED),
    ("order_joined", "A-1002", None, {"products_added": ["t3"]}),
]


async def test_a_cancelled_order_takes_out_what_only_it_brought_and_passes_its_place_on(
    merchant: MerchantClient,
) -> None:
    path = await invite_two(merchant)
    cancelled = await post(merchant, "A-1001", status="refunded")
    assert (cancelled["outcome"], cancelled["invitation"]["status"]) == ("cancelled", "scheduled")
    found = await read(merchant, path)
    assert (found["products"], found["status"]) == (["t2", "t3"], "scheduled")
    assert [(order["order_id"], order["outcome"]) for order in found["orders"]] == [
        ("A-1001", "cancelled"),
        ("A-1002", "invited"),
    ]
    assert await timeline(merchant, path) == [
        *JOINED,
        ("products_removed", "A-1001", "order_cancelled", {"products": ["t1"]}),
        ("order_became_invited", "A-1002", None, {}),
    ]
    assert await timeline(merchant, "/v1/orders/A-1001") == [
        JOINED[0],
        ("order_decided", "A-1001", "cancelled", {}),
        ("products_removed", "A-1001", "order_cancelled", {"products": ["t1"]}),
    ]
    assert await timeline(merchant, "/v1/orders/A-1002") == [JOINED[1], ("order_became_invited", "A-1002", None, {})]


async def test_the_last_live_order_that_goes_ends_the_invitation(merchant: MerchantClient) -> None:
    path = await invite_two(merchant)
    await post(merchant, "A-1001", status="cancelled")
    last = await post(merchant, "A-1002", status="cancelled")
    assert (last["invitation"]["status"], last["invitation"]["ended_reason"]) == ("cancelled", "order_cancelled")
    ended = [
        ("products_removed", "A-1002", "order_cancelled", {"products": ["t2", "t3"]}),
        ("invitation_cancelled", "A-1002", "order_cancelled", {}),
    ]
    assert (await timeline(merchant, path))[-2:] == ended
    assert (await timeline(merchant, "/v1/orders/A-1002"))[-2:] == ended
    assert (await read(merchant, path))["allowed_actions"] == []


async def test_a_returned_line_takes_out_its_product_unless_another_order_brought_it(merchant: MerchantClient) -> None:
    path = await invite_two(merchant)
    lines = [{"id": "t1", "returned": True}, {"id": "t2", "returned": True}]
    returned = await post(merchant, "A-1001", products=lines)
    assert (returned["outcome"], returned["invitation"]["products"]) == ("invited", ["t2", "t3"])
    removed = ("products_removed", "A-1001", "returned", {"products": ["t1"]})
    assert await timeline(merchant, path) == [*JOINED, removed]
    assert await timeline(merchant, "/v1/orders/A-1001") == [
        JOINED[0],
        ("order_changed", "A-1001", None, {"changed": ["products"]}),
        removed,
    ]


async def test_an_invitation_of_which_every_product_was_returned_ends(merchant: MerchantClient) -> None:
    path = await invite_two(merchant)
    for order_id, ids in (("A-1001", ("t1", "t2")), ("A-1002", ("t2", "t3"))):
        await post(merchant, order_id, products=[{"id": product_id, "returned": True} for product_id in ids])
    found = await read(merchant, path)
    assert (found["status"], found["ended_reason"], found["products"]) == ("cancelled", "order_cancelled", [])
    ended = [
        ("products_removed", "A-1002", "returned", {"products": ["t2", "t3"]}),
        ("invitation_cancelled", "A-1002", "order_cancelled", {}),
    ]
    assert (await timeline(merchant, path))[-2:] == ended
    assert (await timeline(merchant, "/v1/orders/A-1002"))[-2:] == ended


async def test_a_held_order_pauses_the_invitation_until_it_goes_on(api: Api, merchant: MerchantClient) -> None:
    path = await invite_two(merchant)
    api.clock.now += timedelta(days=1)
    held = await post(merchant, "A-1002", status="return_requested")
    assert held["invitation"]["held_at"] == "2026-03-03T12:00:00Z"
    api.clock.now += timedelta(days=20)
    resumed = await post(merchant, "A-1002", status="delivered")
    assert resumed["invitation"]["held_at"] is None
    send_at = resumed["invitation"]["send_at"]
    assert send_at == "2026-03-24T10:40:29Z"
    on_invitation = [
        ("invitation_held", "A-1002", "on_hold", {}),
        ("invitation_resumed", "A-1002", None, {"send_at": send_at.replace("Z", "+00:00")}),
    ]
    assert await timeline(merchant, path) == [*JOINED, *on_invitation]
    assert await timeline(merchant, "/v1/orders/A-1002") == [
        JOINED[1],
        ("order_changed", "A-1002", None, {"changed": ["status"]}),
        ("order_held", "A-1002", None, {}),
        on_invitation[0],
        ("order_changed", "A-1002", None, {"changed": ["status"]}),
        ("order_resumed", "A-1002", None, {}),
        on_invitation[1],
    ]


@pytest.mark.parametrize(
    ("missing", "reason", "fact"),
    [
        ({"customer": None}, "no_contact", {"customer": {"email": "kari@example.no"}}),
        ({"consent": False}, "no_consent", {"consent": True}),
        ({"products": []}, "no_products", {"products": [{"id": "t1"}]}),
    ],
    ids=["contact", "consent", "products"],
)
async def test_a_fact_that_arrives_late_is_decided_on_then(
    api: Api, merchant: MerchantClient, missing: dict[str, Any], reason: str, fact: dict[str, Any]
) -> None:
    await patch_policy(merchant, consent="required")
    blocked = await merchant.post_order(**({"consent": True} | missing))
    assert (blocked["outcome"], blocked["reason"]) == ("blocked", reason)
    api.clock.now += timedelta(days=2)
    decided = await post(merchant, "A-1001", **fact)
    assert (decided["outcome"], decided["reason"]) == ("invited", None)
    scheduled = SCHEDULED | {"send_at": "2026-03-18T10:40:29+00:00"}
    told = [("invitation_scheduled", "A-1001", None, scheduled)]
    assert await timeline(merchant, "/v1/orders/A-1001") == [("order_decided", "A-1001", reason, {}), *told]
    assert await timeline(merchant, f"/v1/invitations/{decided['invitation']['id']}") == told


async def test_dates_that_arrive_late_plan_again_and_later_only(api: Api, merchant: MerchantClient) -> None:
    await patch_policy(merchant, delay_origin="delivered")
    invited = await merchant.post_order(purchased_at="2026-03-01T09:00:00Z")
    path = f"/v1/invitations/{invited['invitation']['id']}"
    plans = [invited["invitation"]["send_at"]]
    for changes in (
        {"shipped_at": "2026-03-02T08:00:00Z"},
        {"delivered_at": "2026-03-05T08:00:00Z"},
        {"shipped_at": "2026-03-09T08:00:00Z"},
        {"delivered_at": "2026-03-04T08:00:00Z"},
    ):
        api.clock.now += timedelta(hours=25)
        plans.append((await post(merchant, "A-1001", **changes))["invitation"]["send_at"])
    assert plans == [f"2026-03-{day}T10:40:29Z" for day in (15, 16, 19, 19, 19)]
    again = [
        (
            "invitation_planned_again",
            "A-1001",
            reason,
            {"from": f"2026-03-{before}T10:40:29+00:00", "send_at": f"2026-03-{after}T10:40:29+00:00"},
        )
        for reason, before, after in (("shipped_at", 15, 16), ("delivered_at", 16, 19))
    ]
    scheduled = ("invitation_scheduled", "A-1001", None, SCHEDULED | {"send_at": "2026-03-15T10:40:29+00:00"})
    shipped, delivered = (
        ("order_changed", "A-1001", None, {"changed": [fact]}) for fact in ("shipped_at", "delivered_at")
    )
    assert await timeline(merchant, path) == [scheduled, *again]
    assert await timeline(merchant, "/v1/orders/A-1001") == [
        scheduled,
        shipped,
        again[0],
        delivered,
        again[1],
        shipped,
        delivered,
    ]


async def test_an_older_event_is_kept_in_the_record_and_changes_nothing(merchant: MerchantClient) -> None:
    decided = await merchant.post_order(updated_at="2026-03-02T11:00:00Z")
    older = await post(merchant, "A-1001", status="cancelled", updated_at="2026-03-02T10:59:59Z")
    assert older == decided
    assert await timeline(merchant, "/v1/orders/A-1001") == [
        ("invitation_scheduled", "A-1001", None, SCHEDULED),
        ("order_event_outdated", "A-1001", None, {}),
    ]


STATUSES = ("processing", "shipped", "delivered", "on_hold", "return_requested", "cancelled", "refunded", "on_hold")
LAST_STATUSES = ("shipped", "delivered", "completed", "cancelled")

HISTORIES = 12


def make_states(chance: random.Random, *, joins: bool) -> list[dict[str, Any]]:
    """Make up what a shop says of one order as time passes: each time all of it, with the time it was so.

    Facts arrive and are not taken back, and the last status is one that lets the order go on or cancels it: of what
    was withdrawn, and of a hold that lasts, RULES.md section 5 keeps the decision that was made before. So it does of
    products that arrive when the order has joined an invitation: one that `joins` has them from the beginning.
    """
    products = [{"id": "t1"}, {"id": "t2"}, {"id": "t3"}]
    state = make_order(
        customer=None, consent=None, products=[], updated_at="2026-03-02T09:30:00Z", status=chance.choice(STATUSES)
    ) | ({"products": products} if joins else {})
    states = [state]
    facts: list[dict[str, Any]] = [
        {"customer": {"email": "kari@example.no", "name": "Kari Nordmann"}},
        {"consent": True},
        {"products": products},
        {"products": [{"id": "t1", "returned": True}, {"id": "t2"}, {"id": "t3"}]},
        {"shipped_at": "2026-03-02T09:00:00Z"},
        {"products": [{"id": "t1", "returned": True}, {"id": "t2"}, {"id": "t3", "returned": True}]},
        {"delivered_at": "2026-03-02T11:30:00Z"},
    ]
    for number, fact in enumerate(facts[: chance.randint(3, len(facts))]):
        updated_at = datetime.fromisoformat("2026-03-02T10:00:00+00:00") + timedelta(minutes=10 * number)
        state = state | fact | {"status": chance.choice(STATUSES), "updated_at": updated_at.isoformat()}
        states.append(state)
    states[-1]["status"] = chance.choice(LAST_STATUSES)
    return states


async def end_of(
    merchant: MerchantClient, events: list[dict[str, Any]], *, settings: dict[str, Any], joins: bool
) -> dict[str, Any]:
    """Post events of one order, which `joins` another one of its customer, and give how order and customer end."""
    await patch_policy(merchant, **settings)
    if joins:
        await merchant.post_order(order_id="before", products=[{"id": "t3"}, {"id": "t9"}], consent=True)
    for event in events:
        await merchant.post("/v1/orders", event)
    order = await read(merchant, f"/v1/orders/{events[0]['order_id']}")
    invitations = (await read(merchant, "/v1/invitations"))["items"]
    paths = ("status", "kind", "channel", "language", "steps", "next_step", "contact", "held_at", "message_count")
    known = {
        name: value
        for name, value in order.items()
        if name not in {"invitation", "trace", "summary", "story", "timeline"}
    }
    asked = [
        {name: one[name] for name in paths} | {"day": one["send_at"][:10], "products": sorted(one["products"])}
        for one in invitations
        if one["status"] == "scheduled"
    ]
    return known | {"asked": sorted(asked, key=str), "reconciled": await reconcile(merchant)}


async def reconcile(merchant: MerchantClient) -> dict[str, Any]:
    found = await read(merchant, "/v1/insights/reconciliation")
    return {name: found[name] for name in ("received", "outcomes", "reasons")}


@pytest.mark.parametrize("seed", range(HISTORIES))
async def test_states_that_arrive_repeatedly_and_in_any_order_end_as_in_their_own(api: Api, seed: int) -> None:
    chance = random.Random(seed)
    joins = bool(seed % 2)
    states = make_states(chance, joins=joins)
    settings = {
        "consent": "required",
        "delay_origin": chance.choice(("scheduled", "purchased", "shipped", "delivered")),
        "product_delay_days": chance.choice((2, 14)),
    }
    in_order = await end_of(await api.make_merchant("in-order"), states, settings=settings, joins=joins)
    for number in range(3):
        shuffled = [*states, *chance.choices(states, k=3)]
        chance.shuffle(shuffled)
        merchant = await api.make_merchant(f"shuffled-{number}")
        assert await end_of(merchant, shuffled, settings=settings, joins=joins) == in_order, shuffled
