"""What is measured, each in a process of its own: a bare consumer, the tally, scoring whole, an idiomatic Faust app.

A process is held to one core. It prints one JSON object: records, seconds from the first of them to the last, CPU
seconds, and the largest resident memory.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import re
import sys
import time
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import faust
import httpx2
from aiokafka import AIOKafkaConsumer

from schemas.topics import SCORES
from services.chassis.business import Business
from services.chassis.clock import SystemClock
from services.chassis.frame import open_frame
from services.chassis.kafka import Kafka
from services.chassis.lifecycle import Assembly, tune_interpreter
from services.chassis.metrics import CHASSIS_METRICS, Metrics
from services.chassis.reading import open_reader
from services.chassis.sql_service import wanted_topics
from services.scoring import READS, WRITES, counted
from services.scoring.app import SLOTS_IN_MEMORY, scoring
from services.scoring.metrics import SCORING_METRICS
from services.scoring.segments import NO_RULES
from services.scoring.settings import ScoringSettings
from services.scoring.store import RocksStore, StoreMemory
from services.scoring.tallying import Tallying
from tests.bench.workload import CHANNELS, COUNTRIES

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Callable, Coroutine

POLL_MS: Final = 200
LOOK_EVERY_S: Final = 0.01
PARTITIONS: Final = 4
SEGMENTS: Final = 1 + len(CHANNELS) + len(COUNTRIES)
SERVICES: Final = frozenset({"intake", "scoring", "routing", "delivery", "outreach", "monitor"})


_TAKEN_IN: Final = re.compile(r"^nps_answers_(?:counted|ignored)_total(?:\{.*\})? (\S+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Task:
    """What to read: up to `until` records of a cluster's `nps.responses`, with state in a folder."""

    bootstrap: str
    prefix: str
    until: int
    folder: Path
    windows: int
    instance: str
    partitions: int

    def settings(self) -> ScoringSettings:
        """Scoring's."""
        return ScoringSettings(
            kafka_bootstrap=self.bootstrap,
            topic_prefix=self.prefix,
            partitions=PARTITIONS,
            instance=self.instance,
            state_dir=self.folder,
            http_port=0,
        )


class Stopwatch:
    """From the first record to the last."""

    def __init__(self) -> None:
        self._begun: float | None = None
        self._cpu = 0.0
        self._read = 0

    def at(self, read: int) -> None:
        """Notes how many records have been read so far."""
        if self._begun is None:
            if not read:
                return
            self._begun, self._cpu = time.perf_counter(), time.process_time()
        self._read = read

    def told(self) -> dict[str, float]:
        """What was measured."""
        seconds = time.perf_counter() - (self._begun or 0)
        return {
            "records": self._read,
            "seconds": seconds,
            "per_s": self._read / seconds,
            "cpu_s": time.process_time() - self._cpu,
            "rss_mib": _largest_resident() / 1024,
        }


def _largest_resident() -> int:
    """In KiB. What getrusage tells counts the process from which this one was started as well."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1])


async def bare(task: Task) -> dict[str, float]:
    """Counts records and does nothing else."""
    watch, read = Stopwatch(), 0
    consumer = AIOKafkaConsumer(
        f"{task.prefix}nps.responses",
        bootstrap_servers=task.bootstrap,
        group_id=f"{task.prefix}{task.instance}",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        max_poll_records=5_000,
    )
    await consumer.start()
    try:
        while read < task.until:
            fetched = await consumer.getmany(timeout_ms=POLL_MS)
            read += sum(map(len, fetched.values()))
            watch.at(read)
        return watch.told()
    finally:
        await consumer.stop()


async def tally(task: Task) -> dict[str, float]:
    """The tally as scoring hosts it, until all of it is counted, published and announced."""
    settings = task.settings()
    memory = StoreMemory(settings.tally_store_mib)
    kind = counted.answers("g1", lambda _: NO_RULES, SLOTS_IN_MEMORY // PARTITIONS)
    metrics = Metrics(CHASSIS_METRICS, SCORING_METRICS)
    topics = wanted_topics(READS, WRITES, PARTITIONS)
    async with open_frame("bench", settings, SystemClock(), metrics, topics) as frame:
        tallying = Tallying(frame, kind, lambda number: RocksStore(task.folder / str(number), memory))
        stop = asyncio.Event()
        running = asyncio.create_task(tallying.run(stop))
        told = await _watched(task, tallying, running)
        stop.set()
        await running
        return told


async def _watched(task: Task, tallying: Tallying, running: asyncio.Task[None]) -> dict[str, float]:
    watch = Stopwatch()
    while not running.done():
        await asyncio.sleep(LOOK_EVERY_S)
        watch.at(tallying.counted)
        if tallying.counted >= task.until and tallying.stands:
            return watch.told()
    running.result()
    raise SystemExit("the tally ended by itself")


async def whole(task: Task) -> dict[str, float]:
    """Scoring with tally, windows and views, as a process runs it, until every score of every window is published."""
    own = task.folder / "nps.yaml"
    own.parent.mkdir(parents=True, exist_ok=True)
    lengths = ", ".join(f"w{hours}: PT{hours}H" for hours in _hours(task.windows))
    own.write_text(f"tenants:\n  default:\n    scoring:\n      calendar: []\n      windows: {{{lengths}}}\n")
    business = Business.load(Path(str(files("schemas"))) / "nps.yaml", own, SERVICES)
    async with scoring(task.settings(), business, SystemClock()) as assembly:
        stop = asyncio.Event()
        running = asyncio.create_task(assembly.loops["worker"](stop))
        told = await _until_scored(task, assembly)
        stop.set()
        await running
        return told


def _hours(windows: int) -> list[int]:
    """Lengths from a day to two years, as many as asked for."""
    return [24 + (730 * 24 - 24) * number // max(windows - 1, 1) for number in range(windows)]


async def _until_scored(task: Task, assembly: Assembly) -> dict[str, float]:
    watch, counted_so_far = Stopwatch(), 0
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(assembly.web), base_url="http://bench") as client:
        while counted_so_far < task.until:
            await asyncio.sleep(10 * LOOK_EVERY_S)
            told = (await client.get("/metrics")).text
            counted_so_far = sum(int(float(number)) for number in _TAKEN_IN.findall(told))
            watch.at(counted_so_far)
    wanted = SEGMENTS * (task.windows + 1)
    found: set[bytes | None] = set()
    async with open_reader(Kafka(task.settings())) as reader:
        await reader.assign([SCORES.name])
        while len(found) < wanted:
            found |= {raw.key for raw in await reader.more()}
    return watch.told()


class Answered(faust.Record, serializer="json"):
    """An answer as an app that uses Faust would model it."""

    response_id: str
    revision: int
    op: str
    answered_at: str
    metric: str = "nps"
    score: int | None = None
    channel: str | None = None
    segments: dict[str, str] = {}  # noqa: RUF012 a field of Faust's, which copies it
    test: bool = False


async def by_faust(task: Task) -> dict[str, float]:
    """The same work as Faust's own guide would have it done: an agent, and tables with changelogs."""
    watch, done = Stopwatch(), asyncio.Event()
    app = faust.App(
        f"{task.prefix}faust",
        broker=f"kafka://{task.bootstrap}",
        store="memory://",
        datadir=task.folder,
        topic_partitions=PARTITIONS,
        consumer_auto_offset_reset="earliest",
        web_enabled=False,
    )
    known = app.Table("known", default=list)
    cells = app.Table("cells", default=dict)
    responses = app.topic(f"{task.prefix}nps.responses", key_type=bytes, value_type=Answered)

    async def count(stream: AsyncIterable[Answered]) -> None:
        read = 0
        async for answer in stream:
            before: Any = known[answer.response_id]  # a table holds anything
            if not before or answer.revision > before[0]:
                pairs = {"channel": answer.channel, **answer.segments}
                counts = answer.op != "retracted" and answer.metric == "nps" and not answer.test
                names = ["all", *(f"{key}={value}" for key, value in pairs.items())] if counts else []
                now: Any = [answer.revision, answer.answered_at, answer.score, names]
                for by, each in ((-1, before), (1, now)):
                    for name in each[3] if each else ():
                        key = f"{name}|{each[1][:10]}"
                        slot = f"{each[1][11:16]}|{each[2]}"
                        cell = cells[key]
                        cells[key] = cell | {slot: cell.get(slot, 0) + by}
                known[answer.response_id] = now
            read += 1
            watch.at(read)
            if read == task.until:
                done.set()

    app.agent(responses)(count)
    app.finalize()
    await app.start()
    await done.wait()
    told = watch.told()
    await app.stop()
    return told


PROGRAMS: Final[dict[str, Callable[[Task], Coroutine[None, None, dict[str, float]]]]] = {
    "bare": bare,
    "tally": tally,
    "whole": whole,
    "faust": by_faust,
}


def main() -> None:
    """Measures what the arguments say."""
    parser = argparse.ArgumentParser()
    parser.add_argument("program", choices=PROGRAMS)
    parser.add_argument("bootstrap")
    parser.add_argument("prefix")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--until", type=int, required=True)
    parser.add_argument("--windows", type=int, default=4)
    parser.add_argument("--partitions", type=int, default=PARTITIONS)
    parser.add_argument("--instance", default="bench")
    parser.add_argument("--core", type=int, default=None)
    given = parser.parse_args()
    if given.core is not None:
        os.sched_setaffinity(0, {given.core})
    logging.disable(logging.WARNING)
    if given.program in {"tally", "whole"}:
        tune_interpreter()  # as every service of ours does
    where = (given.bootstrap, given.prefix, given.until, given.folder)
    task = Task(*where, given.windows, given.instance, given.partitions)
    sys.stdout.write(json.dumps(asyncio.run(PROGRAMS[given.program](task))) + "\n")


if __name__ == "__main__":
    main()
