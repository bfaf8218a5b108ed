"""A real browser, for pages: what they complain of, what axe finds, whether they fit."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any, Final, Literal

from playwright.async_api import Browser, ConsoleMessage, Page, ViewportSize, async_playwright

from tests.support.needing import program

Scheme = Literal["light", "dark"]

DESKTOP: Final[ViewportSize] = {"width": 1280, "height": 900}
PHONE: Final[ViewportSize] = {"width": 390, "height": 844}
NARROW: Final[ViewportSize] = {"width": 320, "height": 640}
"""As wide as a page must still fit (WCAG 2.2, 1.4.10)."""

_NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "chrome")
_HEADLESS: Final = ("--no-sandbox", "--disable-gpu")


@dataclass
class Visit:
    """A page that is open, and what it has complained of: scripts that failed, policies it broke."""

    page: Page
    complaints: list[str] = field(default_factory=list)

    async def serious_findings(self) -> list[str]:
        """What axe finds that keeps people out: each serious or critical finding with its places."""
        return [_told(finding) for finding in await self._found() if finding["impact"] in {"serious", "critical"}]

    async def findings(self) -> list[str]:
        """Everything that axe finds, however small."""
        return [_told(finding) for finding in await self._found()]

    async def _found(self) -> list[dict[str, Any]]:  # JSON of any shape
        # evaluated by the browser itself, since the page's own policy lets no foreign script in
        await self.page.evaluate(files("tests.support").joinpath("axe.min.js").read_text())
        found: list[dict[str, Any]] = json.loads(
            await self.page.evaluate("axe.run().then((found) => JSON.stringify(found.violations))")
        )
        return found

    async def sideways(self) -> int:
        """By how many pixels the page is wider than its window."""
        wider: int = await self.page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        return wider

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.complaints.append(message.text)


def _told(finding: dict[str, Any]) -> str:  # JSON of any shape
    places = [" ".join(node["target"]) + ": " + node["failureSummary"] for node in finding["nodes"]]
    return f"{finding['id']} ({finding['impact']}): {places}"


def find_browser() -> str:
    """Where Chromium is."""
    return program(*_NAMES)


@asynccontextmanager
async def open_browser() -> AsyncIterator[Browser]:
    """Chromium without a window."""
    path = find_browser()
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=list(_HEADLESS))
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def visiting(
    browser: Browser, address: str, viewport: ViewportSize = DESKTOP, scheme: Scheme = "light"
) -> AsyncIterator[Visit]:
    """Opens a page in a profile of its own."""
    context = await browser.new_context(viewport=viewport, color_scheme=scheme, reduced_motion="reduce")
    page = await context.new_page()
    visit = Visit(page)
    page.on("console", visit._heard)
    page.on("pageerror", lambda error: visit.complaints.append(str(error)))
    await page.goto(address)
    try:
        yield visit
    finally:
        await context.close()


async def blameless(visit: Visit) -> None:
    """Fails unless the page keeps nobody out, fits its window and has nothing to complain of."""
    assert await visit.serious_findings() == []
    assert await visit.sideways() == 0
    assert visit.complaints == []
