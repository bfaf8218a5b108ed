"""The few places where SQLite and PostgreSQL differ: upsert, locks, and the last number of a sequence.

All are for `Transaction.run_sync` and for work that is done in one go.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import chain
from typing import Any, Final, Literal

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Dialect,
    Insert,
    Select,
    String,
    Table,
    TypeDecorator,
    any_,
    bindparam,
    func,
    literal,
    select,
    text,
)
from sqlalchemy.dialects import postgresql, sqlite

Row = Mapping[str, Any]  # column values of any type
Collision = Literal["error", "ignore", "replace"]
MOST_ROWS: Final = 512
"""Of one statement. SQLite takes 32,766 values."""

_HowStored = list[tuple[str, Callable[[Any], Any] | None]]


def insert_all(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Inserts many rows, which all name the same columns."""
    _write(connection, table, rows, "error")


def insert_or_ignore(connection: Connection, table: Table, rows: Sequence[Row]) -> int:
    """Inserts the rows that do not collide with any there; returns how many were new."""
    return _write(connection, table, rows, "ignore")


def upsert(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Inserts rows, or replaces all columns of those whose primary key is there; of rows with one key the last."""
    key = [column.name for column in table.primary_key]
    last = {tuple([row[name] for name in key]): row for row in rows}
    _write(connection, table, list(last.values()), "replace")


def _write(connection: Connection, table: Table, rows: Sequence[Row], collision: Collision) -> int:
    """As few statements as can be, and few that differ: to compile one for each number of rows takes ten times as long.

    On SQLite the driver is called with the values as they are stored: SQLAlchemy would take longer over each row than
    SQLite. A thread that is told of rows one by one gives up the interpreter at each of them, and while others work it
    waits for them forty times as long as it takes itself (measured), so a statement has 512 rows, or half as many, and
    so on. PostgreSQL is given a list for each column: it takes longer to be told of a row than to write it.
    """
    if not rows:
        return 0
    names = tuple(rows[0])
    if connection.dialect.name == "sqlite":
        stored, written = _as_stored(rows, _how_stored(table, names)), 0
        for begin, number in _blocks(len(rows)):
            values = tuple(chain.from_iterable(stored[begin : begin + number]))
            written += connection.exec_driver_sql(_on_sqlite(table, names, collision, number), values).rowcount
        return written
    columns = {name: [row[name] for row in rows] for name in names}
    return connection.execute(_on_postgresql(table, names, collision), columns).rowcount


def _as_stored(rows: Sequence[Row], stored: _HowStored) -> list[tuple[Any, ...]]:  # values of any type
    columns = [
        [row[name] for row in rows] if process is None else [process(row[name]) for row in rows]
        for name, process in stored
    ]
    return list(zip(*columns, strict=True))


def _blocks(number: int) -> Iterator[tuple[int, int]]:
    """Where each block of rows begins and how many it has: of few sizes, and the large ones first."""
    begin, size = 0, MOST_ROWS
    while begin < number:
        while size > number - begin:
            size //= 2
        yield begin, size
        begin += size


@cache
def _how_stored(table: Table, names: tuple[str, ...]) -> _HowStored:
    """How each of a row's values becomes what SQLite stores, in the order in which an insert names them."""
    dialect = sqlite.dialect()
    compiled = sqlite.insert(table).compile(dialect=dialect, column_keys=list(names))
    assert compiled.positiontup is not None  # SQLite's parameters have no names
    return [(name, table.c[name].type.dialect_impl(dialect).bind_processor(dialect)) for name in compiled.positiontup]


@cache
def _on_sqlite(table: Table, names: tuple[str, ...], collision: Collision, number: int) -> str:
    """The statement for so many rows, whose values come row by row.

    Where a row fails, those before it stay until the transaction ends, as if each were a statement of its own: to be
    able to take them back alone, SQLite would write the pages they change into a file first.
    """
    insert = sqlite.insert(table).prefix_with("OR FAIL").values([dict.fromkeys(names)] * number)
    return str(_colliding(insert, names, collision).compile(dialect=sqlite.dialect()))


@cache
def _on_postgresql(table: Table, names: tuple[str, ...], collision: Collision) -> Insert:
    lists = [bindparam(name, type_=postgresql.ARRAY(table.c[name].type)) for name in names]
    rows = func.unnest(*lists).table_valued(*names).render_derived()
    insert = postgresql.insert(table).from_select(names, select(*[rows.c[name] for name in names]))
    made: Insert = _colliding(insert, names, collision)
    return made


def _colliding(insert: Any, names: Iterable[str], collision: Collision) -> Any:  # an insert of either dialect
    key = [column.name for column in insert.table.primary_key]
    replaced = {name: insert.excluded[name] for name in names if name not in key}
    if collision == "error":
        return insert
    if collision == "ignore" or not replaced:
        return insert.on_conflict_do_nothing()
    return insert.on_conflict_do_update(index_elements=key, set_=replaced)


class _AsJson(TypeDecorator[list[Any]]):
    """Texts or numbers as a JSON array: what one parameter can hold of them on SQLite."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: list[Any] | None, dialect: Dialect) -> str:
        """Into the statement."""
        del dialect
        return json.dumps(value)


def among(dialect: str, column: ColumnElement[Any], name: str) -> ColumnElement[bool]:
    """Whether a column of texts or numbers is one of many: a list of any length, which is one parameter of that name.

    Also for speed: where a list is written out, each length of it makes a statement of its own.
    """
    if dialect == "sqlite":
        listed = func.json_each(bindparam(name, type_=_AsJson)).table_valued("value")
        return column.in_(select(listed.c.value))
    return column == any_(bindparam(name, type_=postgresql.ARRAY(column.type)))


def lock(connection: Connection, names: Iterable[str]) -> None:
    """Holds locks of these names until the transaction ends; taken sorted, so that two workers never wait in a ring.

    On SQLite every transaction holds the one write lock already.
    """
    if connection.dialect.name == "sqlite":
        return
    numbers = sorted({int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], signed=True) for name in names})
    ordered = func.unnest(literal(numbers, postgresql.ARRAY(BigInteger))).table_valued("number").render_derived()
    connection.execute(select(func.pg_advisory_xact_lock(ordered.c.number)))


def skip_locked(statement: Select[Any]) -> Select[Any]:  # rows of any shape pass through
    """Passes over rows another worker holds. SQLite leaves the clause out: there is one writer at a time."""
    return statement.with_for_update(skip_locked=True)


def next_numbers(connection: Connection, table: Table, count: int) -> Sequence[int]:
    """Takes numbers of a table's autoincrementing key for rows that are then inserted, ascending.

    On SQLite nobody else can insert until the transaction ends, and the rows themselves move the sequence on. There an
    insert that returns its numbers in the order of its rows goes row by row.
    """
    if connection.dialect.name == "sqlite":
        last = last_number(connection, table)
        return range(last + 1, last + 1 + count)
    column = next(iter(table.primary_key)).name
    taken = text(f"SELECT nextval('{table.name}_{column}_seq') FROM generate_series(1, :count)")  # noqa: S608 ours
    return sorted(connection.execute(taken, {"count": count}).scalars())


def last_number(connection: Connection, table: Table) -> int:
    """The last number a table's autoincrementing key has given, also to rows since deleted; 0 if none."""
    column = next(iter(table.primary_key)).name
    if connection.dialect.name == "sqlite":
        found = connection.execute(text("SELECT seq FROM sqlite_sequence WHERE name = :name"), {"name": table.name})
    else:
        found = connection.execute(
            text(f"SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM {table.name}_{column}_seq")  # noqa: S608 ours
        )
    return int(found.scalar() or 0)
