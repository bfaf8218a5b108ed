"""Publishes what a partition's counts have become, in fenced transactions, and says when all of it is there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from schemas.generation import Generation
from schemas.topics import GENERATIONS
from services.chassis.failures import Transient
from services.chassis.logs import logger
from services.chassis.records import Cause, outgoing
from services.scoring.counted import Counted, cell_record, fact_record
from services.scoring.generations import announced, ends_of_tallies
from services.scoring.partition_tally import PartitionTally, today_of

if TYPE_CHECKING:
    from aiokafka.structs import TopicPartition

    from services.chassis.kafka import Kafka
    from services.chassis.lane import Lane
    from services.scoring.fences import Fence

RECORDS_A_TRANSACTION: Final = 500

_log = logger("tally")


@dataclass(slots=True)
class Source:
    """One partition this worker counts: its tally, how it fares, and the right to publish for it."""

    partition: TopicPartition
    tally: PartitionTally
    fence: Fence
    lane: Lane
    written_letters_before: int
    read_up_to: int
    announced: bool = False
    checked_in: int | None = None
    """The term of the fence in which it was seen that nobody has ended what was published."""

    @property
    def number(self) -> int:
        """Of the partition."""
        return int(self.partition.partition)

    async def close(self) -> None:
        """Gives the partition up."""
        await self.fence.close()
        self.tally.close()


class Releasing:
    """Publishes for one kind of thing that a worker counts."""

    def __init__(self, kafka: Kafka, kind: Counted, started_at: datetime) -> None:
        self._kafka = kafka
        self._kind = kind
        self._started_at = started_at

    async def __call__(self, source: Source, is_ours: Callable[[], bool], now: datetime) -> None:
        """Publishes all that waits, as long as the partition is ours and has caught up."""
        if not await source.fence.ready(source.read_up_to, now) or not await self._still_stands(source):
            return
        while is_ours() and not source.tally.all_published:
            if not await self._some(source, is_ours, now):
                break
        if is_ours() and not source.announced and source.tally.all_published:
            await self._announce(source, is_ours, now)

    async def _still_stands(self, source: Source) -> bool:
        """Marks everything if somebody ended this generation, and what was published with it; false if nobody knows.

        Whoever ends it takes the fence first: to look once in every term of ours is enough.
        """
        term = source.fence.term
        if term != source.checked_in and source.tally.told:
            try:
                said = await announced(self._kafka)
            except Transient as error:
                _log.warning("generation.unknown", partition=source.number, reason=str(error))
                return False
            mine = (self._kind.generation, self._kind.series, source.number)
            if mine not in {(item.generation, item.series, item.partition) for item in said}:
                _log.info("generation.published_anew", generation=self._kind.generation, partition=source.number)
                source.tally.publish_all()
                source.announced = False
        source.checked_in = term
        return True

    async def _some(self, source: Source, is_ours: Callable[[], bool], now: datetime) -> bool:
        """One transaction; returns whether there may be more to publish at once."""
        cells = source.tally.pending(RECORDS_A_TRANSACTION, today_of(now))
        facts = source.tally.pending_facts(RECORDS_A_TRANSACTION - len(cells))
        records = [cell_record(self._kind, cell, source.number) for cell in cells]
        records += [fact_record(self._kind, fact, source.number, now) for fact in facts]
        if not records or not await source.fence.publish(records, now) or not is_ours():
            return False
        source.tally.published(cells)
        source.tally.published_facts(facts)
        return len(records) == RECORDS_A_TRANSACTION

    async def _announce(self, source: Source, is_ours: Callable[[], bool], now: datetime) -> None:
        """Tells readers that all of this partition is published up to where the tallies end now."""
        kind, position = self._kind, source.tally.position
        try:
            partitions = await source.fence.partitions_of(kind.topic.name)
            ends = await ends_of_tallies(self._kafka)
        except Transient as error:
            _log.warning("generation.not_announced", partition=source.number, reason=str(error))
            return
        said = Generation(
            generation=kind.generation,
            series=kind.series,
            partition=source.number,
            partitions=partitions,
            position=position,
            started_at=self._started_at,
            ends=ends,
        )
        event_id = f"{kind.generation}/{kind.series}/{source.number}/{position}/{self._started_at.timestamp()}"
        record = outgoing(GENERATIONS, said, event_id, Cause("scoring", now))
        if await source.fence.publish([record], now) and is_ours():
            source.announced = True
