"""Whom not to write to, in SQL: the newest word holds, whatever the order in which words arrive."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from itertools import permutations
from typing import Literal

import pytest
from sqlalchemy import MetaData

from services.chassis.sql import Database, open_database
from services.chassis.suppressions import Suppressions, Word
from tests.support.answers import NOON

Reason = Literal["opt_out", "bounced"]

ADA = "a" * 32
BOB = "b" * 32
HOUR = timedelta(hours=1)

TABLES = MetaData()
SUPPRESSIONS = Suppressions[Reason](TABLES)


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    async with open_database(url) as database:
        async with database.begin() as transaction:
            await transaction.run_sync(TABLES.create_all)
        yield database


def said(
    hour: int, *, lifts: bool = False, reason: Reason = "opt_out", about: str = ADA, tenant: str = "default"
) -> Word[Reason]:
    return Word(tenant, about, reason, NOON + hour * HOUR, lifts)


async def hear(database: Database, portions: Sequence[Sequence[Word[Reason]]]) -> None:
    for portion in portions:
        async with database.begin() as transaction:
            await SUPPRESSIONS.note(transaction, portion)


async def holding(database: Database, tenant: str = "default") -> dict[str, set[Reason]]:
    async with database.read() as transaction:
        return await SUPPRESSIONS.in_force(transaction, tenant, [ADA, BOB])


@pytest.mark.parametrize(
    ("words", "reasons"),
    [
        ([said(1)], {"opt_out"}),
        ([said(1), said(2, lifts=True)], set()),
        ([said(1, lifts=True), said(2)], {"opt_out"}),
        ([said(1), said(2, lifts=True), said(3)], {"opt_out"}),
        ([said(1, lifts=True)], set()),
        ([said(1), said(2), said(3, lifts=True)], set()),
        ([said(1, reason="bounced"), said(2)], {"bounced", "opt_out"}),
        ([said(1, reason="bounced"), said(2, lifts=True)], {"bounced"}),
        ([said(1), said(1, reason="bounced"), said(2, lifts=True)], {"bounced"}),
        ([said(1, reason="bounced"), said(2), said(3, lifts=True)], {"bounced"}),
    ],
)
async def test_the_newest_word_holds_in_whatever_order_and_portions_it_comes(
    database: Database, words: list[Word[Reason]], reasons: set[Reason]
) -> None:
    portions: Sequence[Sequence[Word[Reason]]]
    for number, order in enumerate(permutations(words)):
        for portions in ([order], [[word] for word in order]):
            # a tenant of its own for each order, so that one database serves them all
            tenant = f"t{number}-{len(portions)}"
            own = [[word._replace(tenant=tenant) for word in portion] for portion in portions]
            await hear(database, [*own, *own])
            assert (await holding(database, tenant)).get(ADA, set()) == reasons


async def test_a_word_holds_of_whom_it_is_about_alone(database: Database) -> None:
    await hear(database, [[said(1, about=BOB), said(1, about=ADA, reason="bounced")], [said(2, about=ADA, lifts=True)]])
    assert await holding(database) == {ADA: {"bounced"}, BOB: {"opt_out"}}


async def test_a_word_holds_in_its_own_tenant(database: Database) -> None:
    await hear(database, [[said(1), said(2, tenant="other", lifts=True)]])
    assert await holding(database) == {ADA: {"opt_out"}}
    assert await holding(database, "other") == {}
