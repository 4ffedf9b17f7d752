"""How an account does: its self-check, response rate, funnel and costs."""

from datetime import timedelta
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from tests.api.conftest import Api, MerchantClient
from tests.api.test_publishing import MUG, patch, rate

TENT = {"product_id": "tent", "stars": 5}


async def read(merchant: MerchantClient, path: str, **params: str) -> Any:
    answer = await merchant.get(path, **params)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.fixture
async def sandbox(api: Api) -> MerchantClient:
    """A sandbox merchant of whom two invitations left a fortnight after they were planned, one of them answered."""
    sandbox = await api.make_merchant("toy-shop", sandbox=True, clock="2026-03-02T12:00:00Z")
    await sandbox.post_order(order_id="B1", customer={"email": "b1@example.no"}, products=[{"id": "tent"}])
    await sandbox.post_order(order_id="B2", customer=None)
    await rate(api, sandbox, MUG, TENT)
    await sandbox.post("/v1/sandbox/clock", {"advance": "P15D"})
    return sandbox


async def test_response_rate_counts_ratings_for_each_invitation_sent(sandbox: MerchantClient) -> None:
    found = await read(sandbox, "/v1/insights/response-rate", by="month")
    # Who has answered before is not asked any more: one invitation left, two products were rated.
    assert found == {
        "by": "month",
        "sent": 1,
        "ratings": 2,
        "rate": 2.0,
        "items": [{"part": "2026-03-01", "sent": 1, "ratings": 2, "rate": 2.0}],
    }
    by_day = await read(sandbox, "/v1/insights/response-rate", by="day")
    assert by_day["items"] == [
        {"part": "2026-03-02", "sent": 0, "ratings": 2, "rate": None},
        {"part": "2026-03-16", "sent": 1, "ratings": 0, "rate": 0.0},
    ]
    by_product = await read(sandbox, "/v1/insights/response-rate", by="product")
    assert sorted((item["part"], item["sent"], item["ratings"]) for item in by_product["items"]) == [
        ("mug", 0, 1),
        ("tent", 1, 1),
    ]
    by_step = await read(sandbox, "/v1/insights/response-rate", by="step")
    assert by_step["items"] == [{"part": "product_1", "sent": 1, "ratings": 0, "rate": 0.0}]
    later = await read(sandbox, "/v1/insights/response-rate", by="channel", **{"from": "2026-03-10T00:00:00Z"})
    assert (later["sent"], later["ratings"], later["items"]) == (
        1,
        0,
        [{"part": "email", "sent": 1, "ratings": 0, "rate": 0.0}],
    )


async def test_funnel_follows_orders_to_reviews(sandbox: MerchantClient) -> None:
    assert await read(sandbox, "/v1/insights/funnel") == {
        "ordered": 3,
        "invited": 2,
        "invitations": 2,
        "sent": 1,
        "delivered": 0,
        "visited": 1,
        "visited_by_machines": 0,
        "rated": 1,
        "reviewed": 1,
    }
    nothing = await read(sandbox, "/v1/insights/funnel", **{"from": "2026-04-01T00:00:00Z"})
    assert set(nothing.values()) == {0}


STAGES = [
    "ordered",
    "invited",
    "invitations",
    "sent",
    "delivered",
    "visited",
    "visited_by_machines",
    "rated",
    "reviewed",
]

EVERYTHING = [3, 2, 2, 1, 0, 1, 0, 1, 1]
WITHOUT_INVITATION = [1, 0, 0, 0, 0, 0, 0, 0, 0]


@pytest.mark.parametrize(
    ("by", "parts"),
    [
        ("day", {"2026-03-02": EVERYTHING}),
        ("week", {"2026-03-02": EVERYTHING}),
        ("month", {"2026-03-01": EVERYTHING}),
        ("channel", {"email": [2, *EVERYTHING[1:]], "": WITHOUT_INVITATION}),
        ("language", {"nb": [2, *EVERYTHING[1:]], "": WITHOUT_INVITATION}),
        # The answer was left before any message was sent.
        (
            "step",
            {
                "product_1": [2, 2, 2, 1, 0, 0, 0, 0, 0],
                "product_2": [2, 2, 2, 0, 0, 0, 0, 0, 0],
                "": WITHOUT_INVITATION,
            },
        ),
        (
            "product",
            {
                "tent": [2, 2, 2, 1, 0, 1, 0, 1, 0],
                "mug": [1, 1, 1, 0, 0, 1, 0, 1, 1],
                "t1": WITHOUT_INVITATION,
            },
        ),
    ],
)
async def test_funnel_is_told_by_part(sandbox: MerchantClient, by: str, parts: dict[str, list[int]]) -> None:
    found = await read(sandbox, "/v1/insights/funnel", by=by)
    assert (found["by"], found["ordered"], found["rated"]) == (by, 3, 1)
    assert found["items"] == [
        {"part": part, **dict(zip(STAGES, counts, strict=True))} for part, counts in parts.items()
    ]


async def test_page_opened_within_seconds_was_opened_by_a_machine(api: Api) -> None:
    sandbox = await api.make_merchant("toy-shop", sandbox=True, clock="2026-03-02T12:00:00Z")
    await sandbox.post_order()
    await sandbox.post("/v1/sandbox/clock", {"to": "next_due"})
    [message] = (await read(sandbox, "/v1/sandbox/messages"))["items"]
    path = next(word for word in message["text"].split() if "/i/" in word).partition("/i/")[2].partition("?")[0]
    assert (await api.http.get(f"/i/{path}")).status_code == 200
    funnel = await read(sandbox, "/v1/insights/funnel")
    assert (funnel["visited"], funnel["visited_by_machines"]) == (0, 1)
    await sandbox.post("/v1/sandbox/clock", {"advance": "PT2M"})
    assert (await api.http.get(f"/i/{path}")).status_code == 200
    funnel = await read(sandbox, "/v1/insights/funnel")
    assert (funnel["visited"], funnel["visited_by_machines"]) == (1, 0)


async def test_answer_counts_for_the_message_that_was_seen_last(api: Api) -> None:
    sandbox = await api.make_merchant("toy-shop", sandbox=True, clock="2026-03-02T12:00:00Z")
    await sandbox.post_order(products=[{"id": "mug"}])
    for _ in range(2):
        await sandbox.post("/v1/sandbox/clock", {"to": "next_due"})
    messages = (await read(sandbox, "/v1/sandbox/messages"))["items"]
    [second] = [message for message in messages if message["step"] == "product_2"]
    token = next(word for word in second["text"].split() if "/i/" in word).partition("/i/")[2].partition("?")[0]
    await sandbox.post("/v1/sandbox/clock", {"advance": "PT2M"})
    assert (await api.http.get(f"/i/{token}")).status_code == 200
    answer = {"ratings": [{"product_id": "mug", "stars": 5}]}
    assert (await api.http.post(f"/public/v1/invitations/{token}/ratings", json=answer)).status_code == 200
    items = (await read(sandbox, "/v1/insights/funnel", by="step"))["items"]
    stages = ("part", "sent", "visited", "rated", "reviewed")
    assert [tuple(item[stage] for stage in stages) for item in items] == [
        ("product_1", 1, 0, 0, 0),
        ("product_2", 1, 1, 1, 0),
    ]


async def test_costs_are_added_up_by_currency(api: Api) -> None:
    sandbox = await api.make_merchant("toy-shop", sandbox=True, clock="2026-03-02T12:00:00Z")
    for number in range(2):
        await sandbox.post_order(
            order_id=f"S{number}",
            customer={"phone": f"+4791234{number}67"},
            products=[{"id": "mug"}, {"id": "tent"}],
        )
    await sandbox.post("/v1/sandbox/clock", {"advance": "P15D"})
    found = await read(sandbox, "/v1/insights/costs", by="channel")
    assert found == {
        "by": "channel",
        "totals": [{"part": "", "currency": "NOK", "messages": "2", "amount": "0.8"}],
        "items": [{"part": "sms", "currency": "NOK", "messages": "2", "amount": "0.8"}],
    }
    by_product = await read(sandbox, "/v1/insights/costs", by="product")
    assert sorted((item["part"], item["messages"], item["amount"]) for item in by_product["items"]) == [
        ("mug", "1", "0.4"),
        ("tent", "1", "0.4"),
    ]


@pytest.mark.parametrize(
    ("path", "head"),
    [
        ("/v1/insights/response-rate?by=month", "part,sent,ratings,rate"),
        ("/v1/insights/funnel", "stage,count"),
        (
            "/v1/insights/funnel?by=language",
            f"{','.join(STAGES)},part",
        ),
        ("/v1/insights/costs", "part,currency,messages,amount"),
    ],
)
async def test_figures_come_as_csv_and_as_a_chart(sandbox: MerchantClient, path: str, head: str) -> None:
    table = await sandbox.request("GET", path, headers={"Accept": "text/csv"})
    assert (table.headers["content-type"], table.headers["vary"]) == (
        "text/csv; charset=utf-8; header=present",
        "Accept",
    )
    assert table.text.splitlines()[0] == head
    chart = await sandbox.request("GET", path, headers={"Accept": "image/svg+xml,*/*;q=0.1"})
    assert chart.headers["content-type"] == "image/svg+xml"
    assert ET.fromstring(chart.content).tag == "{http://www.w3.org/2000/svg}svg"  # noqa: S314 - our own
    assert (await sandbox.request("GET", path, headers={"Accept": "text/html"})).headers[
        "content-type"
    ] == "application/json"


async def test_health_of_a_new_account_says_what_is_missing(merchant: MerchantClient) -> None:
    checks = (await read(merchant, "/v1/insights/health"))["checks"]
    assert [(check["id"], check["status"]) for check in checks] == [
        ("orders", "warn"),
        ("invitations_going_out", "ok"),
        ("average", "ok"),
        ("response_rate", "ok"),
        ("replies", "ok"),
        ("unhappy_customers", "ok"),
        ("bounces_and_complaints", "ok"),
        ("in_doubt", "ok"),
        ("texts_and_branding", "warn"),
    ]
    assert checks[0] == {
        "id": "orders",
        "status": "warn",
        "figures": {
            "received": 0,
            "invited": 0,
            "merged": 0,
            "blocked": 0,
            "waiting": 0,
            "cancelled": 0,
            "unexplained": 0,
        },
        "detail": "No order arrived in the last seven days.",
        "see": "/v1/insights/reconciliation?from=2026-02-23T12:00:00Z",
    }
    for check in checks:
        assert (await merchant.get(check["see"])).status_code == 200, check["see"]


async def test_health_explains_orders_and_points_at_unhappy_customers(api: Api, merchant: MerchantClient) -> None:
    await patch(merchant, {"approval": "support_trigger"})
    await merchant.post_order(order_id="B2", customer=None)
    await rate(api, merchant, MUG)
    api.clock.now += timedelta(days=3)
    checks = {check["id"]: check for check in (await read(merchant, "/v1/insights/health"))["checks"]}
    assert checks["orders"]["detail"] == "1 of 2 orders of the last seven days are asked about; the rest is explained."
    assert (checks["average"]["status"], checks["average"]["figures"]["pending_average"]) == ("warn", 2.0)
    assert checks["replies"]["detail"] == ("0 of 1 reviews with three stars or fewer in the last 30 days have a reply.")
    assert checks["unhappy_customers"]["figures"] == {"open": 1, "not_followed_up": 1, "overdue": 1}
