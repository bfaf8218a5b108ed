"""Looks at Kafka from outside: offsets of groups against the ends of topics, and the newest dead letter."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from aiokafka.errors import GroupCoordinatorNotAvailableError, KafkaError, NotCoordinatorForGroupError
from aiokafka.structs import TopicPartition

from schemas.cloudevents import first_header
from schemas.topic import DEAD_LETTER_SUFFIX
from schemas.topics import RESPONSES
from services.chassis.consumer_groups import members
from services.chassis.dead_letters import CONNECT, mark_of
from services.chassis.failures import Transient
from services.chassis.kafka import start_client
from services.chassis.reading import open_reader
from services.monitor import READS
from services.monitor.pipeline import (
    GENERATED,
    GROUPS,
    IN_TRANSACTIONS,
    OPTIONAL,
    TALLY,
    GroupLag,
    Letter,
    Pipeline,
    furthest,
    rebuilt,
)

if TYPE_CHECKING:
    from aiokafka import AIOKafkaConsumer
    from aiokafka.admin import AIOKafkaAdminClient

    from services.chassis.kafka import Kafka
    from services.chassis.records import Raw

PATIENCE: Final = timedelta(seconds=5)
LONGEST_REASON: Final = 200
NEWEST: Final = 20
"""Of a topic of dead letters: what became of some may stand behind the newest one."""

Offsets = Mapping[TopicPartition, int]
Topics = Mapping[str, list[TopicPartition]]
"""Partitions by the topic's name in the catalogue."""


class KafkaPipeline:
    """Looks at one cluster; joins no group and changes nothing."""

    def __init__(self, kafka: Kafka, admin: AIOKafkaAdminClient, consumer: AIOKafkaConsumer[bytes, bytes]) -> None:
        self._kafka = kafka
        self._admin = admin
        self._consumer = consumer

    async def look(self, before: Pipeline) -> Pipeline:
        """How it is now; what did not change since `before` is not read again.

        Raises:
            Transient: if Kafka does not answer in time.
        """
        try:
            async with asyncio.timeout(PATIENCE.total_seconds()):
                return await self._look(before)
        except (KafkaError, TimeoutError) as error:
            raise Transient(f"Kafka does not answer: {type(error).__name__}") from error

    async def _look(self, before: Pipeline) -> Pipeline:
        topics = await self._topics()
        told = await self._told()
        committed = {name: told[name][furthest(_read(told[name]))] for name in GROUPS}
        letters = [name for name in topics if name.endswith(DEAD_LETTER_SUFFIX)]
        read = {partition for offsets in committed.values() for partition in offsets}
        owed = {part for pattern in GROUPS.values() for name in _matching(pattern, topics) for part in topics[name]}
        needed = sorted(read | owed | set(_partitions(topics, [RESPONSES.name, *letters])))
        starts = await self._consumer.beginning_offsets(needed) if needed else {}
        ends = await self._consumer.end_offsets(needed) if needed else {}
        held = {partition: end - starts[partition] for partition, end in ends.items()}
        lags = [self._lag(group, topics, committed[group], (starts, ends)) for group in GROUPS]
        found = Pipeline(
            missing=tuple(topic.name for topic in READS if topic.name not in topics),
            groups=tuple(lag for lag in lags if lag.started or lag.records or lag.group not in OPTIONAL),
            rebuilt=await self._rebuilt(_read(told[TALLY]), _sum(ends, topics.get(RESPONSES.name, []))),
            dead={name: number for name in letters if (number := _sum(held, topics[name]))},
            answers=_sum(held, topics.get(RESPONSES.name, [])),
        )
        if found.dead == before.dead:
            return replace(found, latest=before.latest)
        return replace(found, latest=await self._latest_letter(found.dead))

    async def _topics(self) -> Topics:
        described = await self._admin.describe_topics()
        return {
            self._kafka.short(item["topic"]): [
                TopicPartition(item["topic"], partition["partition"]) for partition in item["partitions"]
            ]
            for item in described
            if item["topic"].startswith(self._kafka.prefix)
        }

    async def _told(self) -> Mapping[str, Mapping[str, Offsets]]:
        """What each group has committed; where each generation has a group of its own, all of these."""
        known = await self._known()
        found = {}
        for name in GROUPS:
            groups = [one for one in known if one.startswith(f"{name}.")] if name in GENERATED else []
            found[name] = {group: await self._committed(group) for group in [name, *groups]}
        return found

    async def _known(self) -> list[str]:
        try:
            listed = await self._admin.list_consumer_groups()
        except (GroupCoordinatorNotAvailableError, NotCoordinatorForGroupError):
            return []  # a cluster on which nobody has ever joined a group
        return [self._kafka.short(group) for group, *_ in listed if group.startswith(self._kafka.prefix)]

    async def _rebuilt(self, read: Mapping[str, int], answers: int) -> float | None:
        """How far a tally is that is being built, of those that somebody counts."""
        shares = {group: share for group, number in read.items() if (share := rebuilt(number, answers)) is not None}
        counting = [share for group, share in shares.items() if await members(self._admin, self._kafka.topic(group))]
        return min(counting, default=None)

    async def _committed(self, group: str) -> Offsets:
        try:
            found = await self._admin.list_consumer_group_offsets(self._kafka.topic(group))
        except (GroupCoordinatorNotAvailableError, NotCoordinatorForGroupError):
            return {}  # a cluster on which nobody has ever joined a group
        return {partition: committed.offset for partition, committed in found.items() if committed.offset >= 0}

    def _lag(self, group: str, topics: Topics, committed: Offsets, bounds: tuple[Offsets, Offsets]) -> GroupLag:
        starts, ends = bounds
        lives_on = _partitions(topics, _matching(GROUPS[group], topics))
        unread: dict[str, int] = {}
        for partition in sorted({*lives_on, *committed} & ends.keys()):
            topic = self._kafka.short(partition.topic)
            behind = max(0, ends[partition] - max(committed.get(partition, 0), starts[partition]))
            markers = 1 if topic in IN_TRANSACTIONS and partition in committed else 0
            unread[topic] = unread.get(topic, 0) + (0 if behind <= markers else behind)
        return GroupLag(group, unread, bool(committed))

    async def _latest_letter(self, dead: Mapping[str, int]) -> Letter | None:
        async with open_reader(self._kafka) as reader:
            await reader.assign(dead, tail=NEWEST)
            letters = [_letter(raw) async for raw in reader.to_end() if mark_of(raw) is None]
        return max(letters, key=lambda letter: letter.at, default=None)


def _read(told: Mapping[str, Offsets]) -> Mapping[str, int]:
    return {group: sum(offsets.values()) for group, offsets in told.items()}


def _letter(raw: Raw) -> Letter:
    reason = first_header(raw.headers, CONNECT + "exception.message") or "no reason given"
    error = first_header(raw.headers, CONNECT + "exception.class.name") or ""
    topic = first_header(raw.headers, CONNECT + "topic") or raw.topic.removesuffix(DEAD_LETTER_SUFFIX)
    told = reason if error == "Malformed" else f"{error}: {reason}"
    return Letter(topic, told[:LONGEST_REASON], raw.at)


def _matching(pattern: str, topics: Topics) -> list[str]:
    return [name for name in topics if name == pattern or re.fullmatch(pattern, name)]


def _partitions(topics: Topics, names: Iterable[str]) -> list[TopicPartition]:
    return [partition for name in names for partition in topics.get(name, [])]


def _sum(numbers: Offsets, partitions: Iterable[TopicPartition]) -> int:
    return sum(numbers.get(partition, 0) for partition in partitions)


@asynccontextmanager
async def open_pipeline(kafka: Kafka) -> AsyncIterator[KafkaPipeline]:
    """A view from outside, for as long as a block lasts.

    Raises:
        Transient: if Kafka cannot be reached.
    """
    admin, consumer = kafka.admin(), kafka.reader()
    async with AsyncExitStack() as stack:
        stack.push_async_callback(consumer.stop)
        stack.push_async_callback(admin.close)
        try:
            await start_client(admin)
            await start_client(consumer)
        except (KafkaError, TimeoutError) as error:
            raise Transient(f"Kafka cannot be reached: {type(error).__name__}") from error
        yield KafkaPipeline(kafka, admin, consumer)
