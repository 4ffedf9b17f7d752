"""A changed policy and what was planned before it: previewed, applied and undone over HTTP."""

from typing import Any
from unittest.mock import ANY
from uuid import UUID

import httpx

from tests.api.conftest import Api, MerchantClient
from tests.api.test_batch_updates import work

TENT = [{"id": "t1"}]


async def patch(merchant: MerchantClient, changes: object, *, replan: str) -> httpx.Response:
    return await merchant.request("PATCH", f"/v1/policy?replan={replan}", json=changes, headers={"If-Match": "*"})


async def plans(merchant: MerchantClient) -> dict[str, Any]:
    """What customers would see of each invitation, by the order it was made for."""
    items = (await merchant.get("/v1/invitations")).json()["items"]
    return {item["order_ids"][0]: (item["status"], item["send_at"], item["steps"], item["products"]) for item in items}


async def apply(api: Api, merchant: MerchantClient, changes: object) -> str:
    """Apply a change, do what a worker does, and give the batch update's address."""
    answer = await patch(merchant, changes, replan="apply")
    assert answer.status_code == 200, answer.text
    address: str = answer.headers["batch-update"]
    await work(api, merchant, address.rpartition("/")[2])
    return address


async def test_preview_shows_what_would_become_and_saves_nothing(merchant: MerchantClient) -> None:
    await merchant.post_order(order_id="A")
    await merchant.post_order(order_id="B", customer={"email": "ola@example.no"}, products=[{"id": "t2"}])
    await merchant.post_order(order_id="C", customer={"email": "per@example.no"}, status="packed")
    before = await plans(merchant)
    changes = {"product_delay_days": 7, "excluded_product_ids": ["t2"], "trigger_statuses": ["packed", "shipped"]}
    answer = await patch(merchant, changes, replan="preview")
    body = answer.json()
    assert answer.status_code == 200
    assert "etag" not in answer.headers
    assert body == {
        "policy": ANY,
        "open_invitations": 2,
        "changes": {"cancelled": 1, "earlier": 1},
        "skipped": {},
        "load_before": {"2026-03-16": 2},
        "load_after": {"2026-03-09": 2},
        "first_invitations": ANY,
        "waiting_orders": 1,
        "outcomes": {"invited": 1},
        "first_orders": [{"order_id": "C", "outcome": "invited", "reason": None, "send_at": ANY}],
    }
    assert (body["policy"]["version"], body["policy"]["product_delay_days"]) == (2, 7)
    shown = {one["before"]["order_ids"][0]: one for one in body["first_invitations"]}
    assert {order_id: one["change"] for order_id, one in shown.items()} == {"A": "earlier", "B": "cancelled"}
    assert shown["A"]["after"]["send_at"].startswith("2026-03-09")
    assert body["first_orders"][0]["send_at"].startswith("2026-03-09")
    assert await plans(merchant) == before
    assert (await merchant.get("/v1/policy")).json()["version"] == 1


async def test_preview_decides_waiting_orders_on_what_invitations_would_become(
    api: Api, merchant: MerchantClient
) -> None:
    await merchant.post_order(order_id="A", products=[{"id": "t1"}])
    ola, per = {"email": "ola@example.no"}, {"email": "per@example.no"}
    await merchant.post_order(order_id="B", customer=ola, products=[{"id": "t2"}])
    await patch(merchant, {"product_second_delay_days": 6}, replan="apply")
    await merchant.post_order(order_id="WA", status="packed", products=[{"id": "t3"}])
    await merchant.post_order(order_id="WB", status="packed", customer=ola, products=[{"id": "t3"}])
    await merchant.post_order(order_id="WC", status="packed", customer=per, products=[{"id": "t3"}])
    # Posted later and bought earlier: decided first.
    bought = "2026-03-02T08:00:00Z"
    await merchant.post_order(
        order_id="WD", status="packed", customer=per, products=[{"id": "t3"}], purchased_at=bought
    )
    changes = {"product_delay_days": 7, "excluded_product_ids": ["t1"], "trigger_statuses": ["packed"]}
    body = (await patch(merchant, changes, replan="preview")).json()
    assert body["changes"] == {"cancelled": 1, "earlier": 1}
    assert body["load_after"] == {"2026-03-09": 3}
    assert [(one["order_id"], one["outcome"], one["send_at"][:10]) for one in body["first_orders"]] == [
        ("WD", "invited", "2026-03-09"),
        ("WA", "invited", "2026-03-09"),
        ("WB", "merged", "2026-03-09"),
        ("WC", "merged", "2026-03-09"),
    ]
    await apply(api, merchant, changes)
    decided = {item["order_id"]: item["outcome"] for item in (await merchant.get("/v1/orders")).json()["items"]}
    assert decided == {"A": "invited", "B": "invited"} | {
        one["order_id"]: one["outcome"] for one in body["first_orders"]
    }
    left = [at[:10] for status, at, *_ in (await plans(merchant)).values() if status == "scheduled"]
    assert left == ["2026-03-09"] * 3


async def test_preview_of_a_change_that_changes_nothing_says_so(merchant: MerchantClient) -> None:
    await merchant.post_order(order_id="A")
    await merchant.post_order(order_id="W", status="packed")
    await merchant.request("PATCH", "/v1/policy", json={"product_delay_days": 7}, headers={"If-Match": "*"})
    body = (await patch(merchant, {"product_delay_days": 7}, replan="preview")).json()
    assert body["policy"]["version"] == 2
    assert {name: value for name, value in body.items() if name != "policy"} == {
        "open_invitations": 1,
        "changes": {},
        "skipped": {"unchanged": 1},
        "load_before": {"2026-03-16": 1},
        "load_after": {"2026-03-16": 1},
        "first_invitations": [],
        "waiting_orders": 1,
        "outcomes": {},
        "first_orders": [],
    }


async def test_preview_is_refused_when_applying_would_be(merchant: MerchantClient) -> None:
    for replan in ("preview", "apply"):
        answer = await merchant.request(
            "PATCH", f"/v1/policy?replan={replan}", json={"product_delay_days": 7}, headers={"If-Match": '"2"'}
        )
        assert (answer.status_code, answer.json()["code"]) == (412, "version_mismatch")


async def test_timeline_tells_what_a_replanning_took_out_and_why_it_ended(api: Api, merchant: MerchantClient) -> None:
    ids = [
        (await merchant.post_order(order_id=name, customer={"email": f"{name}@example.no"}, products=products))[
            "invitation"
        ]["id"]
        for name, products in (("ends", [{"id": "t1"}, {"id": "t2"}]), ("goes-on", [{"id": "t2"}, {"id": "t3"}]))
    ]
    address = await apply(api, merchant, {"excluded_product_ids": ["t1", "t2"]})
    undoing = (await merchant.post(f"{address}/undo")).json()
    await work(api, merchant, undoing["id"])
    told = [
        [
            (entry["event"], entry["reason"], entry["data"]["status"], entry["data"].get("products_removed"))
            for entry in (await merchant.get(f"/v1/invitations/{invitation_id}")).json()["timeline"][1:]
        ]
        for invitation_id in ids
    ]
    back = ("invitation_restored", None, "scheduled", None)
    assert told == [
        [("invitation_replanned", "cancelled_by_merchant", "cancelled", ["t1", "t2"]), back],
        [("invitation_replanned", None, "scheduled", ["t2"]), back],
    ]


async def test_apply_plans_again_and_undo_puts_back(api: Api, merchant: MerchantClient) -> None:
    await merchant.post_order(order_id="A")
    await merchant.post_order(order_id="B", customer={"email": "ola@example.no"}, products=[{"id": "t2"}])
    two = [{"id": "t1"}, {"id": "t2"}]
    await merchant.post_order(order_id="C", customer={"email": "per@example.no"}, products=two)
    before = await plans(merchant)
    changes = {"product_delay_days": 20, "product_steps": "second_only", "excluded_product_ids": ["t2"]}
    address = await apply(api, merchant, changes)
    after = await plans(merchant)
    seen = {order_id: (status, at[:10], steps, products) for order_id, (status, at, steps, products) in after.items()}
    assert seen == {
        "A": ("scheduled", "2026-03-22", ["product_2"], ["t1"]),
        "B": ("cancelled", "2026-03-22", ["product_2"], []),
        "C": ("scheduled", "2026-03-22", ["product_2"], ["t1"]),
    }
    told = (await merchant.get(address)).json()
    assert (told["action"], told["status"], told["changed"], told["filter"]) == (
        "replan",
        "finished",
        3,
        {"policy_version": 2},
    )
    undoing = (await merchant.post(f"{address}/undo")).json()
    assert (await work(api, merchant, undoing["id"]))["changed"] == 3
    assert await plans(merchant) == before


async def test_second_step_and_window_follow_the_new_policy(api: Api, merchant: MerchantClient) -> None:
    invitation = (await merchant.post_order(order_id="A"))["invitation"]
    await apply(api, merchant, {"product_second_delay_days": 9})
    detail = (await merchant.get(f"/v1/invitations/{invitation['id']}")).json()
    assert (detail["policy_version"], detail["send_at"]) == (2, invitation["send_at"])
    assert [(entry["actor"], entry["event"]) for entry in detail["timeline"]][-1] == (
        "key:first",
        "invitation_replanned",
    )


async def test_what_the_merchant_moved_and_what_has_left_stays(api: Api, merchant: MerchantClient) -> None:
    moved = (await merchant.post_order(order_id="A"))["invitation"]["id"]
    await merchant.post(f"/v1/invitations/{moved}/reschedule", {"date": "2026-04-01"})
    before = await plans(merchant)
    address = await apply(api, merchant, {"product_delay_days": 7})
    assert (await merchant.get(address)).json()["skipped"] == {"moved_by_merchant": 1}
    assert await plans(merchant) == before


async def test_waiting_orders_that_now_trigger_are_decided_and_undone(api: Api, merchant: MerchantClient) -> None:
    for number, status in enumerate(["packed", "paid", "packed"]):
        customer = {"email": f"c{number}@example.no"}
        await merchant.post_order(order_id=f"W{number}", status=status, customer=customer)
    changes = {"trigger_statuses": ["packed"]}
    previewed = (await patch(merchant, changes, replan="preview")).json()
    assert (previewed["waiting_orders"], previewed["outcomes"]) == (3, {"invited": 2})
    address = await apply(api, merchant, changes)
    told = (await merchant.get(address)).json()
    assert (told["matched"], told["changed"], told["skipped"]) == (3, 2, {"status_not_triggering": 1})
    outcomes = {item["order_id"]: item["outcome"] for item in (await merchant.get("/v1/orders")).json()["items"]}
    assert outcomes == {"W0": "invited", "W1": "waiting", "W2": "invited"}
    undoing = (await merchant.post(f"{address}/undo")).json()
    assert undoing["matched"] == 2
    assert (await work(api, merchant, undoing["id"]))["changed"] == 2
    assert {status for status, *_ in (await plans(merchant)).values()} == {"cancelled"}
    order = (await merchant.get("/v1/orders/W0")).json()
    assert (order["outcome"], order["reason"], order["invitation"]) == ("waiting", "status_not_triggering", None)
    assert order["trace"][-1]["reason"] == "status_not_triggering"
    told = [(entry["actor"], entry["event"], entry["reason"]) for entry in order["timeline"]]
    assert told == [
        ("rule", "order_decided", "status_not_triggering"),
        ("rule", "invitation_scheduled", None),
        ("key:first", "order_restored", "status_not_triggering"),
        ("key:first", "invitation_cancelled", "undone"),
    ]
    assert {entry["data"].get("batch_update_id") for entry in order["timeline"][2:]} == {undoing["id"]}
    again = await merchant.post_order(order_id="W0", status="packed", customer={"email": "c0@example.no"})
    assert again["outcome"] == "waiting"
    sent = await merchant.post_order(order_id="W0", status="PACKED", customer={"email": "c0@example.no"})
    assert sent["outcome"] == "invited"


async def test_waiting_orders_are_decided_on_what_invitations_have_become(api: Api, merchant: MerchantClient) -> None:
    await merchant.post_order(order_id="A")
    orders = [
        {"order_id": f"W{number}", "status": "packed", "customer": {"email": f"c{number}@example.no"}, "products": TENT}
        for number in range(250)
    ]
    kari = {"order_id": "WA", "status": "packed", "customer": {"email": "kari@example.no"}, "products": TENT}
    await merchant.post("/v1/orders/batch", {"orders": [*orders, kari]})
    answer = await patch(merchant, {"excluded_product_ids": ["t1"], "trigger_statuses": ["packed"]}, replan="apply")
    batch_id = UUID(answer.headers["batch-update"].rpartition("/")[2])
    service = api.factory.create_batch_work()
    [merchant_id] = await service.find_merchants()
    for expected in ({"waiting": 251}, {"waiting": 251}, {"waiting": 1, "blocked": 250}):
        # One worker has the first chunk that is left, and another one asks for more.
        async with api.context.database.transaction() as stores:
            assert await stores.batch_updates.take_chunk(merchant_id, batch_id) is not None
            assert not await service.work(merchant_id, batch_id)
        counted = (await merchant.get("/v1/insights/reconciliation")).json()["outcomes"]
        assert {outcome: counted[outcome] for outcome in expected} == expected
        await service.work(merchant_id, batch_id)
    decided = (await merchant.get("/v1/orders/WA")).json()
    assert (decided["outcome"], decided["reason"]) == ("blocked", "products_excluded")


async def test_undo_brings_back_what_a_decided_order_took_the_place_of(api: Api, merchant: MerchantClient) -> None:
    await merchant.post_order(order_id="A")
    await merchant.post_order(order_id="W", status="packed", products=[{"id": "t2"}])
    before = await plans(merchant)
    changes = {"excluded_product_ids": ["t1"], "trigger_statuses": ["packed"], "service_percent": 100}
    address = await apply(api, merchant, changes)
    assert {order_id: status for order_id, (status, *_) in (await plans(merchant)).items()} == {
        "A": "cancelled",
        "W": "scheduled",
    }
    undoing = (await merchant.post(f"{address}/undo")).json()
    done = await work(api, merchant, undoing["id"])
    assert (done["changed"], done["skipped"]) == (2, {})
    after = await plans(merchant)
    assert after["A"] == before["A"]
    assert after["W"][0] == "cancelled"


async def test_undo_takes_back_what_is_as_it_was_left_and_counts_the_rest(api: Api, merchant: MerchantClient) -> None:
    known = (await merchant.post_order(order_id="A"))["invitation"]["id"]
    waiting = {
        "joined": {"email": "kari@example.no"},
        "moved": {"email": "m@example.no"},
        "told": {"email": "t@example.no"},
        "shared": {"email": "s@example.no"},
    }
    for order_id, customer in waiting.items():
        await merchant.post_order(order_id=order_id, status="packed", products=[{"id": order_id}], customer=customer)
    address = await apply(api, merchant, {"trigger_statuses": ["shipped", "packed"]})
    orders = {item["order_id"]: item for item in (await merchant.get("/v1/orders")).json()["items"]}
    assert {order_id: orders[order_id]["outcome"] for order_id in waiting} == {
        "joined": "merged",
        "moved": "invited",
        "told": "invited",
        "shared": "invited",
    }
    assert (await merchant.get(f"/v1/invitations/{known}")).json()["products"] == ["t1", "joined"]
    await merchant.post(f"/v1/invitations/{orders['moved']['invitation_id']}/reschedule", {"date": "2026-04-01"})
    await merchant.post_order(order_id="told", status="shipped", customer=waiting["told"], products=[{"id": "told"}])
    assert (await merchant.post_order(order_id="late", customer=waiting["shared"]))["outcome"] == "merged"
    undoing = (await merchant.post(f"{address}/undo")).json()
    done = await work(api, merchant, undoing["id"])
    assert (done["changed"], done["skipped"]) == (2, {"moved_since": 3})
    after = {item["order_id"]: item["outcome"] for item in (await merchant.get("/v1/orders")).json()["items"]}
    assert after == {order_id: order["outcome"] for order_id, order in orders.items()} | {
        "joined": "waiting",
        "late": "merged",
    }
    detail = (await merchant.get(f"/v1/invitations/{known}")).json()
    assert (detail["status"], detail["products"]) == ("scheduled", ["t1"])
    assert [(entry["event"], entry["reason"]) for entry in detail["timeline"]][-2:] == [
        ("order_restored", "status_not_triggering"),
        ("products_removed", "undone"),
    ]


async def test_without_replan_open_invitations_keep_what_they_were_given(merchant: MerchantClient) -> None:
    await merchant.post_order(order_id="A")
    before = await plans(merchant)
    answer = await merchant.request("PATCH", "/v1/policy", json={"product_delay_days": 7}, headers={"If-Match": "*"})
    assert "batch-update" not in answer.headers
    assert await plans(merchant) == before


async def test_change_that_changes_nothing_plans_nothing_again(merchant: MerchantClient) -> None:
    answer = await patch(merchant, {"product_delay_days": 14}, replan="apply")
    assert answer.json()["version"] == 1
    assert "batch-update" not in answer.headers


async def test_faulty_change_is_refused_before_anything_is_planned(merchant: MerchantClient) -> None:
    for replan in ("preview", "apply"):
        answer = await patch(merchant, {"service_percent": 101}, replan=replan)
        assert [error["pointer"] for error in answer.json()["errors"]] == ["/service_percent"]
    unknown = await patch(merchant, {}, replan="perhaps")
    assert [error["pointer"] for error in unknown.json()["errors"]] == ["?replan"]
