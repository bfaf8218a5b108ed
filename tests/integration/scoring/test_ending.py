"""Generations listed and ended, on a real Kafka."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from schemas.topic import split_key
from schemas.topics import GENERATIONS, PEOPLE, TALLIES
from services.chassis.failures import Fenced, Refused
from services.chassis.publishing import FencedPublisher
from services.chassis.records import Outgoing
from services.scoring import commands
from services.scoring.asked import Asked
from services.scoring.counted import fence_of
from services.scoring.generation_list import Listed
from services.scoring.pruning import Pruning, wait_for_workers, written
from tests.integration.scoring.conftest import World
from tests.support.counting import COUNTED, LATEST, announced_at, business_with, some_answers
from tests.support.hosting import hosted
from tests.support.topics import reading

EVERYTHING = commands.Sample((), 100, None)


def silent(_done: int, _of: int) -> None:
    """Nobody watches."""


async def listed(world: World) -> dict[tuple[str, str], Listed]:
    found = await commands.generations(world.settings, world.business, world.clock)
    return {(one.generation, one.series): one for one in found}


async def count_with_other_rules(world: World, folder: Path) -> str:
    """Counts by the rules that ship, and then by others; returns the name of these."""
    await world.publish(*some_answers())
    async with hosted(world.scoring()):
        await world.score(COUNTED)
    world.clock.advance(minutes=1)
    world.business = business_with(folder, LATEST)
    async with hosted(world.scoring()):
        await world.score(7, window="all_time.latest")
    return Asked.by(world.business, world.settings).generation


async def test_generations_are_listed_with_the_one_that_is_shown_and_the_one_asked_for(
    world: World, tmp_path: Path
) -> None:
    new = await count_with_other_rules(world, tmp_path)
    found = await listed(world)
    assert {key: (one.announced, one.shown, one.asked) for key, one in found.items()} == {
        ("g1", "all"): (2, False, False),
        (new, "all"): (2, True, True),
        (new, "latest"): (2, True, True),
    }
    assert found["g1", "all"].counted == found[new, "all"].counted == len(some_answers())
    world.business = business_with(tmp_path, "{combinations: [[plan, channel]]}")
    asked = Asked.by(world.business, world.settings).generation
    assert (await listed(world))[asked, "all"].announced == 0


async def test_what_is_ended_leaves_tombstones_alone_and_comes_back_whole_with_its_worker(
    world: World, tmp_path: Path
) -> None:
    shipped = world.business
    new = await count_with_other_rules(world, tmp_path)
    assert await commands.prunable(world.settings, world.business, world.clock, None) == ["g1"]
    assert await Pruning(world.frame.kafka, "g1", silent).run() > 20
    assert await written(world.frame.kafka) == {new}
    assert set(await listed(world)) == {(new, "all"), (new, "latest")}
    world.clock.advance(minutes=1)
    world.business = shipped
    async with hosted(world.scoring()):
        await announced_at(world.frame.kafka, "g1", world.clock.now())
        found = await commands.verify(world.settings, world.business, world.clock, EVERYTHING, silent)
    assert (found.generation, found.different) == ("g1", [])
    assert found.cells["all"] > 12


async def test_facts_about_people_are_ended_with_their_generation(world: World, tmp_path: Path) -> None:
    shipped = world.business
    new = await count_with_other_rules(world, tmp_path)
    world.clock.advance(minutes=1)
    world.business = shipped
    async with hosted(world.scoring()):
        await announced_at(world.frame.kafka, "g1", world.clock.now())
    assert await commands.prunable(world.settings, world.business, world.clock, new) == [new]
    await Pruning(world.frame.kafka, new, silent).run()
    async with reading(world.frame.kafka, PEOPLE.name, TALLIES.name, GENERATIONS.name) as reader:
        last = {raw.key: raw.value for raw in await reader.to_end()}
    assert {split_key(key or b"")[0] for key, value in last.items() if value is not None} == {"g1"}


async def test_what_is_shown_or_asked_for_or_still_counted_is_not_ended(world: World, tmp_path: Path) -> None:
    await world.publish(*some_answers())
    async with hosted(world.scoring()):
        await world.score(COUNTED)
        with pytest.raises(Refused, match="g1 is shown"):
            await commands.prune(world.settings, world.business, world.clock, "g1", silent)
        with pytest.raises(Refused, match="nothing stands"):
            await commands.prune(world.settings, world.business, world.clock, "g7", silent)
        world.business = business_with(tmp_path, LATEST)
        asked = Asked.by(world.business, world.settings).generation
        with pytest.raises(Refused, match="asks for"):
            await commands.prune(world.settings, world.business, world.clock, asked, silent)
        with pytest.raises(Refused, match="a worker still counts g1"):
            await wait_for_workers(world.frame.kafka, "g1", patience=timedelta(seconds=1))


async def test_a_worker_that_wakes_up_after_the_end_of_its_generation_may_not_publish(world: World) -> None:
    asleep = FencedPublisher(world.frame.kafka, fence_of("all", "g1", 1))
    await asleep.take_over()
    await Pruning(world.frame.kafka, "g1", silent).run()
    with pytest.raises(Fenced):
        await asleep.publish([Outgoing(TALLIES.name, b"k", b"k", None, ())])
    await asleep.close()
