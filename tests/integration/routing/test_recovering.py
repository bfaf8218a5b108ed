"""Routing's database lost or restored from yesterday: it stops, recovers, and what was decided holds."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from schemas.decision import Decision
from schemas.topics import CONSENTS, DELIVERIES, RESPONSES
from services.chassis.business import Business
from services.chassis.failures import Halt
from services.chassis.sql import open_database
from services.chassis.sql_service import database_url
from services.routing import commands
from services.routing.tables import SUPPRESSIONS
from tests.support.answers import answered
from tests.support.databases import lose_database
from tests.support.events import delivered
from tests.support.hosting import hosted
from tests.support.playbooks import SERVICES, SHIPPED
from tests.support.routing import World
from tests.support.sealing import sealed


def story(decisions: list[Decision]) -> dict[str, list[str]]:
    """What was decided about each answer, in turn."""
    ordered = sorted(decisions, key=lambda one: (one.response_id, one.number))
    names = dict.fromkeys(one.response_id for one in ordered)
    return {name: [f"{d.outcome} {d.reason or d.action}" for d in ordered if d.response_id == name] for name in names}


def saved(world: World) -> Path:
    """A copy of the database, as of now."""
    folder = world.settings.state_dir / "yesterday"
    folder.mkdir()
    for file in world.settings.state_dir.glob("routing.sqlite3*"):
        shutil.copy(file, folder)
    return folder


@pytest.mark.parametrize("restored", [False, pytest.param(True, marks=pytest.mark.sqlite)])
async def test_after_a_recovery_waits_end_caps_hold_and_nobody_is_mailed_twice(
    patient_world: World, *, restored: bool
) -> None:
    world = patient_world
    ada = await sealed(world.keyring, answered(9, response_id="ada"), email="ada@example.org", comment="nice")
    bob = await sealed(world.keyring, answered(3, response_id="bob"), email="bob@example.org")
    cy = await sealed(world.keyring, answered(9, response_id="cy"), email="cy@example.org")
    await world.publish(ada)
    async with hosted(world.routing()):
        await world.decisions(1)
    yesterday = saved(world) if restored else None
    await world.publish(bob, cy)
    async with hosted(world.routing()):
        await world.decisions(3)
        await world.say(DELIVERIES, delivered("ada", subject=ada.subject))
        await world.say(CONSENTS, world.word(cy.subject, granted=False, hour=0))

    await lose_database(world.settings, "routing")
    if yesterday:
        shutil.copytree(yesterday, world.settings.state_dir, dirs_exist_ok=True)
    with pytest.raises(Halt, match="nps recover"):
        async with world.routing():
            pass
    await commands.recover(world.settings, world.business, world.clock)
    async with open_database(database_url(world.settings, "routing")) as database, database.read() as transaction:
        assert cy.subject
        assert await SUPPRESSIONS.in_force(transaction, "default", [cy.subject]) == {cy.subject: {"opt_out"}}

    again = await sealed(world.keyring, answered(10, response_id="ada-again"), email="ada@example.org", comment="!")
    async with hosted(world.routing()):
        await world.say(RESPONSES, again, ada.model_copy(update={"revision": 2, "score": 7, "digest": "2" * 32}))
        world.clock.advance(hours=2)
        decisions = await world.decisions(7)
    assert story(decisions) == {
        "ada": ["action perk", "suppressed already_sent"],
        "ada-again": ["suppressed cap"],
        "bob": ["held settling", "action outreach"],
        "cy": ["held settling", "suppressed opt_out"],
    }
    assert [(one.response_id, one.command) for one in await world.messages()] == [("ada", "perk")]
    assert [(one.response_id, one.command) for one in await world.requests()] == [("bob", "open")]


async def test_what_waits_fires_once_after_a_restart(patient_world: World) -> None:
    world = patient_world
    await world.publish(answered(3, response_id="r"))
    async with hosted(world.routing()):
        await world.decisions(1)
    world.clock.advance(days=2)
    for number in range(2):
        async with hosted(world.routing()):
            await world.publish(answered(3, response_id=f"later-{number}", received_at=world.clock.now()))
            decisions = await world.decisions(3 + number)
    assert story(decisions)["r"] == ["held settling", "action outreach"]
    assert len(await world.requests()) == 1


async def test_what_waits_for_a_tenant_that_nobody_knows_any_more_is_in_nobodys_way(patient_world: World) -> None:
    world = patient_world
    own = world.settings.state_dir / "nps.yaml"
    own.write_text("tenants: {closed-down: {}}\n")
    world.business = Business.load(SHIPPED, own, SERVICES)
    await world.publish(answered(3, response_id="theirs", tenant="closed-down"), answered(3, response_id="ours"))
    async with hosted(world.routing()):
        await world.decisions(2)
    world.business = Business.load(SHIPPED, None, SERVICES)
    world.clock.advance(days=1)
    async with hosted(world.routing()):
        decisions = await world.decisions(3)
    assert story(decisions) == {"ours": ["held settling", "action outreach"], "theirs": ["held settling"]}
