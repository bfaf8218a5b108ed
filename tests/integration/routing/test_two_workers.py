"""Two workers at once, on both databases: locks on persons and answers leave exactly one effect."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager

import pytest

from schemas.personal_data import PersonalData
from schemas.response import Response
from schemas.topic import join_key, partition_of
from schemas.topics import DECISIONS, RESPONSES
from services.chassis.failures import Transient
from services.chassis.keyring import Keyring, open_keyring
from services.chassis.metrics import CHASSIS_METRICS, ChassisMetric, Metrics
from services.chassis.sql_service import open_own_database, open_sql_service
from services.routing import sql_standings
from services.routing.app import GROUP, OUTLINE
from services.routing.domain import Standing
from services.routing.handlers import Routing
from services.routing.metrics import ROUTING_METRICS, RoutingMetric
from services.routing.rulebooks import Rulebooks
from services.routing.settings import RoutingSection
from tests.support.answers import answered
from tests.support.hosting import hosted
from tests.support.routing import World
from tests.support.sealing import all_sealed
from tests.support.topics import DEADLINE_S, reading

Counts = Metrics[ChassisMetric | RoutingMetric]

PERSONS = 1_000
WAITING = 300


def in_partition(partition: int, name: str) -> str:
    """A response id that lies there."""
    names = (f"{name}-{n}" for n in range(1_000))
    return next(one for one in names if partition_of(join_key(("default", one)), 2) == partition)


@asynccontextmanager
async def answering(world: World, instance: str) -> AsyncIterator[Counts]:
    """A worker that reads answers alone: of two of them each has a partition."""
    settings, clock = world.settings.model_copy(update={"instance": instance}), world.clock
    metrics: Counts = Metrics(CHASSIS_METRICS, ROUTING_METRICS)
    async with (
        open_sql_service(OUTLINE, settings, clock, metrics) as service,
        open_keyring(settings, clock) as keyring,
        asyncio.TaskGroup() as group,
    ):
        rulebooks = Rulebooks(world.business.sections("routing", RoutingSection))
        deciding = Routing(rulebooks, keyring, clock, metrics)
        stop = asyncio.Event()
        group.create_task(service.consumer(GROUP, {RESPONSES: deciding.on_answers}).run(stop))
        try:
            yield metrics
        finally:
            stop.set()


async def both_at_work(world: World, *workers: Counts) -> None:
    """Returns once each of them has decided about something."""
    tries = 0
    async with asyncio.timeout(DEADLINE_S):
        while not all(b"nps_decisions_total{" in worker.render() for worker in workers):
            tries += 1
            await world.publish(*(answered(10, response_id=in_partition(n, f"warm-{tries}")) for n in range(2)))
            await asyncio.sleep(0.1)


async def decided(world: World, number: int, wanted: set[str]) -> list[tuple[str, int, str, str | None]]:
    """Everything decided about these answers, once there are so many; and all else there is by then."""

    def mine(records: list[tuple[str, int, str, str | None]]) -> list[tuple[str, int, str, str | None]]:
        return [one for one in records if one[0] in wanted]

    async with reading(world.frame.kafka, DECISIONS.name) as reader:
        found: list[tuple[str, int, str, str | None]] = []
        async with asyncio.timeout(2 * DEADLINE_S):
            while len(mine(found)) < number:
                await reader.count(len(reader.records) + 1, deadline_s=2 * DEADLINE_S)
                new = [DECISIONS.decode(raw.headers, raw.value) for raw in reader.records[len(found) :]]
                found += [(one.response_id, one.number, one.outcome, one.reason or one.action) for one in new]
        return mine(found)


async def test_one_person_has_exactly_one_contact_in_a_thousand_tries(either_world: World) -> None:
    """Two answers of each person, in two partitions, decided by two workers at once under a cap of one."""
    world = either_world
    given = [
        (
            answered(3, response_id=in_partition(partition, f"p{person}")),
            PersonalData(email=f"p{person}@example.org", comment="why"),
        )
        for person in range(PERSONS)
        for partition in range(2)
    ]
    answers: list[Response] = await all_sealed(world.keyring, given)
    async with answering(world, "one") as one, answering(world, "two") as two:
        await both_at_work(world, one, two)
        await world.publish(*answers)
        decisions = await decided(world, 2 * PERSONS, {one.response_id for one in answers})
    assert Counter(what for *_, what in decisions) == {"outreach": PERSONS, "cap": PERSONS}
    persons = Counter(response_id.rpartition("-")[0] for response_id, *_, what in decisions if what == "outreach")
    assert len(persons) == PERSONS
    ours = {one.response_id for one in answers}
    assert len([one for one in await world.requests() if one.response_id in ours]) == PERSONS


async def test_what_fell_due_while_nobody_ran_fires_once_though_two_workers_find_it(either_world: World) -> None:
    world = either_world
    waiting = [answered(3, response_id=f"w{n}") for n in range(WAITING)]
    ids = {one.response_id for one in waiting}
    await world.publish(*waiting)
    async with hosted(world.routing()):
        await decided(world, WAITING, ids)
    world.clock.advance(days=1)
    async with hosted(world.routing(instance="one")), hosted(world.routing(instance="two")):
        fired = await decided(world, 2 * WAITING, ids)
    # whatever either has published stands by now: both have stopped
    assert sorted(fired) == sorted(await decided(world, 2 * WAITING, ids))
    assert Counter((number, outcome, what) for _, number, outcome, what in fired) == {
        (1, "held", "settling"): WAITING,
        (2, "action", "outreach"): WAITING,
    }
    assert len([one for one in await world.requests() if one.response_id in ids]) == WAITING


class RestlessKeyring(Keyring):
    """In which somebody is linked to one more subject whenever one looks."""

    async def subjects_of(self, tenant: str, subjects: Collection[str]) -> dict[str, frozenset[str]]:
        del tenant
        self.looks = getattr(self, "looks", 0) + 1
        return {one: frozenset({one, f"{self.looks:032x}"}) for one in subjects}


async def test_a_batch_is_given_back_where_links_change_faster_than_they_can_be_locked(patient_world: World) -> None:
    world = patient_world
    restless = RestlessKeyring(world.keyring._database, bytes(32), world.clock)
    rulebooks = Rulebooks(world.business.sections("routing", RoutingSection))
    deciding = Routing(rulebooks, restless, world.clock, Metrics(CHASSIS_METRICS, ROUTING_METRICS))
    waits = Standing("default", "r", 1, number=1, answer=answered(3, response_id="r", subject="a" * 32))
    async with open_own_database(OUTLINE, world.settings, world.clock) as (database, _):
        async with database.begin() as transaction:
            await sql_standings.save(transaction, [waits])
        with pytest.raises(Transient, match="links"):
            async with database.begin() as transaction:
                await deciding.on_due(transaction, [("default", "r")])
