"""Routing killed at each step of its work: what was redelivered or is due once more has one effect."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Sequence

import pytest

from schemas.contract import Contract
from schemas.decision import Decision
from services.chassis.outbox import LEFT_BEHIND
from tests.support.answers import answered
from tests.support.dying_routing import DIES_WITHIN_S, STEPS, die
from tests.support.hosting import hosted
from tests.support.routing import World
from tests.support.sealing import sealed


async def killed(world: World, step: str) -> None:
    """Routing is started and killed at a step; whoever comes next finds its lease and its place in the group."""
    assert await asyncio.to_thread(die, world.settings, world.clock.now(), step) == -signal.SIGKILL
    world.clock.advance(seconds=DIES_WITHIN_S + LEFT_BEHIND.total_seconds())


def once(records: Sequence[Contract]) -> int:
    """How many there are that do not say the very same: what is published twice counts once."""
    return len({record.to_json() for record in records})


async def told(world: World, expected: int) -> list[Decision]:
    """The decisions, once there are so many different ones; and all there are by the time of one more."""
    last = answered(10, response_id="last", received_at=world.clock.now(), answered_at=world.clock.now())
    async with hosted(world.routing()):
        await world.publish(last)
        await world.decisions_that(lambda found: len(set(found)) > expected)
    found = await world.decisions_that(lambda found: len(set(found)) > expected)
    return [one for one in dict.fromkeys(found) if one.response_id != "last"]


@pytest.mark.parametrize("step", STEPS)
async def test_an_answer_that_is_redelivered_after_a_kill_has_one_effect(world: World, step: str) -> None:
    mailed = await sealed(world.keyring, answered(9, response_id="mailed"), email="a@example.org")
    await world.publish(mailed, answered(3, response_id="called"))
    await killed(world, step)
    decisions = await told(world, 2)
    assert sorted((one.response_id, one.number, one.action) for one in decisions) == [
        ("called", 1, "outreach"),
        ("mailed", 1, "perk"),
    ]
    assert once(await world.messages()) == once(await world.requests()) == 1


@pytest.mark.parametrize("step", [step for step in STEPS if "offset" not in step])
async def test_a_timer_whose_firing_was_killed_fires_once(patient_world: World, step: str) -> None:
    world = patient_world
    await world.publish(answered(3, response_id="r"))
    async with hosted(world.routing()):
        await world.decisions(1)
    world.clock.advance(hours=1)
    await killed(world, step)
    decisions = await told(world, 2)
    assert [(one.number, one.outcome) for one in decisions] == [(1, "held"), (2, "action")]
    assert once(await world.requests()) == 1
