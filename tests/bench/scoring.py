"""`make bench-scoring`: how fast and how large the tally is, as ratios measured in one run; the last line is JSON.

consume_ratio      the tally against a bare consumer that only counts records, each on one core
faust_ratio        the tally against an idiomatic Faust agent with tables
random_ids_ratio   uuid4 answer ids against time-ordered ones
windows_ratio      scoring whole with 40 windows against 4
growth             throughput on top of 10,000,000 answers of state against that on top of 100,000
replay_10m_s       seconds in which two processes on two cores rebuild 10,000,000 answers

Before all of it every cell is held against a plain recompute: `wrong_cells` must be 0. `QUICK=1` leaves out the last
two.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from infra.local.kafka_broker import KafkaBroker, running_broker
from schemas.topics import TALLIES
from services.chassis.kafka import Kafka
from services.chassis.reading import open_reader
from services.chassis.settings import ServiceSettings
from tests.bench.measured import PARTITIONS
from tests.bench.workload import Event, Workload

QUICK: Final = 400_000, 2
WHOLE: Final = 1_000_000, 3
"""Records, and how many runs with 4 and with 40 windows: these two differ by less than one run from the next."""
FAUST_RECORDS: Final = 30_000
SMALL: Final = 100_000
LARGE: Final = 10_000_000
ON_TOP: Final = 500_000
MIB: Final = 1024 * 1024
DISK_FOR_LARGE: Final = 12 * 1024 * MIB
"""Ten million answers take about four gigabytes compressed, their state half of one, twice."""
MEASURED_CORE: Final = 1

Told = dict[str, float]


@dataclass
class Bench:
    """One run: a broker, a scratch folder, and what has been found."""

    broker: KafkaBroker
    folder: Path
    figures: dict[str, float] = field(default_factory=dict)
    runs: int = 0

    def fill(self, prefix: str, workload: Workload, *, compressed: bool = False) -> None:
        """Writes a workload to the topic of a prefix, which is made if need be."""
        asyncio.run(make_topic(self.broker.bootstrap, f"{prefix}nps.responses"))
        command = [sys.executable, "-m", "tests.bench.filling", self.broker.bootstrap, f"{prefix}nps.responses"]
        command += ["--records", str(workload.records), "--ids", workload.ids, "--seed", str(workload.seed)]
        command += ["--after-days", str(workload.after_days)]
        command += ["--compressed"] * compressed
        streams = range(workload.streams)
        running = [subprocess.Popen([*command, "--stream", str(stream)]) for stream in streams]
        if sum([one.wait() for one in running]):
            raise SystemExit("the workload could not be written")

    def start(self, program: str, prefix: str, until: int, **options: Any) -> subprocess.Popen[bytes]:
        """Starts what is to be measured; options are those of `measured`, and `folder` for a state that is kept."""
        self.runs += 1
        folder = options.pop("folder", self.folder / f"state-{self.runs}")
        command = [sys.executable, "-m", "tests.bench.measured", program, self.broker.bootstrap, prefix, str(folder)]
        command += ["--until", str(until)]
        command += [part for name, value in options.items() for part in (f"--{name}", str(value))]
        return subprocess.Popen(command, stdout=subprocess.PIPE)

    def measure(self, program: str, prefix: str, until: int, **options: Any) -> Told:
        """Runs it to its end."""
        told = result(self.start(program, prefix, until, core=MEASURED_CORE, **options))
        microseconds = 1e6 * told["cpu_s"] / told["records"]
        say(f"{program} {prefix} {options}: {told['per_s']:,.0f} a second, {microseconds:.1f} us of CPU each")
        return told


def result(running: subprocess.Popen[bytes]) -> Told:
    """What a measured process printed last."""
    printed, _ = running.communicate()
    if running.returncode:
        raise SystemExit("what was to be measured failed")
    told: Told = json.loads(printed.splitlines()[-1])
    return told


def say(line: str) -> None:
    """To whoever watches."""
    sys.stderr.write(line + "\n")


def quick_part(bench: Bench, records: int, pairs: int) -> None:
    """Everything that needs no ten million answers."""
    workload = Workload(records)
    bench.fill("time.", workload)
    bare, counted = [], []
    for number in range(2):
        bare.append(bench.measure("bare", "time.", records, instance=f"bare-{number}")["per_s"])
        folder = bench.folder / f"tally-{number}"
        counted.append(bench.measure("tally", "time.", records, folder=folder)["per_s"])
        if not number:
            bench.figures["wrong_cells"] = wrong_cells(bench, "time.", workload)
    bench.figures["per_core"] = max(counted)
    bench.figures["consume_ratio"] = sum(counted) / sum(bare)
    by_faust = bench.measure("faust", "time.", FAUST_RECORDS)["per_s"]
    bench.figures["faust_ratio"] = bench.figures["per_core"] / by_faust
    bench.fill("random.", Workload(records, "random"))
    bench.figures["random_ids_ratio"] = bench.measure("tally", "random.", records)["per_s"] / bench.figures["per_core"]
    few, many = 0.0, 0.0
    for _ in range(pairs):
        few += bench.measure("whole", "time.", records, windows=4)["seconds"]
        many += bench.measure("whole", "time.", records, windows=40)["seconds"]
    bench.figures["windows_ratio"] = few / many


def large_part(bench: Bench) -> None:
    """What ten million answers take to rebuild, and what counting on top of them costs."""
    small = bench.folder / "small"
    bench.fill("small.", Workload(SMALL), compressed=True)
    bench.measure("tally", "small.", SMALL, folder=small)
    bench.fill("large.", Workload(LARGE), compressed=True)
    began = time.monotonic()
    folders = [bench.folder / f"large-{number}" for number in range(2)]
    half = {"partitions": PARTITIONS // 2}
    both = [
        bench.start("tally", "large.", LARGE // 2, folder=folder, instance=f"bench-{number}", **half)
        for number, folder in enumerate(folders)
    ]
    for one in both:
        result(one)
    bench.figures["replay_10m_s"] = time.monotonic() - began
    large = _together(folders)
    bench.figures["state_bytes_per_answer"] = _size(large) / LARGE
    for prefix in ("small.", "large."):
        bench.fill(prefix, Workload(ON_TOP, seed=2, after_days=90), compressed=True)
    on_small = bench.measure("tally", "small.", ON_TOP, folder=small)
    on_large = bench.measure("tally", "large.", ON_TOP, folder=large)
    bench.figures["growth"] = on_large["per_s"] / on_small["per_s"]
    bench.figures["resident_mib"] = on_large["rss_mib"]


def wrong_cells(bench: Bench, prefix: str, workload: Workload) -> int:
    """How many cells are not what a program without state would count."""
    published = asyncio.run(_published(bench.broker.bootstrap, prefix))
    expected = recomputed(workload)
    return sum(published.get(key) != expected.get(key) for key in published.keys() | expected.keys())


def recomputed(workload: Workload) -> dict[tuple[str, str], Counter[tuple[int, int]]]:
    """Counts by segment and day, and by quarter of an hour and score: the highest revision of each answer."""
    highest: dict[str, Event] = {}
    for stream in range(workload.streams):
        for event in workload.events(stream):
            if event.response_id not in highest or event.revision > highest[event.response_id].revision:
                highest[event.response_id] = event
    cells: dict[tuple[str, str], Counter[tuple[int, int]]] = {}
    for event in highest.values():
        if event.op == "retracted":
            continue
        at = event.answered_at
        for segment in ("all", f"channel={event.channel}", f"country={event.country}"):
            cell = cells.setdefault((segment, at.date().isoformat()), Counter())
            cell[(at.hour * 60 + at.minute) // 15, event.score] += 1
    return cells


async def _published(bootstrap: str, prefix: str) -> dict[tuple[str, str], Counter[tuple[int, int]]]:
    newest: dict[bytes | None, bytes | None] = {}
    async with open_reader(Kafka(ServiceSettings(kafka_bootstrap=bootstrap, topic_prefix=prefix))) as reader:
        await reader.assign([TALLIES.name])
        async for raw in reader.to_end():
            newest[raw.key] = raw.value
    cells: dict[tuple[str, str], Counter[tuple[int, int]]] = {}
    for value in newest.values():
        tally = json.loads(value or b"")
        cell = cells.setdefault((tally["segment"], tally["day"]), Counter())
        for bucket, scores in tally["counts"].items():
            for score, count in scores.items():
                cell[int(bucket) * tally["resolution"] // 15, int(score)] += count
    return {key: cell for key, cell in cells.items() if cell}


async def make_topic(bootstrap: str, name: str) -> None:
    """A topic as intake would make it, if it is not there."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        if name not in await admin.list_topics():
            config = {"message.timestamp.type": "CreateTime", "cleanup.policy": "delete", "retention.ms": "-1"}
            await admin.create_topics([NewTopic(name, PARTITIONS, 1, topic_configs=config)])
    finally:
        await admin.close()


def _together(folders: list[Path]) -> Path:
    """The state of several processes, each of which holds other partitions, as that of one.

    One that had a partition for a moment only has left a little of it behind: the larger state is the whole one.
    """
    first, *others = folders
    for other in others:
        for partition in other.iterdir():
            if _size(partition) > _size(first / partition.name):
                shutil.rmtree(first / partition.name, ignore_errors=True)
                shutil.move(partition, first / partition.name)
    return first


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*.sst"))


@contextmanager
def opened() -> Iterator[Bench]:
    """A broker and a scratch folder for as long as a run lasts."""
    with tempfile.TemporaryDirectory(prefix="nps-bench-") as name:
        folder = Path(name)
        with running_broker(folder / "kafka") as broker:
            yield Bench(broker, folder)


def main() -> None:
    """Runs the benchmark and prints what it found."""
    quick = os.environ.get("QUICK") == "1"
    with opened() as bench:
        free = shutil.disk_usage(bench.folder).free
        if not quick:
            say(f"needs {DISK_FOR_LARGE // MIB:,} MiB of disk, {free // MIB:,} MiB are free")
            if free < DISK_FOR_LARGE:
                raise SystemExit("too little disk: QUICK=1 leaves out what needs it")
        quick_part(bench, *(QUICK if quick else WHOLE))
        if not quick:
            large_part(bench)
        sys.stdout.write(json.dumps({name: round(value, 3) for name, value in bench.figures.items()}) + "\n")


if __name__ == "__main__":
    main()
