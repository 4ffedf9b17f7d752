"""A merchant's own page with our script, in a real browser, on a site and under a policy of the merchant's."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
from fastapi import FastAPI
from playwright.async_api import Browser, Page, expect
from starlette.responses import HTMLResponse

from invite_service.domain.invitation import Invitation, Step
from invite_service.rendering.own_page import SCRIPT_VERSIONS, script_of
from tests.pages.browser import (
    PRESSABLE,
    needs_chromium,
    opened,
    scroll_width,
    served,
    violations_of,
)
from tests.pages.shop import NOTHING, PageShop
from tests.support.builders import make_branding, make_policy

ROOT = Path(__file__).parents[2]

MAX_BYTES = 5 * 1024

RELEASED = {1: "sha384-HujyuKihTBmyqkvOocW3ehz/B6sh2qpbA1xVtWipN7AJZZmy889F0lkV81X+O3WI"}
"""What pages name: a version that was released stays as it is."""


# What is served


beside_the_browser = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(name="shop", loop_scope="module")
async def shop_beside_the_browser(database_url: str, tmp_path: Path) -> AsyncIterator[PageShop]:
    """As everywhere, in the loop of the browser that the tests of this file share."""
    async with PageShop.open(database_url, picture_dir=tmp_path) as shop:
        yield shop


@beside_the_browser
async def test_script_is_small_and_may_be_kept(shop: PageShop) -> None:
    newest = await shop.client.get("/public/v1/invite.js")
    assert newest.headers["Cache-Control"] == "public, max-age=3600"
    versioned = await shop.client.get(f"/public/v1/invite-{SCRIPT_VERSIONS[-1]}.js")
    assert versioned.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    for answer in (newest, versioned):
        assert len(answer.content) <= MAX_BYTES
        assert answer.content == script_of(SCRIPT_VERSIONS[-1]).content
        assert answer.headers["Content-Type"] == "text/javascript; charset=utf-8"
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
    # What stands in front of the service weakens the ETag where it compresses.
    for etag in (newest.headers["ETag"], f'"other", W/{newest.headers["ETag"]}'):
        known = await shop.client.get("/public/v1/invite.js", headers={"If-None-Match": etag})
        assert (known.status_code, known.content) == (304, b"")


def test_released_versions_stay_as_they_are_and_pages_name_them() -> None:
    assert {version: script_of(version).integrity for version in SCRIPT_VERSIONS} == RELEASED
    newest = RELEASED[SCRIPT_VERSIONS[-1]]
    for path in ("docs/own-page.md", "examples/own-page/index.html"):
        assert re.findall(r"integrity=\"(.+?)\"", (ROOT / path).read_text(encoding="utf-8")) == [newest], path


# In a browser


@dataclass
class Site:
    """A page of the merchant's, on an origin of its own, and whatever the browser complained about there."""

    shop: PageShop
    page: Page
    address: str
    complaints: list[str]

    async def open(self, invitation: Invitation, query: str = "", *, step: Step | None = None) -> None:
        await self.page.goto(
            f"{self.address}/p/mug?ref=mail&invite_token={self.shop.token(invitation, step=step)}{query}"
        )

    async def check(self) -> None:
        """Nobody may be kept out of the dialog as it stands."""
        await expect(self.page.get_by_role("dialog")).to_be_visible()
        assert await violations_of(self.page) == []
        assert await scroll_width(self.page) <= 360
        assert [found for found in await self.page.evaluate(PRESSABLE_IN_DIALOG) if found[0] < 44] == []


PRESSABLE_IN_DIALOG = PRESSABLE.replace("document.", "[...document.body.children].at(-1).shadowRoot.")


@asynccontextmanager
async def opened_site(shop: PageShop, browser: Browser, *, is_known: bool = True) -> AsyncIterator[Site]:
    """Serve the example page from an origin of its own, under a strict policy, and open a browser."""
    site = FastAPI()
    async with served(shop.app) as api, served(site) as address:
        html = (ROOT / "examples/own-page/index.html").read_text(encoding="utf-8").replace("http://127.0.0.1:8000", api)
        policy = (
            f"default-src 'none'; script-src {api}; connect-src {api}; img-src data:; "
            "require-trusted-types-for 'script'; base-uri 'none'; form-action 'none'"
        )

        @site.get("/p/mug")
        async def show() -> HTMLResponse:
            return HTMLResponse(html, headers={"Content-Security-Policy": policy})

        await shop.brand(make_branding(sites=(address,) if is_known else ("https://gifts.example",)))
        async with opened(browser, width=360) as page:
            complaints: list[str] = []
            page.on("console", lambda message: complaints.append(message.text))
            page.on("pageerror", lambda error: complaints.append(str(error)))
            yield Site(shop, page, address, complaints)


pytestmark = [pytest.mark.browser]


@needs_chromium
@beside_the_browser
async def test_customer_goes_the_whole_way_on_the_merchants_page(shop: PageShop, browser: Browser) -> None:
    invitation = await shop.invite("mug", "tent")
    async with opened_site(shop, browser) as site:
        page = site.page
        await site.open(invitation)
        dialog = page.get_by_role("dialog", name="Har bestillingen kommet frem?")
        await expect(dialog).to_be_visible()
        await site.check()
        assert page.url == f"{site.address}/p/mug?ref=mail"
        await page.get_by_role("button", name="Ja, jeg har fått alt").click()
        await site.check()
        mug, tent = (page.locator("form").filter(has_text=name) for name in ("The mug", "The tent"))
        await mug.locator("label[for='0-3']").click()
        await mug.get_by_label("Omtalen din").fill("Nydelig kopp!")
        await mug.get_by_role("button", name="Publiser").click()
        await expect(mug.get_by_role("status")).to_have_text("Lagret")
        rows = await shop.house.rows("SELECT product_id, stars, text FROM ratings JOIN reviews ON rating_id = id")
        assert [tuple(row) for row in rows] == [("mug", 4, "Nydelig kopp!")]
        await tent.locator("label[for='1-1']").click()
        await tent.get_by_role("button", name="Publiser").click()
        await expect(page.get_by_role("heading", level=2)).to_have_text("Takk!")
        await site.check()
        await page.get_by_role("button", name="Lukk").click()
        await expect(page.get_by_role("dialog")).to_have_count(0)
        assert site.complaints == []
    assert (await shop.recorded())["ratings"] == 2


@needs_chromium
@beside_the_browser
async def test_not_yet_is_reported_and_answered_with_the_notice(shop: PageShop, browser: Browser) -> None:
    invitation = await shop.invite()
    async with opened_site(shop, browser) as site:
        await site.open(invitation, "&received=no")
        await site.check()
        assert await shop.recorded() == NOTHING
        await site.page.get_by_role("button", name="Meld fra").click()
        await expect(site.page.get_by_role("heading", level=2)).to_have_text("Takk for beskjed")
        await expect(site.page.get_by_text("Vi beklager at du fortsatt venter")).to_be_visible()
        await expect(site.page.get_by_role("link", name="Kontakt The Gift Shop")).to_be_visible()
        await site.check()
        assert site.complaints == []
    assert (await shop.house.invitation(invitation.id)).not_received_on is not None


@needs_chromium
@beside_the_browser
async def test_dialog_is_used_by_keyboard_alone(shop: PageShop, browser: Browser) -> None:
    invitation = await shop.invite()
    async with opened_site(shop, browser) as site:
        await site.open(invitation, "&stars=4", step=Step.PRODUCT_2)
        await expect(site.page.get_by_label("4 stjerner")).to_be_checked()
        await site.page.keyboard.press("Tab")
        await site.page.keyboard.press("ArrowLeft")
        await expect(site.page.get_by_label("3 stjerner")).to_be_checked()
        await site.page.keyboard.press("Tab")
        await site.page.keyboard.type("Grei nok.")
        await site.page.keyboard.press("Tab")
        await site.page.keyboard.press("Enter")
        await expect(site.page.get_by_role("heading", level=2)).to_have_text("Takk!")
        await site.page.keyboard.press("Escape")
        await expect(site.page.get_by_role("dialog")).to_have_count(0)
    [row] = await shop.house.rows("SELECT stars, text FROM ratings JOIN reviews ON rating_id = id")
    assert tuple(row) == (3, "Grei nok.")


@needs_chromium
@beside_the_browser
async def test_page_without_a_token_or_of_another_site_opens_nothing(shop: PageShop, browser: Browser) -> None:
    invitation = await shop.invite()
    async with opened_site(shop, browser, is_known=False) as site:
        await site.page.goto(f"{site.address}/p/mug")
        await site.open(invitation)
        await site.page.wait_for_load_state("networkidle")
        await expect(site.page.get_by_role("dialog")).to_have_count(0)
        assert any("blocked by CORS policy" in complaint for complaint in site.complaints)
    assert await shop.recorded() == NOTHING


@needs_chromium
@beside_the_browser
async def test_browser_that_only_looks_at_the_merchants_page_records_nothing(shop: PageShop, browser: Browser) -> None:
    invitation = await shop.invite("mug", "tent")
    async with opened_site(shop, browser) as site:
        for query in ("", "&received=yes", "&received=no", "&stars=5&product_id=tent"):
            await site.open(invitation, query)
            await expect(site.page.get_by_role("dialog")).to_be_visible()
    assert await shop.recorded() == NOTHING


@needs_chromium
@beside_the_browser
async def test_old_answer_is_shown_and_cannot_be_changed(shop: PageShop, browser: Browser) -> None:
    invitation = await shop.invite()
    fields = {"consent": "yes", "product.0": "mug", "stars.0": "4", "text.0": "Fin kopp."}
    await shop.client.post(f"/i/{shop.token(invitation)}", data=fields)
    await shop.house.rows("UPDATE reviews SET created_at = created_at - interval '40 days'")
    async with opened_site(shop, browser) as site:
        await site.open(invitation, step=Step.PRODUCT_2)
        await expect(site.page.get_by_label("Omtalen din")).to_have_value("Fin kopp.")
        await expect(site.page.get_by_label("Omtalen din")).to_be_disabled()
        await site.check()


@needs_chromium
@beside_the_browser
async def test_service_is_asked_about_too(database_url: str, browser: Browser) -> None:
    async with PageShop.open(database_url, policy=make_policy(service_percent=100)) as shop:
        invitation = await shop.invite()
        async with opened_site(shop, browser) as site:
            await site.open(invitation, "&stars=5")
            await expect(
                site.page.get_by_role("dialog", name="Hvordan var det å handle hos The Gift Shop?")
            ).to_be_visible()
            await site.check()
            await site.page.get_by_role("button", name="Publiser").click()
            await expect(site.page.get_by_role("heading", level=2)).to_have_text("Takk!")
        [row] = await shop.house.rows("SELECT product_id, stars FROM ratings")
        assert tuple(row) == ("", 5)
