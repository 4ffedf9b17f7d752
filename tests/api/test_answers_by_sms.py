"""Customers who answer STOP by SMS, as each company tells it: nobody writes to them again, by any channel."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.api.conftest import NOON, Api, MerchantClient
from tests.providers.played import SECRET, PlayedCompany
from tests.providers.sms_companies import Elks, LinkMobility, Sinch, Twilio, Vonage

PHONE = "+4791234567"


@pytest.fixture
async def merchant(api: Api) -> MerchantClient:
    return await api.make_merchant()


class TwilioHere(Twilio):
    """Twilio, told the address that the installation of the tests has."""

    url = "http://127.0.0.1:8000/provider-events/twilio/gift-shop"


@dataclass(frozen=True)
class Told:
    """How one company is set up, and how it tells of an answer."""

    company: Callable[[], PlayedCompany]
    credentials: dict[str, str]
    write: Callable[[str], bytes]
    query: str = ""


def answer_of_twilio(text: str) -> bytes:
    return urlencode({"MessageSid": "SM7", "SmsStatus": "received", "From": PHONE, "To": "+1", "Body": text}).encode()


def answer_of_elks(text: str) -> bytes:
    form = {"direction": "incoming", "id": "s7", "from": PHONE, "to": "+46700000000", "message": text}
    return urlencode(form | {"created": "2026-03-02T11:00:00"}).encode()


def answer_of_sinch(text: str) -> bytes:
    return json.dumps({"type": "mo_text", "id": "01F", "from": PHONE.strip("+"), "to": "2333", "body": text}).encode()


def answer_of_vonage(text: str) -> bytes:
    answer = {"message_uuid": "aaaa-7", "from": PHONE.strip("+"), "to": "47", "channel": "sms", "message_type": "text"}
    return json.dumps(answer | {"text": text}).encode()


def answer_of_link(text: str) -> bytes:
    content = {"type": "SMS", "userData": f"GIFT {text}", "encoding": "TEXT"}
    answer = {"destination": "NO-2333", "source": PHONE, "content": content, "messageId": "0"}
    return json.dumps(answer | {"route": {"keyword": "GIFT"}, "timestamp": "2026-03-02T11:00:00Z"}).encode()


COMPANIES = [
    Told(
        TwilioHere,
        {
            "account_sid": Twilio.account,
            "api_key_sid": Twilio.key[0],
            "api_key_secret": Twilio.key[1],
            "webhook_auth_token": SECRET,
        },
        answer_of_twilio,
    ),
    Told(
        Vonage,
        {"api_key": "k1", "api_secret": "x", "webhook_signature_secret": SECRET},
        answer_of_vonage,
    ),
    Told(Sinch, {"service_plan_id": "p1", "api_token": "x", "webhook_secret": SECRET}, answer_of_sinch),
    Told(
        Elks,
        {"api_username": "u1", "api_password": "x", "webhook_secret": SECRET},
        answer_of_elks,
        query=f"?secret={SECRET}",
    ),
    Told(
        LinkMobility,
        {
            "username": "shop",
            "password": "x",
            "platform_id": "10",
            "platform_partner_id": "20",
            "webhook_secret": SECRET,
        },
        answer_of_link,
    ),
]

every_company = pytest.mark.parametrize("told", COMPANIES, ids=lambda one: one.company.__name__)


async def set_up(merchant: MerchantClient, told: Told) -> None:
    body = {"provider": told.company().name, "credentials": told.credentials}
    answer = await merchant.request("PUT", "/v1/channels/sms", json=body, headers={"If-Match": "*"})
    assert answer.status_code == 200, answer.text


async def tell(merchant: MerchantClient, told: Told, text: str, *, forged: bool = False) -> int:
    played = told.company()
    request = played.tell(told.write(text), now=NOON)
    headers = {} if forged else {"Content-Type": "application/octet-stream", **request.headers}
    query = "" if forged else told.query
    path = f"/provider-events/{played.name}/{merchant.id}{query}"
    answer = await merchant.api.http.post(path, content=request.body, headers=headers)
    assert answer.status_code != 200 or answer.content == b""
    return answer.status_code


async def find_suppressions(merchant: MerchantClient, contact: str) -> list[tuple[Any, ...]]:
    answer = await merchant.post("/v1/suppressions/lookup", {"contact": contact})
    return [(item["reason"], item["source"], item["channel"]) for item in answer.json()["items"]]


@every_company
async def test_answer_that_means_no_stop_or_is_forged_closes_nothing(merchant: MerchantClient, told: Told) -> None:
    await set_up(merchant, told)
    await merchant.post_order(customer={"phone": PHONE})
    statuses = [await tell(merchant, told, "Thank you!"), await tell(merchant, told, "stopp", forged=True)]

    assert statuses == [200, 403]
    assert await find_suppressions(merchant, PHONE) == []


@every_company
async def test_word_that_means_stop_is_taken_once(merchant: MerchantClient, told: Told) -> None:
    await set_up(merchant, told)
    await merchant.post_order(customer={"phone": PHONE})
    statuses = [await tell(merchant, told, "Stopp!") for _ in range(2)]

    assert statuses == [200, 200]
    assert await find_suppressions(merchant, PHONE) == [("unsubscribed", "sms_stop", None)]
