"""The CRM sandbox on a real Kafka: tasks come in, what people do goes out signed, until it is taken."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import pytest
from httpx2 import AsyncClient
from pydantic import SecretStr

from schemas.topics import TASKS
from services.chassis.clock import SystemClock
from services.chassis.failures import Halt
from services.chassis.records import Outgoing
from services.intake.sources.crm import parse, verify
from tests.integration.sandbox.conftest import SECRET, World
from tests.support.crm_tasks import task
from tests.support.topics import DEADLINE_S

Json = dict[str, Any]  # JSON of any shape


async def until(client: AsyncClient, path: str, **expected: object) -> Json:
    """What the CRM answers, once it is as expected."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            answer: Json = (await client.get(path)).json()
            if expected.items() <= answer.items():
                return answer
            await asyncio.sleep(0.02)


async def only(client: AsyncClient) -> Json:
    """The one task there is."""
    (found,) = (await until(client, "/api/tasks", total=1))["tasks"]
    whole: Json = (await client.get(f"/api/tasks/{found['external_id']}")).json()
    return whole


async def test_tasks_appear_change_and_go(world: World) -> None:
    await world.publish(task("a"), task("b"), task("a", version=2, status="waiting"))
    async with world.crm() as client:
        await until(client, "/api/counts", total=2, waiting=1, open=1)
        await world.erase(task("a"))
        await until(client, "/api/counts", total=1, waiting=0)
        assert (await client.get("/api/duplicates")).json() == {"duplicates": []}


async def test_a_restart_makes_the_same_list_from_the_topic(world: World) -> None:
    await world.publish(task("a"), task("b"))
    async with world.crm() as client:
        await until(client, "/api/counts", total=2)
    await world.erase(task("a"))
    async with world.crm() as client:
        await until(client, "/readyz", ready=True)
        assert (await only(client))["response_id"] == "b"


async def test_a_record_nobody_can_read_is_passed_over(world: World) -> None:
    key = TASKS.key_of(task("a"))
    await world.frame.publisher.publish([Outgoing(TASKS.name, key, key, b"{", ())])
    await world.publish(task("a"))
    async with world.crm() as client:
        assert (await only(client))["response_id"] == "a"


async def test_a_change_goes_out_signed_as_intake_verifies_it(world: World) -> None:
    await world.publish(task("a"))
    async with world.crm() as client:
        there = await only(client)
        change = {"status": "done", "outcome": "resolved", "note": "called Ölga", "owner": "eva", "author": "eva"}
        answer = await client.post(f"/api/tasks/{there['external_id']}/changes", json=change)
        assert (answer.status_code, answer.json()["status"], answer.json()["unsent"]) == (200, "done", 1)
        await until(client, f"/api/tasks/{there['external_id']}", unsent=0)
    ((headers, body),) = world.receiver.calls
    verify(headers, body, SECRET, SystemClock().now())
    update = parse(body, headers)
    assert (update.status, update.outcome, update.note, update.owner) == ("done", "resolved", "called Ölga", "eva")
    assert (str(update.task_id), update.external_id) == (there["task_id"], there["external_id"])


async def test_a_change_that_is_not_taken_is_sent_again_under_its_id_and_signed_anew(world: World) -> None:
    world.receiver.answers = [503, 401]
    await world.publish(task("a"))
    async with world.crm() as client:
        path = f"/api/tasks/{(await only(client))['external_id']}"
        await client.post(f"{path}/changes", json={"status": "in_progress"})
        told = await until(client, path, trouble="nps-loop answered 503; trying again")
        assert told["unsent"] == 1
        await until(client, path, unsent=0)
    assert len(world.receiver.calls) == 3
    assert len({headers["webhook-id"] for headers, _ in world.receiver.calls}) == 1
    assert len({body for _, body in world.receiver.calls}) == 1
    for headers, body in world.receiver.calls:
        verify(headers, body, SECRET, SystemClock().now())
    times = [int(headers["webhook-timestamp"]) for headers, _ in world.receiver.calls]
    assert times[-1] > times[0]


async def test_without_address_or_secret_changes_stay_here_and_it_is_said(world: World) -> None:
    world.settings = world.settings.model_copy(update={"crm_webhook_secret": None})
    await world.publish(task("a"))
    async with world.crm() as client:
        there = await only(client)
        answer = await client.post(f"/api/tasks/{there['external_id']}/changes", json={"status": "waiting"})
        assert answer.json()["trouble"] == "NPS_CRM_WEBHOOK_SECRET is not set"
        assert (await client.get("/api/tasks")).json()["missing"] == "NPS_CRM_WEBHOOK_SECRET"
    assert world.receiver.calls == []


async def test_a_secret_that_is_none_stops_the_sandbox(world: World) -> None:
    world.settings = world.settings.model_copy(update={"crm_webhook_secret": SecretStr("whsec_!")})
    with pytest.raises(Halt, match="NPS_CRM_WEBHOOK_SECRET"):
        async with world.crm():
            pass


async def test_nothing_new_is_answered_with_304(world: World) -> None:
    await world.publish(task("a"))
    async with world.crm() as client:
        await only(client)
        first = await client.get("/api/tasks")
        again = await client.get("/api/tasks", headers={"If-None-Match": first.headers["etag"]})
        changed = await client.post(
            f"/api/tasks/{first.json()['tasks'][0]['external_id']}/changes", json={"owner": "e"}
        )
        assert changed.status_code == 200
        after = await client.get("/api/tasks", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content, after.status_code) == (304, b"", 200)


MISTAKES: Sequence[tuple[str, str, Any, int, str]] = (
    ("GET", "/api/tasks?limit=0", None, 422, "limit: "),
    ("GET", "/api/tasks?state=open", None, 422, "state: unknown field"),
    ("GET", "/api/tasks/CRM-1", None, 404, "no task CRM-1"),
    ("POST", "/api/tasks/CRM-1001/changes", {"status": "closed"}, 422, "status: "),
    ("POST", "/api/tasks/CRM-1001/changes", {}, 422, "body: one of status, owner, outcome and note is required"),
    ("POST", "/api/tasks/CRM-1001/changes", None, 415, "Content-Type: must be application/json"),
    ("GET", "/nothing", None, 404, "nothing at /nothing"),
)


async def test_mistakes_are_answered_with_problems(world: World) -> None:
    await world.publish(task("a"))
    async with world.crm() as client:
        await only(client)
        for method, path, body, status, says in MISTAKES:
            answer = (
                await client.request(method, path, json=body)
                if body is not None
                else await client.request(method, path)
            )
            detail = json.loads(answer.content)["detail"]
            assert (path, answer.status_code, detail[: len(says)]) == (path, status, says)


async def test_others_than_this_machine_need_the_token(world: World) -> None:
    token = "a-token-of-tests-17"
    world.settings = world.settings.model_copy(update={"access_token": SecretStr(token)})
    async with world.crm() as client:
        assert (await client.get("/")).status_code == 401
        assert (await client.get("/api/tasks")).status_code == 401
        assert (await client.get("/", params={"token": token})).status_code == 200
        assert (await client.get("/livez")).status_code == 200
