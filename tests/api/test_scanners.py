"""What opens every link of a message, as mail scanners do, records nothing."""

import re
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.api.conftest import Api, MerchantClient

TIMES = 50
"""By GET and by HEAD in turn."""

_LINK = re.compile(r"https?://[^\s\"'<>]+")

STEPS = {
    "product_1": {"product_steps": "first_only"},
    "product_2": {"product_steps": "second_only"},
    "service": {"service_percent": 100},
}
"""The policy under which each step is the first message."""


async def links_of_first_message(sandbox: MerchantClient, *, phone: bool) -> set[str]:
    """Let an order's first message leave, and give every address of ours in its text and HTML."""
    customer = {"phone": "+4791234567"} if phone else {"email": "kari@example.no", "name": "Kari Nordmann"}
    await sandbox.post_order(customer=customer, products=[{"id": "mug"}, {"id": "tent"}])
    await sandbox.post("/v1/sandbox/clock", {"to": "next_due"})
    [message] = (await sandbox.get("/v1/sandbox/messages")).json()["items"]
    return links_of(message)


def links_of(message: dict[str, Any]) -> set[str]:
    """Give every address of ours in a message's text, HTML and headers."""
    written = f"{message['text']} {message['html'] or ''} {message['headers'].get('List-Unsubscribe', '')}"
    found = {link.replace("&amp;", "&").rstrip(".,)") for link in _LINK.findall(written)}
    return {link for link in found if urlsplit(link).path.startswith(("/i/", "/u/"))}


async def open_often(api: Api, links: set[str]) -> None:
    """Open each link fifty times."""
    for link in links:
        address = urlsplit(link)
        for method in ("GET", "HEAD") * (TIMES // 2):
            answer = await api.http.request(method, f"{address.path}?{address.query}")
            assert answer.status_code == 200, link


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("phone", [False, True])
async def test_every_link_opened_fifty_times_records_nothing(api: Api, step: str, *, phone: bool) -> None:
    sandbox = await api.make_merchant("toy-shop", sandbox=True)
    await sandbox.request("PATCH", "/v1/policy", json=STEPS[step], headers={"If-Match": "*"})
    links = await links_of_first_message(sandbox, phone=phone)
    assert len(links) >= (2 if phone or step == "product_1" else 6)
    await open_often(api, links)
    [invitation] = (await sandbox.get("/v1/invitations")).json()["items"]
    detail = (await sandbox.get(f"/v1/invitations/{invitation['id']}")).json()
    events = [entry["event"] for entry in detail["timeline"]]
    # Views are noted, at most one for each step and minute.
    assert set(events) == {"invitation_scheduled", "message_sent", "page_viewed"}
    assert events.count("page_viewed") <= 2
    assert (await sandbox.get("/v1/ratings")).json()["items"] == []
    assert (await sandbox.get("/v1/suppressions")).json()["items"] == []


async def test_links_of_what_follows_an_answer_record_nothing_either(api: Api) -> None:
    sandbox = await api.make_merchant("toy-shop", sandbox=True)
    await sandbox.request("PATCH", "/v1/policy", json=STEPS["service"], headers={"If-Match": "*"})
    publishing = {"approval": "support_trigger", "support_notifies_customer": True}
    await sandbox.request("PATCH", "/v1/publishing", json=publishing, headers={"If-Match": "*"})
    await sandbox.post_order(customer={"email": "kari@example.no"}, discount={"code": "THANKS10"})
    await sandbox.post("/v1/sandbox/clock", {"to": "next_due"})
    [asking] = (await sandbox.get("/v1/sandbox/messages")).json()["items"]
    token = next(link for link in links_of(asking) if "/i/" in link).split("/i/")[1].split("?")[0]
    answer = {"ratings": [{"stars": 1, "review": {"text": "Late.", "consent": True}}]}
    assert (await api.http.post(f"/public/v1/invitations/{token}/ratings", json=answer)).status_code == 200
    [rating] = (await sandbox.get("/v1/ratings")).json()["items"]
    await sandbox.post(f"/v1/ratings/{rating['id']}/reply", {"text": "We are sorry."})
    await sandbox.post("/v1/sandbox/send-due", {})
    messages = (await sandbox.get("/v1/sandbox/messages")).json()["items"]
    steps = {message["step"] for message in messages}
    assert steps == {"service", "reply_notice", "voucher", "support_notice"}
    [before] = (await sandbox.get("/v1/ratings")).json()["items"]
    await open_often(api, set.union(*(links_of(message) for message in messages if message["step"] != "service")))
    assert (await sandbox.get("/v1/ratings")).json()["items"] == [before]
    assert (await sandbox.get("/v1/suppressions")).json()["items"] == []
