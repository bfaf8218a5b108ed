"""One code path on two databases: transactions, time, locks, many rows, and what happens when one is away."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta, timezone
from functools import partial
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import Column, Connection, Integer, MetaData, String, Table, func, select, text, update
from sqlalchemy.exc import IntegrityError

from infra.local.kafka_broker import free_port
from services.chassis import sql
from services.chassis.failures import Transient
from services.chassis.sql import Database, Utc, open_database, sqlite_url
from services.chassis.sql_dialect import insert_all, insert_or_ignore, last_number, lock, upsert
from services.chassis.tables import Number
from tests.support.topics import DEADLINE_S

TABLES = MetaData()
COUNTERS = Table("counters", TABLES, Column("name", String(50), primary_key=True), Column("value", Integer))
MOMENTS = Table("moments", TABLES, Column("id", Integer, primary_key=True), Column("at", Utc))
ROWS = Table(
    "rows",
    TABLES,
    Column("id", Integer, primary_key=True),
    Column("a", String(10), nullable=False),
    Column("b", String(10)),
    Column("c", String(10)),
)
NUMBERED = Table(
    "numbered",
    TABLES,
    Column("number", Number, primary_key=True, autoincrement=True),
    Column("what", String(10)),
    sqlite_autoincrement=True,
)


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    async with open_database(url) as opened:
        async with opened.begin() as transaction:
            await transaction.run_sync(TABLES.create_all)
        yield opened


@pytest.fixture
async def replica(url: str, database: Database) -> AsyncIterator[Database]:
    """The same database, as another process has it."""
    async with open_database(url) as opened:
        yield opened


async def _value(database: Database, name: str = "n") -> int | None:
    async with database.read() as transaction:
        found = await transaction.execute(select(COUNTERS.c.value).where(COUNTERS.c.name == name))
        value: int | None = found.scalar_one_or_none()
        return value


async def _add(database: Database, by: int) -> None:
    """Reads and then writes, under a lock."""
    async with database.begin() as transaction:
        await transaction.run_sync(lock, ["n"])
        value = (await transaction.execute(select(COUNTERS.c.value))).scalar_one()
        await transaction.execute(update(COUNTERS).values(value=value + by))


async def test_moments_keep_their_instant_and_come_back_in_utc(database: Database) -> None:
    helsinki = datetime(2026, 5, 20, 15, 30, 1, 250_000, tzinfo=timezone(timedelta(hours=3)))
    async with database.begin() as transaction:
        await transaction.execute(MOMENTS.insert(), [{"id": 1, "at": helsinki}, {"id": 2, "at": None}])
        found = (await transaction.execute(select(MOMENTS.c.at).order_by(MOMENTS.c.id))).scalars().all()
        later = select(func.count()).where(MOMENTS.c.at > datetime(2026, 5, 20, 12, 30, 1, tzinfo=UTC))
        assert (await transaction.execute(later)).scalar_one() == 1
    assert found == [helsinki, None]
    assert found[0].utcoffset() == timedelta(0)


async def test_a_moment_without_offset_is_refused(database: Database) -> None:
    with pytest.raises(Exception, match="needs its offset"):
        async with database.begin() as transaction:
            await transaction.execute(MOMENTS.insert(), [{"id": 1, "at": datetime(2026, 5, 20)}])  # noqa: DTZ001 what it is about


async def test_a_transaction_that_fails_leaves_nothing_behind(database: Database) -> None:
    async def fails() -> None:
        async with database.begin() as transaction:
            await transaction.execute(COUNTERS.insert(), [{"name": "n", "value": 1}])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fails()
    assert await _value(database) is None


async def test_two_writers_wait_for_each_other_and_none_fails_half_way(database: Database, replica: Database) -> None:
    async with database.begin() as transaction:
        await transaction.execute(COUNTERS.insert(), [{"name": "n", "value": 0}])
    await asyncio.gather(*(_add(one, 1) for _ in range(10) for one in (database, replica)))
    assert await _value(database) == 20


async def test_reading_waits_for_no_writer(database: Database, replica: Database) -> None:
    async with database.begin() as transaction:
        await transaction.execute(COUNTERS.insert(), [{"name": "n", "value": 1}])
        async with asyncio.timeout(5):
            assert await _value(replica) is None
            assert await _value(database) is None
    assert await _value(replica) == 1


async def test_no_writer_waits_for_who_reads(database: Database, replica: Database) -> None:
    async with replica.read() as reading:
        await reading.execute(select(COUNTERS))
        async with asyncio.timeout(5), database.begin() as transaction:
            await transaction.execute(COUNTERS.insert(), [{"name": "n", "value": 1}])
    assert await _value(replica) == 1


async def test_a_lock_lets_one_in_at_a_time(database: Database, replica: Database) -> None:
    order: list[str] = []
    asked = asyncio.Event()

    async def second() -> None:
        asked.set()
        async with replica.begin() as transaction:
            await transaction.run_sync(lock, ["z", "b"])
            order.append("second")

    async with database.begin() as transaction:
        await transaction.run_sync(lock, ["a", "b"])
        waiting = asyncio.create_task(second())
        await asked.wait()
        for _ in range(20):
            await transaction.execute(select(COUNTERS))
        order.append("first")
    await waiting
    assert order == ["first", "second"]


HOLDERS = text(
    "SELECT count(DISTINCT pid) FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database"
    " WHERE locktype = 'advisory' AND granted AND datname = current_database()"
)


async def test_locks_of_other_names_exclude_nobody_on_postgresql(postgres_url: str) -> None:
    async with (
        asyncio.timeout(5),
        open_database(postgres_url) as one,
        open_database(postgres_url) as other,
        one.begin() as transaction,
        other.begin() as parallel,
    ):
        await transaction.run_sync(lock, ["a"])
        await parallel.run_sync(lock, ["b"])
        assert (await transaction.execute(HOLDERS)).scalar_one() == 2


async def test_any_number_of_names_can_be_locked_in_any_order(database: Database, replica: Database) -> None:
    names = [f"default/subject/{number}" for number in range(2500)]
    order: list[str] = []

    async def take(one: Database, wanted: list[str]) -> None:
        async with one.begin() as transaction:
            await transaction.run_sync(lock, wanted)
            order.append("in")
            for _ in range(20):
                await transaction.execute(select(COUNTERS))
            order.append("out")

    async with asyncio.timeout(20):
        async with database.begin() as transaction:  # lets both come half way, where they would hold up each other
            await transaction.run_sync(lock, names[1250:1251])
            taking = asyncio.gather(take(database, names), take(replica, names[::-1]))
            for _ in range(200):
                await transaction.execute(select(COUNTERS))
        await taking
        await take(database, [])
    assert order == ["in", "out"] * 3


MANY = 8_500


def _rows(numbers: range, b: str) -> list[dict[str, object]]:
    return [{"id": number, "a": "a", "b": b, "c": None} for number in numbers]


async def test_more_rows_than_a_statement_takes_are_inserted_or_ignored(database: Database) -> None:
    async with database.begin() as transaction:
        assert await transaction.run_sync(insert_or_ignore, ROWS, _rows(range(100), "old")) == 100
        assert await transaction.run_sync(insert_or_ignore, ROWS, _rows(range(MANY), "new")) == MANY - 100
        assert await transaction.run_sync(insert_or_ignore, ROWS, []) == 0
        old = select(func.count()).where(ROWS.c.b == "old")
        assert (await transaction.execute(old)).scalar_one() == 100


async def test_more_rows_than_a_statement_takes_are_replaced(database: Database) -> None:
    async with database.begin() as transaction:
        await transaction.run_sync(upsert, ROWS, _rows(range(100), "old"))
        await transaction.run_sync(upsert, ROWS, _rows(range(MANY), "new"))
        await transaction.run_sync(upsert, ROWS, [])
        kept = (await transaction.execute(select(ROWS.c.b, func.count()).group_by(ROWS.c.b))).all()
    assert [tuple(row) for row in kept] == [("new", MANY)]


async def test_the_last_number_given_is_known_though_its_row_is_gone(database: Database) -> None:
    async with database.begin() as transaction:
        assert await transaction.run_sync(last_number, NUMBERED) == 0
        await transaction.execute(NUMBERED.insert(), [{"what": "one"}, {"what": "two"}])
        await transaction.execute(NUMBERED.delete())
    async with database.read() as transaction:
        assert await transaction.run_sync(last_number, NUMBERED) == 2
    async with database.begin() as transaction:
        statement = NUMBERED.insert().returning(NUMBERED.c.number)
        assert (await transaction.execute(statement, [{"what": "three"}])).scalar_one() == 3


async def test_what_violates_a_rule_is_no_passing_trouble(database: Database) -> None:
    with pytest.raises(IntegrityError):
        async with database.begin() as transaction:
            await transaction.execute(COUNTERS.insert(), [{"name": "n", "value": 1}, {"name": "n", "value": 2}])


async def test_errors_quote_no_parameters(database: Database) -> None:
    row = {"name": "n", "value": 424242}
    with pytest.raises(IntegrityError) as caught:
        async with database.begin() as transaction:
            await transaction.execute(COUNTERS.insert(), [row, row])
    assert "424242" not in str(caught.value)


async def test_a_database_that_answers_is_up(database: Database) -> None:
    await database.probe()
    assert await database.in_one_go(partial(_insert, ["n"])) == 1


async def test_a_database_that_is_away_is_transient() -> None:
    async with open_database(f"postgresql+asyncpg://nps@127.0.0.1:{free_port()}/nps") as away:
        with pytest.raises(Transient, match="database: "):
            await away.probe()


async def test_a_connection_that_is_cut_is_transient_and_the_next_one_works(postgres_url: str) -> None:
    async with open_database(postgres_url) as one, open_database(postgres_url) as other:

        async def is_cut() -> None:
            async with one.begin() as transaction:
                process = (await transaction.execute(text("SELECT pg_backend_pid()"))).scalar_one()
                async with other.begin() as killing:
                    await killing.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": process})
                await transaction.execute(text("SELECT 1"))

        with pytest.raises(Transient, match="database: "):
            await is_cut()
        await one.probe()


async def test_who_loses_a_deadlock_may_try_again(postgres_url: str) -> None:
    async with open_database(postgres_url) as one, open_database(postgres_url) as other:
        async with one.begin() as transaction:
            await transaction.run_sync(TABLES.create_all)
            rows = [{"name": name, "value": 0} for name in ("a", "b")]
            await transaction.execute(COUNTERS.insert(), rows)
        barrier = asyncio.Barrier(2)

        async def crossed(database: Database, *names: str) -> None:
            async with database.begin() as transaction:
                await transaction.execute(update(COUNTERS).where(COUNTERS.c.name == names[0]).values(value=1))
                await barrier.wait()
                await transaction.execute(update(COUNTERS).where(COUNTERS.c.name == names[1]).values(value=1))

        outcomes = await asyncio.gather(crossed(one, "a", "b"), crossed(other, "b", "a"), return_exceptions=True)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["NoneType", "Transient"]


async def test_many_rows_are_stored_as_one_is(database: Database) -> None:
    noon = datetime(2026, 5, 20, 12, tzinfo=UTC)
    async with database.begin() as transaction:
        await transaction.execute(MOMENTS.insert(), {"id": 0, "at": noon})
        await transaction.run_sync(insert_all, MOMENTS, [{"id": number, "at": noon} for number in range(1, MANY)])
        stored = await transaction.execute(select(MOMENTS.c.at).distinct())
        assert stored.scalars().all() == [noon]


@pytest.mark.parametrize("number", [1, 2, 3, 511, 512, 513, 1_100])
async def test_each_value_of_many_rows_comes_into_its_column_whatever_their_order(
    database: Database, number: int
) -> None:
    rows = [{"c": None if n % 3 else f"c{n}", "a": f"a{n}", "id": n, "b": f"b{n}"} for n in range(number)]
    async with database.begin() as transaction:
        await transaction.run_sync(insert_all, ROWS, rows)
        stored = (await transaction.execute(select(ROWS).order_by(ROWS.c.id))).all()
    assert [row._asdict() for row in stored] == rows


async def test_many_rows_that_collide_are_an_error_or_ignored(database: Database) -> None:
    old, new = _rows(range(10), "old"), _rows(range(20), "new")
    async with database.begin() as transaction:
        await transaction.run_sync(insert_all, ROWS, old)
        await transaction.run_sync(insert_or_ignore, ROWS, new)
        await transaction.run_sync(insert_all, ROWS, [])
        kept = (await transaction.execute(select(ROWS.c.b).order_by(ROWS.c.id))).scalars().all()
    assert kept == ["old"] * 10 + ["new"] * 10
    with pytest.raises(IntegrityError):
        await database.in_one_go(partial(insert_all, table=ROWS, rows=new))


async def test_work_in_one_go_is_committed_whole_or_not_at_all(database: Database) -> None:
    assert await database.in_one_go(partial(_insert, ["n"])) == 1
    with pytest.raises(IntegrityError) as caught:
        await database.in_one_go(partial(_insert, ["m", "n"]))
    assert "424242" not in str(caught.value)
    assert (await _value(database, "n"), await _value(database, "m")) == (424242, None)


async def test_work_in_one_go_waits_for_whoever_writes(database: Database, replica: Database) -> None:
    async with replica.begin() as transaction:
        await transaction.run_sync(lock, ["n"])
        await transaction.execute(COUNTERS.insert(), {"name": "n", "value": 1})
        going = asyncio.create_task(database.in_one_go(_look_under_lock))
        await asyncio.wait([going], timeout=0.05)
        assert not going.done()
    assert await going == 1


async def test_work_in_one_go_on_a_database_that_is_away_is_transient(tmp_path: Path) -> None:
    async with open_database(f"postgresql+asyncpg://nps@127.0.0.1:{free_port()}/nps") as away:
        with pytest.raises(Transient, match="database: "):
            await away.in_one_go(partial(_insert, ["n"]))
    async with open_database(sqlite_url(tmp_path, "nps")) as nowhere:
        (tmp_path / "nps.sqlite3").mkdir()
        with pytest.raises(Transient, match="database: "):
            await nowhere.in_one_go(partial(_insert, ["n"]))


async def test_what_was_committed_goes_into_the_file_while_no_commit_waits_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql, "CHECKPOINT_EVERY_S", 0)
    async with open_database(sqlite_url(tmp_path, "nps")) as database:
        await database.in_one_go(TABLES.create_all)
        await database.in_one_go(partial(_insert, ["into-the-file"]))
        file, numbers = tmp_path / "nps.sqlite3", count()
        async with asyncio.timeout(DEADLINE_S):
            while b"into-the-file" not in (written := file.read_bytes()):
                await database.in_one_go(partial(_insert, [f"later-{next(numbers)}"]))
    assert b"into-the-file" in written


@pytest.mark.sqlite
async def test_whoever_waits_for_the_thread_begins_before_anybody_goes_on_with_what_it_did(tmp_path: Path) -> None:
    first_holds, second_waits, second_began = threading.Event(), threading.Event(), threading.Event()

    def hold(connection: Connection) -> None:
        first_holds.set()
        assert second_waits.wait(DEADLINE_S)

    async def first(database: Database) -> bool:
        await database.in_one_go(hold)
        return second_began.wait(DEADLINE_S)  # nothing else can be begun while this keeps the loop

    async with open_database(sqlite_url(tmp_path, "one")) as database:
        going_on = asyncio.create_task(first(database))
        await asyncio.to_thread(first_holds.wait, DEADLINE_S)
        second = asyncio.create_task(database.in_one_go(lambda _: second_began.set()))
        await asyncio.sleep(0)  # the second asks for the lock
        second_waits.set()
        assert await going_on
        await second


def _insert(names: Sequence[str], connection: Connection) -> int:
    for name in names:
        connection.execute(COUNTERS.insert(), {"name": name, "value": 424242})
    return len(names)


def _look_under_lock(connection: Connection) -> int:
    lock(connection, ["n"])
    value: int = connection.execute(select(COUNTERS.c.value)).scalar_one()
    return value


async def test_a_sqlite_file_is_its_owners_alone(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    async with open_database(sqlite_url(folder, "nps"), durable=True) as database, database.begin() as transaction:
        settings = [
            (await transaction.exec_driver_sql(f"PRAGMA {name}")).scalar_one()
            for name in ("journal_mode", "synchronous", "secure_delete", "foreign_keys", "busy_timeout")
        ]
    assert settings == ["wal", 2, 1, 1, 10_000]
    assert folder.stat().st_mode & 0o077 == 0
