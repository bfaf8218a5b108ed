"""Counts answers: reads `nps.responses`, folds each partition into its store, publishes cells that changed.

Runs in a thread and loop of its own: a busy `getmany` hardly ever yields. The position lies with the counts; Kafka's
committed offset serves tools, and tells a rebuild which dead letters have been written before. A record that is not the
one expected means that the log is not what was counted: the process stops.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from aiokafka.errors import KafkaError, OffsetOutOfRangeError
from aiokafka.structs import TopicPartition

from schemas import cloudevents
from schemas.malformed import Malformed
from schemas.topic import join_key
from schemas.topics import RESPONSES, TALLIES
from services.chassis.assignments import Assignments
from services.chassis.dead_letters import DeadLetters
from services.chassis.failures import Halt, Transient
from services.chassis.lane import Lane
from services.chassis.logs import logger
from services.chassis.publishing import open_publisher
from services.chassis.records import Outgoing, Raw
from services.chassis.standing import Standing
from services.scoring.fences import Fence
from services.scoring.partition_tally import PartitionTally, Pending, today_of
from services.scoring.tally import Answer, Folded, decode

if TYPE_CHECKING:
    from aiokafka import AIOKafkaConsumer
    from aiokafka.structs import ConsumerRecord

    from services.chassis.frame import Frame
    from services.chassis.metrics import Metrics
    from services.scoring.metrics import AnyMetric
    from services.scoring.store import Store

GROUP: Final = "scoring.tally"
GENERATION: Final = "g1"
"""Which rules count: it changes with the segments an answer belongs to and with the fold."""

SERIES: Final = "all"
POLL_MS: Final = 200
RECORDS_A_TURN: Final = 5_000
RECORDS_A_TRANSACTION: Final = 500
PUBLISH_EVERY: Final = timedelta(milliseconds=250)
PUBLISH_EVERY_BEHIND: Final = timedelta(seconds=2)
BEHIND_FROM: Final = 20_000
GROW_COARSE_EVERY: Final = timedelta(minutes=10)

_log = logger("tally")


@dataclass(slots=True)
class Source:
    """One partition this worker counts: its tally, how it fares, and the right to publish for it."""

    partition: TopicPartition
    tally: PartitionTally
    fence: Fence
    lane: Lane
    written_letters_before: int

    async def close(self) -> None:
        """Gives the partition up."""
        await self.fence.close()
        self.tally.close()


class Tallying:
    """The tally of one worker."""

    def __init__(
        self,
        frame: Frame,
        open_store: Callable[[int], Store],
    ) -> None:
        self._frame = frame
        self._kafka = frame.kafka
        self._clock = frame.clock
        self._health = frame.health
        self._metrics: Metrics[AnyMetric] = frame.metrics
        self._open_store = open_store
        self._sources: dict[TopicPartition, Source] = {}
        self._coarse_due = frame.clock.now()

    async def run(self, stop: asyncio.Event) -> None:
        """Counts until stopped.

        Raises:
            Halt: if the log or the state is not what it must be.
        """
        consumer = self._kafka.consumer(GROUP, max_poll_records=RECORDS_A_TURN)
        assignments = Assignments(consumer)
        self._standing = Standing(self._frame, GROUP, consumer, assignments)
        consumer.subscribe([self._kafka.topic(RESPONSES.name)], listener=assignments)
        async with AsyncExitStack() as stack:
            publisher = await stack.enter_async_context(open_publisher(self._kafka, self._metrics))
            self._dead_letters = DeadLetters(publisher, GROUP, None)
            stack.push_async_callback(self._close)
            stack.push_async_callback(consumer.stop)
            try:
                await consumer.start()
                publishing = asyncio.create_task(self._publish(stop, assignments))
                while not stop.is_set() and not publishing.done():
                    self._health.turned(GROUP)
                    await self._turn(consumer, assignments)
                stop.set()
                await publishing
                await self._standing.tell(self._where())
            except OffsetOutOfRangeError as error:
                raise Halt(_out_of_range(error)) from error
            except KafkaError as error:
                raise Halt(f"{GROUP}: Kafka refused: {type(error).__name__} {error}") from error
            finally:
                self._health.ended(GROUP)

    async def _turn(self, consumer: AIOKafkaConsumer[bytes, bytes], assignments: Assignments) -> None:
        if assignments.new is not None:
            await self._take_over(consumer, assignments)
        fetched = await assignments.fetch(POLL_MS)
        for partition, records in fetched.items():
            source = self._sources.get(partition)
            if source is not None and assignments.settled:
                await self._fold(consumer, source, records)
        if self._standing.is_due():
            await self._standing.tell(self._where())

    async def _take_over(self, consumer: AIOKafkaConsumer[bytes, bytes], assignments: Assignments) -> None:
        """Closes what is no longer ours, opens what is new, and seeks to where its counts stand."""
        assigned = assignments.new or set()
        for partition in set(self._sources) - assigned:
            await self._sources.pop(partition).close()
        if not assigned:
            return
        try:
            for partition in assigned - set(self._sources):
                self._sources[partition] = await self._source(consumer, partition)
            for partition in assigned:
                consumer.seek(partition, self._sources[partition].tally.position)
                if not self._sources[partition].lane.broken:
                    consumer.resume(partition)
        except KafkaError as error:
            # an IllegalStateError among them: assigned anew meanwhile, and the listener holds the newer set
            self._health.waits(f"{GROUP} takes over", f"{type(error).__name__} {error}")
            return
        self._health.goes_on(f"{GROUP} takes over")
        assignments.taken(assigned)

    async def _source(self, consumer: AIOKafkaConsumer[bytes, bytes], partition: TopicPartition) -> Source:
        committed = await consumer.committed(partition)

        async def end() -> int:
            try:
                return int((await consumer.end_offsets([partition]))[partition])
            except KafkaError as error:
                raise Transient(f"Kafka: {type(error).__name__}") from error

        store = self._open_store(partition.partition)
        tally = PartitionTally(store, today_of(self._clock.now()))
        fence = Fence(self._kafka, f"tally.{GENERATION}.{partition.partition}", end)
        _log.info("partition.taken", partition=partition.partition, position=tally.position)
        return Source(partition, tally, fence, Lane(tally.position, trusted=True), committed or 0)

    async def _fold(
        self,
        consumer: AIOKafkaConsumer[bytes, bytes],
        source: Source,
        records: Sequence[ConsumerRecord[bytes, bytes]],
    ) -> None:
        answers: list[tuple[int, Answer]] = []
        expected = source.tally.position
        for record in records:
            if record.offset != expected:
                raise Halt(
                    f"{source.partition.topic}[{source.partition.partition}]: offset {record.offset} where {expected} "
                    "was expected: the log is not the one that was counted"
                )
            expected += 1
            try:
                answers.append((record.offset, _decoded(record)))
                source.lane.saw(record.offset, dead=False)
            except Malformed as error:
                await self._bury(source, Raw.of(record, RESPONSES.name), error)
                if source.lane.broken:
                    break
        folded = source.tally.fold(answers, expected)
        self._count(source, folded)
        if source.lane.broken:
            consumer.pause(source.partition)
            consumer.seek(source.partition, expected)
            self._health.waits(f"{GROUP}[{source.partition.partition}]", "half of its records are dead")

    async def _bury(self, source: Source, raw: Raw, error: Malformed) -> None:
        """A dead letter, unless a run before this one wrote it: a rebuild writes none."""
        if raw.offset >= source.written_letters_before:
            letter = await self._dead_letters.write(raw, error, attempts=1, now=self._clock.now())
            _log.warning(
                "record.dead", letter=str(letter), partition=raw.partition, offset=raw.offset, reason=str(error)
            )
            self._metrics.count("nps_dead_letters_total", group=GROUP, topic=raw.topic, error="Malformed")
        if source.lane.saw(raw.offset, dead=True):
            _log.error("partition.too_many_dead", partition=raw.partition)

    def _count(self, source: Source, folded: Folded) -> None:
        self._metrics.count("nps_answers_counted_total", folded.counted)
        for cause, number in (
            ("older", folded.older),
            ("duplicate", folded.duplicates),
            ("conflict", len(folded.conflicts)),
        ):
            if number:
                self._metrics.count("nps_answers_ignored_total", number, cause=cause)
        for offset in folded.conflicts[:10]:
            _log.warning("answer.conflict", partition=source.partition.partition, offset=offset)

    async def _publish(self, stop: asyncio.Event, assignments: Assignments) -> None:
        """Publishes changed cells of every partition in turn, more coarsely while there is much to catch up with."""
        while not stop.is_set():
            behind = sum(len(source.tally.unpublished) for source in self._sources.values()) > BEHIND_FROM
            every = PUBLISH_EVERY_BEHIND if behind else PUBLISH_EVERY
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), every.total_seconds())
            await self.publish_once(assignments)

    async def publish_once(self, assignments: Assignments | None = None) -> None:
        """One round over all partitions."""
        now = self._clock.now()
        if now >= self._coarse_due:
            self._coarse_due = now + GROW_COARSE_EVERY
            for source in self._sources.values():
                source.tally.grow_coarse(today_of(now))
        for source in list(self._sources.values()):
            if not await source.fence.ready(source.tally.position, now):
                continue
            while source.tally.unpublished and self._sources.get(source.partition) is source:
                if assignments is not None and not assignments.settled:
                    return
                pending = source.tally.pending(RECORDS_A_TRANSACTION, today_of(now))
                records = [_outgoing(cell, source.partition.partition) for cell in pending]
                if not await source.fence.publish(records, now):
                    break
                if self._sources.get(source.partition) is source:
                    source.tally.published(pending)
                if len(pending) < RECORDS_A_TRANSACTION:
                    break
        self._metrics.set("nps_tallies_waiting", sum(len(s.tally.unpublished) for s in self._sources.values()))

    def _where(self) -> dict[TopicPartition, int]:
        return {partition: source.tally.position for partition, source in self._sources.items()}

    async def _close(self) -> None:
        while self._sources:
            _, source = self._sources.popitem()
            await source.close()


def _decoded(record: ConsumerRecord[bytes, bytes]) -> Answer:
    """An answer, if the record says that it is one."""
    kind = next((content for name, content in record.headers if name == "ce_type"), None)
    if kind != _RESPONSE_TYPE:
        raise Malformed.of("ce_type", f"this topic carries {RESPONSES.event_type}")
    return decode(record.value)


_RESPONSE_TYPE: Final = RESPONSES.event_type.encode()


def _outgoing(cell: Pending, partition: int) -> Outgoing:
    """A cell as a record of `nps.tallies`; built by hand, since there are many (the contract test reads them back)."""
    key = join_key((GENERATION, cell.tenant, cell.segment, SERIES, cell.day.isoformat(), str(partition)))
    value = {
        "generation": GENERATION,
        "tenant": cell.tenant,
        "segment": cell.segment,
        "series": SERIES,
        "day": cell.day.isoformat(),
        "partition": partition,
        "offset": cell.offset,
        "resolution": cell.minutes,
        "counts": cell.counts,
    }
    headers = (
        ("ce_specversion", cloudevents.SPEC_VERSION.encode()),
        ("ce_id", f"{GENERATION}/{partition}/{cell.offset}/{cell.key[0]}/{cell.key[1]}/{cell.minutes}".encode()),
        ("ce_source", b"/nps-loop/scoring"),
        ("ce_type", TALLIES.event_type.encode()),
        ("content-type", cloudevents.JSON_TYPE.encode()),
    )
    return Outgoing(
        TALLIES.name,
        key,
        join_key((cell.tenant, cell.segment)),
        json.dumps(value, ensure_ascii=False).encode(),
        headers,
    )


def _out_of_range(error: OffsetOutOfRangeError) -> str:
    places = ", ".join(f"{part.topic}[{part.partition}] at {offset}" for part, offset in error.args[0].items())
    return (
        f"nps.responses does not hold what is to be counted next ({places}): it was cut or made anew. "
        "Counts need every answer from the first on; nothing has been reset"
    )
