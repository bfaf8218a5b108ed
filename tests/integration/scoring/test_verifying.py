"""Whether counts are right, on a real Kafka: what stands is held against a plain recount."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from schemas.tally import Tally
from schemas.topics import TALLIES
from services.chassis.failures import Refused
from services.chassis.records import Cause, outgoing
from services.scoring import commands
from services.scoring.asked import Asked
from services.scoring.verifying import Verification, Verified, Wanted
from tests.integration.scoring.conftest import World
from tests.support.counting import COUNTED, LATEST, announced_at, business_with, counted_by, some_answers
from tests.support.hosting import hosted

EVERYTHING = commands.Sample((), 100, None)


async def verified(world: World, patience: timedelta = timedelta(seconds=10)) -> Verified:
    """Everything there is, of the generation that is asked for."""
    asked = Asked.by(world.business, world.settings)
    wanted = Wanted(asked.generation, latest=asked.people, sample=100, patience=patience)
    return await Verification(world.frame.kafka, asked.rules_of, wanted, lambda _done, _of: None).run()


async def tamper(world: World, tally: Tally, **changed: object) -> None:
    """Publishes another content of a cell, past all fences."""
    wrong = tally.model_copy(update=changed)
    await world.frame.publisher.publish([outgoing(TALLIES, wrong, "wrong", Cause("scoring", world.clock.now()))])


async def test_counts_that_are_right_are_said_to_be(world: World) -> None:
    await world.publish(*some_answers())
    async with hosted(world.scoring()):
        await announced_at(world.frame.kafka, "g1", world.clock.now())
        found = await commands.verify(world.settings, world.business, world.clock, EVERYTHING, lambda _done, _of: None)
    assert (found.different, found.changed, found.answers) == ([], 0, 93)
    assert found.cells["all"] > 12
    assert {segment for _, segment in found.segments} == {
        "all",
        "channel=website",
        "country=FI",
        "country=SE",
        "plan=pro",
    }


async def test_the_series_of_latest_answers_is_held_against_the_answers_too(world: World, tmp_path: Path) -> None:
    world.business = business_with(tmp_path, LATEST)
    await world.publish(*some_answers())
    generation = Asked.by(world.business, world.settings).generation
    async with hosted(world.scoring()):
        await counted_by(world.frame.kafka, COUNTED, generation)
        found = await verified(world)
    assert (found.different, found.changed) == ([], 0)
    assert found.cells["latest"] > 0
    assert ("default", "country=FI,plan=pro") in found.segments


async def test_a_cell_that_holds_something_else_is_found(world: World) -> None:
    await world.publish(*some_answers())
    async with hosted(world.scoring()):
        cell, *_ = await counted_by(world.frame.kafka, COUNTED)
        await tamper(world, cell, counts={"0": {"0": 1}})
        found = await verified(world, timedelta(seconds=1))
    (wrong,) = found.different
    assert (wrong.place.segment, wrong.place.day, wrong.place.partition) == ("all", str(cell.day), cell.partition)
    assert wrong.published is not None
    assert wrong.published.counts == {(0, 0): 1}


async def test_a_cell_published_of_later_answers_is_never_said_to_be_wrong(world: World) -> None:
    await world.publish(*some_answers())
    async with hosted(world.scoring()):
        cell, *_ = await counted_by(world.frame.kafka, COUNTED)
        await tamper(world, cell, counts={"0": {"0": 1}}, offset=10_000)
        found = await verified(world, timedelta(seconds=1))
    assert (found.different, found.changed) == ([], 1)


async def test_nothing_is_verified_while_nobody_counts(world: World) -> None:
    with pytest.raises(Refused, match="nothing is shown"):
        await commands.verify(world.settings, world.business, world.clock, EVERYTHING, lambda _done, _of: None)
    with pytest.raises(Refused, match="does not run"):
        await verified(world)
