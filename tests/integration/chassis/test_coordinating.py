"""What replicas agree on in SQL: leases, and positions by compare-and-set."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from sqlalchemy import select

from services.chassis.failures import Fenced
from services.chassis.leases import Lease
from services.chassis.positions import Positions
from services.chassis.sql import Database, open_database
from services.chassis.tables import POSITIONS
from tests.support.clocks import ManualClock

LENGTH = timedelta(seconds=15)
WORDS = ("words", 0)


@pytest.fixture
async def replica(url: str, database: Database) -> AsyncIterator[Database]:
    """The same database, as another process has it."""
    async with open_database(url) as opened:
        yield opened


def lease(database: Database, holder: str, name: str = "sweep") -> Lease:
    return Lease(database, name, holder, LENGTH)


async def test_a_lease_has_one_holder(database: Database, replica: Database, clock: ManualClock) -> None:
    one, other = lease(database, "one"), lease(replica, "other")
    assert await one.hold(clock.now())
    assert not await other.hold(clock.now())
    assert await lease(replica, "other", "another").hold(clock.now())


async def test_of_many_who_ask_at_once_one_is_given_it(
    database: Database, replica: Database, clock: ManualClock
) -> None:
    leases = [lease(one, f"{number}") for number, one in enumerate((database, replica) * 5)]
    assert sum(await asyncio.gather(*(one.hold(clock.now()) for one in leases))) == 1


async def test_who_comes_back_in_time_keeps_it(database: Database, replica: Database, clock: ManualClock) -> None:
    one, other = lease(database, "one"), lease(replica, "other")
    for _ in range(10):
        assert await one.hold(clock.advance(seconds=5))
        assert not await other.hold(clock.now())


async def test_who_does_not_come_back_loses_it(database: Database, replica: Database, clock: ManualClock) -> None:
    one, other = lease(database, "one"), lease(replica, "other")
    assert await one.hold(clock.now())
    assert not await other.hold(clock.advance(seconds=LENGTH.total_seconds()))
    assert await other.hold(clock.advance(seconds=0.001))
    assert not await one.hold(clock.now())


async def test_who_lets_go_makes_room_at_once(database: Database, replica: Database, clock: ManualClock) -> None:
    one, other = lease(database, "one"), lease(replica, "other")
    assert await one.hold(clock.now())
    await other.release()
    assert not await other.hold(clock.now())
    await one.release()
    assert await other.hold(clock.now())


async def _advance(database: Database, start: int, end: int, consumer: str = "reader") -> None:
    async with database.begin() as transaction:
        await Positions(database, consumer).advance(transaction, WORDS, start, end)


async def test_a_position_moves_from_where_it_stands(database: Database) -> None:
    positions = Positions(database, "reader")
    assert await positions.load([WORDS]) == {}
    await _advance(database, 0, 5)
    await _advance(database, 5, 9)
    assert await positions.load([WORDS, ("words", 1)]) == {WORDS: 9}
    assert await positions.load([("words", 1)]) == {}


async def test_consumers_stand_apart(database: Database) -> None:
    await _advance(database, 0, 5)
    await _advance(database, 0, 7, "another")
    assert await Positions(database, "another").load([WORDS]) == {WORDS: 7}


@pytest.mark.parametrize("start", [0, 4, 6])
async def test_who_finds_another_position_than_he_left_is_replaced(database: Database, start: int) -> None:
    await _advance(database, 0, 5)
    with pytest.raises(Fenced, match=r"words\[0\] has moved"):
        await _advance(database, start, 9)
    assert await Positions(database, "reader").load([WORDS]) == {WORDS: 5}


async def test_of_two_who_move_a_position_at_once_one_does(database: Database, replica: Database) -> None:
    await _advance(database, 0, 5)
    outcomes = await asyncio.gather(_advance(database, 5, 9), _advance(replica, 5, 8), return_exceptions=True)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Fenced", "NoneType"]


async def test_of_two_who_begin_at_once_one_does(database: Database, replica: Database) -> None:
    outcomes = await asyncio.gather(_advance(database, 0, 9), _advance(replica, 0, 8), return_exceptions=True)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Fenced", "NoneType"]


async def test_effects_of_who_was_replaced_are_rolled_back(database: Database) -> None:
    await _advance(database, 0, 5)

    async def late() -> None:
        async with database.begin() as transaction:
            positions = Positions(database, "another")
            await positions.advance(transaction, WORDS, 0, 1)
            await Positions(database, "reader").advance(transaction, WORDS, 0, 9)

    with pytest.raises(Fenced):
        await late()
    async with database.read() as transaction:
        assert (await transaction.execute(select(POSITIONS.c.consumer))).scalars().all() == ["reader"]
