"""A sandbox merchant's time and mailbox over HTTP."""

from unittest.mock import ANY

import pytest

from tests.api.conftest import Api, MerchantClient, make_problem

NOTHING_SENT = {"sent": 0, "skipped": 0, "missed": 0, "failed": 0, "in_doubt": 0}


@pytest.fixture
async def sandbox(api: Api) -> MerchantClient:
    return await api.make_merchant("sandbox", sandbox=True, clock="2025-12-01T09:00:00+01:00")


async def test_a_sandbox_has_a_clock_of_its_own(sandbox: MerchantClient) -> None:
    assert (await sandbox.get("/v1/sandbox/clock")).json() == {"now": "2025-12-01T08:00:00Z"}
    moved = await sandbox.post("/v1/sandbox/clock", {"advance": "P1DT2H"})
    assert moved.json() == {"now": "2025-12-02T10:00:00Z", **NOTHING_SENT}
    moved = await sandbox.post("/v1/sandbox/clock", {"to": "2025-12-24T18:00:00+01:00"})
    assert moved.json() == {"now": "2025-12-24T17:00:00Z", **NOTHING_SENT}
    assert (await sandbox.get("/v1/sandbox/clock")).json() == {"now": "2025-12-24T17:00:00Z"}


async def test_messages_are_sent_on_the_way_and_kept_in_the_mailbox(sandbox: MerchantClient) -> None:
    decided = await sandbox.post_order(purchased_at="2025-12-01T07:00:00Z")
    first = await sandbox.post("/v1/sandbox/clock", {"to": "next_due"})
    assert first.json() == NOTHING_SENT | {"now": decided["invitation"]["send_at"], "sent": 1}
    second = await sandbox.post("/v1/sandbox/clock", {"advance": "P3W"})
    assert second.json()["sent"] == 1
    mailbox = (await sandbox.get("/v1/sandbox/messages")).json()
    assert mailbox == {
        "items": [
            {
                "id": ANY,
                "invitation_id": decided["invitation"]["id"],
                "step": step,
                "channel": "email",
                "to": "kari@example.no",
                "subject": ANY,
                "text": ANY,
                "html": ANY,
                "headers": ANY,
                "sent_at": ANY,
            }
            for step in ("product_1", "product_2")
        ],
        "next_cursor": None,
        "prev_cursor": None,
    }
    newest = (await sandbox.get("/v1/sandbox/messages", sort="-sent_at", limit=1)).json()
    assert newest["items"] == mailbox["items"][1:]
    older = (await sandbox.get("/v1/sandbox/messages", sort="-sent_at", limit=1, cursor=newest["next_cursor"])).json()
    assert older["items"] == mailbox["items"][:1]
    assert (await sandbox.post("/v1/sandbox/send-due")).json() == NOTHING_SENT | {"now": ANY}


@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        ({}, "", "exactly_one"),
        ({"advance": None}, "", "exactly_one"),
        ({"advance": "P1D", "to": "next_due"}, "", "exactly_one"),
        ({"advance": "P1M"}, "/advance", "invalid_format"),
        ({"advance": "P"}, "/advance", "invalid_format"),
        ({"advance": "P1DT"}, "/advance", "invalid_format"),
        ({"advance": "-P1D"}, "/advance", "invalid_format"),
        ({"advance": 14}, "/advance", "invalid_type"),
        ({"advance": "P9999D"}, "/advance", "out_of_range"),
        ({"to": "tomorrow"}, "/to", "invalid_format"),
        ({"to": "2025-11-30T09:00:00Z"}, "/to", "clock_backwards"),
        ({"by": "P1D", "advance": "P1D"}, "/by", "unknown_field"),
    ],
)
async def test_a_clock_is_not_moved_by_what_cannot_be_read(
    sandbox: MerchantClient, body: object, pointer: str, code: str
) -> None:
    answer = await sandbox.post("/v1/sandbox/clock", body)
    assert answer.status_code == 422
    assert [(fault["pointer"], fault["code"]) for fault in answer.json()["errors"]] == [(pointer, code)]


async def test_a_clock_is_not_moved_past_the_years_that_orders_may_tell_of(api: Api) -> None:
    sandbox = await api.make_merchant("late", sandbox=True, clock="2099-12-31T12:00:00Z")
    answer = await sandbox.post("/v1/sandbox/clock", {"advance": "PT12H1S"})
    assert answer.status_code == 422
    assert answer.json() == make_problem(
        "invalid_input",
        422,
        "The clock cannot be moved that far.",
        ("/advance", "out_of_range", "Must not lead past 2100-01-01T00:00:00+00:00."),
        request_id=ANY,
    )
    moved = await sandbox.post("/v1/sandbox/clock", {"advance": "PT12H"})
    assert moved.json() == {"now": "2100-01-01T00:00:00Z", **NOTHING_SENT}


async def test_a_real_merchant_has_neither_clock_nor_mailbox(merchant: MerchantClient) -> None:
    for answer in (
        await merchant.get("/v1/sandbox/clock"),
        await merchant.post("/v1/sandbox/clock", {"advance": "P1D"}),
        await merchant.post("/v1/sandbox/send-due"),
        await merchant.get("/v1/sandbox/messages"),
    ):
        assert answer.status_code == 409
        assert answer.json() == make_problem(
            "not_a_sandbox",
            409,
            "Only a sandbox merchant has a clock and a mailbox of its own.",
            request_id=ANY,
        )
