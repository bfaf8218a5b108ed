"""Dead letters: what could not be used goes in after all, with the ids it would have had, or is given up for good."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import pytest
from httpx2 import AsyncClient
from pydantic import SecretStr

from schemas.message import Message
from schemas.topic import dead_letters_of
from schemas.topics import MESSAGES, TASKS
from services.chassis.clock import SystemClock
from services.chassis.dead_letters import DeadLetter, DeadLetters, read_letter
from services.chassis.records import Cause, Outgoing, Raw, outgoing
from services.chassis.topic_admin import open_topic_admin, wanted_dead_letters, wanted_topic
from services.intake import commands
from services.intake.calls import CALLS
from services.intake.domain import IDS
from tests.support.commanding import Commands
from tests.support.events import tasked
from tests.support.hosting import hosted
from tests.support.intake import World
from tests.support.topics import reading

TOKEN = "a token of the kiosk's"
SOURCES = """
      sources:
        kiosk: {vendor: generic, proof: {kind: token}, channel: event, map: {response_id: ref, score: points}}
        mute: {vendor: generic, proof: {kind: token}, channel: event, map: {score: points}}
        fair:
          {vendor: generic, proof: {kind: token}, channel: event, each: "answers", map: {score: points}}
"""
MENDED = SOURCES.replace("score: points", "score: grade")


@pytest.fixture
def clock() -> SystemClock:
    """Commands know no other: what they do must come after what intake did."""
    return SystemClock()


@pytest.fixture
def nps(world: World, monkeypatch: pytest.MonkeyPatch) -> Commands:
    return Commands(world.settings, monkeypatch)


@pytest.fixture
def calling(world: World, tmp_path: Path) -> World:
    world.decided(tmp_path, SOURCES)
    secrets = {f"default/{name}": TOKEN for name in ("kiosk", "mute", "fair")}
    world.settings = world.settings.model_copy(update={"source_secrets": SecretStr(json.dumps(secrets))})
    return world


def mended(nps: Commands, folder: Path, sources: str = MENDED) -> None:
    nps.business(folder / "mended.yaml", f"tenants:\n  default:\n    intake: {sources}\n")


async def called(client: AsyncClient, source: str, body: Any) -> dict[str, Any]:  # JSON of any shape
    headers = {"authorization": f"Bearer {TOKEN}"}
    answer = await client.post(f"/v1/sources/default/{source}", json=body, headers=headers)
    assert answer.status_code == 202
    told: dict[str, Any] = answer.json()
    return told


async def letters_of(world: World, topic: str, number: int) -> list[DeadLetter]:
    async with reading(world.frame.kafka, dead_letters_of(topic)) as reader:
        return [await read_letter(raw, world.keyring) for raw in await reader.count(number)]


async def test_a_record_goes_in_with_the_id_and_the_time_it_would_have_had(
    world: World, nps: Commands, tmp_path: Path
) -> None:
    await world.channels("email")
    await world.publish(
        "responses.email", b'{"score": 9, "tenant": "acme"}', b'{"score": 11, "email": "x@example.org"}'
    )
    async with hosted(world.intake()):
        letters = {letter.offset: letter for letter in await letters_of(world, "responses.email", 2)}
    good, bad = letters[0], letters[1]
    nps.business(tmp_path / "nps.yaml", "tenants: {acme: {}}\n")
    told = await nps.told("dlq", "replay", "--topic", "responses.email", "--yes", expect=6)
    (answer,) = await world.answers(1)
    place = f"topic|responses.email|{good.partition}|0|{int(good.at.timestamp() * 1000)}"
    assert answer.response_id == str(uuid5(IDS, f"acme|{place}"))
    assert (answer.tenant, answer.channel, answer.received_at) == ("acme", "email", good.at)
    assert {each["id"]: (each["outcome"], each["reason"]) for each in told} == {
        str(good.letter_id): ("replayed", None),
        str(bad.letter_id): ("stays", "score: input should be less than or equal to 10"),
    }
    assert [each["id"] for each in await nps.told("dlq", "list")] == [str(bad.letter_id)]
    every = await nps.told("dlq", "list", "--all")
    assert {each["id"]: each["fate"] for each in every} == {str(good.letter_id): "replayed", str(bad.letter_id): None}
    assert "0 dead letters that wait" in (await nps("dlq", "replay", str(good.letter_id), expect=6)).stderr


async def test_a_call_goes_in_once_the_business_file_says_how(calling: World, nps: Commands, tmp_path: Path) -> None:
    async with hosted(calling.intake()) as client:
        told = await called(client, "kiosk", {"ref": 7, "grade": 9})
    assert told["errors"] == [{"field": "score", "reason": "required when metric is nps"}]
    (listed,) = await nps.told("dlq", "list", "--source", "default/kiosk", "--error", "required")
    assert (listed["topic"], listed["source"], listed["error"]) == (CALLS, "default/kiosk", "Malformed")
    mended(nps, tmp_path)
    assert [each["outcome"] for each in await nps.told("dlq", "replay", listed["id"])] == ["replayed"]
    calling.decided(tmp_path, MENDED)
    async with hosted(calling.intake()) as client:
        await called(client, "kiosk", {"ref": 7, "grade": 9})
        replayed, sent_again = await calling.answers(2)
    assert replayed.response_id == sent_again.response_id == "kiosk:7"
    assert (replayed.digest, replayed.received_at.isoformat()) == (sent_again.digest, listed["at"])


async def test_calls_that_name_nothing_are_as_many_answers_as_there_were_calls(
    calling: World, nps: Commands, tmp_path: Path
) -> None:
    async with hosted(calling.intake()) as client:
        for _ in range(2):
            await called(client, "mute", {"grade": 9})
    letters = await letters_of(calling, CALLS, 2)
    mended(nps, tmp_path)
    assert len(await nps.told("dlq", "replay", "--topic", CALLS, "--yes")) == 2
    calling.decided(tmp_path, MENDED)
    # cut short before it was marked, the same is done again
    again = [done async for done in commands.replay(calling.settings, calling.business, calling.clock, letters)]
    assert [faults for _, faults in again] == [[], []]
    answers = await calling.answers(4)
    assert len({answer.response_id for answer in answers}) == 2
    assert len({(answer.response_id, answer.revision, answer.received_at) for answer in answers}) == 2


async def test_of_several_answers_in_a_call_those_that_were_in_are_not_counted_again(
    calling: World, nps: Commands, tmp_path: Path
) -> None:
    async with hosted(calling.intake()) as client:
        told = await called(client, "fair", {"answers": [{"points": 9}, {"grade": 3}, {"points": 8}]})
        first = await calling.answers(2)
    assert (told["accepted"], told["kept"], told["errors"][0]["field"]) == (2, 1, "[1].score")
    both = SOURCES.replace("score: points", "score: 'points || grade'")
    mended(nps, tmp_path, both)
    await nps("dlq", "replay", "--source", "default/fair", "--yes")
    every = await calling.answers(5)
    assert sorted(answer.score or 0 for answer in first) == [8, 9]
    scores = {answer.response_id: answer.score for answer in every}
    assert sorted(score or 0 for score in scores.values()) == [3, 8, 9]


def message() -> Message:
    return Message.model_validate_json(Path("schemas/examples/message.json").read_bytes())


async def buried(world: World, offset: int, record: Outgoing) -> UUID:
    """A record of our own as a dead letter of delivery's."""
    raw = Raw(record.topic, 0, offset, world.clock.now(), record.key, record.value, record.headers)
    letters = DeadLetters(world.frame.publisher, "delivery", None)
    return await letters.write(raw, ValueError("x"), attempts=3, now=world.clock.now())


async def test_a_record_of_ours_is_published_again_byte_for_byte(world: World, nps: Commands) -> None:
    async with open_topic_admin(world.frame.kafka, 1) as admin:
        for topic in (MESSAGES, TASKS):
            await admin.ensure([wanted_topic(topic, 2), wanted_dead_letters(topic.name)])
    cause = Cause("test", world.clock.now())
    good, newer = outgoing(MESSAGES, message(), "m-1", cause), outgoing(TASKS, tasked("r-1"), "t-1", cause)
    unreadable = outgoing(MESSAGES, message(), "m-2", cause)
    for offset, record in enumerate((good, newer, replace(unreadable, value=b"{}"))):
        await buried(world, offset, record)
    told = await nps.told("dlq", "replay", "--since", "2020-01-01", "--yes", expect=6)
    reasons = {each["reason"] for each in told}
    assert len(reasons) == 3
    assert {None, "topic: the last record of a key counts there, and there may be a newer one"} < reasons
    async with reading(world.frame.kafka, MESSAGES.name) as reader:
        (raw,) = await reader.count(1)
    assert (raw.key, raw.value, raw.headers) == (good.key, good.value, good.headers)


async def test_what_is_dropped_can_never_be_read_again(world: World, nps: Commands) -> None:
    await world.channels("email")
    await world.publish("responses.email", b'{"score": 11, "email": "robin@example.org"}')
    async with hosted(world.intake()):
        (letter,) = await letters_of(world, "responses.email", 1)
    number = str(letter.letter_id)
    assert "robin@" in (await nps("dlq", "show", number)).output
    assert [each["outcome"] for each in await nps.told("dlq", "drop", number, "--yes")] == ["dropped"]
    shown = await nps.told("dlq", "show", number)
    assert (shown["erased"], shown["fate"], shown["value"]) == (True, "dropped", None)
    assert await nps.told("dlq", "list") == []
    assert "0 dead letters that wait" in (await nps("dlq", "replay", number, expect=6)).stderr


async def test_what_was_erased_says_so_and_stays(world: World, nps: Commands) -> None:
    await world.channels("email")
    await world.publish("responses.email", b'{"score": 11}')
    async with hosted(world.intake()):
        (letter,) = await letters_of(world, "responses.email", 1)
    await world.keyring.erase_letter(letter.letter_id)
    (told,) = await nps.told("dlq", "replay", str(letter.letter_id), expect=6)
    assert told["reason"] == "erased: there is nothing left to read"


async def test_letters_are_found_by_topic_error_source_and_time(world: World, nps: Commands) -> None:
    await world.channels("email", "sms")
    headers = (("ce_specversion", b"1.0"), ("ce_id", b"e1"), ("ce_source", b"/shop"), ("ce_type", b"answer"))
    await world.publish("responses.email", b"{")
    await world.publish("responses.sms", b'{"score": 11}', headers=headers)
    async with hosted(world.intake()):
        (sms,) = await letters_of(world, "responses.sms", 1)
        (email,) = await letters_of(world, "responses.email", 1)

    async def found(*options: str) -> set[str]:
        return {each["id"] for each in await nps.told("dlq", "list", *options)}

    one, other = {str(email.letter_id)}, {str(sms.letter_id)}
    tomorrow = f"{world.clock.now() + timedelta(days=1):%Y-%m-%d}"
    assert await found() == one | other
    assert await found("--topic", "responses.email") == one
    assert await found("--error", "Less than") == other
    assert await found("--source", "/shop") == other
    assert await found("--since", "2020-01-01", "--until", tomorrow) == one | other
    assert await found("--since", tomorrow) == await found("--until", "2020-01-01T00:00:00Z") == set()


async def test_nothing_is_replayed_or_dropped_that_nobody_named(world: World, nps: Commands) -> None:
    for command in ("replay", "drop"):
        assert "say which" in (await nps("dlq", command, "--yes", expect=2)).stderr
        assert "0 dead letters that wait" in (await nps("dlq", command, "0", "--yes", expect=6)).stderr
    assert await nps.told("dlq", "replay", "--topic", "responses.email", "--yes") == []
