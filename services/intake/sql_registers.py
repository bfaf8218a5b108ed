"""What intake has to remember of senders: segments admitted so far, sources that number, channels it made itself."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import func, select, tuple_

from services.chassis.clock import Clock
from services.chassis.sql import Database, Transaction
from services.chassis.sql_dialect import insert_or_ignore, lock, upsert
from services.intake.domain import Admitted, SegmentPair
from services.intake.tables import CHANNELS, SEGMENTS, SOURCES

SILENT_FOR: Final = timedelta(seconds=2)
MOST_SILENT: Final = 10_000
NEVER: Final = datetime(1970, 1, 1, tzinfo=UTC)


class SegmentRegister:
    """Distinct segments of each tenant, up to a bound. What was admitted once stays admitted, so it is remembered."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._admitted: dict[str, set[SegmentPair]] = {}
        self._keys: dict[str, set[str]] = {}

    async def admitted(self, tenant: str, wanted: Collection[SegmentPair], most: int) -> Admitted:
        """Those of the wanted segments that are told apart; new ones are admitted while there is room."""
        known, keys = self._admitted.setdefault(tenant, set()), self._keys.setdefault(tenant, set())
        unknown = sorted(set(wanted) - known)
        if unknown:
            async with self._database.begin() as transaction:
                known |= await self._admit(transaction, tenant, unknown, most)
                keys |= {key for key, _ in known}
                keys |= await _keys_with_values(transaction, tenant, {key for key, _ in unknown} - keys)
        return Admitted(frozenset(known & set(wanted)), frozenset(keys & {key for key, _ in wanted}))

    async def _admit(
        self, transaction: Transaction, tenant: str, unknown: list[SegmentPair], most: int
    ) -> set[SegmentPair]:
        await transaction.run_sync(lock, [f"{tenant}/segments"])
        stored = await transaction.execute(
            select(SEGMENTS.c.key, SEGMENTS.c.value).where(
                SEGMENTS.c.tenant == tenant, tuple_(SEGMENTS.c.key, SEGMENTS.c.value).in_(unknown)
            )
        )
        there = {(row.key, row.value) for row in stored}
        new = [pair for pair in unknown if pair not in there]
        if new:
            counted = select(func.count()).select_from(SEGMENTS).where(SEGMENTS.c.tenant == tenant)
            room = most - (await transaction.execute(counted)).scalar_one()
            new = new[: max(room, 0)]
            rows = [{"tenant": tenant, "key": key, "value": value} for key, value in new]
            await transaction.run_sync(insert_or_ignore, SEGMENTS, rows)
        return there | set(new)


async def _keys_with_values(transaction: Transaction, tenant: str, keys: Collection[str]) -> set[str]:
    if not keys:
        return set()
    wanted = select(SEGMENTS.c.key).where(SEGMENTS.c.tenant == tenant, SEGMENTS.c.key.in_(keys)).distinct()
    return set((await transaction.execute(wanted)).scalars())


async def restore_segments(transaction: Transaction, segments: Mapping[str, Collection[SegmentPair]]) -> None:
    """Admits by tenant what was admitted before; for a register that was lost."""
    rows = [
        {"tenant": tenant, "key": key, "value": value}
        for tenant, pairs in segments.items()
        for key, value in sorted(pairs)
    ]
    await transaction.run_sync(insert_or_ignore, SEGMENTS, rows)


class SourceRegister:
    """Which sources number their revisions: one number is enough to know.

    That one does not is remembered for two seconds alone: another replica may learn that it does.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._numbering: set[tuple[str, str]] = set()
        self._silent: dict[tuple[str, str], datetime] = {}

    async def numbering(self, wanted: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
        """Those of the wanted sources (tenant, name) that number."""
        now = self._clock.now()
        if len(self._silent) > MOST_SILENT:
            self._silent.clear()
        unknown = sorted(
            source for source in set(wanted) - self._numbering if now - self._silent.get(source, NEVER) > SILENT_FOR
        )
        if unknown:
            async with self._database.read() as transaction:
                rows = await transaction.execute(
                    select(SOURCES.c.tenant, SOURCES.c.source).where(
                        SOURCES.c.numbers, tuple_(SOURCES.c.tenant, SOURCES.c.source).in_(unknown)
                    )
                )
                self._numbering |= {(row.tenant, row.source) for row in rows}
            self._silent |= dict.fromkeys(unknown, now)
        return self._numbering & set(wanted)

    async def note(self, sources: Iterable[tuple[str, str]]) -> None:
        """These sources number."""
        new = sorted(set(sources) - self._numbering)
        if new:
            async with self._database.begin() as transaction:
                rows = [{"tenant": tenant, "source": source, "numbers": True} for tenant, source in new]
                await transaction.run_sync(upsert, SOURCES, rows)
            self._numbering |= set(new)


async def note_channel(database: Database, topic: str, now: datetime) -> None:
    """An inbound topic of our own making: its records may be deleted once they are in."""
    async with database.begin() as transaction:
        await transaction.run_sync(insert_or_ignore, CHANNELS, [{"topic": topic, "made_at": now}])


async def own_channels(database: Database) -> set[str]:
    """Inbound topics of our own making."""
    async with database.read() as transaction:
        return set((await transaction.execute(select(CHANNELS.c.topic))).scalars())
