"""`make bench-simulate`: how long a simulation takes on two cores, and how flat its memory is; the last line is JSON.

answers             that were decided about by two playbooks; QUICK=1 takes a tenth
seconds             from the command until its result
answers_per_s       of them
rss_mib_at_start    resident memory of the larger of the two workers once it decides about its first answers
rss_mib_at_quarter  after a quarter of them
rss_mib_at_end      after the last

The answers are those of as many people as a third of them, over four weeks, all of them sealed: customer id, address,
name, a third with a comment and a tenth with an account. Of a hundred records three edit one from the days before.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import psutil
from aiokafka import AIOKafkaProducer
from aiokafka.producer.message_accumulator import BatchBuilder

from infra.local.kafka_broker import running_broker
from schemas.personal_data import PersonalData
from schemas.response import Response
from schemas.topic import partition_of
from schemas.topics import RESPONSES
from services.chassis.business import Business
from services.chassis.clock import SystemClock
from services.chassis.keyring import Claim, Identity, Key, Keyring, identified, open_keyring
from services.chassis.lifecycle import tune_interpreter
from services.chassis.records import Cause, outgoing
from services.routing.playbooks.playbook import Playbook
from services.routing.settings import RoutingSection, RoutingSettings
from services.routing.simulating import Trial, simulate
from services.routing.simulating.simulation import WORKERS
from tests.bench.filling import AT_ONCE, COMPRESSED_BATCH_BYTES
from tests.bench.measured import PARTITIONS, SERVICES
from tests.bench.scoring import make_topic, say
from tests.bench.workload import CHANNELS, COUNTRIES, TENANT

WHOLE: Final = 1_000_000
QUICK: Final = 100_000
OVER: Final = timedelta(days=28)
SINCE: Final = timedelta(days=30)
PEOPLE_PER_ANSWER: Final = 1 / 3
EDITED: Final = 0.03
GROUP: Final = 5_000
MASTER_KEY: Final = base64.b64encode(bytes(32)).decode()
WORDS: Final = ("delivery", "price", "support", "fast", "slow", "again", "friendly", "invoice", "late", "cancelled")
ZONES: Final = ("Europe/Helsinki", "Europe/Prague", "America/New_York", None)
MIB: Final = 1024 * 1024
CLOCK: Final = SystemClock()


class People:
    """Who answers: everything about a person follows from their number."""

    def __init__(self, keyring: Keyring, number: int) -> None:
        self._keyring = keyring
        self._number = number
        self._chance = random.Random(1)

    async def answers(self, number: int, begin: datetime) -> list[Response]:
        """So many answers from a moment on, sealed."""
        chance = self._chance
        who = [chance.randrange(self._number) for _ in range(number)]
        secret = await self._keyring.secret_of(TENANT)
        one = {p: identified(secret, Identity(f"c-{p}", f"p{p}@example.org")) for p in set(who)}
        claims = {p: Claim(TENANT, found.subject, found) for p, found in one.items() if found}
        keys = await self._keyring.admit(list(claims.values()))
        return [self._answer(keys[TENANT, claims[p].owner], p, begin) for p in who]

    def _answer(self, key: Key | object, person: int, at: datetime) -> Response:
        assert isinstance(key, Key)
        chance = self._chance
        data = PersonalData(
            customer_id=f"c-{person}",
            account_id=f"a-{person // 20}" if person % 10 == 0 else None,
            email=f"p{person}@example.org" if person % 20 else None,
            name=f"Person {person}",
            timezone=ZONES[person % len(ZONES)],
            attributes={"account_value": str(person % 200 * 100), "plan": ("free", "pro", "enterprise")[person % 3]},
            comment=" ".join(chance.choices(WORDS, k=12)) if chance.random() < 1 / 3 else None,
        )
        return Response(
            tenant=TENANT,
            response_id=f"{chance.getrandbits(128):032x}",
            revision=1,
            op="submitted",
            score=chance.choice((10, 10, 9, 9, 9, 8, 8, 7, 6, 4, 1)),
            channel=chance.choice(CHANNELS),
            source="http",
            subject=key.owner,
            segments={"country": chance.choice(COUNTRIES)},
            answered_at=at,
            received_at=at,
            digest=f"{chance.getrandbits(128):032x}",
            sealed=self._keyring.seal(key, data.model_dump_json(exclude_defaults=True).encode()),
        )


class Filling:
    """Writes answers as intake does, each with the time at which it was received."""

    def __init__(self, producer: AIOKafkaProducer, topic: str) -> None:
        self._producer = producer
        self._topic = topic
        self._open: list[BatchBuilder] = [producer.create_batch() for _ in range(PARTITIONS)]
        self._sent: list[asyncio.Future[object]] = []

    async def write(self, answers: Iterator[Response]) -> None:
        """Adds answers; the last of them are sent by `end`."""
        for answer in answers:
            record = outgoing(
                RESPONSES, answer, f"{answer.response_id}/{answer.revision}", Cause("intake", answer.received_at)
            )
            place, at = partition_of(record.meets_by, PARTITIONS), int(answer.received_at.timestamp() * 1000)
            content = {"timestamp": at, "key": record.key, "value": record.value, "headers": list(record.headers)}
            if self._open[place].append(**content) is None:
                await self._send(place)
                self._open[place].append(**content)

    async def end(self) -> None:
        """Returns once everything is acknowledged."""
        for place in range(PARTITIONS):
            await self._send(place)
        await asyncio.gather(*self._sent)

    async def _send(self, place: int) -> None:
        batch, self._open[place] = self._open[place], self._producer.create_batch()
        if batch.record_count():
            batch.close()
            self._sent.append(
                asyncio.ensure_future(await self._producer.send_batch(batch, self._topic, partition=place))
            )
        if len(self._sent) >= AT_ONCE * PARTITIONS:
            await asyncio.gather(*self._sent)
            self._sent.clear()


async def fill(settings: RoutingSettings, number: int, begin: datetime) -> None:
    """Writes so many records over four weeks, in the order in which they were received."""
    await make_topic(settings.kafka_bootstrap, RESPONSES.name)
    producer = AIOKafkaProducer(
        bootstrap_servers=settings.kafka_bootstrap, acks="all", max_batch_size=COMPRESSED_BATCH_BYTES
    )
    chance, recent = random.Random(2), list[Response]()
    await producer.start()
    async with open_keyring(settings, CLOCK) as keyring:
        people, filling = People(keyring, round(number * PEOPLE_PER_ANSWER)), Filling(producer, RESPONSES.name)
        for done in range(0, number, GROUP):
            edits = [_edited(one, chance) for one in recent if chance.random() < EDITED]
            recent = await people.answers(min(GROUP, number - done) - len(edits), begin)
            step = OVER * (GROUP / number) / GROUP
            times = (begin + OVER * (done / number) + place * step for place in range(GROUP))
            mixed = [*recent, *edits]
            chance.shuffle(mixed)
            placed = [
                one.model_copy(update={"received_at": at, "answered_at": at})
                for one, at in zip(mixed, times, strict=False)
            ]
            await filling.write(iter(placed))
            say(f"{done + len(placed):,} answers written")
        await filling.end()
    await producer.stop()


def _edited(answer: Response, chance: random.Random) -> Response:
    changed = {
        "revision": 2,
        "op": "updated",
        "score": chance.randrange(11),
        "digest": f"{chance.getrandbits(128):032x}",
    }
    return answer.model_copy(update=changed)


def candidate(playbook: Playbook) -> Playbook:
    """The playbook that ships, changed in a few places as somebody might who wants to try something."""
    rules = []
    for rule in playbook.rules:
        changes: dict[str, dict[str, Any]] = {  # values of any type
            "talk-to-detractors": {"when": "answer.score <= 4"},
            "thank-promoters": {"settle": timedelta(minutes=20), "cost": 5.0},
            "win-passives": {"when": 'answer.band == "passive" && account.value >= 5000.0'},
        }
        rules.append(rule.model_copy(update=changes.get(rule.name, {})))
    return Playbook.model_validate(
        playbook.model_copy(update={"name": "candidate", "rules": tuple(rules)}).model_dump(exclude_unset=True)
    )


class Watching:
    """Looks at the memory of the workers as they go on."""

    def __init__(self) -> None:
        self._me = psutil.Process()
        self._workers: list[psutil.Process] = []
        self.seen: list[tuple[float, float]] = []

    def tell(self, done: int, of: int) -> None:
        """Called as records are read: the first third of them to look through, the rest to decide about."""
        with suppress(psutil.NoSuchProcess):  # one that has just ended
            if len(self._workers) < WORKERS:
                self._workers = [one for one in self._me.children() if "spawn_main" in " ".join(one.cmdline())]
            if self._workers:
                self.seen.append((done / of, max(one.memory_info().rss / MIB for one in self._workers)))

    def at(self, share: float) -> float:
        """The largest worker's memory at a share of the deciding."""
        return next((size for done, size in self.seen if done >= (1 + 2 * share) / 3), self.seen[-1][1])


async def measured(settings: RoutingSettings, business: Business, since: datetime) -> dict[str, float]:
    """One simulation."""
    today = business.sections("routing", RoutingSection).of(TENANT).playbook
    watching = Watching()
    begun = time.perf_counter()
    trial = Trial(TENANT, since, candidate(today))
    found = await simulate(settings, business, CLOCK, trial, watching.tell)
    seconds = time.perf_counter() - begun
    say(found.model_dump_json(indent=2, exclude={"examples"}))
    return {
        "answers": found.answers,
        "seconds": seconds,
        "answers_per_s": found.answers / seconds,
        "rss_mib_at_start": watching.at(0.02),
        "rss_mib_at_quarter": watching.at(0.25),
        "rss_mib_at_end": watching.at(1.0),
    }


def main() -> None:
    """Fills a topic and runs a simulation over it."""
    number, begin = QUICK if os.environ.get("QUICK") == "1" else WHOLE, datetime.now(UTC) - OVER
    tune_interpreter()
    business = Business.load(Path(str(files("schemas"))) / "nps.yaml", None, SERVICES)
    with tempfile.TemporaryDirectory(prefix="nps-bench-") as name, running_broker(Path(name) / "kafka") as broker:
        settings = RoutingSettings(
            kafka_bootstrap=broker.bootstrap,
            partitions=PARTITIONS,
            state_dir=Path(name) / "state",
            master_key=MASTER_KEY,
        )
        asyncio.run(fill(settings, number, begin))
        figures = asyncio.run(measured(settings, business, begin - (SINCE - OVER)))
    sys.stdout.write(json.dumps({name: round(value, 1) for name, value in figures.items()}) + "\n")


if __name__ == "__main__":
    main()
