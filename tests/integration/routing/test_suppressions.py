"""Whom not to write to, in routing's SQL: the newest word holds, whatever the order in which words arrive."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from itertools import permutations
from pathlib import Path

import pytest

from schemas.decision import Reason
from services.chassis.migrating import migrate
from services.chassis.sql import open_database, sqlite_url
from services.routing import sql_suppressions
from services.routing.sql_suppressions import Word
from tests.support.answers import NOON
from tests.support.clocks import ManualClock

ADA = "a" * 32
HOUR = timedelta(hours=1)


def said(hour: int, *, lifts: bool = False, reason: Reason = "opt_out", subject: str = ADA) -> Word:
    return Word("default", subject, reason, NOON + hour * HOUR, lifts)


@pytest.mark.parametrize(
    ("words", "reasons"),
    [
        ([said(1), said(2, lifts=True)], set()),
        ([said(1), said(2, lifts=True), said(3)], {"opt_out"}),
        ([said(1, lifts=True), said(2)], {"opt_out"}),
        ([said(1, reason="bounced"), said(2), said(3, lifts=True)], {"bounced"}),
        ([said(1, reason="bounced"), said(2)], {"bounced", "opt_out"}),
        ([said(1, subject="b" * 32)], set()),
    ],
)
async def test_the_newest_word_holds_in_whatever_order_and_portions_it_comes(
    tmp_path: Path, clock: ManualClock, words: list[Word], reasons: set[Reason]
) -> None:
    for number, order in enumerate(permutations(words)):
        portions: Sequence[Sequence[Word]]
        for portions in ([order], [[word] for word in order]):
            async with open_database(sqlite_url(tmp_path, f"{number}-{len(portions)}")) as database:
                await migrate(database, clock, "services.routing")
                for portion in portions:
                    async with database.begin() as transaction:
                        await sql_suppressions.note(transaction, portion)
                async with database.read() as transaction:
                    found = await sql_suppressions.in_force(transaction, "default", [ADA])
            assert found.get(ADA, set()) == reasons
