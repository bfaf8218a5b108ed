"""Whom not to write to: what was said against it, by whatever it is about, one row for each reason.

What was said may be taken back, of one reason without the others; the newest word holds, whatever the order in which
words arrive.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from functools import cache
from typing import Any, Generic, NamedTuple, TypeVar

from sqlalchemy import Column, MetaData, Row, Select, String, Table, bindparam, select

from services.chassis.sql import Transaction, Utc
from services.chassis.sql_dialect import among, lock, upsert

R = TypeVar("R", bound=str)


class Word(NamedTuple, Generic[R]):
    """What was said about the owner of one hash, and when: an objection, or with `lifts` the end of one."""

    tenant: str
    about: str
    reason: R
    at: datetime
    lifts: bool = False


class Suppressions(Generic[R]):
    """The suppressions of one service: `about` is the hash of a subject or an address.

    One is in force while `since` is set and later than `lifted_at`.
    """

    def __init__(self, metadata: MetaData) -> None:
        self._table = Table(
            "suppressions",
            metadata,
            Column("tenant", String(63), primary_key=True),
            Column("about", String(32), primary_key=True),
            Column("reason", String(20), primary_key=True),
            Column("since", Utc),
            Column("lifted_at", Utc),
        )

    async def note(self, transaction: Transaction, words: Iterable[Word[R]]) -> None:
        """Remembers words; of those of one kind the newest."""
        newest: dict[tuple[str, str, R], dict[str, datetime | None]] = {}
        for word in sorted(words, key=lambda one: one.at):
            told = newest.setdefault((word.tenant, word.about, word.reason), {"since": None, "lifted_at": None})
            told["lifted_at" if word.lifts else "since"] = word.at
        await transaction.run_sync(lock, (f"suppressions/{tenant}/{about}" for tenant, about, _ in newest))
        for tenant in {key[0] for key in newest}:
            for row in await self._rows(transaction, tenant, {key[1] for key in newest if key[0] == tenant}):
                told = newest.get((row.tenant, row.about, row.reason), {})
                for name, at in told.items():
                    told[name] = max((moment for moment in (at, getattr(row, name)) if moment), default=None)
        rows = [
            {"tenant": tenant, "about": about, "reason": reason, **told}
            for (tenant, about, reason), told in newest.items()
        ]
        await transaction.run_sync(upsert, self._table, rows)

    async def in_force(self, transaction: Transaction, tenant: str, about: Collection[str]) -> dict[str, set[R]]:
        """The reasons that hold for each of these hashes."""
        found: dict[str, set[R]] = {}
        for row in await self._rows(transaction, tenant, about):
            if row.since and (row.lifted_at is None or row.lifted_at < row.since):
                found.setdefault(row.about, set()).add(row.reason)
        return found

    async def _rows(self, transaction: Transaction, tenant: str, about: Collection[str]) -> Sequence[Row[Any]]:
        statement = _about(transaction.dialect.name, self._table)
        rows: Sequence[Row[Any]]
        rows = (await transaction.execute(statement, {"tenant": tenant, "about": list(about)})).all()
        return rows


@cache
def _about(dialect: str, table: Table) -> Select[Any]:  # its rows
    return select(table).where(table.c.tenant == bindparam("tenant"), among(dialect, table.c.about, "about"))
