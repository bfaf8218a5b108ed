"""The page in a real browser: it shows what there is, lives, fits, and keeps nobody out."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
from playwright.async_api import Browser, Page, ViewportSize, expect

from schemas.alert import Alert
from services.monitor.silence import FIRST_ANSWER
from tests.integration.monitor.conftest import World
from tests.support.answers import answered
from tests.support.browsing import DESKTOP, PHONE, Scheme, blameless, open_browser, visiting
from tests.support.events import decided, delivered, scored
from tests.support.scenes import Scene
from tests.support.serving import served

PATIENCE_MS = 15_000

expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with open_browser() as browser:
        yield browser


@pytest.fixture
async def busy(world: World) -> AsyncIterator[str]:
    """The address of a monitor with three months of answers."""
    scene = Scene(world.clock.now(), days=100, a_day=4)
    await world.frame.publisher.publish(scene.records())
    async with served(world.settings, world.monitor()) as address:
        yield address


async def settled(page: Page) -> None:
    await expect(page.locator("#connection")).to_have_attribute("data-state", "live")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
async def test_a_busy_page_keeps_nobody_out_and_fits(
    browser: Browser, busy: str, viewport: ViewportSize, scheme: Scheme
) -> None:
    async with visiting(browser, busy, viewport, scheme) as visit:
        await expect(visit.page.locator("#answers > li")).to_have_count(8)
        await visit.page.locator("#days-table > summary").click()
        await visit.page.locator("#answers summary").first.click()
        await settled(visit.page)
        await blameless(visit)


async def test_calendar_windows_stand_beside_the_others_and_say_what_they_are_compared_with(
    browser: Browser, busy: str
) -> None:
    async with visiting(browser, busy, PHONE) as visit:
        windows = visit.page.locator("#windows label")
        await expect(windows).to_have_count(8)
        await expect(windows.nth(5)).to_contain_text("May 2026")
        await windows.nth(5).click()
        await expect(visit.page.locator("#verdict")).to_contain_text("the month before")
        await blameless(visit)


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
async def test_an_empty_page_says_how_to_begin(browser: Browser, world: World, viewport: ViewportSize) -> None:
    async with (
        served(world.settings, world.monitor()) as address,
        visiting(browser, address, viewport) as visit,
    ):
        await expect(visit.page.locator("#silence code")).to_have_text(FIRST_ANSWER)
        await expect(visit.page.locator("#nps")).to_have_text("\N{EN DASH}")
        await expect(visit.page.locator("#verdict")).to_have_text("No answers yet.")
        await settled(visit.page)
        await blameless(visit)


async def test_numbers_change_and_answers_appear_without_loading_anew(browser: Browser, world: World) -> None:
    await world.publish(scored(0, 0, 1, 0, 0, 0, 0, 0, 0, 1), answered(2, response_id="first"))
    async with (
        served(world.settings, world.monitor()) as address,
        visiting(browser, address) as visit,
    ):
        page = visit.page
        await expect(page.locator("#nps")).to_have_text("0")
        await world.publish(scored(0, 0, 2, 0, 0, 0, 0, 0, 0, 1), answered(9, response_id="second", channel="email"))
        await expect(page.locator("#nps")).to_have_text("\N{MINUS SIGN}33")
        newest = page.locator("#answers > li").first
        await expect(newest.locator(".badge")).to_have_text("9")
        await expect(newest.locator(".steps")).to_have_text("waiting for a decision")
        await world.publish(decided("second"), delivered("second"))
        await expect(newest.locator(".steps")).to_have_text("thank-promoters→ then perk mail delivered")


async def test_an_alert_is_read_as_it_was_written_and_goes_when_it_is_resolved(browser: Browser, world: World) -> None:
    text = "NPS of plan=<b>pro</b> fell by 12.0 points: 8.0 in the last 24 hours (n 90) against 20.0; p 0.001"
    alert = Alert(
        alert_id="a",
        tenant="default",
        segment="plan=<b>pro</b>",
        rule="nps-fell",
        state="open",
        text=text,
        opened_at=world.clock.now(),
    )
    await world.publish(alert)
    async with (
        served(world.settings, world.monitor()) as address,
        visiting(browser, address) as visit,
    ):
        alerts = visit.page.get_by_role("region", name="Alerts")
        await expect(alerts).to_contain_text(text)
        await expect(alerts.locator("b")).to_have_text("NPS of plan=<b>pro</b> fell by 12.0 points")
        await expect(alerts.locator("time")).to_have_attribute("datetime", "2026-05-20T12:00:00.000Z")
        await blameless(visit)
        await world.publish(alert.model_copy(update={"state": "resolved", "resolved_at": world.clock.now()}))
        await expect(alerts).to_be_hidden()


async def test_what_strangers_wrote_is_text_and_never_markup(browser: Browser, world: World) -> None:
    markup = "<img src=x onerror=\"document.title='broken'\">"
    await world.publish(answered(9, response_id="r'; rm -r x #", touchpoint=markup, segments={"plan": markup}))
    await world.publish(*(scored(*range(11), segment=segment) for segment in ("all", f"plan={markup}")))
    async with (
        served(world.settings, world.monitor()) as address,
        visiting(browser, address) as visit,
    ):
        page = visit.page
        await expect(page.locator("#answers .what")).to_contain_text(markup)
        await expect(page.locator("#segments")).to_contain_text(markup)
        await page.locator("#answers summary").click()
        await expect(page.locator("#answers code")).to_have_text("nps trace 'r'\\''; rm -r x #'")
        assert await page.locator("main img").count() == 0
        assert "broken" not in await page.title()
        assert visit.complaints == []


async def test_everything_is_within_reach_of_the_keyboard(browser: Browser, busy: str) -> None:
    async with visiting(browser, busy) as visit:
        page = visit.page
        await settled(page)
        await page.get_by_role("radio", name="30 days").focus()
        await page.keyboard.press("ArrowRight")
        await expect(page.get_by_role("radio", name="90 days")).to_be_checked()
        await expect(page).to_have_url(re.compile("window=90d"))

        await page.get_by_role("combobox", name="Segment").focus()
        await page.keyboard.type("email")
        await page.keyboard.press("Enter")
        await expect(page.locator("#days-title")).to_have_text("Answers by day, Channel: Email")
        await expect(page.locator("#segments tr[aria-current]")).to_contain_text("Email")

        await page.get_by_role("button", name="NPS").focus()
        await page.keyboard.press("Enter")
        await expect(page.locator("th[aria-sort='descending']")).to_have_text("NPS")

        await page.locator("#chart").focus()
        await page.keyboard.press("ArrowLeft")
        await page.keyboard.press("ArrowLeft")
        await expect(page.locator("#chart-day")).to_contain_text("19 May")


async def test_the_page_comes_back_by_itself_when_the_monitor_does(browser: Browser, world: World) -> None:
    await world.publish(scored(1))
    async with AsyncExitStack() as running:
        address = await running.enter_async_context(served(world.settings, world.monitor()))
        port = int(address.rpartition(":")[2])
        async with visiting(browser, address) as visit:
            await expect(visit.page.locator("#nps")).to_have_text("\N{MINUS SIGN}100")
            await running.aclose()
            await expect(visit.page.locator("#connection")).to_have_text("Reconnecting")
            await world.publish(scored(0, 0, 0, 0, 0, 0, 0, 0, 0, 1))
            settings = world.settings.model_copy(update={"http_port": port})
            await running.enter_async_context(served(settings, world.monitor()))
            await expect(visit.page.locator("#nps")).to_have_text("100")
            await settled(visit.page)
