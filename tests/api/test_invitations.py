"""Listing invitations, looking at one, and doing to it what its state allows."""

from datetime import timedelta
from typing import Any
from unittest.mock import ANY
from uuid import uuid4

import pytest

from tests.api.conftest import Api, MerchantClient, make_problem


async def execute(api: Api, statement: str, *args: object) -> None:
    """Change the database by hand, to a state that takes a provider's misfortune to come about."""
    async with api.context.database.transaction() as stores:
        await stores._driver.execute(statement, *args)


async def invite(merchant: MerchantClient, **changes: Any) -> dict[str, Any]:
    """Post an order and give its invitation."""
    invitation: dict[str, Any] = (await merchant.post_order(**changes))["invitation"]
    return invitation


async def invite_three(api: Api, merchant: MerchantClient) -> None:
    """Invite three customers, a minute apart: two by e-mail about different products, one by SMS in the past."""
    await invite(merchant, order_id="A")
    api.clock.now += timedelta(minutes=1)
    await invite(merchant, order_id="B", customer={"email": "ola@example.no"}, products=[{"id": "t2"}])
    api.clock.now += timedelta(minutes=1)
    await invite(merchant, order_id="C", customer={"phone": "+4791234567"}, products=[{"id": "t2"}])
    await execute(api, "UPDATE invitations SET status = 'sent', send_at = $1 WHERE channel = 'sms'", api.clock.now)


async def listed(merchant: MerchantClient, **params: Any) -> list[str]:
    """List the order that each invitation was made for."""
    answer = await merchant.get("/v1/invitations", **params)
    assert answer.status_code == 200, answer.text
    return [item["order_ids"][0] for item in answer.json()["items"]]


async def test_invitations_are_chosen_by_filters(api: Api, merchant: MerchantClient) -> None:
    await invite_three(api, merchant)
    found = {
        "everything": await listed(merchant),
        "oldest first": await listed(merchant, sort="created_at"),
        "next first": await listed(merchant, sort="send_at"),
        "last first": await listed(merchant, sort="-send_at"),
        "scheduled": await listed(merchant, status="scheduled"),
        "scheduled or sent": await listed(merchant, status=["scheduled", "sent"]),
        "by sms": await listed(merchant, channel="sms"),
        "about the service": await listed(merchant, kind="service"),
        "about t2": await listed(merchant, product_id="t2"),
        "of an order": await listed(merchant, order_id="B"),
        "to ola": await listed(merchant, email=" Ola@Example.NO "),
        "to nobody": await listed(merchant, email="per@example.no"),
        "created later": await listed(merchant, created_from="2026-03-02T12:01:00Z"),
        "created before": await listed(merchant, created_to="2026-03-02T12:01:00Z"),
        "sent later": await listed(merchant, send_from="2026-03-03T00:00:00Z"),
        "sent before": await listed(merchant, send_to="2026-03-03T00:00:00Z"),
        "today": await listed(merchant, period="today"),
        "tomorrow": await listed(merchant, period="tomorrow"),
        "this week": await listed(merchant, period="next_7_days"),
        "this month": await listed(merchant, period="next_30_days", sort="send_at"),
        "last week": await listed(merchant, period="last_7_days"),
        "last month, before": await listed(merchant, period="last_30_days", send_to="2026-03-02T00:00:00Z"),
    }
    in_march = sorted("AB", key=(await listed(merchant, sort="send_at", status="scheduled")).index)
    assert found == {
        "everything": ["C", "B", "A"],
        "oldest first": ["A", "B", "C"],
        "next first": ["C", *in_march],
        "last first": [*reversed(in_march), "C"],
        "scheduled": ["B", "A"],
        "scheduled or sent": ["C", "B", "A"],
        "by sms": ["C"],
        "about the service": [],
        "about t2": ["C", "B"],
        "of an order": ["B"],
        "to ola": ["B"],
        "to nobody": [],
        "created later": ["C", "B"],
        "created before": ["A"],
        "sent later": ["B", "A"],
        "sent before": ["C"],
        "today": ["C"],
        "tomorrow": [],
        "this week": ["C"],
        "this month": ["C", *in_march],
        "last week": ["C"],
        "last month, before": [],
    }


async def test_an_invitation_by_sms_is_found_by_its_customers_e_mail(merchant: MerchantClient) -> None:
    changed = await merchant.request(
        "PATCH", "/v1/policy", json={"preferred_channel": "sms"}, headers={"If-Match": "*"}
    )
    assert changed.status_code == 200
    invitation = await invite(merchant, customer={"email": "kari@example.no", "phone": "+4791234567"})
    assert invitation["channel"] == "sms"
    assert await listed(merchant, email="kari@example.no") == ["A-1001"]


@pytest.mark.parametrize("sort", ["created_at", "-created_at", "send_at", "-send_at"])
async def test_pages_lead_to_the_end_and_back_in_every_sorting(api: Api, merchant: MerchantClient, sort: str) -> None:
    await invite_three(api, merchant)
    whole = await listed(merchant, sort=sort)
    page = (await merchant.get("/v1/invitations", sort=sort, limit=1)).json()
    forwards = [page]
    while page["next_cursor"] is not None:
        page = (await merchant.get("/v1/invitations", sort=sort, limit=1, cursor=page["next_cursor"])).json()
        forwards.append(page)
    assert [item["order_ids"][0] for page in forwards for item in page["items"]] == whole
    backwards = [page]
    while page["prev_cursor"] is not None:
        page = (await merchant.get("/v1/invitations", sort=sort, limit=1, cursor=page["prev_cursor"])).json()
        backwards.insert(0, page)
    assert [page["items"] for page in backwards] == [page["items"] for page in forwards]


async def test_faulty_filters_are_named(merchant: MerchantClient) -> None:
    answer = await merchant.get("/v1/invitations", status="lost", limit=0, period="yesterday", sort="id")
    assert answer.status_code == 422
    assert {(fault["pointer"], fault["code"]) for fault in answer.json()["errors"]} == {
        ("?status", "not_a_choice"),
        ("?limit", "out_of_range"),
        ("?period", "not_a_choice"),
        ("?sort", "not_a_choice"),
    }
    answer = await merchant.get("/v1/invitations", email="kari")
    assert answer.json() == make_problem(
        "invalid_input",
        422,
        "The request has faults.",
        ("?email", "invalid_format", "Must be an e-mail address."),
        request_id=ANY,
    )


async def test_everything_wrong_with_a_list_is_named_at_once(merchant: MerchantClient) -> None:
    answer = await merchant.get(
        "/v1/invitations",
        kind="voucher",
        cursor="abc",
        email="kari",
        created_from="2026-03-02T12:00:00Z",
        created_to="2026-03-02T12:00:00Z",
        send_from="2026-03-03T00:00:00Z",
        send_to="2026-03-02T00:00:00Z",
    )
    assert answer.json() == make_problem(
        "invalid_input",
        422,
        "The request has faults.",
        ("?cursor", "invalid_cursor", "Is not a cursor of this service."),
        ("?kind", "not_a_choice", "Must be one of 'product' or 'service'."),
        ("?email", "invalid_format", "Must be an e-mail address."),
        ("?created_to", "out_of_range", "Must be later than created_from."),
        ("?send_to", "out_of_range", "Must be later than send_from."),
        request_id=ANY,
    )


@pytest.mark.parametrize(
    ("period", "span"),
    [
        ("today", {"send_from": "2026-03-03T00:00:00+01:00"}),
        ("today", {"send_to": "2026-03-02T00:00:00+01:00"}),
        ("next_7_days", {"send_from": "2026-03-09T00:00:00+01:00", "send_to": "2026-03-10T00:00:00+01:00"}),
        ("last_30_days", {"send_to": "2026-02-01T00:00:00+01:00"}),
    ],
)
async def test_a_period_outside_of_the_span_is_named(
    merchant: MerchantClient, period: str, span: dict[str, str]
) -> None:
    for counts in ("false", "true"):
        answer = await merchant.get("/v1/invitations", period=period, counts=counts, **span)
        assert answer.status_code == 422
        assert answer.json()["errors"] == [
            {"pointer": "?period", "code": "out_of_range", "detail": "Lies outside of send_from and send_to."}
        ]


async def test_a_period_that_touches_the_span_is_none_of_its_faults(merchant: MerchantClient) -> None:
    assert await listed(merchant, period="today", send_from="2026-03-02T23:59:59+01:00") == []
    assert await listed(merchant, period="today", send_to="2026-03-02T00:00:01+01:00") == []


async def test_counts_are_those_of_the_filter_on_whatever_page(api: Api, merchant: MerchantClient) -> None:
    await invite_three(api, merchant)
    nothing = dict.fromkeys(
        ("scheduled", "sending", "in_doubt", "sent", "responded", "cancelled", "missed", "failed", "erased"), 0
    )

    async def counts(**params: Any) -> Any:
        return (await merchant.get("/v1/invitations", counts="true", **params)).json()["counts"]

    assert await counts() == nothing | {"scheduled": 2, "sent": 1}
    assert await counts(status="sent") == nothing | {"sent": 1}
    assert await counts(status=["sent", "failed"], channel="email") == nothing
    assert await counts(channel="email", kind="product") == nothing | {"scheduled": 2}
    assert await counts(product_id="t2") == nothing | {"scheduled": 1, "sent": 1}
    assert await counts(order_id="B", product_id="t1") == nothing
    assert await counts(email="ola@example.no") == nothing | {"scheduled": 1}
    assert await counts(period="today") == nothing | {"sent": 1}
    assert await counts(created_from="2026-03-02T12:01:00Z") == nothing | {"scheduled": 1, "sent": 1}
    page = (await merchant.get("/v1/invitations", limit=1)).json()
    assert page["counts"] is None
    further = await counts(limit=1, cursor=page["next_cursor"])
    assert further == nothing | {"scheduled": 2, "sent": 1}


async def test_combined_filters_all_apply(api: Api, merchant: MerchantClient) -> None:
    await invite_three(api, merchant)
    assert await listed(merchant, product_id="t2", channel="sms") == ["C"]
    assert await listed(merchant, product_id="t2", status="scheduled", sort="send_at") == ["B"]
    assert await listed(merchant, product_id="t2", order_id="A") == []
    assert await listed(merchant, email="ola@example.no", order_id="B", product_id="t2", kind="product") == ["B"]
    assert await listed(merchant, email="ola@example.no", order_id="A") == []
    assert await listed(merchant, status="sent", period="today", created_from="2026-03-02T12:02:00Z") == ["C"]
    assert await listed(merchant, period="next_30_days", created_to="2026-03-02T12:01:00Z", sort="-send_at") == ["A"]


FIRST_POLICY = {"version": 1, "saved_at": "2026-03-02T12:00:00Z", "saved_by": "operator", "link": ANY}


async def test_an_invitation_is_shown_with_all_that_belongs_to_it(api: Api) -> None:
    sandbox = await api.make_merchant("sandbox", sandbox=True)
    invitation = await invite(sandbox)
    moved = await sandbox.post("/v1/sandbox/clock", {"to": "next_due"})
    assert moved.json()["sent"] == 1
    found = (await sandbox.get(f"/v1/invitations/{invitation['id']}")).json()
    assert found == invitation | {
        "next_step": "product_2",
        "send_at": "2026-03-21T10:41:13Z",
        "first_sent_at": invitation["send_at"],
        "last_sent_at": invitation["send_at"],
        "message_count": 1,
        "orders": [
            {
                "order_id": "A-1001",
                "status": "shipped",
                "purchased_at": "2026-03-02T09:00:00Z",
                "received_at": "2026-03-02T12:00:00Z",
                "outcome": "invited",
                "reason": None,
                "eligible_at": None,
                "on_hold": False,
                "invitation_id": invitation["id"],
            }
        ],
        "product_details": [{"id": "t1", "name": "Tent", "brought_by": ["A-1001"], "asked": True}],
        "messages": [
            {
                "step": "product_1",
                "state": "sent",
                "send_at": None,
                "sent_at": invitation["send_at"],
                "outcomes": ["accepted"],
                "provider": "mailbox",
                "provider_message_id": ANY,
                "price": None,
                "currency": None,
            },
            {
                "step": "product_2",
                "state": "planned",
                "send_at": "2026-03-21T10:41:13Z",
                "sent_at": None,
                "outcomes": [],
                "provider": None,
                "provider_message_id": None,
                "price": None,
                "currency": None,
            },
        ],
        "decided_by": FIRST_POLICY,
        "planned_by": FIRST_POLICY,
        "attempts": [
            {
                "id": ANY,
                "step": "product_1",
                "channel": "email",
                "language": "nb",
                "provider": "mailbox",
                "products": ["t1"],
                "asked_at": invitation["send_at"],
                "started_at": "2026-03-02T12:00:00Z",
                "ended_at": "2026-03-02T12:00:00Z",
                "outcome": "accepted",
                "reason": "kept",
                "message_id": ANY,
                "provider_message_id": ANY,
                "price": None,
                "currency": None,
                "delivery": None,
                "delivery_at": None,
            }
        ],
        "timeline": [
            {
                "at": "2026-03-02T12:00:00Z",
                "actor": "rule",
                "event": "invitation_scheduled",
                "order_id": "A-1001",
                "invitation_id": invitation["id"],
                "reason": None,
                "data": ANY,
            },
            {
                "at": invitation["send_at"],
                "actor": "worker",
                "event": "message_sent",
                "order_id": None,
                "invitation_id": invitation["id"],
                "reason": ANY,
                "data": ANY,
            },
        ],
        "allowed_actions": ["cancel", "send_now", "reschedule"],
    }


async def test_an_id_that_is_unknown_or_none_at_all_is_not_found(merchant: MerchantClient) -> None:
    expected = make_problem("invitation_not_found", 404, "No invitation of that id exists.", request_id=ANY)
    for invitation_id in (uuid4(), "A-1001"):
        for answer in (
            await merchant.get(f"/v1/invitations/{invitation_id}"),
            await merchant.post(f"/v1/invitations/{invitation_id}/cancel"),
        ):
            assert answer.status_code == 404
            assert answer.json() == expected


async def test_a_cancelled_invitation_can_be_enabled_again(api: Api, merchant: MerchantClient) -> None:
    invitation = await invite(merchant)
    path = f"/v1/invitations/{invitation['id']}"
    cancelled = invitation | {"status": "cancelled", "ended_reason": "cancelled_by_merchant"}
    for _ in range(2):
        answer = await merchant.post(f"{path}/cancel")
        assert answer.status_code == 200
        assert answer.json() == cancelled
    assert (await merchant.get(path)).json()["allowed_actions"] == ["enable"]
    for _ in range(2):
        answer = await merchant.post(f"{path}/enable")
        assert answer.status_code == 200
        assert answer.json() == invitation
    timeline = (await merchant.get(path)).json()["timeline"]
    assert [(entry["actor"], entry["event"], entry["reason"], entry["data"]) for entry in timeline[1:]] == [
        ("key:first", "invitation_cancelled", "cancelled_by_merchant", {"status": "cancelled"}),
        ("key:first", "invitation_enabled", None, {"status": "scheduled"}),
    ]


async def test_what_was_never_cancelled_cannot_be_enabled(merchant: MerchantClient) -> None:
    path = f"/v1/invitations/{(await invite(merchant))['id']}/enable"
    refused = await merchant.post(path)
    assert refused.status_code == 409
    assert refused.json() == make_problem("not_cancelled", 409, "It is scheduled.", request_id=ANY)


async def test_enabling_is_refused_when_another_invitation_asks_meanwhile(merchant: MerchantClient) -> None:
    first = await invite(merchant)
    await merchant.post(f"/v1/invitations/{first['id']}/cancel")
    second = await invite(merchant, order_id="A-1002", purchased_at="2026-03-01T09:00:00Z")
    assert second["id"] != first["id"]
    answer = await merchant.post(f"/v1/invitations/{first['id']}/enable")
    assert answer.status_code == 409
    assert answer.json()["code"] == "asked_elsewhere"
    assert (await merchant.get(f"/v1/invitations/{first['id']}")).json()["allowed_actions"] == []


async def test_an_invitation_is_moved_to_a_day_and_not_to_a_past_one(api: Api, merchant: MerchantClient) -> None:
    invitation = await invite(merchant)
    path = f"/v1/invitations/{invitation['id']}/reschedule"
    moved = await merchant.post(path, {"date": "2026-03-08"})
    assert moved.status_code == 200
    assert moved.json() == invitation | {"send_at": "2026-03-08T10:40:29Z", "rescheduled_to": "2026-03-08"}
    past = await merchant.post(path, {"date": "2026-03-01"})
    assert past.status_code == 409
    assert past.json()["code"] == "past_day"
    faulty = await merchant.post(path, {"date": "2026-02-30", "time": "10:00"})
    assert faulty.status_code == 422
    assert {(fault["pointer"], fault["code"]) for fault in faulty.json()["errors"]} == {
        ("/date", "invalid_format"),
        ("/time", "unknown_field"),
    }
    for day, code in ((20260308, "invalid_type"), ("8 March", "invalid_format"), ("2100-01-01", "out_of_range")):
        faulty = await merchant.post(path, {"date": day})
        assert [(fault["pointer"], fault["code"]) for fault in faulty.json()["errors"]] == [("/date", code)]


async def test_send_now_lets_the_next_message_go_at_once(api: Api) -> None:
    sandbox = await api.make_merchant("sandbox", sandbox=True)
    invitation = await invite(sandbox)
    path = f"/v1/invitations/{invitation['id']}/send-now"
    now = invitation | {"send_now": True, "send_at": "2026-03-02T12:00:00Z"}
    assert (await sandbox.post(path)).json() == now
    assert (await sandbox.post(path)).json() == now
    assert (await sandbox.post("/v1/sandbox/send-due")).json()["sent"] == 1


async def test_what_has_left_cannot_be_cancelled(api: Api, merchant: MerchantClient) -> None:
    invitation = await invite(merchant)
    await execute(api, "UPDATE invitations SET status = 'sent', message_count = 2")
    for action in ("cancel", "send-now", "enable", "retry", "mark-sent"):
        answer = await merchant.post(f"/v1/invitations/{invitation['id']}/{action}")
        assert answer.status_code == 409
        assert answer.json()["code"] == "already_sent", action
    assert (await merchant.get(f"/v1/invitations/{invitation['id']}")).json()["allowed_actions"] == []


async def test_a_failed_invitation_can_be_tried_again(api: Api, merchant: MerchantClient) -> None:
    invitation = await invite(merchant)
    await execute(api, "UPDATE invitations SET status = 'failed', ended_reason = 'rejected', next_attempt_at = NULL")
    assert (await merchant.get(f"/v1/invitations/{invitation['id']}")).json()["allowed_actions"] == ["retry"]
    await execute(
        api,
        "INSERT INTO suppressions (merchant_id, id, kind, contact_key, reason, source, created_at) "
        "SELECT merchant_id, id, 'email', contact_key, 'unsubscribed', 'unsubscribe', now() FROM invitations",
    )
    assert (await merchant.get(f"/v1/invitations/{invitation['id']}")).json()["allowed_actions"] == []
    await execute(api, "DELETE FROM suppressions")
    retried = await merchant.post(f"/v1/invitations/{invitation['id']}/retry")
    assert retried.status_code == 200
    assert retried.json() == invitation


async def test_a_message_in_doubt_can_be_settled_as_sent(api: Api, merchant: MerchantClient) -> None:
    invitation = await invite(merchant)
    asked_at = api.clock.now + timedelta(days=14)
    await execute(
        api,
        """
        INSERT INTO attempts (
            merchant_id, id, invitation_id, step, channel, language, provider, message_id, idempotency_key,
            content_hash, product_ids, asked_at, started_at, ended_at, outcome, reason
        )
        SELECT merchant_id, $1, id, 'product_1', 'email', 'nb', 'smtp', '<m@x>', 'k', 'h', ARRAY['t1'], $2, $2, $2,
               'unknown', 'timeout'
        FROM invitations
        """,
        uuid4(),
        asked_at,
    )
    await execute(api, "UPDATE invitations SET status = 'in_doubt', next_attempt_at = NULL")
    path = f"/v1/invitations/{invitation['id']}"
    assert (await merchant.get(path)).json()["allowed_actions"] == ["retry", "mark_sent"]
    settled = await merchant.post(f"{path}/mark-sent")
    assert settled.status_code == 200, settled.text
    assert settled.json() == invitation | {
        "next_step": "product_2",
        "send_at": ANY,
        "first_sent_at": "2026-03-16T12:00:00Z",
        "last_sent_at": "2026-03-16T12:00:00Z",
        "message_count": 1,
    }
    timeline = (await merchant.get(path)).json()["timeline"]
    assert (timeline[-1]["actor"], timeline[-1]["event"]) == ("key:first", "message_settled")
