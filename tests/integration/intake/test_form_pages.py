"""The form and the row of a mail in a real browser: they fit, keep nobody out, and need no script."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import uuid4

import pytest
from playwright.async_api import Browser, Page, ViewportSize, expect

from services.intake.forms.making import FORM, ROW, open_maker, row_html
from services.intake.forms.words import SPOKEN, Spoken, shipped
from tests.support.browsing import DESKTOP, NARROW, PHONE, Scheme, Visit, open_browser, visiting
from tests.support.intake import World
from tests.support.serving import served

SIZES: Final = {"320": NARROW, "390": PHONE, "1280": DESKTOP}
SMALLEST_TARGET: Final = 24
"""Pixels, each way (WCAG 2.2, 2.5.8)."""

expect.set_options(timeout=15_000)


@dataclass
class Site:
    """Intake behind a real socket, and links to its forms."""

    address: str
    world: World

    async def link(self, *, many: bool = False, **asked: Any) -> str:
        """A form's address."""
        world = self.world
        settings = world.settings.model_copy(update={"public_url": self.address})
        ends = world.clock.now() + timedelta(days=1)
        async with open_maker(settings, world.business, world.clock, "default", lambda: uuid4().hex) as maker:
            return maker.make(asked, ends, many=many).form

    async def row(self, **asked: Any) -> str:
        """What the addresses behind the numbers of a mail begin with."""
        return (await self.link(**asked)).replace(FORM, ROW)

    async def scores(self, number: int) -> list[tuple[str, int | None]]:
        """The first so many answers."""
        return [(one.op, one.score) for one in await self.world.answers(number)]


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with open_browser() as browser:
        yield browser


@pytest.fixture
async def site(world: World) -> AsyncIterator[Site]:
    async with served(world.settings, world.intake()) as address:
        yield Site(address, world)


async def fits(visit: Visit) -> None:
    """Fails if axe finds anything at all, if the page is wider than its window, or if a target is too small."""
    assert await visit.findings() == []
    assert await visit.sideways() == 0
    for target in await visit.page.locator("input:not([type=hidden]), button, textarea, a").all():
        box = await target.bounding_box()
        assert box
        assert min(box["width"], box["height"]) >= SMALLEST_TARGET


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", SIZES.values(), ids=SIZES)
async def test_every_page_of_the_form_keeps_nobody_out_and_fits(
    browser: Browser, site: Site, viewport: ViewportSize, scheme: Scheme
) -> None:
    link, many = await site.link(), await site.link(many=True)
    async with visiting(browser, link, viewport, scheme) as visit:
        page = visit.page
        await fits(visit)
        await page.goto(f"{link.replace(FORM, ROW)}/9")
        await fits(visit)
        await page.get_by_role("button", name="Send").click()
        await expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
        await fits(visit)
        await page.get_by_role("link", name="Change my answer").click()
        await expect(page.get_by_role("radio", name="9", exact=True)).to_be_checked()
        await fits(visit)
        await page.goto(many)
        await fits(visit)
        await page.goto(f"{many}?thanks")
        await fits(visit)
        assert visit.complaints == []
        await page.goto(f"{site.address}/f/nobody")
        await fits(visit)
        await page.goto(many)
        await page.evaluate("document.forms[0].noValidate = true")
        await page.get_by_role("button", name="Send").click()
        await expect(page.get_by_text("Error: Please choose a number from 0 to 10.")).to_be_visible()
        await fits(visit)


@pytest.mark.parametrize("language", SPOKEN)
async def test_the_form_and_the_row_fit_in_every_language(browser: Browser, site: Site, language: Spoken) -> None:
    words = shipped()[language]
    link = await site.link(language=language)
    async with visiting(browser, link, NARROW) as visit:
        page = visit.page
        await expect(page.locator("html")).to_have_attribute("lang", words.tag)
        await expect(page.get_by_role("radiogroup", name=words.question_us)).to_be_visible()
        await expect(page.get_by_role("radio", name=f"0 {words.least}")).to_be_visible()
        await fits(visit)
        await page.get_by_role("radio", name=f"10 {words.most}").check()
        await page.get_by_role("button", name=words.send).click()
        await expect(page.get_by_role("heading", name=words.thanks)).to_be_visible()
        await fits(visit)
        await page.goto(f"{link.replace(FORM, ROW)}/0")
        await expect(page.get_by_role("status")).to_have_text(words.chosen.replace("{score}", "0"))
        await fits(visit)
        await mail(page, row_html(link, "Kettle & Co", language))
        await expect(page.get_by_role("link")).to_have_count(11)
        await fits(visit)
        assert visit.complaints == []


async def mail(page: Page, row: str) -> None:
    """Shows a row in a letter."""
    await page.goto("about:blank")
    await page.set_content(
        '<!doctype html><html lang="en"><head><title>A letter</title><meta name="color-scheme" content="light dark">'
        '<meta name="viewport" content="width=device-width"></head>'
        f"<body><main><h1>Dear Olga</h1>{row}</main></body></html>"
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", SIZES.values(), ids=SIZES)
async def test_a_row_keeps_nobody_out_of_a_mail_and_its_numbers_lead_to_the_form(
    browser: Browser, site: Site, viewport: ViewportSize, scheme: Scheme
) -> None:
    async with visiting(browser, "about:blank", viewport, scheme) as visit:
        page = visit.page
        await mail(page, row_html(await site.link(), "Kettle & Co", "en"))
        await fits(visit)
        await page.get_by_role("link", name="10 out of 10: Extremely likely").click()
        await expect(page.get_by_role("radio", name="10 Extremely likely")).to_be_checked()
        await expect(page.get_by_role("status")).to_contain_text("10")


async def test_an_answer_is_given_with_the_keyboard_alone(browser: Browser, site: Site) -> None:
    async with visiting(browser, await site.link()) as visit:
        keyboard = visit.page.keyboard
        await keyboard.press("Tab")
        for _ in range(3):
            await keyboard.press("ArrowRight")
        await expect(visit.page.get_by_role("radio", name="3", exact=True)).to_be_checked()
        await keyboard.press("Tab")
        await expect(visit.page.get_by_label("What is the main reason for your score?")).to_be_focused()
        await keyboard.type("slow")
        await keyboard.press("Tab")
        await expect(visit.page.get_by_role("button", name="Send")).to_be_focused()
        await keyboard.press("Enter")
        await expect(visit.page.get_by_text("Your answer: 3 out of 10.")).to_be_visible()
        await keyboard.press("Tab")
        await expect(visit.page.get_by_role("link", name="Change my answer")).to_be_focused()
        assert visit.complaints == []
    assert await site.scores(2) == [("submitted", 3), ("commented", None)]


async def test_what_was_forgotten_is_asked_for_where_it_belongs(browser: Browser, site: Site) -> None:
    async with visiting(browser, await site.link(), PHONE) as visit:
        page = visit.page
        await page.get_by_role("textbox").fill("slow")
        await page.evaluate("document.forms[0].noValidate = true")
        await page.get_by_role("button", name="Send").click()
        await expect(page).to_have_title("Error: How likely are you to recommend us to a friend or colleague?")
        await expect(page.get_by_role("radiogroup")).to_have_accessible_description(
            "Error: Please choose a number from 0 to 10."
        )
        await expect(page.get_by_role("radio").first).to_be_focused()
        await expect(page.get_by_role("textbox")).to_have_value("slow")


async def test_a_form_and_a_number_of_a_mail_need_no_script(browser: Browser, site: Site) -> None:
    context = await browser.new_context(viewport=PHONE, java_script_enabled=False)
    page = await context.new_page()
    await page.goto(f"{await site.row()}/9")
    await page.get_by_role("button", name="Send").click()
    await expect(page.get_by_text("Your answer: 9 out of 10.")).to_be_visible()
    await page.get_by_role("textbox").fill("fast")
    await page.get_by_role("button", name="Send").click()
    await expect(page.get_by_role("textbox")).to_have_count(0)
    await page.reload()
    await page.get_by_role("link", name="Change my answer").click()
    await page.get_by_role("radio", name="2", exact=True).check()
    await page.get_by_role("button", name="Send").click()
    await expect(page.get_by_text("Your answer: 2 out of 10.")).to_be_visible()
    await context.close()
    assert await site.scores(3) == [("submitted", 9), ("commented", None), ("updated", 2)]


async def test_two_clicks_on_the_button_are_one_answer(browser: Browser, site: Site) -> None:
    async with visiting(browser, await site.link(many=True)) as visit:
        await visit.page.get_by_role("radio", name="7", exact=True).check()
        await visit.page.get_by_role("button", name="Send").dblclick()
        await expect(visit.page.get_by_role("link", name="Next answer")).to_be_visible()
        await visit.page.get_by_role("link", name="Next answer").click()
        await visit.page.get_by_role("radio", name="1", exact=True).check()
        await visit.page.get_by_role("button", name="Send").click()
        await expect(visit.page.get_by_role("link", name="Next answer")).to_be_visible()
    said = {one.response_id: one.score for one in await site.world.answers(2)}
    assert sorted(score or 0 for score in said.values()) == [1, 7]


async def test_a_browser_nobody_sits_at_records_nothing_and_a_hand_on_the_mouse_does(
    browser: Browser, site: Site
) -> None:
    posts: list[str] = []
    async with visiting(browser, "about:blank") as visit:
        page = visit.page
        page.on("request", lambda request: posts.append(request.url) if request.method == "POST" else None)
        await page.goto(f"{await site.row()}/9", wait_until="networkidle")
        await page.evaluate(
            "for (const kind of ['pointermove', 'pointerdown', 'keydown', 'wheel', 'scroll', 'focus', 'click'])"
            " document.body.dispatchEvent(new Event(kind, {bubbles: true}));"
            " scrollTo(0, 99)"
        )
        await page.screenshot()
        assert posts == []
        await page.mouse.move(200, 200)
        await page.mouse.move(220, 230)
        await expect(page.get_by_role("status")).to_have_text("Noted: 9. You can still change it or tell us why.")
        await page.mouse.move(240, 260)
        assert len(posts) == 1
        await page.get_by_role("textbox").fill("fast")
        await page.get_by_role("button", name="Send").click()
        await expect(page.get_by_text("Your answer: 9 out of 10.")).to_be_visible()
        assert visit.complaints == []
    assert await site.scores(2) == [("submitted", 9), ("commented", None)]


@pytest.mark.parametrize("touch", ["finger", "key"])
async def test_a_finger_or_a_key_notes_the_number_too(browser: Browser, site: Site, touch: str) -> None:
    context = await browser.new_context(viewport=PHONE, has_touch=True)
    page = await context.new_page()
    await page.goto(f"{await site.row()}/4")
    if touch == "finger":
        await page.touchscreen.tap(5, 5)
    else:
        await page.keyboard.press("Tab")
    await expect(page.get_by_role("status")).to_contain_text("Noted: 4")
    await context.close()
    assert await site.scores(1) == [("submitted", 4)]


async def test_a_page_is_light(browser: Browser, site: Site) -> None:
    sizes: list[int] = []
    async with visiting(browser, "about:blank") as visit:

        async def weigh(answer: Any) -> None:  # a response
            sizes.append(len(await answer.body()))

        visit.page.on("response", weigh)
        await visit.page.goto(f"{await site.row()}/9", wait_until="networkidle")
        assert len(sizes) == 1, "the page alone"
        assert sum(sizes) < 50_000
