"""One database: SQLite as the embedded default, PostgreSQL where there are several replicas, one code path.

Every transaction takes its write lock at the start (BEGIN IMMEDIATE on SQLite), so that none fails half way for want
of it. What differs between the two stands in `sql_dialect.py`.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, closing, nullcontext, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TypeVar

from sqlalchemy import Connection, DateTime, Dialect, Engine, create_engine, event, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.types import TypeDecorator

from services.chassis import sqlite_driver
from services.chassis.failures import Transient

BUSY_TIMEOUT_MS: Final = 10_000
POOL_SIZE: Final = 5
# a bulk of rows in no order touches thousands of pages (4 KiB): with room for them, each is written once, and what
# several commits wrote goes into the database file together
CACHE_KIB: Final = 16 * 1024
CHECKPOINT_PAGES: Final = 4_000
# where a thread of its own does it meanwhile: of 16,000 pages at once a commit would take a third of a second
CHECKPOINT_PAGES_AT_LAST: Final = 64_000
CHECKPOINT_EVERY_S: Final = 2.0
# a plan that was made while a table was empty reads all of it for ever; to compile one takes longer than ours run
ON_POSTGRESQL: Final = {"plan_cache_mode": "force_custom_plan", "jit": "off"}
READ_ONLY: Final = "nps_read_only"
NOT_NOW: Final = ("08", "40", "53", "55P03", "57P")
"""SQLSTATE: no connection, rolled back to let another go on, out of something, locked, shutting down or starting."""

V = TypeVar("V")

Transaction = AsyncConnection
"""A connection inside a transaction: what handlers are given."""


class Utc(TypeDecorator[datetime]):
    """A moment in UTC on both databases; SQLite has no offsets of its own."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Into the database: UTC, without offset on SQLite."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment needs its offset")
        moment = value.astimezone(UTC)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Out of the database: always UTC with its offset."""
        del dialect
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Database:
    """One database and its connections."""

    def __init__(self, engine: AsyncEngine, thread: _Thread | None = None) -> None:
        self.engine: Final = engine
        self._thread: Final = thread
        # In one process writers queue here rather than poll SQLite's lock, which is neither fair nor quick.
        self._writer: Final = asyncio.Lock() if engine.dialect.name == "sqlite" else None
        # Of a file nothing but SQLite's own errors is about the database; of a server everything the network says is.
        self._translated: Final = _Translated(ConnectionError if engine.dialect.name == "sqlite" else OSError)

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Transaction]:
        """A transaction: committed at the end, rolled back on any exception.

        Raises:
            Transient: if the database cannot be reached or stays locked.
        """
        async with self._writer or nullcontext():
            with self._translated:
                async with self.engine.begin() as connection:
                    yield connection

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Transaction]:
        """A transaction that only reads: it waits for no writer, and no writer waits for it.

        Raises:
            Transient: if the database cannot be reached.
        """
        with self._translated:
            async with self.engine.connect() as connection:
                await connection.execution_options(**{READ_ONLY: True})
                async with connection.begin():
                    yield connection

    async def in_one_go(self, work: Callable[[Connection], V]) -> V:
        """What `begin` does, for work that awaits nothing else: on SQLite a thread does all of it in one go.

        Raises:
            Transient: if the database cannot be reached or stays locked.
        """
        if self._thread is None:
            async with self.begin() as transaction:
                return await transaction.run_sync(work)
        async with self._writer or nullcontext():
            with self._translated:
                done = await self._thread.do(work)
        await asyncio.sleep(0)  # whoever waits for the thread begins, and what was done is gone on with meanwhile
        return done

    async def probe(self) -> None:
        """Whether the database answers and takes writes.

        Raises:
            Transient: if not.
        """
        async with self.begin() as transaction:
            await transaction.execute(text("SELECT 1"))


class _Thread:
    """A connection to SQLite in a thread of its own: elsewhere each statement is four calls of one.

    Work that was begun is done to its end, whether or not somebody still waits for it. What it wrote goes from the log
    into the file on another thread, so that no commit waits for that. Each has an engine of its own, and so a
    connection: SQLite forgets the pages it knows once another connection has written.
    """

    def __init__(self, engine: Engine, checkpoints: Engine) -> None:
        self._engine = engine
        self._engine_of_checkpoints = checkpoints
        self._executor = ThreadPoolExecutor(1, "sqlite")
        self._checkpoints = ThreadPoolExecutor(1, "sqlite-checkpoint")
        self._checkpointed_at = time.monotonic()

    async def do(self, work: Callable[[Connection], V]) -> V:
        """One transaction."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, self._do, work)

    def close(self) -> None:
        """Once what was begun is done."""
        self._executor.shutdown()
        self._checkpoints.shutdown()
        self._engine.dispose()
        self._engine_of_checkpoints.dispose()

    def _do(self, work: Callable[[Connection], V]) -> V:
        with self._engine.begin() as connection:
            done = work(connection)
        if time.monotonic() - self._checkpointed_at > CHECKPOINT_EVERY_S:
            self._checkpointed_at = float("inf")
            self._checkpoints.submit(self._checkpoint)
        return done

    def _checkpoint(self) -> None:
        # where it fails a commit does it in the end, and says why it cannot
        with suppress(sqlite3.Error), closing(self._engine_of_checkpoints.raw_connection()) as connection:
            connection.cursor().execute("PRAGMA wal_checkpoint(PASSIVE)")
        self._checkpointed_at = time.monotonic()


class _Translated:
    """Turns the driver's ways of saying "not now" into Transient, and what the network says of a server."""

    def __init__(self, network: type[OSError]) -> None:
        self._not_now: Final = (OperationalError, InterfaceError, PoolTimeout, TimeoutError, network)

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, self._not_now):
            raise Transient(f"database: {type(getattr(error, 'orig', error)).__name__}") from error
        # asyncpg's errors of connecting come as they are, all others in a DBAPIError
        state = getattr(getattr(error, "orig", error), "sqlstate", None) or ""
        lost = isinstance(error, DBAPIError) and error.connection_invalidated
        if error is not None and (lost or state.startswith(NOT_NOW)):
            raise Transient(f"database: {state or 'the connection was lost'}") from error


def sqlite_url(folder: Path, name: str) -> str:
    """The URL of a SQLite file in the state folder, which is made if need be."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return f"sqlite+aiosqlite:///{(folder / f'{name}.sqlite3').absolute()}"


@asynccontextmanager
async def open_database(url: str, *, durable: bool = False) -> AsyncIterator[Database]:
    """A database for the life of a process. `durable` syncs each commit and overwrites what is deleted (SQLite).

    Errors never quote the values of a statement: they end in logs.
    """
    thread = None
    if url.startswith("sqlite"):
        engine = create_async_engine(
            url,
            pool_size=POOL_SIZE,
            pool_use_lifo=True,
            hide_parameters=True,
            connect_args={"async_creator_fn": sqlite_driver.connect},
        )
        _prepare_sqlite(engine.sync_engine, CHECKPOINT_PAGES, durable=durable)
        beside = [_engine_of_thread(url, durable=durable) for _ in ("transactions", "checkpoints")]
        thread = _Thread(*beside)
    else:
        engine = create_async_engine(
            url,
            pool_size=POOL_SIZE,
            max_overflow=POOL_SIZE,
            pool_pre_ping=True,
            pool_use_lifo=True,
            hide_parameters=True,
            connect_args={"server_settings": ON_POSTGRESQL},
        )
    try:
        yield Database(engine, thread)
    finally:
        if thread:
            thread.close()
        await engine.dispose()


def _engine_of_thread(url: str, *, durable: bool) -> Engine:
    engine = create_engine(url.replace("+aiosqlite", ""), pool_size=1, hide_parameters=True)
    _prepare_sqlite(engine, CHECKPOINT_PAGES_AT_LAST, durable=durable)
    return engine


def _prepare_sqlite(engine: Engine, checkpoint_pages: int, *, durable: bool) -> None:
    pragmas = [
        f"busy_timeout={BUSY_TIMEOUT_MS}",
        "journal_mode=WAL",
        "foreign_keys=ON",
        f"synchronous={'FULL' if durable else 'NORMAL'}",
        f"secure_delete={'ON' if durable else 'FAST'}",
        f"cache_size=-{CACHE_KIB}",
        f"wal_autocheckpoint={checkpoint_pages}",
    ]

    def connected(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
        connection.isolation_level = None  # sqlite3 begins nothing by itself: BEGIN is ours
        cursor = connection.cursor()
        for pragma in pragmas:
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    event.listen(engine, "connect", connected)

    def began(connection: Connection) -> None:
        only_reads = connection.get_execution_options().get(READ_ONLY)
        connection.exec_driver_sql("BEGIN" if only_reads else "BEGIN IMMEDIATE")

    event.listen(engine, "begin", began)
