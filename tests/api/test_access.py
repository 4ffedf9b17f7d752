"""Who may do what: keys, scopes, and what belongs to another merchant."""

import re
from datetime import timedelta
from unittest.mock import ANY
from uuid import uuid4

import pytest

from invite_service.services.access import Scope
from tests.api.conftest import Api, MerchantClient, make_order, make_problem
from tests.support.documented import kept_document

CALLS = [
    ("POST", "/v1/orders", Scope.ORDERS_WRITE),
    ("POST", "/v1/orders/batch", Scope.ORDERS_WRITE),
    ("POST", "/v1/orders/preview", Scope.ORDERS_READ),
    ("GET", "/v1/orders", Scope.ORDERS_READ),
    ("GET", "/v1/orders.csv", Scope.ORDERS_READ),
    ("GET", "/v1/orders/A-1001", Scope.ORDERS_READ),
    ("GET", "/v1/invitations", Scope.INVITATIONS_READ),
    ("GET", "/v1/invitations.csv", Scope.INVITATIONS_READ),
    ("GET", f"/v1/invitations/{uuid4()}", Scope.INVITATIONS_READ),
    ("POST", f"/v1/invitations/{uuid4()}/cancel", Scope.INVITATIONS_WRITE),
    ("POST", f"/v1/invitations/{uuid4()}/enable", Scope.INVITATIONS_WRITE),
    ("POST", f"/v1/invitations/{uuid4()}/send-now", Scope.INVITATIONS_WRITE),
    ("POST", f"/v1/invitations/{uuid4()}/reschedule", Scope.INVITATIONS_WRITE),
    ("POST", f"/v1/invitations/{uuid4()}/retry", Scope.INVITATIONS_OPERATE),
    ("POST", f"/v1/invitations/{uuid4()}/mark-sent", Scope.INVITATIONS_OPERATE),
    ("POST", "/v1/batch-updates", Scope.INVITATIONS_WRITE),
    ("GET", "/v1/batch-updates", Scope.INVITATIONS_READ),
    ("GET", f"/v1/batch-updates/{uuid4()}", Scope.INVITATIONS_READ),
    ("POST", f"/v1/batch-updates/{uuid4()}/undo", Scope.INVITATIONS_WRITE),
    ("POST", "/v1/simulations", Scope.POLICY_READ),
    ("GET", "/v1/policy", Scope.POLICY_READ),
    ("GET", "/v1/policy/versions", Scope.POLICY_READ),
    ("PATCH", "/v1/policy", Scope.POLICY_WRITE),
    ("GET", "/v1/branding", Scope.BRANDING_READ),
    ("PUT", "/v1/branding", Scope.BRANDING_WRITE),
    ("GET", "/v1/texts", Scope.TEXTS_READ),
    ("GET", "/v1/texts/page/en", Scope.TEXTS_READ),
    ("PUT", "/v1/texts/page/en", Scope.TEXTS_WRITE),
    ("DELETE", "/v1/texts/page/en", Scope.TEXTS_WRITE),
    ("POST", "/v1/texts/preview", Scope.TEXTS_READ),
    ("POST", "/v1/texts/test-send", Scope.TEXTS_WRITE),
    ("GET", "/v1/channels/email", Scope.INVITATIONS_READ),
    ("PUT", "/v1/channels/email", Scope.CHANNELS_WRITE),
    ("DELETE", "/v1/channels/email", Scope.CHANNELS_WRITE),
    ("POST", "/v1/channels/email/check", Scope.CHANNELS_WRITE),
    ("POST", "/v1/channels/email/resume", Scope.INVITATIONS_OPERATE),
    ("GET", "/v1/suppressions", Scope.SUPPRESSIONS_READ),
    ("GET", "/v1/suppressions.csv", Scope.SUPPRESSIONS_READ),
    ("POST", "/v1/suppressions", Scope.SUPPRESSIONS_WRITE),
    ("POST", "/v1/suppressions/lookup", Scope.SUPPRESSIONS_READ),
    ("POST", "/v1/suppressions/import", Scope.SUPPRESSIONS_WRITE),
    ("DELETE", "/v1/suppressions", Scope.SUPPRESSIONS_WRITE),
    ("DELETE", f"/v1/suppressions/{uuid4()}", Scope.SUPPRESSIONS_WRITE),
    ("POST", "/v1/customers/export", Scope.CUSTOMERS_READ),
    ("POST", "/v1/customers/erase", Scope.CUSTOMERS_WRITE),
    ("GET", "/v1/publishing", Scope.PUBLISHING_READ),
    ("PATCH", "/v1/publishing", Scope.PUBLISHING_WRITE),
    ("GET", "/v1/publishing/versions", Scope.PUBLISHING_READ),
    ("GET", "/v1/ratings", Scope.RATINGS_READ),
    ("GET", "/v1/ratings/summary", Scope.RATINGS_READ),
    ("GET", f"/v1/ratings/{uuid4()}", Scope.RATINGS_READ),
    ("GET", f"/v1/ratings/{uuid4()}/pictures/p", Scope.RATINGS_READ),
    ("POST", f"/v1/ratings/{uuid4()}/publish", Scope.RATINGS_WRITE),
    ("POST", f"/v1/ratings/{uuid4()}/hold", Scope.RATINGS_WRITE),
    ("POST", f"/v1/ratings/{uuid4()}/reject", Scope.RATINGS_WRITE),
    ("POST", f"/v1/ratings/{uuid4()}/move", Scope.RATINGS_WRITE),
    ("POST", f"/v1/ratings/{uuid4()}/reply", Scope.RATINGS_WRITE),
    ("DELETE", f"/v1/ratings/{uuid4()}/reply", Scope.RATINGS_WRITE),
    ("GET", "/v1/products/p/summary", Scope.RATINGS_READ),
    ("GET", "/v1/review-reports", Scope.RATINGS_READ),
    ("GET", "/v1/support-cases", Scope.RATINGS_READ),
    ("GET", "/v1/webhook-endpoints", Scope.WEBHOOKS_READ),
    ("POST", "/v1/webhook-endpoints", Scope.WEBHOOKS_WRITE),
    ("POST", f"/v1/webhook-endpoints/{uuid4()}/rotate", Scope.WEBHOOKS_WRITE),
    ("DELETE", f"/v1/webhook-endpoints/{uuid4()}", Scope.WEBHOOKS_WRITE),
    ("GET", f"/v1/webhook-endpoints/{uuid4()}/events", Scope.WEBHOOKS_READ),
    ("POST", f"/v1/webhook-endpoints/{uuid4()}/events/e/redeliver", Scope.WEBHOOKS_WRITE),
    ("POST", f"/v1/support-cases/{uuid4()}/follow-up", Scope.RATINGS_WRITE),
    ("POST", f"/v1/support-cases/{uuid4()}/close", Scope.RATINGS_WRITE),
    ("GET", "/v1/notices", Scope.INVITATIONS_OPERATE),
    ("GET", f"/v1/notices/{uuid4()}", Scope.INVITATIONS_OPERATE),
    ("POST", f"/v1/notices/{uuid4()}/retry", Scope.INVITATIONS_OPERATE),
    ("POST", f"/v1/notices/{uuid4()}/mark-sent", Scope.INVITATIONS_OPERATE),
    ("GET", "/v1/timeline", Scope.TIMELINE_READ),
    ("GET", "/v1/insights/reconciliation", Scope.INSIGHTS_READ),
    ("GET", "/v1/insights/health", Scope.INSIGHTS_READ),
    ("GET", "/v1/insights/response-rate", Scope.INSIGHTS_READ),
    ("GET", "/v1/insights/funnel", Scope.INSIGHTS_READ),
    ("GET", "/v1/insights/costs", Scope.INSIGHTS_READ),
    ("GET", "/v1/sandbox/clock", Scope.SANDBOX),
    ("POST", "/v1/sandbox/clock", Scope.SANDBOX),
    ("POST", "/v1/sandbox/send-due", Scope.SANDBOX),
    ("GET", "/v1/sandbox/messages", Scope.SANDBOX),
]

OPERATOR_CALLS = [
    ("POST", "/v1/merchants"),
    ("GET", "/v1/merchants"),
    ("GET", "/v1/merchants/gift-shop"),
    ("POST", "/v1/api-keys"),
    ("GET", "/v1/api-keys?merchant_id=gift-shop"),
    ("DELETE", "/v1/api-keys/abc?merchant_id=gift-shop"),
]

NAMES_OF_IDS = {
    "invitations": "{invitation_id}",
    "batch-updates": "{batch_id}",
    "suppressions": "{suppression_id}",
    "ratings": "{rating_id}",
    "webhook-endpoints": "{endpoint_id}",
    "support-cases": "{case_id}",
    "notices": "{notice_id}",
}


def _name_of_id(path: str) -> str:
    return NAMES_OF_IDS[path.split("/")[2]]


NAMES = {
    "/A-1001": "/{order_id}",
    "/email": "/{channel}",
    "/events/e/": "/events/{event_id}/",
    "/page/en": "/{text}/{language}",
    "/products/p": "/products/{product_id}",
    "/pictures/p": "/pictures/{picture_id}",
}


def _template_of(path: str) -> str:
    for part, name in NAMES.items():
        path = path.replace(part, name)
    return path


_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

REFUSED = make_problem("api_key_invalid", 401, "The key is missing, unknown, revoked or expired.", request_id=ANY)


def test_every_documented_call_of_a_merchant_is_in_the_table() -> None:
    paths = kept_document()["paths"]
    documented = {
        (method.upper(), path)
        for path, methods in paths.items()
        for method, operation in methods.items()
        if operation["security"] == [{"api_key": []}]
    }
    templates = {(method, _template_of(path)) for method, path, _ in CALLS if not _ID.search(path)}
    of_one = {(method, _ID.sub(_name_of_id(path), _template_of(path))) for method, path, _ in CALLS if _ID.search(path)}
    assert templates | of_one == documented


async def test_each_call_needs_its_scope_and_no_other(api: Api, merchant: MerchantClient) -> None:
    everything_but = {
        scope: await merchant.with_scopes(*(other for other in Scope if other is not scope)) for scope in Scope
    }
    only = {scope: await merchant.with_scopes(scope) for scope in Scope}
    for method, path, scope in CALLS:
        refused = await everything_but[scope].request(method, path)
        assert refused.status_code == 403, (method, path)
        assert refused.json() == make_problem("scope_missing", 403, f"The key needs the scope {scope}.", request_id=ANY)
        allowed = await only[scope].request(method, path)
        assert allowed.status_code not in {401, 403}, (method, path)


async def test_without_a_good_key_nothing_is_told(api: Api, merchant: MerchantClient) -> None:
    wrong = merchant.key[:-1] + ("a" if merchant.key[-1] != "a" else "b")
    for method, path, _ in CALLS:
        answer = await api.call(method, path, key=None)
        assert answer.status_code == 401, (method, path)
        assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.json()["code"] == "api_key_invalid"
    for key in ("", "nonsense", wrong, api.operator_key, f"{merchant.key} {merchant.key}", "ø"):
        answer = await api.http.get("/v1/orders", headers=[(b"Authorization", f"Bearer {key}".encode())])
        assert answer.status_code == 401, key
        assert answer.json() == REFUSED


async def test_the_scheme_is_read_in_any_case_and_must_be_bearer(api: Api, merchant: MerchantClient) -> None:
    for header, status in ((f"bearer {merchant.key}", 200), (f"Basic {merchant.key}", 401), (merchant.key, 401)):
        answer = await api.call("GET", "/v1/orders", key=None, headers={"Authorization": header})
        assert answer.status_code == status, header


async def test_operator_calls_need_an_operator_key(api: Api, merchant: MerchantClient) -> None:
    for method, path in OPERATOR_CALLS:
        for key in (None, merchant.key):
            answer = await api.call(method, path, key=key)
            assert answer.status_code == 401, (method, path)


async def test_an_expired_key_is_refused(api: Api, merchant: MerchantClient) -> None:
    made = await api.operate(
        "POST",
        "/v1/api-keys",
        json={"merchant_id": merchant.id, "name": "short", "expires_at": "2026-03-02T13:00:00Z"},
    )
    key = made.json()["api_key"]
    assert (await api.call("GET", "/v1/orders", key=key)).status_code == 200
    api.clock.now += timedelta(hours=1)
    answer = await api.call("GET", "/v1/orders", key=key)
    assert answer.status_code == 401
    assert answer.json() == REFUSED


async def test_a_revoked_key_is_refused_at_once_in_the_process_that_revoked_it(
    api: Api, merchant: MerchantClient
) -> None:
    narrow = await merchant.with_scopes("orders:read")
    assert (await narrow.get("/v1/orders")).status_code == 200
    key_id = narrow.key.split("_")[2]
    revoked = await api.operate("DELETE", f"/v1/api-keys/{key_id}?merchant_id={merchant.id}")
    assert revoked.status_code == 204
    assert revoked.content == b""
    assert (await narrow.get("/v1/orders")).status_code == 401


@pytest.mark.parametrize("action", ["", "/cancel", "/enable", "/send-now", "/retry", "/mark-sent"])
async def test_what_belongs_to_another_merchant_is_not_found(api: Api, merchant: MerchantClient, action: str) -> None:
    decided = await merchant.post_order()
    other = await api.make_merchant("other-shop")
    method = "POST" if action else "GET"
    answer = await other.request(method, f"/v1/invitations/{decided['invitation']['id']}{action}")
    assert answer.status_code == 404
    assert answer.json()["code"] == "invitation_not_found"
    assert (await other.get("/v1/orders/A-1001")).status_code == 404
    assert (await other.get("/v1/orders")).json()["items"] == []
    assert (await other.get("/v1/invitations", order_id="A-1001")).json()["items"] == []
    assert (await other.get("/v1/invitations", email="kari@example.no")).json()["items"] == []
    assert (await other.post("/v1/orders", make_order())).status_code == 201
