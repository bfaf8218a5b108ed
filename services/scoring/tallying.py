"""Counts: reads a topic, folds each partition into its store, publishes cells that changed.

Runs in a thread and loop of its own: a busy `getmany` hardly ever yields. The position lies with the counts; Kafka's
committed offset serves tools, and tells a rebuild which dead letters have been written before. A record that is not the
one expected means that the log is not what was counted: the process stops.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from aiokafka.errors import KafkaError, OffsetOutOfRangeError
from aiokafka.structs import TopicPartition

from schemas.generation import Generation
from schemas.malformed import Malformed
from services.chassis.assignments import Assignments
from services.chassis.dead_letters import DeadLetters
from services.chassis.failures import Halt, Transient
from services.chassis.kafka import start_client
from services.chassis.lane import Lane
from services.chassis.logs import logger
from services.chassis.publishing import open_publisher
from services.chassis.records import Raw
from services.chassis.standing import Standing
from services.scoring.counted import Counted
from services.scoring.fences import Fence
from services.scoring.generations import announced
from services.scoring.partition_tally import today_of
from services.scoring.releasing import Releasing, Source
from services.scoring.tally import Folded

if TYPE_CHECKING:
    from aiokafka import AIOKafkaConsumer
    from aiokafka.structs import ConsumerRecord

    from services.chassis.frame import Frame
    from services.chassis.metrics import Metrics
    from services.scoring.metrics import AnyMetric
    from services.scoring.store import Store

POLL_MS: Final = 200
RECORDS_A_TURN: Final = 10_000
PARTITION_BYTES: Final = 4 * 1024 * 1024
"""Of one partition at a time: a run of some thousand answers costs one reading and one writing of the store."""
PUBLISH_EVERY: Final = timedelta(milliseconds=250)
PUBLISH_EVERY_BEHIND: Final = timedelta(seconds=5)
BEHIND_FROM: Final = 20_000
TELL_PROGRESS_EVERY: Final = timedelta(seconds=5)
GROW_COARSE_EVERY: Final = timedelta(minutes=10)
CONFLICTS_TOLD: Final = 10

_log = logger("tally")


class Tallying:
    """One worker's tally of one kind of thing."""

    def __init__(self, frame: Frame, kind: Counted, open_store: Callable[[int], Store]) -> None:
        self._frame = frame
        self._kind = kind
        self._kafka = frame.kafka
        self._clock = frame.clock
        self._health = frame.health
        self._metrics: Metrics[AnyMetric] = frame.metrics
        self._open_store = open_store
        self._sources: dict[TopicPartition, Source] = {}
        self._release = Releasing(frame.kafka, kind, frame.clock.now())
        self.counted = 0
        """Records folded since the start."""
        self._coarse_due = frame.clock.now()
        self._progress_due = frame.clock.now()

    async def run(self, stop: asyncio.Event) -> None:
        """Counts until stopped.

        Raises:
            Halt: if the log or the state is not what it must be.
        """
        group = self._kind.group
        consumer = self._kafka.consumer(group, max_poll_records=RECORDS_A_TURN, partition_bytes=PARTITION_BYTES)
        assignments = Assignments(consumer)
        self._standing = Standing(self._frame, group, consumer, assignments)
        consumer.subscribe([self._kafka.topic(self._kind.topic.name)], listener=assignments)
        async with AsyncExitStack() as stack:
            publisher = await stack.enter_async_context(open_publisher(self._kafka, self._metrics))
            self._dead_letters = DeadLetters(publisher, group, None)
            stack.push_async_callback(self._close)
            stack.push_async_callback(consumer.stop)
            try:
                await start_client(consumer)
                publishing = asyncio.create_task(self._publish(stop, consumer, assignments))
                try:
                    while not stop.is_set() and not publishing.done():
                        self._health.turned(group)
                        await self._turn(consumer, assignments)
                finally:
                    stop.set()
                    await publishing
                await self._standing.tell(self.positions())
            except OffsetOutOfRangeError as error:
                raise Halt(_out_of_range(error)) from error
            except KafkaError as error:
                raise Halt(f"{group}: Kafka refused: {type(error).__name__} {error}") from error
            finally:
                self._health.ended(group)

    @property
    def stands(self) -> bool:
        """Whether every partition held is counted up to where it ended, published, and said to be."""
        return bool(self._sources) and all(source.announced for source in self._sources.values())

    def positions(self) -> dict[TopicPartition, int]:
        """Up to where each partition is counted."""
        return {partition: source.read_up_to for partition, source in self._sources.items()}

    async def _turn(self, consumer: AIOKafkaConsumer[bytes, bytes], assignments: Assignments) -> None:
        if assignments.new is not None:
            await self._take_over(consumer, assignments)
        fetched = await assignments.fetch(POLL_MS)
        for partition, records in fetched.items():
            source = self._sources.get(partition)
            if source is not None and assignments.settled:
                await self._fold(consumer, source, records)
        if not self._kind.dense and assignments.settled:
            for partition, source in self._sources.items():
                source.read_up_to = await consumer.position(partition)
        if self._standing.is_due():
            await self._standing.tell(self.positions())
            self._tell_progress(consumer)

    async def _take_over(self, consumer: AIOKafkaConsumer[bytes, bytes], assignments: Assignments) -> None:
        """Closes what is no longer ours, opens what is new, and seeks to where its counts stand."""
        assigned = assignments.new or set()
        group = self._kind.group
        for partition in set(self._sources) - assigned:
            await self._sources.pop(partition).close()
        if not assigned:
            return
        try:
            await self._open(consumer, assigned - set(self._sources))
            for partition in assigned:
                consumer.seek(partition, self._sources[partition].tally.position)
                if not self._sources[partition].lane.broken:
                    consumer.resume(partition)
        except (KafkaError, Transient) as error:
            # an IllegalStateError among them: assigned anew meanwhile, and the listener holds the newer set
            self._health.waits(f"{group} takes over", f"{type(error).__name__} {error}")
            return
        self._health.goes_on(f"{group} takes over")
        assignments.taken(assigned)

    async def _open(self, consumer: AIOKafkaConsumer[bytes, bytes], partitions: set[TopicPartition]) -> None:
        said = await self._said() if partitions else []
        for partition in partitions:
            here = [item for item in said if item.partition == partition.partition]
            self._sources[partition] = await self._source(consumer, partition, here)

    async def _said(self) -> list[Generation]:
        """What has been announced of our series."""
        return [item for item in await announced(self._kafka) if item.series == self._kind.series]

    async def _source(
        self, consumer: AIOKafkaConsumer[bytes, bytes], partition: TopicPartition, said: Sequence[Generation]
    ) -> Source:
        committed = await consumer.committed(partition)

        async def end() -> int:
            try:
                return int((await consumer.end_offsets([partition]))[partition])
            except KafkaError as error:
                raise Transient(f"Kafka: {type(error).__name__}") from error

        kind, number = self._kind, partition.partition
        tally = kind.open(self._open_store(number), today_of(self._clock.now()))
        fence = Fence(self._kafka, kind.fence(number), end)
        _log.info("partition.taken", group=kind.group, partition=number, position=tally.position)
        letters_before = max([committed or 0, *(item.position for item in said)])
        lane = Lane(tally.position, trusted=True)
        return Source(partition, tally, fence, lane, letters_before, tally.position)

    async def _fold(
        self,
        consumer: AIOKafkaConsumer[bytes, bytes],
        source: Source,
        records: Sequence[ConsumerRecord[bytes, bytes]],
    ) -> None:
        run: list[tuple[int, Any]] = []  # of whatever is counted
        read, dense = self._kind.read, self._kind.dense
        start = end = source.tally.position
        for record in records:
            offset = record.offset
            if offset != end and (dense or offset < end):
                raise Halt(
                    f"{source.partition.topic}[{source.number}]: offset {offset} where {end} was expected: "
                    "the log is not the one that was counted"
                )
            end = offset + 1
            try:
                one = read(record)
            except Malformed as error:
                source.lane.saw_sound(start, offset - 1)
                await self._bury(source, Raw.of(record, self._kind.topic.name), error)
                if source.lane.broken:
                    break
            else:
                if one is not None:
                    run.append((offset, one))
        source.lane.saw_sound(start, end - 1)
        self._count(source, source.tally.fold(run, end))
        source.read_up_to = end
        self.counted += end - start
        if source.lane.broken:
            consumer.pause(source.partition)
            consumer.seek(source.partition, end)
            self._health.waits(f"{self._kind.group}[{source.number}]", "half of its records are dead")

    async def _bury(self, source: Source, raw: Raw, error: Malformed) -> None:
        """A dead letter, unless a run before this one wrote it: a rebuild writes none.

        Raises:
            Halt: if it is one of our own, and so would be missing from what is counted.
        """
        if not self._kind.dense and self._kind.topic.bears(raw.key, raw.headers, raw.value):
            raise Halt(f"{raw.topic}[{raw.partition}] at {raw.offset}: {error}") from error
        if raw.offset >= source.written_letters_before:
            letter = await self._dead_letters.write(raw, error, attempts=1, now=self._clock.now())
            _log.warning(
                "record.dead", letter=str(letter), partition=raw.partition, offset=raw.offset, reason=str(error)
            )
            self._metrics.count("nps_dead_letters_total", group=self._kind.group, topic=raw.topic, error="Malformed")
        if source.lane.saw(raw.offset, dead=True):
            _log.error("partition.too_many_dead", partition=raw.partition)

    def _count(self, source: Source, folded: object) -> None:
        if not isinstance(folded, Folded):
            return
        self._metrics.count("nps_answers_counted_total", folded.counted)
        for cause, number in (
            ("older", folded.older),
            ("duplicate", folded.duplicates),
            ("conflict", len(folded.conflicts)),
        ):
            if number:
                self._metrics.count("nps_answers_ignored_total", number, cause=cause)
        for offset in folded.conflicts[:CONFLICTS_TOLD]:
            _log.warning("answer.conflict", partition=source.number, offset=offset)

    def _tell_progress(self, consumer: AIOKafkaConsumer[bytes, bytes]) -> None:
        """Says how far a long catching up has come."""
        now = self._clock.now()
        if now < self._progress_due or self._lag(consumer) < BEHIND_FROM:
            return
        self._progress_due = now + TELL_PROGRESS_EVERY
        counted = sum(source.read_up_to for source in self._sources.values())
        whole = counted + self._lag(consumer)
        percent = round(100 * counted / whole, 1)
        _log.info("tally.catching_up", group=self._kind.group, counted=counted, of=whole, percent=percent)

    def _lag(self, consumer: AIOKafkaConsumer[bytes, bytes]) -> int:
        held = consumer.assignment()
        return sum(
            max((consumer.highwater(partition) or 0) - source.read_up_to, 0)
            for partition, source in self._sources.items()
            if partition in held
        )

    async def _publish(
        self, stop: asyncio.Event, consumer: AIOKafkaConsumer[bytes, bytes], assignments: Assignments
    ) -> None:
        """Publishes changed cells of every partition in turn, more coarsely while there is much to catch up with."""
        due = self._clock.now()
        while not stop.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), PUBLISH_EVERY.total_seconds())
            now = self._clock.now()
            if now >= due or self._lag(consumer) < BEHIND_FROM:
                due = now + PUBLISH_EVERY_BEHIND
                await self._release_all(assignments, now)

    async def _release_all(self, assignments: Assignments, now: datetime) -> None:
        if now >= self._coarse_due:
            self._coarse_due = now + GROW_COARSE_EVERY
            for source in self._sources.values():
                source.tally.grow_coarse(today_of(now))
        for source in list(self._sources.values()):

            def ours(source: Source = source) -> bool:
                return assignments.settled and self._sources.get(source.partition) is source

            await self._release(source, ours, now)
        self._metrics.set("nps_tallies_waiting", sum(len(s.tally.unpublished) for s in self._sources.values()))

    async def _close(self) -> None:
        while self._sources:
            _, source = self._sources.popitem()
            await source.close()


def _out_of_range(error: OffsetOutOfRangeError) -> str:
    places = ", ".join(f"{part.topic}[{part.partition}] at {offset}" for part, offset in error.args[0].items())
    return (
        f"nps.responses does not hold what is to be counted next ({places}): it was cut or made anew. "
        "Counts need every answer from the first on; nothing has been reset"
    )
