"""A storm over scoring, played step by step: answers pour in while workers are killed, frozen, started and stopped.

A step waits until enough has happened since answers last began to pour, so that it strikes in the middle of the work.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from schemas.tally import Series
from schemas.topic import Topic
from schemas.topics import PEOPLE, RESPONSES, SCORES, TALLIES
from services.chassis.kafka import Kafka
from services.chassis.reading import Reader, open_reader
from services.chassis.settings import ServiceSettings
from services.chassis.topic_admin import wanted_topic
from services.scoring.settings import ScoringSection
from tests.bench.workload import DAYS, FIRST, TENANT, Workload
from tests.support.pouring import Pouring, pouring
from tests.support.scoring_topics import Published, published, within_deadline
from tests.support.scoring_workers import ScoringWorker

PARTITIONS: Final = 4
SEED: Final = 4
WORKERS: Final = ("one", "two", "three")
WINDOWS: Final = frozenset(window.name for window in ScoringSection().rolling())
FROZEN_S: Final = 30.0
"""Longer than a session: by then others hold what it held."""

LOOK_EVERY_S: Final = 0.01
AS_MADE: Final = wanted_topic(TALLIES, PARTITIONS).config
COMPACTED_SOON: Final = {
    **AS_MADE,
    "segment.ms": "500",
    "min.cleanable.dirty.ratio": "0.001",
    "min.compaction.lag.ms": "5000",  # time enough to read what is about to go
}


class Step(NamedTuple):
    """What happens, and to whom: once a topic has grown by so many records since answers last began to pour."""

    what: str
    who: str = ""
    grown: tuple[Topic[Any], int] | None = None  # whatever the payload
    answers: int = 0


@dataclass
class Storm:
    """Everything that a storm goes over, and how often it struck."""

    kafka: Kafka
    pouring: Pouring
    published: Published
    ends: Reader
    workers: dict[str, ScoringWorker]
    series: tuple[Series, ...]
    struck: Counter[str] = field(default_factory=Counter)
    _began: Mapping[str, int] = field(default_factory=dict)

    async def play(self, step: Step) -> None:
        """One step, once it is time for it."""
        if step.grown:
            await within_deadline(self._grown(*step.grown), lambda: f"{step} never came to pass")
        await _PLAYS[step.what](self, step)
        self.struck[step.what] += 1

    async def pour(self, step: Step) -> None:
        """Answers begin to pour, once those before are all written and everybody is at work."""
        for worker in self.workers.values():
            if worker.runs:
                await worker.at_work()
        self._began = await self._sizes()
        await self.pouring.begin(step.answers)

    async def start(self, step: Step) -> None:
        """Workers join."""
        for worker in self._who(step):
            worker.start()

    async def kill(self, step: Step) -> None:
        """Workers are killed, and started again as a supervisor would."""
        for worker in self._who(step):
            worker.kill()
            worker.start()

    async def wipe(self, step: Step) -> None:
        """Workers are killed and start again with nothing on their disks."""
        for worker in self._who(step):
            worker.kill()
            worker.wipe()
            worker.start()

    async def stop(self, step: Step) -> None:
        """Workers are stopped, and not started again."""
        for worker in self._who(step):
            worker.stop()

    async def freeze(self, step: Step) -> None:
        """Workers stand still in the middle of what they do."""
        for worker in self._who(step):
            worker.freeze()

    async def wake(self, step: Step) -> None:
        """Workers go on after they have been replaced, and learn that they were."""
        for worker in self._who(step):
            await asyncio.sleep(max(FROZEN_S - worker.frozen_s(), 0))
            worker.wake()
            await worker.at_work()
            self.struck["refused"] += worker.refusals()

    async def shared(self, step: Step) -> None:
        """Every one of them has been given something to count."""
        for worker in self._who(step):
            await worker.at_work()

    async def compact(self, _step: Step) -> None:
        """From here on Kafka compacts tallies as soon as it can."""
        await self._alter(COMPACTED_SOON)

    async def compacted(self, _step: Step) -> None:
        """Kafka has dropped most of what was replaced."""
        read = left = len(self.published.log)

        async def look() -> None:
            nonlocal left
            async with open_reader(self.kafka) as reader:
                while left > read / 2:
                    await reader.assign([TALLIES.name])
                    left = len([raw async for raw in reader.to_end()])

        await within_deadline(look(), lambda: f"{left} of {read} records of {TALLIES.name} are still there")
        await self._alter(AS_MADE)

    async def check(self, _step: Step) -> None:
        """Nothing more comes: every cell and every score must become what a recount says."""
        await self.pouring.ended()
        for worker in self.workers.values():
            if worker.leaves:
                await worker.stopped()
        for series in self.series:
            await self.published.becomes_right(series, WINDOWS)
        ended = [name for name, worker in self.workers.items() if worker.ended_by_itself()]
        assert not ended, [self.workers[name].last_words() for name in ended]

    async def _grown(self, topic: Topic[Any], by: int) -> None:  # whatever the payload
        while (await self._sizes())[topic.name] < self._began[topic.name] + by:
            await asyncio.sleep(LOOK_EVERY_S)

    def _who(self, step: Step) -> list[ScoringWorker]:
        return [self.workers[name] for name in step.who.split()]

    async def _sizes(self) -> Mapping[str, int]:
        sizes: Counter[str] = Counter()
        for (topic, _), end in (await self.ends.ends()).items():
            sizes[topic] += end
        return sizes

    async def _alter(self, config: Mapping[str, str]) -> None:
        admin = self.kafka.admin()
        await admin.start()
        try:
            topic = ConfigResource(ConfigResourceType.TOPIC, self.kafka.topic(TALLIES.name), dict(config))
            (response,) = await admin.alter_configs([topic])
            assert [code for code, *_ in response.resources] == [0], response
        finally:
            await admin.close()


_PLAYS: Final[dict[str, Callable[[Storm, Step], Coroutine[None, None, None]]]] = {
    "pour": Storm.pour,
    "start": Storm.start,
    "kill": Storm.kill,
    "wipe": Storm.wipe,
    "stop": Storm.stop,
    "freeze": Storm.freeze,
    "wake": Storm.wake,
    "shared": Storm.shared,
    "compact": Storm.compact,
    "compacted": Storm.compacted,
    "check": Storm.check,
}


@asynccontextmanager
async def storm(bootstrap: str, folder: Path, answers: int, people: int = 0) -> AsyncIterator[Storm]:
    """One worker at work, and answers that end today ready to pour.

    If so many people give them, the latest answer of each is counted as well.
    """
    business = folder / "nps.yaml"
    business.write_text(f"tenants: {{{TENANT}: {{scoring: {{latest: {str(bool(people)).lower()}}}}}}}\n")
    env = {
        "NPS_KAFKA_BOOTSTRAP": bootstrap,
        "NPS_PARTITIONS": str(PARTITIONS),
        "NPS_BUSINESS_FILE": str(business),
    }
    kafka = Kafka(ServiceSettings(kafka_bootstrap=bootstrap, partitions=PARTITIONS))
    workers = {name: ScoringWorker(name, folder, env) for name in WORKERS}
    workload = Workload(answers, streams=1, seed=SEED, after_days=(datetime.now(UTC) - FIRST).days - DAYS)
    async with AsyncExitStack() as stack:
        for worker in workers.values():
            stack.callback(worker.end)
        first, *_ = workers.values()
        first.start()
        await first.at_work()
        ends = await stack.enter_async_context(open_reader(kafka, uncommitted=True))
        await ends.assign([RESPONSES.name, PEOPLE.name, TALLIES.name, SCORES.name])
        poured = await stack.enter_async_context(pouring(bootstrap, kafka.topic(RESPONSES.name), workload, people))
        results = await stack.enter_async_context(published(kafka))
        yield Storm(kafka, poured, results, ends, workers, ("all", "latest") if people else ("all",))
