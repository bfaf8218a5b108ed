"""Intake on a real Kafka and a real database: three ways in, one door."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import pytest
from httpx2 import ASGITransport, AsyncClient

from schemas.erasure import Erasure
from schemas.topics import CONSENTS, ERASURES
from services.chassis.business import Business
from services.chassis.dead_letters import read_letter
from services.chassis.failures import Transient
from services.chassis.keyring import Erased, Identity
from services.chassis.metrics import CHASSIS_METRICS, Metrics
from services.chassis.positions import Positions
from services.chassis.records import Cause, outgoing
from services.chassis.sql import Database, Transaction, open_database
from services.chassis.sql_service import database_url
from services.chassis.topic_admin import open_topic_admin, wanted_inbound
from services.intake import commands, handlers
from services.intake.dead_letter_topics import DeadLetterTopics
from services.intake.door import Door
from services.intake.handlers import Inbound
from services.intake.importing import Import
from services.intake.metrics import INTAKE_METRICS
from tests.support.hosting import hosted
from tests.support.intake import World
from tests.support.topics import reading

ANSWER = {"score": 9, "channel": "website", "email": "a@example.org", "comment": "fine", "segments": {"plan": "pro"}}


async def post(client: AsyncClient, world: World, body: Any, **headers: str) -> Any:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return await client.post("/v1/responses", content=content, headers={**world.auth, **headers})


async def test_an_answer_over_http_is_durable_sealed_and_named(world: World) -> None:
    async with hosted(world.intake()) as client:
        told = await post(client, world, ANSWER)
        (answer,) = await world.answers(1)
    assert (told.status_code, told.json()["response_id"]) == (202, answer.response_id)
    assert (answer.score, answer.channel, answer.segments, answer.revision) == (9, "website", {"plan": "pro"}, 1)
    assert (await world.opened(answer)).comment == "fine"
    assert b"example.org" not in answer.to_json()


async def test_the_same_answer_on_another_way_has_the_same_subject_and_digest(world: World) -> None:
    await world.channels("email")
    body = json.dumps({**ANSWER, "response_id": "r-1"}).encode()
    await world.publish("responses.email", body)
    async with hosted(world.intake()) as client:
        await post(client, world, body)
        one, two = await world.answers(2)
    assert (one.subject, one.digest, one.revision) == (two.subject, two.digest, two.revision)


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        (b"{", 400, "body"),
        (b"[]", 422, "body"),
        ({}, 422, "score"),
        ({"score": 11}, 422, "score"),
        ({"score": -1}, 422, "score"),
        ({"score": 7.5}, 422, "score"),
        ({"score": "9 "}, 422, "score"),
        ({"score": True}, 422, "score"),
        ({"score": 9, "scroe": 9}, 422, "scroe"),
        ({"score": 9, "tenant": "other"}, 422, "tenant"),
        ({"score": 9, "answered_at": "2026-05-20T12:06:00Z"}, 422, "answered_at"),
        ({"score": 9, "segments": {"all": "x"}}, 422, "segments.all"),
        ({"op": "retracted"}, 422, "response_id"),
        (b'{"score": 9, "comment": "' + b"x" * 2_000_000 + b'"}', 413, None),
    ],
)
async def test_bad_input_is_a_problem_that_names_the_field(
    client_world: tuple[AsyncClient, World], body: Any, status: int, field: str | None
) -> None:
    client, world = client_world
    told = await post(client, world, body)
    assert (told.status_code, told.headers["content-type"]) == (status, "application/problem+json")
    assert field is None or field in [error["field"] for error in told.json()["errors"]]
    assert "traceback" not in told.text.lower()


@pytest.fixture
async def client_world(world: World) -> AsyncIterator[tuple[AsyncClient, World]]:
    """Intake answering, without its loops."""
    async with (
        world.intake() as assembly,
        AsyncClient(transport=ASGITransport(assembly.web), base_url="http://i") as client,
    ):
        yield client, world


async def test_without_a_key_nothing_is_accepted(client_world: tuple[AsyncClient, World]) -> None:
    client, world = client_world
    await commands.revoke_key(
        world.settings, world.clock, (await commands.list_keys(world.settings, world.clock))[0].key_id
    )
    assert (await client.post("/v1/responses", json=ANSWER)).status_code == 401
    assert (await post(client, world, ANSWER)).status_code == 401


async def test_a_batch_tells_the_result_of_each_item(client_world: tuple[AsyncClient, World]) -> None:
    client, world = client_world
    told = await client.post("/v1/responses:batch", json=[ANSWER, {"score": 12}, ANSWER], headers=world.auth)
    assert told.status_code == 202
    assert [item["status"] for item in told.json()["results"]] == ["accepted", "refused", "accepted"]
    assert told.json()["results"][1]["errors"][0]["field"] == "score"
    assert (await client.post("/v1/responses:batch", json=[ANSWER] * 501, headers=world.auth)).status_code == 422


async def test_an_idempotency_key_has_one_effect_and_one_answer(client_world: tuple[AsyncClient, World]) -> None:
    client, world = client_world
    first = await post(client, world, ANSWER, **{"Idempotency-Key": "k1"})
    again = await post(client, world, ANSWER, **{"Idempotency-Key": "k1"})
    other = await post(client, world, {**ANSWER, "score": 1}, **{"Idempotency-Key": "k1"})
    assert (first.status_code, first.content) == (again.status_code, again.content)
    assert other.status_code == 422
    assert len(await world.answers(1)) == 1


async def test_every_channel_topic_is_read_also_one_made_later(world: World) -> None:
    await world.channels("email")
    await world.publish("responses.email", json.dumps(ANSWER | {"channel": "email"}).encode())
    async with hosted(world.intake()):
        await world.answers(1)
        await world.channels("kiosk")
        await world.publish("responses.kiosk", b'{"score": 4}')
        answers = await world.answers(2)
    assert [answer.channel for answer in answers] == ["email", "kiosk"]


async def test_a_cloudevent_sent_twice_is_one_answer(world: World) -> None:
    await world.channels("sms")
    headers = (("ce_specversion", b"1.0"), ("ce_id", b"e1"), ("ce_source", b"/app"), ("ce_type", b"answer"))
    await world.publish("responses.sms", b'{"score": 4}', b'{"score": 4}', headers=headers)
    structured = {"specversion": "1.0", "id": "e1", "source": "/app", "type": "answer", "data": {"score": 4}}
    kind = (("content-type", b"application/cloudevents+json"),)
    await world.publish("responses.sms", json.dumps(structured).encode(), headers=kind)
    async with hosted(world.intake()):
        answers = await world.answers(3)
    assert len({(a.response_id, a.revision, a.digest) for a in answers}) == 1


async def test_poison_on_a_channel_becomes_a_sealed_dead_letter_once(world: World) -> None:
    await world.channels("email")
    bad = b'{"score": 11, "email": "leak@example.org"}'
    await world.publish("responses.email", b'{"score": 1}', bad, b'{"score": 2}')
    async with hosted(world.intake()), reading(world.frame.kafka, "responses.email.dlq") as reader:
        answers = await world.answers(2)
        (raw,) = await reader.count(1)
    assert sorted(answer.score or 0 for answer in answers) == [1, 2]
    assert b"leak@" not in (raw.value or b"") + b"".join(content for _, content in raw.headers)
    letter = await read_letter(raw, world.keyring)
    assert (letter.value, letter.message) == (bad, "score: input should be less than or equal to 10")


async def test_a_topic_that_others_made_gets_a_place_for_its_dead_letters(world: World) -> None:
    async with open_topic_admin(world.frame.kafka, 1) as admin:
        await admin.make([wanted_inbound("kiosk", 1)])
    await world.publish("responses.kiosk", b"{", b'{"score": 2}')
    async with hosted(world.intake()):
        (answer,) = await world.answers(1)
    async with reading(world.frame.kafka, "responses.kiosk.dlq") as reader:
        (raw,) = await reader.count(1)
    assert answer.score == 2
    assert (await read_letter(raw, world.keyring)).value == b"{"


async def test_a_dead_letter_topic_that_may_not_be_made_is_named(world: World) -> None:
    async with open_topic_admin(world.frame.kafka, 1) as admin:
        await admin.make([wanted_inbound("kiosk", 1)])
    three = world.settings.model_copy(update={"replication": 3})  # more than there are brokers, so Kafka refuses
    with pytest.raises(Transient, match=r"responses\.kiosk\.dlq"):
        await DeadLetterTopics(replace(world.frame, settings=three)).look()


async def test_a_time_that_utc_cannot_hold_is_a_problem_that_names_the_field(
    client_world: tuple[AsyncClient, World],
) -> None:
    client, world = client_world
    told = await post(client, world, {"score": 9, "answered_at": "0001-01-01T00:00:00+02:00"})
    assert (told.status_code, told.json()["errors"][0]["field"]) == (422, "answered_at")
    event = {"ce-specversion": "1.0", "ce-id": "e", "ce-type": "answer", "ce-source": "/" + "x" * 300}
    told = await post(client, world, ANSWER, **event)
    assert (told.status_code, told.json()["errors"][0]["field"]) == (422, "ce_source")


async def test_a_database_that_is_away_pauses_intake_and_ends_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handlers, "DELETE_EVERY", timedelta(milliseconds=20))
    order = Erasure(erasure_id=uuid4(), tenant="default", subjects=["0" * 32], requested_at=world.clock.now())
    async with hosted(world.intake()) as client:
        with monkeypatch.context() as away:
            for way in ("begin", "read"):
                away.setattr(Database, way, _away)
            away.setattr(Database, "in_one_go", _nothing_goes)
            await world.frame.publisher.publish([outgoing(ERASURES, order, "e", Cause("console", world.clock.now()))])
            await _until(client, lambda waiting: {"deleting", "erasing", "sql"} <= waiting)
            assert (await client.get("/livez")).status_code == 200
            told = await post(client, world, ANSWER)
            assert (told.status_code, "retry-after" in told.headers) == (503, True)
        await _until(client, lambda waiting: not waiting)
        assert (await post(client, world, ANSWER)).status_code == 202
        assert "nps_erasures_total 1" in (await client.get("/metrics")).text


@asynccontextmanager
async def _away(_database: Database) -> AsyncIterator[Transaction]:
    raise Transient("database: gaierror")
    yield


async def _nothing_goes(_database: Database, _work: object) -> None:
    raise Transient("database: gaierror")


async def _until(client: AsyncClient, satisfied: Callable[[set[str]], bool]) -> None:
    """Returns once what intake waits for satisfies."""
    async with asyncio.timeout(30):
        while not satisfied(set((await client.get("/readyz")).json()["waiting_for"])):
            await asyncio.sleep(0.02)


async def test_raw_records_are_deleted_once_they_are_in(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handlers, "DELETE_EVERY", timedelta(milliseconds=20))
    await world.channels("email")
    await world.publish("responses.email", *[b'{"score": 1}'] * 5)
    async with hosted(world.intake()):
        await world.answers(5)
        left: object = None
        async with asyncio.timeout(30):
            while left != []:
                async with reading(world.frame.kafka, "responses.email") as reader:
                    left = await reader.to_end()
    assert left == []


async def test_what_was_deleted_is_counted_by_record(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handlers, "DELETE_EVERY", timedelta(milliseconds=20))
    await world.channels("email")
    await world.publish("responses.email", *[b'{"score": 1}'] * 5)
    async with hosted(world.intake()) as client:
        await world.answers(5)
        async with asyncio.timeout(30):
            while 'nps_inbound_deleted_total{topic="responses.email"} 5' not in (await client.get("/metrics")).text:
                await asyncio.sleep(0.02)
    async with reading(world.frame.kafka, "responses.email") as reader:
        assert await reader.to_end() == []


async def test_what_could_not_be_deleted_is_deleted_the_next_time(world: World) -> None:
    await world.channels("email")
    await world.publish("responses.email", *[b'{"score": 1}'] * 5)
    async with open_database(database_url(world.settings, "intake")) as database:
        frame = replace(world.frame, metrics=Metrics(CHASSIS_METRICS, INTAKE_METRICS))
        inbound = Inbound(frame, cast("Door", None), database, Positions(database, "intake"))
        inbound._taken = {("responses.email", 7): (0, 1), ("responses.email", 0): (0, 0)}  # there is no partition 7
        await inbound._delete()
        assert inbound._taken == {("responses.email", 7): (0, 1), ("responses.email", 0): (0, 0)}
        del inbound._taken["responses.email", 7]
        await inbound._delete()
    assert inbound._taken == {}


def bounded(world: World, folder: Path, most: int) -> Business:
    """The business file that ships, with a bound of its own for segments."""
    own = folder / "own.yaml"
    own.write_text(f"tenants:\n  default:\n    intake:\n      segments: {{most: {most}}}\n")
    return Business.load(Path("schemas/nps.yaml"), own, frozenset(world.business._services))


async def test_segments_beyond_the_bound_are_counted_together(world: World, tmp_path: Path) -> None:
    world.business = bounded(world, tmp_path, most=2)
    async with hosted(world.intake()) as client:
        for city in ("a", "b", "c", "a"):
            await post(client, world, {"score": 9, "segments": {"city": city}})
        answers = await world.answers(4)
        told = await post(client, world, {"score": 9, "segments": {"city": "d", "u-123": "x"}})
        (last,) = [one for one in await world.answers(5) if one.response_id == told.json()["response_id"]]
    assert sorted(answer.segments["city"] for answer in answers) == ["a", "a", "b", "other"]
    assert last.segments == {"city": "other"}


async def test_scores_can_be_told_by_touchpoint_agent_and_team(world: World) -> None:
    touchpoint = "after the call about " + "x" * 100
    agent = {"id": "agent-12", "team": "north"}
    async with hosted(world.intake()) as client:
        told = await post(client, world, {**ANSWER, "touchpoint": touchpoint, "agent": agent})
        (answer,) = await world.answers(1)
    assert told.status_code == 202
    assert answer.segments == {"plan": "pro", "touchpoint": touchpoint[:80], "agent": "agent-12", "team": "north"}
    assert answer.agent
    assert (answer.touchpoint, answer.agent.model_dump()) == (touchpoint, agent)


async def test_touchpoints_agents_and_teams_stand_under_the_bound_of_segments(world: World, tmp_path: Path) -> None:
    world.business = bounded(world, tmp_path, most=2)
    async with hosted(world.intake()) as client:
        for body in (
            {"score": 9, "touchpoint": "cart"},
            {"score": 9, "touchpoint": "delivery"},
            {"score": 9, "touchpoint": "call", "agent": {"id": "agent-12", "team": "north"}},
        ):
            await post(client, world, {"channel": "website", **body})
        answers = await world.answers(3)
    assert {answer.touchpoint: answer.segments for answer in answers} == {
        "cart": {"touchpoint": "cart"},
        "delivery": {"touchpoint": "delivery"},
        "call": {"touchpoint": "other"},
    }


async def test_a_source_that_numbers_must_number_its_updates(world: World) -> None:
    base = {"source": "shop", "response_id": "r1", "score": 5, "channel": "website"}
    async with hosted(world.intake()) as client:
        assert (await post(client, world, {**base, "revision": 3})).status_code == 202
        refused = await post(client, world, {**base, "op": "updated"})
        retracted = await post(client, world, {"source": "shop", "response_id": "r1", "op": "retracted"})
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "revision")
    assert retracted.json()["revision"] == 2**53 - 1


async def test_an_import_is_history_and_names_its_bad_rows(world: World, tmp_path: Path) -> None:
    file = tmp_path / "old.csv"
    file.write_text(
        "response_id,score,answered_at,segment.country,email\n"
        "a,9,2014-03-01,FI,a@example.org\n"
        'b,,2014-03-02,FI,"b@example.org"\n'
        "c,7,2014-03-03T10:00:00+02:00,SE,\n"
        "d,eleven,2014-03-03,SE,\n"
    )
    report = await commands.import_file(
        world.settings, world.business, world.clock, Import(file, "default"), lambda *_: None
    )
    assert (report.rows, report.accepted, report.rejected) == (4, 2, 2)
    assert report.rejects is not None
    lines = report.rejects.read_text().splitlines()
    assert [line.split(": ")[0] for line in lines[1:]] == ["3,score", "5,score"]
    answers = await world.answers(2)
    assert all(answer.history for answer in answers)
    assert answers[0].answered_at.isoformat() == "2014-03-01T00:00:00+00:00"


async def test_a_file_imported_twice_has_the_same_ids(world: World, tmp_path: Path) -> None:
    file = tmp_path / "old.ndjson"
    file.write_text('{"score": 9, "answered_at": "2014-03-01T00:00:00Z"}\nno json\n{"score": 3}\n')
    for _ in range(2):
        report = await commands.import_file(
            world.settings, world.business, world.clock, Import(file, "default", act=True), lambda *_: None
        )
        assert (report.accepted, report.rejected) == (2, 1)
    answers = await world.answers(4)
    assert len({answer.response_id for answer in answers}) == 2


async def test_an_order_to_erase_destroys_the_keys_again_at_each_start(world: World) -> None:
    async with hosted(world.intake()) as client:
        await post(client, world, ANSWER)
        (answer,) = await world.answers(1)
        await commands.erase(world.settings, world.business, world.clock, "default", Identity(email="a@example.org"))
        world.clock.advance(seconds=31)
        assert answer.sealed
        assert isinstance(await world.keyring.open(answer.sealed), Erased)
        told = await post(client, world, ANSWER)
        assert told.status_code == 202
        (later,) = [one for one in await world.answers(2) if one.response_id == told.json()["response_id"]]
    assert (later.sealed, later.score) == (None, 9)


@pytest.mark.parametrize("order", [("answer", "comment"), ("comment", "answer")])
async def test_a_late_comment_without_a_name_is_erased_with_who_gave_the_answer(
    world: World, order: tuple[str, str]
) -> None:
    bodies: dict[str, dict[str, Any]] = {  # JSON
        "answer": {**ANSWER, "response_id": "r1"},
        "comment": {"op": "commented", "response_id": "r1", "comment": "I am Robin"},
    }
    async with hosted(world.intake()) as client:
        for each in order:
            assert (await post(client, world, bodies[each])).status_code == 202
        (comment,) = [one for one in await world.answers(2) if one.op == "commented"]
        assert (await world.opened(comment)).comment == "I am Robin"
        await commands.erase(world.settings, world.business, world.clock, "default", Identity(email="a@example.org"))
        world.clock.advance(seconds=31)
        assert comment.sealed
        assert isinstance(await world.keyring.open(comment.sealed), Erased)
        await post(client, world, bodies["comment"] | {"comment": "Robin again"})
        later = [one for one in await world.answers(3) if one.op == "commented"][-1]
    assert later.sealed is None


async def test_an_opt_out_holds_for_every_identifier_it_names(client_world: tuple[AsyncClient, World]) -> None:
    client, world = client_world
    named = {"customer_id": "c-1", "email": "a@example.org", "phone": "+358 50 123"}
    told = await client.post("/v1/consents", json={**named, "purpose": "mail", "granted": False}, headers=world.auth)
    assert told.status_code == 202
    one = await world.keyring.identify("default", Identity(**named))
    assert one
    async with reading(world.frame.kafka, CONSENTS.name) as reader:
        consents = [CONSENTS.decode(raw.headers, raw.value) for raw in await reader.count(3)]
    assert sorted(consent.subject for consent in consents) == sorted(value for value, _ in one.identifiers)
    assert {(consent.purpose, consent.granted) for consent in consents} == {("mail", False)}
