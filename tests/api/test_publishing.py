"""Publishing settings, what merchants do about ratings, and support cases, over HTTP."""

from datetime import timedelta
from typing import Any
from unittest.mock import ANY
from uuid import UUID

import pytest

from invite_service.domain.invitation import Step
from invite_service.domain.merchant import MerchantId
from invite_service.services.tokens import TokenPurpose
from tests.api.conftest import Api, MerchantClient, make_problem

DEFAULTS: dict[str, Any] = {
    "version": 0,
    "approval": "automatic",
    "support_max_stars": 3,
    "support_requires_review": False,
    "support_hold_working_days": 5,
    "support_hold_scope": "low_ratings",
    "support_notifies_customer": False,
    "working_days": ["mon", "tue", "wed", "thu", "fri"],
    "holiday_country": None,
    "holiday_region": None,
    "review_name_display": "first_name_initial",
    "warnings": [],
}

LEFT_AT = "2026-03-02T12:00:00Z"

ANY_ID = "0192f3a4-7c1e-7b5a-9d2e-3f4a5b6c7d8e"


async def patch(merchant: MerchantClient, changes: object, *, if_match: str | None = "*") -> Any:
    headers = {"If-Match": if_match} if if_match is not None else {}
    return await merchant.request("PATCH", "/v1/publishing", json=changes, headers=headers)


async def rate(api: Api, merchant: MerchantClient, *ratings: dict[str, Any], order_id: str = "A-1001") -> list[str]:
    """Invite a customer, let them rate through the public API, and give the ids of the ratings."""
    ids = [rating["product_id"] for rating in ratings]
    decided = await merchant.post_order(
        order_id=order_id,
        customer={"email": f"{order_id.lower()}@example.no", "name": "Kari Nordmann"},
        products=[{"id": product_id} for product_id in ids],
    )
    invitation_id = decided["invitation"]["id"]
    invitation = await api.factory.create_invitations().get(
        (await api.factory.access.authenticate(merchant.key)).merchant, UUID(invitation_id)
    )
    token = api.context.signer.make(
        MerchantId(merchant.id),
        invitation.invitation.id,
        purpose=TokenPurpose.PAGE,
        step=Step.PRODUCT_1,
        at=api.clock.now,
    )
    answer = await api.call("POST", f"/public/v1/invitations/{token}/ratings", key=None, json={"ratings": ratings})
    assert answer.status_code == 200, answer.text
    listed = (await merchant.get("/v1/ratings", invitation_id=invitation_id, sort="created_at")).json()["items"]
    by_product = {item["product_id"]: item["id"] for item in listed}
    return [by_product[product_id] for product_id in ids]


def make_shown(rating_id: str, **changes: Any) -> dict[str, Any]:
    return {
        "id": rating_id,
        "invitation_id": ANY,
        "kind": "product",
        "product_id": "mug",
        "stars": 2,
        "state": "published",
        "review": {
            "text": "Broken.",
            "state": "published",
            "displayed_name": "Kari N.",
            "language": "nb",
            "picture_ids": [],
        },
        "reply": None,
        "publish_at": None,
        "reject_reason": None,
        "moved_from": None,
        "created_at": LEFT_AT,
        "updated_at": LEFT_AT,
        **changes,
    }


MUG = {"product_id": "mug", "stars": 2, "review": {"text": "Broken.", "consent": True}}


async def test_settings_are_versioned(merchant: MerchantClient) -> None:
    answer = await merchant.get("/v1/publishing")
    assert (answer.headers["etag"], answer.json()) == ('"0"', DEFAULTS)
    changed = await patch(merchant, {"approval": "manual", "working_days": ["mon", "tue"]}, if_match='"0"')
    manual = DEFAULTS | {"version": 1, "approval": "manual", "working_days": ["mon", "tue"]}
    assert (changed.status_code, changed.headers["etag"], changed.json()) == (200, '"1"', manual)
    assert (await patch(merchant, {"approval": "manual"})).json() == manual
    assert (await patch(merchant, {"approval": "automatic"}, if_match='"0"')).json() == make_problem(
        "version_mismatch", 412, "The publishing settings were changed meanwhile; read them again.", request_id=ANY
    )
    assert (await patch(merchant, {"approval": "automatic"}, if_match=None)).status_code == 428
    await patch(merchant, {"holiday_country": "NO"})
    versions = (await merchant.get("/v1/publishing/versions", limit=1)).json()
    assert versions == {
        "items": [
            {
                "created_at": LEFT_AT,
                "created_by": "key:first",
                "settings": manual | {"version": 2, "holiday_country": "NO"},
            }
        ],
        "next_cursor": ANY,
    }
    older = (await merchant.get("/v1/publishing/versions", limit=1, cursor=versions["next_cursor"])).json()
    assert ([item["settings"]["version"] for item in older["items"]], older["next_cursor"]) == ([1], None)


async def test_holding_low_ratings_only_is_saved_with_a_warning(merchant: MerchantClient) -> None:
    saved = (await patch(merchant, {"approval": "support_trigger"})).json()
    assert [warning["code"] for warning in saved["warnings"]] == ["low_ratings_held"]
    assert "all_ratings every rating waits the same" in saved["warnings"][0]["detail"]
    assert (await merchant.get("/v1/publishing")).json() == saved
    assert (await patch(merchant, {"support_hold_scope": "all_ratings"})).json()["warnings"] == []


@pytest.mark.parametrize(
    ("changes", "faults"),
    [
        (
            {"support_max_stars": 5, "unknown": 1},
            [("/support_max_stars", "out_of_range"), ("/unknown", "unknown_field")],
        ),
        ({"holiday_country": "DE", "holiday_region": "XX"}, [("/holiday_region", "unknown_region")]),
        ({"holiday_region": "BY"}, [("/holiday_region", "country_missing")]),
        ({"working_days": []}, [("/working_days", "too_short")]),
    ],
)
async def test_faulty_settings_are_refused(
    merchant: MerchantClient, changes: dict[str, Any], faults: list[tuple[str, str]]
) -> None:
    answer = await patch(merchant, changes)
    assert answer.status_code == 422
    assert sorted((error["pointer"], error["code"]) for error in answer.json()["errors"]) == faults
    assert (await merchant.get("/v1/publishing")).json() == DEFAULTS


async def test_low_rating_waits_and_its_case_is_followed_up_and_closed(api: Api, merchant: MerchantClient) -> None:
    await patch(merchant, {"approval": "support_trigger"})
    [rating_id] = await rate(api, merchant, MUG)
    pending = make_shown(
        rating_id,
        state="pending",
        review={
            "text": "Broken.",
            "state": "pending",
            "displayed_name": "Kari N.",
            "language": "nb",
            "picture_ids": [],
        },
        publish_at="2026-03-09T12:00:00Z",
    )
    history = [{"stars": 2, "text": "Broken.", "at": LEFT_AT, "by": "customer"}]
    assert (await merchant.get(f"/v1/ratings/{rating_id}")).json() == pending | {"history": history}
    assert (await merchant.get("/v1/ratings")).json()["items"] == [pending]
    summary = (await merchant.get("/v1/ratings/summary")).json()["product"]
    assert (summary["published"]["count"], summary["pending"]["average"]) == (0, 2.0)

    listed = (await merchant.get("/v1/support-cases", state="open")).json()
    case = {
        "id": ANY,
        "rating_id": rating_id,
        "opened_at": LEFT_AT,
        "opened_by": "rule",
        "followed_up_at": None,
        "followed_up_by": None,
        "closed_at": None,
        "closed_by": None,
    }
    assert listed == {"items": [case], "next_cursor": None, "prev_cursor": None}
    path = f"/v1/support-cases/{listed['items'][0]['id']}"
    api.clock.now += timedelta(hours=1)
    followed = await merchant.post(f"{path}/follow-up")
    case |= {"followed_up_at": "2026-03-02T13:00:00Z", "followed_up_by": "key:first"}
    assert (followed.status_code, followed.json()) == (200, case)
    api.clock.now += timedelta(hours=1)
    assert (await merchant.post(f"{path}/follow-up")).json() == case
    closed = await merchant.post(f"{path}/close")
    assert closed.json() == case | {"closed_at": "2026-03-02T14:00:00Z", "closed_by": "key:first"}
    assert (await merchant.get("/v1/support-cases", state="open")).json()["items"] == []
    assert (await merchant.get("/v1/support-cases", state="closed")).json()["items"] == [closed.json()]
    missing = await merchant.post("/v1/support-cases/nonsense/close")
    assert missing.json() == make_problem(
        "support_case_not_found", 404, "No support case of that id exists.", request_id=ANY
    )


async def test_rating_is_held_rejected_published_and_moved(api: Api, merchant: MerchantClient) -> None:
    [rating_id] = await rate(api, merchant, MUG)
    path = f"/v1/ratings/{rating_id}"
    held = await merchant.post(f"{path}/hold", {"parts": ["review"]})
    review = {"text": "Broken.", "state": "pending", "displayed_name": "Kari N.", "language": "nb", "picture_ids": []}
    assert (held.status_code, held.json()) == (200, make_shown(rating_id, review=review))
    rejected = await merchant.post(f"{path}/reject", {"reason": "personal_data"})
    review["state"] = "rejected"
    assert rejected.json() == make_shown(rating_id, state="rejected", review=review, reject_reason="personal_data")
    assert (await merchant.get("/v1/ratings/summary")).json()["product"]["published"]["count"] == 0
    published = await merchant.post(f"{path}/publish")
    assert published.json() == make_shown(rating_id)
    moved = await merchant.post(f"{path}/move", {"to": "service"})
    assert moved.json() == make_shown(rating_id, kind="service", product_id=None, moved_from="mug")
    assert (await merchant.get("/v1/ratings/summary")).json()["service"]["published"]["average"] == 2.0
    invitation = (await merchant.get(f"/v1/invitations/{moved.json()['invitation_id']}")).json()
    told = [(entry["actor"], entry["event"], entry["reason"]) for entry in invitation["timeline"]]
    assert told[-5:] == [
        ("key:first", "rating_held", None),
        ("key:first", "support_case_opened", None),
        ("key:first", "rating_rejected", "personal_data"),
        ("key:first", "rating_published", None),
        ("key:first", "rating_moved", None),
    ]


async def test_what_cannot_be_done_to_a_rating_is_refused(api: Api, merchant: MerchantClient) -> None:
    [rating_id] = await rate(api, merchant, {"product_id": "mug", "stars": 5})
    refused = await merchant.post(f"/v1/ratings/{rating_id}/hold", {"parts": ["review"]})
    assert refused.json() == make_problem("no_review", 409, "It has no text.", request_id=ANY)
    faulty = await merchant.post(f"/v1/ratings/{rating_id}/reject", {"reason": "too_negative"})
    assert [(error["pointer"], error["code"]) for error in faulty.json()["errors"]] == [("/reason", "not_a_choice")]
    for call in ("publish", "hold", "move"):
        body = {"to": "service"} if call == "move" else None
        missing = await merchant.post(f"/v1/ratings/{ANY_ID}/{call}", body)
        assert missing.json() == make_problem("rating_not_found", 404, "No rating of that id exists.", request_id=ANY)
    other = await api.make_merchant("other-shop")
    assert (await other.get(f"/v1/ratings/{rating_id}")).status_code == 404
    reader = await merchant.with_scopes("ratings:read")
    assert (await reader.post(f"/v1/ratings/{rating_id}/hold")).json()["code"] == "scope_missing"


async def test_ratings_are_listed_by_every_filter_and_page(api: Api, merchant: MerchantClient) -> None:
    for number, count in enumerate((5, 1, 3)):
        api.clock.now += timedelta(minutes=1)
        await rate(
            api,
            merchant,
            {"product_id": "mug", "stars": count, **({"review": MUG["review"]} if number else {})},
            {"product_id": "tent/2", "stars": 4},
            order_id=f"A{number}",
        )

    async def listed(**params: Any) -> list[tuple[str, int]]:
        answer = await merchant.get("/v1/ratings", **params)
        assert answer.status_code == 200, answer.text
        return [(item["product_id"], item["stars"]) for item in answer.json()["items"]]

    assert await listed(product_id="mug") == [("mug", 3), ("mug", 1), ("mug", 5)]
    assert await listed(product_id="mug", sort="created_at", has_review="true") == [("mug", 1), ("mug", 3)]
    assert await listed(stars=["1", "5"]) == [("mug", 1), ("mug", 5)]
    assert await listed(kind="service") == []
    assert len(await listed(kind="product", state="published")) == 6
    assert await listed(review_state="published") == [("mug", 3), ("mug", 1)]
    assert await listed(product_id="mug", created_from="2026-03-02T12:02:00Z", created_to="2026-03-02T12:03:00Z") == [
        ("mug", 1)
    ]
    first = (await merchant.get("/v1/ratings", limit=4)).json()
    rest = (await merchant.get("/v1/ratings", limit=4, cursor=first["next_cursor"])).json()
    back = (await merchant.get("/v1/ratings", limit=4, cursor=rest["prev_cursor"])).json()
    assert (len(first["items"]), len(rest["items"]), rest["next_cursor"]) == (4, 2, None)
    assert back["items"] == first["items"]
    faulty = await merchant.get("/v1/ratings", stars="6", cursor="x")
    assert faulty.status_code == 422


async def test_averages_of_a_product_and_of_a_period(api: Api, merchant: MerchantClient) -> None:
    for count in (5, 2):
        api.clock.now += timedelta(days=1)
        await rate(api, merchant, {"product_id": "tent/2", "stars": count}, order_id=f"A{count}")
    product = (await merchant.get("/v1/products/tent/2/summary")).json()
    assert (product["published"]["count"], product["published"]["average"]) == (2, 3.5)
    assert (await merchant.get("/v1/products/lamp/summary")).json()["published"]["count"] == 0
    period = {"created_from": "2026-03-04T00:00:00Z"}
    late = (await merchant.get("/v1/ratings/summary", **period)).json()
    assert (late["product"]["published"]["count"], late["product"]["published"]["average"]) == (1, 2.0)
    narrowed = (await merchant.get("/v1/ratings/summary", product_id="lamp", **period)).json()
    assert narrowed["product"]["published"]["count"] == 0
    backwards = await merchant.get("/v1/ratings/summary", created_to="2026-03-01T00:00:00Z", **period)
    assert [error["pointer"] for error in backwards.json()["errors"]] == ["?created_to"]
    faulty = await merchant.get("/v1/ratings", created_to="2026-03-01T00:00:00Z", kind="x", cursor="abc", **period)
    assert {error["pointer"] for error in faulty.json()["errors"]} == {"?cursor", "?kind", "?created_to"}


async def test_review_is_replied_to_and_the_customer_hears_of_it(api: Api) -> None:
    sandbox = await api.make_merchant("toy-shop", sandbox=True)
    [rating_id] = await rate(api, sandbox, MUG)
    path = f"/v1/ratings/{rating_id}/reply"
    replied = (await sandbox.post(path, {"text": " Sorry! "})).json()
    reply = {"text": "Sorry!", "created_at": ANY, "created_by": "key:first", "updated_at": ANY}
    assert replied == make_shown(rating_id, reply=reply, created_at=ANY, updated_at=ANY)
    await sandbox.post("/v1/sandbox/send-due")
    [message] = (await sandbox.get("/v1/sandbox/messages")).json()["items"]
    assert (message["step"], message["to"]) == ("reply_notice", "a-1001@example.no")
    assert "Sorry!" in message["text"]
    withdrawn = await sandbox.request("DELETE", path)
    assert (withdrawn.status_code, withdrawn.json()["reply"]) == (200, None)
    faulty = await sandbox.post(path, {"text": "\t"})
    assert [(error["pointer"], error["code"]) for error in faulty.json()["errors"]] == [("/text", "bad_length")]


async def test_sandbox_clock_passes_the_end_of_a_hold(api: Api) -> None:
    sandbox = await api.make_merchant("toy-shop", sandbox=True)
    await patch(sandbox, {"approval": "support_trigger"})
    [rating_id] = await rate(api, sandbox, MUG)
    publish_at = (await sandbox.get(f"/v1/ratings/{rating_id}")).json()["publish_at"]
    await sandbox.post("/v1/sandbox/clock", {"advance": "P6D"})
    assert (await sandbox.get(f"/v1/ratings/{rating_id}")).json()["state"] == "pending"
    await sandbox.post("/v1/sandbox/clock", {"advance": "P2D"})
    found = (await sandbox.get(f"/v1/ratings/{rating_id}")).json()
    assert (found["state"], found["review"]["state"], found["publish_at"]) == ("published", "published", None)
    invitation = (await sandbox.get(f"/v1/invitations/{found['invitation_id']}")).json()
    assert (invitation["timeline"][-1]["event"], invitation["timeline"][-1]["at"]) == ("rating_published", publish_at)


async def test_rating_tells_what_it_said_before(api: Api, merchant: MerchantClient) -> None:
    [rating_id] = await rate(api, merchant, MUG)
    later = MUG | {"stars": 4, "review": {"text": "Mended.", "consent": True}}
    assert await rate(api, merchant, later) == [rating_id]
    shown = (await merchant.get(f"/v1/ratings/{rating_id}")).json()
    assert shown == make_shown(
        rating_id,
        stars=4,
        review={
            "text": "Mended.",
            "state": "published",
            "displayed_name": "Kari N.",
            "language": "nb",
            "picture_ids": [],
        },
        history=[
            {"stars": 2, "text": "Broken.", "at": LEFT_AT, "by": "customer"},
            {"stars": 4, "text": "Mended.", "at": LEFT_AT, "by": "customer"},
        ],
    )
