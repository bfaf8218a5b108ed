"""Consuming: a batch of one topic at a time, positions moved with the effect, no record lost or in the way.

What has come of all partitions goes together; where that fails, each goes by itself, and then a record at a time. One
that cannot be read is a dead letter at once. What follows other failures, `lane.py` decides. Kafka's committed offset
is kept up to date for tools that show lag, and as evidence: a position below it means that our database was lost or
restored, and the service stops (`nps recover`).
"""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Generic, NamedTuple, TypeVar

from aiokafka.errors import KafkaError, OffsetOutOfRangeError
from aiokafka.structs import TopicPartition

from schemas.malformed import Malformed
from services.chassis.assignments import Assignments
from services.chassis.failures import Fenced, Halt, Transient
from services.chassis.kafka import start_client
from services.chassis.lane import TRIES, Lane, Next
from services.chassis.logs import logger
from services.chassis.records import Raw, Received
from services.chassis.standing import Standing

if TYPE_CHECKING:
    from aiokafka.structs import ConsumerRecord

    from services.chassis.dead_letters import DeadLetters
    from services.chassis.frame import Frame
    from services.chassis.positions import Positions

T = TypeVar("T")

POLL_MS: Final = 200

_log = logger("consumer")


class Span(NamedTuple):
    """A part of one partition, from position `start` up to but not including `end`."""

    partition: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Batch(Generic[T]):
    """Records of one topic, those of a partition in their order.

    Moving the position of each partition from start to end is part of the effect, also when there are no records in
    between. What only the effect finds out to be unreadable goes to `refuse`, before the positions move.
    """

    topic: str
    spans: tuple[Span, ...]
    records: tuple[Received[T], ...]
    refuse: Callable[[Raw, Malformed], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Subscription(Generic[T]):
    """What a consumer group reads and how.

    `decode` raises Malformed. `trusted` topics are our own: too many dead letters there stop the partition, and an
    offset out of range stops the service. On others both are alerted, and reading goes on.
    """

    group: str
    topics: tuple[str, ...] | str  # names, or a pattern of names
    decode: Callable[[Raw], T]
    trusted: bool
    batch: int = 500


class Consumer(Generic[T]):
    """Feeds the records of a subscription to `process`, which returns once the effect is durable."""

    def __init__(
        self,
        subscription: Subscription[T],
        process: Callable[[Batch[T]], Awaitable[None]],
        *,
        frame: Frame,
        positions: Positions,
        dead_letters: DeadLetters,
    ) -> None:
        self._subscription = subscription
        self._process = process
        self._kafka = frame.kafka
        self._positions = positions
        self._dead_letters = dead_letters
        self._clock = frame.clock
        self._health = frame.health
        self._metrics = frame.metrics
        self._lanes: dict[TopicPartition, Lane] = {}
        self._read_before: dict[TopicPartition, int] = {}
        self._frame = frame

    async def run(self, stop: asyncio.Event) -> None:
        """Consumes until stopped; what is in hand is finished first.

        Raises:
            Halt: if going on would lose or invent records.
        """
        group = self._subscription.group
        self._consumer = self._kafka.consumer(group, max_poll_records=self._subscription.batch)
        self._assignments = Assignments(self._consumer)
        self._standing = Standing(self._frame, group, self._consumer, self._assignments)
        self._subscribe()
        try:
            await start_client(self._consumer)
            while not stop.is_set():
                self._health.turned(group)
                await self._turn()
            await self._standing.tell(self._where())
        except KafkaError as error:
            raise Halt(f"{group}: Kafka refused: {type(error).__name__} {error}") from error
        finally:
            await self._consumer.stop()
            self._health.ended(group)

    def _subscribe(self) -> None:
        wanted = self._subscription.topics
        if isinstance(wanted, str):
            prefix = re.escape(self._kafka.topic(""))
            self._consumer.subscribe(pattern=f"^{prefix}{wanted}$", listener=self._assignments)
        else:
            self._consumer.subscribe([self._kafka.topic(name) for name in wanted], listener=self._assignments)

    async def _turn(self) -> None:
        """One round: take over what is new, read what is there, tell how it goes."""
        await self._take_over()
        self._resume_due()
        try:
            fetched = await self._assignments.fetch(POLL_MS)
        except OffsetOutOfRangeError as error:
            await self._out_of_range(error)
            return
        except UnicodeDecodeError:
            await self._past_undecodable()
            return
        for partitions in self._together(fetched):
            if len(partitions) == 1 or not await self._fed_together({one: fetched[one] for one in partitions}):
                for partition in partitions:
                    if self._assignments.settled and partition in self._lanes:
                        await self._feed(partition, fetched[partition])
        if self._standing.is_due():
            await self._standing.tell(self._where())
            self._tell_metrics()

    async def _take_over(self) -> None:
        """Seeks what is newly ours to where its effects stand; tries again at the next turn if that cannot be told."""
        assigned = self._assignments.new
        if assigned is None:
            return
        what = f"{self._subscription.group} takes over"
        try:
            known = await self._positions.load([self._name(partition) for partition in assigned])
            lanes = {partition: await self._lane(partition, known.get(self._name(partition))) for partition in assigned}
            for partition, lane in lanes.items():
                self._consumer.seek(partition, lane.position)
                self._consumer.resume(partition)
        except (Transient, KafkaError) as error:
            # an IllegalStateError among them: assigned anew meanwhile, and the listener holds the newer set
            self._health.waits(what, f"{type(error).__name__} {error}")
            return
        self._health.goes_on(what)
        for partition in self._lanes:  # what waited here starts afresh, or waits elsewhere
            self._health.goes_on(f"{self._group} {partition.topic}[{partition.partition}]")
        self._lanes = lanes
        self._assignments.taken(assigned)

    async def _lane(self, partition: TopicPartition, known: int | None) -> Lane:
        committed = await self._consumer.committed(partition)
        if committed is not None and (known is None or known < committed):
            raise Halt(
                f"{partition.topic}[{partition.partition}] has been read up to {committed}, but the database knows of "
                f"{known or 'nothing'}: it was lost or restored. Stop all replicas and run `nps recover`"
            )
        if known is None:
            known = (await self._consumer.beginning_offsets([partition]))[partition]
            self._standing.nothing_read(partition, known)
        self._read_before[partition] = committed or 0
        return Lane(known, trusted=self._subscription.trusted)

    def _resume_due(self) -> None:
        now = self._clock.now()
        held = self._consumer.assignment()
        for partition, lane in self._lanes.items():
            if lane.is_due(now) and partition in held:
                lane.paused_until = None
                self._consumer.resume(partition)

    def _together(self, partitions: Iterable[TopicPartition]) -> Iterable[Sequence[TopicPartition]]:
        """Partitions of one topic go together, but for those whose last batch failed."""
        groups: dict[str | TopicPartition, list[TopicPartition]] = {}
        for partition in partitions:
            lane = self._lanes.get(partition)
            groups.setdefault(partition if lane and lane.one_at_a_time else partition.topic, []).append(partition)
        return groups.values()

    async def _fed_together(self, fetched: Mapping[TopicPartition, Sequence[ConsumerRecord[bytes, bytes]]]) -> bool:
        """Feeds several partitions at once; whether there is nothing left to do for each of them.

        Raises:
            Halt: if going on would lose or invent records.
        """
        if not self._assignments.settled or not self._lanes.keys() >= fetched.keys():
            return False
        waiting = {partition: self._waiting(partition, records) for partition, records in fetched.items()}
        try:
            await self._attempt(waiting)
        except Fenced:
            self._assignments.again()
        except Transient as error:
            for partition, raws in waiting.items():
                if raws and self._assignments.settled:
                    await self._failed(partition, self._lanes[partition], raws, error)
        except Halt:
            raise
        except Exception as error:  # noqa: BLE001 whose fault it is shows when each goes by itself
            _log.info("batch.apart", topic=next(iter(waiting)).topic, error=type(error).__name__)
            return False
        return True

    def _waiting(self, partition: TopicPartition, records: Sequence[ConsumerRecord[bytes, bytes]]) -> list[Raw]:
        """Records from the position on; none where nothing is read any more."""
        lane, topic = self._lanes[partition], self._kafka.short(partition.topic)
        return [Raw.of(record, topic) for record in records if record.offset >= lane.position and not lane.broken]

    async def _feed(self, partition: TopicPartition, records: Sequence[ConsumerRecord[bytes, bytes]]) -> None:
        lane = self._lanes[partition]
        waiting = self._waiting(partition, records)
        while waiting and not lane.broken:
            taken = 1 if lane.one_at_a_time else len(waiting)
            try:
                await self._attempt({partition: waiting[:taken]})
            except Fenced:
                self._assignments.again()
                return
            except Halt:
                raise
            except Exception as error:  # noqa: BLE001 the one place: whatever it is, the record is not lost
                await self._failed(partition, lane, waiting[:taken], error)
                if lane.paused_until is not None or not self._assignments.settled:
                    return
            waiting = [raw for raw in waiting if raw.offset >= lane.position]

    async def _attempt(self, portions: Mapping[TopicPartition, Sequence[Raw]]) -> None:
        """Processes what there is of one topic, all or nothing."""
        started = time.perf_counter()
        records: list[Received[T]] = []
        ends: dict[TopicPartition, int] = {}
        for partition, raws in portions.items():
            decoded, ends[partition] = await self._decoded(partition, self._lanes[partition], raws)
            records += decoded
        numbered = {partition.partition: partition for partition in portions}

        async def refuse(raw: Raw, error: Malformed) -> None:
            partition = numbered[raw.partition]
            await self._refuse(partition, self._lanes[partition], raw, error)

        topic = self._kafka.short(next(iter(portions)).topic)
        spans = tuple(Span(one.partition, self._lanes[one].position, end) for one, end in ends.items())
        await self._process(Batch(topic, spans, tuple(records), refuse))
        for partition, end in ends.items():
            self._advanced(partition, self._lanes[partition], end)
        self._metrics.count("nps_records_total", len(records), group=self._group, topic=topic, outcome="done")
        self._metrics.observe("nps_batch_seconds", time.perf_counter() - started, group=self._group)

    async def _decoded(
        self, partition: TopicPartition, lane: Lane, raws: Sequence[Raw]
    ) -> tuple[list[Received[T]], int]:
        """What the records of a partition say, and the position after those that were looked at."""
        records: list[Received[T]] = []
        end = lane.position
        for raw in raws:
            try:
                records.append(Received(raw, self._subscription.decode(raw)))
                lane.saw(raw.offset, dead=False)
            except Malformed as error:
                await self._refuse(partition, lane, raw, error)
            end = raw.offset + 1
            if lane.broken:
                break
        return records, end

    async def _failed(self, partition: TopicPartition, lane: Lane, raws: Sequence[Raw], error: Exception) -> None:
        """Waits, or buries the one record that fails alone.

        Transient says by itself that a dependency is away: probes ask for little, and may be answered all the same.
        """
        away = f"{type(error).__name__}: {error}" if isinstance(error, Transient) else None
        down = await self._health.anything_down() or away
        now, spread = self._clock.now(), random.random()  # noqa: S311 spreads retries, guards nothing
        _log.warning(
            "batch.failed",
            topic=partition.topic,
            partition=partition.partition,
            offset=raws[0].offset,
            records=len(raws),
            error=type(error).__name__,
            down=down,
            exc_info=down is None,
        )
        hopeless = isinstance(error, Malformed) and len(raws) == 1
        if down:
            follows = lane.dependency_down(now, spread)
        else:
            follows = Next.BURY if hopeless else lane.failed(raws[-1].offset, now, spread)
        if follows is Next.BURY:
            try:
                await self._refuse(partition, lane, raws[0], error, attempts=1 if hopeless else TRIES)
                await self._process(self._skip(partition, lane.position, raws[0].offset + 1))
                self._advanced(partition, lane, raws[0].offset + 1)
                return
            except Fenced:
                self._assignments.again()
                return
            except Transient as unavailable:
                down = str(unavailable)
                lane.dependency_down(now, spread)
        if partition in self._consumer.assignment():
            self._consumer.pause(partition)
            self._consumer.seek(partition, lane.position)
        self._health.waits(f"{self._group} {partition.topic}[{partition.partition}]", down or "a batch fails")

    async def _refuse(
        self, partition: TopicPartition, lane: Lane, raw: Raw, error: Exception, *, attempts: int = 1
    ) -> None:
        """Makes a dead letter, unless this group has made it before."""
        if lane.is_dead(raw.offset):
            return
        if raw.offset >= self._read_before.get(partition, 0):
            letter = await self._dead_letters.write(raw, error, attempts=attempts, now=self._clock.now())
            _log.warning(
                "record.dead",
                letter=str(letter),
                topic=raw.topic,
                partition=raw.partition,
                offset=raw.offset,
                error=type(error).__name__,
                reason=str(error) if isinstance(error, Malformed) else None,
            )
            self._metrics.count(
                "nps_dead_letters_total", group=self._group, topic=raw.topic, error=type(error).__name__
            )
        if lane.saw(raw.offset, dead=True):
            _log.error("partition.too_many_dead", topic=raw.topic, partition=raw.partition, stopped=lane.broken)
        if lane.broken:
            if partition in self._consumer.assignment():
                self._consumer.pause(partition)
            self._health.waits(f"{self._group} {partition.topic}[{raw.partition}]", "half of its records are dead")

    def _advanced(self, partition: TopicPartition, lane: Lane, end: int) -> None:
        lane.advanced(end)
        if not lane.broken:
            self._health.goes_on(f"{self._group} {partition.topic}[{partition.partition}]")

    async def _past_undecodable(self) -> None:
        """Kafka's client hands over no record with a header whose name is not UTF-8, nor those that came with it.

        So each partition is read anew from where it stands, and the one at fault a record at a time up to that record.
        """
        for partition in self._consumer.assignment() & self._lanes.keys():
            self._consumer.seek(partition, self._lanes[partition].position)
        for partition, lane in self._lanes.items():
            if lane.broken or lane.paused_until is not None or not self._holds(partition):
                continue
            try:
                fetched = await self._consumer.getmany(partition, timeout_ms=POLL_MS)
                await self._feed(partition, fetched.get(partition, ()))
            except UnicodeDecodeError:
                self._consumer.seek(partition, lane.position)
                await self._bury_undecodable(partition, lane)

    async def _bury_undecodable(self, partition: TopicPartition, lane: Lane) -> None:
        while lane.paused_until is None and not lane.broken and self._holds(partition):
            try:
                fetched = await self._consumer.getmany(partition, timeout_ms=POLL_MS, max_records=1)
                await self._feed(partition, fetched.get(partition, ()))
            except UnicodeDecodeError:
                at = await self._consumer.position(partition)
                raw = Raw(*self._name(partition), at, self._clock.now(), None, None, ())
                refused = Malformed.of("headers", "a name is not UTF-8, so that the record cannot be handed over")
                await self._failed(partition, lane, [raw], refused)
                if self._holds(partition):
                    self._consumer.seek(partition, lane.position)
                return

    def _holds(self, partition: TopicPartition) -> bool:
        """Whether a partition may be read and seeked: from the start of a rebalance it may not."""
        return self._assignments.settled and partition in self._consumer.assignment()

    async def _out_of_range(self, error: OffsetOutOfRangeError) -> None:
        """Records we have not read are gone. Never passed over in silence, and never on our own topics."""
        for partition, offset in error.args[0].items():
            if self._subscription.trusted:
                raise Halt(
                    f"{partition.topic}[{partition.partition}] does not hold offset {offset} any more"
                ) from error
            try:
                await self._pass_over(partition, offset)
            except (Fenced, Transient, KafkaError):
                self._assignments.again()
                return

    async def _pass_over(self, partition: TopicPartition, offset: int) -> None:
        lane = self._lanes.get(partition)
        if lane is None:
            return
        first = (await self._consumer.beginning_offsets([partition]))[partition]
        await self._process(self._skip(partition, lane.position, first))
        lane.advanced(first)
        self._consumer.seek(partition, first)
        _log.error("records.missed", topic=partition.topic, partition=partition.partition, since=offset, until=first)
        missed, topic = max(first - offset, 0), self._kafka.short(partition.topic)
        self._metrics.count("nps_records_missed_total", missed, group=self._group, topic=topic)

    def _skip(self, partition: TopicPartition, start: int, end: int) -> Batch[T]:
        async def refuse(_raw: Raw, _error: Malformed) -> None:
            raise AssertionError("a batch without records refuses none")

        topic, number = self._name(partition)
        return Batch(topic, (Span(number, start, end),), (), refuse)

    def _where(self) -> dict[TopicPartition, int]:
        return {partition: lane.position for partition, lane in self._lanes.items()}

    def _tell_metrics(self) -> None:
        paused: dict[str, int] = {}
        broken: dict[str, int] = {}
        for partition, lane in self._lanes.items():
            topic = self._kafka.short(partition.topic)
            paused[topic] = paused.get(topic, 0) + (lane.paused_until is not None)
            broken[topic] = broken.get(topic, 0) + lane.broken
        for topic, number in paused.items():
            self._metrics.set("nps_partition_paused", number, group=self._group, topic=topic)
            self._metrics.set("nps_partition_broken", broken[topic], group=self._group, topic=topic)

    @property
    def _group(self) -> str:
        return self._subscription.group

    def _name(self, partition: TopicPartition) -> tuple[str, int]:
        return self._kafka.short(partition.topic), partition.partition
