"""Suppressions over HTTP: entered, looked up, listed and lifted."""

from datetime import timedelta
from typing import Any
from unittest.mock import ANY

import pytest

from tests.api.conftest import NOON, Api, Clock, MerchantClient, make_problem
from tests.support.ingesting import driver_of

KARI = "kari@example.no"


def make_item(**changes: Any) -> dict[str, Any]:
    """Make a suppression as it is answered: an address, entered by hand at noon."""
    item = {
        "id": ANY,
        "hash": ANY,
        "kind": "email",
        "channel": None,
        "reason": "manual",
        "source": "merchant",
        "since": "2026-03-02T12:00:00Z",
        "note": None,
    }
    return item | changes


async def enter(merchant: MerchantClient, **entry: Any) -> dict[str, Any]:
    answer = await merchant.post("/v1/suppressions", entry)
    assert answer.status_code in {200, 201}, answer.text
    item: dict[str, Any] = answer.json()["items"][0]
    return item


async def test_suppressed_contact_is_not_invited(merchant: MerchantClient) -> None:
    answer = await merchant.post("/v1/suppressions", {"contact": " Kari@Example.NO ", "note": "asked by phone"})
    assert (answer.status_code, answer.json()) == (201, {"items": [make_item(note="asked by phone")], "added": 1})
    decided = await merchant.post_order()
    assert (decided["outcome"], decided["reason"]) == ("blocked", "suppressed")


async def test_same_entry_again_changes_nothing(merchant: MerchantClient, clock: Clock) -> None:
    first = await enter(merchant, contact=KARI)
    clock.now = NOON + timedelta(hours=1)
    answer = await merchant.post("/v1/suppressions", {"contact": KARI})
    assert (answer.status_code, answer.json()) == (200, {"items": [first], "added": 0})


async def test_several_are_entered_together_and_answered_in_their_order(merchant: MerchantClient) -> None:
    entries = [
        {"contact": "+47 912 34 567", "channel": "sms"},
        {"contact": "*@rival.example"},
        {"contact": KARI, "reason": "hard_bounce", "since": "2026-03-01T08:00:00+01:00"},
        {"contact": KARI, "reason": "unsubscribed"},
    ]
    answer = await merchant.post("/v1/suppressions", {"suppressions": entries})
    assert (answer.status_code, answer.json()) == (
        201,
        {
            "items": [
                make_item(kind="phone", channel="sms"),
                make_item(kind="domain"),
                make_item(channel="email", reason="hard_bounce", since="2026-03-01T07:00:00Z"),
                make_item(reason="unsubscribed"),
            ],
            "added": 4,
        },
    )


async def test_every_fault_of_every_entry_is_named_and_nothing_entered(merchant: MerchantClient) -> None:
    entries: list[Any] = [
        {"contact": KARI},
        {},
        {"contact": "kari@"},
        {"contact": KARI, "hash": "email_x"},
        {"hash": "email_x"},
        {"contact": "+4791234567", "reason": "hard_bounce", "since": "2026-03-03T12:00:00Z"},
        {"contact": KARI, "channel": "sms"},
    ]
    answer = await merchant.post("/v1/suppressions", {"suppressions": entries})
    either = ("missing", "Give either a contact or a hash.")
    assert answer.json() == make_problem(
        "invalid_input",
        422,
        "The body has faults.",
        ("/suppressions/1/contact", *either),
        ("/suppressions/2/contact", "email_unreadable", "Must be an e-mail address."),
        ("/suppressions/3/contact", *either),
        ("/suppressions/4/hash", "hash_unknown", "Is no hash that this service showed this merchant."),
        ("/suppressions/5/since", "out_of_range", "Must not lie in the future."),
        ("/suppressions/5/reason", "reason_does_not_fit", "Does not go with this kind of contact."),
        (
            "/suppressions/6/channel",
            "channel_does_not_fit",
            "Must be the channel that the contact is written to, or be left out.",
        ),
        request_id=ANY,
    )
    assert (await merchant.get("/v1/suppressions")).json()["items"] == []


@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        ({"contact": KARI, "reason": "erased"}, "/reason", "not_a_choice"),
        ({"contact": KARI, "channel": "fax"}, "/channel", "not_a_choice"),
        ({"contact": KARI, "note": "x" * 201}, "/note", "too_long"),
        ({"contact": KARI, "email": KARI}, "/email", "unknown_field"),
        ({"contact": "k" * 400}, "/contact", "too_long"),
        ({"suppressions": []}, "/suppressions", "too_short"),
        ({"suppressions": [{"contact": KARI}] * 1001}, "/suppressions", "too_long"),
    ],
)
async def test_entry_that_cannot_be_is_refused(merchant: MerchantClient, body: Any, pointer: str, code: str) -> None:
    answer = await merchant.post("/v1/suppressions", body)
    assert answer.status_code == 422
    assert [(fault["pointer"], fault["code"]) for fault in answer.json()["errors"]] == [(pointer, code)]
    assert KARI not in answer.text


async def test_what_is_scheduled_is_skipped_when_it_is_due(api: Api) -> None:
    merchant = await api.make_merchant("sandbox", sandbox=True)
    invitation_id = (await merchant.post_order())["invitation"]["id"]
    await enter(merchant, contact=KARI)
    assert (await merchant.get(f"/v1/invitations/{invitation_id}")).json()["status"] == "scheduled"
    moved = (await merchant.post("/v1/sandbox/clock", {"advance": "P30D"})).json()
    assert (moved["sent"], moved["skipped"]) == (0, 1)
    found = (await merchant.get(f"/v1/invitations/{invitation_id}")).json()
    assert (found["status"], found["ended_reason"]) == ("cancelled", "suppressed")
    assert (found["timeline"][-1]["event"], found["timeline"][-1]["reason"]) == ("message_skipped", "suppressed")


async def test_look_up_shows_what_stands_on_a_contact_and_the_wildcards_over_it(merchant: MerchantClient) -> None:
    address = await enter(merchant, contact=KARI, reason="hard_bounce")
    domain = await enter(merchant, contact="*@example.no")
    await enter(merchant, contact="*.example.no")
    found = await merchant.post("/v1/suppressions/lookup", {"contact": KARI})
    assert found.json() == {"items": [address, domain]}
    by_hash = await merchant.post("/v1/suppressions/lookup", {"hash": address["hash"]})
    assert by_hash.json() == {"items": [address]}
    nobody = await merchant.post("/v1/suppressions/lookup", {"contact": "ola@else.example"})
    assert (nobody.status_code, nobody.json()) == (200, {"items": []})


async def test_list_goes_by_pages_in_either_direction_and_by_filters(merchant: MerchantClient) -> None:
    for number in range(5):
        await enter(merchant, contact=f"k{number}@example.no", reason="hard_bounce" if number % 2 else "manual")
    phone = await enter(merchant, contact="+4791234567", channel="sms")
    everything = (await merchant.get("/v1/suppressions")).json()["items"]
    assert everything[0] == phone
    first = (await merchant.get("/v1/suppressions", limit=4)).json()
    second = (await merchant.get("/v1/suppressions", limit=4, cursor=first["next_cursor"])).json()
    back = (await merchant.get("/v1/suppressions", limit=4, cursor=second["prev_cursor"])).json()
    assert first["items"] + second["items"] == everything
    assert (second["next_cursor"], first["prev_cursor"], back["items"]) == (None, None, first["items"])
    oldest = (await merchant.get("/v1/suppressions", sort="entered")).json()["items"]
    assert oldest == everything[::-1]
    assert len((await merchant.get("/v1/suppressions", reason="hard_bounce")).json()["items"]) == 2
    assert (await merchant.get("/v1/suppressions", source="import")).json()["items"] == []
    closing_sms = (await merchant.get("/v1/suppressions", channel="sms")).json()["items"]
    assert [item["channel"] for item in closing_sms] == ["sms", None, None, None]


async def test_contact_in_the_address_is_refused(merchant: MerchantClient) -> None:
    answer = await merchant.get("/v1/suppressions", contact=KARI)
    assert answer.status_code == 422
    assert [fault["code"] for fault in answer.json()["errors"]] == ["unknown_field"]


async def test_own_entry_is_lifted_by_its_id(merchant: MerchantClient) -> None:
    item = await enter(merchant, contact=KARI)
    answer = await merchant.request("DELETE", f"/v1/suppressions/{item['id']}")
    assert (answer.status_code, answer.content) == (204, b"")
    assert (await merchant.post_order())["outcome"] == "invited"
    again = await merchant.request("DELETE", f"/v1/suppressions/{item['id']}")
    assert (again.status_code, again.json()["code"]) == (404, "suppression_not_found")


@pytest.mark.parametrize("name", ["018f0000-0000-7000-8000-000000000000", "nobody"])
async def test_suppression_that_is_not_there_is_not_found(merchant: MerchantClient, name: str) -> None:
    answer = await merchant.request("DELETE", f"/v1/suppressions/{name}")
    assert (answer.status_code, answer.json()["code"]) == (404, "suppression_not_found")


async def unsubscribe(api: Api, merchant: MerchantClient) -> None:
    """Have the customer of an order unsubscribe by the header of its first message."""
    await merchant.post_order()
    await merchant.post("/v1/sandbox/clock", {"advance": "P15D"})
    message = (await merchant.get("/v1/sandbox/messages")).json()["items"][0]
    link = message["headers"]["List-Unsubscribe"].strip("<>")
    path = link[link.index("/u/") :]
    answer = await api.http.post(path, data={"List-Unsubscribe": "One-Click"})
    assert answer.status_code == 200


async def test_what_the_customer_said_stays(api: Api) -> None:
    merchant = await api.make_merchant("sandbox", sandbox=True)
    await enter(merchant, contact=KARI, reason="hard_bounce")
    await merchant.request("DELETE", "/v1/suppressions", json={"contact": KARI})
    await unsubscribe(api, merchant)
    await enter(merchant, contact=KARI)
    await enter(merchant, contact=KARI, reason="unsubscribed")
    answer = await merchant.request("DELETE", "/v1/suppressions", json={"contact": KARI})
    said = make_item(reason="unsubscribed", source="unsubscribe", since=ANY)
    assert answer.json() == {
        "lifted": [make_item(since=ANY)],
        "kept": [{"suppression": said, "refusal": "customer_unsubscribed"}],
    }
    kept_id = answer.json()["kept"][0]["suppression"]["id"]
    refused = await merchant.request("DELETE", f"/v1/suppressions/{kept_id}")
    assert refused.json() == make_problem(
        "customer_unsubscribed", 409, "The customer said so; only the customer can take it back.", request_id=ANY
    )


async def test_merchants_see_neither_each_other_s_suppressions_nor_their_hashes(api: Api) -> None:
    one, other = await api.make_merchant("one"), await api.make_merchant("other")
    item, of_other = await enter(one, contact=KARI), await enter(other, contact=KARI)
    assert item["hash"] != of_other["hash"]
    assert (await other.request("DELETE", f"/v1/suppressions/{item['id']}")).status_code == 404
    answer = await other.post("/v1/suppressions/lookup", {"hash": item["hash"]})
    assert [fault["code"] for fault in answer.json()["errors"]] == ["hash_unknown"]


async def test_entering_and_lifting_stand_in_the_timeline(api: Api, merchant: MerchantClient) -> None:
    item = await enter(merchant, contact=KARI)
    await merchant.request("DELETE", f"/v1/suppressions/{item['id']}")
    async with api.context.database.transaction() as stores:
        rows = await driver_of(stores).fetch(
            "SELECT actor, event, reason, data FROM timeline_entries WHERE merchant_id = $1 ORDER BY id", merchant.id
        )
    assert [tuple(row) for row in rows] == [
        (
            "key:first",
            "contacts_suppressed",
            None,
            {"source": "merchant", "added": 1, "suppression_ids": [item["id"]]},
        ),
        (
            "key:first",
            "suppression_lifted",
            "manual",
            {"suppression_id": item["id"], "kind": "email", "source": "merchant"},
        ),
    ]
