"""Every kind of poison on every topic, one in twenty among good events, on the whole loop."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import zip_longest
from pathlib import Path
from typing import Final

import pytest
from aiokafka import AIOKafkaProducer

from schemas.topic import dead_letters_of, inbound
from schemas.topics import (
    CATALOGUE,
    CONSENTS,
    DELIVERIES,
    MESSAGES,
    OUTREACH,
    PROVIDER_EVENTS,
    RESPONSES,
    TASK_UPDATES,
)
from services.chassis.dead_letters import DeadLetter, read_letter
from services.chassis.reading import open_reader
from tests.support.poisons import BROKEN_ATTRIBUTES, Poison, poisons
from tests.support.running_loop import Loop, Tenant, until

EXAMPLES: Final = Path(__file__).parents[2] / "schemas" / "examples"
CHANNEL: Final = inbound("poisoned")
GOOD: Final = 20
"""Good answers to each poison."""

GROUPS: Final = {
    CHANNEL: {"intake"},
    RESPONSES.name: {"scoring.tally", "routing"},
    MESSAGES.name: {"delivery"},
    DELIVERIES.name: {"routing"},
    PROVIDER_EVENTS.name: {"delivery"},
    CONSENTS.name: {"routing", "delivery"},
    OUTREACH.name: {"outreach"},
    TASK_UPDATES.name: {"outreach"},
}
"""Who reads a topic as a group, and must write a dead letter each. Others read what is absolute and comes again."""


@pytest.fixture
def loop(tmp_path: Path) -> Iterator[Loop]:
    loop = Loop(tmp_path)
    try:
        loop.start()
        yield loop
    finally:
        loop.stop()


def by_topic() -> dict[str, list[Poison]]:
    """Each topic's poison."""
    found = {CHANNEL: list(poisons(None, {"tenant": "default", "score": 9, "response_id": "p"}))}
    for topic in CATALOGUE:
        (example,) = EXAMPLES.glob(f"{topic.event_type.removeprefix('nps-loop.').removesuffix('.v1')}.json")
        found[topic.name] = list(poisons(topic.event_type, json.loads(example.read_text())))
    return found


async def poison(loop: Loop, given: dict[str, Poison]) -> None:
    """One record to each topic."""
    producer = AIOKafkaProducer(bootstrap_servers=loop.stack.broker.bootstrap, max_request_size=2_000_000)
    await producer.start()
    try:
        for topic, one in given.items():
            await producer.send_and_wait(topic, one.value, key=f"poison {one.kind}".encode(), headers=list(one.headers))
    finally:
        await producer.stop()


def answer_well(loop: Loop, tenant: Tenant, turn: int) -> None:
    """Good answers: half of them lead to a mail, half to a task."""
    now = datetime.now(UTC).isoformat()
    answers = [
        {
            "response_id": f"good-{turn}-{number}",
            "score": 9 if number % 2 else 2,
            "email": f"p{turn}-{number}@example.org",
            "channel": "website",
            "answered_at": now,
        }
        for number in range(GOOD)
    ]
    headers = {"Authorization": f"Bearer {tenant.token}"}
    told = loop.http.post(loop.stack.url("intake") + "/v1/responses:batch", json=answers, headers=headers)
    assert told.json()["accepted"] == GOOD


def is_poison_to(group: str, one: Poison) -> bool:
    """Whether a group cannot read a record: the tally looks at the type and the value, and at no other attribute."""
    return group != "scoring.tally" or one.kind not in BROKEN_ATTRIBUTES


async def letters_of(loop: Loop, topic: str) -> list[DeadLetter]:
    """What became dead letters, as it was written; sealed ones stay closed."""
    async with open_reader(loop.kafka) as reader:
        await reader.assign([dead_letters_of(topic)])
        return [await read_letter(raw, None) async for raw in reader.to_end()]


def test_poison_on_every_topic_is_a_dead_letter_once_and_stops_nobody(loop: Loop) -> None:
    loop.nps("topics", "create", CHANNEL.removeprefix("responses."))
    tenant, given = loop.tenant(), by_topic()
    assert min(len(kinds) for kinds in given.values()) >= 25
    turns = list(zip_longest(*([(topic, one) for one in kinds] for topic, kinds in given.items())))
    running = loop.stack.pids()
    for turn, pairs in enumerate(turns):
        answer_well(loop, tenant, turn)
        asyncio.run(poison(loop, dict(pair for pair in pairs if pair)))
    good = GOOD * len(turns)
    until(tenant.score, lambda found: found and found["n"] == good, deadline_s=180)
    until(tenant.mails, lambda mails: len(mails) == good // 2, deadline_s=180)
    until(tenant.tasks, lambda tasks: len(tasks) == good // 2, deadline_s=180)
    for topic, groups in GROUPS.items():
        wanted = {group: len([one for one in given[topic] if is_poison_to(group, one)]) for group in groups}
        letters = until(
            lambda topic=topic: asyncio.run(letters_of(loop, topic)),  # type: ignore[misc]  # bound to this turn
            lambda found, wanted=wanted: len(found) >= sum(wanted.values()),  # type: ignore[misc]  # the same
        )
        assert Counter(letter.group for letter in letters) == wanted, topic
        assert len({letter.letter_id for letter in letters}) == len(letters), topic
        if topic != CHANNEL:  # what strangers send is sealed
            assert {(one.value, one.headers) for one in letters} == {(one.value, one.headers) for one in given[topic]}
    assert loop.stack.pids() == running
    ended = [name for name, child in loop.stack.children.items() if child.process and child.process.poll() is not None]
    assert ended == []
