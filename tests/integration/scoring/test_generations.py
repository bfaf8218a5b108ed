"""Rules that change are counted beside the old ones; and of each person, the latest answer."""

from __future__ import annotations

from datetime import timedelta
from importlib.resources import files
from pathlib import Path

from schemas.topics import GENERATIONS, PEOPLE, TALLIES
from services.chassis.business import Business
from services.scoring.segments import Rules, generation_of
from tests.integration.conftest import SERVICES
from tests.integration.scoring.conftest import World
from tests.support.answers import NOON, answered
from tests.support.hosting import hosted
from tests.support.topics import reading

ANNA, BERT = "a" * 32, "b" * 32


def asking_for(world: World, folder: Path, scoring: str) -> None:
    """Has the tenant's section of the business file say so."""
    own = folder / "own.yaml"
    own.write_text(f"tenants:\n  default:\n    scoring: {{{scoring}}}\n")
    world.business = Business.load(Path(str(files("schemas"))) / "nps.yaml", own, SERVICES)


async def test_a_combination_added_later_is_counted_from_the_first_answer_on(world: World, tmp_path: Path) -> None:
    segments = {"country": "FI", "plan": "pro"}
    await world.publish(answered(9, segments=segments), answered(3, segments={"country": "FI"}))
    async with hosted(world.scoring()):
        await world.score(2)
    world.clock.advance(minutes=1)
    asking_for(world, tmp_path, "combinations: [[country, plan]]")
    await world.publish(answered(10, segments=segments))
    async with hosted(world.scoring()):
        both = await world.score(2, segment="country=FI,plan=pro")
        assert (await world.score(3)).promoters == 2
    assert both.nps == 100.0


async def test_each_generation_says_for_itself_how_far_it_stands(world: World, tmp_path: Path) -> None:
    await world.publish(*(answered(9) for _ in range(20)))
    async with hosted(world.scoring()):
        await world.score(20)
    world.clock.advance(minutes=1)
    asking_for(world, tmp_path, "combinations: [[country, plan]]")
    async with hosted(world.scoring()), reading(world.frame.kafka, GENERATIONS.name) as reader:
        said = [GENERATIONS.decode(raw.headers, raw.value) for raw in await reader.until(lambda raws: len(raws) == 4)]
    new = generation_of({"default": Rules((("country", "plan"),))})
    assert sorted((one.generation, one.partition, one.partitions) for one in said) == sorted(
        (name, partition, 2) for name in ("g1", new) for partition in (0, 1)
    )
    assert sum(one.position for one in said if one.generation == new) == 20


async def test_of_each_person_the_latest_answer_counts_as_a_second_series(world: World, tmp_path: Path) -> None:
    asking_for(world, tmp_path, "latest: true")
    early, late = answered(9, subject=ANNA), answered(2, subject=ANNA, answered_at=NOON + timedelta(minutes=1))
    await world.publish(early, late, answered(7, subject=BERT), answered(0))
    async with hosted(world.scoring()):
        people = await world.score(2, window="all_time.latest")
        assert (await world.score(4)).series == "all"
        await world.publish(late.model_copy(update={"revision": 2, "op": "retracted", "digest": "1" * 32}))
        await world.score(3)
        before = await world.promoters(1, window="all_time.latest")
    assert (people.series, people.detractors, people.passives) == ("latest", 1, 1)
    assert (before.n, before.detractors) == (2, 0)


async def test_an_edit_that_names_another_person_withdraws_the_old_one(world: World, tmp_path: Path) -> None:
    asking_for(world, tmp_path, "latest: true")
    answer = answered(9, subject=ANNA)
    await world.publish(answer, answered(9, subject=BERT))
    async with hosted(world.scoring()):
        await world.score(2, window="all_time.latest")
        moved = answer.model_copy(
            update={"revision": 2, "subject": BERT, "answered_at": NOON + timedelta(minutes=5), "digest": "2" * 32}
        )
        await world.publish(moved)
        only = await world.score(1, window="all_time.latest")
    assert only.promoters == 1


async def test_nobody_s_latest_answer_is_kept_where_no_tenant_wants_it(world: World) -> None:
    await world.publish(answered(9, subject=ANNA))
    async with hosted(world.scoring()):
        await world.score(1)
    async with reading(world.frame.kafka, PEOPLE.name) as reader:
        assert await reader.to_end() == []
    async with reading(world.frame.kafka, TALLIES.name) as reader:
        assert {TALLIES.decode(raw.headers, raw.value).series for raw in await reader.to_end()} == {"all"}
