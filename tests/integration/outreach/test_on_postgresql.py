"""Outreach with its tasks in PostgreSQL, where there may be several replicas."""

from __future__ import annotations

import asyncio

from schemas.topics import ERASURES, TASKS
from services.outreach.app import outreach
from services.outreach.commands import pause, resume
from tests.support.hosting import hosted
from tests.support.outreach import World, erasure, listed, until_gone, until_listed
from tests.support.tasks import requested, said, withdrawn
from tests.support.topics import reading


async def test_the_life_of_a_task_is_the_same(postgres_world: World) -> None:
    world = postgres_world
    request = await world.sealed(requested(), email="a@example.org", comment="slow")
    await world.request(request, requested("other"), withdrawn("other"), withdrawn("never"))
    async with hosted(world.outreach()) as client, reading(world.frame.kafka, TASKS.name) as reader:
        await world.until("other", status="cancelled")
        await world.hear(await world.noted(said(status="in_progress", owner="eva"), "called Olga"))
        task = await world.until("r", status="in_progress", owner="eva")
        path, change = f"/v1/tasks/{task.task_id}", {"status": "done", "outcome": "resolved"}
        assert (await client.patch(path, json=change, headers={"If-Match": f'"{task.version}"'})).status_code == 200
        assert [one["response_id"] for one in await listed(client, "?status=done&limit=1")] == ["r"]
        await pause(world.settings, world.clock)
        await world.request(requested("held"))
        await until_listed(client, "held")
        await resume(world.settings, world.clock)
        await world.until("held")
        assert request.subject
        await world.publish(ERASURES, erasure(request.subject))
        await until_gone(client, "r")
        await reader.until(lambda found: any(raw.value is None for raw in found))


async def test_of_changes_to_one_version_at_several_replicas_one_is_made(postgres_world: World) -> None:
    world = postgres_world
    await world.request(requested())
    other = world.settings.model_copy(update={"instance": "other"})
    async with hosted(world.outreach()) as one, hosted(outreach(other, world.business, world.clock)) as two:
        task = await world.until("r")
        path, headers = f"/v1/tasks/{task.task_id}", {"If-Match": '"1"'}
        answers = await asyncio.gather(
            *(client.patch(path, json={"owner": f"o{n}"}, headers=headers) for n in range(5) for client in (one, two))
        )
        assert sorted(answer.status_code for answer in answers) == [200] + [412] * 9
        assert (await world.until("r", version=2)).owner == (await two.get(path)).json()["owner"]
