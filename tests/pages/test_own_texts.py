"""Hosted pages in the merchant's own words."""

from typing import Any

from invite_service.bootstrap import Factory
from invite_service.domain.texts import AsksFor, FieldValue, MerchantText, TextName
from invite_service.rendering.texts import texts_of
from tests.pages.shop import PageShop
from tests.support.builders import make_branding


async def write(shop: PageShop, name: TextName, fields: dict[str, FieldValue], **changes: Any) -> None:
    await (
        Factory(shop.context)
        .create_texts()
        .replace(
            shop.house.merchant.id,
            MerchantText(name=name, language="nb", fields=fields, **changes),
            replacing=None,
            actor="key:shop",
        )
    )


async def test_page_has_the_merchants_words_and_the_catalogues_for_the_rest(shop: PageShop) -> None:
    invitation = await shop.invite(language="nb")
    address = f"/i/{shop.token(invitation)}"
    await write(
        shop, TextName.PAGE, {"ask_title": "Alt <b>her</b>?", "ask_lead": "En linje\nog en til", "ask_yes": "Jada"}
    )
    page = (await shop.client.get(address)).text
    assert "<h1>Alt &lt;b&gt;her&lt;/b&gt;?</h1>" in page
    assert '<p class="lead">En linje<br>og en til</p>' in page
    assert ">Jada</button>" in page
    assert f">{texts_of('nb')('ask_no')}</button>" in page
    await write(shop, TextName.PAGE, {"ask_title": "Nytt"})
    assert "<h1>Nytt</h1>" in (await shop.client.get(address)).text


async def test_notice_of_missing_goods_is_the_merchants_on_the_page_and_for_its_own(shop: PageShop) -> None:
    invitation = await shop.invite(language="nb", name="Kari & Ola")
    token = shop.token(invitation)
    await write(shop, TextName.NOT_RECEIVED, {"notice": "Ring oss, {{ customer_name }}!\nTakk", "greeting": "Hei du"})
    page = (await shop.client.get(f"/i/{token}?received=no")).text
    assert "<p>Ring oss, Kari &amp; Ola!<br>Takk</p>" in page
    assert ">Hei du</p>" in page
    answer = await shop.client.post(f"/public/v1/invitations/{token}/not-received")
    assert answer.json()["notice"] == "Ring oss, Kari & Ola!\nTakk"


async def test_stars_are_asked_for_at_once_where_the_merchant_wants_it(shop: PageShop) -> None:
    invitation = await shop.invite("mug", "tent", language="nb")
    address = f"/i/{shop.token(invitation)}"
    assert 'name="received"' in (await shop.client.get(address)).text
    assert 'name="stars.0"' in (await shop.client.get(f"{address}?stars=4&product_id=mug")).text
    await write(shop, TextName.PRODUCT_1, {}, asks_for=AsksFor.STARS)
    for query in ("", "?skip=1", "?stars=4"):
        assert 'name="stars.0"' in (await shop.client.get(address + query)).text


async def test_word_that_fails_gives_way_to_the_catalogues(shop: PageShop) -> None:
    invitation = await shop.invite(language="nb")
    fields: dict[str, FieldValue] = {"ask_title": "{% if merchant_name == 'The Gift Shop' %}{% else %}Hei{% endif %}"}
    async with shop.house.database.transaction() as stores:
        await stores.texts.add(
            shop.house.merchant.id,
            MerchantText(
                name=TextName.PAGE,
                language="nb",
                version=1,
                fields=fields,
                changed_at=shop.house.clock.now,
                changed_by="key:shop",
            ),
        )
    page = await shop.client.get(f"/i/{shop.token(invitation)}")
    assert page.status_code == 200
    assert f"<h1>{texts_of('nb')('ask_title')}</h1>" in page.text


async def test_support_can_be_rung(shop: PageShop) -> None:
    await shop.brand(make_branding(support_phone="+47 22 00 00 00"))
    invitation = await shop.invite(language="nb")
    token = shop.token(invitation)
    page = (await shop.client.get(f"/i/{token}?received=no")).text
    assert 'href="tel:+4722000000">+47 22 00 00 00</a>' in page
    answer = await shop.client.post(f"/public/v1/invitations/{token}/not-received")
    assert answer.json()["support_phone"] == "+47 22 00 00 00"
