"""What becomes of tasks when the database is lost or restored: the same tasks, none twice, nobody erased comes back."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from schemas.outreach_request import OutreachRequest
from schemas.topic import join_key
from schemas.topics import ERASURES, TASKS
from services.chassis.failures import Halt
from services.outreach import recovery
from services.outreach.commands import pause, recover
from services.outreach.recovery import Recovered
from tests.support.databases import lose_database
from tests.support.hosting import hosted
from tests.support.outreach import World, erasure, listed, until_gone, until_listed
from tests.support.tasks import requested, said, withdrawn
from tests.support.topics import reading


async def lose(world: World) -> None:
    await lose_database(world.settings, "outreach")


def copied(world: World, to: Path) -> None:
    to.mkdir()
    for file in world.settings.state_dir.glob("outreach.sqlite3*"):
        shutil.copy(file, to)


async def test_a_service_whose_database_was_lost_does_not_start(world: World) -> None:
    await world.request(requested())
    async with hosted(world.outreach()):
        await world.until("r")
    await lose(world)
    with pytest.raises(Halt, match="nps recover"):
        async with hosted(world.outreach()):
            pass


async def lived_through(world: World, one: OutreachRequest, forgotten: OutreachRequest) -> list[dict[str, Any]]:
    """Tasks worked on here and there, withdrawn, erased and held; returns those listed before any is held."""
    async with hosted(world.outreach()) as client:
        for response_id in ("one", "two", "three", "forgotten", "untold"):
            await world.until(response_id)
        await world.hear(await world.noted(said("one", status="in_progress", owner="eva"), "called Olga"))
        await world.until("one", status="in_progress")
        await client.patch(f"/v1/tasks/{one.task_id}", json={"priority": "low"}, headers={"If-Match": "*"})
        await world.until("one", priority="low")
        await world.hear(said("two", status="done", outcome="resolved"))
        await world.until("two", status="done")
        await world.request(withdrawn("three"))
        await world.until("three", status="cancelled")
        assert forgotten.subject
        await world.publish(ERASURES, erasure(forgotten.subject))
        await until_gone(client, "forgotten")
        before = [task for task in await listed(client) if task["response_id"] != "untold"]
        await pause(world.settings, world.clock)
        await world.request(requested("held"))
        await until_listed(client, "held")
    return before


async def test_lost_tasks_come_back_as_they_stood_and_nobody_erased_does(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One recovery for all of it: it waits until Kafka takes the stopped service for gone."""
    monkeypatch.setattr(recovery, "AT_ONCE", 1)  # a task and its tombstone do not meet in one portion
    one = await world.sealed(requested("one", callback_requested=True), email="a@example.org", comment="slow")
    forgotten = await world.sealed(requested("forgotten"), email="b@example.org")
    untold = await world.sealed(requested("untold"), email="c@example.org")
    await world.request(one, requested("two"), requested("three"), withdrawn("never"), forgotten, untold)
    before = await lived_through(world, one, forgotten)
    assert untold.subject
    await world.publish(ERASURES, erasure(untold.subject))  # its tombstone never went out
    await lose(world)

    assert await recover(world.settings, world.business, world.clock) == Recovered(tasks=4, made=1)

    async with hosted(world.outreach()) as client, reading(world.frame.kafka, TASKS.name) as reader:
        held = await world.until("held")
        assert (held.task_id, held.version) == (requested("held").task_id, 1)
        after = {task["response_id"]: task for task in await listed(client)}
        assert after.pop("held")
        assert after == {task["response_id"]: task for task in before}
        gone = [raw.key for raw in await reader.to_end() if raw.value is None]
        assert set(gone) == {join_key(("default", str(one.task_id))) for one in (forgotten, untold)}
        known = len(reader.records)
        await world.request(requested("never", revision=1), *(again(request) for request in (forgotten, untold, one)))
        changed = await world.until("one", score=0)
        await world.request(requested("last"))
        await world.until("last")
        assert len(await reader.to_end()) == known + 2
    assert (changed.status, changed.owner, changed.priority, changed.kind) == ("in_progress", "eva", "low", "call")
    assert (changed.customer.email, changed.comment, len(changed.notes)) == ("a@example.org", "slow", 1)


@pytest.mark.sqlite
async def test_a_restored_database_learns_what_crms_were_told_since(world: World, tmp_path: Path) -> None:
    await world.request(requested("one"))
    async with hosted(world.outreach()):
        await world.until("one")
    copied(world, tmp_path / "backup")
    async with hosted(world.outreach()):
        await world.request(requested("two"))
        await world.hear(said("one", status="waiting"))
        await world.until("one", status="waiting")
        await world.until("two")
    await lose(world)
    for file in (tmp_path / "backup").iterdir():
        shutil.copy(file, world.settings.state_dir)
    with pytest.raises(Halt, match="nps recover"):
        async with hosted(world.outreach()):
            pass
    assert await recover(world.settings, world.business, world.clock) == Recovered(tasks=2, made=0)
    async with hosted(world.outreach()) as client:
        assert {task["response_id"]: task["status"] for task in await listed(client)} == {
            "one": "waiting",
            "two": "open",
        }
        await world.hear(said("one", status="done", minutes=30))
        assert (await world.until("one", status="done")).version == 3


def again(request: OutreachRequest) -> OutreachRequest:
    """The next revision of a request."""
    return request.model_copy(update={"revision": 2, "score": 0})
