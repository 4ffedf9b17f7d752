"""The hosted page of a customer who has answered before: changed as long as it may be, shown when it may no longer."""

from datetime import timedelta
from typing import Any
from urllib.parse import urljoin

import httpx
import pytest

from invite_service.domain.feedback import PublishState
from invite_service.domain.invitation import Invitation, Step
from invite_service.domain.publishing import Approval, NameDisplay, PublishingSettings, RejectReason
from invite_service.rules.feedback import EDITABLE_FOR
from invite_service.services.approvals import ApprovalService
from invite_service.services.replies import ReplyService
from tests.pages.documents import Document
from tests.pages.shop import NOTHING, PageShop
from tests.support.builders import new_id


async def answer(shop: PageShop, invitation: Invitation, **fields: str) -> httpx.Response:
    token = shop.token(invitation, step=Step.PRODUCT_2)
    return await shop.client.post(f"/i/{token}", data={"consent": "yes", **fields})


async def look(shop: PageShop, invitation: Invitation, query: str = "") -> Document:
    return Document.of(await shop.client.get(f"/i/{shop.token(invitation, step=Step.PRODUCT_2)}{query}"))


async def follow(shop: PageShop, response: httpx.Response) -> Document:
    assert response.status_code == 303, response.text
    return Document.of(await shop.client.get(urljoin(str(response.url), response.headers["Location"])))


def about_mug(**changes: str) -> dict[str, str]:
    return {"product.0": "mug", "stars.0": "4", "text.0": "Fin kopp.", **changes}


async def save_settings(shop: PageShop, **changes: Any) -> None:
    async with shop.house.database.transaction() as stores:
        await stores.publishing.add(
            shop.house.merchant.id,
            PublishingSettings(version=1, **changes),
            created_at=shop.house.clock.now,
            created_by="key:first",
        )


# Changing


async def test_answer_is_shown_and_can_be_changed_until_its_text_is_thirty_days_old(shop: PageShop) -> None:
    invitation = await shop.invite()
    await answer(shop, invitation, **about_mug())
    page = await look(shop, invitation)
    assert "Du har allerede svart. Her kan du endre svaret til og med 23. april 2026." in page.text
    assert page.form.fields == {"consent": "yes", **about_mug()}
    shop.house.clock.advance(EDITABLE_FOR - timedelta(seconds=1))
    thanks = await follow(shop, await answer(shop, invitation, **about_mug(**{"stars.0": "5"})))
    assert thanks.headings == ["Takk!"]
    shop.house.clock.advance(timedelta(seconds=1))
    settled = await look(shop, invitation)
    assert (settled.headings, settled.forms) == (["Svaret ditt"], [])
    assert "5 av 5 stjerner Fin kopp. Besvart 24. mars 2026 Endret 23. april 2026 Publisert" in settled.text
    assert settled.links["Tilbake til The Gift Shop"] == "https://gifts.example"


async def test_change_that_comes_too_late_is_told_and_stored_nowhere(shop: PageShop) -> None:
    invitation = await shop.invite("mug", "tent")
    await answer(shop, invitation, **about_mug())
    shop.house.clock.advance(EDITABLE_FOR)
    late = await answer(shop, invitation, **about_mug(**{"text.0": "Nei."}), **{"product.1": "tent", "stars.1": "1"})
    assert late.status_code == 409
    assert Document.of(late).links["The mug: Dette svaret kan ikke lenger endres."] == "#item-0"
    rows = await shop.house.rows("SELECT stars, text FROM ratings JOIN reviews ON rating_id = id")
    assert [tuple(row) for row in rows] == [(4, "Fin kopp.")]


async def test_products_that_are_still_open_are_asked_about_beside_the_old_answer(shop: PageShop) -> None:
    invitation = await shop.invite("mug", "tent")
    await answer(shop, invitation, **about_mug())
    shop.house.clock.advance(EDITABLE_FOR)
    page = await look(shop, invitation)
    assert page.form.fields == {"consent": "yes", "product.0": "tent", "text.0": ""}
    assert "Svaret ditt The mug 4 av 5 stjerner Fin kopp. Besvart 24. mars 2026" in page.text


async def test_stars_without_a_text_stay_open(shop: PageShop) -> None:
    invitation = await shop.invite()
    await answer(shop, invitation, **about_mug(**{"text.0": ""}))
    shop.house.clock.advance(timedelta(days=100))
    page = await look(shop, invitation)
    assert "Du har allerede svart. Her kan du endre svaret ditt." in page.text
    assert page.form.fields == {"consent": "yes", **about_mug(**{"text.0": ""})}


async def test_many_old_answers_come_page_by_page(shop: PageShop) -> None:
    products = [f"p{number:02}" for number in range(23)]
    invitation = await shop.invite(*products)
    for number, product in enumerate(products):
        await answer(shop, invitation, **{"product.0": product, "stars.0": "3", "text.0": f"[{number}]"})
    shop.house.clock.advance(EDITABLE_FOR)
    seen = ""
    address = f"/i/{shop.token(invitation)}"
    for _ in range(3):
        page = Document.of(await shop.client.get(address))
        seen += page.text
        address = urljoin(address, page.links.get("Vis de neste varene", ""))
    assert [number for number in range(23) if f"[{number}]" not in seen] == []
    assert "Vis de neste varene" not in page.links


# How it stands


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        (RejectReason.OFF_TOPIC, "Vises ikke. Grunn: Handler ikke om varen eller butikken"),
        (RejectReason.CUSTOMER_ASKED, None),
    ],
)
async def test_customer_is_told_why_an_answer_is_not_shown(
    shop: PageShop, reason: RejectReason, words: str | None
) -> None:
    invitation = await shop.invite()
    await answer(shop, invitation, **about_mug())
    [row] = await shop.house.rows("SELECT id FROM ratings")
    approvals = ApprovalService(shop.house.database, clock=shop.house.clock, new_id=new_id)
    await approvals.reject(shop.house.merchant, row["id"], reason, actor="key:first")
    shop.house.clock.advance(EDITABLE_FOR)
    page = await look(shop, invitation)
    assert (f"Besvart 24. mars 2026 {words}" if words else "Besvart 24. mars 2026 Tilbake") in page.text
    assert "Publisert" not in page.text


async def test_reply_stands_beside_the_review(shop: PageShop) -> None:
    invitation = await shop.invite()
    await answer(shop, invitation, **about_mug())
    [row] = await shop.house.rows("SELECT id FROM ratings")
    replies = ReplyService(shop.house.database, clock=shop.house.clock, new_id=new_id)
    await replies.write(shop.house.merchant, row["id"], "Takk,\nKari!", actor="key:first")
    assert "Svar fra The Gift Shop Takk, Kari!" in (await look(shop, invitation)).text
    shop.house.clock.advance(EDITABLE_FOR)
    assert "Svar fra The Gift Shop Takk, Kari!" in (await look(shop, invitation)).text


async def test_thanks_tell_the_day_by_which_an_answer_is_shown(shop: PageShop) -> None:
    await save_settings(shop, approval=Approval.SUPPORT_TRIGGER)
    invitation = await shop.invite()
    page = await follow(shop, await answer(shop, invitation, **about_mug(**{"stars.0": "2"})))
    assert "Svaret ditt er lagret. Det blir vist senest 31. mars 2026." in page.text
    [row] = await shop.house.rows("SELECT state FROM ratings")
    assert row["state"] == PublishState.PENDING


# Name and consent


@pytest.mark.parametrize(
    ("display", "words"),
    [
        (NameDisplay.FULL, "Navnet ditt vises slik: Kari Nordmann"),
        (NameDisplay.FIRST_NAME_INITIAL, "Navnet ditt vises slik: Kari N."),
        (NameDisplay.ANONYMOUS, "Navnet ditt vises ikke."),
    ],
)
async def test_customer_reads_how_the_name_is_shown(shop: PageShop, display: NameDisplay, words: str) -> None:
    await save_settings(shop, review_name_display=display)
    page = await look(shop, await shop.invite())
    assert f"kan The Gift Shop vise stjernene og omtalen din til andre. {words}" in page.text


async def test_text_without_consent_is_not_saved(shop: PageShop) -> None:
    invitation = await shop.invite()
    response = await answer(shop, invitation, **about_mug(consent="no"))
    assert response.status_code == 422
    page = Document.of(response)
    assert page.form.fields == {"consent": "yes", **about_mug()}
    assert await shop.recorded() == NOTHING
    assert (await answer(shop, invitation, **about_mug(consent="", **{"text.0": ""}))).status_code == 303


# One by one


async def test_each_product_is_saved_on_its_own(shop: PageShop) -> None:
    invitation = await shop.invite("mug", "tent", "lamp")
    page = await look(shop, invitation)
    assert page.form.buttons == [("publish", "yes"), ("only", "0"), ("only", "1"), ("only", "2"), ("publish", "yes")]
    fields = page.form.fields | {"stars.1": "4", "text.1": "Tett.", "only": "1"}
    saved = await follow(shop, await answer(shop, invitation, **fields))
    assert "Lagret: The tent \N{MIDDLE DOT} 1 av 3 varer vurdert" in saved.text
    rows = await shop.house.rows("SELECT product_id, stars FROM ratings")
    assert [tuple(row) for row in rows] == [("tent", 4)]


async def test_what_else_was_typed_is_kept_and_not_recorded(shop: PageShop) -> None:
    invitation = await shop.invite("mug", "tent")
    fields = about_mug() | {"product.1": "tent", "stars.1": "2", "text.1": "Lekker litt", "only": "0"}
    response = await answer(shop, invitation, **fields)
    assert response.status_code == 200
    page = Document.of(response)
    assert "Lagret: The mug \N{MIDDLE DOT} 1 av 2 varer vurdert" in page.text
    del fields["only"]
    assert page.form.fields == {"consent": "yes", **fields}
    # A page that is loaded again posts once more, and changes nothing.
    await answer(shop, invitation, **fields, only="0")
    assert await shop.recorded() == {"ratings": 1, "reviews": 1, "suppressions": 0, "doings": 1}
    assert (await answer(shop, invitation, **fields)).status_code == 303
    assert (await shop.recorded())["ratings"] == 2


async def test_last_product_is_followed_by_the_thanks(shop: PageShop) -> None:
    invitation = await shop.invite("mug", "tent")
    await answer(shop, invitation, **about_mug())
    page = await follow(shop, await answer(shop, invitation, **{"product.0": "tent", "stars.0": "5"}, only="0"))
    assert page.headings == ["Takk!"]


async def test_own_button_without_stars_asks_for_them_and_keeps_the_rest(shop: PageShop) -> None:
    invitation = await shop.invite("mug", "tent")
    fields = about_mug() | {"product.1": "tent", "text.1": "", "only": "1"}
    response = await answer(shop, invitation, **fields)
    assert response.status_code == 422
    page = Document.of(response)
    assert page.links["The tent: Velg hvor mange stjerner du vil gi."] == "#item-1"
    assert page.form.fields["text.0"] == "Fin kopp."
    assert await shop.recorded() == NOTHING


@pytest.mark.parametrize("saved", ["lamp", "tent", "", "x" * 3000])
async def test_saved_in_the_address_is_believed_of_nothing_that_was_not(shop: PageShop, saved: str) -> None:
    invitation = await shop.invite("mug", "tent")
    await answer(shop, invitation, **about_mug())
    assert "Lagret" not in (await look(shop, invitation, f"?saved={saved}")).text
