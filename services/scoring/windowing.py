"""Publishes scores of the partitions this worker is assigned, from counts that every worker holds.

A worker that takes a partition over fences first; it publishes once it has counted up to where tallies ended and has
read what its predecessor told, so that a period that was final is not told as final again. A score is published when
its counts change, at most once a second, and hourly in any case; since the windows move with the clock, counts change
without any new answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from time import thread_time
from typing import TYPE_CHECKING, Final

from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition

from schemas.malformed import Malformed
from schemas.topics import SCORES, TALLIES
from services.chassis.assignments import Assignments
from services.chassis.failures import Halt, Transient
from services.chassis.kafka import start_client
from services.chassis.logs import logger
from services.chassis.reading import open_reader
from services.chassis.records import Cause, Outgoing, outgoing
from services.chassis.standing import Standing
from services.scoring.alerting import Alerting, Owned
from services.scoring.book import SERIES, SegmentKey
from services.scoring.fences import Fence
from services.scoring.measuring import Measured, Named, score_of
from services.scoring.news import SegmentNews
from services.scoring.pace import Pace
from services.scoring.shelf import Shelf, ends_of

if TYPE_CHECKING:
    from aiokafka import AIOKafkaConsumer

    from schemas.score import Score
    from services.chassis.business import Sections
    from services.chassis.frame import Frame
    from services.chassis.metrics import Metrics
    from services.scoring.metrics import AnyMetric
    from services.scoring.settings import ScoringSection

GROUP: Final = "scoring.windows"
ROLL_EVERY: Final = timedelta(seconds=30)
AGAIN_AFTER: Final = timedelta(seconds=1)
SEGMENTS_A_STEP: Final = 20
RECORDS_A_TRANSACTION: Final = 500
"""A transaction holds no fewer than all of a segment: a period that changed goes with the one compared with it."""

_log = logger("windows")


@dataclass(slots=True)
class _Owned:
    """One partition of tallies to publish for: the right to, what has been told, and which segments may have news."""

    place: int
    fence: Fence
    news: dict[SegmentKey, SegmentNews] = field(default_factory=dict)
    waiting: set[SegmentKey] = field(default_factory=set)
    roll_due: datetime | None = None
    counted_to: int = 0
    asked: int | None = None
    told_up_to: int = 0
    """Where scores ended in the term of the fence that `asked` names: what a predecessor told lies before it."""
    recalled: int | None = None
    """The term in which that has been taken over."""

    def begin(self) -> None:
        """Forgets what has been told."""
        self.news.clear()
        self.waiting.clear()
        self.roll_due = None

    def of(self, key: SegmentKey) -> SegmentNews:
        """What has been told of one segment."""
        found = self.news.get(key)
        if found is None:
            found = self.news[key] = SegmentNews(key[2])
        return found


@dataclass(frozen=True, slots=True)
class _Item:
    """One score to publish."""

    key: SegmentKey
    measured: Measured
    score: Score


class Windowing:
    """The windows of one worker."""

    def __init__(
        self,
        frame: Frame,
        shelf: Shelf,
        alerting: Alerting,
        sections: Sections[ScoringSection],
        *,
        at_most_every: timedelta,
    ) -> None:
        self._frame = frame
        self._kafka = frame.kafka
        self._clock = frame.clock
        self._health = frame.health
        self._metrics: Metrics[AnyMetric] = frame.metrics
        self._sections = sections
        self._shelf = shelf
        self._alerting = alerting
        self._pace = Pace(at_most_every)
        self._owned: dict[TopicPartition, _Owned] = {}
        self._judged: list[Owned] = []

    async def run(self, stop: asyncio.Event) -> None:
        """Reads tallies until stopped.

        Raises:
            Halt: if Kafka refuses.
        """
        consumer = self._kafka.consumer(GROUP, max_poll_records=1)
        assignments = Assignments(consumer)
        self._standing = Standing(self._frame, GROUP, consumer, assignments)
        consumer.subscribe([self._kafka.topic(TALLIES.name)], listener=assignments)
        async with AsyncExitStack() as stack:
            try:
                self._reader = await stack.enter_async_context(open_reader(self._kafka, reset="none"))
                stack.push_async_callback(self._close)
                stack.push_async_callback(consumer.stop)
                await self._shelf.begin(self._reader)
                await start_client(consumer)
                while not stop.is_set():
                    self._health.turned(GROUP)
                    if not await self._turned(consumer, assignments):
                        await asyncio.sleep(AGAIN_AFTER.total_seconds())
                with self._health.pausing(GROUP):
                    await self._tell()
            except (KafkaError, Transient) as error:
                raise Halt(f"{GROUP}: Kafka refused: {type(error).__name__} {error}") from error
            finally:
                self._health.ended(GROUP)

    async def _turned(self, consumer: AIOKafkaConsumer[bytes, bytes], assignments: Assignments) -> bool:
        """Whether a turn could be made; if Kafka does not answer, it is waited for without end."""
        with self._health.pausing(GROUP):
            await self._turn(consumer, assignments)
            return True
        return False

    async def _turn(self, consumer: AIOKafkaConsumer[bytes, bytes], assignments: Assignments) -> None:
        if assignments.new is not None:
            await self._take_over(consumer, assignments)
        await assignments.fetch(0)  # what it holds is paused: this tells Kafka that the member is alive
        await self._shelf.turn(self._reader)
        if self._standing.is_due():
            await self._tell()

    async def _tell(self) -> None:
        ends = ends_of(await self._reader.ends(), TALLIES.name)
        positions = {partition: self._shelf.position(TALLIES.name, partition.partition) for partition in self._owned}
        await self._standing.tell(positions, {partition: ends[partition.partition] for partition in self._owned})

    async def _take_over(self, consumer: AIOKafkaConsumer[bytes, bytes], assignments: Assignments) -> None:
        """Gives up what is no longer ours; what is new has been read already, and stays paused."""
        assigned = assignments.new or set()
        for partition in set(self._owned) - assigned:
            self._shelf.book(partition.partition).changed = None
            await self._owned.pop(partition).fence.close()
        try:
            for partition in assigned:
                consumer.seek(partition, 0)  # or Kafka's client looks for an offset that may not be there
                if partition not in self._owned:
                    self._owned[partition] = _Owned(partition.partition, self._fence(partition.partition))
        except KafkaError as error:
            # an IllegalStateError among them: assigned anew meanwhile, and the listener holds the newer set
            self._health.waits(f"{GROUP} takes over", f"{type(error).__name__} {error}")
            return
        self._health.goes_on(f"{GROUP} takes over")
        assignments.taken(assigned)

    def _fence(self, place: int) -> Fence:
        async def end() -> int:
            return (await self._reader.ends())[TALLIES.name, place]

        return Fence(self._kafka, f"windows.{place}", end)

    async def publish_due(self) -> None:
        """One round, if one is due; then alerts, which know themselves when their turn has come."""
        loop, now = asyncio.get_running_loop(), self._clock.now()
        if self._pace.is_due(loop.time()):
            worked = thread_time()
            self._shelf.look()
            await self._publish_all(now)
            # whoever takes over must not wait because others had much to tell
            taking_over = len(self._judged) < len(self._owned)
            self._pace.ended(loop.time(), 0 if taking_over else thread_time() - worked)
        await self._alerting.evaluate_due(self._judged, now)

    async def _publish_all(self, now: datetime) -> None:
        """Scores of segments that changed, and of all of them when the windows have moved."""
        judged = []
        for partition, owned in list(self._owned.items()):
            if await self._is_ready(owned, now):
                owned.counted_to = await self._shelf.settle(owned.place)
                self._note_news(owned, now)
                await self._publish(partition, owned, now)
                judged.append(self._as_judged(partition, owned))
        self._judged = judged

    async def _is_ready(self, owned: _Owned, now: datetime) -> bool:
        """Whether a generation stands, this worker has fenced and caught up, and knows what has been told."""
        if not self._shelf.book(owned.place).shown:
            return False
        position = self._shelf.position(TALLIES.name, owned.place)
        return await owned.fence.ready(position, now) and await self._recall(owned)

    def _as_judged(self, partition: TopicPartition, owned: _Owned) -> Owned:
        """One partition as alerts look at it."""
        return Owned(
            partition=owned.place,
            fence=owned.fence,
            position=lambda: owned.counted_to,
            counts=lambda: {key: held.between for key, held in self._shelf.book(owned.place).of("all").items()},
            is_held=lambda: self._owned.get(partition) is owned,
        )

    async def _recall(self, owned: _Owned) -> bool:
        """Takes over what has been told before, once this worker has fenced; false while that is still being read."""
        term = owned.fence.term
        if owned.recalled == term:
            return True
        if owned.asked != term:
            try:
                owned.told_up_to = (await self._reader.ends())[SCORES.name, owned.place]
            except Transient as error:
                _log.warning("recall.failed", place=owned.place, reason=str(error))
                return False
            owned.asked = term
        if self._shelf.position(SCORES.name, owned.place) < owned.told_up_to:
            return False
        owned.begin()
        try:
            for posted in self._shelf.board.posted(owned.place):
                key = (posted.tenant, posted.segment, posted.series)
                owned.of(key).remember(posted.period, posted.state, posted.histogram)
                owned.waiting.add(key)
        except Malformed as error:
            raise Halt(f"{SCORES.name}[{owned.place}]: {error}") from error
        self._shelf.book(owned.place).watch()
        owned.recalled = term
        return True

    def _note_news(self, owned: _Owned, now: datetime) -> None:
        """Which segments may have news: those whose days changed, and all of them when the windows have moved."""
        book = self._shelf.book(owned.place)
        changed, book.changed = book.changed or {}, {}
        for key, days in changed.items():
            owned.of(key).doubt(days, self._sections.of(key[0]))
        owned.waiting |= changed.keys()
        if owned.roll_due is None or now >= owned.roll_due:
            owned.roll_due = now + ROLL_EVERY
            owned.waiting |= {(*segment, series) for series in SERIES for segment in book.of(series)}

    async def _publish(self, partition: TopicPartition, owned: _Owned, now: datetime) -> None:
        waiting = list(owned.waiting)
        while waiting and self._owned.get(partition) is owned:
            keys: list[SegmentKey] = []
            items: list[_Item] = []
            while waiting and len(keys) < SEGMENTS_A_STEP and len(items) < RECORDS_A_TRANSACTION:
                keys.append(waiting.pop())
                items += self._news(owned, keys[-1], now)
            if items and not await owned.fence.publish([_outgoing(item.score, now) for item in items], now):
                return
            for item in items:
                owned.of(item.key).told(item.measured, now)
            owned.waiting.difference_update(keys)
            self._metrics.count("nps_scores_published_total", len(items))
            await asyncio.sleep(0)

    def _news(self, owned: _Owned, key: SegmentKey, now: datetime) -> Iterator[_Item]:
        tenant, segment, series = key
        counts = self._shelf.book(owned.place).of(series).get((tenant, segment))
        if counts is None or not self._sections.knows(tenant):
            return
        section = self._sections.of(tenant)
        for measured in owned.of(key).due(counts, section, now):
            yield _Item(key, measured, score_of(Named(tenant, segment, series), measured, section, now))

    async def _close(self) -> None:
        while self._owned:
            _, owned = self._owned.popitem()
            await owned.fence.close()


def _outgoing(score: Score, now: datetime) -> Outgoing:
    event_id = f"{score.tenant}/{score.segment}/{score.window.name}/{int(now.timestamp() * 1000)}"
    return outgoing(SCORES, score, event_id, Cause("scoring", now))
