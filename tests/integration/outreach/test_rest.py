"""Tasks over HTTP: what may be asked, changed and noted, and how each mistake is answered."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from httpx2 import AsyncClient, Response
from pydantic import SecretStr

from schemas.task import Task
from schemas.topics import ERASURES
from tests.support.answers import NOON
from tests.support.hosting import hosted
from tests.support.outreach import World, erasure, listed
from tests.support.tasks import requested, said, withdrawn

TASK = f"/v1/tasks/{requested('r').task_id}"
JSON = "application/json"
PROBLEM = "application/problem+json"


@pytest.fixture
async def client(world: World) -> AsyncIterator[AsyncClient]:
    """Outreach with one task, of the answer `r`."""
    await world.request(await world.sealed(requested(), email="a@example.org", comment="slow"))
    async with hosted(world.outreach()) as client:
        await world.until("r")
        yield client


async def patched(client: AsyncClient, changes: object, if_match: str = '"1"', **given: Any) -> Response:  # of httpx
    return await client.patch(TASK, json=changes, headers={"If-Match": if_match}, **given)


def problem(answer: Response) -> tuple[int, str]:
    """Status and detail of a problem."""
    assert answer.headers["content-type"] == PROBLEM, answer.text
    body = answer.json()
    assert body["status"] == answer.status_code
    assert body["type"].startswith("urn:nps-loop:problem:")
    return answer.status_code, body["detail"]


async def test_a_task_is_read_in_clear_with_its_version_as_etag(client: AsyncClient) -> None:
    answer = await client.get(TASK)
    assert (answer.status_code, answer.headers["etag"]) == (200, '"1"')
    task = answer.json()
    assert task.pop("sla_breached") is False
    assert Task.model_validate_json(json.dumps(task)).customer.email == "a@example.org"
    assert task["comment"] == "slow"


async def test_a_change_is_seen_by_readers_and_crms_alike(world: World, client: AsyncClient) -> None:
    due = (NOON + timedelta(hours=2)).isoformat()
    changes = {"status": "done", "owner": "eva", "priority": "urgent", "due_at": due, "outcome": "resolved"}
    answer = await patched(client, changes)
    assert (answer.status_code, answer.headers["etag"]) == (200, '"2"')
    task = await world.until("r", version=2)
    assert (task.status, task.owner, task.priority, task.outcome) == ("done", "eva", "urgent", "resolved")
    assert task.due_at == NOON + timedelta(hours=2)
    assert (await client.get(TASK)).json() == answer.json()
    assert answer.json()["customer"] == {"email": "a@example.org"}


async def test_of_two_who_change_what_both_have_read_one_learns_that_it_changed(client: AsyncClient) -> None:
    answers = await asyncio.gather(*(patched(client, {"owner": owner}) for owner in ("eva", "ole")))
    assert sorted(answer.status_code for answer in answers) == [200, 412]
    stale = next(answer for answer in answers if answer.status_code == 412)
    assert problem(stale) == (412, "If-Match: the task has changed; it is at version 2")
    assert stale.headers["etag"] == '"2"'
    winner = next(answer for answer in answers if answer.status_code == 200).json()["owner"]
    assert (await client.get(TASK)).json()["owner"] == winner


async def test_any_of_several_versions_or_a_star_will_do(client: AsyncClient) -> None:
    assert (await patched(client, {"owner": "eva"}, '"7", "1"')).status_code == 200
    assert (await patched(client, {"owner": "ole"}, "*")).status_code == 200
    assert (await patched(client, {"owner": "per"}, 'W/"3"')).status_code == 412


async def test_a_change_without_a_version_is_refused(client: AsyncClient) -> None:
    answer = await client.patch(TASK, json={"owner": "eva"})
    assert problem(answer) == (428, "If-Match: required, with the ETag of the task that was read")


async def test_nobody_owns_a_task_whose_owner_is_set_to_null(client: AsyncClient) -> None:
    assert "owner" not in (await patched(client, {"owner": None})).json()


BODIES: dict[str, tuple[Any, str]] = {
    "unknown field": ({"state": "done"}, "state: unknown field"),
    "nothing": ({}, "body: one of status, owner, priority, due_at and outcome is required"),
    "nothing but null": ({"status": None}, "body: one of status, owner, priority, due_at and outcome is required"),
    "unknown status": ({"status": "closed"}, "status: "),
    "unknown priority": ({"priority": "highest"}, "priority: "),
    "due without offset": ({"due_at": "2026-05-20T12:00:00"}, "due_at: "),
    "owner a number": ({"owner": 17}, "owner: "),
    "empty owner": ({"owner": ""}, "owner: "),
    "owner too long": ({"owner": "x" * 201}, "owner: "),
    "a list": ([], "body: "),
    "version": ({"version": 9}, "version: unknown field"),
}


async def test_a_body_that_is_wrong_names_the_field(client: AsyncClient) -> None:
    for name, (body, says) in BODIES.items():
        status, detail = problem(await patched(client, body))
        assert (name, status, detail[: len(says)]) == (name, 422, says)


async def test_a_body_that_is_no_json_too_large_or_something_else_is_refused(client: AsyncClient) -> None:
    headers = {"If-Match": "*", "Content-Type": JSON}
    assert problem(await client.patch(TASK, content=b"{", headers=headers))[0] == 400
    assert problem(await client.patch(TASK, content=b"x" * 2_000_000, headers=headers))[0] == 413
    headers["Content-Type"] = "text/plain"
    assert problem(await client.patch(TASK, content=b"{}", headers=headers))[0] == 415
    assert problem(await client.put(TASK, json={}))[0] == 405


async def test_a_status_that_does_not_follow_is_a_conflict(world: World, client: AsyncClient) -> None:
    assert problem(await patched(client, {"outcome": "resolved"}))[0] == 409
    await world.request(withdrawn())
    await world.until("r", status="cancelled")
    status, detail = problem(await patched(client, {"status": "open"}, '"2"'))
    assert (status, detail) == (409, "status: the task was withdrawn (retracted); it cannot become open")
    assert (await client.get(TASK)).json()["version"] == 2


async def test_unknown_tasks_and_those_of_other_tenants_are_not_there(client: AsyncClient) -> None:
    missing = f"/v1/tasks/{uuid4()}"
    assert problem(await client.get(missing))[0] == 404
    assert problem(await client.patch(missing, json={"owner": "eva"}, headers={"If-Match": "*"}))[0] == 404
    assert problem(await client.post(f"{missing}/notes", json={"text": "x"}))[0] == 404
    assert (await client.get(TASK, params={"tenant": "default"})).status_code == 200
    assert problem(await client.get(TASK, params={"tenant": "other"}))[0] == 404
    assert problem(await patched(client, {"owner": "eva"}, params={"tenant": "other"}))[0] == 404
    assert problem(await client.get("/v1/tasks/17"))[0] == 422
    assert problem(await client.get("/v2/tasks"))[0] == 404


async def test_notes_are_kept_in_order_and_reach_crms(world: World, client: AsyncClient) -> None:
    answer = await client.post(f"{TASK}/notes", json={"text": "called Olga", "author": "eva"})
    assert (answer.status_code, answer.headers["etag"]) == (201, '"2"')
    world.clock.advance(minutes=1)
    await client.post(f"{TASK}/notes", json={"text": "nobody there"})
    task = await world.until("r", version=3)
    assert [(note.text, note.author) for note in task.notes] == [("called Olga", "eva"), ("nobody there", None)]


async def test_a_note_that_is_sent_twice_with_its_version_is_kept_once(client: AsyncClient) -> None:
    headers = {"If-Match": '"1"'}
    assert (await client.post(f"{TASK}/notes", json={"text": "called"}, headers=headers)).status_code == 201
    assert problem(await client.post(f"{TASK}/notes", json={"text": "called"}, headers=headers))[0] == 412
    assert len((await client.get(TASK)).json()["notes"]) == 1


async def test_a_note_that_is_wrong_names_the_field(client: AsyncClient) -> None:
    for note, names in (
        ({}, "text"),
        ({"text": ""}, "text"),
        ({"text": "a\x00b"}, "text"),
        ({"text": "x", "at": 1}, "at"),
    ):
        status, detail = problem(await client.post(f"{TASK}/notes", json=note))
        assert (status, detail.partition(":")[0]) == (422, names)


async def test_who_was_erased_is_gone_from_every_answer(world: World, client: AsyncClient) -> None:
    subject = (await world.sealed(requested(), email="a@example.org")).subject
    assert subject
    await client.post(f"{TASK}/notes", json={"text": "called Olga"})
    await world.keyring.erase("default", [subject])
    world.clock.advance(seconds=31)  # keys are remembered for thirty seconds
    assert problem(await client.get(TASK))[0] == 404  # before outreach has read the order
    assert await listed(client) == []
    await world.publish(ERASURES, erasure(subject))
    await world.request(requested("last"))
    await world.until("last")
    assert problem(await client.post(f"{TASK}/notes", json={"text": "x"}))[0] == 404
    assert problem(await patched(client, {"owner": "eva"}, "*"))[0] == 404


async def test_lists_are_filtered(world: World, client: AsyncClient) -> None:
    later = NOON + timedelta(days=3)
    await world.request(
        requested("urgent", priority="urgent", due_at=later),
        requested("theirs", tenant="demo-1"),
        requested("done"),
    )
    await world.until("theirs")
    await world.until("urgent")
    await world.until("done")
    await world.hear(said("done", status="done", owner="eva"))
    await world.until("done", status="done")

    async def found(**query: object) -> set[str]:
        answer = await client.get("/v1/tasks", params={name: str(value) for name, value in query.items()})
        return {task["response_id"] for task in answer.json()["tasks"]}

    assert await found() == {"r", "urgent", "theirs", "done"}
    assert await found(tenant="default") == {"r", "urgent", "done"}
    assert await found(status="done") == {"done"}
    assert await found(owner="eva") == {"done"}
    assert await found(priority="urgent") == {"urgent"}
    assert await found(due_before=(NOON + timedelta(days=2)).isoformat()) == {"r", "theirs", "done"}
    assert await found(response_id="urgent") == {"urgent"}
    several = await client.get("/v1/tasks?status=open&status=done&tenant=default&priority=high")
    assert {task["response_id"] for task in several.json()["tasks"]} == {"r", "done"}


async def test_walking_the_pages_misses_no_task_and_shows_none_twice(world: World, client: AsyncClient) -> None:
    requests = [requested(f"r{number}") for number in range(25)]
    await world.request(*requests)
    for one in requests:
        await world.until(one.response_id)
    seen: list[str] = []
    cursor = None
    while True:
        query = {"limit": "7"} | ({"cursor": cursor} if cursor else {})
        page = (await client.get("/v1/tasks", params=query)).json()
        seen += [task["response_id"] for task in page["tasks"]]
        cursor = page.get("next")
        if len(seen) == 7:  # what is made and changed meanwhile moves nothing
            world.clock.advance(minutes=1)
            await world.request(requested("new"))
            await world.until("new")
            await client.patch(
                f"/v1/tasks/{page['tasks'][0]['task_id']}", json={"priority": "low"}, headers={"If-Match": "*"}
            )
        if cursor is None:
            break
    assert sorted(seen) == sorted({"r", "new", *(one.response_id for one in requests)})


QUERIES = {
    "status=closed": "status",
    "limit=0": "limit",
    "limit=501": "limit",
    "limit=many": "limit",
    "due_before=tomorrow": "due_before",
    "cursor=!!!": "cursor",
    "cursor=bm9uZQ": "cursor",
    "tenant=%C3%84": "tenant",
    "colour=red": "colour: unknown parameter",
}


async def test_a_query_that_is_wrong_names_the_parameter(client: AsyncClient) -> None:
    for query, names in QUERIES.items():
        status, detail = problem(await client.get(f"/v1/tasks?{query}"))
        assert (query, status, detail[: len(names)]) == (query, 422, names)


async def test_others_than_this_machine_need_the_token(world: World) -> None:
    secret = "a-token-of-tests-17"
    world.settings = world.settings.model_copy(update={"access_token": SecretStr(secret)})
    async with hosted(world.outreach()) as client:
        assert problem(await client.get("/v1/tasks"))[0] == 401
        assert (await client.get("/v1/tasks", headers={"Authorization": f"Bearer {secret}"})).status_code == 200
        assert (await client.get("/livez")).status_code == 200


async def test_what_openapi_says_of_answers_is_what_is_answered(client: AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()
    assert document["openapi"].startswith("3.1")
    operations = document["paths"]
    assert set(operations) == {"/v1/tasks", "/v1/tasks/{task_id}", "/v1/tasks/{task_id}/notes"}
    headers = {"If-Match": '"1"', "Content-Type": JSON}
    asked = [
        ("get", "/v1/tasks", await client.get("/v1/tasks")),
        ("get", "/v1/tasks", await client.get("/v1/tasks?limit=0")),
        ("get", "/v1/tasks/{task_id}", await client.get(TASK)),
        ("get", "/v1/tasks/{task_id}", await client.get(f"/v1/tasks/{uuid4()}")),
        ("patch", "/v1/tasks/{task_id}", await client.patch(TASK, content=b"{", headers=headers)),
        ("patch", "/v1/tasks/{task_id}", await client.patch(TASK, json={})),
        ("patch", "/v1/tasks/{task_id}", await patched(client, {"state": 1})),
        ("patch", "/v1/tasks/{task_id}", await patched(client, {"outcome": "resolved"})),
        ("patch", "/v1/tasks/{task_id}", await patched(client, {"owner": "eva"})),
        ("patch", "/v1/tasks/{task_id}", await patched(client, {"owner": "ole"})),
        ("post", "/v1/tasks/{task_id}/notes", await client.post(f"{TASK}/notes", json={"text": "called"})),
        ("post", "/v1/tasks/{task_id}/notes", await client.post(f"{TASK}/notes", content=b"x")),
    ]
    for method, path, answer in asked:
        described = operations[path][method]["responses"][str(answer.status_code)]
        assert list(described["content"]) == [answer.headers["content-type"]]
    named = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(document)))
    assert named <= set(document["components"]["schemas"])
