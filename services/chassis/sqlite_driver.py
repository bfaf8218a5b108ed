"""aiosqlite with one call of its thread for a statement.

Its own cursor makes four, and small work spends most of its time waiting for them.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any, Self

import aiosqlite

Parameters = Sequence[Any]  # values as SQLite stores them
_Done = tuple[Any, int, int | None, Sequence[Any]]
"""Description, number of rows changed, last row inserted, and the rows, as DB-API (PEP 249) has them."""


def connect(database: str, **options: Any) -> Connection:  # of sqlite3.connect
    """A connection that opens when awaited; SQLAlchemy's `async_creator_fn`."""
    connection = Connection(lambda: sqlite3.connect(database, **options), iter_chunk_size=1)
    # as SQLAlchemy has it with the driver's own: a connection that is left open keeps no process alive
    connection._thread.daemon = True  # noqa: SLF001 there is no other way
    return connection


class Connection(aiosqlite.Connection):
    """A connection whose cursors hold what a statement found."""

    def cursor(self) -> Cursor:  # type: ignore[override]  # SQLAlchemy enters it as a context
        """A cursor for one statement after the other."""
        return Cursor(self)

    async def run(self, statement: str, parameters: Parameters, *, many: bool = False) -> _Done:
        """One statement, and all it finds."""
        done: _Done = await self._execute(_run, self._conn, statement, parameters, many)  # type: ignore[no-untyped-call]
        return done

    async def rollback(self) -> None:
        """Back to the start of the transaction, if there is one."""
        if self._conn.in_transaction:
            await super().rollback()


class Cursor:
    """As much of aiosqlite's cursor as SQLAlchemy asks for."""

    arraysize = 1

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.description: Any = None  # as DB-API has it
        self.rowcount = -1
        self.lastrowid: int | None = None
        self._rows: Sequence[Any] = ()

    async def __aenter__(self) -> Self:
        return self

    async def execute(self, statement: str, parameters: Parameters = ()) -> Self:
        """Executes a statement and fetches what it finds."""
        return self._holding(await self._connection.run(statement, parameters))

    async def executemany(self, statement: str, parameters: Sequence[Parameters]) -> Self:
        """Executes a statement once for each set of parameters."""
        return self._holding(await self._connection.run(statement, parameters, many=True))

    async def fetchall(self) -> Sequence[Any]:
        """What the last statement found."""
        return self._rows

    async def close(self) -> None:
        """Lets go of it."""
        self._rows = ()

    def _holding(self, done: _Done) -> Self:
        self.description, self.rowcount, self.lastrowid, self._rows = done
        return self


def _run(connection: sqlite3.Connection, statement: str, parameters: Any, many: bool) -> _Done:  # noqa: FBT001 in order
    cursor = connection.cursor()
    try:
        (cursor.executemany if many else cursor.execute)(statement, parameters)
        return cursor.description, cursor.rowcount, cursor.lastrowid, cursor.fetchall()
    finally:
        cursor.close()
