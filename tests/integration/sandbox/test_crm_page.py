"""The CRM's page in a real browser: it shows what there is, lives, fits, and keeps nobody out."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, ViewportSize, expect

from infra.sandbox.crm.app import open_app
from schemas.task import Customer, Note
from tests.integration.sandbox.conftest import World
from tests.support.answers import NOON
from tests.support.browsing import DESKTOP, PHONE, Scheme, blameless, open_browser, visiting
from tests.support.crm_tasks import task
from tests.support.listening import listening

MARKUP = "<img src=x onerror=alert(1)> <b>never again</b>"

expect.set_options(timeout=15_000)


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with open_browser() as browser:
        yield browser


@pytest.fixture
async def address(world: World) -> AsyncIterator[str]:
    """The address of a CRM with a few tasks."""
    olga = Customer(name="Olga", email="olga@example.org", phone="+358 40 1234567")
    await world.publish(
        task("a", customer=olga, comment=MARKUP, notes=[Note(text=MARKUP, author="eva", at=NOON)]),
        task("b", customer=Customer(), status="waiting", priority="urgent", title="Detractor 0/10: follow up now"),
        task("c", customer=Customer(name="M" * 200), status="done", outcome="resolved", owner="x" * 200),
        task("d", customer=Customer(name="Wei"), status="cancelled", reason="retracted", tenant="demo-1"),
    )
    async with open_app(world.settings) as app, listening(app) as url:
        yield url


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
async def test_list_and_task_keep_nobody_out_and_fit(
    browser: Browser, address: str, viewport: ViewportSize, scheme: Scheme
) -> None:
    async with visiting(browser, address, viewport, scheme) as visit:
        tasks = visit.page.locator("#tasks > li")
        await expect(tasks).to_have_count(4)
        await blameless(visit)
        for number in range(4):
            await visit.page.goto(f"{address}/#CRM-{1001 + number}")
            await expect(visit.page.locator("#task")).to_be_visible()
            await blameless(visit)


async def test_what_people_wrote_stays_text(browser: Browser, address: str) -> None:
    async with visiting(browser, address) as visit:
        await visit.page.get_by_role("link", name="Olga").click()
        await expect(visit.page.locator("#comment")).to_have_text(MARKUP)
        await expect(visit.page.locator("#notes p")).to_have_text(MARKUP)
        assert visit.complaints == []


async def test_a_task_is_worked_on_with_the_keyboard_alone(browser: Browser, address: str, world: World) -> None:
    async with visiting(browser, address, PHONE) as visit:
        page = visit.page
        await page.get_by_role("link", name="Olga").focus()
        await page.keyboard.press("Enter")
        await expect(page.locator("#title")).to_be_focused()
        await page.keyboard.press("Tab")
        await expect(page.get_by_role("button", name="Start")).to_be_focused()
        await page.keyboard.press("Enter")
        await expect(page.locator("#feedback")).to_have_text("Saved, and nps-loop knows.")
        await page.get_by_label("New note").fill("nobody answered")
        await page.keyboard.press("Control+Enter")
        await expect(page.locator("#notes p").first).to_have_text("nobody answered")
        await page.get_by_role("button", name="Done").focus()
        await page.keyboard.press("Enter")
        await expect(page.locator("#chips")).to_contain_text("Resolved")
        await page.get_by_role("link", name="All tasks").press("Enter")
        await expect(page.get_by_role("link", name="Olga")).to_be_focused()
        assert visit.complaints == []
    assert len(world.receiver.calls) == 3


async def test_what_arrives_shows_by_itself_and_leaves_alone_what_is_being_typed(
    browser: Browser, address: str, world: World
) -> None:
    async with visiting(browser, address) as visit:
        page = visit.page
        await page.get_by_role("link", name="Olga").click()
        await page.get_by_label("New note").fill("half a sentence")
        await world.publish(task("a", version=2, status="waiting"), task("new", customer=Customer(name="Per")))
        await expect(page.get_by_role("link", name="Per")).to_be_visible()
        await expect(page.locator("#chips")).to_contain_text("Waiting")
        await expect(page.get_by_label("New note")).to_have_value("half a sentence")
        await expect(page.get_by_label("New note")).to_be_focused()
        assert visit.complaints == []


async def test_tasks_are_filtered_by_tenant_and_status_and_the_address_keeps_it(browser: Browser, address: str) -> None:
    async with visiting(browser, address) as visit:
        page = visit.page
        tasks = page.locator("#tasks > li")
        await page.get_by_label("Tenant").select_option("default")
        await expect(tasks).to_have_count(3)
        await page.get_by_role("radio", name="Waiting 1").check(force=True)
        await expect(tasks).to_have_count(1)
        await expect(tasks).to_contain_text("Anonymous")
        await page.reload()
        await expect(tasks).to_have_count(1)
        await expect(page.locator("#summary")).to_have_text("2 to do, 2 overdue")
