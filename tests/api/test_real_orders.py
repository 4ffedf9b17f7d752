"""Real orders through the real API, against the second reading of the rules: everything decided must agree."""

import gzip
import json
import os
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from tests.api.conftest import Api, MerchantClient
from tests.reading.reading import Reading
from tests.reading.records import Verdict
from tests.support.sending import driver_of

ORDERS = Path(__file__).parents[2] / "examples" / "gift-shop-500.jsonl.gz"

ZONE = "Europe/London"

THOROUGH = int(os.environ.get("INVITE_TEST_EXAMPLES", "1")) > 1

MOST, SOME = (500, 200) if THOROUGH else (250, 100)
"""Orders under the default policy, and under each other."""

DAYS_BETWEEN_LOOKS = 20
"""After as many days autovacuum would have looked at the tables again."""

POLICIES: list[dict[str, Any]] = [
    {},
    {"service_percent": 20, "product_repeat_days": 30, "service_repeat_days": 60},
    {"block_days": 45, "product_steps": "second_only", "send_days": ["mon", "wed"]},
    {"delay_origin": "purchased", "product_delay_days": 2, "send_window_start": "08:30", "send_window_end": "21:00"},
]


def read_orders() -> list[dict[str, Any]]:
    with gzip.open(ORDERS, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


@pytest.mark.parametrize("policy", POLICIES, ids=["default", "service and repeats", "blocks and days", "short delay"])
async def test_real_orders_end_as_the_second_reading_says(api: Api, policy: dict[str, Any]) -> None:
    orders = read_orders()[: SOME if policy else MOST]
    replay = await Replay.start(api, policy, at=datetime.fromisoformat(orders[0]["purchased_at"]))

    for number, (_, day) in enumerate(groupby(orders, key=lambda order: order["purchased_at"][:10])):
        await replay.post_day(list(day))
        if number % DAYS_BETWEEN_LOOKS == 0:
            async with api.context.database.transaction() as stores:
                await driver_of(stores).execute("ANALYZE")
    await replay.move_clock(replay.now + timedelta(days=60))

    assert replay.differences == []
    assert await replay.reconciliation() == replay.reading.counts() | {"received": len(orders)}
    assert await replay.messages() == sorted(replay.messages_as_read())


class Replay:
    """One merchant's orders, posted to the API and to the reading alike."""

    def __init__(self, client: MerchantClient, reading: Reading, *, at: datetime) -> None:
        self._client = client
        self.reading = reading
        self.now = at
        self.differences: list[tuple[str, dict[str, Any], dict[str, Any]]] = []
        self._invitation_ids: dict[int, str] = {}

    @classmethod
    async def start(cls, api: Api, policy: dict[str, Any], *, at: datetime) -> "Replay":
        client = await api.make_merchant("gift-shop", time_zone=ZONE, sandbox=True, clock=at.isoformat())
        if policy:
            answer = await client.request("PATCH", "/v1/policy", json=policy, headers={"If-Match": "*"})
            assert answer.status_code == 200, answer.text
        return cls(client, Reading("gift-shop", ZONE, policy), at=at)

    async def post_day(self, orders: list[dict[str, Any]]) -> None:
        """Post a day's orders at its end: in one batch, or one by one where there are few."""
        await self.move_clock(datetime.fromisoformat(orders[-1]["purchased_at"]) + timedelta(minutes=1))
        if len(orders) < 4:
            for order in orders:
                answer = await self._client.post("/v1/orders", order)
                assert answer.status_code == 201, answer.text
                self._compare(order["order_id"], answer.json(), self.reading.post(order, self.now))
            return
        answer = await self._client.post("/v1/orders/batch", {"orders": orders})
        assert answer.status_code == 200, answer.text
        assert [result["problem"] for result in answer.json()["results"]] == [None] * len(orders)
        for order, verdict in zip(orders, self.reading.post_batch(orders, self.now), strict=True):
            assert isinstance(verdict, Verdict)
            decided = (await self._client.get(f"/v1/orders/{order['order_id']}")).json()
            self._compare(order["order_id"], decided, verdict)

    async def move_clock(self, to: datetime) -> None:
        if to > self.now:
            answer = await self._client.post("/v1/sandbox/clock", {"to": to.isoformat()})
            assert answer.status_code == 200, answer.text
            self.reading.advance(to)
            self.now = to

    async def reconciliation(self) -> dict[str, Any]:
        body: dict[str, Any] = (await self._client.get("/v1/insights/reconciliation")).json()
        counted = {outcome: count for outcome, count in body["outcomes"].items() if count}
        return {"received": body["received"], "outcomes": counted, "reasons": body["reasons"]}

    async def messages(self) -> list[tuple[str, str, str]]:
        """The mailbox as (invitation, step, second of sending)."""
        found = []
        query: dict[str, str] = {"limit": "200"}
        while True:
            page = (await self._client.get("/v1/sandbox/messages", **query)).json()
            found += [
                (message["invitation_id"], message["step"], _second(datetime.fromisoformat(message["sent_at"])))
                for message in page["items"]
            ]
            if page["next_cursor"] is None:
                return sorted(found)
            query["cursor"] = page["next_cursor"]

    def messages_as_read(self) -> Iterator[tuple[str, str, str]]:
        for invitation in self.reading.invitations.values():
            for message in invitation.messages:
                yield self._invitation_ids[invitation.id], message.step, _second(message.left_at)

    def _compare(self, order_id: str, decided: dict[str, Any], verdict: Verdict) -> None:
        invitation = decided["invitation"]
        if invitation is not None and verdict.outcome == "invited":
            assert verdict.invitation is not None
            self._invitation_ids[verdict.invitation] = invitation["id"]
        ours, theirs = _decided(decided), self._read(verdict)
        if ours != theirs:
            self.differences.append((order_id, ours, theirs))

    def _read(self, verdict: Verdict) -> dict[str, Any]:
        shape: dict[str, Any] = {
            "outcome": verdict.outcome,
            "reason": verdict.reason,
            "eligible_at": verdict.eligible_at and _second(verdict.eligible_at),
        }
        if verdict.outcome == "invited":
            assert verdict.send_at is not None
            shape |= {
                "kind": verdict.kind,
                "channel": verdict.channel,
                "language": verdict.language,
                "steps": verdict.steps,
                "send_at": _second(verdict.send_at),
            }
        if verdict.outcome == "merged":
            assert verdict.into is not None
            shape["into"] = self._invitation_ids[verdict.into]
        return shape


def _decided(answer: dict[str, Any]) -> dict[str, Any]:
    eligible_at = answer["eligible_at"]
    shape = {
        "outcome": answer["outcome"],
        "reason": answer["reason"],
        "eligible_at": eligible_at and _second(datetime.fromisoformat(eligible_at)),
    }
    invitation = answer["invitation"]
    if answer["outcome"] == "invited":
        shape |= {field: invitation[field] for field in ("kind", "channel", "language", "steps")}
        shape["send_at"] = _second(datetime.fromisoformat(invitation["send_at"]))
    if answer["outcome"] == "merged":
        shape["into"] = invitation["id"]
    return shape


def _second(instant: datetime) -> str:
    """An instant to the second, as one text whatever its offset."""
    return str(int(instant.timestamp()))
