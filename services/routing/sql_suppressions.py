"""Whom not to write to, by subjects, one row for each reason.

A bounce stays. An opt-out may be taken back, and takes no bounce along; the newest word holds, whatever the order in
which words arrive.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import Row, select

from schemas.decision import Reason
from services.chassis.sql import Transaction
from services.chassis.sql_dialect import lock, upsert
from services.routing.tables import SUPPRESSIONS

IN_ORDER: Final[tuple[Reason, ...]] = ("opt_out", "bounced")
"""Which reason is told where several hold: what a person wants comes first."""


class Word(NamedTuple):
    """What was said about one subject, and when: an objection, or with `lifts` the end of one."""

    tenant: str
    subject: str
    reason: Reason
    at: datetime
    lifts: bool = False


async def note(transaction: Transaction, words: Iterable[Word]) -> None:
    """Remembers words; of those of one kind the newest."""
    newest: dict[tuple[str, str, str], dict[str, datetime | None]] = {}
    for word in sorted(words, key=lambda one: one.at):
        told = newest.setdefault((word.tenant, word.subject, word.reason), {"since": None, "lifted_at": None})
        told["lifted_at" if word.lifts else "since"] = word.at
    await lock(transaction, (f"suppressions/{tenant}/{subject}" for tenant, subject, _ in newest))
    for tenant in {key[0] for key in newest}:
        for row in await _rows(transaction, tenant, {key[1] for key in newest if key[0] == tenant}):
            told = newest.get((row.tenant, row.subject, row.reason), {})
            for name, at in told.items():
                told[name] = max((moment for moment in (at, getattr(row, name)) if moment), default=None)
    await upsert(
        transaction,
        SUPPRESSIONS,
        [
            {"tenant": tenant, "subject": subject, "reason": reason, **told}
            for (tenant, subject, reason), told in newest.items()
        ],
    )


async def in_force(transaction: Transaction, tenant: str, subjects: Collection[str]) -> dict[str, set[Reason]]:
    """The reasons that hold for each of these subjects."""
    found: dict[str, set[Reason]] = {}
    for row in await _rows(transaction, tenant, subjects):
        if row.since and (row.lifted_at is None or row.lifted_at < row.since):
            found.setdefault(row.subject, set()).add(row.reason)
    return found


async def _rows(transaction: Transaction, tenant: str, subjects: Collection[str]) -> Sequence[Row[Any]]:
    mine = select(SUPPRESSIONS).where(SUPPRESSIONS.c.tenant == tenant, SUPPRESSIONS.c.subject.in_(subjects))
    return (await transaction.execute(mine)).all()
