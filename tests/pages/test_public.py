"""The page's twin in JSON, for a merchant's own page on a site of theirs."""

from datetime import timedelta
from typing import Any
from unittest.mock import ANY

import httpx
import pytest

from invite_service.domain.branding import Branding
from invite_service.domain.invitation import Step
from tests.pages.shop import NOTHING, PageShop
from tests.support.builders import make_branding, make_policy

UNKNOWN = {
    "type": "urn:invite-service:problem:token_not_found",
    "title": "Token not found",
    "status": 404,
    "code": "token_not_found",
    "detail": "This link is not known, or no longer.",
    "request_id": "",
    "errors": [],
}


async def rate(shop: PageShop, token: str, *ratings: dict[str, Any]) -> httpx.Response:
    return await shop.client.post(f"/public/v1/invitations/{token}/ratings", json={"ratings": list(ratings)})


async def test_invitation_tells_what_a_page_needs(shop: PageShop) -> None:
    await shop.brand(Branding(primary_color="#7a1fa2", support_email="help@gifts.example"))
    invitation = await shop.invite("mug", "tent")
    token = shop.token(invitation)
    await rate(shop, token, {"product_id": "tent", "stars": 3})
    response = await shop.client.get(f"/public/v1/invitations/{token}")
    assert response.status_code == 200
    now = shop.house.clock.now.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert response.json() == {
        "kind": "product",
        "step": "product_1",
        "language": "nb",
        "customer_name": "Kari Nordmann",
        "displayed_name": "Kari N.",
        "merchant": {
            "name": "The Gift Shop",
            "homepage_url": "https://gifts.example",
            "logo_url": None,
            "primary_color": "#7a1fa2",
            "text_color": "#1d1d1f",
            "background_color": "#f4f4f2",
            "support_email": "help@gifts.example",
            "support_phone": None,
            "support_url": None,
            "contact_url": "mailto:help@gifts.example",
        },
        "is_delivery_confirmed": False,
        "asks_about_delivery": False,
        "products": [
            {
                "id": "mug",
                "name": "The mug",
                "url": "https://gifts.example/p/mug",
                "image_url": "https://gifts.example/i/mug.jpg",
                "rating": None,
                "is_editable": True,
            },
            {
                "id": "tent",
                "name": "The tent",
                "url": "https://gifts.example/p/tent",
                "image_url": "https://gifts.example/i/tent.jpg",
                "rating": {
                    "product_id": "tent",
                    "stars": 3,
                    "state": "published",
                    "review": None,
                    "editable_until": None,
                    "created_at": now,
                    "updated_at": now,
                },
                "is_editable": True,
            },
        ],
        "takes_pictures": True,
        "service_rating": None,
        "is_service_editable": False,
        "texts": ANY,
    }


async def test_texts_are_in_the_customers_language_and_the_merchants_words(shop: PageShop) -> None:
    invitation = await shop.invite("mug", "tent")
    looked = (await shop.client.get(f"/public/v1/invitations/{shop.token(invitation)}")).json()
    texts = looked["texts"]
    assert looked["asks_about_delivery"] is True
    assert {
        name: texts[name] for name in ("direction", "stars", "ask_title", "yes", "consent", "contact", "close")
    } == {
        "direction": "ltr",
        "stars": ["1 stjerne", "2 stjerner", "3 stjerner", "4 stjerner", "5 stjerner"],
        "ask_title": "Har bestillingen kommet frem?",
        "yes": "Ja, jeg har fått alt",
        "consent": "Når du publiserer, kan The Gift Shop vise stjernene og omtalen din til andre. "
        "Navnet ditt vises slik: Kari N.",
        "contact": "Kontakt The Gift Shop",
        "close": "Lukk",
    }
    assert all(texts.values())


async def test_looking_records_a_view_and_nothing_else(shop: PageShop) -> None:
    invitation = await shop.invite()
    for _ in range(3):
        await shop.client.get(f"/public/v1/invitations/{shop.token(invitation)}")
    assert await shop.recorded() == NOTHING
    assert await shop.views() == 1


async def test_stars_and_review_are_stored(shop: PageShop) -> None:
    invitation = await shop.invite()
    review = {"text": " Nydelig! ", "consent": True}
    response = await rate(
        shop, shop.token(invitation, step=Step.PRODUCT_2), {"product_id": "mug", "stars": 5, "review": review}
    )
    assert response.status_code == 200
    now = shop.house.clock.now.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert response.json() == {
        "ratings": [
            {
                "product_id": "mug",
                "stars": 5,
                "state": "published",
                "review": {"text": "Nydelig!", "state": "published", "picture_ids": []},
                "editable_until": (shop.house.clock.now + timedelta(days=30)).strftime("%Y-%m-%dT%H:%M:%SZ"),
                "created_at": now,
                "updated_at": now,
            }
        ]
    }
    assert await shop.recorded() == {"ratings": 1, "reviews": 1, "suppressions": 0, "doings": 1}


async def test_change_that_comes_too_late_is_a_conflict(shop: PageShop) -> None:
    invitation = await shop.invite()
    rating = {"product_id": "mug", "stars": 5, "review": {"text": "Nydelig!", "consent": True}}
    await rate(shop, shop.token(invitation), rating)
    shop.house.clock.advance(timedelta(days=30))
    response = await rate(shop, shop.token(invitation), rating | {"stars": 1})
    assert (response.status_code, response.json()) == (
        409,
        {
            "type": "urn:invite-service:problem:too_old_to_change",
            "title": "Too old to change",
            "status": 409,
            "code": "too_old_to_change",
            "detail": "What was answered is too old to be changed.",
            "request_id": "",
            "errors": [
                {
                    "pointer": "/ratings/0",
                    "code": "too_old_to_change",
                    "detail": "The review is too old to be changed.",
                }
            ],
        },
    )
    looked = (await shop.client.get(f"/public/v1/invitations/{shop.token(invitation)}")).json()
    assert (looked["products"][0]["rating"]["stars"], looked["products"][0]["is_editable"]) == (5, False)


async def test_no_product_id_means_the_service(database_url: str) -> None:
    async with PageShop.open(database_url, policy=make_policy(service_percent=100)) as shop:
        invitation = await shop.invite()
        response = await rate(shop, shop.token(invitation), {"stars": 4})
        assert response.status_code == 200
        assert response.json()["ratings"][0]["product_id"] is None
        looked = await shop.client.get(f"/public/v1/invitations/{shop.token(invitation)}")
        assert (looked.json()["products"], looked.json()["service_rating"]["stars"]) == ([], 4)


@pytest.mark.parametrize(
    ("rating", "fault"),
    [
        ({"stars": 5}, ("/ratings/0/product_id", "product_unknown")),
        ({"product_id": "lamp", "stars": 5}, ("/ratings/0/product_id", "product_unknown")),
        ({"product_id": "mug", "stars": 0}, ("/ratings/0/stars", "stars_out_of_range")),
        ({"product_id": "mug", "stars": 10**30}, ("/ratings/0/stars", "stars_out_of_range")),
        ({"product_id": "mug", "stars": 4.5}, ("/ratings/0/stars", "invalid_type")),
        ({"product_id": "mug"}, ("/ratings/0/stars", "missing")),
        ({"product_id": "mug", "stars": 5, "text": "x"}, ("/ratings/0/text", "unknown_field")),
        (
            {"product_id": "mug", "stars": 5, "review": {"text": "x" * 5001, "consent": True}},
            ("/ratings/0/review/text", "text_too_long"),
        ),
        (
            {"product_id": "mug", "stars": 5, "review": {"text": "x", "consent": False}},
            ("/ratings/0/review/consent", "not_a_choice"),
        ),
        ({"product_id": "mug", "stars": 5, "review": {"text": "x"}}, ("/ratings/0/review/consent", "missing")),
        (
            {"product_id": "mug", "stars": 5, "review": {"text": "a\u0007b", "consent": True}},
            ("/ratings/0/review/text", "text_not_plain"),
        ),
        (
            {"product_id": "mug", "stars": 5, "review": {"text": "a\u0000b", "consent": True}},
            ("/ratings/0/review/text", "invalid_text"),
        ),
    ],
)
async def test_fault_is_named_by_its_place(shop: PageShop, rating: dict[str, Any], fault: tuple[str, str]) -> None:
    invitation = await shop.invite()
    response = await rate(shop, shop.token(invitation), rating)
    assert response.status_code == 422
    assert [(error["pointer"], error["code"]) for error in response.json()["errors"]] == [fault]
    assert await shop.recorded() == NOTHING


@pytest.mark.parametrize(("count", "code"), [(0, "nothing_rated"), (201, "too_long")])
async def test_too_few_or_too_many_ratings_are_refused(shop: PageShop, count: int, code: str) -> None:
    invitation = await shop.invite()
    response = await rate(shop, shop.token(invitation), *[{"product_id": "mug", "stars": 5}] * count)
    assert response.status_code == 422
    assert [(error["pointer"], error["code"]) for error in response.json()["errors"]] == [("/ratings", code)]


async def test_report_answers_with_what_to_tell_the_customer(shop: PageShop) -> None:
    await shop.brand(Branding(support_url="https://gifts.example/help"))
    invitation = await shop.invite()
    address = f"/public/v1/invitations/{shop.token(invitation)}/not-received"
    first, second = await shop.client.post(address), await shop.client.post(address)
    assert first.status_code == 200
    assert first.json() == second.json()
    assert first.json()["notice"].startswith("Vi beklager at du fortsatt venter")
    assert (first.json()["support_email"], first.json()["support_url"]) == (None, "https://gifts.example/help")
    assert (await shop.recorded())["doings"] == 1


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", ""), ("POST", "/ratings"), ("POST", "/not-received")],
)
async def test_unknown_token_is_one_answer(shop: PageShop, method: str, path: str) -> None:
    invitation = await shop.invite()
    for token in ("nonsense", shop.unsubscribe_token(invitation)):
        body = {"ratings": [{"product_id": "mug", "stars": 5}]} if path == "/ratings" else None
        response = await shop.client.request(method, f"/public/v1/invitations/{token}{path}", json=body)
        assert (response.status_code, response.json()) == (404, UNKNOWN)
        assert response.headers["Content-Type"] == "application/problem+json"


async def test_pages_of_the_merchants_sites_may_read_every_answer_and_no_others(shop: PageShop) -> None:
    invitation = await shop.invite()
    address = f"/public/v1/invitations/{shop.token(invitation)}"
    expired = shop.token(invitation)
    for origin, allowed in (("https://gifts.example", "https://gifts.example"), ("https://evil.example", None)):
        headers = {"Origin": origin}
        answers = [
            await shop.client.options(f"{address}/ratings", headers=headers),
            await shop.client.get(address, headers=headers),
            await shop.client.post(f"{address}/ratings", json={"ratings": []}, headers=headers),
            await shop.client.post(f"{address}/ratings", content=b"{", headers=headers),
        ]
        assert [answer.status_code for answer in answers] == [204, 200, 422, 400]
        for answer in answers:
            assert answer.headers.get("Access-Control-Allow-Origin") == allowed
            assert answer.headers.get("Access-Control-Expose-Headers") == ("Retry-After" if allowed else None)
            assert answer.headers["Vary"] == "Origin"
            assert answer.headers["Cache-Control"] == "no-store"
            assert answer.headers["Referrer-Policy"] == "no-referrer"
            assert "Access-Control-Allow-Credentials" not in answer.headers
        assert answers[0].headers["Access-Control-Allow-Methods"] == "GET, POST, DELETE"
        assert answers[0].headers["Access-Control-Allow-Headers"] == "Content-Type"
    headers = {"Origin": "https://gifts.example"}
    forged = await shop.client.get("/public/v1/invitations/nonsense", headers=headers)
    assert (forged.status_code, forged.headers.get("Access-Control-Allow-Origin")) == (404, None)
    shop.house.clock.advance(timedelta(days=1000))
    late = await shop.client.get(f"/public/v1/invitations/{expired}", headers=headers)
    assert (late.status_code, late.headers.get("Access-Control-Allow-Origin")) == (404, "https://gifts.example")


async def test_sites_of_the_branding_take_the_place_of_the_homepage(shop: PageShop) -> None:
    await shop.brand(make_branding(sites=("https://www.gifts.example", "https://m.gifts.example")))
    address = f"/public/v1/invitations/{shop.token(await shop.invite())}"
    found = {
        origin: (await shop.client.get(address, headers={"Origin": origin})).headers.get("Access-Control-Allow-Origin")
        for origin in ("https://m.gifts.example", "https://gifts.example", "null")
    }
    assert found == {"https://m.gifts.example": "https://m.gifts.example", "https://gifts.example": None, "null": None}
