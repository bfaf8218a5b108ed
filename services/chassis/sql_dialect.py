"""The few places where SQLite and PostgreSQL differ: upsert, locks, and the last number of a sequence."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import BigInteger, ColumnElement, Select, String, Table, any_, func, literal, select, text
from sqlalchemy.dialects import postgresql, sqlite

from services.chassis.sql import Transaction

Row = Mapping[str, Any]  # column values of any type

# both databases bound the number of parameters of a statement; 32,766 on SQLite is the lower bound
PARAMETERS: Final = 30_000


def _chunks(rows: Sequence[Row]) -> Iterable[Sequence[Row]]:
    size = max(1, PARAMETERS // len(rows[0]))
    return (rows[start : start + size] for start in range(0, len(rows), size))


def _insert(transaction: Transaction, table: Table) -> Any:  # the two dialects' inserts share no typed ancestor
    return sqlite.insert(table) if transaction.dialect.name == "sqlite" else postgresql.insert(table)


async def insert_or_ignore(transaction: Transaction, table: Table, rows: Sequence[Row]) -> int:
    """Inserts the rows that do not collide with any there; returns how many were new."""
    if not rows:
        return 0
    added = 0
    for chunk in _chunks(rows):
        result = await transaction.execute(_insert(transaction, table).values(chunk).on_conflict_do_nothing())
        added += result.rowcount
    return added


async def insert_all(transaction: Transaction, table: Table, rows: Sequence[Row]) -> None:
    """The same for many, one after the other in one call of the driver: a statement for all takes ten times as long."""
    if rows:
        await transaction.execute(_insert(transaction, table).on_conflict_do_nothing(), rows)


def among(transaction: Transaction, column: ColumnElement[str], values: Iterable[str]) -> ColumnElement[bool]:
    """Whether a column is one of many values, which are one parameter however many they are."""
    if transaction.dialect.name == "sqlite":
        listed = func.json_each(literal(json.dumps(list(values)))).table_valued("value")
        return column.in_(select(listed.c.value))
    return column == any_(literal(list(values), postgresql.ARRAY(String)))


async def upsert(transaction: Transaction, table: Table, rows: Sequence[Row]) -> None:
    """Inserts rows, or replaces all columns of those whose primary key is there."""
    if not rows:
        return
    key = [column.name for column in table.primary_key]
    for chunk in _chunks(rows):
        insert = _insert(transaction, table).values(chunk)
        replaced = {name: insert.excluded[name] for name in chunk[0] if name not in key}
        await transaction.execute(insert.on_conflict_do_update(index_elements=key, set_=replaced))


async def lock(transaction: Transaction, names: Iterable[str]) -> None:
    """Holds locks of these names until the transaction ends; taken sorted, so that two workers never wait in a ring.

    On SQLite every transaction holds the one write lock already.
    """
    if transaction.dialect.name == "sqlite":
        return
    numbers = sorted({int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], signed=True) for name in names})
    ordered = func.unnest(literal(numbers, postgresql.ARRAY(BigInteger))).table_valued("number").render_derived()
    await transaction.execute(select(func.pg_advisory_xact_lock(ordered.c.number)))


def skip_locked(statement: Select[Any]) -> Select[Any]:  # rows of any shape pass through
    """Passes over rows another worker holds. SQLite leaves the clause out: there is one writer at a time."""
    return statement.with_for_update(skip_locked=True)


async def last_number(transaction: Transaction, table: Table) -> int:
    """The last number a table's autoincrementing key has given, also to rows since deleted; 0 if none."""
    column = next(iter(table.primary_key)).name
    if transaction.dialect.name == "sqlite":
        found = await transaction.execute(
            text("SELECT seq FROM sqlite_sequence WHERE name = :name"), {"name": table.name}
        )
    else:
        found = await transaction.execute(
            text(f"SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM {table.name}_{column}_seq")  # noqa: S608 ours
        )
    return int(found.scalar() or 0)
