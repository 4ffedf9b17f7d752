"""Votes and reports, from people of whom nothing is known."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from unittest.mock import ANY

import httpx
import pytest

from invite_service.config import Settings
from invite_service.services.visitors import MAX_REPORTS_OF_REVIEW
from tests.api.conftest import Api, Clock, MerchantClient, make_problem, serve
from tests.api.test_public_reviews import items, read
from tests.api.test_publishing import ANY_ID, MUG, rate

VISITOR = "a-visitor-of-the-shop"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Without a limit for a minute, but where a test wants one."""
    return settings.model_copy(update={"visitor_rate_limit": 0})


@pytest.fixture
async def narrow(settings: Settings, clock: Clock) -> AsyncIterator[Api]:
    async with serve(settings.model_copy(update={"visitor_rate_limit": 2}), clock=clock) as api:
        yield api


async def send(
    api: Api, rating_id: str, what: str, body: dict[str, Any], *, address: str | None = None, shop: str = "gift-shop"
) -> httpx.Response:
    path = f"/public/v1/{shop}/reviews/{rating_id}/{what}"
    if address is None:
        return await api.call("POST", path, key=None, json=body)
    transport = httpx.ASGITransport(api.http._transport.app, client=(address, 4711))  # type: ignore[attr-defined]
    async with httpx.AsyncClient(transport=transport, base_url="http://api.test") as elsewhere:
        return await elsewhere.post(path, json=body)


async def vote(api: Api, rating_id: str, *, helpful: bool, visitor: str = VISITOR, **where: Any) -> httpx.Response:
    return await send(api, rating_id, "votes", {"helpful": helpful, "visitor": visitor}, **where)


async def report(api: Api, rating_id: str, reason: str = "spam", *, visitor: str = VISITOR, **more: Any) -> Any:
    comment = {"comment": more.pop("comment")} if "comment" in more else {}
    return await send(api, rating_id, "reports", {"reason": reason, "visitor": visitor, **comment}, **more)


async def test_visitor_has_one_vote_and_may_change_it(api: Api, merchant: MerchantClient) -> None:
    [rating_id] = await rate(api, merchant, MUG)
    answer = await vote(api, rating_id, helpful=True)
    assert (answer.status_code, answer.json()) == (200, {"helpful": 1, "not_helpful": 0})
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["cache-control"] == "no-store"
    assert (await vote(api, rating_id, helpful=True)).json() == {"helpful": 1, "not_helpful": 0}
    assert (await vote(api, rating_id, helpful=False)).json() == {"helpful": 0, "not_helpful": 1}
    other = await vote(api, rating_id, helpful=False, visitor="another-visitor-of-it")
    assert other.json() == {"helpful": 0, "not_helpful": 2}
    [shown] = await items(api, "/gift-shop/products/mug/reviews")
    assert shown["votes"] == {"helpful": 0, "not_helpful": 2}


async def test_votes_sort_reviews_and_are_news_to_whoever_has_the_list(api: Api, merchant: MerchantClient) -> None:
    ids = []
    for number in range(4):
        api.clock.now += timedelta(minutes=1)
        ids += await rate(api, merchant, MUG, order_id=f"A{number}")
    path = "/gift-shop/products/mug/reviews"
    headers = {"If-None-Match": (await read(api, path)).headers["etag"]}
    for number, times in ((0, 2), (2, 1), (3, 1)):
        for visitor in range(times):
            await vote(api, ids[number], helpful=True, visitor=f"visitor-number-{visitor}-here")
    await vote(api, ids[3], helpful=False, visitor="visitor-number-0-here")
    assert (await read(api, path, headers=headers)).status_code == 200
    expected = [ids[0], ids[2], ids[3], ids[1]]
    assert [item["id"] for item in await items(api, path, sort="most_helpful")] == expected
    pages: list[str] = []
    cursor: dict[str, Any] = {}
    while True:
        page = (await read(api, path, sort="most_helpful", limit=1, **cursor)).json()
        pages += [item["id"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert pages == expected


async def test_votes_at_once_are_all_counted(api: Api, merchant: MerchantClient) -> None:
    [rating_id] = await rate(api, merchant, MUG)
    sent = [
        vote(
            api,
            rating_id,
            helpful=number % 4 != 0,
            visitor=f"visitor-number-{number:02}",
            address=f"198.51.100.{number}",
        )
        for number in range(12)
    ]
    assert {answer.status_code for answer in await asyncio.gather(*sent)} == {200}
    [shown] = await items(api, "/gift-shop/products/mug/reviews")
    assert shown["votes"] == {"helpful": 9, "not_helpful": 3}


async def test_only_what_is_shown_takes_votes_and_reports(api: Api, merchant: MerchantClient) -> None:
    [held, bare] = await rate(api, merchant, MUG, {"product_id": "tent", "stars": 5})
    await merchant.post(f"/v1/ratings/{held}/hold", {"parts": ["review"]})
    for rating_id in (held, bare, ANY_ID, "nonsense"):
        for answer in (await vote(api, rating_id, helpful=True), await report(api, rating_id)):
            problem = make_problem("rating_not_found", 404, "No rating of that id exists.", request_id=ANY)
            assert answer.json() == problem
            assert answer.headers["access-control-allow-origin"] == "*"
    await merchant.post(f"/v1/ratings/{held}/publish")
    await api.make_merchant("other-shop")
    assert (await vote(api, held, helpful=True, shop="other-shop")).json()["code"] == "rating_not_found"
    assert (await vote(api, held, helpful=True, shop="nobody")).json()["code"] == "merchant_not_found"


async def test_faulty_words_of_visitors_are_refused(api: Api, merchant: MerchantClient) -> None:
    [rating_id] = await rate(api, merchant, MUG)
    faulty = await send(api, rating_id, "votes", {"helpful": "yes", "visitor": "short", "stars": 1})
    assert [(error["pointer"], error["code"]) for error in faulty.json()["errors"]] == [
        ("/helpful", "invalid_type"),
        ("/visitor", "invalid_format"),
        ("/stars", "unknown_field"),
    ]
    faulty = await report(api, rating_id, "too_negative", comment="x" * 1001)
    assert [error["pointer"] for error in faulty.json()["errors"]] == ["/reason", "/comment"]


async def test_report_opens_a_case_and_leaves_the_review_where_it_is(api: Api, merchant: MerchantClient) -> None:
    [rating_id] = await rate(api, merchant, MUG)
    answer = await report(api, rating_id, "personal_data", comment=" Names me. ")
    assert (answer.status_code, answer.content) == (204, b"")
    assert (await report(api, rating_id, "spam")).status_code == 204
    assert len(await items(api, "/gift-shop/products/mug/reviews")) == 1
    reports = (await merchant.get("/v1/review-reports", rating_id=rating_id)).json()
    assert reports == {
        "items": [
            {
                "id": ANY,
                "rating_id": rating_id,
                "reason": "personal_data",
                "comment": "Names me.",
                "reported_at": "2026-03-02T12:00:00Z",
            }
        ],
        "next_cursor": None,
        "prev_cursor": None,
    }
    [case] = (await merchant.get("/v1/support-cases", state="open")).json()["items"]
    assert (case["rating_id"], case["opened_by"]) == (rating_id, "visitor")
    shown = (await merchant.get(f"/v1/ratings/{rating_id}")).json()
    told = (await merchant.get(f"/v1/invitations/{shown['invitation_id']}")).json()["timeline"]
    assert [(entry["actor"], entry["event"], entry["reason"]) for entry in told[-2:]] == [
        ("visitor", "review_reported", "personal_data"),
        ("visitor", "support_case_opened", None),
    ]
    assert (await merchant.get("/v1/review-reports", rating_id=ANY_ID)).json()["items"] == []
    other = await api.make_merchant("other-shop")
    assert (await other.get("/v1/review-reports")).json()["items"] == []


async def test_one_address_says_no_more_than_enough_about_a_review_on_a_day(api: Api, merchant: MerchantClient) -> None:
    [rating_id, other_id] = await rate(api, merchant, MUG, {"product_id": "tent", "stars": 5, "review": MUG["review"]})
    for number in range(10):
        answer = await vote(api, rating_id, helpful=True, visitor=f"visitor-number-{number:02}")
        assert answer.status_code == 200
    refused = await vote(api, rating_id, helpful=True, visitor="visitor-number-10")
    assert refused.json() == make_problem(
        "quota_exceeded", 429, "Enough was said about this review from your address today.", request_id=ANY
    )
    assert refused.headers["retry-after"] == "43201"
    assert (await vote(api, other_id, helpful=True)).status_code == 200
    elsewhere = await vote(api, rating_id, helpful=True, visitor="visitor-number-10", address="198.51.100.7")
    assert elsewhere.json() == {"helpful": 11, "not_helpful": 0}
    for number in range(4):
        answer = await report(api, rating_id, visitor=f"visitor-number-{number:02}")
        assert answer.status_code == (204 if number < 3 else 429)
    api.clock.now += timedelta(days=1)
    assert (await vote(api, rating_id, helpful=True, visitor="visitor-number-11")).status_code == 200


async def test_one_subscriber_is_one_address(api: Api, merchant: MerchantClient) -> None:
    [rating_id] = await rate(api, merchant, MUG)
    for number in range(3):
        address = f"2001:db8:1:2::{number + 1}"
        assert (await report(api, rating_id, visitor=f"visitor-number-{number:02}", address=address)).status_code == 204
    for address, status in (("2001:db8:1:2:ffff::", 429), ("2001:db8:1:3::1", 204)):
        answer = await report(api, rating_id, visitor=f"visitor-who-is-told-{status}", address=address)
        assert answer.status_code == status


async def test_more_reports_than_enough_are_taken_and_not_kept(api: Api, merchant: MerchantClient) -> None:
    [rating_id] = await rate(api, merchant, MUG)
    for number in range(MAX_REPORTS_OF_REVIEW + 2):
        visitor, address = f"visitor-number-{number:03}", f"198.51.100.{number}"
        assert (await report(api, rating_id, visitor=visitor, address=address)).status_code == 204
    kept = (await merchant.get("/v1/review-reports", limit=200)).json()["items"]
    assert len(kept) == MAX_REPORTS_OF_REVIEW
    page = (await merchant.get("/v1/review-reports", limit=60, sort="reported_at")).json()
    rest = (await merchant.get("/v1/review-reports", limit=60, sort="reported_at", cursor=page["next_cursor"])).json()
    assert [item["id"] for item in page["items"] + rest["items"]] == [item["id"] for item in kept[::-1]]


async def test_addresses_are_kept_for_the_day_and_never_in_clear(api: Api, merchant: MerchantClient) -> None:
    [rating_id] = await rate(api, merchant, MUG)
    await vote(api, rating_id, helpful=True)

    async def rows(table: str) -> list[Any]:
        async with api.context.database.autocommit() as stores:
            return list(await stores._driver.fetch(f"SELECT * FROM {table}"))

    [counted], [voted] = await rows("address_counts"), await rows("review_votes")
    for row in (counted, voted):
        assert "203.0.113.9" not in str(row)
        assert VISITOR not in str(row)
    await api.factory.create_visitors().clean()
    assert await rows("address_counts") == [counted]
    api.clock.now += timedelta(hours=12)
    await api.factory.create_visitors().clean()
    assert await rows("address_counts") == []
    assert await rows("review_votes") == [voted]


async def test_one_address_is_refused_after_too_much_within_a_minute(narrow: Api) -> None:
    merchant = await narrow.make_merchant()
    [rating_id] = await rate(narrow, merchant, MUG)
    assert (await vote(narrow, rating_id, helpful=True)).status_code == 200
    assert (await report(narrow, rating_id)).status_code == 204
    refused = await vote(narrow, rating_id, helpful=True)
    assert (refused.status_code, refused.json()["code"]) == (429, "quota_exceeded")
    assert (refused.headers["retry-after"], refused.headers["access-control-allow-origin"]) == ("60", "*")
    assert (await vote(narrow, rating_id, helpful=True, address="198.51.100.7")).status_code == 200
    narrow.clock.now += timedelta(minutes=1)
    assert (await vote(narrow, rating_id, helpful=True)).status_code == 200


async def test_any_site_may_send(api: Api) -> None:
    for what in ("votes", "reports"):
        asked = await api.call("OPTIONS", f"/public/v1/gift-shop/reviews/{ANY_ID}/{what}", key=None)
        assert (asked.status_code, asked.headers["access-control-allow-origin"]) == (204, "*")
        assert asked.headers["access-control-allow-methods"] == "POST"
        assert asked.headers["access-control-allow-headers"] == "Content-Type"
