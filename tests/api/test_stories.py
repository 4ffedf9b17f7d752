"""Why an order became what it is, in plain words of the language that was asked for."""

from typing import Any

import pytest

from tests.api.conftest import Api, MerchantClient

STORY = {
    "en": [
        "The status “shipped” does not cancel an order.",
        "Nothing had been decided about this order before.",
        "The status “shipped” says that the customer may be asked.",
        (
            "Bought on 2 March 2026 at 10:00; on 2 March 2026 at 13:00, when it was looked at, that was not more than "
            "180 days ago."
        ),
        "The order has an e-mail address and no mobile number.",
        "Consent is not required; the order says nothing about it.",
        "The customer can be reached by e-mail.",
        "The customer has no open invitation from a purchase of the same day, 2 March 2026.",
        "Repeat customers are not blocked.",
        (
            "Lots decide between products and shop: number 3,750 of 10,000 stands for the products, as 0% of the "
            "orders are about the shop."
        ),
        "The order has 1 product to ask about.",
        "The shop excludes none of them.",
        (
            "The customer may be asked about all of them: bought on 2 March 2026 at 10:00, with a pause of 90 days "
            "after each message."
        ),
        (
            "The customer is asked about the products by e-mail in Norwegian Bokmål; the message was planned for "
            "16 March 2026 at 11:40, within the send window on the clock of Europe/Oslo. It asks whether the order "
            "has arrived, and a second message asks for stars."
        ),
    ],
    "nb": [
        "Statusen «shipped» avbestiller ikke en ordre.",
        "Ingenting var avgjort om denne ordren fra før.",
        "Statusen «shipped» sier at kunden kan spørres.",
        (
            "Kjøpt 2. mars 2026 kl. 10:00; da ordren ble vurdert 2. mars 2026 kl. 13:00, var det ikke mer enn 180 "
            "dager siden."
        ),
        "Ordren har en e-postadresse og ikke noe mobilnummer.",
        "Samtykke kreves ikke; ordren sier ingenting om det.",
        "Kunden kan nås på e-post.",
        "Kunden har ingen åpen invitasjon fra et kjøp samme dag, 2. mars 2026.",
        "Kunder som kjøper igjen, stoppes ikke.",
        (
            "Loddtrekning avgjør mellom varene og butikken: nummer 3\N{NO-BREAK SPACE}750 av 10\N{NO-BREAK SPACE}000 "
            "står for varene, fordi 0\N{NO-BREAK SPACE}% av ordrene gjelder butikken."
        ),
        "Ordren har 1 vare å spørre om.",
        "Butikken utelater ingen av dem.",
        "Kunden kan spørres om alle: kjøpt 2. mars 2026 kl. 10:00, med en pause på 90 dager etter hver melding.",
        (
            "Kunden blir spurt om varene i en e-post på norsk bokmål; meldingen ble planlagt til 16. mars 2026 kl. "
            "11:40, innenfor sendevinduet etter klokken i Europe/Oslo. Den spør om ordren er kommet fram, og en "
            "melding til ber om stjerner."
        ),
    ],
}

SUMMARY = {
    "en": "Invited: the customer will be asked about the product by e-mail on 16 March 2026 at 11:40.",
    "nb": "Invitert: kunden blir spurt om varen på e-post 16. mars 2026 kl. 11:40.",
}


async def read(merchant: MerchantClient, order_id: str = "A-1001", **request: Any) -> Any:
    answer = await merchant.request("GET", f"/v1/orders/{order_id}", **request)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize("language", ["en", "nb"])
async def test_an_order_tells_its_story_rule_by_rule(merchant: MerchantClient, language: str) -> None:
    decided = await merchant.post_order()
    found = await read(merchant, params={"language": language})
    assert found["trace"] == decided["trace"]
    assert found["story"] == STORY[language]
    assert found["summary"] == SUMMARY[language]


@pytest.mark.parametrize(
    ("asked", "accepted", "told"),
    [
        (None, None, "en"),
        (None, "nb", "nb"),
        (None, "no-NO, en;q=0.5", "nb"),
        (None, "en;q=0.3, nb-NO;q=0.7", "nb"),
        (None, "nb;q=0, en;q=0.1", "en"),
        (None, "de, ja;q=0.8", "en"),
        (None, "nb;q=often, ;;;, *", "en"),
        ("nb", "en", "nb"),
        ("en", "nb", "en"),
    ],
)
async def test_the_language_is_the_one_asked_for_or_accepted(
    merchant: MerchantClient, asked: str | None, accepted: str | None, told: str
) -> None:
    await merchant.post_order()
    answer = await merchant.request(
        "GET",
        "/v1/orders/A-1001",
        params={"language": asked} if asked else None,
        headers={"Accept-Language": accepted} if accepted else {},
    )
    assert answer.json()["summary"] == SUMMARY[told]
    assert answer.headers["Content-Language"] == told
    assert "Accept-Language" in answer.headers["Vary"]


async def test_a_language_without_stories_is_refused_by_name(merchant: MerchantClient) -> None:
    await merchant.post_order()
    answer = await merchant.get("/v1/orders/A-1001", language="sv", lang="nb")
    assert answer.status_code == 422
    assert {(fault["pointer"], fault["code"]) for fault in answer.json()["errors"]} == {
        ("?language", "not_a_choice"),
        ("?lang", "unknown_field"),
    }


async def test_a_blocked_order_says_from_when_on_purchases_are_asked_about_again(api: Api) -> None:
    sandbox = await api.make_merchant("sandbox", sandbox=True)
    products = [{"id": "t1", "name": "Tent"}, {"id": "t2", "name": "Stove"}]
    await sandbox.post_order(products=products)
    assert (await sandbox.post("/v1/sandbox/clock", {"advance": "P15D"})).json()["sent"] == 1
    await sandbox.post_order(order_id="A-1002", products=products, purchased_at="2026-03-17T09:00:00Z")
    await sandbox.post("/v1/sandbox/clock", {"advance": "P15D"})
    blocked = await sandbox.post_order(order_id="A-1003", products=products, purchased_at="2026-04-01T09:00:00Z")
    found = await read(sandbox, "A-1003")
    assert found["eligible_at"] == blocked["eligible_at"] == "2026-06-19T10:41:13Z"
    assert found["summary"] == (
        "Not asked: the customer was asked about both products on 21 March 2026; "
        "purchases from 19 June 2026 at 12:41 on are asked about again."
    )
    assert found["story"][-1] == (
        "Everything that was bought is asked about already: “Tent” (t1) and “Stove” (t2). This was bought on 1 April "
        "2026 at 11:00, and after each message there is a pause of 90 days. Purchases from 19 June 2026 at 12:41 on "
        "are asked about again."
    )


async def test_a_preview_and_a_posted_order_answer_without_a_story(merchant: MerchantClient) -> None:
    for path in ("/v1/orders/preview", "/v1/orders"):
        answer = await merchant.post(path, {"order_id": "B", "status": "processing"})
        assert answer.json().keys() == {"order_id", "outcome", "reason", "eligible_at", "invitation", "trace"}
