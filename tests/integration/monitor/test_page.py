"""The page in a real browser: it shows what there is, lives, fits, and keeps nobody out."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import date, timedelta

import pytest
from playwright.async_api import Browser, FilePayload, Page, ViewportSize, expect

from schemas.alert import Alert
from services.monitor.silence import FIRST_ANSWER
from services.routing.simulating.report import Example, Line, Side, Simulation
from tests.integration.monitor.conftest import World
from tests.support.answers import answered
from tests.support.browsing import DESKTOP, NARROW, PHONE, Scheme, blameless, open_browser, visiting
from tests.support.events import activated, decided, delivered, scored, shadowed
from tests.support.scenes import Scene
from tests.support.serving import served

PATIENCE_MS = 15_000

LOOKED_AT = "document.dispatchEvent(new Event('visibilitychange'))"
"""A page that is looked at again asks at once."""

SPRING = """
name: spring
keywords: {damage: [broken, damag*]}
blocks: {glad: answer.band == "promoter"}
rules:
  - {name: other-answers, when: 'true', priority: -100, action: none}
  - name: call-back
    when: answer.callback_requested && "country" in answer.segments && answer.segments.country in ["FI", "SE", "EE"]
    priority: 100
    action: outreach
    urgency: urgent
    due_in: PT4H
  - {name: thank-promoters, when: blocks.glad, action: perk, template: perk, invites: refer, settle: PT1H}
  - {name: tell-managers, when: account.known, priority: 5, action: notify, to: managers, then: continue}
policy: {hold_out: {share: 0.1, name: spring-test}, left_when: '"left" in person.attributes'}
"""

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


@pytest.fixture
async def deciding(world: World) -> AsyncIterator[str]:
    """The address of the page of a playbook that has decided, with another one on trial."""
    names = [f"r-{number}" for number in range(8)]
    await world.publish(activated(SPRING, number=1, version=3))
    await world.publish(activated(SPRING, number=2, role="shadow", version=4, name="summer"))
    came = {name: world.clock.now() - timedelta(minutes=len(names) - place) for place, name in enumerate(names)}
    await world.publish(*(answered(response_id=name, received_at=at) for name, at in came.items()))
    await world.publish(*(decided(name, playbook_version="v3", notices=("tell-managers",)) for name in names[:5]))
    await world.publish(decided(names[5], outcome="suppressed", action="none", reason="opt_out"))
    await world.publish(
        decided(
            names[6], rule="call-back", outcome="held", action="outreach", reason="settling", until=world.clock.now()
        )
    )
    same = {"playbook_version": "v4"}
    await world.publish(*(shadowed(name, **same) for name in names[:3]))
    await world.publish(*(shadowed(name, rule="win-back", action="offer", differs=True, **same) for name in names[3:5]))
    async with served(world.settings, world.monitor()) as address:
        yield f"{address}/playbook?tenant=default"


def result(text: str, name: str = "result.json") -> FilePayload:
    """A file to open."""
    return {"name": name, "mimeType": "application/json", "buffer": text.encode()}


def simulated(world: World) -> str:
    """What `nps playbook simulate --json` prints."""
    now, today = (
        world.clock.now(),
        Side(
            playbook="spring",
            version="v3",
            mails=871,
            tasks=212,
            tasks_per_day=6.8,
            busiest_day=date(2026, 5, 11),
            tasks_on_busiest_day=19,
            surveys=0,
            notices=4,
            cost=4355.0,
        ),
    )
    example = Example(
        response_id="r-<b>3</b>",
        received_at=now,
        band=None,
        today="perk by thank-promoters",
        candidate="offer by win-back",
    )
    return Simulation(
        tenant="default",
        since=now - timedelta(days=30),
        until=now,
        answers=1204,
        left_out=3,
        changed=87,
        today=today,
        candidate=today.model_copy(update={"playbook": "summer", "version": "v4", "tasks": 180, "cost": 4510.5}),
        rules=[Line(rule="thank-promoters", what="perk", today=611, candidate=640)],
        suppressed=[Line(what="opt_out", today=71, candidate=71)],
        examples=[example],
    ).model_dump_json()


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_the_page_of_the_playbook_keeps_nobody_out_and_fits(
    browser: Browser, world: World, deciding: str, scheme: Scheme
) -> None:
    async with visiting(browser, deciding, scheme=scheme) as visit:
        await settled(visit.page)
        await expect(visit.page.locator("#rules > li")).to_have_count(4)
        await visit.page.get_by_text("Blocks and keywords").click()
        await visit.page.get_by_label("Its result").set_input_files(result(simulated(world)))
        await expect(visit.page.locator("#simulation table")).to_have_count(3)
        for viewport in (DESKTOP, PHONE, NARROW):
            await visit.page.set_viewport_size(viewport)
            await blameless(visit)


async def test_rules_are_read_in_the_order_in_which_they_are_asked_with_what_they_did(
    browser: Browser, deciding: str
) -> None:
    async with visiting(browser, deciding) as visit:
        page = visit.page
        rules = page.locator("#rules > li")
        await expect(rules.locator("h2")).to_have_text(
            ["call-back priority 100", "tell-managers priority 5", "thank-promoters", "other-answers priority -100"],
            use_inner_text=False,
        )
        await expect(rules.nth(0)).to_contain_text("urgent · due in 4 h")
        await expect(rules.nth(1)).to_contain_text("and goes on")
        await expect(rules.nth(1).locator(".numbers small")).to_have_text("5 told")
        await expect(rules.nth(2).locator(".numbers")).to_have_text("65 acted, 1 not contacted")
        await expect(rules.nth(3)).to_contain_text("every answer")
        await expect(page.locator("#besides")).to_have_text("Waiting for a decision1")
        await expect(page.locator("#suppressed")).to_have_text("Opted out1")
        await expect(page.locator("#held")).to_have_text("For a comment or an edit1")
        await expect(page.locator("#policy")).to_contain_text("spring-test: 10 % of people get no offer and no perk")


async def test_what_a_trial_would_have_done_otherwise_is_told_with_answers_to_look_at(
    browser: Browser, deciding: str
) -> None:
    async with visiting(browser, deciding) as visit:
        page = visit.page
        await expect(page.locator("#trial-about")).to_contain_text("summer v4")
        await expect(page.locator("#trial-sum")).to_have_text(
            "It decided about 5 of these answers: 2 would come to something else (40 %)."
        )
        (row,) = await page.locator("#differences > li").all()
        await expect(row.locator(".change")).to_have_text("Perkthank-promoters→ would be Offerwin-back")
        await expect(row.locator("code")).to_have_text(["nps why r-4", "nps why r-3"])


async def test_a_simulation_is_compared_in_the_browser_alone(browser: Browser, world: World, deciding: str) -> None:
    async with visiting(browser, deciding) as visit:
        page = visit.page
        await settled(page)
        await expect(page.locator("#simulate code")).to_have_text(
            "nps playbook simulate spring.yaml --json > result.json"
        )
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.method))
        await page.get_by_label("Its result").set_input_files(result(simulated(world)))
        shown = page.get_by_role("region", name="The simulation")
        await expect(shown).to_contain_text(
            "87 answers would come to something else by summer (v4) than by spring (v3)"
        )
        await expect(shown.get_by_role("row", name="Tasks", exact=False).first).to_have_text(
            "Tasks212180\N{MINUS SIGN}32"
        )
        await expect(shown.get_by_role("row", name="thank-promoters: perk")).to_contain_text("+29")
        await expect(shown.get_by_role("row", name="opt out")).to_contain_text("0")
        await expect(shown.locator("ol code")).to_have_text("r-<b>3</b>")
        assert set(asked) <= {"GET"}


async def test_a_file_that_is_no_simulation_is_told_what_is_wrong_with_it(browser: Browser, world: World) -> None:
    good = simulated(world)
    bad = {
        "": "it is empty",
        "mails: 3": "it is no JSON",
        "[]": "the whole of it must be a mapping",
        '{"tenant": "default"}': "since is missing",
        good.replace('"mails":871', '"mails":"many"', 1): "today.mails must be a number",
    }
    async with (
        served(world.settings, world.monitor()) as address,
        visiting(browser, f"{address}/playbook") as visit,
    ):
        file = visit.page.get_by_label("Its result")
        for text, reason in bad.items():
            await file.set_input_files(result(good))
            await expect(visit.page.locator("#simulation table")).to_have_count(3)
            await expect(visit.page.get_by_role("alert")).to_be_empty()
            await file.set_input_files(result(text, "bad.json"))
            told = f"bad.json is no result of a simulation: {reason}"
            await expect(visit.page.get_by_role("alert")).to_contain_text(told)
            await expect(visit.page.locator("#simulation")).to_be_hidden()
        await blameless(visit)


async def test_the_two_pages_lead_to_each_other_and_keep_the_tenant(browser: Browser, world: World) -> None:
    await world.publish(answered(tenant="demo-1"), answered(tenant="demo-2"))
    async with (
        served(world.settings, world.monitor()) as address,
        visiting(browser, f"{address}/?tenant=demo-1") as visit,
    ):
        page = visit.page
        await settled(page)
        await page.get_by_role("link", name="Playbook").click()
        await expect(page.locator("#flow-title")).to_have_text("Playbook default")
        await expect(page).to_have_url(f"{address}/playbook?tenant=demo-1")
        await page.get_by_role("combobox", name="Tenant").select_option("demo-2")
        await expect(page).to_have_url(f"{address}/playbook?tenant=demo-2")
        await page.get_by_role("link", name="Score").click()
        await expect(page.locator("#tenant")).to_have_value("demo-2")


async def test_the_page_of_the_playbook_keeps_what_it_saw_while_the_monitor_is_away(
    browser: Browser, world: World
) -> None:
    await world.publish(activated(SPRING))
    async with AsyncExitStack() as running:
        address = await running.enter_async_context(served(world.settings, world.monitor()))
        port = int(address.rpartition(":")[2])
        async with visiting(browser, f"{address}/playbook?tenant=default") as visit:
            page = visit.page
            await expect(page.locator("#flow-title")).to_have_text("Playbook spring")
            await settled(page)
            await running.aclose()
            await page.evaluate(LOOKED_AT)
            await expect(page.locator("#notice")).to_contain_text("The monitor does not answer")
            await expect(page.locator("#rules > li")).to_have_count(4)
            await world.publish(activated("rules: [", number=2, version=2, name="broken"))
            settings = world.settings.model_copy(update={"http_port": port})
            await running.enter_async_context(served(settings, world.monitor()))
            await page.evaluate(LOOKED_AT)
            await expect(page.locator("#written")).to_have_text("rules: [")
            await expect(page.locator("#notice")).to_be_hidden()
            await settled(page)
