"""`make bench-routing`: how fast answers are decided about, with 50 rules; the last line is JSON.

decisions_per_s_sqlite    answers a second, each of a new person, decided, stored and published, on one core
decisions_per_s_postgres  the same on PostgreSQL
ratio_sqlite              against the same rows of the answers table, inserted in batches and nothing else
ratio_postgres            likewise
latency_p50_ms            from an answer on nps.responses to its command, at 300 answers a second that settle at once
latency_p99_ms            of a hundred such answers 99 are commanded within so many milliseconds
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import httpx2
from sqlalchemy import Connection, insert, select

from infra.local.kafka_broker import running_broker
from schemas.topics import MESSAGES, OUTREACH, RESPONSES
from services.chassis import logs
from services.chassis.business import Business
from services.chassis.clock import SystemClock
from services.chassis.frame import open_frame
from services.chassis.kafka import Kafka
from services.chassis.keyring import open_keyring
from services.chassis.lifecycle import tune_interpreter
from services.chassis.metrics import CHASSIS_METRICS, Metrics
from services.chassis.publishing import Publisher
from services.chassis.reading import open_reader
from services.chassis.records import Cause, outgoing
from services.chassis.sql import open_database
from services.chassis.sql_service import database_url, wanted_topics
from services.routing import READS, WRITES
from services.routing.app import routing
from services.routing.settings import RoutingSettings
from services.routing.tables import ANSWERS
from tests.integration.conftest import MASTER_KEY, SERVICES
from tests.support.answers import answered
from tests.support.postgres import fresh_database, running_postgres
from tests.support.sealing import sealed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from schemas.response import Response

RULES: Final = 50
ANSWERED: Final = 20_000
PER_SECOND: Final = 300
SECONDS: Final = 20
WARM: Final = 900
PARTITIONS: Final = 4
BATCH: Final = 500
CORE: Final = 0
DONE: Final = re.compile(r'nps_records_total\{[^}]*topic="nps.responses"\} (\S+)')


def playbook() -> dict[str, Any]:  # YAML of any shape
    """Rules as a business of many countries writes them; an answer passes nearly all of them before one holds."""
    countries = [
        {
            "name": f"country-{number}",
            "when": f'"country" in answer.segments && answer.segments.country == "C{number}" && answer.score <= 6',
            "action": "outreach",
            "priority": 10,
        }
        for number in range((RULES - 4) // 2)
    ]
    accounts = [
        {
            "name": f"account-{number}",
            "when": f"account.value > {10_000 + number} && history.trend == 'down' && comment.length > {number}",
            "action": "outreach",
            "priority": 5,
        }
        for number in range(RULES - 4 - len(countries))
    ]
    bands = [
        {"name": "talk", "when": 'answer.band == "detractor"', "action": "outreach"},
        {"name": "win", "when": 'answer.band == "passive"', "action": "offer", "template": "offer"},
        {"name": "thank", "when": 'answer.band == "promoter"', "action": "perk", "template": "perk"},
        {"name": "rest", "when": "true", "action": "none", "priority": -10},
    ]
    return {"name": "bench", "rules": [*countries, *accounts, *bands]}


@dataclass(frozen=True, slots=True)
class World:
    """One cluster, one folder, one database."""

    settings: RoutingSettings
    business: Business


def world_at(folder: Path, bootstrap: str, urls: tuple[str, str] | None, core: int) -> World:
    """Where a bench runs, and what it decides by."""
    own = folder / "nps.yaml"
    own.write_text(json.dumps({"tenants": {"default": {"routing": {"playbook": playbook()}}}}))
    settings = RoutingSettings(
        kafka_bootstrap=bootstrap,
        topic_prefix=f"{folder.name}.",
        partitions=PARTITIONS,
        state_dir=folder,
        master_key=MASTER_KEY,
        sql_url=urls[0] if urls else None,
        keyring_url=urls[1] if urls else None,
        at_once=True,
        instance=f"bench-{core}",
    )
    return World(settings, Business.load(Path(str(files("schemas"))) / "nps.yaml", own, SERVICES))


@asynccontextmanager
async def filling(world: World) -> AsyncIterator[tuple[Publisher, Callable[[int], Coroutine[None, None, Response]]]]:
    """Makes answers of new persons, sealed as intake seals them, and publishes them."""
    clock = SystemClock()
    topics = wanted_topics(READS, WRITES, PARTITIONS)
    async with (
        open_frame("bench", world.settings, clock, Metrics(CHASSIS_METRICS), topics) as frame,
        open_keyring(world.settings, clock) as keyring,
    ):

        async def one(number: int) -> Response:
            now = datetime.now(UTC)
            answer = answered(
                number % 11,
                response_id=f"r-{number}",
                answered_at=now,
                received_at=now,
                segments={"country": f"X{number % 40}"},
            )
            return await sealed(keyring, answer, email=f"a{number}@example.org", comment="It came late.")

        yield frame.publisher, one


async def fill(world: World) -> None:
    """Publishes all answers before anybody reads them."""
    async with filling(world) as (publisher, one):
        for start in range(0, ANSWERED, BATCH):
            answers = [await one(number) for number in range(start, min(start + BATCH, ANSWERED))]
            cause = Cause("intake", datetime.now(UTC))
            await publisher.publish([outgoing(RESPONSES, a, a.response_id, cause) for a in answers])


async def decided(world: World) -> dict[str, float]:
    """Decides about all answers there are, from the first on."""
    async with routing(world.settings, world.business, SystemClock()) as assembly:
        stop = asyncio.Event()
        running = [asyncio.create_task(loop(stop)) for loop in assembly.loops.values()]
        begun, cpu, first, done = 0.0, 0.0, 0, 0
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(assembly.web), base_url="http://bench") as client:
            while done < ANSWERED:
                await asyncio.sleep(0.02)
                done = sum(int(float(number)) for number in DONE.findall((await client.get("/metrics")).text))
                if done and not begun:
                    begun, cpu, first = time.perf_counter(), time.process_time(), done
        seconds = time.perf_counter() - begun
        told = {"per_s": (done - first) / seconds, "cpu_us": (time.process_time() - cpu) * 1e6 / (done - first)}
        stop.set()
        await asyncio.gather(*running)
        return told


async def inserted(world: World) -> dict[str, float]:
    """Inserts the rows that deciding left behind once more, in batches as large, and does nothing else."""
    async with open_database(database_url(world.settings, "routing")) as database:
        async with database.read() as transaction:
            rows = [dict(row._mapping) for row in await transaction.execute(select(ANSWERS))]
        again = [row | {"tenant": "again"} for row in rows]
        begun = time.perf_counter()
        for start in range(0, len(again), BATCH):
            await database.in_one_go(partial(_insert, again[start : start + BATCH]))
        return {"per_s": len(again) / (time.perf_counter() - begun)}


def _insert(rows: list[dict[str, Any]], connection: Connection) -> None:  # column values of any type
    connection.execute(insert(ANSWERS), rows)


async def latency(world: World) -> dict[str, float]:
    """Publishes at a steady pace while routing decides in a process of its own; when each command is there."""
    sent: dict[str, float] = {}
    waits: dict[str, float] = {}
    wanted = WARM + PER_SECOND * SECONDS

    async def watch() -> None:
        async with open_reader(Kafka(world.settings)) as reader:
            await reader.assign([MESSAGES.name, OUTREACH.name])
            while len(waits) < wanted:
                for raw in await reader.more():
                    topic = MESSAGES if raw.topic == MESSAGES.name else OUTREACH
                    response_id = topic.decode(raw.headers, raw.value).response_id
                    if response_id in sent and response_id not in waits:
                        waits[response_id] = time.perf_counter() - sent[response_id]

    async with filling(world) as (publisher, one):
        answers = [await one(ANSWERED + number) for number in range(wanted)]
        watching = asyncio.create_task(watch())
        begun, publishing = time.perf_counter(), set()
        for number, answer in enumerate(answers):
            await asyncio.sleep(max(0.0, begun + number / PER_SECOND - time.perf_counter()))
            record = outgoing(RESPONSES, answer, answer.response_id, Cause("intake", datetime.now(UTC)))
            sent[answer.response_id] = time.perf_counter()
            publishing.add(asyncio.create_task(publisher.publish([record])))
        await asyncio.gather(*publishing, watching)
    ordered = sorted(wait for response_id, wait in waits.items() if int(response_id[2:]) >= ANSWERED + WARM)
    return {f"p{share}_ms": ordered[len(ordered) * share // 100] * 1000 for share in (50, 99)}


async def serve(world: World) -> dict[str, float]:
    """Decides until its standard input ends."""
    async with routing(world.settings, world.business, SystemClock()) as assembly:
        stop = asyncio.Event()
        running = [asyncio.create_task(loop(stop)) for loop in assembly.loops.values()]
        await asyncio.to_thread(sys.stdin.read)
        stop.set()
        await asyncio.gather(*running)
        return {}


PROGRAMS: Final[dict[str, Callable[[World], Coroutine[None, None, dict[str, float] | None]]]] = {
    "fill": fill,
    "decided": decided,
    "inserted": inserted,
    "latency": latency,
    "serve": serve,
}


def started(program: str, folder: Path, bootstrap: str, urls: tuple[str, str] | None) -> subprocess.Popen[str]:
    """A program of this module in a process of its own; what decides is held to one core."""
    command = [sys.executable, "-m", "tests.bench.routing", program, str(folder), bootstrap, *(urls or ())]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def told(process: subprocess.Popen[str]) -> dict[str, float]:
    """What a program measured."""
    said, _ = process.communicate()
    if process.returncode:
        raise SystemExit(f"a program of the bench ended with {process.returncode}")
    return dict(json.loads(said))


def measured(folder: Path, bootstrap: str, urls: tuple[str, str] | None) -> dict[str, float]:
    """The figures of one database."""
    folder.mkdir()
    told(started("fill", folder, bootstrap, urls))
    decisions = told(started("decided", folder, bootstrap, urls))
    sys.stderr.write(f"{folder.name}: {decisions}\n")
    return {
        "decisions": decisions["per_s"],
        "ratio": decisions["per_s"] / told(started("inserted", folder, bootstrap, urls))["per_s"],
    }


async def _databases(server: str, act: Callable[[tuple[str, str]], dict[str, float]]) -> dict[str, float]:
    async with fresh_database(server) as own, fresh_database(server) as keyring:
        return await asyncio.to_thread(act, (own, keyring))


def main() -> None:
    """Runs all of it, or one program of it."""
    logs.configure("console", "CRITICAL", "bench")
    if len(sys.argv) > 1:
        parser = argparse.ArgumentParser()
        parser.add_argument("program", choices=PROGRAMS)
        parser.add_argument("folder", type=Path)
        parser.add_argument("bootstrap")
        parser.add_argument("urls", nargs="*")
        given = parser.parse_args()
        if given.program in {"decided", "inserted", "serve"}:
            os.sched_setaffinity(0, {CORE})
            tune_interpreter()  # as every service of ours does
        urls = (given.urls[0], given.urls[1]) if given.urls else None
        world = world_at(given.folder, given.bootstrap, urls, CORE)
        sys.stdout.write(json.dumps(asyncio.run(PROGRAMS[given.program](world)) or {}) + "\n")
        return
    with (
        tempfile.TemporaryDirectory(prefix="nps-bench-") as name,
        running_broker(Path(name) / "kafka") as broker,
        running_postgres() as server,
    ):
        root, where = Path(name), broker.bootstrap
        sqlite = measured(root / "sqlite", where, None)
        serving = started("serve", root / "sqlite", where, None)
        waits = told(started("latency", root / "sqlite", where, None))
        serving.communicate("")
        postgres = asyncio.run(_databases(server, lambda urls: measured(root / "postgres", where, urls)))
    figures = {
        "decisions_per_s_sqlite": sqlite["decisions"],
        "decisions_per_s_postgres": postgres["decisions"],
        "ratio_sqlite": sqlite["ratio"],
        "ratio_postgres": postgres["ratio"],
        "latency_p50_ms": waits["p50_ms"],
        "latency_p99_ms": waits["p99_ms"],
    }
    sys.stdout.write(json.dumps({key: round(value, 3) for key, value in figures.items()}) + "\n")


if __name__ == "__main__":
    main()
