"""Turns tallies into scores: reads `nps.tallies` from its start, keeps the counts in memory, publishes `nps.scores`.

The compacted topic is its own memory: a worker that takes a partition over reads it whole, fences, and publishes once
it has caught up. A score is published when its counts change, at most once a second, and hourly in any case; since the
windows move with the clock, counts change without any new answer.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition

from schemas.malformed import Malformed
from schemas.score import Interval, Score, Window
from schemas.topics import SCORES, TALLIES
from services.chassis.assignments import Assignments
from services.chassis.failures import Halt, Transient
from services.chassis.logs import logger
from services.chassis.records import Cause, Outgoing, Raw, outgoing
from services.chassis.standing import Standing
from services.scoring.alerting import Alerting, Owned
from services.scoring.fences import Fence
from services.scoring.score import Counts, Spanned, interval, needed, nps, sample
from services.scoring.verdicts import benchmarks_of, target_of, verdict_of
from services.scoring.windows import CellContent, Histogram, RollingWindow, SegmentCounts, previous

if TYPE_CHECKING:
    from aiokafka import AIOKafkaConsumer

    from services.chassis.business import Sections
    from services.chassis.frame import Frame
    from services.chassis.metrics import Metrics
    from services.scoring.metrics import AnyMetric
    from services.scoring.settings import ScoringSection

GENERATION: Final = "g1"
GROUP: Final = "scoring.windows"
POLL_MS: Final = 200
RECORDS_A_TURN: Final = 2_000
AT_LEAST_EVERY: Final = timedelta(hours=1)
ROLL_EVERY: Final = timedelta(seconds=30)
SEGMENTS_A_STEP: Final = 20

_log = logger("windows")

SegmentKey = tuple[str, str]
"""Tenant and segment."""


@dataclass(slots=True)
class _Published:
    """What was last said about one window."""

    histogram: Histogram
    before: Histogram | None
    at: datetime


@dataclass(slots=True)
class _Segment:
    counts: SegmentCounts = field(default_factory=SegmentCounts)
    published: dict[str, _Published] = field(default_factory=dict)
    not_before: datetime | None = None


@dataclass(slots=True)
class _Partition:
    """One partition of tallies: its segments, which of them changed, and the right to publish their scores."""

    fence: Fence
    position: int
    segments: dict[SegmentKey, _Segment] = field(default_factory=dict)
    changed: set[SegmentKey] = field(default_factory=set)
    roll_due: datetime | None = None


class Windowing:
    """The windows of one worker."""

    def __init__(
        self,
        frame: Frame,
        sections: Sections[ScoringSection],
        alerting: Alerting,
        *,
        at_most_every: timedelta,
    ) -> None:
        self._frame = frame
        self._kafka = frame.kafka
        self._clock = frame.clock
        self._health = frame.health
        self._metrics: Metrics[AnyMetric] = frame.metrics
        self._sections = sections
        self._alerting = alerting
        self._at_most_every = at_most_every
        self._partitions: dict[TopicPartition, _Partition] = {}

    async def run(self, stop: asyncio.Event) -> None:
        """Reads tallies until stopped.

        Raises:
            Halt: if Kafka refuses.
        """
        consumer = self._kafka.consumer(GROUP, max_poll_records=RECORDS_A_TURN)
        assignments = Assignments(consumer)
        self._standing = Standing(self._frame, GROUP, consumer, assignments)
        consumer.subscribe([self._kafka.topic(TALLIES.name)], listener=assignments)
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._close)
            stack.push_async_callback(consumer.stop)
            try:
                await consumer.start()
                while not stop.is_set():
                    self._health.turned(GROUP)
                    await self._turn(consumer, assignments)
                await self._standing.tell(self._where())
            except KafkaError as error:
                raise Halt(f"{GROUP}: Kafka refused: {type(error).__name__} {error}") from error
            finally:
                self._health.ended(GROUP)

    async def _turn(self, consumer: AIOKafkaConsumer[bytes, bytes], assignments: Assignments) -> None:
        if assignments.new is not None:
            await self._take_over(consumer, assignments)
        fetched = await assignments.fetch(POLL_MS)
        for partition, records in fetched.items():
            held = self._partitions.get(partition)
            if held is None or not assignments.settled:
                continue
            for record in records:
                self._apply(held, Raw.of(record, TALLIES.name))
        if assignments.settled:
            for partition, held in self._partitions.items():
                held.position = await consumer.position(partition)
        if self._standing.is_due():
            await self._standing.tell(self._where())

    async def _take_over(self, consumer: AIOKafkaConsumer[bytes, bytes], assignments: Assignments) -> None:
        """Forgets what is no longer ours and reads what is new from its start."""
        assigned = assignments.new or set()
        for partition in set(self._partitions) - assigned:
            await self._partitions.pop(partition).fence.close()
        if not assigned:
            return
        try:
            starts = await consumer.beginning_offsets(list(assigned))
            for partition in assigned:
                if partition not in self._partitions:
                    self._partitions[partition] = _Partition(self._fence(consumer, partition), starts[partition])
                consumer.seek(partition, self._partitions[partition].position)
                consumer.resume(partition)
        except KafkaError as error:
            # an IllegalStateError among them: assigned anew meanwhile, and the listener holds the newer set
            self._health.waits(f"{GROUP} takes over", f"{type(error).__name__} {error}")
            return
        self._health.goes_on(f"{GROUP} takes over")
        assignments.taken(assigned)

    def _fence(self, consumer: AIOKafkaConsumer[bytes, bytes], partition: TopicPartition) -> Fence:
        async def end() -> int:
            try:
                return int((await consumer.end_offsets([partition]))[partition])
            except KafkaError as error:
                raise Transient(f"Kafka: {type(error).__name__}") from error

        return Fence(self._kafka, f"windows.{partition.partition}", end)

    def _apply(self, held: _Partition, raw: Raw) -> None:
        if raw.value is None:
            return  # a generation that is no more
        try:
            tally = TALLIES.decode(raw.headers, raw.value)
        except Malformed as error:
            # Nobody but the tally writes here, in fenced transactions: this is not ours to pass over.
            raise Halt(f"{TALLIES.name}[{raw.partition}] at {raw.offset}: {error}") from error
        if tally.generation != GENERATION or tally.series != "all" or not self._sections.knows(tally.tenant):
            return
        key = (tally.tenant, tally.segment)
        segment = held.segments.setdefault(key, _Segment())
        content = CellContent(tally.offset, tally.resolution, tally.counts)
        segment.counts.replace(tally.day, tally.partition, content)
        held.changed.add(key)

    async def publish_due(self) -> None:
        """One round: scores of segments that changed, and of all of them when the windows have moved."""
        now = self._clock.now()
        for partition, held in list(self._partitions.items()):
            if not await held.fence.ready(held.position, now):
                continue
            if held.roll_due is None or now >= held.roll_due:
                held.roll_due = now + ROLL_EVERY
                held.changed |= held.segments.keys()
            await self._publish(partition, held, now)
        await self._alerting.evaluate_due([self._owned(*one) for one in self._partitions.items()], now)

    def _owned(self, partition: TopicPartition, held: _Partition) -> Owned:
        return Owned(
            partition=partition.partition,
            fence=held.fence,
            position=lambda: held.position,
            counts=lambda: {key: segment.counts.between for key, segment in held.segments.items()},
            is_held=lambda: self._partitions.get(partition) is held,
        )

    async def _publish(self, partition: TopicPartition, held: _Partition, now: datetime) -> None:
        due = [key for key in held.changed if _is_due(held.segments[key], now)]
        for start in range(0, len(due), SEGMENTS_A_STEP):
            keys = due[start : start + SEGMENTS_A_STEP]
            held.changed.difference_update(keys)
            told = [item for key in keys for item in self._news(key, held.segments[key], now)]
            records = [_outgoing(score, now) for _, _, score in told]
            if self._partitions.get(partition) is not held:
                return
            if records and not await held.fence.publish(records, now):
                held.changed.update(keys)
                return
            for segment, said, score in told:
                segment.published[score.window.name] = said
                segment.not_before = now + self._at_most_every
            self._metrics.count("nps_scores_published_total", len(records))
            await asyncio.sleep(0)

    def _news(self, key: SegmentKey, segment: _Segment, now: datetime) -> list[tuple[_Segment, _Published, Score]]:
        """Scores of a segment that differ from what was last said, or were said an hour ago."""
        tenant, name = key
        section = self._sections.of(tenant)
        found = []
        for window in section.rolling():
            start = window.start(now)
            histogram = segment.counts.between(start, None)
            span = previous(window, now)
            before = segment.counts.between(*span) if span else None
            said = segment.published.get(window.name)
            if said and (said.histogram, said.before) == (histogram, before) and now - said.at < AT_LEAST_EVERY:
                continue
            edge = segment.counts.edge_minutes(start)
            score = score_of(tenant, name, Measured(window, start, edge, histogram, before), section, now)
            found.append((segment, _Published(histogram, before, now), score))
        return found

    def _where(self) -> dict[TopicPartition, int]:
        return {partition: held.position for partition, held in self._partitions.items()}

    async def _close(self) -> None:
        while self._partitions:
            _, held = self._partitions.popitem()
            await held.fence.close()


@dataclass(frozen=True, slots=True)
class Measured:
    """One window of one segment as counted."""

    window: RollingWindow
    start: datetime | None
    edge_minutes: int
    histogram: Histogram
    before: Histogram | None


def score_of(tenant: str, segment: str, measured: Measured, section: ScoringSection, now: datetime) -> Score:
    """The score of a window with everything it is worth."""
    counts = Counts.of(measured.histogram)
    points, bounds = nps(counts), interval(counts, section.level)
    missing = needed(counts, section.margin, section.level)
    target = section.targets.get(segment)
    span = previous(measured.window, now)
    before = Spanned(Counts.of(measured.before), *span) if measured.before is not None and span else None
    verdict = verdict_of(Spanned(counts, measured.start, now), before, section.level) if before else None
    return Score(
        tenant=tenant,
        segment=segment,
        window=Window(
            name=measured.window.name,
            kind="all_time" if measured.start is None else "rolling",
            start=measured.start,
            end=now,
            edge_minutes=measured.edge_minutes,
        ),
        as_of=now,
        n=counts.n,
        promoters=counts.promoters,
        passives=counts.passives,
        detractors=counts.detractors,
        histogram=measured.histogram,
        nps=points,
        interval=Interval(low=bounds.low, high=bounds.high, level=section.level) if bounds else None,
        verdict=verdict,
        enough=counts.n > 0 and missing == 0,
        needed=missing,
        target=target_of(counts, target),
        distance=points - target.value if target and points is not None else None,
        sample=sample(counts.n),
        benchmarks=benchmarks_of(section.benchmarks.get(segment, ())),
    )


def _is_due(segment: _Segment, now: datetime) -> bool:
    return segment.not_before is None or now >= segment.not_before


def _outgoing(score: Score, now: datetime) -> Outgoing:
    event_id = f"{score.tenant}/{score.segment}/{score.window.name}/{int(now.timestamp() * 1000)}"
    return outgoing(SCORES, score, event_id, Cause("scoring", now))
