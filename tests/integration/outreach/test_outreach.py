"""Outreach on a real Kafka and a real database: requests and words of CRMs in, tasks out."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from importlib.resources import files
from pathlib import Path

from sqlalchemy import select

from schemas.topic import dead_letters_of
from schemas.topics import ERASURES, OUTREACH, TASKS
from services.chassis.business import Business
from services.chassis.dead_letters import read_letter
from services.chassis.records import Outgoing
from services.chassis.sql import open_database
from services.chassis.sql_service import database_url
from services.outreach.tables import NOTES
from services.outreach.tables import TASKS as TASK_ROWS
from tests.integration.conftest import SERVICES
from tests.support.hosting import hosted
from tests.support.outreach import World, decoded, erasure, listed
from tests.support.tasks import requested, said, withdrawn
from tests.support.topics import DEADLINE_S, reading


async def test_a_request_becomes_one_task_in_clear_for_the_crm(world: World) -> None:
    await world.request(await world.sealed(requested(), email="a@example.org", name="Olga", comment="slow"))
    async with hosted(world.outreach()):
        (task,) = await world.tasks(1)
    assert (task.title, task.status, task.owner) == (
        "Detractor 3/10: write back within 24 h",
        "open",
        "customer-success",
    )
    assert (task.customer.email, task.customer.name, task.comment) == ("a@example.org", "Olga", "slow")


async def test_an_event_names_its_task_and_version_and_stays_in_its_trace(world: World) -> None:
    await world.request(requested())
    async with hosted(world.outreach()), reading(world.frame.kafka, TASKS.name, OUTREACH.name) as reader:
        records = await reader.count(2)
    task, request = sorted(records, key=lambda raw: raw.topic != TASKS.name)
    assert dict(task.headers)["ce_id"] == f"{requested().task_id}/1".encode()
    assert task.traceparent
    assert request.traceparent
    assert task.traceparent.split("-")[1] == request.traceparent.split("-")[1]


async def test_a_redelivered_request_changes_nothing_over_a_restart(world: World) -> None:
    await world.request(requested("one"), requested("one"))
    async with hosted(world.outreach()):
        await world.tasks(1)
    await world.request(requested("one"), requested("two"))
    async with hosted(world.outreach()):
        tasks = await world.tasks(2)
    assert [(task.response_id, task.version) for task in tasks] == [("one", 1), ("two", 1)]


async def test_a_request_that_cannot_be_read_is_a_dead_letter_and_its_neighbours_go_through(world: World) -> None:
    foreign = requested("theirs", tenant="nobody")
    twisted = requested("two").model_copy(update={"task_id": requested("one").task_id})
    key = OUTREACH.meeting_key_of(requested("one"))
    await world.frame.publisher.publish([Outgoing(OUTREACH.name, key, key, b"{", ())])
    await world.request(requested("one"), foreign)
    async with hosted(world.outreach()):
        await world.tasks(1)
        await world.request(twisted, requested("three"))
        await world.until("three")
        async with reading(world.frame.kafka, dead_letters_of(OUTREACH.name)) as reader:
            letters = [await read_letter(raw, None) for raw in await reader.count(3)]
    assert {letter.message for letter in letters} == {
        "ce_type: this topic carries nps-loop.outreach-request.v1",
        "tenant: not in the business file",
        "task_id: is the task of another answer",
    }


async def test_a_withdrawal_that_arrives_first_leaves_no_task(world: World) -> None:
    await world.request(withdrawn("r", revision=2))
    async with hosted(world.outreach()) as client:
        await world.request(requested("r", revision=1), requested("other"))
        await world.until("other")
        assert [task["response_id"] for task in await listed(client)] == ["other"]
        assert (await client.get(f"/v1/tasks/{requested('r').task_id}")).status_code == 404


async def test_a_withdrawal_cancels_and_a_request_that_comes_back_opens_again(world: World) -> None:
    await world.request(requested())
    async with hosted(world.outreach()):
        await world.until("r", status="open")
        await world.request(withdrawn(revision=2))
        assert (await world.until("r", status="cancelled")).reason == "retracted"
        await world.request(requested(revision=3, score=5))
        task = await world.until("r", status="open", revision=3)
    assert (task.score, task.reason, task.version, task.task_id) == (5, None, 3, requested().task_id)


async def test_words_of_a_crm_are_applied_once_each_with_their_notes(world: World) -> None:
    await world.request(requested())
    async with hosted(world.outreach()) as client:
        await world.until("r")
        word = await world.noted(said(status="in_progress", owner="eva", external_id="CRM-1"), "called Olga")
        await world.hear(word, word, word.model_copy(update={"update_id": "sent-again"}))
        task = await world.until("r", status="in_progress")
        await world.hear(word, said(status="done", outcome="resolved", minutes=20))
        done = await world.until("r", status="done")
        assert "nps_task_updates_total" in (await client.get("/metrics")).text
    assert [(note.text, note.author) for note in task.notes] == [("called Olga", "eva")]
    assert (done.owner, done.outcome, done.version, done.notes) == ("eva", "resolved", 3, task.notes)


async def test_words_about_unknown_tasks_and_of_other_tenants_change_nothing(world: World) -> None:
    await world.request(requested())
    async with hosted(world.outreach()):
        await world.until("r")
        theirs = said(status="done").model_copy(update={"tenant": "demo-1"})
        await world.hear(said("nobody", status="done"), theirs, said(status="waiting"))
        assert (await world.until("r", version=2)).status == "waiting"


async def test_what_is_sealed_stays_sealed_in_the_database(world: World) -> None:
    await world.request(await world.sealed(requested(), email="canary@example.org", comment="canary"))
    async with hosted(world.outreach()) as client:
        task = await world.until("r")
        note = {"text": "canary", "author": "canary"}
        await client.post(f"/v1/tasks/{task.task_id}/notes", json=note)
        await world.hear(await world.noted(said(), "canary"))
        await world.until("r", version=3)
    async with open_database(database_url(world.settings, "outreach")) as database, database.read() as reading_:
        rows = [row for table in (TASK_ROWS, NOTES) for row in await reading_.execute(select(table))]
    assert len(rows) == 3
    assert "canary" not in str(rows)


async def test_who_is_erased_is_scrubbed_and_tombstoned(world: World) -> None:
    request = await world.sealed(requested(), email="a@example.org")
    await world.request(request, requested("other"))
    async with hosted(world.outreach()) as client:
        await world.until("other")
        await world.hear(await world.noted(said(), "called Olga"))
        await world.until("r", version=2)
        assert request.subject
        await world.publish(ERASURES, erasure(request.subject))
        async with reading(world.frame.kafka, TASKS.name) as reader:
            records = await reader.until(lambda found: any(raw.value is None for raw in found))
            (tombstone,) = [raw for raw in records if raw.value is None]
            assert tombstone.key == TASKS.key_of(decoded(next(raw for raw in records if raw.key == tombstone.key)))
            assert [task["response_id"] for task in await listed(client)] == ["other"]
            await world.request(request.model_copy(update={"revision": 2}), requested("last"))
            await world.until("last")
            assert len([raw for raw in await reader.to_end() if raw.key == tombstone.key]) == 3


async def test_a_tombstone_is_written_once_more_when_its_segment_can_be_closed(world: World) -> None:
    request = await world.sealed(requested(), email="a@example.org")
    await world.request(request)
    async with hosted(world.outreach()):
        await world.until("r")
        assert request.subject
        await world.publish(ERASURES, erasure(request.subject))
        async with reading(world.frame.kafka, TASKS.name) as reader:
            await reader.count(2)
            world.clock.advance(hours=1, minutes=2)
            records = await reader.count(3)
    assert [raw.value is None for raw in records] == [False, True, True]


async def test_an_answer_of_somebody_erased_makes_no_task(world: World) -> None:
    request = await world.sealed(requested(), email="a@example.org")
    assert request.subject
    await world.keyring.erase("default", [request.subject])
    await world.request(request, requested("other"))
    async with hosted(world.outreach()) as client:
        await world.until("other")
        assert [task["response_id"] for task in await listed(client)] == ["other"]


async def test_a_customer_is_asked_again_after_the_task_is_done(world: World) -> None:
    own = world.settings.state_dir / "nps.yaml"
    own.write_text("tenants:\n  default:\n    outreach: {ask_again_after: P30D}\n")
    world.business = Business.load(Path(str(files("schemas"))) / "nps.yaml", own, SERVICES)
    await world.request(await world.sealed(requested(), email="a@example.org"))
    async with hosted(world.outreach()):
        await world.until("r")
        await world.hear(said(status="done"))
        (survey,) = await world.surveys(1)
        await world.hear(said(status="open", minutes=20), said(status="done", minutes=30))
        done = await world.until("r", version=4)
        assert await world.surveys(1) == [survey]
    assert survey.not_before == said().occurred_at + timedelta(days=30)
    assert (survey.task_id, survey.cause) == (done.task_id, "task_closed")


async def test_open_and_overdue_tasks_are_counted(world: World) -> None:
    await world.request(requested("a"), requested("b", priority="low"), requested("c"))
    async with hosted(world.outreach()) as client:
        for response_id in ("a", "b", "c"):
            await world.until(response_id)
        await world.hear(said("c", status="done"))
        await world.until("c", status="done")
        world.clock.advance(hours=25)
        async with asyncio.timeout(DEADLINE_S):
            while 'nps_tasks_overdue{priority="high"} 1.0' not in (text := (await client.get("/metrics")).text):
                await asyncio.sleep(0.02)
    assert 'nps_tasks_open{priority="low"} 1.0' in text
    assert 'nps_task_updates_total{outcome="changed"} 1.0' in text


async def test_a_thousand_requests_take_seconds(world: World) -> None:
    one = await world.sealed(requested(), email="a@example.org")
    requests = [requested(f"r{number}", sealed=one.sealed, subject=one.subject) for number in range(1000)]
    await world.request(*requests)
    async with hosted(world.outreach()), asyncio.timeout(10):
        tasks = await world.tasks(1000)
    assert len({task.task_id for task in tasks}) == 1000
