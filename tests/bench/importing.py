"""How fast files go in, and what memory that takes: each file is imported by a process of its own, held to one core.

import_rows_per_s          rows of a CSV without personal data, from when the door stands open until the last is durable
import_sealed_rows_per_s   the same where every row is a new person's, so that each needs a key of its own
import_rss_growth_mib      largest resident memory while the first file goes in, less that before its first row
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import csv
import json
import logging
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Final

from services.chassis.business import Business
from services.chassis.clock import SystemClock
from services.chassis.lifecycle import tune_interpreter
from services.intake.giving_way import GivingWay
from services.intake.importing import Import, Importer, Report
from services.intake.kafka_traffic import open_traffic
from services.intake.opening import open_door
from services.intake.settings import IntakeSettings
from services.intake.sql_imports import SqlImports
from tests.bench.measured import PARTITIONS, SERVICES
from tests.bench.workload import CHANNELS, COUNTRIES

ROWS: Final = 1_000_000
SEALED_ROWS: Final = 200_000
MEASURED_CORE: Final = 1
MASTER_KEY: Final = base64.b64encode(bytes(32)).decode()
FIRST: Final = datetime(2024, 1, 1, tzinfo=UTC)
WORDS: Final = ("delivery", "price", "support", "fast", "slow", "again", "friendly", "invoice", "late", "helpful")

CLOCK: Final = SystemClock()

Row = Sequence[object]


def measure(bootstrap: str, folder: Path, *, rows: int = ROWS, sealed_rows: int = SEALED_ROWS) -> dict[str, float]:
    """The three figures, on a Kafka that runs; files and state lie in a folder."""
    plain, sealed = folder / "plain.csv", folder / "sealed.csv"
    _write(plain, ("response_id", "score", "answered_at", "channel", "segment.country"), _plain(rows))
    _write(sealed, ("score", "answered_at", "channel", "segment.country", "email", "comment"), _sealed(sealed_rows))
    without, with_people = _told(bootstrap, plain), _told(bootstrap, sealed)
    return {
        "import_rows_per_s": rows / without["seconds"],
        "import_sealed_rows_per_s": sealed_rows / with_people["seconds"],
        "import_rss_growth_mib": without["growth_mib"],
    }


def _write(file: Path, columns: Row, rows: Iterator[Row]) -> None:
    with file.open("w", newline="") as opened:
        writer = csv.writer(opened)
        writer.writerow(columns)
        writer.writerows(rows)


def _plain(rows: int) -> Iterator[Row]:
    chance = random.Random(1)
    for number in range(rows):
        at = FIRST + timedelta(seconds=number)
        yield f"r-{number}", chance.randint(0, 10), at.isoformat(), chance.choice(CHANNELS), chance.choice(COUNTRIES)


def _sealed(rows: int) -> Iterator[Row]:
    chance = random.Random(2)
    for number in range(rows):
        at = (FIRST + timedelta(seconds=number)).isoformat()
        comment = " ".join(chance.choices(WORDS, k=12))
        row = chance.randint(0, 10), at, chance.choice(CHANNELS), chance.choice(COUNTRIES)
        yield *row, f"person-{number}@example.org", comment


def _told(bootstrap: str, file: Path) -> dict[str, float]:
    """What a process that imported a file printed last."""
    command = [sys.executable, "-m", "tests.bench.importing", bootstrap, str(file)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    told: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    sys.stderr.write(f"import {file.name}: {told}\n")
    return told


async def _imported(bootstrap: str, file: Path) -> dict[str, float]:
    settings = IntakeSettings(
        kafka_bootstrap=bootstrap,
        topic_prefix=f"{file.stem}.",
        partitions=PARTITIONS,
        state_dir=file.parent / file.stem,
        master_key=MASTER_KEY,
    )
    business = Business.load(Path(str(files("schemas"))) / "nps.yaml", None, SERVICES)
    tune_interpreter()
    async with open_door(settings, business, CLOCK) as opened, open_traffic(opened.service.frame.kafka) as traffic:
        entrance = GivingWay(opened.door, traffic.look, CLOCK)
        importer = Importer(Import(file, "default"), entrance, SqlImports(opened.service.database), CLOCK)
        return await _measured(importer)


async def _measured(importer: Importer) -> dict[str, float]:
    before = largest = _resident_mib()

    def tell(_report: Report, _read: int, _size: int) -> None:
        nonlocal largest
        largest = max(largest, _resident_mib())

    begun, cpu = time.perf_counter(), time.process_time()
    report = await importer.run(tell)
    seconds, cpu = time.perf_counter() - begun, time.process_time() - cpu
    if report.rejected or not report.rows:
        raise SystemExit(f"{report.rejected} of {report.rows} rows were rejected")
    return {"seconds": seconds, "cpu_us": 1e6 * cpu / report.rows, "growth_mib": largest - before}


def _resident_mib() -> float:
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) / 1024


def main() -> None:
    """Imports one file, as the arguments say."""
    parser = argparse.ArgumentParser()
    parser.add_argument("bootstrap")
    parser.add_argument("file", type=Path)
    given = parser.parse_args()
    os.sched_setaffinity(0, {MEASURED_CORE})
    logging.disable(logging.WARNING)
    told = asyncio.run(_imported(given.bootstrap, given.file))
    sys.stdout.write(json.dumps({name: round(value, 2) for name, value in told.items()}) + "\n")


if __name__ == "__main__":
    main()
