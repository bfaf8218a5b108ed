"""Pausing tasks: requests are stored and tasks made, and nothing of it goes out until it is resumed."""

from __future__ import annotations

from schemas.topics import ERASURES, TASKS
from services.outreach.commands import pause, paused, resume
from tests.support.hosting import hosted
from tests.support.outreach import World, erasure, until_listed
from tests.support.tasks import requested, said, withdrawn
from tests.support.topics import reading


async def test_what_is_paused_is_kept_and_goes_out_once_as_it_stands(world: World) -> None:
    await pause(world.settings, world.clock, "default")
    await world.request(requested("r"), requested("gone"), withdrawn("gone"), requested("theirs", tenant="demo-1"))
    async with hosted(world.outreach()) as client, reading(world.frame.kafka, TASKS.name) as reader:
        await until_listed(client, "r")
        await until_listed(client, "gone", status="cancelled")
        await world.hear(said("r", status="in_progress"))
        await until_listed(client, "r", status="in_progress")
        await world.until("theirs")
        assert len(await reader.to_end()) == 1
        assert await resume(world.settings, world.clock, "default")
        task = await world.until("r")
        assert (task.status, task.version) == ("in_progress", 2)
        assert (await world.until("gone")).status == "cancelled"
        assert len(await reader.to_end()) == 3


async def test_a_pause_of_everybody_holds_over_restarts_and_ends_without_the_service(world: World) -> None:
    await pause(world.settings, world.clock)
    await world.request(requested("r"), requested("theirs", tenant="demo-1"))
    async with hosted(world.outreach()) as client:
        await until_listed(client, "r")
        await until_listed(client, "theirs")
    async with hosted(world.outreach()), reading(world.frame.kafka, TASKS.name) as reader:
        assert await reader.to_end() == []
    assert await resume(world.settings, world.clock)
    async with hosted(world.outreach()):
        await world.tasks(2)


async def test_pauses_are_told_with_their_beginning(world: World) -> None:
    assert await paused(world.settings, world.clock) == {}
    await pause(world.settings, world.clock)
    began = world.clock.now()
    world.clock.advance(hours=1)
    await pause(world.settings, world.clock)
    await pause(world.settings, world.clock, "default")
    assert await paused(world.settings, world.clock) == {"*": began, "default": world.clock.now()}
    assert await resume(world.settings, world.clock, "default")
    assert not await resume(world.settings, world.clock, "default")
    assert await paused(world.settings, world.clock) == {"*": began}


async def test_an_erasure_does_not_wait_for_a_pause_to_end(world: World) -> None:
    request = await world.sealed(requested(), email="a@example.org")
    await world.request(request)
    async with hosted(world.outreach()), reading(world.frame.kafka, TASKS.name) as reader:
        await world.until("r")
        await pause(world.settings, world.clock)
        assert request.subject
        await world.publish(ERASURES, erasure(request.subject))
        records = await reader.until(lambda found: len(found) == 2)
        assert records[-1].value is None
