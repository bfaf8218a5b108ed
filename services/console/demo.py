"""The demo: the month of May goes in three ways, and what comes out at the sinks must be exactly what the brief says.

Nothing is read from our own tables: the score comes from its topic, mails from the sandbox's inbox, tasks from the
sandbox's CRM. The last line on standard output is one JSON object; everything else goes to standard error.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import aiohttp

from infra.local.stack import SERVICES, StackDown
from schemas.delivery import ENDED
from schemas.message import effect_id
from schemas.score import Score
from schemas.topic import inbound
from schemas.topics import DECISIONS, DELIVERIES, MESSAGES, OUTREACH, SCORES, TASKS
from services.chassis.failures import Transient
from services.chassis.kafka import start_client
from services.chassis.reading import open_reader
from services.console import demo_answers, topic_views
from services.console.demo_answers import Answer
from services.console.demo_target import Target, create_key, target
from services.console.showing import err

AT_ONCE: Final = 16
GIVE_UP_S: Final = 120.0
GIVE_UP_DISTURBED_S: Final = 300.0
QUIET_S: Final = 2.0
UNKNOWN_FOR_S: Final = 15.0
FROZEN_S: Final = 14.0
"""Longer than a session, so that a frozen service has been replaced when it wakes."""

FROZEN_TOGETHER: Final = 3
RETRY_S: Final = 0.5
REQUEST_S: Final = 10.0

SETTLED: Final = ENDED - {"unknown"}


@dataclass(frozen=True, slots=True)
class Play:
    """How to run it."""

    target: str = "embedded"
    kill: bool = False
    freeze: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """What came out."""

    n: int
    promoters: int
    passives: int
    detractors: int
    nps: float | None
    interval_low: float | None
    interval_high: float | None
    perk_mails: int
    offer_mails: int
    tasks: int
    duplicate_effects: int
    lost: int
    seconds: float = 0.0
    rss_mib: float = 0.0

    def is_right(self) -> bool:
        """Whether it is what the brief says, answers unrounded and the interval to four places."""
        exact = (self.n, self.promoters, self.passives, self.detractors, self.nps)
        interval = (round(self.interval_low or 0, 4), round(self.interval_high or 0, 4))
        effects = (self.perk_mails, self.offer_mails, self.tasks, self.duplicate_effects, self.lost)
        return (exact, interval, effects) == (
            (demo_answers.ANSWERS, demo_answers.PROMOTERS, demo_answers.PASSIVES, demo_answers.DETRACTORS, 30.0),
            (25.9450, 33.8756),
            (demo_answers.PROMOTERS, demo_answers.PASSIVES, demo_answers.DETRACTORS, 0, 0),
        )


async def run(play: Play) -> bool:
    """Runs the demo; whether all of it came out right."""
    started = time.monotonic()
    loop = target(play.target)
    try:
        await loop.start()
        result = await _Performance(loop, play).run()
        seconds, resident = time.monotonic() - started, await loop.resident_mib()
    except StackDown as error:
        raise Transient(str(error)) from error
    finally:
        await loop.stop()
    told = asdict(result) | {"seconds": round(seconds, 1), "rss_mib": round(resident)}
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()
    return result.is_right()


@dataclass(slots=True)
class _Flow:
    """What the topics say is still under way. Newest record by answer."""

    decided: set[str] = field(default_factory=set)
    mails: dict[str, int] = field(default_factory=dict)
    deliveries: dict[str, tuple[int, str]] = field(default_factory=dict)
    requests: dict[str, int] = field(default_factory=dict)
    tasks: dict[str, int] = field(default_factory=dict)
    changed_at: float = field(default_factory=time.monotonic)

    def take(self, topic: str, payload: Any) -> None:  # the payload of that topic
        self.changed_at = time.monotonic()
        key = payload.response_id
        if topic == DECISIONS.name:
            self.decided.add(key)
        elif topic == MESSAGES.name:
            self.mails[key] = max(payload.revision, self.mails.get(key, 0))
        elif topic == DELIVERIES.name:
            self.deliveries[key] = max((payload.version, payload.state), self.deliveries.get(key, (0, "")))
        elif topic == OUTREACH.name:
            self.requests[key] = max(payload.revision, self.requests.get(key, 0))
        elif topic == TASKS.name:
            self.tasks[key] = max(payload.revision, self.tasks.get(key, 0))

    def unknown(self) -> list[str]:
        return [key for key in self.mails if self.deliveries.get(key, (0, ""))[1] == "unknown"]

    def under_way(self, expected: Iterable[str]) -> dict[str, int]:
        """How much of what is still to come, by kind."""
        undecided = sum(1 for key in expected if key not in self.decided)
        mails = sum(1 for key in self.mails if self.deliveries.get(key, (0, ""))[1] not in SETTLED)
        tasks = sum(1 for key, revision in self.requests.items() if self.tasks.get(key, 0) < revision)
        found = {"answers undecided": undecided, "mails": mails, "tasks": tasks}
        return {what: number for what, number in found.items() if number}


class _Performance:
    """One run of the demo on one target."""

    def __init__(self, loop: Target, play: Play) -> None:
        self._loop = loop
        self._play = play
        self._started = time.monotonic()
        self._tenant = f"demo-{uuid4().hex[:8]}"
        self._month = demo_answers.may(self._tenant, datetime.now(UTC))
        self._flow = _Flow()
        self._patience = GIVE_UP_DISTURBED_S if play.kill or play.freeze else GIVE_UP_S

    async def run(self) -> Result:
        """Publishes, waits until nothing is under way, reads the sinks."""
        self._say(f"tenant {self._tenant}")
        token = await create_key(self._loop, self._tenant)
        await self._loop.nps("topics", "create", *demo_answers.CHANNELS)
        following = asyncio.create_task(self._follow())
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        timeout = aiohttp.ClientTimeout(total=REQUEST_S)
        async with aiohttp.ClientSession(headers=headers, timeout=timeout) as self._session:
            try:
                await self._publish()
                await self._retract()
                await self._until_quiet(self._expected())
            finally:
                following.cancel()
                await asyncio.gather(following, return_exceptions=True)
            return await self._read_sinks()

    def _expected(self) -> list[str]:
        month = self._month
        every = [answer for answers in month.by_way.values() for answer in answers] + month.taken_back
        return [answer["response_id"] for answer in every]

    async def _publish(self) -> None:
        """Every answer once, disturbed if asked for; fifty of them again word for word, thirty edited in their band."""
        month = self._month
        self._say(f"publishing {sum(map(len, month.by_way.values()))} answers: HTTP, six topics, CSV")
        disturbances = self._disturbances() or [_nothing]
        for number, disturb in enumerate(disturbances):
            part = slice(number, None, len(disturbances))
            await asyncio.gather(
                self._post([*month.by_way["http"][part], *month.taken_back[part]]),
                self._produce(month.by_way["topic"][part]),
                self._import(month.by_way["csv"][part]),
                disturb(),
            )
        await asyncio.gather(
            self._post(month.again["http"], again=True),
            self._produce(month.again["topic"]),
            self._import(month.again["csv"]),
            self._post(month.edits, again=True),
        )

    async def _retract(self) -> None:
        """Takes ten detractors back, once somebody has been asked to talk to them."""
        wanted = {answer["response_id"] for answer in self._month.taken_back}
        await self._until(lambda: wanted <= self._flow.tasks.keys(), "tasks of the answers to be retracted")
        await self._post(self._month.retractions, again=True)
        await self._until(
            lambda: all(self._flow.requests.get(key, 0) > 1 for key in wanted), "withdrawal of the retracted answers"
        )

    async def _post(self, answers: list[Answer], *, again: bool = False) -> None:
        """Over HTTP; whatever fails is sent again under the same Idempotency-Key."""
        waiting = list(answers)

        async def work() -> None:
            while waiting:
                await self._post_one(waiting.pop(), uuid4().hex if again else None)

        await asyncio.gather(*(work() for _ in range(AT_ONCE)))

    async def _post_one(self, answer: Answer, key: str | None) -> None:
        headers = {"Idempotency-Key": key or f"{answer['response_id']}-first"}
        while True:
            with suppress(aiohttp.ClientError, TimeoutError):
                async with self._session.post(
                    f"{self._loop.intake}/v1/responses", data=json.dumps(answer), headers=headers
                ) as told:
                    if told.status == 202:
                        return
                    if told.status not in {409, 503}:
                        raise Transient(f"intake answered {told.status}: {await told.text()}")
            await asyncio.sleep(RETRY_S)

    async def _produce(self, answers: list[Answer]) -> None:
        """To the topic of each answer's channel, as an app would: plain JSON, the tenant said."""
        kafka = self._loop.kafka
        producer = kafka.producer()
        await start_client(producer)
        try:
            sent = [
                await producer.send(
                    kafka.topic(inbound(answer["channel"])),
                    json.dumps(answer | {"tenant": self._tenant}).encode(),
                    key=answer["response_id"].encode(),
                )
                for answer in answers
            ]
            await asyncio.gather(*sent)
        finally:
            await producer.stop()

    async def _import(self, answers: list[Answer]) -> None:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / f"{self._tenant}.csv"
            demo_answers.write_csv(file, answers)
            await self._loop.nps("import", "--act", "--tenant", self._tenant, "--yes", "--json", upload=file)

    def _disturbances(self) -> list[Callable[[], Awaitable[None]]]:
        """What happens while a share of the answers flows: each service is killed, or frozen, once."""
        if self._play.kill:
            return [partial(self._kill, service) for service in SERVICES]
        if self._play.freeze:
            starts = range(0, len(SERVICES), FROZEN_TOGETHER)
            return [partial(self._freeze, SERVICES[start : start + FROZEN_TOGETHER]) for start in starts]
        return []

    async def _kill(self, service: str) -> None:
        self._say(f"SIGKILL {service}")
        await self._loop.send(service, signal.SIGKILL)
        await self._loop.relaunch(service)

    async def _freeze(self, services: Sequence[str]) -> None:
        self._say(f"SIGSTOP {', '.join(services)} for {FROZEN_S:.0f} s")
        await asyncio.gather(*(self._loop.send(service, signal.SIGSTOP) for service in services))
        await asyncio.sleep(FROZEN_S)
        await asyncio.gather(*(self._loop.send(service, signal.SIGCONT) for service in services))

    async def _follow(self) -> None:
        """Keeps an eye on what is under way."""
        topics = {topic.name: topic for topic in (DECISIONS, MESSAGES, DELIVERIES, OUTREACH, TASKS)}
        async with open_reader(self._loop.kafka) as reader:
            await reader.assign(topics)
            while True:
                for raw in await reader.more():
                    payload: Any = topics[raw.topic].decode(raw.headers, raw.value)
                    if payload.tenant == self._tenant:
                        self._flow.take(raw.topic, payload)

    async def _until_quiet(self, expected: list[str]) -> None:
        """Returns once nothing is under way and nothing has changed for a while, or says what never came."""
        self._say("waiting until nothing is under way")
        deadline = time.monotonic() + self._patience
        unknown_since: float | None = None
        while time.monotonic() < deadline:
            left = self._flow.under_way(expected)
            if not left and time.monotonic() - self._flow.changed_at > QUIET_S and await self._score_is_still():
                return
            unknown = self._flow.unknown()
            unknown_since = (unknown_since or time.monotonic()) if unknown else None
            if unknown_since and time.monotonic() - unknown_since > UNKNOWN_FOR_S:
                await self._resend_by_hand(unknown)
                unknown_since = None
            await asyncio.sleep(0.2)
        self._say(f"still under way: {self._flow.under_way(expected)}")

    async def _score_is_still(self) -> bool:
        """Whether the score has said the same for a second or more."""
        before = await self._score()
        await asyncio.sleep(QUIET_S)
        after = await self._score()
        return before is not None and after is not None and before.histogram == after.histogram

    async def _resend_by_hand(self, unknown: list[str]) -> None:
        """What a person does with a mail of which nobody knows whether it went: looks at the provider, then resends.

        A service killed between its note that it sends and the request itself leaves such a mail; no machine resends
        it.
        """
        there = {mail["delivery_id"] for mail in await self._mails()}
        for response_id in unknown:
            if str(effect_id(self._tenant, response_id, "mail")) not in there:
                self._say(
                    f"{response_id}: nobody knows whether its mail went, and the inbox has none; sending it again"
                )
                await self._loop.nps("resend", response_id, "--tenant", self._tenant, "--yes")

    async def _until(self, done: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + self._patience
        while not done():
            if time.monotonic() > deadline:
                raise Transient(f"never came: {what}")
            await asyncio.sleep(0.1)

    async def _read_sinks(self) -> Result:
        score, mails, tasks = await self._score(), await self._mails(), await self._tasks()
        kinds = Counter(mail["kind"] for mail in mails)
        recipients = Counter(mail["recipient"] for mail in mails)
        by_answer = Counter(task["response_id"] for task in tasks)
        statuses = Counter(task["status"] for task in tasks)
        wanted = self._month.recipients
        stray = sum(number for recipient, number in recipients.items() if recipient not in wanted)
        doubled = sum(number - 1 for number in (*recipients.values(), *by_answer.values()))
        lost = len(wanted - recipients.keys()) + max(demo_answers.DETRACTORS - statuses["open"], 0)
        lost += max(demo_answers.RETRACTED - statuses["cancelled"], 0)
        lost += max(demo_answers.ANSWERS - (score.n if score else 0), 0)
        self._say(f"mails {dict(kinds)}, tasks {dict(statuses)}")
        interval = score.interval if score else None
        return Result(
            n=score.n if score else 0,
            promoters=score.promoters if score else 0,
            passives=score.passives if score else 0,
            detractors=score.detractors if score else 0,
            nps=score.nps if score else None,
            interval_low=interval.low if interval else None,
            interval_high=interval.high if interval else None,
            perk_mails=kinds["perk"],
            offer_mails=kinds["offer"],
            tasks=statuses["open"],
            duplicate_effects=doubled + stray,
            lost=lost,
        )

    async def _score(self) -> Score | None:
        def wanted(score: Score) -> bool:
            return (score.tenant, score.segment, score.window.name) == (self._tenant, "all", "all_time")

        found = await topic_views.newest(self._loop.kafka, SCORES, wanted)
        return found[0] if found else None

    async def _mails(self) -> list[dict[str, Any]]:
        told = await self._get(f"{self._loop.inbox}/sandbox/mails?tenant={self._tenant}&limit=5000")
        return list(told["mails"])

    async def _tasks(self) -> list[dict[str, Any]]:
        told = await self._get(f"{self._loop.crm}/api/tasks?tenant={self._tenant}&limit=5000")
        return list(told["tasks"])

    async def _get(self, url: str) -> Any:  # JSON of any shape
        headers = {"Authorization": f"Bearer {self._loop.token}"} if self._loop.token else {}
        timeout = aiohttp.ClientTimeout(total=REQUEST_S)
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url, headers=headers) as told:
            if told.status != 200:
                raise Transient(f"{url} answered {told.status}")
            return await told.json()

    def _say(self, what: str) -> None:
        err.print(f"{time.monotonic() - self._started:5.1f} s  {what}", style="dim", highlight=False)


async def _nothing() -> None:
    """No disturbance."""
