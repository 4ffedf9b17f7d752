"""What anybody may read of a merchant's reviews."""

from datetime import timedelta
from typing import Any
from unittest.mock import ANY

import httpx
import pytest

from tests.api.conftest import Api, MerchantClient, make_problem
from tests.api.test_publishing import MUG, patch, rate

LEFT_AT = "2026-03-02T12:00:00Z"


async def read(api: Api, path: str, *, headers: dict[str, str] | None = None, **params: Any) -> httpx.Response:
    return await api.call("GET", f"/public/v1{path}", key=None, headers=headers or {}, params=params or None)


async def items(api: Api, path: str, **params: Any) -> list[dict[str, Any]]:
    answer = await read(api, path, **params)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


def make_shown(rating_id: str, **changes: Any) -> dict[str, Any]:
    return {
        "id": rating_id,
        "product_id": "mug",
        "stars": 2,
        "review": {"text": "Broken.", "language": "nb", "displayed_name": "Kari N.", "picture_ids": []},
        "reply": None,
        "is_verified_buyer": True,
        "votes": {"helpful": 0, "not_helpful": 0},
        "created_at": LEFT_AT,
        "updated_at": LEFT_AT,
        **changes,
    }


def make_summary(*stars: int, review_count: int) -> dict[str, Any]:
    return {
        "count": len(stars),
        "average": round(sum(stars) / len(stars), 2) if stars else None,
        "distribution": {str(number): stars.count(number) for number in range(1, 6)},
        "review_count": review_count,
    }


async def test_published_review_is_shown_with_its_reply_to_any_site(api: Api, merchant: MerchantClient) -> None:
    [rating_id] = await rate(api, merchant, MUG)
    await merchant.post(f"/v1/ratings/{rating_id}/reply", {"text": "Sorry!"})
    answer = await read(api, "/gift-shop/products/mug/reviews")
    reply = {"text": "Sorry!", "created_at": LEFT_AT, "updated_at": LEFT_AT}
    assert (answer.status_code, answer.json()) == (
        200,
        {
            "summary": make_summary(2, review_count=1),
            "items": [make_shown(rating_id, reply=reply)],
            "next_cursor": None,
            "prev_cursor": None,
        },
    )
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["cache-control"] == "public, max-age=60, stale-while-revalidate=600"
    assert answer.headers["etag"].startswith('W/"')


async def test_text_that_is_not_published_leaves_stars_alone_and_hides_its_reply(
    api: Api, merchant: MerchantClient
) -> None:
    [rating_id] = await rate(api, merchant, MUG)
    await merchant.post(f"/v1/ratings/{rating_id}/reply", {"text": "Sorry!"})
    await merchant.post(f"/v1/ratings/{rating_id}/hold", {"parts": ["review"]})
    answer = (await read(api, "/gift-shop/products/mug/reviews")).json()
    assert answer["items"] == [make_shown(rating_id, review=None)]
    assert answer["summary"] == make_summary(2, review_count=0)
    assert await items(api, "/gift-shop/products/mug/reviews", has_review="true") == []


@pytest.mark.parametrize("action", ["hold", "reject"])
async def test_stars_that_are_not_published_hide_their_text(api: Api, merchant: MerchantClient, action: str) -> None:
    [rating_id] = await rate(api, merchant, MUG)
    body = {"parts": ["stars"], **({"reason": "spam"} if action == "reject" else {})}
    assert (await merchant.post(f"/v1/ratings/{rating_id}/{action}", body)).status_code == 200
    answer = (await read(api, "/gift-shop/products/mug/reviews")).json()
    assert (answer["items"], answer["summary"]) == ([], make_summary(review_count=0))


async def test_low_rating_is_shown_when_its_hold_ends(api: Api) -> None:
    sandbox = await api.make_merchant("toy-shop", sandbox=True)
    await patch(sandbox, {"approval": "support_trigger"})
    await rate(api, sandbox, MUG)
    waiting = await read(api, "/toy-shop/products/mug/reviews")
    assert waiting.json()["items"] == []
    await sandbox.post("/v1/sandbox/clock", {"advance": "P8D"})
    shown = await read(api, "/toy-shop/products/mug/reviews", headers={"If-None-Match": waiting.headers["etag"]})
    assert [item["stars"] for item in shown.json()["items"]] == [2]


async def test_name_is_shown_as_the_settings_say(api: Api, merchant: MerchantClient) -> None:
    await patch(merchant, {"review_name_display": "anonymous"})
    await rate(api, merchant, MUG)
    [shown] = await items(api, "/gift-shop/products/mug/reviews")
    assert shown["review"]["displayed_name"] == ""


async def test_reviews_are_sorted_filtered_and_paged(api: Api, merchant: MerchantClient) -> None:
    for number, stars in enumerate((5, 1, 3, 5)):
        api.clock.now += timedelta(minutes=1)
        review = {"review": MUG["review"]} if number % 2 else {}
        await rate(api, merchant, {"product_id": "tent/2", "stars": stars, **review}, order_id=f"A{number}")

    async def listed(**params: Any) -> list[int]:
        return [item["stars"] for item in await items(api, "/gift-shop/products/tent/2/reviews", **params)]

    assert await listed() == [5, 3, 1, 5]
    assert await listed(sort="oldest") == [5, 1, 3, 5]
    assert await listed(sort="highest") == [5, 5, 3, 1]
    assert await listed(sort="lowest", stars=["1", "5"]) == [1, 5, 5]
    assert await listed(language="nb") == [5, 1]
    assert await listed(language="sv") == []
    path = "/gift-shop/products/tent/2/reviews"
    first = (await read(api, path, sort="lowest", limit=3)).json()
    rest = (await read(api, path, sort="lowest", limit=3, cursor=first["next_cursor"])).json()
    back = (await read(api, path, sort="lowest", limit=3, cursor=rest["prev_cursor"])).json()
    assert [[item["stars"] for item in page["items"]] for page in (first, rest)] == [[1, 3, 5], [5]]
    assert (rest["next_cursor"], back["items"]) == (None, first["items"])
    other = await read(api, path, sort="highest", limit=3, cursor=first["next_cursor"])
    assert [(error["pointer"], error["code"]) for error in other.json()["errors"]] == [("?cursor", "invalid_cursor")]


async def test_service_has_a_list_of_its_own(api: Api, merchant: MerchantClient) -> None:
    [rating_id] = await rate(api, merchant, MUG)
    await merchant.post(f"/v1/ratings/{rating_id}/move", {"to": "service"})
    assert await items(api, "/gift-shop/service/reviews") == [make_shown(rating_id, product_id=None)]
    assert await items(api, "/gift-shop/products/mug/reviews") == []


async def test_what_the_caller_has_is_not_answered_again(api: Api, merchant: MerchantClient) -> None:
    [rating_id] = await rate(api, merchant, MUG)
    path = "/gift-shop/products/mug/reviews"
    etag = (await read(api, path)).headers["etag"]
    for given in (etag, etag.removeprefix("W/"), f'"other", {etag}', "*"):
        known = await read(api, path, headers={"If-None-Match": given})
        assert (known.status_code, known.content, known.headers["etag"]) == (304, b"", etag)
        assert known.headers["cache-control"].startswith("public, max-age=60")
        assert known.headers["access-control-allow-origin"] == "*"
    await rate(api, merchant, {"product_id": "lamp", "stars": 5}, order_id="B")
    assert (await read(api, path, headers={"If-None-Match": etag})).status_code == 304
    changes: list[tuple[str, str, object]] = [
        ("POST", "reply", {"text": "Sorry!"}),
        ("DELETE", "reply", None),
        ("POST", "hold", {"parts": ["review"]}),
        ("POST", "move", {"to": "service"}),
    ]
    for method, action, body in changes:
        answer = await merchant.request(method, f"/v1/ratings/{rating_id}/{action}", json=body)
        assert answer.status_code == 200, answer.text
        changed = await read(api, path, headers={"If-None-Match": etag})
        assert changed.status_code == 200
        etag = changed.headers["etag"]


async def test_many_products_are_summed_up_at_once(api: Api, merchant: MerchantClient) -> None:
    await rate(api, merchant, MUG, {"product_id": "tent/2", "stars": 4})
    await rate(api, merchant, {"product_id": "tent/2", "stars": 5}, {"product_id": "*", "stars": 1}, order_id="B")
    asked = ["tent/2", "lamp", "mug", "tent/2", "*"]
    answer = await read(api, "/gift-shop/summaries", product_id=asked)
    assert answer.json() == {
        "items": [
            {"product_id": "tent/2", **make_summary(4, 5, review_count=0)},
            {"product_id": "lamp", **make_summary(review_count=0)},
            {"product_id": "mug", **make_summary(2, review_count=1)},
            {"product_id": "*", **make_summary(1, review_count=0)},
        ]
    }
    etag = answer.headers["etag"]
    headers = {"If-None-Match": etag}
    assert (await read(api, "/gift-shop/summaries", headers=headers, product_id=asked)).status_code == 304
    await rate(api, merchant, {"product_id": "lamp", "stars": 3}, order_id="C")
    changed = await read(api, "/gift-shop/summaries", headers=headers, product_id=asked)
    assert (changed.status_code, changed.json()["items"][1]["average"]) == (200, 3.0)
    none = await read(api, "/gift-shop/summaries")
    assert [(error["pointer"], error["code"]) for error in none.json()["errors"]] == [("?product_id", "missing")]
    many = await read(api, "/gift-shop/summaries", product_id=[f"p{number}" for number in range(201)])
    assert [error["pointer"] for error in many.json()["errors"]] == ["?product_id"]


@pytest.mark.parametrize("path", ["products/mug/reviews", "service/reviews", "summaries?product_id=mug"])
async def test_merchant_that_does_not_exist_is_not_found(api: Api, path: str) -> None:
    answer = await api.call("GET", f"/public/v1/nobody/{path}", key=None)
    problem = make_problem("merchant_not_found", 404, "No merchant of that id exists.", request_id=ANY)
    assert (answer.status_code, answer.json()) == (404, problem)
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["cache-control"] == "no-store"


async def test_parameters_that_are_not_known_are_refused(api: Api, merchant: MerchantClient) -> None:
    answer = await read(api, "/gift-shop/products/mug/reviews", sort="best", state="pending")
    assert [error["pointer"] for error in answer.json()["errors"]] == ["?sort", "?state"]
    assert answer.headers["access-control-allow-origin"] == "*"
