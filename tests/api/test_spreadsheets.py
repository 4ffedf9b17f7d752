"""Lists as CSV: complete, in order, nothing a spreadsheet would run, and never whole in memory."""

import asyncio
import csv
import io
import os
import unicodedata
from datetime import timedelta
from typing import Any
from unittest.mock import ANY

import pytest
from benchmarks.crowd import KNOWN_EMAIL, Crowd, fill_crowd
from benchmarks.machine import resident_mib
from hypothesis import example, given
from hypothesis import strategies as st

from invite_service.api.spreadsheets import defuse, to_lines
from invite_service.storage.contacts import ContactKeys
from tests.api.conftest import SECRET, Api, MerchantClient, make_problem

LIST_TYPE = "text/csv; charset=utf-8; header=present"

INVITATION_COLUMNS = (
    "id,kind,channel,language,status,steps,next_step,send_at,products,order_ids,created_at,first_sent_at,last_sent_at,"
    "message_count,ended_reason,contact,customer_name,time_zone,policy_version,held_at,send_now,rescheduled_to"
)

ROWS = 50_000


async def post_three(api: Api, merchant: MerchantClient) -> None:
    """Post three orders a minute apart; the names of the second are made to be run."""
    await merchant.post_order(order_id="A")
    api.clock.now += timedelta(minutes=1)
    await merchant.post_order(
        order_id='=B"1,2',
        customer={"email": "ola@example.no", "name": "\N{FULLWIDTH EQUALS SIGN}HYPERLINK(1;2)"},
        products=[{"id": "-t2"}, {"id": "t3"}],
    )
    api.clock.now += timedelta(minutes=1)
    await merchant.post_order(order_id="C", status="paid", customer={"phone": "+4791234567", "name": "Åse\nØstby"})


async def exported(merchant: MerchantClient, path: str, **params: Any) -> list[list[str]]:
    answer = await merchant.get(path, **params)
    assert answer.status_code == 200, answer.text
    return list(csv.reader(io.StringIO(answer.content.decode(), newline="")))


async def test_invitations_are_exported_with_the_fields_of_the_list(api: Api, merchant: MerchantClient) -> None:
    await post_three(api, merchant)
    listed = (await merchant.get("/v1/invitations", sort="created_at")).json()["items"]
    answer = await merchant.get("/v1/invitations.csv", sort="created_at")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == LIST_TYPE
    assert answer.headers["content-disposition"] == 'attachment; filename="invitations.csv"'
    assert answer.content.decode() == (
        f"{INVITATION_COLUMNS}\r\n"
        f"{listed[0]['id']},product,email,nb,scheduled,product_1|product_2,product_1,{listed[0]['send_at']},t1,A,"
        "2026-03-02T12:00:00Z,,,0,,kari@example.no,Kari Nordmann,Europe/Oslo,1,,false,\r\n"
        f"{listed[1]['id']},product,email,nb,scheduled,product_1|product_2,product_1,{listed[1]['send_at']},"
        '\'-t2|t3,"\'=B""1,2",2026-03-02T12:01:00Z,,,0,,ola@example.no,'
        "'\N{FULLWIDTH EQUALS SIGN}HYPERLINK(1;2),Europe/Oslo,1,,false,\r\n"
    )


async def test_orders_are_exported_with_the_fields_of_the_list(api: Api, merchant: MerchantClient) -> None:
    await post_three(api, merchant)
    answer = await merchant.get("/v1/orders.csv")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == LIST_TYPE
    assert answer.headers["content-disposition"] == 'attachment; filename="orders.csv"'
    listed = (await merchant.get("/v1/orders")).json()["items"]
    assert answer.content.decode() == (
        "order_id,status,purchased_at,received_at,outcome,reason,eligible_at,on_hold,invitation_id\r\n"
        f"C,paid,2026-03-02T09:00:00Z,2026-03-02T12:02:00Z,waiting,{listed[0]['reason']},,false,\r\n"
        '"\'=B""1,2",shipped,2026-03-02T09:00:00Z,2026-03-02T12:01:00Z,invited,,,false,'
        f"{listed[1]['invitation_id']}\r\n"
        f"A,shipped,2026-03-02T09:00:00Z,2026-03-02T12:00:00Z,invited,,,false,{listed[2]['invitation_id']}\r\n"
    )


async def test_what_is_filtered_and_sorted_is_exported_so(api: Api, merchant: MerchantClient) -> None:
    await post_three(api, merchant)

    async def order_ids(**params: Any) -> list[str]:
        return [row[9] for row in (await exported(merchant, "/v1/invitations.csv", **params))[1:]]

    assert await order_ids() == ["'=B\"1,2", "A"]
    assert await order_ids(product_id="t1") == ["A"]
    assert await order_ids(email="ola@example.no", period="next_30_days") == ["'=B\"1,2"]
    assert await order_ids(status="failed") == []
    orders = await exported(merchant, "/v1/orders.csv", sort="received_at", outcome="invited")
    assert [row[0] for row in orders[1:]] == ["A", "'=B\"1,2"]


async def test_what_is_wrong_with_an_export_is_a_problem(merchant: MerchantClient) -> None:
    answer = await merchant.get("/v1/invitations.csv", cursor="x", limit=5)
    assert answer.status_code == 422
    assert {(fault["pointer"], fault["code"]) for fault in answer.json()["errors"]} == {
        ("?cursor", "unknown_field"),
        ("?limit", "unknown_field"),
    }
    answer = await merchant.get("/v1/invitations.csv", period="today", send_from="2026-04-01T00:00:00Z")
    assert answer.json() == make_problem(
        "invalid_input",
        422,
        "The request has faults.",
        ("?period", "out_of_range", "Lies outside of send_from and send_to."),
        request_id=ANY,
    )
    answer = await merchant.get(
        "/v1/orders.csv", received_from="2026-04-01T00:00:00Z", received_to="2026-04-01T00:00:00Z"
    )
    assert answer.json()["errors"] == [
        {"pointer": "?received_to", "code": "out_of_range", "detail": "Must be later than received_from."}
    ]
    for path, scope in (("/v1/invitations.csv", "orders:read"), ("/v1/orders.csv", "invitations:read")):
        assert (await (await merchant.with_scopes(scope)).get(path)).json()["code"] == "scope_missing"


class Stream:
    """Calls a route as a server does, and counts what comes instead of keeping it."""

    def __init__(self, api: Api, merchant: MerchantClient, path: str, *, hang_up_after: int | None = None) -> None:
        self._app: Any = api.http._transport.app  # type: ignore[attr-defined]
        self._scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": "GET",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"sort=created_at",
            "headers": [(b"authorization", f"Bearer {merchant.key}".encode())],
            "state": {},
        }
        self._hang_up_after = hang_up_after
        self._left = asyncio.Event()
        self.parts = 0
        self.lines = 0
        self.last_at = ""
        self.is_ordered = True
        self.most_resident = 0.0
        self._rest = b""

    async def run(self) -> None:
        await self._app(self._scope, self._receive, self._send)

    async def _receive(self) -> dict[str, Any]:
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        if message["type"] != "http.response.body" or self._left.is_set():
            return
        self.parts += 1
        self.most_resident = max(self.most_resident, resident_mib(os.getpid()))
        *lines, self._rest = (self._rest + message["body"]).split(b"\r\n")
        self.lines += len(lines)
        for line in lines[1 if self.parts == 1 else 0 :]:
            created_at = line.split(b",")[10].decode()
            self.is_ordered &= self.last_at <= created_at
            self.last_at = created_at
        if self.parts == self._hang_up_after:
            self._left.set()
            await asyncio.sleep(0)


@pytest.fixture
async def large(api: Api, merchant: MerchantClient) -> MerchantClient:
    """A merchant with 50,000 invitations."""
    async with api.context.database.autocommit() as stores:
        crowd = Crowd(rows=ROWS, merchants=1, first=merchant.id)
        await fill_crowd(stores._driver, crowd, contact_key=ContactKeys(SECRET).key(KNOWN_EMAIL), now=api.clock.now)
    return merchant


async def test_a_large_export_is_complete_ordered_and_never_whole_in_memory(api: Api, large: MerchantClient) -> None:
    await Stream(api, large, "/v1/invitations.csv", hang_up_after=5).run()
    before = resident_mib(os.getpid())
    stream = Stream(api, large, "/v1/invitations.csv")
    await stream.run()
    assert (stream.lines, stream.is_ordered) == (ROWS + 1, True)
    assert stream.most_resident - before < 15, "the text alone has 17 MiB, what it is made of several times as many"


async def test_a_client_that_hangs_up_ends_the_export_and_frees_the_connection(api: Api, large: MerchantClient) -> None:
    stream = Stream(api, large, "/v1/invitations.csv", hang_up_after=3)
    async with asyncio.timeout(20):
        await stream.run()
    assert stream.parts == 3
    assert api.context.database.connections_in_use == 0
    assert len((await large.get("/v1/invitations")).json()["items"]) == 50


BLANK = st.text(alphabet=" \t\r\n\v\f\u00a0\u200b\u2003\ufeff", max_size=3)
STARTS = st.sampled_from([*"=+-@\uff1d\uff0b\uff0d\uff20\u2212\ufe62", "'", '"', "a", "7", "ø"])


@given(st.builds(lambda blank, start, rest: blank + start + rest, BLANK, STARTS, st.text(max_size=8)) | st.text())
@example("\uff1d1+1")
@example("\u200b=1+1")
@example(" \t+4791234567")
@example("\t")
@example("\n=1")
def test_no_cell_begins_like_a_formula_and_none_is_lost(text: str) -> None:
    cell = defuse(text)
    assert cell in {text, f"'{text}"}
    plain = unicodedata.normalize("NFKC", cell.strip().strip("\u200b\ufeff").strip())
    assert not plain.startswith(("=", "+", "-", "@", "\N{MINUS SIGN}"))
    assert not cell.startswith(("\t", "\r", "\n"))


@given(st.text(alphabet=st.characters(codec="utf-8"), min_size=1).filter(lambda text: text[0].isalnum()))
def test_a_text_that_begins_with_a_letter_or_a_digit_stays_as_it_is(text: str) -> None:
    assert defuse(text) == text


@given(
    st.lists(st.lists(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\0")), min_size=2, max_size=4))
)
def test_what_is_written_is_read_again_by_anyone_who_reads_csv(rows: list[list[str]]) -> None:
    read = list(csv.reader(io.StringIO(to_lines(rows).decode(), newline="")))
    assert read == [[defuse(cell) for cell in row] for row in rows]
