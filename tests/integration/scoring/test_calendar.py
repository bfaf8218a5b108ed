"""Calendar windows and generations on a real Kafka, with the clock moved by hand, over restarts."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from schemas.tally import Tally
from schemas.topics import SCORES, TALLIES
from services.chassis.records import Cause, Outgoing, Raw, outgoing
from tests.integration.scoring.conftest import World
from tests.support.answers import NOON, answered
from tests.support.generations import standing
from tests.support.hosting import hosted
from tests.support.topics import reading


async def told(world: World, name: str, until: str) -> list[tuple[str, int]]:
    """What has been told of a window of all answers up to a state: each change of state, and the answers then."""

    def states(records: list[Raw]) -> list[tuple[str, int]]:
        scores = [SCORES.decode(raw.headers, raw.value) for raw in records]
        mine = [score for score in scores if (score.segment, score.window.name) == ("all", name)]
        return [(score.window.state, score.n) for score in mine]

    async with reading(world.frame.kafka, SCORES.name) as reader:
        await reader.until(lambda records: any(state == until for state, _ in states(records)))
        return states(await reader.to_end())


async def test_every_window_loses_its_old_answers_at_the_bucket_without_new_input(world: World) -> None:
    await world.publish(answered(9), answered(3, answered_at=NOON - timedelta(minutes=20)))
    async with hosted(world.scoring()):
        assert (await world.score(2, window="24h")).nps == 0.0
        world.clock.advance(hours=23, minutes=44)
        assert (await world.score(2, window="24h")).window.edge_minutes == 5
        world.clock.advance(minutes=1)
        assert (await world.score(1, window="24h")).nps == 100.0
        world.clock.advance(minutes=20)
        assert (await world.score(0, window="24h")).nps is None


async def test_a_month_that_ends_is_final_and_a_late_answer_restates_it(world: World) -> None:
    await world.publish(answered(9))
    async with hosted(world.scoring()):
        assert (await world.score(1, window="month.2026-05")).window.state == "open"
        world.clock.advance(days=12)
        await told(world, "month.2026-05", "final")
        await world.publish(answered(3, answered_at=NOON + timedelta(days=2)))
        assert await told(world, "month.2026-05", "restated") == [("open", 1), ("final", 1), ("restated", 2)]
        assert (await world.score(2, window="quarter.2026-Q2")).window.state == "open"


async def test_over_restarts_a_month_is_final_once_and_what_changed_meanwhile_is_restated(world: World) -> None:
    early = answered(9)
    await world.publish(early)
    async with hosted(world.scoring()):
        await world.score(1, window="month.2026-05")
    world.clock.advance(days=12)
    async with hosted(world.scoring()):
        await told(world, "month.2026-05", "final")
    async with hosted(world.scoring()):
        await world.publish(answered(3, answered_at=world.clock.now()))
        await world.score(1, window="month.2026-06")
        assert (await told(world, "month.2026-05", "final"))[-1] == ("final", 1)
    await world.publish(early.model_copy(update={"revision": 2, "op": "retracted", "digest": "0" * 32}))
    async with hosted(world.scoring()):
        states = await told(world, "month.2026-05", "restated")
        assert [state for state in states if state[0] != "open"] == [("final", 1), ("restated", 0)]


def cells(generation: str, number: int, **given: Any) -> Outgoing:  # fields of any type, checked by the model
    fields: dict[str, Any] = {
        "generation": generation,
        "tenant": "default",
        "segment": "all",
        "series": "all",
        "day": NOON.date(),
        "partition": 0,
        "offset": 1,
        "resolution": 5,
        "counts": {"143": {"9": number}},
    }
    return outgoing(TALLIES, Tally(**fields | given), f"{generation}/{number}", Cause("scoring", NOON))


def ended(*records: Outgoing) -> list[Outgoing]:
    return [Outgoing(record.topic, record.key, record.meets_by, None, ()) for record in records]


async def test_the_generation_that_stands_is_shown_and_when_it_ends_the_one_before_is_read_anew(world: World) -> None:
    newer = standing("g2", started_at=NOON + timedelta(hours=1))
    await world.publish(answered(9))
    await world.frame.publisher.publish([cells("g2", 2), newer[0]])
    async with hosted(world.scoring()):
        await world.score(1)
        await world.frame.publisher.publish(newer[1:])
        await world.score(2)
        await world.frame.publisher.publish(ended(*newer))
        assert (await world.score(1)).series == "all"


async def test_what_no_generation_stands_for_is_neither_published_nor_answered(world: World) -> None:
    span = {"from": "2026-05-20T00:00:00Z", "to": "2026-05-21T00:00:00Z", "series": "latest"}
    await world.publish(answered(9))
    await world.frame.publisher.publish([cells("g1", 5, series="latest")])
    async with hosted(world.scoring()) as client:
        await world.score(1)
        away = await client.get("/v1/scores/series", params=span)
        assert (away.status_code, away.headers["retry-after"]) == (503, "2")
        await world.frame.publisher.publish(standing(series="latest"))
        score = await world.score(5, window="all_time.latest")
        assert (score.series, score.window.kind) == ("latest", "all_time")
        assert (await client.get("/v1/scores/series", params=span)).json()["buckets"][0]["n"] == 5
        async with reading(world.frame.kafka, SCORES.name) as scores:
            named = [SCORES.decode(raw.headers, raw.value) for raw in await scores.to_end()]
        assert {score.series for score in named if score.window.name.endswith(".latest")} == {"latest"}
