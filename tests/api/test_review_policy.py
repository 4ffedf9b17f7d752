"""The public review policy: true of what is configured, and of what was counted."""

from typing import Any

import pytest

from tests.api.conftest import Api, MerchantClient
from tests.api.test_public_reviews import read
from tests.api.test_publishing import MUG, patch, rate

NO_REASONS = {
    "offensive": 0,
    "personal_data": 0,
    "spam": 0,
    "off_topic": 0,
    "not_genuine": 0,
    "unlawful": 0,
    "copyright": 0,
    "customer_asked": 0,
}


def make_outcome(stars: int, **counts: int) -> dict[str, Any]:
    total = sum(counts.values())
    states = ("published", "pending", "needs_attention", "rejected")
    shares = {
        state: {"count": counts.get(state, 0), "share": round(counts.get(state, 0) / total, 4) if total else 0.0}
        for state in states
    }
    return {"stars": stars, "total": total, **shares}


def make_outcomes(**counts: dict[str, int]) -> list[dict[str, Any]]:
    return [make_outcome(stars, **counts.get(f"stars_{stars}", {})) for stars in range(1, 6)]


async def policy_of(api: Api, merchant_id: str = "gift-shop", **params: Any) -> dict[str, Any]:
    answer = await read(api, f"/{merchant_id}/review-policy", **params)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def test_policy_says_what_is_true_of_a_merchant_who_set_nothing(api: Api, merchant: MerchantClient) -> None:
    assert await policy_of(api) == {
        "merchant": "The Gift Shop",
        "collection": {
            "invited_customers_only": True,
            "product_or_service_drawn": False,
            "vouchers_given": False,
            "editable_days": 30,
        },
        "approval": {"approval": "automatic", "hold": None, "pictures_and_videos_held": True},
        "figures": {"ratings": make_outcomes(), "reviews": make_outcomes(), "rejected": NO_REASONS},
        "language": "en",
        "statements": [
            "Only customers with an order at The Gift Shop can leave stars and reviews, each by a link of their own.",
            "Customers are asked without regard to what they are likely to answer.",
            "Stars and reviews are shown as soon as they are given.",
            "Reviews with pictures or video links are always looked at before they are shown.",
            "Averages count every published rating alike.",
            "Reviews are sorted by date, newest first, unless you choose otherwise.",
            "Customers can change their review for 30 days after writing it.",
            "The shop can reply to a review, but not change it.",
        ],
    }


async def test_holding_low_ratings_only_is_disclosed(api: Api, merchant: MerchantClient) -> None:
    await patch(merchant, {"approval": "support_trigger", "support_max_stars": 2, "support_hold_working_days": 3})
    policy = await policy_of(api)
    assert policy["approval"]["hold"] == {
        "scope": "low_ratings",
        "low_ratings_only": True,
        "max_stars": 2,
        "with_text_only": False,
        "working_days": 3,
        "working_weekdays": ["mon", "tue", "wed", "thu", "fri"],
        "holiday_country": None,
        "holiday_region": None,
    }
    told = [sentence for sentence in policy["statements"] if "later than others" in sentence]
    assert len(told) == 1
    assert told[0].startswith("Answers of up to 2 stars are shown 3 working days later than others, so that ")
    await patch(merchant, {"support_hold_scope": "all_ratings"})
    policy = await policy_of(api)
    assert policy["approval"]["hold"]["low_ratings_only"] is False
    assert not [sentence for sentence in policy["statements"] if "later than others" in sentence]
    assert [sentence for sentence in policy["statements"] if sentence.startswith("All answers are shown 3")]


@pytest.mark.parametrize(
    ("service_percent", "is_drawn"),
    [(0, False), (30, True), (100, False)],
)
async def test_drawing_is_told_where_some_are_asked_about_each(
    api: Api, merchant: MerchantClient, service_percent: int, is_drawn: bool
) -> None:
    await merchant.request("PATCH", "/v1/policy", json={"service_percent": service_percent}, headers={"If-Match": "*"})
    policy = await policy_of(api, language="nb")
    assert policy["collection"]["product_or_service_drawn"] is is_drawn
    assert policy["language"] == "nb"
    assert len(policy["statements"]) == 8 + is_drawn


async def test_figures_are_of_what_became_of_stars_and_texts(api: Api, merchant: MerchantClient) -> None:
    await patch(merchant, {"approval": "manual"})
    ids = [
        (await rate(api, merchant, {**MUG, "stars": stars}, order_id=f"A{number}"))[0]
        for number, stars in enumerate((2, 2, 2, 5))
    ]
    await merchant.post(f"/v1/ratings/{ids[0]}/publish")
    await merchant.post(f"/v1/ratings/{ids[1]}/reject", {"reason": "spam"})
    await merchant.post(f"/v1/ratings/{ids[2]}/reject", {"reason": "off_topic", "parts": ["review"]})
    await merchant.post(f"/v1/ratings/{ids[3]}/move", {"to": "service"})
    figures = (await policy_of(api))["figures"]
    assert figures == {
        "ratings": make_outcomes(stars_2={"published": 2, "rejected": 1}, stars_5={"published": 1}),
        "reviews": make_outcomes(stars_2={"published": 1, "rejected": 2}, stars_5={"needs_attention": 1}),
        "rejected": NO_REASONS | {"spam": 1, "off_topic": 1},
    }


async def test_vouchers_are_told_of_once_one_was_given(api: Api, merchant: MerchantClient) -> None:
    [rating_id] = await rate(api, merchant, {"product_id": "mug", "stars": 2})
    assert rating_id
    await merchant.post_order(order_id="A-1001", discount={"code": "THANKS", "description": "10 % off"})
    assert (await policy_of(api))["collection"]["vouchers_given"] is False
    await rate(api, merchant, MUG)
    policy = await policy_of(api)
    assert policy["collection"]["vouchers_given"] is True
    assert policy["statements"][-1].startswith("Some customers get a voucher")


async def test_policy_that_the_caller_has_is_not_answered_again(api: Api, merchant: MerchantClient) -> None:
    answer = await read(api, "/gift-shop/review-policy")
    assert answer.headers["cache-control"] == "public, max-age=60, stale-while-revalidate=600"
    headers = {"If-None-Match": answer.headers["etag"]}
    assert (await read(api, "/gift-shop/review-policy", headers=headers)).status_code == 304
    await patch(merchant, {"approval": "manual"})
    assert (await read(api, "/gift-shop/review-policy", headers=headers)).status_code == 200
    assert (await read(api, "/nobody/review-policy")).json()["code"] == "merchant_not_found"


async def test_page_tells_the_same_in_the_visitors_language(api: Api, merchant: MerchantClient) -> None:
    await patch(merchant, {"approval": "manual"})
    [rating_id] = await rate(api, merchant, MUG)
    await merchant.post(f"/v1/ratings/{rating_id}/reject", {"reason": "spam"})
    page = await api.call("GET", "/p/gift-shop/review-policy", key=None, headers={"Accept-Language": "nb-NO,en;q=0.5"})
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert (page.headers["vary"], page.headers["cache-control"].split(",")[0]) == ("Accept-Language", "public")
    assert '<html lang="nb"' in page.text
    for sentence in (await policy_of(api, language="nb"))["statements"]:
        assert sentence in page.text
    for words in ("1 omtale", "1 (100\xa0%)", "Kunden har selv bedt om det"):
        assert words in page.text
    english = await api.call("GET", "/p/gift-shop/review-policy?language=en", key=None)
    assert "How reviews are collected and checked" in english.text
    headers = {"If-None-Match": english.headers["etag"]}
    known = await api.call("GET", "/p/gift-shop/review-policy?language=en", key=None, headers=headers)
    assert (known.status_code, known.headers["vary"]) == (304, "Accept-Language")
    unknown = await api.call("GET", "/p/nobody/review-policy", key=None)
    assert (unknown.status_code, unknown.headers["content-type"]) == (404, "text/html; charset=utf-8")
