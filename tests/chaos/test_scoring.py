"""Scoring in a storm: workers killed, frozen, joined, stopped and robbed of their disks while answers pour in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest

from infra.local.kafka_broker import running_broker
from schemas.topics import RESPONSES, SCORES, TALLIES
from services.chassis.reading import open_reader
from tests.support.storms import Step, Storm, storm

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
ANSWERS: Final = sum(step.answers for step in STORM)


@pytest.fixture
async def in_a_storm(tmp_path: Path) -> AsyncIterator[Storm]:
    with running_broker(tmp_path / "kafka", extra=CLEANS_OFTEN) as broker:
        async with storm(broker.bootstrap, tmp_path, ANSWERS) as found:
            yield found


async def test_every_cell_and_every_score_is_exact_whatever_happens_to_the_workers(in_a_storm: Storm) -> None:
    for step in STORM:
        await in_a_storm.play(step)
    async with open_reader(in_a_storm.kafka) as answers:
        assert await in_a_storm.published.wrong_history().wrong(answers) == []
    assert in_a_storm.struck["kill"] + in_a_storm.struck["wipe"] >= 10
    assert in_a_storm.struck["freeze"] == 2
    assert in_a_storm.struck["refused"]
    assert ANSWERS == 300_000
