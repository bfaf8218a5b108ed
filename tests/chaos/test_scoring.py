"""Scoring in a storm: workers killed, frozen, joined, stopped and robbed of their disks while answers pour in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import pytest

from infra.local.kafka_broker import KafkaBroker, running_broker
from schemas.topics import PEOPLE, RESPONSES, SCORES, TALLIES
from services.chassis.reading import open_reader
from tests.support.scoring_topics import History
from tests.support.storms import Step, storm

CLEANS_OFTEN: Final = "log.cleaner.backoff.ms=500\n"

ONE_ALONE: Final = (
    Step("pour", answers=30_000),
    Step("kill", "one", (RESPONSES, 11_000)),
    Step("kill", "one", (TALLIES, 700)),
    Step("pour", answers=20_000),
    Step("kill", "one", (SCORES, 60)),
    Step("check"),
)
JOINED_BY_TWO: Final = (
    Step("pour", answers=40_000),
    Step("start", "two three", (RESPONSES, 10_000)),
    Step("kill", "one", (TALLIES, 2_000)),
    Step("shared", "one two three"),
    Step("check"),
    Step("pour", answers=30_000),
    Step("kill", "two", (RESPONSES, 9_000)),
    Step("kill", "three", (TALLIES, 1_300)),
    Step("kill", "one", (SCORES, 30)),
    Step("check"),
)
FROZEN: Final = (
    Step("pour", answers=40_000),
    Step("freeze", "two", (TALLIES, 900)),
    Step("pour", answers=30_000),
    Step("kill", "three", (TALLIES, 500)),
    Step("wake", "two"),
    Step("check"),
)
FROZEN_WHILE_KAFKA_COMPACTS: Final = (
    Step("pour", answers=40_000),
    Step("freeze", "three", (TALLIES, 900)),
    Step("check"),
    Step("compact"),
    Step("pour", answers=10_000),
    Step("check"),
    Step("compacted"),
    Step("wake", "three"),
    Step("check"),
)
LEFT_BY_TWO: Final = (
    Step("pour", answers=30_000),
    Step("stop", "two three", (RESPONSES, 12_000)),
    Step("kill", "one", (TALLIES, 400)),
    Step("check"),
)
WIPED: Final = (
    Step("pour", answers=20_000),
    Step("wipe", "one", (TALLIES, 300)),
    Step("kill", "one", (TALLIES, 1_500)),
    Step("pour", answers=10_000),
    Step("check"),
)
STORM: Final = (*ONE_ALONE, *JOINED_BY_TWO, *FROZEN, *FROZEN_WHILE_KAFKA_COMPACTS, *LEFT_BY_TWO, *WIPED)


PEOPLE_GIVE: Final = 1_500
BY_PERSON: Final = (
    Step("pour", answers=20_000),
    Step("start", "two", (RESPONSES, 4_000)),
    Step("kill", "one", (PEOPLE, 1_500)),
    Step("shared", "one two"),
    Step("check"),
    Step("pour", answers=20_000),
    Step("kill", "two", (PEOPLE, 1_000)),
    Step("kill", "one", (TALLIES, 1_000)),
    Step("check"),
    Step("pour", answers=10_000),
    Step("wipe", "two", (PEOPLE, 500)),
    Step("kill", "one two", (PEOPLE, 12_000)),
    Step("check"),
)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[KafkaBroker]:
    """A broker of its own, that compacts as soon as it is asked to."""
    with running_broker(tmp_path / "kafka", extra=CLEANS_OFTEN) as broker:
        yield broker


async def test_every_cell_and_every_score_is_exact_whatever_happens_to_the_workers(
    broker: KafkaBroker, tmp_path: Path
) -> None:
    async with storm(broker.bootstrap, tmp_path, answers_of(STORM)) as playing:
        for step in STORM:
            await playing.play(step)
        async with open_reader(playing.kafka) as answers:
            assert await History(playing.published.log).wrong(answers) == []
    assert answers_of(STORM) == 300_000
    assert playing.struck["kill"] >= 10
    assert playing.struck["freeze"] == 2
    assert playing.struck["refused"], "nobody who had been replaced tried to publish: the freezes proved nothing"


async def test_of_each_person_the_latest_answer_counts_whatever_happens_to_the_workers(
    broker: KafkaBroker, tmp_path: Path
) -> None:
    async with storm(broker.bootstrap, tmp_path, answers_of(BY_PERSON), PEOPLE_GIVE) as playing:
        for step in BY_PERSON:
            await playing.play(step)
    assert playing.struck["kill"] == sum(step.what == "kill" for step in BY_PERSON)


def answers_of(steps: Iterable[Step]) -> int:
    return sum(step.answers for step in steps)
