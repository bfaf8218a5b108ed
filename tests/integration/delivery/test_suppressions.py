"""Whom not to write to, in SQL: the newest word holds, whatever the order in which words arrive."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from itertools import permutations
from pathlib import Path

import pytest

from schemas.decision import Reason
from services.chassis.migrating import migrate
from services.chassis.sql import Database, open_database, sqlite_url
from services.delivery import sql_suppressions
from services.delivery.sql_suppressions import Word
from tests.support.answers import NOON
from tests.support.clocks import ManualClock

ADA = "a" * 32
HOUR = timedelta(hours=1)


@pytest.fixture
async def database(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Database]:
    async with open_database(sqlite_url(tmp_path, "delivery")) as database:
        await migrate(database, clock, "services.delivery")
        yield database


def said(hour: int, *, lifts: bool = False, reason: Reason = "opt_out", about: str = ADA) -> Word:
    return Word("default", about, reason, NOON + hour * HOUR, lifts)


async def holds(database: Database, words: Sequence[Sequence[Word]], tenant: str = "default") -> set[Reason]:
    """What holds of Ada after these words, heard in portions."""
    for portion in words:
        async with database.begin() as transaction:
            await sql_suppressions.note(transaction, portion)
    async with database.read() as transaction:
        return (await sql_suppressions.in_force(transaction, tenant, [ADA])).get(ADA, set())


@pytest.mark.parametrize(
    ("words", "reasons"),
    [
        ([said(1)], {"opt_out"}),
        ([said(1), said(2, lifts=True)], set()),
        ([said(1), said(2, lifts=True), said(3)], {"opt_out"}),
        ([said(1, lifts=True)], set()),
        ([said(1), said(2), said(3, lifts=True)], set()),
        ([said(1, reason="bounced"), said(2, lifts=True)], {"bounced"}),
        ([said(1), said(1, reason="bounced"), said(2, lifts=True)], {"bounced"}),
        ([said(1, about="b" * 32)], set()),
    ],
)
async def test_the_newest_word_holds_in_whatever_order_and_portions_it_comes(
    tmp_path: Path, clock: ManualClock, words: list[Word], reasons: set[Reason]
) -> None:
    for number, order in enumerate(permutations(words)):
        for portions in ([order], [[word] for word in order]):
            async with open_database(sqlite_url(tmp_path, f"{number}-{len(portions)}")) as database:
                await migrate(database, clock, "services.delivery")
                assert await holds(database, [*portions, *portions]) == reasons


async def test_a_word_holds_in_its_own_tenant(database: Database) -> None:
    assert await holds(database, [[said(1)]], tenant="other") == set()
