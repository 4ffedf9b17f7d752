"""What holds for every sender of SMS: numbers, senders and texts are looked at before anything is written."""

from collections.abc import Callable
from typing import Any

import pytest

from invite_service.domain.receipt import OutcomeWord, Receipt
from invite_service.providers.base import BatchSender
from tests.providers.companies import SMS_COMPANIES
from tests.providers.played import REFUSED, PlayedCompany, make_sms, open_api

every_company = pytest.mark.parametrize("company", SMS_COMPANIES, ids=lambda made: made.__name__)
Made = Callable[[], PlayedCompany]


@every_company
@pytest.mark.parametrize(
    ("changes", "outcome", "reason"),
    [
        ({"to_address": "91234567"}, OutcomeWord.REJECTED, "invalid_address"),
        ({"to_address": "+47 91234567"}, OutcomeWord.REJECTED, "invalid_address"),
        ({"to_address": "+4791234567\r\n+4791234568"}, OutcomeWord.REJECTED, "invalid_address"),
        ({"to_address": "+4791234567&from=Bank"}, OutcomeWord.REJECTED, "invalid_address"),
        ({"to_address": "kari@example.net"}, OutcomeWord.REJECTED, "invalid_address"),
        ({"from_address": "Gift Shop"}, OutcomeWord.MISCONFIGURED, "invalid_sender_address"),
        ({"from_address": "GiftShop1234"}, OutcomeWord.MISCONFIGURED, "invalid_sender_address"),
        ({"from_address": "Gåver"}, OutcomeWord.MISCONFIGURED, "invalid_sender_address"),
        ({"from_address": ""}, OutcomeWord.MISCONFIGURED, "invalid_sender_address"),
        ({"from_address": "Shop\0"}, OutcomeWord.MISCONFIGURED, "invalid_sender_address"),
        ({"to_address": "+12015550123"}, OutcomeWord.REJECTED, "sender_not_allowed_in_country"),
        ({"to_address": "+15062345678"}, OutcomeWord.REJECTED, "sender_not_allowed_in_country"),
        ({"text": ""}, OutcomeWord.REJECTED, "malformed_message"),
        ({"text": " \n"}, OutcomeWord.REJECTED, "malformed_message"),
        ({"text": "How\0"}, OutcomeWord.REJECTED, "malformed_message"),
        ({"text": "How\r\n"}, OutcomeWord.REJECTED, "malformed_message"),
        ({"text": "How \ud83d"}, OutcomeWord.REJECTED, "malformed_message"),
    ],
)
async def test_what_is_unfit_never_reaches_the_wire(
    company: Made, changes: dict[str, Any], outcome: OutcomeWord, reason: str
) -> None:
    async with open_api(company()) as (server, sender):
        receipt = await sender.send(make_sms(**changes))
        batch = await sender.send_many([make_sms(**changes)]) if isinstance(sender, BatchSender) else [receipt]

    assert receipt == Receipt(outcome=outcome, reason=reason, provider=sender.name)
    assert batch == [receipt]
    assert server.connection_count == 0


@every_company
@pytest.mark.parametrize(
    ("sender_address", "number"),
    [
        ("GiftShop", "+4791234567"),
        ("GiftShop", "+5491123456789"),
        ("1963", "+4791234567"),
        ("+4790000001", "+4791234567"),
        ("+12015550100", "+12015550123"),
        ("46700", "+12015550123"),
    ],
)
async def test_sender_that_a_country_takes_or_replaces_is_handed_on(
    company: Made, sender_address: str, number: str
) -> None:
    async with open_api(company()) as (_, sender):
        receipt = await sender.send(make_sms(from_address=sender_address, to_address=number))

    assert receipt.outcome is OutcomeWord.ACCEPTED


@every_company
@pytest.mark.parametrize(
    "text", ["Hvordan var det? 😀 /1", "いかがでしたか /1", "a&b=c+d%20%0d{}\"'\\ /1", "one\ntwo /1"]
)
async def test_text_arrives_as_it_was_written(company: Made, text: str) -> None:
    played = company()
    async with open_api(played) as (_, sender):
        receipt = await sender.send(make_sms(text=text))

    assert receipt.outcome is OutcomeWord.ACCEPTED
    assert played.taken == [str(make_sms().attempt_id)]


@every_company
async def test_number_that_a_company_refuses_is_not_repeated(company: Made) -> None:
    played = company()
    async with open_api(played) as (_, sender):
        receipt = await sender.send(make_sms(to_address=REFUSED[played.channel]))

    assert receipt.outcome is OutcomeWord.REJECTED
    assert REFUSED[played.channel].strip("+") not in receipt.raw_answer
    assert played.taken == []
