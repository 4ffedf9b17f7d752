"""Batch updates over HTTP: forecast, acceptance, progress and undoing."""

from typing import Any
from unittest.mock import ANY
from uuid import UUID, uuid4

import pytest

from invite_service.domain.merchant import MerchantId
from invite_service.services.batch_updates import CHUNK_WITH_FACTS
from tests.api.conftest import Api, MerchantClient, make_problem


async def invite(merchant: MerchantClient, count: int) -> list[str]:
    """Invite as many customers and give their invitations' ids."""
    posted = [
        await merchant.post_order(order_id=f"A{number}", customer={"email": f"c{number}@example.no"})
        for number in range(count)
    ]
    return [body["invitation"]["id"] for body in posted]


async def work(api: Api, merchant: MerchantClient, batch_id: str) -> dict[str, Any]:
    """Do what a worker does, and read the batch update."""
    service = api.factory.create_batch_work()
    [merchant_id] = await service.find_merchants()
    while await service.work(merchant_id, UUID(batch_id)):
        pass
    answer = await merchant.get(f"/v1/batch-updates/{batch_id}")
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def test_dry_run_tells_what_would_be_done_and_changes_nothing(merchant: MerchantClient) -> None:
    [first, *_] = await invite(merchant, 3)
    await merchant.post(f"/v1/invitations/{first}/cancel")
    body = {"filter": {}, "action": "reschedule", "date": "2026-04-20", "dry_run": True}
    answer = await merchant.post("/v1/batch-updates", body)
    assert (answer.status_code, answer.json()) == (
        200,
        {
            "matched": 3,
            "would_change": 2,
            "skipped": {"already_cancelled": 1},
            "first_send_at": ANY,
            "last_send_at": ANY,
            "load": {"2026-04-20": 2},
        },
    )
    assert "2026-04-20" in answer.json()["first_send_at"]
    listed = (await merchant.get("/v1/invitations", status="scheduled")).json()["items"]
    assert {item["send_at"][:10] for item in listed} == {"2026-03-16"}


async def test_accepted_batch_is_done_by_a_worker_and_undone(api: Api, merchant: MerchantClient) -> None:
    await invite(merchant, 3)
    body = {"filter": {"status": "scheduled", "email": "c1@example.no"}, "action": "cancel", "expected_count": 1}
    answer = await merchant.post("/v1/batch-updates", body)
    accepted = answer.json()
    assert (answer.status_code, answer.headers["location"]) == (202, f"/v1/batch-updates/{accepted['id']}")
    assert accepted == {
        "id": ANY,
        "status": "accepted",
        "action": "cancel",
        "date": None,
        "shift_days": None,
        "filter": {"status": ["scheduled"], "email": "given"},
        "undo_of": None,
        "matched": 1,
        "changed": 0,
        "skipped": {},
        "created_at": "2026-03-02T12:00:00Z",
        "created_by": "key:first",
        "finished_at": None,
    }
    finished = await work(api, merchant, accepted["id"])
    assert finished == accepted | {"status": "finished", "changed": 1, "finished_at": "2026-03-02T12:00:00Z"}
    cancelled = (await merchant.get("/v1/invitations", status="cancelled")).json()["items"]
    assert [item["order_ids"] for item in cancelled] == [["A1"]]

    answer = await merchant.post(f"/v1/batch-updates/{accepted['id']}/undo")
    undoing = answer.json()
    assert (answer.status_code, undoing["undo_of"], undoing["matched"]) == (202, accepted["id"], 1)
    assert (await merchant.post(f"/v1/batch-updates/{accepted['id']}/undo")).json()["id"] == undoing["id"]
    assert (await work(api, merchant, undoing["id"]))["changed"] == 1
    assert (await merchant.get("/v1/invitations", status="cancelled")).json()["items"] == []
    order = (await merchant.get("/v1/orders/A1")).json()
    assert [(entry["actor"], entry["event"], entry["reason"]) for entry in order["timeline"]] == [
        ("rule", "invitation_scheduled", None),
        ("key:first", "invitation_cancelled", "cancelled_by_merchant"),
        ("key:first", "invitation_restored", None),
    ]


async def test_instants_choose_and_are_kept(merchant: MerchantClient) -> None:
    await invite(merchant, 1)
    chosen = {"send_from": "2026-03-16T00:00:00+01:00", "send_to": "2026-03-17T00:00:00Z"}
    answer = await merchant.post("/v1/batch-updates", {"filter": chosen, "action": "cancel"})
    kept = {"send_from": "2026-03-15T23:00:00Z", "send_to": "2026-03-17T00:00:00Z"}
    assert (answer.json()["matched"], answer.json()["filter"]) == (1, kept)


async def test_ids_and_period_choose(api: Api, merchant: MerchantClient) -> None:
    ids = await invite(merchant, 3)
    answer = await merchant.post("/v1/batch-updates", {"ids": [ids[0], str(uuid4())], "action": "send_now"})
    assert (answer.json()["matched"], answer.json()["filter"]) == (1, {"ids": 2})
    await work(api, merchant, answer.json()["id"])
    dry_run = {"filter": {"period": "today"}, "action": "cancel", "dry_run": True}
    assert (await merchant.post("/v1/batch-updates", dry_run)).json()["matched"] == 1


async def test_sent_again_with_its_key_it_is_accepted_once(merchant: MerchantClient) -> None:
    await invite(merchant, 1)
    headers = {"Idempotency-Key": "cancel-all"}
    body = {"filter": {}, "action": "cancel"}
    answers = [await merchant.post("/v1/batch-updates", body, headers=headers) for _ in range(2)]
    assert answers[0].json() == answers[1].json()
    assert answers[1].headers["Idempotency-Replayed"] == "true"


@pytest.mark.parametrize("dry_run", [False, True])
async def test_unexpected_count_is_refused(merchant: MerchantClient, *, dry_run: bool) -> None:
    await invite(merchant, 2)
    body = {"filter": {}, "action": "cancel", "expected_count": 1, "dry_run": dry_run}
    answer = await merchant.post("/v1/batch-updates", body)
    detail = "It is about 2 invitations, and 1 were expected."
    assert answer.json() == make_problem("unexpected_count", 409, detail, request_id=ANY)


async def test_batch_updates_are_listed_by_status_the_newest_first(api: Api, merchant: MerchantClient) -> None:
    empty: dict[str, Any] = {"items": [], "next_cursor": None, "prev_cursor": None}
    assert (await merchant.get("/v1/batch-updates")).json() == empty
    await invite(merchant, 2)
    cancelled = (await merchant.post("/v1/batch-updates", {"filter": {}, "action": "cancel"})).json()
    finished = await work(api, merchant, cancelled["id"])
    undoing = (await merchant.post(f"/v1/batch-updates/{cancelled['id']}/undo")).json()
    assert (await merchant.get("/v1/batch-updates")).json() == empty | {"items": [undoing, finished]}
    for status, items in (("finished", [finished]), ("accepted", [undoing]), ("running", [])):
        assert (await merchant.get("/v1/batch-updates", status=status)).json() == empty | {"items": items}
    other = await api.make_merchant("other")
    assert (await other.get("/v1/batch-updates")).json() == empty


async def test_one_that_is_under_way_is_listed_as_running(api: Api, merchant: MerchantClient) -> None:
    orders = [
        {"order_id": f"A{number}", "customer": {"email": f"c{number}@example.no"}, "products": [{"id": "mug"}]}
        for number in range(CHUNK_WITH_FACTS + 1)
    ]
    posted = (await merchant.post("/v1/orders/batch", {"orders": orders})).json()["results"]
    ids = [result["invitation_id"] for result in posted]
    batch_id = (await merchant.post("/v1/batch-updates", {"ids": ids, "action": "enable"})).json()["id"]
    service = api.factory.create_batch_work()
    assert await service.work(MerchantId("gift-shop"), UUID(batch_id))
    under_way = (await merchant.get(f"/v1/batch-updates/{batch_id}")).json()
    assert (under_way["status"], under_way["skipped"]) == ("running", {"not_cancelled": CHUNK_WITH_FACTS})
    assert (await merchant.get("/v1/batch-updates", status="running")).json()["items"] == [under_way]
    assert (await merchant.get("/v1/batch-updates", status="accepted")).json()["items"] == []


async def test_list_is_read_in_pages_in_either_direction(api: Api, merchant: MerchantClient) -> None:
    [invitation_id] = await invite(merchant, 1)
    body = {"ids": [invitation_id], "action": "send_now"}
    ids = [(await merchant.post("/v1/batch-updates", body)).json()["id"] for _ in range(3)]
    first = (await merchant.get("/v1/batch-updates", limit="2")).json()
    assert ([item["id"] for item in first["items"]], first["prev_cursor"]) == (ids[:0:-1], None)
    newer = (await merchant.post("/v1/batch-updates", body)).json()["id"]
    second = (await merchant.get("/v1/batch-updates", limit="2", cursor=first["next_cursor"])).json()
    assert ([item["id"] for item in second["items"]], second["next_cursor"]) == (ids[:1], None)
    back = (await merchant.get("/v1/batch-updates", limit="2", cursor=second["prev_cursor"])).json()
    assert back["items"] == first["items"]
    oldest_first = (await merchant.get("/v1/batch-updates", sort="created_at")).json()["items"]
    assert [item["id"] for item in oldest_first] == [*ids, newer]
    other = await merchant.get("/v1/batch-updates", status="accepted", cursor=first["next_cursor"])
    assert [error["pointer"] for error in other.json()["errors"]] == ["?cursor"]


async def test_faulty_filters_of_the_list_are_all_named(merchant: MerchantClient) -> None:
    refused = await merchant.get("/v1/batch-updates", status="lost", limit="201", cursor="x", sort="id", kind="product")
    assert refused.status_code == 422
    pointers = {error["pointer"] for error in refused.json()["errors"]}
    assert pointers == {"?status", "?limit", "?cursor", "?sort", "?kind"}


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        ({"action": "cancel"}, [("/ids", "exactly_one", "Give either filter or ids.")]),
        (
            {"filter": {}, "action": "reschedule"},
            [("/shift_days", "exactly_one", "To reschedule, give either date or shift_days.")],
        ),
        (
            {"filter": {}, "action": "cancel", "date": "2026-04-20"},
            [("/date", "unknown_field", "Goes with reschedule only.")],
        ),
        (
            {"filter": {"kind": "both"}, "ids": [str(UUID(int=1))], "action": "send_now", "shift_days": 2, "size": 3},
            [
                ("/filter/kind", "not_a_choice", "Must be one of 'product' or 'service'."),
                ("/ids", "exactly_one", "Give either filter or ids."),
                ("/shift_days", "unknown_field", "Goes with reschedule only."),
                ("/size", "unknown_field", "There is no field of this name here."),
            ],
        ),
        (
            {"filter": {"status": []}, "action": "reschedule", "date": "2026-02-30", "shift_days": 1},
            [
                ("/filter/status", "too_short", "Must not be empty."),
                ("/date", "invalid_format", "There is no such day."),
                ("/shift_days", "exactly_one", "To reschedule, give either date or shift_days."),
            ],
        ),
        (
            {"filter": {"email": "nobody"}, "action": "cancel"},
            [("/filter/email", "invalid_format", "Must be an e-mail address.")],
        ),
        (
            {
                "filter": {"created_from": "2026-03-02T00:00:00Z", "created_to": "2026-03-01T00:00:00Z"},
                "action": "cancel",
            },
            [("/filter/created_to", "out_of_range", "Must be later than created_from.")],
        ),
        (
            {"ids": ["x"], "action": "cancel"},
            [("/ids/0", "invalid_format", "Must be the id of an invitation.")],
        ),
    ],
    ids=["nothing chosen", "no day", "day to cancel", "all at once", "two days", "no address", "backwards", "no id"],
)
async def test_faulty_body_is_refused(
    merchant: MerchantClient, body: dict[str, Any], errors: list[tuple[str, str, str]]
) -> None:
    answer = await merchant.post("/v1/batch-updates", body)
    assert answer.json() == make_problem("invalid_input", 422, "The body has faults.", *errors, request_id=ANY)


async def test_faults_are_named_at_once(merchant: MerchantClient) -> None:
    span = {"send_from": "2026-04-02T00:00:00Z", "send_to": "2026-04-01T00:00:00Z"}
    body = {"filter": {"status": "lost", "colour": "red", **span}, "action": "explode", "shift_days": 1000}
    answer = await merchant.post("/v1/batch-updates", body)
    assert answer.status_code == 422
    pointers = {error["pointer"] for error in answer.json()["errors"]}
    assert pointers == {"/filter/status", "/filter/colour", "/filter/send_to", "/action", "/shift_days"}


async def test_undoing_too_early_and_what_is_not_there_are_refused(api: Api, merchant: MerchantClient) -> None:
    await invite(merchant, 1)
    accepted = (await merchant.post("/v1/batch-updates", {"filter": {}, "action": "cancel"})).json()
    answer = await merchant.post(f"/v1/batch-updates/{accepted['id']}/undo")
    detail = "It is still running; undo it once it has finished."
    assert answer.json() == make_problem("undo_refused", 409, detail, request_id=ANY)
    other = await api.make_merchant("other")
    for path in (f"/v1/batch-updates/{accepted['id']}", "/v1/batch-updates/nothing"):
        answer = await other.get(path)
        detail = "No batch update of that id exists."
        assert answer.json() == make_problem("batch_update_not_found", 404, detail, request_id=ANY)


async def test_scopes_are_those_of_invitations(merchant: MerchantClient) -> None:
    reader = await merchant.with_scopes("invitations:read")
    assert (await reader.post("/v1/batch-updates", {"filter": {}, "action": "cancel"})).status_code == 403
    assert (await reader.get(f"/v1/batch-updates/{uuid4()}")).status_code == 404
    assert (await reader.get("/v1/batch-updates")).status_code == 200
    of_orders = await merchant.with_scopes("orders:read")
    assert (await of_orders.get("/v1/batch-updates")).status_code == 403


async def test_period_outside_of_the_chosen_span_is_refused(merchant: MerchantClient) -> None:
    chosen = {"send_from": "2026-06-01T00:00:00Z", "period": "today"}
    answer = await merchant.post("/v1/batch-updates", {"filter": chosen, "action": "cancel", "dry_run": True})
    fault = ("/filter/period", "out_of_range", "Lies outside of send_from and send_to.")
    assert answer.json() == make_problem("invalid_input", 422, "The request has faults.", fault, request_id=ANY)
