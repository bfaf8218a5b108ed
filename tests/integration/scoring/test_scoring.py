"""Scoring on a real Kafka: answers in, exact scores out."""

from __future__ import annotations

import random

from schemas.response import Response
from schemas.topics import RESPONSES
from services.chassis.records import Outgoing
from services.scoring.settings import ScoringSettings
from tests.integration.scoring.conftest import World
from tests.support.answers import answered
from tests.support.hosting import hosted
from tests.support.topics import reading


def may() -> list[Response]:
    """The brief's month: 400 promoters, 500 passives, 100 detractors."""
    scores = [9] * 200 + [10] * 200 + [7] * 250 + [8] * 250 + [3] * 100
    return [answered(score, channel="email" if number % 2 else "phone") for number, score in enumerate(scores)]


async def test_the_month_of_the_brief_scores_30_with_its_interval(world: World) -> None:
    answers = may()
    random.Random(1).shuffle(answers)
    await world.publish(*answers)
    async with hosted(world.scoring()):
        score = await world.score(1000)
        email = await world.score(500, segment="channel=email", window="7d")
    assert (score.promoters, score.passives, score.detractors, score.nps) == (400, 500, 100, 30.0)
    assert score.interval is not None
    assert (round(score.interval.low, 4), round(score.interval.high, 4)) == (25.9450, 33.8756)
    assert email.window.kind == "rolling"


async def test_a_restart_counts_nothing_twice(world: World) -> None:
    answers = may()
    await world.publish(*answers[:600])
    async with hosted(world.scoring()):
        await world.score(600)
    await world.publish(*answers[300:])
    async with hosted(world.scoring()):
        score = await world.score(1000)
    assert score.nps == 30.0


async def test_a_worker_without_state_rebuilds_the_same(world: World) -> None:
    await world.publish(*may())
    async with hosted(world.scoring()):
        await world.score(1000)
    before = {(t.segment, t.day, t.partition): t.counts for t in await world.tallies()}
    fresh = world.settings.model_copy(update={"state_dir": world.settings.state_dir / "fresh"})
    world.settings = ScoringSettings(**fresh.model_dump())
    await world.publish(answered(0))
    async with hosted(world.scoring()):
        await world.score(1001)
    rebuilt = await world.tallies()
    lowered = [
        t for t in rebuilt[len(before) :] if _total(t.counts) < _total(before.get((t.segment, t.day, t.partition), {}))
    ]
    assert lowered == []


async def test_a_rolling_window_loses_its_old_answers_without_a_new_event(world: World) -> None:
    await world.publish(answered(9), answered(3))
    async with hosted(world.scoring()):
        assert (await world.score(2, window="24h")).nps == 0.0
        world.clock.advance(hours=24, minutes=10)
        empty = await world.score(0, window="24h")
        assert (empty.nps, empty.interval) == (None, None)
        assert (await world.score(2, window="7d")).n == 2


async def test_what_is_no_answer_becomes_a_dead_letter_once_and_a_rebuild_writes_none(world: World) -> None:
    await world.frame.publisher.publish([Outgoing(RESPONSES.name, b"k", b"k", b"\xff", ())])
    await world.publish(answered(9))
    async with hosted(world.scoring()):
        await world.score(1)
    fresh = world.settings.model_copy(update={"state_dir": world.settings.state_dir / "fresh"})
    world.settings = ScoringSettings(**fresh.model_dump())
    await world.publish(answered(9))
    async with hosted(world.scoring()):
        await world.score(2)
    async with reading(world.frame.kafka, "nps.responses.dlq") as reader:
        assert len(await reader.to_end()) == 1


def _total(counts: dict[str, dict[str, int]]) -> int:
    return sum(number for scores in counts.values() for number in scores.values())
