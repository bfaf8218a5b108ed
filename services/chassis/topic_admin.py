"""Makes the topics of the catalogue and checks those that are there.

What cannot be changed later without losing meaning, the number of partitions and how long records are kept, must be as
the catalogue says; else the service does not start and says what is wrong.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from schemas.topic import DEAD_LETTER_RETENTION, INBOUND_RETENTION, Topic, dead_letters_of, inbound
from services.chassis.failures import Halt, Transient
from services.chassis.kafka import MAX_REQUEST_BYTES, Kafka, partitions_of, start_client

FOR_EVER_MS: Final = "-1"
APPEARS_WITHIN_S: Final = 15.0

_CHECKED: Final = ("cleanup.policy", "retention.ms", "message.timestamp.type", "max.message.bytes")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A topic as it must be. `partitions` is none where any number will do."""

    name: str
    partitions: int | None
    config: Mapping[str, str]


def wanted_topic(topic: Topic[Any], partitions: int) -> Wanted:  # whatever the payload
    """A topic of the catalogue."""
    config = {"message.timestamp.type": "CreateTime"}
    if topic.compacted:
        config |= {"cleanup.policy": "compact", "retention.ms": FOR_EVER_MS}
        if topic.kept_whole_for:
            config["min.compaction.lag.ms"] = _ms(topic.kept_whole_for)
        if topic.compaction_lag:
            config |= {"max.compaction.lag.ms": _ms(topic.compaction_lag), "segment.ms": _ms(topic.compaction_lag)}
    else:
        config |= {"cleanup.policy": "delete", "retention.ms": _ms(topic.retention) if topic.retention else FOR_EVER_MS}
    return Wanted(topic.name, partitions if topic.scaled else 1, config)


def wanted_dead_letters(topic: str) -> Wanted:
    """The dead letters of a topic: sealed, they are larger than what was sent."""
    config = {
        "cleanup.policy": "delete",
        "retention.ms": _ms(DEAD_LETTER_RETENTION),
        "max.message.bytes": str(MAX_REQUEST_BYTES),
    }
    return Wanted(dead_letters_of(topic), 1, config)


def wanted_inbound(channel: str, partitions: int) -> Wanted:
    """The topic of a channel. LogAppendTime, since received_at is the broker's time."""
    config = {
        "cleanup.policy": "delete",
        "retention.ms": _ms(INBOUND_RETENTION),
        "message.timestamp.type": "LogAppendTime",
    }
    return Wanted(inbound(channel), partitions, config)


def _ms(span: timedelta) -> str:
    return str(int(span.total_seconds() * 1000))


class TopicAdmin:
    """Makes and checks topics on one cluster."""

    def __init__(self, kafka: Kafka, client: AIOKafkaAdminClient, replication: int) -> None:
        self._kafka = kafka
        self._client = client
        self._replication = replication

    async def ensure(self, wanted: Iterable[Wanted]) -> list[str]:
        """Makes what is missing and checks the rest; returns the names of what was made.

        Raises:
            Halt: listing each topic that is missing and may not be made, or is not as it must be.
        """
        needed = list(wanted)
        existing = await partitions_of(self._client, [self._kafka.topic(topic.name) for topic in needed])
        missing = [topic for topic in needed if self._kafka.topic(topic.name) not in existing]
        for topic in missing:
            if self._kafka.is_copied(topic.name):
                raise Halt(f"{self._kafka.topic(topic.name)} is missing: make it with `nps topics copy`")
        made, refused = await self._create(missing)
        if refused:
            raise Halt("topics are missing and could not be made:\n" + "\n".join(refused))
        problems = await self.problems([topic for topic in needed if self._kafka.topic(topic.name) in existing])
        if problems:
            raise Halt("topics are not as they must be:\n" + "\n".join(problems))
        return made

    async def make(self, missing: Iterable[Wanted]) -> list[str]:
        """Makes topics that can be waited for; returns the names of what was made.

        Raises:
            Transient: naming each topic that could not be made, and why.
        """
        made, refused = await self._create(list(missing))
        if refused:
            raise Transient("topics are missing and could not be made: " + "; ".join(map(str.strip, refused)))
        return made

    async def names(self) -> list[str]:
        """The topics under our prefix, without it."""
        full = await self._client.list_topics()
        return sorted(self._kafka.short(name) for name in full if name.startswith(self._kafka.prefix))

    async def problems(self, wanted: Iterable[Wanted]) -> list[str]:
        """A line for each thing that is not as it must be, of topics that exist."""
        topics = list(wanted)
        if not topics:
            return []
        described = await self._client.describe_topics([self._kafka.topic(topic.name) for topic in topics])
        partitions = {item["topic"]: len(item["partitions"]) for item in described}
        configs = await self._configs([topic.name for topic in topics])
        found = []
        for topic in topics:
            full = self._kafka.topic(topic.name)
            if not partitions.get(full):
                found.append(f"  {full}: missing")
                continue
            any_number = topic.partitions is None or self._kafka.is_copied(topic.name)
            if not any_number and partitions[full] != topic.partitions:
                found.append(f"  {full}: has {partitions[full]} partitions, must have {topic.partitions}")
            for key in _CHECKED:
                has, must = configs[topic.name].get(key), topic.config.get(key)
                if must is not None and has != must:
                    found.append(f"  {full}: {key} is {has}, must be {must}")
        return found

    async def _configs(self, names: list[str]) -> dict[str, dict[str, str]]:
        resources = [ConfigResource(ConfigResourceType.TOPIC, self._kafka.topic(name)) for name in names]
        found: dict[str, dict[str, str]] = {name: {} for name in names}
        for response in await self._client.describe_configs(resources):
            for _code, _message, _kind, resource, entries in response.resources:
                found[self._kafka.short(resource)] = {entry[0]: entry[1] for entry in entries}
        return found

    async def _create(self, missing: list[Wanted]) -> tuple[list[str], list[str]]:
        if not missing:
            return [], []
        new = [
            NewTopic(
                self._kafka.topic(topic.name),
                topic.partitions or 1,
                self._replication,
                topic_configs=dict(topic.config) | self._durability(),
            )
            for topic in missing
        ]
        response = await self._client.create_topics(new)
        made, refused = [], []
        by_name = {self._kafka.topic(topic.name): topic for topic in missing}
        for full, code, *rest in response.topic_errors:
            error = for_code(code)
            if code == 0:
                made.append(self._kafka.short(full))
            elif error is not TopicAlreadyExistsError:
                reason = next((text for text in rest if text), error.__name__)
                refused.append(f"  {full} ({_described(by_name[full], self._replication)}): {reason}")
        await self._appeared(made)
        return made, refused

    def _durability(self) -> dict[str, str]:
        """With three replicas one may fail and writing goes on; acknowledged means that two have it."""
        return {"min.insync.replicas": str(min(2, self._replication))}

    async def _appeared(self, names: list[str]) -> None:
        """Returns once every partition of the new topics has a leader."""
        async with asyncio.timeout(APPEARS_WITHIN_S):
            while names:
                described = await self._client.describe_topics([self._kafka.topic(name) for name in names])
                leaders = [part["leader"] for item in described for part in item["partitions"]]
                if len(described) == len(names) and leaders and min(leaders) >= 0:
                    return
                await asyncio.sleep(0.05)


def _described(topic: Wanted, replication: int) -> str:
    config = ", ".join(f"{key}={value}" for key, value in topic.config.items())
    return f"partitions={topic.partitions or 1}, replicas={replication}, {config}"


@asynccontextmanager
async def open_topic_admin(kafka: Kafka, replication: int) -> AsyncIterator[TopicAdmin]:
    """A client for topics.

    Raises:
        Transient: if Kafka cannot be reached.
    """
    client = kafka.admin()
    try:
        await start_client(client)
        yield TopicAdmin(kafka, client, replication)
    except (KafkaError, TimeoutError) as error:
        raise Transient(f"Kafka: {type(error).__name__}") from error
    finally:
        await client.close()
