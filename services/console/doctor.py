"""Looks at everything that must be right for the loop to turn, and says what it found in one line each."""

from __future__ import annotations

import importlib
import json
import os
import platform
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import aiohttp
from aiokafka.errors import KafkaError

from infra.local.stack import PIDS_FILE, resident_mib
from schemas.topic import DEAD_LETTER_SUFFIX, INBOUND_PREFIX, dead_letters_of
from schemas.topics import CATALOGUE
from services.chassis.business import BadBusiness
from services.chassis.clock import SystemClock
from services.chassis.failures import Halt, Transient
from services.chassis.kafka import Kafka
from services.chassis.keyring import open_keyring
from services.chassis.settings import BadSettings, SealedSettings, ServiceSettings, SqlSettings, load
from services.chassis.topic_admin import open_topic_admin, wanted_topic
from services.console import environment
from services.console.dead_letters import Sought, letters
from services.console.serving import NAMES, PAUSABLE, business_of, settings_of
from services.monitor.kafka_pipeline import open_pipeline
from services.monitor.pipeline import Pipeline

NOT_MUCH: Final = 10_000


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at."""

    what: str
    ok: bool
    told: str

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return asdict(self)


async def look() -> list[Finding]:
    """Everything, in the order in which one thing needs the other."""
    found = [Finding("Python", ok=True, told=platform.python_version()), *_settings()]
    for what, check in (
        ("Kafka", _kafka),
        ("topics", _topics),
        ("keyring", _keyring),
        ("services", _services),
        ("the line", _line),
        ("pauses", _pauses),
    ):
        found += await _checked(what, check)
    return found + _memory()


async def _checked(what: str, check: Callable[[], Awaitable[list[Finding]]]) -> list[Finding]:
    try:
        return await check()
    except (Halt, Transient, KafkaError, BadSettings) as error:
        return [Finding(what, ok=False, told=f"{error or type(error).__name__}")]


def _settings() -> list[Finding]:
    found = []
    for name in NAMES:
        try:
            business_of(load(settings_of(name)))
        except (BadSettings, BadBusiness) as error:
            found.append(Finding(f"settings of {name}", ok=False, told=str(error)))
    return found or [Finding("settings", ok=True, told="complete, and the business file is sound")]


async def _kafka() -> list[Finding]:
    settings = load(ServiceSettings)
    async with open_topic_admin(Kafka(settings), settings.replication) as admin:
        names = await admin.names()
    return [Finding("Kafka", ok=True, told=f"{settings.kafka_bootstrap}, {len(names)} topics")]


async def _topics() -> list[Finding]:
    settings = load(ServiceSettings)
    async with open_topic_admin(Kafka(settings), settings.replication) as admin:
        there = set(await admin.names())
        missing = [topic.name for topic in CATALOGUE if topic.name not in there]
        known = [wanted_topic(topic, settings.partitions) for topic in CATALOGUE if topic.name in there]
        problems = [line.strip() for line in await admin.problems(known)]
    inbound = sorted(n for n in there if n.startswith(INBOUND_PREFIX) and not n.endswith(DEAD_LETTER_SUFFIX))
    wrong = [*(f"{name}: missing" for name in missing), *problems]
    told = "; ".join(wrong) if wrong else f"as they must be; inbound: {', '.join(inbound) or 'none'}"
    return [Finding("topics", ok=not wrong, told=told)]


async def _keyring() -> list[Finding]:
    async with open_keyring(load(SealedSettings), SystemClock()) as keyring:
        await keyring.secret_of("default")
    return [Finding("keyring", ok=True, told="opens with the master key")]


async def _services() -> list[Finding]:
    found = []
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=3)) as session:
        for name in NAMES:
            url = f"http://127.0.0.1:{_port(name)}"
            try:
                async with session.get(f"{url}/readyz") as answer:
                    told = await answer.json()
                waiting = ", ".join(f"{what}: {why}" for what, why in told["waiting_for"].items())
                found.append(Finding(name, ok=answer.status == 200, told=waiting or f"ready at {url}"))
            except (aiohttp.ClientError, TimeoutError) as error:
                found.append(Finding(name, ok=False, told=f"{url} does not answer: {type(error).__name__}"))
    return found


def _port(name: str) -> int:
    return int(os.environ.get(f"NPS_PORT_{name.upper()}", load(settings_of(name)).http_port))


async def _line() -> list[Finding]:
    """What each group has still to read, and what was refused."""
    kafka = Kafka(load(ServiceSettings))
    async with open_pipeline(kafka) as pipeline:
        found = await pipeline.look(Pipeline())
    waiting = Counter(dead_letters_of(kept.letter.topic) for kept in await letters(kafka, None, Sought()))
    dead = ", ".join(f"{name}: {number}" for name, number in sorted(waiting.items())) or "none"
    built = "complete" if found.rebuilt is None else f"being rebuilt: {found.rebuilt:.0%} of all answers read"
    return [
        Finding("counts", ok=True, told=built),
        *(Finding(f"lag of {one.group}", one.records < NOT_MUCH, f"{one.records} records") for one in found.groups),
        Finding("dead letters", ok=True, told=dead),
    ]


async def _pauses() -> list[Finding]:
    """What is held back on purpose. Where each service has a database of its own, this is not the place to ask."""
    if load(SqlSettings).sql_url:
        return []
    held = []
    for what, service in PAUSABLE.items():
        paused = importlib.import_module(f"services.{service}.commands").paused
        for tenant, since in (await paused(load(settings_of(service)), SystemClock())).items():
            held.append(f"{what} of {'every tenant' if tenant == '*' else tenant} since {since:%Y-%m-%d %H:%M}Z")
    return [Finding("pauses", ok=True, told="; ".join(held) or "none")]


def _memory() -> list[Finding]:
    """Resident memory of each process of the embedded stack, if one runs here."""
    path: Path = environment.state_folder() / PIDS_FILE
    if not path.exists():
        return []
    sizes = {name: resident_mib(pid) for name, pid in json.loads(path.read_text()).items()}
    alive = {name: size for name, size in sizes.items() if size}
    told = [Finding(f"memory of {name}", ok=True, told=f"{size:.0f} MiB") for name, size in alive.items()]
    return [*told, Finding("memory of all", ok=True, told=f"{sum(alive.values()):.0f} MiB")] if alive else []
