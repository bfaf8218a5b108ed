"""The transactional outbox: records are written with the effects they tell of, published after the commit, deleted.

Each worker publishes its own rows at once; one sweeper, by lease, publishes what was left behind. Order is not
promised: readers keep the highest revision. Rows that must stand in order (of compacted topics) are the sweeper's
alone. Every record carries the database's id and its row's number, by which a restored database is noticed.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Final

from pydantic_core import to_json
from sqlalchemy import Connection, Delete, Row, and_, delete, func, or_, select

from services.chassis.failures import Fenced, Transient
from services.chassis.leases import Lease
from services.chassis.logs import logger
from services.chassis.publishing import FencedPublisher, check_size
from services.chassis.records import Outgoing
from services.chassis.sql_dialect import among, insert_all, next_numbers
from services.chassis.tables import OUTBOX

if TYPE_CHECKING:
    from services.chassis.clock import Clock
    from services.chassis.frame import Frame
    from services.chassis.publishing import Publisher
    from services.chassis.sql import Database, Transaction

DATABASE_HEADER: Final = "nps-database"
NUMBER_HEADER: Final = "nps-number"

LEFT_BEHIND: Final = timedelta(seconds=5)
LEASE: Final = timedelta(seconds=15)
TURN: Final = timedelta(milliseconds=500)
ROWS: Final = 500

_log = logger("outbox")

Numbered = tuple[int, Outgoing]


class Outbox:
    """The outbox of one service."""

    def __init__(self, database_id: str, clock: Clock, in_order: frozenset[str] = frozenset()) -> None:
        self._database_id = database_id.encode()
        self._clock = clock
        self._in_order = in_order
        self.added_in_order: Final = asyncio.Event()

    async def add(self, transaction: Transaction, records: Sequence[Outgoing]) -> list[Numbered]:
        """Writes records into the outbox; returns those this worker is to publish after the commit.

        Raises:
            Malformed: if a record is larger than Kafka takes; nothing could ever publish it.
        """
        if not records:
            return []
        for record in records:
            check_size(record)
        now = self._clock.now()
        numbers = await transaction.run_sync(next_numbers, OUTBOX, len(records))
        rows = [
            {
                "number": number,
                "topic": record.topic,
                "key": record.key,
                "meets_by": record.meets_by,
                "value": record.value,
                "headers": _packed(record.headers),
                "in_order": record.topic in self._in_order,
                "created_at": now,
            }
            for number, record in zip(numbers, records, strict=True)
        ]
        await transaction.run_sync(insert_all, OUTBOX, rows)
        if any(row["in_order"] for row in rows):
            self.added_in_order.set()
        return [
            (number, self._signed(record, number))
            for number, record in zip(numbers, records, strict=True)
            if record.topic not in self._in_order
        ]

    def restored(self, row: Row[tuple[object, ...]]) -> Numbered:
        """A row of the table as a record."""
        record = Outgoing(row.topic, row.key, row.meets_by, row.value, _unpacked(row.headers))
        return row.number, self._signed(record, row.number)

    def _signed(self, record: Outgoing, number: int) -> Outgoing:
        ours = ((DATABASE_HEADER, self._database_id), (NUMBER_HEADER, str(number).encode()))
        return Outgoing(record.topic, record.key, record.meets_by, record.value, (*record.headers, *ours))


async def publish_own(database: Database, publisher: Publisher, rows: Sequence[Numbered]) -> bool:
    """Publishes rows just committed and deletes them; whether it did. What fails stays behind for the sweeper."""
    if not rows:
        return True
    try:
        await publisher.publish([record for _, record in rows])
        await _delete(database, [number for number, _ in rows])
    except Transient as error:
        _log.warning("outbox.left_behind", rows=len(rows), reason=str(error))
        return False
    return True


class Sweeper:
    """Publishes what workers left behind and all rows that must stand in order; one at a time, by lease."""

    def __init__(self, frame: Frame, database: Database, outbox: Outbox) -> None:
        self._database = database
        self._outbox = outbox
        self._kafka = frame.kafka
        self._publisher = frame.publisher
        self._name = frame.name
        self._clock = frame.clock
        self._health = frame.health
        self._metrics = frame.metrics
        self._lease = Lease(database, f"{frame.name}.outbox", frame.settings.instance, LEASE)

    async def run(self, stop: asyncio.Event) -> None:
        """Sweeps until stopped."""
        while not stop.is_set():
            self._health.turned("outbox")
            try:
                if await self._lease.hold(self._clock.now()):
                    await self._reign(stop)
            except (Transient, Fenced) as error:
                _log.warning("outbox.paused", reason=str(error))
            await _wait(stop, TURN)
        try:
            await self._lease.release()
        except Transient as error:
            _log.warning("outbox.lease_kept", reason=str(error))  # it ends by itself
        self._health.ended("outbox")

    async def _reign(self, stop: asyncio.Event) -> None:
        """Sweeps for as long as the lease is ours."""
        async with AsyncExitStack() as stack:
            ordered = FencedPublisher(self._kafka, f"{self._name}.outbox")
            stack.push_async_callback(ordered.close)
            await ordered.take_over()
            while not stop.is_set() and await self._lease.hold(self._clock.now()):
                self._health.turned("outbox")
                self._outbox.added_in_order.clear()
                swept = await self.sweep(ordered)
                if swept < ROWS:
                    await _wait(self._outbox.added_in_order, TURN)

    async def sweep(self, ordered: FencedPublisher) -> int:
        """One round; returns how many rows were published."""
        left_behind = OUTBOX.c.created_at <= self._clock.now() - LEFT_BEHIND
        async with self._database.begin() as transaction:
            statement = (
                select(OUTBOX)
                .where(or_(OUTBOX.c.in_order, and_(~OUTBOX.c.in_order, left_behind)))
                .order_by(OUTBOX.c.number)
                .limit(ROWS)
            )
            found = (await transaction.execute(statement)).all()
            waiting = (await transaction.execute(select(func.count()).select_from(OUTBOX))).scalar_one()
        self._metrics.set("nps_outbox_rows", waiting)
        in_order = [self._outbox.restored(row) for row in found if row.in_order]
        others = [self._outbox.restored(row) for row in found if not row.in_order]
        if in_order:
            await ordered.publish([record for _, record in in_order])
        await self._publisher.publish([record for _, record in others])
        await _delete(self._database, [number for number, _ in (*in_order, *others)])
        return len(found)


async def _delete(database: Database, numbers: Sequence[int]) -> None:
    def work(connection: Connection) -> None:
        connection.execute(_deletion(connection.dialect.name), {"numbers": numbers})

    if numbers:
        await database.in_one_go(work)


@cache
def _deletion(dialect: str) -> Delete:
    return delete(OUTBOX).where(among(dialect, OUTBOX.c.number, "numbers"))


async def _wait(event: asyncio.Event, longest: timedelta) -> None:
    try:
        await asyncio.wait_for(event.wait(), longest.total_seconds())
    except TimeoutError:
        return


def _packed(headers: Sequence[tuple[str, bytes]]) -> bytes:
    return to_json(headers)


def _unpacked(packed: bytes) -> tuple[tuple[str, bytes], ...]:
    return tuple((name, content.encode()) for name, content in json.loads(packed))
