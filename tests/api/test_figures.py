"""Figures that add up: reconciliation, ratings, and the account as the demo shows it."""

from datetime import timedelta
from typing import Any

from invite_service.domain.invitation import Step
from invite_service.domain.merchant import MerchantId
from tests.api.conftest import Api, MerchantClient, make_order

NOTHING = {"invited": 0, "merged": 0, "blocked": 0, "waiting": 0, "cancelled": 0}
NO_STARS = {"count": 0, "average": None, "distribution": {"1": 0, "2": 0, "3": 0, "4": 0, "5": 0}}


async def reconcile(merchant: MerchantClient, **params: str) -> Any:
    answer = await merchant.get("/v1/insights/reconciliation", **params)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_outcomes_add_up_to_the_orders_received(api: Api, merchant: MerchantClient) -> None:
    assert await reconcile(merchant) == {"received": 0, "outcomes": NOTHING, "reasons": {}}
    await merchant.post_order(order_id="A")
    await merchant.post_order(order_id="A")
    api.clock.now += timedelta(minutes=1)
    await merchant.post_order(order_id="B")
    await merchant.post_order(order_id="C", customer=None)
    await merchant.post_order(order_id="D", status="on_hold")
    api.clock.now += timedelta(minutes=1)
    await merchant.post_order(order_id="E", status="cancelled")
    assert await reconcile(merchant) == {
        "received": 5,
        "outcomes": {"invited": 1, "merged": 1, "blocked": 1, "waiting": 1, "cancelled": 1},
        "reasons": {"no_contact": 1, "on_hold": 1},
    }
    inside = {"from": "2026-03-02T12:01:00Z", "to": "2026-03-02T12:02:00Z"}
    assert await reconcile(merchant, **inside) == {
        "received": 3,
        "outcomes": NOTHING | {"merged": 1, "blocked": 1, "waiting": 1},
        "reasons": {"no_contact": 1, "on_hold": 1},
    }
    assert (await reconcile(merchant, to="2026-03-02T12:01:00Z"))["received"] == 1


async def test_faulty_spans_are_named(merchant: MerchantClient) -> None:
    answer = await merchant.get("/v1/insights/reconciliation", **{"from": "2026-03-02", "until": "now"})
    assert answer.status_code == 422
    assert {(fault["pointer"], fault["code"]) for fault in answer.json()["errors"]} == {
        ("?from", "invalid_format"),
        ("?until", "unknown_field"),
    }


async def test_ratings_left_on_a_page_show_in_the_summary_and_the_account(api: Api) -> None:
    sandbox = await api.make_merchant("sandbox", sandbox=True)
    batch = [make_order(), make_order(order_id="A-1002", customer={"email": "ola@example.no"}, language="en")]
    await sandbox.post("/v1/orders/batch", {"orders": batch})
    moved = await sandbox.post("/v1/sandbox/clock", {"advance": "P15D"})
    assert moved.json()["sent"] == 2
    message = (await sandbox.get("/v1/sandbox/messages", limit=1)).json()["items"][0]
    token = message["text"].partition("/i/")[2].split()[0].split("?")[0]
    rated = await api.http.post(
        f"/public/v1/invitations/{token}/ratings", json={"ratings": [{"product_id": "t1", "stars": 4}]}
    )
    assert rated.status_code == 200, rated.text
    assert (await sandbox.get("/v1/ratings/summary")).json() == {
        "product": {
            "published": {"count": 1, "average": 4.0, "distribution": NO_STARS["distribution"] | {"4": 1}},  # type: ignore[operator]
            "pending": NO_STARS,
        },
        "service": {"published": NO_STARS, "pending": NO_STARS},
    }
    merchant = await api.factory.create_merchants().get(MerchantId("sandbox"))
    figures = await api.factory.create_insights().account_figures(merchant)
    assert figures.orders.received == 2
    assert figures.messages == {Step.PRODUCT_1: {"en": 1, "nb": 1}, Step.PRODUCT_2: {}, Step.SERVICE: {}}
    assert (figures.sent_invitations, figures.answered_invitations, figures.response_rate) == (2, 1, 0.5)


async def test_the_account_of_a_new_merchant_has_no_response_rate(api: Api, merchant: MerchantClient) -> None:
    shop = await api.factory.create_merchants().get(MerchantId(merchant.id))
    figures = await api.factory.create_insights().account_figures(shop)
    assert figures.response_rate is None
    assert (await merchant.get("/v1/ratings/summary")).json() == {
        "product": {"published": NO_STARS, "pending": NO_STARS},
        "service": {"published": NO_STARS, "pending": NO_STARS},
    }
    assert figures.messages == {Step.PRODUCT_1: {}, Step.PRODUCT_2: {}, Step.SERVICE: {}}
