"""Files on a real Kafka and a real database: imported once, whatever comes in between, and people known again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from httpx2 import AsyncClient

from schemas.personal_data import PersonalData
from services.chassis.failures import Transient
from services.chassis.keyring import Identity
from services.intake import commands
from services.intake.importing import Import, Report
from services.intake.kafka_traffic import open_traffic
from tests.support.hosting import hosted
from tests.support.intake import World

ANSWER: dict[str, Any] = {  # JSON
    "score": 9,
    "channel": "website",
    "email": "a@example.org",
    "comment": "fine",
    "segments": {"plan": "pro"},
}


async def post(client: AsyncClient, world: World, body: dict[str, Any]) -> None:  # JSON
    told = await client.post("/v1/responses", content=json.dumps(body).encode(), headers=world.auth)
    assert told.status_code == 202


async def test_an_import_whose_kafka_went_away_goes_on_where_it_stopped(world: World, tmp_path: Path) -> None:
    file = tmp_path / "old.csv"
    file.write_text("score,answered_at\n" + "".join(f"{number % 11},2014-03-01\n" for number in range(5_000)))
    told: list[int] = []

    def cut_short(report: Report, _read: int, _size: int) -> None:
        told.append(report.rows)
        if len(told) == 1:
            raise Transient("gone")

    what = Import(file, "default")
    with pytest.raises(Transient):
        await commands.import_file(world.settings, world.business, world.clock, what, cut_short)
    report = await commands.import_file(world.settings, world.business, world.clock, what, cut_short)
    assert (report.rows, report.accepted, report.resumed_at) == (5_000, 5_000, told[0])
    answers = await world.answers(5_000)
    assert len({answer.response_id for answer in answers}) == 5_000
    assert sum(answer.score or 0 for answer in {one.response_id: one for one in answers}.values()) == sum(
        number % 11 for number in range(5_000)
    )


async def test_people_of_an_import_are_linked_sealed_and_opened_again(world: World, tmp_path: Path) -> None:
    file = tmp_path / "old.csv"
    rows = "".join(f"9,c-{number % 500},p{number}@example.org,why {number}\n" for number in range(1_000))
    file.write_text("score,customer_id,email,comment\n" + rows)
    await commands.import_file(world.settings, world.business, world.clock, Import(file, "default"), lambda *_: None)
    answers = await world.answers(1_000)
    assert len({answer.subject for answer in answers}) == 500
    sealed = [answer.sealed for answer in answers if answer.sealed]
    contents = [content for content in await world.keyring.open_all(sealed) if isinstance(content, bytes)]
    comments = [PersonalData.model_validate_json(content).comment or "" for content in contents]
    assert sorted(comments) == sorted(f"why {number}" for number in range(1_000))
    by_mail = await world.keyring.identify("default", Identity(email="p999@example.org"))
    by_id = await world.keyring.identify("default", Identity(customer_id="c-499"))
    assert by_mail
    assert by_id
    group = (await world.keyring.subjects_of("default", [by_mail.subject]))[by_mail.subject]
    assert by_id.subject in group
    assert len(group) == 3


async def test_an_answer_that_says_as_much_by_file_as_by_http_is_the_same(world: World, tmp_path: Path) -> None:
    answer = {**ANSWER, "response_id": "r1", "answered_at": "2026-03-01T10:00:00Z", "touchpoint": "delivery"}
    file = tmp_path / "one.csv"
    named = {f"segment.{key}": value for key, value in answer["segments"].items()}
    cells = {key: value for key, value in answer.items() if key != "segments"} | named
    file.write_text(",".join(cells) + "\n" + ",".join(f'"{cell}"' for cell in cells.values()) + "\n")
    async with hosted(world.intake()) as client:
        await post(client, world, answer)
    await commands.import_file(
        world.settings, world.business, world.clock, Import(file, "default", act=True), lambda *_: None
    )
    one, other = await world.answers(2)
    assert one.sealed
    assert one.model_dump(exclude={"received_at", "sealed"}) == other.model_dump(exclude={"received_at", "sealed"})


async def test_whose_answer_nobody_knows_is_counted_as_unmatched(world: World) -> None:
    async with hosted(world.intake()) as client:
        for body in ({"score": 9}, {"score": 9, "channel": "carrier_pigeon"}, {"score": 9, "email": "a@example.org"}):
            await post(client, world, {"channel": "website", **body})
        told = (await client.get("/metrics")).text
    assert 'nps_answers_unmatched_total{channel="website"} 1.0' in told
    assert 'nps_answers_unmatched_total{channel="other"} 1.0' in told


async def test_a_number_without_its_country_is_the_same_person_as_with_it(world: World, tmp_path: Path) -> None:
    world.decided(tmp_path, "{phone_region: FI}")
    async with hosted(world.intake()) as client:
        for phone in ("040 555 0100", "+358 40 555 0100"):
            await post(client, world, {"score": 9, "channel": "phone", "phone": phone})
        one, other = await world.answers(2)
    assert one.subject == other.subject
    order = await commands.erase(world.settings, world.business, world.clock, "default", Identity(phone="0405550100"))
    assert order.subjects == [one.subject]


async def test_live_traffic_is_seen_without_reading_it(world: World) -> None:
    await world.channels("email")
    await world.publish("responses.email", *[b'{"score": 1}'] * 3)
    async with open_traffic(world.frame.kafka) as traffic:
        before = await traffic.look()
        async with hosted(world.intake()):
            await world.answers(3)
            seen = await traffic.look()
    assert (before.answers, before.inbound, before.taken, before.routed) == (0, 3, None, None)
    assert (seen.answers, seen.inbound, seen.routed) == (3, 3, None)
    assert seen.taken is not None
