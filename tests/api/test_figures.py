"""Figures that add up: reconciliation, ratings, and the account as the demo shows it."""

from datetime import timedelta
from typing import Any
from urllib.parse import quote

from invite_service.domain.invitation import Step
from invite_service.domain.merchant import MerchantId
from tests.api.conftest import Api, MerchantClient, make_order, make_problem

NOTHING = {"invited": 0, "merged": 0, "blocked": 0, "waiting": 0, "cancelled": 0}
NO_STARS = {"count": 0, "average": None, "distribution": {"1": 0, "2": 0, "3": 0, "4": 0, "5": 0}}


async def reconcile(merchant: MerchantClient, **params: str) -> Any:
    answer = await merchant.get("/v1/insights/reconciliation", **params)
    assert answer.status_code == 200, answer.text
    return answer.json()


def make_links(*reasons: str, span: str = "") -> dict[str, Any]:
    """Make the calls that list the orders behind the numbers of a span."""
    return {
        "received": f"/v1/orders{'?' if span else ''}{span}",
        "outcomes": {outcome: f"/v1/orders?outcome={outcome}{'&' if span else ''}{span}" for outcome in NOTHING},
        "reasons": {reason: f"/v1/orders?reason={reason}{'&' if span else ''}{span}" for reason in reasons},
    }


async def count_orders(merchant: MerchantClient, link: str) -> int:
    """Follow a link, page by page, and count the orders."""
    orders: list[str] = []
    cursor = ""
    while True:
        sign = "&" if "?" in link else "?"
        answer = await merchant.get(f"{link}{sign}limit=2{cursor}")
        assert answer.status_code == 200, answer.text
        orders += [item["order_id"] for item in answer.json()["items"]]
        if answer.json()["next_cursor"] is None:
            assert len(set(orders)) == len(orders)
            return len(orders)
        cursor = f"&cursor={quote(answer.json()['next_cursor'])}"


async def test_outcomes_add_up_to_the_orders_received(api: Api, merchant: MerchantClient) -> None:
    assert await reconcile(merchant) == {
        "received": 0,
        "outcomes": NOTHING,
        "reasons": {},
        "links": make_links(),
    }
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
        "links": make_links("no_contact", "on_hold"),
    }
    inside = {"from": "2026-03-02T12:01:00Z", "to": "2026-03-02T12:02:00Z"}
    assert await reconcile(merchant, **inside) == {
        "received": 3,
        "outcomes": NOTHING | {"merged": 1, "blocked": 1, "waiting": 1},
        "reasons": {"no_contact": 1, "on_hold": 1},
        "links": make_links(
            "no_contact", "on_hold", span="received_from=2026-03-02T12:01:00Z&received_to=2026-03-02T12:02:00Z"
        ),
    }
    assert (await reconcile(merchant, to="2026-03-02T12:01:00Z"))["received"] == 1


async def test_every_link_leads_to_as_many_orders_as_its_number_says(api: Api, merchant: MerchantClient) -> None:
    for number in range(30):
        kind = number % 6
        await merchant.post_order(
            order_id=f"O-{number:02}",
            status=("shipped", "shipped", "on_hold", "processing", "refunded", "shipped")[kind],
            customer={"email": f"kari-{number // 12}@example.no"} if kind != 1 else None,
            products=[{"id": f"t{number % 4}"}] if number % 5 else [],
        )
        api.clock.now += timedelta(minutes=7, microseconds=13)
    spans = [
        {},
        {"from": "2026-03-02T12:07:00.000013Z"},
        {"to": "2026-03-02T15:00:00+01:00"},
        {"from": "2026-03-02T13:30:00+01:00", "to": "2026-03-02T14:07:00.999999Z"},
        {"from": "2027-01-01T00:00:00Z"},
    ]
    for span in spans:
        found = await reconcile(merchant, **span)
        links = found["links"]
        assert await count_orders(merchant, links["received"]) == found["received"] == sum(found["outcomes"].values())
        for part in ("outcomes", "reasons"):
            followed = {name: await count_orders(merchant, link) for name, link in links[part].items()}
            assert followed == found[part], span
        stopped = found["outcomes"]["blocked"] + found["outcomes"]["waiting"]
        assert sum(found["reasons"].values()) == stopped
    assert len((await reconcile(merchant))["reasons"]) > 3


async def test_a_span_that_holds_no_instant_is_refused(merchant: MerchantClient) -> None:
    span = {"from": "2026-03-02T12:00:00Z", "to": "2026-03-02T13:00:00+01:00"}
    answer = await merchant.get("/v1/insights/reconciliation", **span)
    assert answer.status_code == 422
    assert answer.json() == make_problem(
        "invalid_input",
        422,
        "The request has faults.",
        ("?to", "out_of_range", "Must be later than from."),
        request_id=answer.headers["x-request-id"],
    )


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
