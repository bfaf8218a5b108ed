"""Topics are made as the catalogue says, and those that are there are held against it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from infra.local.kafka_broker import free_port
from schemas.topics import ALERTS, CATALOGUE, PEOPLE, PROVIDER_EVENTS, RESPONSES, TASKS
from services.chassis.failures import Halt, Transient
from services.chassis.kafka import Kafka
from services.chassis.settings import ServiceSettings
from services.chassis.sql_service import wanted_topics
from services.chassis.topic_admin import (
    TopicAdmin,
    Wanted,
    open_topic_admin,
    wanted_dead_letters,
    wanted_inbound,
    wanted_topic,
)

WORDS = Wanted("words", 2, {"cleanup.policy": "delete", "retention.ms": "60000"})


@pytest.fixture
async def admin(settings: ServiceSettings) -> AsyncIterator[TopicAdmin]:
    async with open_topic_admin(Kafka(settings), 1) as opened:
        yield opened


async def test_what_is_missing_is_made_and_nothing_twice(admin: TopicAdmin) -> None:
    assert await admin.ensure([WORDS, wanted_dead_letters("words")]) == ["words", "words.dlq"]
    assert await admin.ensure([WORDS, wanted_inbound("email", 2)]) == ["responses.email"]
    assert await admin.ensure([WORDS]) == []
    assert await admin.names() == ["responses.email", "words", "words.dlq"]


async def test_the_whole_catalogue_is_as_it_was_made(admin: TopicAdmin) -> None:
    topics = wanted_topics(CATALOGUE, (), 2)
    assert len(await admin.ensure(topics)) == 2 * len(CATALOGUE)
    assert await admin.problems(topics) == []


async def test_replicas_that_start_together_make_topics_once(admin: TopicAdmin, settings: ServiceSettings) -> None:
    async with open_topic_admin(Kafka(settings), 1) as other:
        made = await asyncio.gather(admin.ensure([WORDS]), other.ensure([WORDS]))
    assert sorted(made) == [[], ["words"]]


@pytest.mark.parametrize(
    ("wanted", "line"),
    [
        (replace(WORDS, partitions=3), "has 2 partitions, must have 3"),
        (Wanted("words", 2, {"retention.ms": "-1"}), "retention.ms is 60000, must be -1"),
        (Wanted("words", 2, {"cleanup.policy": "compact"}), "cleanup.policy is delete, must be compact"),
        (
            Wanted("words", 2, {"message.timestamp.type": "LogAppendTime"}),
            "message.timestamp.type is CreateTime, must be LogAppendTime",
        ),
    ],
    ids=lambda value: "" if isinstance(value, Wanted) else value[:12],
)
async def test_a_topic_that_is_not_as_it_must_be_stops_the_service(
    admin: TopicAdmin, settings: ServiceSettings, wanted: Wanted, line: str
) -> None:
    await admin.ensure([WORDS])
    with pytest.raises(Halt) as caught:
        await admin.ensure([wanted])
    full = f"{settings.topic_prefix}words"
    assert str(caught.value) == f"topics are not as they must be:\n  {full}: {line}"


async def test_everything_that_is_wrong_is_said_at_once(admin: TopicAdmin) -> None:
    other = replace(WORDS, name="other")
    await admin.ensure([WORDS, other])
    wrong = {"retention.ms": "-1", "cleanup.policy": "compact"}
    with pytest.raises(Halt) as caught:
        await admin.ensure([replace(WORDS, partitions=3), Wanted("other", None, wrong)])
    assert len(str(caught.value).splitlines()) == 4


async def test_any_number_of_partitions_may_do(admin: TopicAdmin) -> None:
    await admin.ensure([WORDS])
    assert await admin.problems([replace(WORDS, partitions=None)]) == []


async def test_what_is_missing_and_cannot_be_made_is_described(settings: ServiceSettings) -> None:
    async with open_topic_admin(Kafka(settings), 3) as admin:
        with pytest.raises(Halt, match="topics are missing and could not be made") as caught:
            await admin.ensure([WORDS])
    described = f"{settings.topic_prefix}words (partitions=2, replicas=3, cleanup.policy=delete, retention.ms=60000)"
    assert described in str(caught.value)


async def test_topics_under_another_prefix_are_not_ours(admin: TopicAdmin, settings: ServiceSettings) -> None:
    elsewhere = Kafka(settings.model_copy(update={"topic_prefix": settings.topic_prefix.replace(".", "X")}))
    async with open_topic_admin(elsewhere, 1) as other:
        await other.ensure([WORDS])
        assert await other.names() == ["words"]
    assert await admin.names() == []


async def test_a_cluster_that_is_away_is_transient(settings: ServiceSettings) -> None:
    nobody = settings.model_copy(update={"kafka_bootstrap": f"127.0.0.1:{free_port()}"})
    with pytest.raises(Transient, match="Kafka"):
        async with open_topic_admin(Kafka(nobody), 1):
            raise AssertionError("opened")


def test_answers_are_kept_for_ever_and_never_compacted() -> None:
    wanted = wanted_topic(RESPONSES, 16)
    assert wanted.partitions == 16
    assert wanted.config["cleanup.policy"] == "delete"
    assert wanted.config["retention.ms"] == "-1"


def test_tasks_are_compacted_within_an_hour() -> None:
    config = wanted_topic(TASKS, 16).config
    assert (config["cleanup.policy"], config["max.compaction.lag.ms"]) == ("compact", "3600000")


def test_facts_about_people_stand_for_a_day_before_a_newer_one_replaces_them() -> None:
    assert wanted_topic(PEOPLE, 16).config["min.compaction.lag.ms"] == "86400000"


def test_what_does_not_scale_has_one_partition() -> None:
    assert wanted_topic(ALERTS, 16).partitions == 1


def test_what_has_served_is_kept_as_long_as_the_catalogue_says() -> None:
    assert wanted_topic(PROVIDER_EVENTS, 16).config["retention.ms"] == str(30 * 24 * 60 * 60 * 1000)


def test_inbound_topics_are_stamped_by_the_broker() -> None:
    assert wanted_inbound("email", 16).config["message.timestamp.type"] == "LogAppendTime"
