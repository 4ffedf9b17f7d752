"""The hosted pages and the mails in a real browser: accessible, never wider than the screen, of use without scripts."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, FilePayload, expect

from invite_service.domain.branding import Branding
from invite_service.domain.invitation import Step
from tests.pages.browser import (
    PRESSABLE,
    needs_chromium,
    opened,
    scroll_width,
    served,
    shoot,
    violations_of,
)
from tests.pages.shop import NOTHING, PageShop
from tests.pages.test_pictures import draw
from tests.rendering.messages import MUG, TENT, render_message
from tests.support.builders import make_branding, make_line, make_merchant

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module"), needs_chromium]


@pytest_asyncio.fixture(name="shop", loop_scope="module")
async def shop_beside_the_browser(database_url: str, tmp_path: Path) -> AsyncIterator[PageShop]:
    """As everywhere, in the loop of the browser that the tests of this file share."""
    async with PageShop.open(database_url, picture_dir=tmp_path) as shop:
        yield shop


THUMB = 44
"""Pixels: WCAG 2.2, 2.5.5."""

LONG_NAME = "Donaudampfschifffahrtsgesellschaftskapitänsmützenabzeichen" * 2


async def addresses_of(shop: PageShop) -> dict[str, str]:
    """Prepare one of each page, and tell where they are by what they are."""
    lines = (make_line(id="mug", name=LONG_NAME), make_line(id="tent", image_url=None), make_line(id="lamp"))
    several = await shop.house.invite(lines=lines)
    single = await shop.house.invite(order_id="1002", email="ola@example.com")
    answered = await shop.house.invite(order_id="1003", email="per@example.com", products=("mug", "tent"))
    fields = {"consent": "yes", "product.0": "mug", "stars.0": "4", "text.0": "Nydelig kopp!"}
    picture = {"picture.0": ("a.png", draw())}
    await shop.client.post(f"/i/{shop.token(answered)}", data=fields, files=picture)
    long_ago = await shop.house.invite(order_id="1004", email="eva@example.com", products=("mug",))
    await shop.client.post(f"/i/{shop.token(long_ago)}", data=fields, files=picture)
    await shop.house.rows(
        "UPDATE reviews SET created_at = created_at - interval '40 days' "
        "WHERE rating_id IN (SELECT id FROM ratings WHERE invitation_id = $1)",
        long_ago.id,
    )
    several_token, single_token = (shop.token(invitation, step=Step.PRODUCT_2) for invitation in (several, single))
    gone = await shop.house.invite(order_id="1005", email="gone@example.com")
    await shop.erase("gone@example.com")
    return {
        "ask": f"/i/{shop.token(several)}",
        "rate-several": f"/i/{several_token}?stars=4&product_id=tent",
        "rate-one": f"/i/{single_token}?stars=4",
        "not-received": f"/i/{single_token}?received=no",
        "thanks": f"/i/{shop.token(answered)}?thanks=yes",
        "change": f"/i/{shop.token(answered)}?change=yes",
        "saved": f"/i/{shop.token(answered)}?saved=mug",
        "answered": f"/i/{shop.token(long_ago)}",
        "unsubscribe": f"/u/{shop.unsubscribe_token(single)}",
        "review-policy": f"/p/{shop.house.merchant.id}/review-policy",
        "erased": f"/i/{shop.token(gone)}",
        "unknown": "/i/nonsense",
    }


@pytest.mark.parametrize(
    ("width", "scheme", "color"),
    [(320, "light", "#7a1fa2"), (320, "dark", "#ffe14d"), (1280, "light", "#ffe14d"), (1280, "dark", "#7a1fa2")],
)
async def test_pages_are_accessible_and_fit(
    shop: PageShop, browser: Browser, width: int, scheme: str, color: str
) -> None:
    await shop.brand(make_branding(primary_color=color))
    addresses = await addresses_of(shop)
    async with served(shop.app) as base, opened(browser, width=width, scheme=scheme) as page:
        # What the policy of a page forbids is complained about here; that the last two links are not known is right.
        complaints: list[str] = []
        page.on("console", lambda message: complaints.append(message.text))
        for name, address in addresses.items():
            await page.goto(base + address)
            await shoot(page, f"{name}-{width}-{scheme}")
            assert await violations_of(page) == [], address
            assert await scroll_width(page) <= width, address
            assert [found for found in await page.evaluate(PRESSABLE) if found[0] < THUMB] == [], address
        await page.goto(base + addresses["rate-several"])
        await page.get_by_role("button", name="Publiser", exact=True).click()
        expected = "Failed to load resource: the server responded with a status of 404 (Not Found)"
        assert complaints == [expected] * 2


async def test_faults_are_accessible_and_lead_to_their_fields(shop: PageShop, browser: Browser) -> None:
    invitation = await shop.invite("mug", "tent")
    token = shop.token(invitation, step=Step.PRODUCT_2)
    async with served(shop.app) as base, opened(browser, width=320) as page:
        await page.goto(f"{base}/i/{token}")
        await page.get_by_text("Skriv en omtale").first.click()
        await page.get_by_label("Omtalen din").first.fill("Fin kopp")
        await page.get_by_role("button", name="Publiser", exact=True).click()
        await expect(page.get_by_role("alert")).to_contain_text("The mug: Velg hvor mange stjerner du vil gi.")
        assert await violations_of(page) == []
        assert await scroll_width(page) <= 320
        assert await page.get_by_label("Omtalen din").first.input_value() == "Fin kopp"
        await page.get_by_role("link", name="The mug: Velg hvor mange stjerner du vil gi.").click()
        await expect(page.locator("#item-0")).to_be_in_viewport()
    assert await shop.recorded() == NOTHING


async def test_browser_that_opens_every_link_again_and_again_records_nothing(shop: PageShop, browser: Browser) -> None:
    invitation = await shop.invite("mug", "tent")
    pages = [f"/i/{shop.token(invitation, step=step)}" for step in (Step.PRODUCT_1, Step.PRODUCT_2)]
    addresses = [page + query for page in pages for query in ("", "?received=no", "?stars=5&product_id=mug")]
    addresses.append(f"/u/{shop.unsubscribe_token(invitation)}")
    async with served(shop.app) as base, opened(browser, width=320) as page:
        for address in addresses * 5:
            await page.goto(base + address)
    assert await shop.recorded() == NOTHING
    assert await shop.house.invitation(invitation.id) == invitation


@pytest.mark.parametrize("scripts", [True, False])
async def test_customer_goes_the_whole_way(shop: PageShop, browser: Browser, *, scripts: bool) -> None:
    invitation = await shop.invite("mug", "tent")
    async with served(shop.app) as base, opened(browser, width=360, scripts=scripts) as page:
        await page.goto(f"{base}/i/{shop.token(invitation)}")
        await page.get_by_role("button", name="Ja, jeg har fått alt").click()
        await page.get_by_role("group", name="The mug").get_by_text("4 stjerner").locator("..").click()
        await page.get_by_text("Skriv en omtale").first.click()
        await page.get_by_label("Omtalen din").first.fill("Nydelig kopp!")
        await page.get_by_role("button", name="Publiser", exact=True).click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("Takk!")
        await page.reload()
        await expect(page.get_by_text("Nydelig kopp!")).to_be_visible()
        await page.get_by_role("link", name="Vurder 1 vare til").click()
        await expect(page.get_by_role("group").first).to_have_accessible_name("The tent")
    rows = await shop.house.rows("SELECT product_id, stars FROM ratings")
    assert [tuple(row) for row in rows] == [("mug", 4)]


@pytest.mark.parametrize("scripts", [True, False])
async def test_each_product_is_saved_on_its_own_with_its_picture(
    shop: PageShop, browser: Browser, *, scripts: bool
) -> None:
    invitation = await shop.invite("mug", "tent")
    token = shop.token(invitation, step=Step.PRODUCT_2)
    picture: FilePayload = {"name": "a.png", "mimeType": "image/png", "buffer": draw()}
    async with served(shop.app) as base, opened(browser, width=360, scripts=scripts) as page:
        await page.goto(f"{base}/i/{token}")
        mug, tent = page.get_by_role("group", name="The mug"), page.get_by_role("group", name="The tent")
        await tent.get_by_text("2 stjerner").locator("..").click()
        await mug.get_by_text("4 stjerner").locator("..").click()
        await mug.get_by_text("Skriv en omtale").click()
        await mug.get_by_label("Omtalen din").fill("Nydelig kopp!")
        await mug.get_by_label("Bilder").set_input_files(picture)
        await mug.get_by_role("button", name="Publiser denne").click()
        await expect(page.get_by_text("Lagret: The mug")).to_be_visible()
        await expect(mug.get_by_role("img", name="Bilde 1 i omtalen")).to_be_visible()
        await expect(tent.get_by_label("2 stjerner")).to_be_checked()
        rows = await shop.house.rows("SELECT product_id, stars FROM ratings")
        assert [tuple(row) for row in rows] == [("mug", 4)]
        await mug.get_by_role("button", name="Fjern bilde 1").click()
        await expect(page.get_by_text("Bildet er fjernet.")).to_be_visible()
        assert await shop.house.rows("SELECT FROM review_pictures") == []


async def test_enter_publishes_all_that_is_filled_in(shop: PageShop, browser: Browser) -> None:
    invitation = await shop.invite("mug", "tent")
    token = shop.token(invitation, step=Step.PRODUCT_2)
    async with served(shop.app) as base, opened(browser, width=360) as page:
        await page.goto(f"{base}/i/{token}")
        await page.get_by_role("group", name="The tent").get_by_label("1 stjerne").focus()
        await page.keyboard.press("ArrowRight")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", level=1)).to_have_text("Takk!")
    rows = await shop.house.rows("SELECT product_id, stars FROM ratings")
    assert [tuple(row) for row in rows] == [("tent", 2)]


async def test_stars_can_be_given_by_keyboard_alone(shop: PageShop, browser: Browser) -> None:
    invitation = await shop.invite()
    token = shop.token(invitation, step=Step.PRODUCT_2)
    async with served(shop.app) as base, opened(browser, width=1280) as page:
        await page.goto(f"{base}/i/{token}")
        await page.get_by_label("1 stjerne").focus()
        for _ in range(2):
            await page.keyboard.press("ArrowRight")
        await expect(page.get_by_label("3 stjerner")).to_be_checked()
        await page.keyboard.press("Tab")
        await page.keyboard.type("Grei nok.")
        for _ in range(2):
            await page.keyboard.press("Tab")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", level=1)).to_have_text("Takk!")
    [row] = await shop.house.rows("SELECT stars FROM ratings")
    assert row[0] == 3


async def test_browser_that_only_looks_records_nothing(shop: PageShop, browser: Browser) -> None:
    await shop.brand()
    invitation = await shop.invite()
    page_token, unsubscribe_token = shop.token(invitation), shop.unsubscribe_token(invitation)
    queries = ("", "?received=yes", "?received=no", *(f"?stars={stars}" for stars in range(1, 6)))
    async with served(shop.app) as base, opened(browser, width=360) as page:
        for address in (*(f"/i/{page_token}{query}" for query in queries), f"/u/{unsubscribe_token}"):
            await page.goto(base + address, wait_until="load")
            await page.evaluate("document.documentElement.scrollTo(0, 9999)")
    assert await shop.recorded() == NOTHING


@pytest.mark.parametrize("step", Step)
@pytest.mark.parametrize(
    ("scheme", "branding"),
    [("light", make_branding()), ("dark", Branding(primary_color="#ffe14d", background_color="#20242b"))],
)
async def test_mails_are_accessible_and_fit(browser: Browser, step: Step, scheme: str, branding: Branding) -> None:
    merchant = make_merchant(name=LONG_NAME[:58] + " & Co")
    message = render_message(step=step, products=(MUG, TENT), branding=branding, merchant=merchant)
    assert message.html is not None
    async with opened(browser, width=360, scheme=scheme) as page:
        await page.set_content(message.html)
        # A mail is shown inside a program that has landmarks of its own.
        assert [found for found in await violations_of(page) if not found.startswith(("region", "landmark"))] == []
        for width in (320, 360, 800):
            await page.set_viewport_size({"width": width, "height": 700})
            assert await scroll_width(page) <= width
