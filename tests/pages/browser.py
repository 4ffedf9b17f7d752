"""A real browser, where Debian's chromium is installed, and a server for it to visit."""

import asyncio
import contextlib
import os
import re
import shutil
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import uvicorn
from axe_playwright_python.async_playwright import Axe
from fastapi import FastAPI
from playwright.async_api import Browser, BrowserContext, Page, Route, async_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

needs_chromium = pytest.mark.skipif(  # `make test` needs Python and make only; CI installs one, and fails without it
    CHROMIUM is None, reason="needs Debian's chromium, and found none"
)

_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
]

_PICTURE = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64" width="64" height="64">'
    '<rect width="64" height="64" fill="#2f6f8f"/></svg>'
)

PRESSABLE = """
() => [...document.querySelectorAll("a, button:not([aria-hidden]), summary, .stars label")]
    .map((element) => [element.getBoundingClientRect().height, element.textContent.trim()])
"""
"""Everything that a thumb may press: its height in pixels, and what it says."""


@contextlib.asynccontextmanager
async def served(app: FastAPI) -> AsyncIterator[str]:
    """Serve an application on loopback, and tell its address."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off"))
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await task


@contextlib.asynccontextmanager
async def started_browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=_ARGUMENTS)
        try:
            yield browser
        finally:
            await browser.close()


@contextlib.asynccontextmanager
async def opened(browser: Browser, *, width: int, scheme: str = "light", scripts: bool = True) -> AsyncIterator[Page]:
    """Open a window; pictures of the shop are drawn here, and nothing else leaves the machine."""
    context: BrowserContext = await browser.new_context(
        viewport={"width": width, "height": 700},
        color_scheme="dark" if scheme == "dark" else "light",
        java_script_enabled=scripts,
        reduced_motion="reduce",
        locale="nb-NO",
    )
    await context.route(re.compile("^https://"), _draw)
    try:
        yield await context.new_page()
    finally:
        await context.close()


async def _draw(route: Route) -> None:
    if route.request.resource_type == "image":
        await route.fulfill(body=_PICTURE, content_type="image/svg+xml")
    else:
        await route.abort()


async def shoot(page: Page, name: str) -> None:
    """Keep what a page looks like for whoever wants to see it, where SCREENSHOTS_DIR says where; `.ci/run` does."""
    if directory := os.environ.get("SCREENSHOTS_DIR"):
        await page.screenshot(path=Path(directory) / f"{name}.png", full_page=True)


async def scroll_width(page: Page) -> int:
    width: int = await page.evaluate("document.documentElement.scrollWidth")
    return width


async def violations_of(page: Page) -> list[str]:
    """Name what axe finds wrong, with the elements."""
    found = await Axe().run(page)
    return [
        f"{violation['id']}: {', '.join(str(node['target']) for node in violation['nodes'])}"
        for violation in found.response["violations"]
    ]
