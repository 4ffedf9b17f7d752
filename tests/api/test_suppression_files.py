"""Suppressions as files: imported by CSV or JSON lines, exported as CSV, and imported again."""

import csv
import io
import json
from typing import Any

import pytest

from tests.api.conftest import Api, MerchantClient, make_order


async def send_file(merchant: MerchantClient, text: str | bytes) -> Any:
    raw = text.encode() if isinstance(text, str) else text
    return await merchant.request("POST", "/v1/suppressions/import", content=raw, headers={"Content-Type": "text/csv"})


async def imported(merchant: MerchantClient, text: str | bytes) -> dict[str, Any]:
    answer = await send_file(merchant, text)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def outcome_of(merchant: MerchantClient, email: str, order_id: str) -> Any:
    order = make_order(order_id=order_id, customer={"email": email})
    return (await merchant.post("/v1/orders", order)).json()["reason"]


def counts(body: dict[str, Any]) -> tuple[int, ...]:
    return body["rows"], body["added"], body["known"], body["refused"]


@pytest.mark.parametrize(
    "text",
    [
        "contact,reason\nkari@example.no,unsubscribed\n*@rival.example,\n",
        "\ufeffReason;Contact\r\nunsubscribed;Kari@Example.no\r\n;*@rival.example\r\n",
        "contact\treason\nkari@example.no\tunsubscribed\n\n*@rival.example\t\n",
        '{"contact": "kari@example.no", "reason": "unsubscribed"}\n\n{"contact": "*@rival.example"}',
    ],
    ids=["comma", "semicolon", "tab", "json lines"],
)
async def test_file_is_entered_once(merchant: MerchantClient, text: str) -> None:
    assert counts(await imported(merchant, text)) == (2, 2, 0, 0)
    assert counts(await imported(merchant, text)) == (2, 0, 2, 0)
    assert await outcome_of(merchant, "kari@example.no", "1") == "suppressed"
    assert await outcome_of(merchant, "ola@rival.example", "2") == "suppressed"
    items = (await merchant.get("/v1/suppressions", sort="entered")).json()["items"]
    assert {(item["kind"], item["reason"], item["source"]) for item in items} == {
        ("email", "unsubscribed", "import"),
        ("domain", "manual", "import"),
    }


async def test_faulty_rows_are_named_by_line_and_the_others_entered(merchant: MerchantClient) -> None:
    lines = [
        "contact,reason,channel,since,note",
        "kari@example.no,,,,",
        "kari@,,,,",
        '"ola@example.no",manual,,,"two\nlines"',
        "per@example.no,gone,fax,yesterday,",
        "+4791234567,hard_bounce,,,",
        "eva@example.no,,,,,surplus",
        "ada@example.no,,,2025-12-01T00:00:00Z,fine",
    ]
    body = await imported(merchant, "\n".join(lines))
    assert counts(body) == (7, 2, 0, 5)
    assert [(fault["line"], fault["field"], fault["code"]) for fault in body["errors"]] == [
        (3, "contact", "email_unreadable"),
        (4, "note", "invalid_format"),
        (6, "channel", "not_a_choice"),
        (6, "reason", "not_a_choice"),
        (6, "since", "invalid_format"),
        (7, "reason", "reason_does_not_fit"),
        (8, "", "too_long"),
    ]


async def test_faulty_json_lines_are_named(merchant: MerchantClient) -> None:
    lines = ['{"contact": "kari@example.no"}', "{broken", '{"email": "x"}', '{"contact": "a\\u0000@example.no"}']
    body = await imported(merchant, "\n".join(lines))
    assert counts(body) == (4, 1, 0, 3)
    assert [(fault["line"], fault["field"], fault["code"]) for fault in body["errors"]] == [
        (2, "", "malformed_json"),
        (3, "email", "unknown_field"),
        (4, "contact", "invalid_text"),
    ]


async def test_open_quote_ends_the_reading_and_says_where(merchant: MerchantClient) -> None:
    body = await imported(merchant, 'contact\nkari@example.no\n"ola@example.no\nper@example.no\n')
    assert counts(body) == (2, 1, 0, 1)
    assert [(fault["line"], fault["code"]) for fault in body["errors"]] == [(3, "malformed_csv")]


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"email\nkari@example.no\n", "missing"),
        (b"contact,surname\nkari@example.no,x\n", "unknown_field"),
        (b"contact,contact\nkari@example.no,x\n", "unknown_field"),
        (b"", "missing"),
        (b"contact\n" + b"k@example.no\n" * 100_002, "too_long"),
    ],
    ids=["no contact", "unknown column", "twice", "empty", "too long"],
)
async def test_file_that_cannot_be_read_is_refused_whole(merchant: MerchantClient, raw: bytes, code: str) -> None:
    answer = await send_file(merchant, raw)
    assert answer.status_code == 422
    assert [fault["code"] for fault in answer.json()["errors"]] == [code]
    assert (await merchant.get("/v1/suppressions")).json()["items"] == []


async def test_file_that_is_no_text_is_refused(merchant: MerchantClient) -> None:
    answer = await send_file(merchant, b"contact\nk\xe5ri@example.no\n")
    assert (answer.status_code, answer.json()["code"]) == (400, "file_unreadable")


async def test_export_gives_no_address_and_is_imported_again(merchant: MerchantClient) -> None:
    note = "=cmd()"
    entries: list[dict[str, Any]] = [
        {"contact": "kari@example.no", "note": note},
        {"contact": "+4791234567", "channel": "sms"},
        {"contact": "*@rival.example"},
        {"contact": "ola@example.no", "reason": "hard_bounce"},
    ]
    entered = (await merchant.post("/v1/suppressions", {"suppressions": entries})).json()["items"]
    exported = await merchant.get("/v1/suppressions.csv", sort="entered")
    assert exported.headers["Content-Type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(exported.text)))
    assert [row["hash"] for row in rows] == [item["hash"] for item in entered]
    assert list(rows[0]) == ["id", "hash", "kind", "channel", "reason", "source", "since", "note"]
    for secret in ("kari", "91234567", "rival"):
        assert secret not in exported.text
    for item in entered:
        await merchant.request("DELETE", f"/v1/suppressions/{item['id']}")
    assert counts(await imported(merchant, exported.content)) == (4, 4, 0, 0)
    again = (await merchant.get("/v1/suppressions", sort="entered")).json()["items"]
    by_hash = {item["hash"]: item for item in again}
    same = ("kind", "channel", "reason", "since", "note")
    for item in entered:
        assert {name: by_hash[item["hash"]][name] for name in same} == {name: item[name] for name in same}
    assert await outcome_of(merchant, "kari@example.no", "1") == "suppressed"


async def test_export_of_another_merchant_is_refused_line_by_line(api: Api, merchant: MerchantClient) -> None:
    other = await api.make_merchant("other")
    await other.post("/v1/suppressions", {"contact": "kari@example.no"})
    body = await imported(merchant, (await other.get("/v1/suppressions.csv")).content)
    assert counts(body) == (1, 0, 0, 1)
    assert [(fault["line"], fault["field"], fault["code"]) for fault in body["errors"]] == [(2, "hash", "hash_unknown")]


async def test_errors_are_listed_up_to_a_thousand_and_counted_all(merchant: MerchantClient) -> None:
    lines = "\n".join(json.dumps({"contact": f"bad{number}"}) for number in range(1200))
    body = await imported(merchant, lines)
    assert (counts(body), len(body["errors"])) == ((1200, 0, 0, 1200), 1000)
