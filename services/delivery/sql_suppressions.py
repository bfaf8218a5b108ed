"""Whom not to write to, by hashes of addresses and subjects.

A bounce is about an address and stays. An opt-out is about a person and may be taken back; the newest word holds,
whatever the order in which words arrive.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Row, select

from schemas.decision import Reason
from services.chassis.sql import Transaction
from services.chassis.sql_dialect import lock, upsert
from services.delivery.tables import SUPPRESSIONS


class Word(NamedTuple):
    """What was said about the owner of one hash, and when: an objection, or with `lifts` the end of one."""

    tenant: str
    about: str
    reason: Reason
    at: datetime
    lifts: bool = False


async def note(transaction: Transaction, words: Iterable[Word]) -> None:
    """Remembers words; of those of one kind the newest."""
    newest: dict[tuple[str, str, str], dict[str, datetime | None]] = {}
    for word in sorted(words, key=lambda one: one.at):
        told = newest.setdefault((word.tenant, word.about, word.reason), {"since": None, "lifted_at": None})
        told["lifted_at" if word.lifts else "since"] = word.at
    await lock(transaction, (f"suppressions/{tenant}/{about}" for tenant, about, _ in newest))
    for tenant in {key[0] for key in newest}:
        for row in await _rows(transaction, tenant, {key[1] for key in newest if key[0] == tenant}):
            told = newest.get((row.tenant, row.about, row.reason), {})
            for name, at in told.items():
                told[name] = max((moment for moment in (at, getattr(row, name)) if moment), default=None)
    await upsert(
        transaction,
        SUPPRESSIONS,
        [
            {"tenant": tenant, "about": about, "reason": reason, **told}
            for (tenant, about, reason), told in newest.items()
        ],
    )


async def in_force(transaction: Transaction, tenant: str, hashes: Collection[str]) -> dict[str, set[Reason]]:
    """The reasons that hold for each of these hashes."""
    found: dict[str, set[Reason]] = {}
    for row in await _rows(transaction, tenant, hashes):
        if row.since and (row.lifted_at is None or row.lifted_at < row.since):
            found.setdefault(row.about, set()).add(row.reason)
    return found


async def _rows(transaction: Transaction, tenant: str, hashes: Collection[str]) -> Sequence[Row[Any]]:
    mine = select(SUPPRESSIONS).where(SUPPRESSIONS.c.tenant == tenant, SUPPRESSIONS.c.about.in_(hashes))
    return (await transaction.execute(mine)).all()
