"""Nothing that a request holds ends up in the logs: canaries are planted everywhere, and the logs searched."""

import json
from io import StringIO
from typing import Any

from tests.api.conftest import Api, make_order

CANARIES = (
    "canary-mail@example.no",
    "canary-bad-mail",
    "Canary Name",
    "+4799990001",
    "99990002",
    "canary-token-4711",
    "canary-query",
    "canary-header",
    "canary-product",
    "canary-order",
    "canary-field",
    "canary-suppressed",
    "canary-secret",
)


async def test_no_canary_is_logged(api: Api, log: StringIO) -> None:
    sandbox = await api.make_merchant("sandbox", sandbox=True)
    customer = {"email": "canary-mail@example.no", "name": "Canary Name", "phone": "+4799990001"}
    order = make_order(customer=customer, products=[{"id": "t1", "name": "canary-product"}])
    assert (await sandbox.post("/v1/orders", order)).status_code == 201
    bad = make_order(order_id="canary-order", customer={"email": "canary-bad-mail", "phone": "99990002"})
    assert (await sandbox.post("/v1/orders", bad)).status_code == 201
    assert (await sandbox.post("/v1/orders", order | {"canary-field": "canary-mail@example.no"})).status_code == 422
    assert (await sandbox.post("/v1/orders/batch", {"orders": [order, bad, {"canary-field": 1}]})).status_code == 200
    assert (await sandbox.get("/v1/orders/canary-order")).status_code == 200
    assert (await sandbox.get("/v1/invitations", email="canary-mail@example.no")).status_code == 200
    assert (await sandbox.get("/v1/orders", q="canary-query")).status_code == 422
    assert (await sandbox.get("/nowhere/canary-mail@example.no", q="canary-query")).status_code == 404
    headers = {"X-Request-ID": "canary-header", "User-Agent": "canary-header", "Referer": "https://canary-header/"}
    assert (await sandbox.request("GET", "/v1/policy", headers=headers)).status_code == 200
    moved = await sandbox.post("/v1/sandbox/clock", {"advance": "P30D"})
    assert moved.json()["sent"] == 3
    message = (await sandbox.get("/v1/sandbox/messages")).json()["items"][0]
    token = message["text"].partition("/i/")[2].split()[0].split("?")[0]
    assert (await api.http.get(f"/i/{token}?stars=4&q=canary-query")).status_code == 200
    assert (await api.http.get("/i/canary-token-4711")).status_code == 404
    assert (await api.http.get("/public/v1/invitations/canary-token-4711")).status_code == 404
    suppressed = {"contact": "canary-suppressed@example.no", "note": "canary-field"}
    assert (await sandbox.post("/v1/suppressions", suppressed)).status_code == 201
    assert (await sandbox.post("/v1/suppressions/lookup", {"contact": "canary-suppressed@"})).status_code == 422
    file: dict[str, Any] = {"content": b"contact\ncanary-suppressed@example.no\ncanary-suppressed\n"}
    assert (await sandbox.request("POST", "/v1/suppressions/import", **file)).status_code == 200
    told: dict[str, Any] = {
        "json": {"Email": "canary-suppressed@example.no"},
        "headers": {"Authorization": "Basic canary-secret"},
    }
    assert (await api.http.post("/provider-events/postmark/sandbox?secret=canary-secret", **told)).status_code == 403
    text = log.getvalue()
    assert len(text.splitlines()) > 10
    for canary in (*CANARIES, token, sandbox.key, api.operator_key, *sandbox.key.split("_")[3:]):
        assert canary not in text, canary
    for line in text.splitlines():
        assert "event" in json.loads(line)
