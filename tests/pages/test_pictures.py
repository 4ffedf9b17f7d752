"""Pictures that customers add to a review: on the hosted page, by the public calls, and as others see them."""

import io
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urljoin
from uuid import UUID

import httpx
import pytest
from PIL import Image

from invite_service.domain.invitation import Invitation, Step
from invite_service.rules.feedback import EDITABLE_FOR, MAX_PICTURE_BYTES
from invite_service.services.approvals import ApprovalService
from invite_service.services.pictures import CLEANED_AT_ONCE, LOOSE_FOR, PICTURES_PER_MINUTE
from tests.pages.documents import Document
from tests.pages.shop import BASE_URL, NOTHING, PageShop, make_app
from tests.support.builders import new_id

MUG = {"consent": "yes", "product.0": "mug", "stars.0": "5", "text.0": "Fin kopp."}


def draw(kind: str = "PNG", color: str = "red") -> bytes:
    written = io.BytesIO()
    Image.new("RGB", (40, 30), color).save(written, kind)
    return written.getvalue()


def files_of(*contents: bytes, name: str = "picture.0") -> list[tuple[str, Any]]:
    return [(name, ("holiday in Oslo.jpg", content, "image/jpeg")) for content in contents]


async def post(
    shop: PageShop, invitation: Invitation, fields: dict[str, str], *contents: bytes, **changes: str
) -> httpx.Response:
    token = shop.token(invitation, step=Step.PRODUCT_2)
    return await shop.client.post(f"/i/{token}", data=fields | changes, files=files_of(*(contents or (b"",))))


async def upload(
    shop: PageShop, invitation: Invitation, *contents: bytes, product_id: str | None = "mug"
) -> httpx.Response:
    token = shop.token(invitation)
    data = {"product_id": product_id} if product_id is not None else {}
    files = files_of(*contents, name="picture")
    return await shop.client.post(f"/public/v1/invitations/{token}/pictures", data=data, files=files or None)


async def follow(shop: PageShop, response: httpx.Response) -> Document:
    assert response.status_code == 303, response.text
    return Document.of(await shop.client.get(urljoin(str(response.url), response.headers["Location"])))


async def review_states(shop: PageShop) -> list[str]:
    return [row["state"] for row in await shop.house.rows("SELECT state FROM reviews")]


async def publish(shop: PageShop) -> None:
    [row] = await shop.house.rows("SELECT id FROM ratings")
    approvals = ApprovalService(shop.house.database, clock=shop.house.clock, new_id=new_id)
    await approvals.publish(shop.house.merchant, row["id"], actor="key:first")


def kept(directory: Path) -> list[str]:
    return sorted(str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file())


async def shown_to_all(shop: PageShop, picture_id: UUID | str, merchant_id: str | None = None) -> httpx.Response:
    return await shop.client.get(f"/public/v1/{merchant_id or shop.house.merchant.id}/pictures/{picture_id}")


async def picture_ids(shop: PageShop) -> list[UUID]:
    return [row["id"] for row in await shop.house.rows("SELECT id FROM review_pictures ORDER BY id")]


# On the page


async def test_pictures_are_kept_drawn_again_and_wait_for_the_merchant(shop: PageShop, tmp_path: Path) -> None:
    invitation = await shop.invite()
    page = await follow(shop, await post(shop, invitation, MUG, draw("PNG"), draw("WEBP")))
    assert "Det kan ta noen dager før det blir vist." in page.text
    assert [picture["alt"] for picture in page.pictures] == ["Bilde 1 i omtalen", "Bilde 2 i omtalen"]
    token = shop.token(invitation)
    seen = await shop.client.get(urljoin(f"/i/{token}", page.pictures[0]["src"] or ""))
    assert (seen.status_code, seen.headers["Content-Type"], seen.headers["Cache-Control"]) == (
        200,
        "image/jpeg",
        "no-store",
    )
    assert Image.open(io.BytesIO(seen.content)).size == (40, 30)
    first, second = await picture_ids(shop)
    assert kept(tmp_path) == [f"{shop.house.merchant.id}/{first}.jpg", f"{shop.house.merchant.id}/{second}.jpg"]
    assert await review_states(shop) == ["needs_attention"]
    entries = await shop.house.rows("SELECT data FROM timeline_entries WHERE event = 'feedback_left'")
    assert ["pictures" in row["data"] for row in entries] == [True]


async def test_page_takes_none_where_the_installation_keeps_none(database_url: str) -> None:
    async with PageShop.open(database_url) as shop:
        invitation = await shop.invite()
        page = Document.of(await shop.client.get(f"/i/{shop.token(invitation, step=Step.PRODUCT_2)}"))
        assert "Bilder" not in page.text
        assert (await post(shop, invitation, MUG, draw())).status_code == 303
        assert await review_states(shop) == ["published"]
        refused = await upload(shop, invitation, draw())
        assert (refused.status_code, refused.json()["code"]) == (409, "pictures_closed")


@pytest.mark.parametrize(
    ("contents", "changes", "faults"),
    [
        ([b"GIF89a..."], {}, ["Vi kan ikke vise denne typen fil. Velg et bilde som er JPEG, PNG eller WebP."]),
        ([draw()[:40]], {}, ["Bildet kunne ikke åpnes. Prøv et annet."]),
        ([b"\xff\xd8\xff" + b"x" * MAX_PICTURE_BYTES], {}, ["Bildet er for stort. Det kan være på høyst 8 MB."]),
        ([draw()] * 6, {}, ["Du kan legge til høyst 5 bilder."]),
        ([draw()], {"text.0": " "}, ["Skriv noen ord sammen med bildene."]),
        (
            [b"GIF89a..."],
            {"stars.0": ""},
            [
                "Vi kan ikke vise denne typen fil. Velg et bilde som er JPEG, PNG eller WebP.",
                "Velg hvor mange stjerner du vil gi.",
            ],
        ),
    ],
)
async def test_pictures_that_cannot_be_kept_are_told_with_everything_else(
    shop: PageShop, contents: list[bytes], changes: dict[str, str], faults: list[str]
) -> None:
    invitation = await shop.invite()
    response = await post(shop, invitation, MUG | changes, *contents)
    assert response.status_code == 422
    page = Document.of(response)
    assert [words for words, address in page.links.items() if address == "#item-0"] == faults
    assert await shop.recorded() == NOTHING


async def test_form_says_that_pictures_go_with_their_own_button_and_asks_again_for_lost_ones(shop: PageShop) -> None:
    only_mine = "Publiser denne først: Bilder du har valgt her, går tapt når du publiserer en annen."
    again = "Velg bildene til denne varen på nytt. De ble ikke sendt."
    invitation = await shop.invite("mug", "tent")
    token = shop.token(invitation, step=Step.PRODUCT_2)
    page = Document.of(await shop.client.get(f"/i/{token}"))
    assert (page.text.count(only_mine), page.text.count(again)) == (2, 0)
    tent = {"product.1": "tent", "stars.1": "5", "text.1": "Tett."}
    chosen = files_of(draw(), name="picture.1")
    one = await shop.client.post(f"/i/{token}", data=MUG | tent | {"only": "0"}, files=chosen)
    shown = Document.of(one)
    assert (one.status_code, shown.text.count(only_mine), shown.text.count(again)) == (200, 1, 1)
    assert shown.form.fields["text.1"] == "Tett."
    assert await picture_ids(shop) == []
    both = await shop.client.post(f"/i/{token}", data=MUG | tent | {"publish": "yes"}, files=chosen)
    assert (both.status_code, len(await picture_ids(shop))) == (303, 1)
    # The tent says what stands already, and its pictures would be lost without a word.
    kept_words = await shop.client.post(f"/i/{token}", data=MUG | tent | {"only": "0"}, files=chosen)
    assert (kept_words.status_code, Document.of(kept_words).text.count(again)) == (200, 1)


async def test_form_about_one_product_says_nothing_of_others(shop: PageShop) -> None:
    invitation = await shop.invite()
    page = await shop.client.get(f"/i/{shop.token(invitation, step=Step.PRODUCT_2)}")
    assert "Publiser denne først" not in page.text


async def test_pictures_are_removed_one_by_one_and_what_is_typed_stays(shop: PageShop, tmp_path: Path) -> None:
    invitation = await shop.invite()
    await post(shop, invitation, MUG, draw(), draw())
    first, second = await picture_ids(shop)
    shown = await post(shop, invitation, MUG | {"text.0": "Finere kopp."}, remove=str(first))
    assert shown.status_code == 200
    page = Document.of(shown)
    assert "Bildet er fjernet." in page.text
    assert (page.form.fields["text.0"], page.form.buttons) == (
        "Finere kopp.",
        [("remove", str(second)), ("publish", "yes")],
    )
    assert kept(tmp_path) == [f"{shop.house.merchant.id}/{second}.jpg"]
    assert await review_states(shop) == ["needs_attention"]
    last = await follow(shop, await post(shop, invitation, MUG, remove=str(second)))
    assert "Bildet er fjernet." in last.text
    assert (await review_states(shop), kept(tmp_path), await picture_ids(shop)) == (["published"], [], [])
    assert (await post(shop, invitation, MUG, remove=str(second))).status_code == 303
    assert (await post(shop, invitation, MUG, remove="nonsense")).status_code == 303


async def test_form_with_more_than_pictures_may_have_is_refused(shop: PageShop) -> None:
    invitation = await shop.invite()
    content = b"x" * MAX_PICTURE_BYTES
    response = await post(shop, invitation, MUG, *[content] * 6)
    assert response.status_code == 413
    assert Document.of(response).headings == ["Something went wrong"]


async def test_nothing_is_read_for_a_link_that_leads_nowhere(shop: PageShop) -> None:
    asked = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal asked
        asked += 1
        yield b"--x"

    for path in ("/i/nonsense", "/public/v1/invitations/nonsense/pictures"):
        response = await shop.client.post(
            path, content=body(), headers={"Content-Type": "multipart/form-data; boundary=x"}
        )
        assert (response.status_code, asked) == (404, 0)


# By the public calls


async def test_pictures_are_added_to_a_review_that_was_left(shop: PageShop) -> None:
    invitation = await shop.invite()
    await post(shop, invitation, MUG)
    response = await upload(shop, invitation, draw("JPEG"), draw("PNG"))
    assert response.status_code == 200, response.text
    first, second = await picture_ids(shop)
    assert response.json()["review"] == {
        "text": "Fin kopp.",
        "state": "needs_attention",
        "picture_ids": [str(first), str(second)],
    }
    looked = (await shop.client.get(f"/public/v1/invitations/{shop.token(invitation)}")).json()
    assert looked["takes_pictures"] is True
    assert looked["products"][0]["rating"] == response.json()
    path = f"/public/v1/invitations/{shop.token(invitation)}/pictures/{first}"
    assert (await shop.client.get(path)).headers["Content-Type"] == "image/jpeg"
    removed = await shop.client.delete(path)
    assert (removed.status_code, removed.json()["review"]["picture_ids"]) == (200, [str(second)])
    assert [(await shop.client.request(method, path)).status_code for method in ("GET", "DELETE")] == [404, 404]


@pytest.mark.parametrize(
    ("contents", "product_id", "faults"),
    [
        ([draw()], "tent", [("/ratings/0/review/pictures", "picture_without_text")]),
        (
            [draw()],
            "lamp",
            [("/ratings/0/product_id", "product_unknown"), ("/ratings/0/review/pictures", "picture_without_text")],
        ),
        ([draw(), b"x"], "mug", [("/pictures/1", "picture_wrong_kind")]),
        ([draw()] * 6, "mug", [("/pictures", "too_many_pictures")]),
        ([], "mug", [("/pictures", "missing")]),
    ],
)
async def test_pictures_without_a_place_or_a_sense_are_refused(
    shop: PageShop, contents: list[bytes], product_id: str, faults: list[tuple[str, str]]
) -> None:
    invitation = await shop.invite("mug", "tent")
    await post(shop, invitation, MUG)
    response = await upload(shop, invitation, *contents, product_id=product_id)
    assert response.status_code == 422
    assert [(error["pointer"], error["code"]) for error in response.json()["errors"]] == faults


async def test_review_has_five_pictures_at_most_and_takes_none_when_it_is_old(shop: PageShop) -> None:
    invitation = await shop.invite()
    await post(shop, invitation, MUG, *[draw()] * 4)
    refused = await upload(shop, invitation, draw(), draw())
    assert [error["code"] for error in refused.json()["errors"]] == ["too_many_pictures"]
    assert (await upload(shop, invitation, draw())).status_code == 200
    shop.house.clock.advance(EDITABLE_FOR)
    first = next(iter(await picture_ids(shop)))
    path = f"/public/v1/invitations/{shop.token(invitation)}/pictures/{first}"
    assert (await shop.client.delete(path)).status_code == 200
    late = await upload(shop, invitation, draw())
    assert (late.status_code, late.json()["code"]) == (409, "too_old_to_change")


async def test_one_customer_cannot_keep_the_machine_busy(shop: PageShop) -> None:
    invitation = await shop.invite()
    await post(shop, invitation, MUG)
    for _ in range(PICTURES_PER_MINUTE // 5):
        await upload(shop, invitation, *[b"x"] * 5)
    refused = await upload(shop, invitation, draw())
    assert (refused.status_code, refused.json()["code"]) == (429, "quota_exceeded")
    assert (refused.headers["Retry-After"], refused.headers["Cache-Control"]) == ("60", "no-store")
    page = await post(shop, invitation, MUG, draw())
    assert (page.status_code, Document.of(page).headings) == (429, ["Just a moment"])
    assert page.headers["Retry-After"] == "60"
    shop.house.clock.advance(timedelta(minutes=1))
    assert (await upload(shop, invitation, draw())).status_code == 200


# As others see them


async def test_everybody_sees_a_picture_while_its_text_is_published(shop: PageShop) -> None:
    invitation = await shop.invite()
    await post(shop, invitation, MUG, draw())
    [picture] = await picture_ids(shop)
    assert (await shown_to_all(shop, picture)).status_code == 404
    await publish(shop)
    seen = await shown_to_all(shop, picture)
    assert (seen.status_code, seen.headers["Content-Type"]) == (200, "image/jpeg")
    assert seen.headers["Cache-Control"] == "public, max-age=86400, immutable"
    assert seen.headers["Access-Control-Allow-Origin"] == "*"
    assert (await shown_to_all(shop, picture, "somebody-else")).status_code == 404
    assert (await shown_to_all(shop, "nonsense")).json()["code"] == "picture_not_found"
    # An edit is judged anew.
    await post(shop, invitation, MUG | {"text.0": "Ny tekst."})
    assert (await shown_to_all(shop, picture)).status_code == 404


async def test_customer_sees_no_pictures_of_others(shop: PageShop) -> None:
    invitation = await shop.invite()
    stranger = await shop.invite(order_id="1002", email="ola@example.com")
    await post(shop, invitation, MUG, draw())
    [picture] = await picture_ids(shop)
    for token in (shop.token(stranger), "nonsense", shop.unsubscribe_token(invitation)):
        assert (await shop.client.get(f"/i/{token}/pictures/{picture}")).status_code == 404
        assert (await shop.client.delete(f"/public/v1/invitations/{token}/pictures/{picture}")).status_code == 404
    assert (await shop.client.get(f"/i/{shop.token(invitation)}/pictures/x")).status_code == 404


async def test_merchant_sees_pictures_before_they_are_published(shop: PageShop) -> None:
    invitation = await shop.invite()
    await post(shop, invitation, MUG, draw())
    [picture] = await picture_ids(shop)
    [row] = await shop.house.rows("SELECT id FROM ratings")
    pictures = shop.app.state.factory.create_pictures()
    content = await pictures.find_of_rating(shop.house.merchant.id, row["id"], picture)
    assert Image.open(io.BytesIO(content)).size == (40, 30)


# What lies about


async def test_pictures_that_go_with_nothing_are_removed_after_an_hour(shop: PageShop, tmp_path: Path) -> None:
    invitation = await shop.invite()
    pictures = shop.app.state.factory.create_pictures()
    await post(shop, invitation, MUG, draw())
    [hung] = await picture_ids(shop)
    await post(shop, invitation, MUG | {"stars.0": "9"}, draw())
    assert len(kept(tmp_path)) == 2
    assert await pictures.clean() == 0
    shop.house.clock.advance(LOOSE_FOR)
    assert await pictures.clean() == 1
    assert kept(tmp_path) == [f"{shop.house.merchant.id}/{hung}.jpg"]
    assert await picture_ids(shop) == [hung]


async def test_many_pictures_that_go_with_nothing_are_all_removed_at_one_time(shop: PageShop) -> None:
    stored_at, loose = shop.house.clock.now - LOOSE_FOR, [new_id() for _ in range(CLEANED_AT_ONCE + 1)]
    async with shop.house.database.transaction() as stores:
        await stores.pictures.add(shop.house.merchant.id, loose, real_now=stored_at)
    assert await shop.app.state.factory.create_pictures().clean() == len(loose)


async def test_picture_is_removed_from_its_review_where_no_pictures_are_kept_any_more(shop: PageShop) -> None:
    invitation = await shop.invite()
    await post(shop, invitation, MUG, draw())
    [picture] = await picture_ids(shop)
    closed = make_app(replace(shop.context, picture_room=replace(shop.context.picture_room, shelf=None)))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(closed), base_url=BASE_URL) as client:
        path = f"/public/v1/invitations/{shop.token(invitation)}/pictures/{picture}"
        removed = await client.delete(path)
    assert (removed.status_code, removed.json()["review"]["picture_ids"]) == (200, [])
    # Its file is removed once there is a shelf again.
    assert await picture_ids(shop) == [picture]
    shop.house.clock.advance(LOOSE_FOR)
    assert await shop.app.state.factory.create_pictures().clean() == 1


async def test_shelf_that_fails_is_told_and_asked_again_later(shop: PageShop, tmp_path: Path) -> None:
    invitation = await shop.invite()
    await post(shop, invitation, MUG)
    # A file where the merchant's directory should be.
    (tmp_path / shop.house.merchant.id).write_bytes(b"")
    failed = await upload(shop, invitation, draw())
    assert (failed.status_code, failed.json()["code"]) == (503, "pictures_unavailable")
    assert failed.headers["Retry-After"] == "1"
    page = await post(shop, invitation, MUG, draw())
    assert (page.status_code, Document.of(page).headings) == (503, ["Something went wrong"])
    assert page.headers["Retry-After"] == "1"
    pictures = shop.app.state.factory.create_pictures()
    shop.house.clock.advance(LOOSE_FOR)
    assert await pictures.clean() == 0
    (tmp_path / shop.house.merchant.id).unlink()
    assert await pictures.clean() == 2
    assert await picture_ids(shop) == []
