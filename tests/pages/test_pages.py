"""The hosted pages, as a browser without scripts meets them."""

import re
from typing import Any
from urllib.parse import quote, urljoin

import httpx
import pytest

from invite_service.domain.branding import Branding
from invite_service.domain.invitation import Channel, Step
from invite_service.services.tokens import TokenPurpose
from tests.pages.documents import Document
from tests.pages.shop import BASE_URL, NOTHING, PageShop
from tests.support.builders import make_line, make_policy

MAX_PAGE_BYTES = 60_000


async def post(shop: PageShop, token: str, **fields: str) -> httpx.Response:
    return await shop.client.post(f"/i/{token}", data={"consent": "yes", **fields})


async def follow(shop: PageShop, response: httpx.Response) -> Document:
    assert response.status_code == 303, response.text
    return Document.of(await shop.client.get(urljoin(str(response.url), response.headers["Location"])))


async def confirmed(shop: PageShop, token: str) -> Document:
    return await follow(shop, await post(shop, token, received="yes"))


# Delivery


async def test_first_mail_leads_to_the_question_whether_it_has_arrived(shop: PageShop) -> None:
    invitation = await shop.invite("mug", "tent")
    token = shop.token(invitation)
    page = Document.of(await shop.client.get(f"/i/{token}"))
    assert page.headings == ["Har bestillingen kommet frem?"]
    assert page.form.buttons == [("received", "yes"), ("received", "no")]
    assert (page.form.method, page.form.action) == ("post", token)
    assert [word for word in page.words if word.startswith("The ")] == [
        "The Gift Shop",
        "The mug",
        "The tent",
    ]
    assert await shop.recorded() == NOTHING


async def test_confirming_leads_to_the_stars(shop: PageShop) -> None:
    invitation = await shop.invite()
    token = shop.token(invitation)
    page = await confirmed(shop, token)
    assert page.headings == ["Hva synes du?"]
    assert page.form.choices == {"stars.0": ["1", "2", "3", "4", "5"]}
    again = Document.of(await shop.client.get(f"/i/{token}"))
    assert again.headings == ["Hva synes du?"]


async def test_not_yet_shows_the_notice_with_the_support_contact(shop: PageShop) -> None:
    await shop.brand()
    invitation = await shop.invite()
    token = shop.token(invitation)
    page = Document.of(await shop.client.get(f"/i/{token}?received=no"))
    assert page.headings == ["Har du ikke fått alt ennå?"]
    assert "Hei, Kari Nordmann!" in page.text
    assert "Ta kontakt med kundeservice" in page.text
    assert page.links["Kontakt The Gift Shop"] == "https://gifts.example/help"
    assert [form.buttons for form in page.forms] == [[("received", "no")], [("received", "yes")]]
    assert await shop.recorded() == NOTHING


async def test_report_is_noted_once_the_form_is_sent(shop: PageShop) -> None:
    invitation = await shop.invite()
    token = shop.token(invitation)
    page = await follow(shop, await post(shop, token, received="no"))
    assert page.headings == ["Takk for beskjed"]
    assert "Vi har notert at du ikke har fått alt" in page.text
    assert [form.buttons for form in page.forms] == [[("received", "yes")]]
    assert (await shop.house.invitation(invitation.id)).not_received_on is not None
    assert (await shop.recorded())["doings"] == 1
    # And when it has come after all:
    assert (await confirmed(shop, token)).headings == ["Hva synes du?"]


async def test_yes_in_the_mail_is_not_asked_again_and_records_nothing(shop: PageShop) -> None:
    invitation = await shop.invite()
    token = shop.token(invitation)
    page = Document.of(await shop.client.get(f"/i/{token}?received=yes"))
    assert page.headings == ["Hva synes du?"]
    assert page.links["Mangler det noe i bestillingen?"] == "?received=no"
    assert await shop.recorded() == NOTHING
    # Whoever comes back by the bare address is still asked.
    assert Document.of(await shop.client.get(f"/i/{token}")).headings == ["Har bestillingen kommet frem?"]


@pytest.mark.parametrize("step", [Step.PRODUCT_2, Step.SERVICE])
async def test_other_messages_lead_straight_to_the_stars(shop: PageShop, step: Step) -> None:
    invitation = await shop.invite()
    page = Document.of(await shop.client.get(f"/i/{shop.token(invitation, step=step)}"))
    assert page.headings == ["Hva synes du?"]
    assert page.links["Mangler det noe i bestillingen?"] == "?received=no"


async def test_sms_leads_straight_to_the_stars(database_url: str) -> None:
    async with PageShop.open(database_url, policy=make_policy(preferred_channel=Channel.SMS)) as shop:
        invitation = await shop.invite(phone="+4791234567")
        assert invitation.channel is Channel.SMS
        page = Document.of(await shop.client.get(f"/i/{shop.token(invitation)}"))
        assert page.headings == ["Hva synes du?"]


# Stars


async def test_stars_in_the_address_are_chosen_and_recorded_nowhere(shop: PageShop) -> None:
    invitation = await shop.invite()
    token = shop.token(invitation, step=Step.PRODUCT_2)
    page = Document.of(await shop.client.get(f"/i/{token}?stars=4"))
    assert page.form.fields == {"consent": "yes", "product.0": "mug", "stars.0": "4", "text.0": ""}
    assert await shop.recorded() == NOTHING


@pytest.mark.parametrize("stars", ["0", "6", "-1", "four", "4.5", "٤", "9" * 5000, ""])
async def test_nonsense_in_the_address_is_ignored(shop: PageShop, stars: str) -> None:
    invitation = await shop.invite()
    token = shop.token(invitation, step=Step.PRODUCT_2)
    page = Document.of(await shop.client.get(f"/i/{token}", params={"stars": stars, "skip": stars, "utm_source": "x"}))
    assert "stars.0" not in page.form.fields


async def test_product_that_was_clicked_comes_first_with_its_stars(shop: PageShop) -> None:
    invitation = await shop.invite("mug", "tents/2#a&b", "lamp")
    token = shop.token(invitation, step=Step.PRODUCT_2)
    page = Document.of(await shop.client.get(f"/i/{token}?stars=2&product_id={quote('tents/2#a&b', safe='')}"))
    assert {name: value for name, value in page.form.fields.items() if not name.startswith("text")} == {
        "consent": "yes",
        "product.0": "tents/2#a&b",
        "stars.0": "2",
        "product.1": "mug",
        "product.2": "lamp",
    }


async def test_publishing_stores_and_thanks(shop: PageShop) -> None:
    invitation = await shop.invite("mug", "tent")
    token = shop.token(invitation)
    fields = (await confirmed(shop, token)).form.fields
    fields |= {"stars.0": "5", "text.0": "Nydelig <b>kopp</b>!\r\nTåler alt.", "publish": "yes"}
    page = await follow(shop, await post(shop, token, **fields))
    assert page.headings == ["Takk!"]
    assert "5 av 5 stjerner" in page.text
    assert "Nydelig <b>kopp</b>! Tåler alt." in page.text
    assert page.links["Vurder 1 vare til"] == token
    assert page.links["Endre svaret mitt"] == f"{token}?change=yes"
    assert page.links["Tilbake til The Gift Shop"] == "https://gifts.example"
    assert "b" not in page.tags
    [row] = await shop.house.rows("SELECT product_id, stars, state FROM ratings")
    assert tuple(row) == ("mug", 5, "published")


async def test_what_is_not_rated_yet_comes_first_and_the_rest_when_changing(shop: PageShop) -> None:
    invitation = await shop.invite("mug", "tent")
    token = shop.token(invitation, step=Step.PRODUCT_2)
    await post(shop, token, **{"product.0": "mug", "stars.0": "5", "text.0": "Fin."})
    rest = Document.of(await shop.client.get(f"/i/{token}")).form.fields
    assert (rest["product.0"], rest.get("stars.0"), rest["product.1"], rest["stars.1"]) == ("tent", None, "mug", "5")
    change = Document.of(await shop.client.get(f"/i/{token}?change=yes"))
    assert (change.form.fields["product.0"], change.form.fields["text.0"]) == ("mug", "Fin.")
    assert "Du har allerede svart." in change.text


async def test_review_that_waits_is_thanked_for_as_waiting(shop: PageShop) -> None:
    invitation = await shop.invite()
    token = shop.token(invitation, step=Step.PRODUCT_2)
    fields = {"product.0": "mug", "stars.0": "5", "text.0": "https://youtu.be/abc"}
    page = await follow(shop, await post(shop, token, **fields))
    assert "Det kan ta noen dager før det blir vist." in page.text


async def test_service_is_asked_about_as_a_whole(database_url: str) -> None:
    async with PageShop.open(database_url, policy=make_policy(service_percent=100)) as shop:
        invitation = await shop.invite()
        token = shop.token(invitation)
        page = Document.of(await shop.client.get(f"/i/{token}?stars=3"))
        assert page.headings == ["Hvordan var det å handle hos The Gift Shop?"]
        assert page.form.fields == {"consent": "yes", "stars.0": "3", "text.0": ""}
        assert "Mangler det noe i bestillingen?" not in page.links
        thanks = await follow(shop, await post(shop, token, **page.form.fields))
        assert thanks.headings == ["Takk!"]
        [row] = await shop.house.rows("SELECT product_id, stars FROM ratings")
        assert tuple(row) == ("", 3)


async def test_many_products_come_page_by_page(shop: PageShop) -> None:
    invitation = await shop.invite(*(f"p{number:02}" for number in range(25)))
    token = shop.token(invitation, step=Step.PRODUCT_2)
    seen: list[str] = []
    address = f"/i/{token}"
    for _ in range(3):
        page = Document.of(await shop.client.get(address))
        seen += [value for name, value in page.form.fields.items() if name.startswith("product.")]
        address = urljoin(address, page.links.get("Vis de neste varene", ""))
    assert seen == [f"p{number:02}" for number in range(25)]
    assert "Vis de neste varene" not in page.links


# Faults


async def test_every_fault_is_named_and_what_was_typed_is_kept(shop: PageShop) -> None:
    invitation = await shop.invite("mug", "tent", "lamp", "vase")
    token = shop.token(invitation, step=Step.PRODUCT_2)
    fields = {
        "product.0": "mug",
        "text.0": "Fin kopp.",
        "product.1": "tent",
        "stars.1": "4",
        "text.1": "x" * 5001,
        "product.2": "lamp",
        "stars.2": "7",
        "text.2": "\x07",
        "product.3": "vase",
        "stars.3": "",
        "text.3": " ",
    }
    response = await post(shop, token, **fields)
    assert response.status_code == 422
    page = Document.of(response)
    assert {words: address for words, address in page.links.items() if address.startswith("#")} == {
        "The mug: Velg hvor mange stjerner du vil gi.": "#item-0",
        "The tent: Omtalen er for lang. Den kan være på høyst 5000 tegn.": "#item-1",
        "The lamp: Velg mellom 1 og 5 stjerner.": "#item-2",
        "The lamp: Omtalen inneholder tegn som ikke kan vises. Skriv den som ren tekst.": "#item-2",
    }
    assert page.title == "Rett 4 ting før vi publiserer \N{EN DASH} The Gift Shop"
    assert (page.form.action, page.form.fields) == (
        token,
        {
            "consent": "yes",
            "product.0": "mug",
            "text.0": "Fin kopp.",
            "product.1": "tent",
            "stars.1": "4",
            "text.1": "x" * 5001,
            "product.2": "lamp",
            "text.2": "\x07",
            "product.3": "vase",
            "text.3": " ",
        },
    )
    assert await shop.recorded() == NOTHING


async def test_single_product_without_stars_is_asked_for_them(shop: PageShop) -> None:
    invitation = await shop.invite()
    response = await post(shop, shop.token(invitation, step=Step.PRODUCT_2), **{"product.0": "mug", "text.0": ""})
    assert response.status_code == 422
    assert "Velg hvor mange stjerner du vil gi." in Document.of(response).links


@pytest.mark.parametrize(
    ("content", "content_type"),
    [
        (b"", "application/x-www-form-urlencoded"),
        (b"publish=yes", "application/x-www-form-urlencoded"),
        (b'{"stars": 5}', "application/json"),
        (b"&".join(b"x=1" for _ in range(2000)), "application/x-www-form-urlencoded"),
        (b"stars.x=5&stars.999=5&=", "application/x-www-form-urlencoded"),
        (b"\xff\xfe%ff%00", "application/x-www-form-urlencoded"),
    ],
)
async def test_form_that_says_nothing_is_answered_with_the_empty_page(
    shop: PageShop, content: bytes, content_type: str
) -> None:
    invitation = await shop.invite("mug", "tent")
    response = await shop.client.post(
        f"/i/{shop.token(invitation)}", content=content, headers={"Content-Type": content_type}
    )
    assert response.status_code == 422
    page = Document.of(response)
    assert page.links["Gi stjerner til minst én vare."] == "#item-0"
    assert page.form.fields == {
        "consent": "yes",
        "product.0": "mug",
        "text.0": "",
        "product.1": "tent",
        "text.1": "",
    }


async def test_product_that_was_not_asked_about_is_refused(shop: PageShop) -> None:
    invitation = await shop.invite()
    response = await post(
        shop, shop.token(invitation), **{"product.0": "lamp\x00", "stars.0": "5", "product.1": "mug", "stars.1": "5"}
    )
    assert response.status_code == 422
    assert "Denne varen er ikke blant dem vi spurte om." in Document.of(response).text
    assert await shop.recorded() == NOTHING


async def test_form_beyond_all_measure_is_refused(shop: PageShop) -> None:
    invitation = await shop.invite()
    response = await post(shop, shop.token(invitation), **{"text.0": "x" * 300_000})
    assert response.status_code == 413
    assert Document.of(response).headings == ["Something went wrong"]


# Unsubscribing


async def test_unsubscribe_page_shows_a_button_and_records_nothing(shop: PageShop) -> None:
    invitation = await shop.invite()
    token = shop.unsubscribe_token(invitation)
    page = Document.of(await shop.client.get(f"/u/{token}"))
    assert (page.form.method, page.form.action, page.form.buttons) == ("post", token, [("unsubscribe", "yes")])
    assert await shop.recorded() == NOTHING


@pytest.mark.parametrize(
    "sent",
    [
        {"data": {"List-Unsubscribe": "One-Click"}},
        {"files": {"List-Unsubscribe": (None, "One-Click")}},
        {"data": {"unsubscribe": "yes"}},
        {},
    ],
)
async def test_one_click_unsubscribes_without_a_redirect(shop: PageShop, sent: dict[str, Any]) -> None:
    invitation = await shop.invite()
    response = await shop.client.post(f"/u/{shop.unsubscribe_token(invitation)}", **sent)
    assert response.status_code == 200
    assert Document.of(response).headings == ["Du er meldt av"]
    assert await shop.recorded() == {"ratings": 0, "reviews": 0, "suppressions": 1, "doings": 2}


# Nothing but a posted form records


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_opening_every_link_many_times_decides_nothing(shop: PageShop, method: str) -> None:
    invitation = await shop.invite("mug", "tent")
    pages = [f"/i/{shop.token(invitation, step=step)}" for step in (Step.PRODUCT_1, Step.PRODUCT_2)]
    queries = ("", "?received=no", "?thanks=yes", *(f"?stars={stars}&product_id=mug" for stars in range(1, 6)))
    addresses = [page + query for page in pages for query in queries]
    addresses.append(f"/u/{shop.unsubscribe_token(invitation)}")
    for address in addresses * 3:
        assert (await shop.client.request(method, address)).status_code == 200
    assert await shop.recorded() == NOTHING
    assert await shop.views() == (2 if method == "GET" else 0)
    assert await shop.house.invitation(invitation.id) == invitation


# Links that lead nowhere


@pytest.mark.parametrize(
    ("accepted", "heading"),
    [
        ("nb-NO,nb;q=0.9,en;q=0.8", "Denne lenken virker ikke"),
        ("no", "Denne lenken virker ikke"),
        ("xx, is, en-GB", "This link doesn\N{RIGHT SINGLE QUOTATION MARK}t work"),
        (";;,,q=", "This link doesn\N{RIGHT SINGLE QUOTATION MARK}t work"),
        (None, "This link doesn\N{RIGHT SINGLE QUOTATION MARK}t work"),
    ],
)
async def test_unknown_link_is_answered_in_the_browsers_language(
    shop: PageShop, accepted: str | None, heading: str
) -> None:
    headers = {"Accept-Language": accepted} if accepted else {"Accept-Language": ""}
    response = await shop.client.get("/i/nonsense", headers=headers)
    assert response.status_code == 404
    assert Document.of(response).headings == [heading]


async def test_every_link_that_leads_nowhere_gets_the_same_answer(shop: PageShop) -> None:
    invitation = await shop.invite()
    good = shop.token(invitation)
    forged = f"{good[:-3]}{'A' if good[-3] != 'A' else 'B'}{good[-2:]}"
    bad = ["x", good[:-1], forged, shop.unsubscribe_token(invitation), "%00", "%ff", f"{good}/more", "", "/"]
    answers = set()
    for token in bad:
        for response in (await shop.client.get(f"/i/{token}"), await post(shop, token, received="yes")):
            answers.add((response.status_code, response.text))
    for response in (await shop.client.get(f"/u/{good}"), await shop.client.post(f"/u/{good}")):
        answers.add((response.status_code, response.text))
    assert len(answers) == 1
    assert {status for status, _ in answers} == {404}


async def test_links_of_an_erased_customer_say_that_nothing_is_kept(shop: PageShop) -> None:
    invitation = await shop.invite()
    await shop.erase("kari@example.com")
    page, unsubscribe = f"/i/{shop.token(invitation)}", f"/u/{shop.unsubscribe_token(invitation)}"
    for response in (
        await shop.client.get(page),
        await post(shop, shop.token(invitation), received="yes"),
        await shop.client.get(unsubscribe),
        await shop.client.post(unsubscribe),
    ):
        assert response.status_code == 404
        document = Document.of(response)
        assert document.headings == ["Opplysningene dine er slettet"]
        assert f"{shop.house.merchant.name} har ikke lenger det denne lenken gjaldt" in document.text
    answer = await shop.client.get(f"/public/v1/invitations/{shop.token(invitation)}")
    assert (answer.status_code, answer.json()["code"]) == (404, "token_not_found")


async def test_failure_is_told_to_customers_in_a_page(shop: PageShop) -> None:
    invitation = await shop.invite()
    await shop.house.rows("ALTER TABLE branding RENAME TO hidden")
    response = await shop.client.get(f"/i/{shop.token(invitation)}", headers={"Accept-Language": "nb"})
    assert response.status_code == 500
    assert Document.of(response).headings == ["Noe gikk galt"]


# Craft


async def every_page(shop: PageShop) -> list[httpx.Response]:
    """Get one of each page, with as much on it as there can be."""
    await shop.brand(Branding(logo_url="https://gifts.example/logo.png", support_email="help@gifts.example"))
    products = tuple(
        make_line(id=f"{number}-" + "製" * 90, name="製品" * 250, image_url=f"https://gifts.example/{'p' * 900}.jpg")
        for number in range(30)
    )
    invitation = await shop.house.invite(lines=products, name="Kari " + "N" * 180)
    first, second = (shop.token(invitation, step=step) for step in (Step.PRODUCT_1, Step.PRODUCT_2))
    ask = await shop.client.get(f"/i/{first}")
    rate = await shop.client.get(f"/i/{second}?stars=4")
    not_yet = await shop.client.get(f"/i/{second}?received=no")
    fields = Document.of(rate).form.fields | {f"stars.{number}": "5" for number in range(10)}
    fields |= {f"text.{number}": "製" * 5000 for number in range(10)}
    faults = await post(
        shop,
        second,
        **{name: value for name, value in fields.items() if not name.startswith("text")},
        **{"text.0": "\x07"},
    )
    for number in range(10):
        await post(shop, second, **{"product.0": fields[f"product.{number}"], "stars.0": "5", "text.0": '"' * 5000})
    return [
        ask,
        rate,
        not_yet,
        faults,
        await shop.client.get(f"/i/{second}?change=yes"),
        await shop.client.get(f"/i/{second}?thanks=yes"),
        await shop.client.get(f"/u/{shop.unsubscribe_token(invitation)}"),
        await shop.client.post(f"/u/{shop.unsubscribe_token(invitation)}"),
        await shop.client.get("/i/nonsense"),
    ]


async def test_every_page_is_small_closed_and_in_its_language(shop: PageShop) -> None:
    responses = await every_page(shop)
    assert [response.status_code for response in responses] == [200, 200, 200, 422, 200, 200, 200, 200, 404]
    for response in responses:
        page = Document.of(response)
        assert len(response.content) < MAX_PAGE_BYTES, page.title
        assert page.language == ("en" if response.status_code == 404 else "nb")
        assert len(page.headings) == 1
        assert set(page.tags).isdisjoint({"script", "link", "iframe", "object", "embed"})
        assert "style=" not in page.html
        assert all(picture["alt"] is not None for picture in page.pictures)
        assert all((picture["src"] or "").startswith("https://gifts.example/") for picture in page.pictures)
        check_headers(response)


def check_headers(response: httpx.Response) -> None:
    policy = response.headers["Content-Security-Policy"]
    assert re.fullmatch(
        r"default-src 'none'; style-src 'sha256-[A-Za-z0-9+/]{43}='; img-src 'self' https:; form-action 'self'; "
        r"frame-ancestors 'none'; base-uri 'none'",
        policy,
    )
    assert response.headers["Referrer-Policy"] == "no-referrer"
    assert response.headers["X-Robots-Tag"] == "noindex, nofollow"
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert "Set-Cookie" not in response.headers


async def test_addresses_on_pages_work_below_a_path(shop: PageShop) -> None:
    invitation = await shop.invite()
    token = shop.token(invitation)
    response = await post(shop, token, received="yes")
    below = urljoin(f"{BASE_URL}/reviews/i/{token}", response.headers["Location"])
    assert below == f"{BASE_URL}/reviews/i/{token}"


async def test_unsubscribe_token_is_not_one_of_the_page(shop: PageShop) -> None:
    invitation = await shop.invite()
    token = shop.token(invitation, purpose=TokenPurpose.UNSUBSCRIBE)
    assert (await shop.client.get(f"/i/{token}")).status_code == 404
