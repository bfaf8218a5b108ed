"""Holds what stands on `nps.tallies` against a plain recount of `nps.responses`, for a sample of segments.

Where the tally has come to is asked first, and answers are recounted up to there: a cell that has been published of
later answers is told as changed meanwhile, never as wrong. One that may only wait to be published is looked at again.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import KW_ONLY, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from secrets import SystemRandom
from typing import TYPE_CHECKING, Final

from aiokafka.errors import KafkaError, OffsetOutOfRangeError
from aiokafka.structs import TopicPartition

from schemas.malformed import Malformed
from schemas.tally import ALL, Series, Tally
from schemas.topic import join_key, partition_of, split_key
from schemas.topics import PEOPLE, RESPONSES, TALLIES
from services.chassis.consumer_groups import members_of
from services.chassis.failures import Halt, Refused, Transient
from services.chassis.kafka import start_client
from services.chassis.reading import Reader, open_reader
from services.chassis.records import Raw
from services.chassis.recovering import committed_offsets
from services.scoring import counted
from services.scoring.recount import FINE_MINUTES, Compared, Place, Published, Recount, Revision
from services.scoring.segments import Rules
from services.scoring.tally import COMMENTED, Answer

if TYPE_CHECKING:
    from aiokafka.structs import ConsumerRecord

    from services.chassis.kafka import Kafka

SAMPLE: Final = 10
CATCHES_UP_WITHIN: Final = timedelta(seconds=10)
LOOKS_AGAIN_FOR: Final = timedelta(seconds=10)
"""Longer than changed cells wait to be published while a worker has much to catch up with."""
LOOK_EVERY_S: Final = 0.2
POLL_MS: Final = 200
MOST_DIFFERENT: Final = 1_000
RECORDS_AT_ONCE: Final = 5_000
REMEMBERED: Final = 16_384

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MS: Final = timedelta(milliseconds=1)

Segment = tuple[str, str]
"""Tenant and segment."""

Ends = Mapping[tuple[str, int], int]
"""Offsets by topic and partition."""

Tell = Callable[[int, int], None]
"""Told how many answers have been read, of how many."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to look at: segments by name, or so many by chance beside all answers of each tenant.

    `latest` says whether that series of the generation stands as well.
    """

    generation: str
    _: KW_ONLY
    latest: bool = False
    segments: Collection[str] = ()
    tenant: str | None = None
    sample: int = SAMPLE
    patience: timedelta = LOOKS_AGAIN_FOR


@dataclass(slots=True)
class Verified:
    """What was compared and what came of it."""

    generation: str
    segments: list[Segment]
    answers: int = 0
    cells: dict[Series, int] = field(default_factory=dict)
    changed: int = 0
    """Cells that were published of answers that came after those that were recounted."""
    different: list[Compared] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Bounds:
    """Up to where answers are recounted, and from which offset on a cell tells of something else."""

    answers: Ends
    people: Ends
    caught_up: bool
    """Else facts about people may be of answers that were not recounted."""

    def is_later(self, cell: Compared) -> bool:
        """Whether a cell was published of what was not recounted."""
        place = cell.place
        if place.series == "latest" and not self.caught_up:
            return True
        ends, topic = (self.answers, RESPONSES) if place.series == "all" else (self.people, PEOPLE)
        return cell.published is not None and cell.published.offset >= ends.get((topic.name, place.partition), 0)


class Verification:
    """One comparison."""

    def __init__(self, kafka: Kafka, rules_of: Callable[[str], Rules], wanted: Wanted, tell: Tell) -> None:
        self._kafka = kafka
        self._rules_of = rules_of
        self._wanted = wanted
        self._tell = tell
        self._group = counted.group_of(counted.ANSWERS_GROUP, wanted.generation)
        self._found = Verified(wanted.generation, [])

    async def run(self) -> Verified:
        """Recounts and compares.

        Raises:
            Refused: if nobody counts this generation, or no segment is as wanted.
            Halt: if the topic does not hold every answer from the first on.
            Transient: if Kafka fails.
        """
        if not await members_of(self._kafka, self._group):
            raise Refused("scoring does not run: what it has counted and not yet published would seem wrong. Start it")
        async with open_reader(self._kafka) as reader:
            segments = await self._segments(reader)
            bounds = await self._bounds(reader)
            self._found.segments = sorted(segments)
            with Recount() as recount:
                await self._take_tallies(reader, recount, segments)
                waiting = await self._compare(recount, bounds, segments)
            await self._look_again(reader, waiting, bounds)
        return self._found

    async def _segments(self, reader: Reader) -> set[Segment]:
        """What to compare, of what there is."""
        there: set[Segment] = set()
        await reader.assign([TALLIES.name])
        async for raw in reader.to_end():
            place = self._place(raw)
            if place is not None and self._wanted.tenant in {None, place.tenant}:
                there.add((place.tenant, place.segment))
        if self._wanted.segments:
            there = {one for one in there if one[1] in self._wanted.segments}
        if not there:
            raise Refused("no such segment has been counted")
        if self._wanted.segments:
            return there
        whole = {one for one in there if one[1] == ALL}
        others = sorted(there - whole)
        return whole | set(SystemRandom().sample(others, min(self._wanted.sample, len(others))))

    async def _bounds(self, reader: Reader) -> _Bounds:
        """People first: what was told of them is of answers that are there by now."""
        people = await committed_offsets(self._kafka, counted.group_of(counted.PEOPLE_GROUP, self._wanted.generation))
        await reader.assign([RESPONSES.name], tail=0)
        ends = await reader.ends()
        committed: Ends = {}

        def caught_up() -> bool:
            return all(committed.get(place, 0) >= end for place, end in ends.items())

        with suppress(TimeoutError):
            async with asyncio.timeout(CATCHES_UP_WITHIN.total_seconds()):
                while not caught_up():
                    committed = await committed_offsets(self._kafka, self._group)
                    await asyncio.sleep(LOOK_EVERY_S)
        answers = {place: min(end, committed.get(place, 0)) for place, end in ends.items()}
        return _Bounds(answers, people, caught_up())

    async def _take_tallies(self, reader: Reader, recount: Recount, segments: Collection[Segment]) -> None:
        await reader.assign([TALLIES.name])
        async for raw in reader.to_end():
            place = self._place(raw)
            if place is not None and (place.tenant, place.segment) in segments:
                recount.stands(place, raw.value)

    def _place(self, raw: Raw) -> Place | None:
        """The cell a record is about, if it is of our generation."""
        if not TALLIES.bears(raw.key, raw.headers, raw.value):
            return None
        generation, tenant, segment, series, day, partition = split_key(raw.key or b"")
        if generation != self._wanted.generation:
            return None
        return Place("latest" if series == "latest" else "all", int(partition), day, tenant, segment)

    async def _compare(self, recount: Recount, bounds: _Bounds, segments: Collection[Segment]) -> dict[Place, Compared]:
        """Cells that are not as they were recounted."""
        different: dict[Place, Compared] = {}
        revisions = Revisions(segments, self._rules_of, await self._people_partitions())
        of = sum(bounds.answers.values())
        for (_, number), end in sorted(bounds.answers.items()):
            async for records in _answers(self._kafka, number, end):
                recount.take(revisions.of(records))
                self._found.answers += len(records)
                self._tell(self._found.answers, of)
            self._judge(recount.compared("all", number), bounds, different)
            recount.end_partition()
        for number in range(revisions.people_partitions):
            self._judge(recount.compared("latest", number), bounds, different)
        return different

    def _judge(self, cells: Iterable[Compared], bounds: _Bounds, different: dict[Place, Compared]) -> None:
        for cell in cells:
            series = cell.place.series
            self._found.cells[series] = self._found.cells.get(series, 0) + 1
            if cell.same:
                continue
            if bounds.is_later(cell):
                self._found.changed += 1
            elif len(different) < MOST_DIFFERENT:
                different[cell.place] = cell

    async def _look_again(self, reader: Reader, waiting: dict[Place, Compared], bounds: _Bounds) -> None:
        """What was counted and not yet published comes in time; what does not is wrong."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._wanted.patience.total_seconds()):
                while waiting:
                    for raw in await reader.more():
                        self._see(raw, waiting, bounds)
        self._found.different = list(waiting.values())

    def _see(self, raw: Raw, waiting: dict[Place, Compared], bounds: _Bounds) -> None:
        place = self._place(raw)
        if place is None or place not in waiting:
            return
        published = Published.of(Tally.model_validate_json(raw.value)) if raw.value else None
        cell = waiting[place] = replace(waiting[place], published=published)
        if cell.same or bounds.is_later(cell):
            del waiting[place]
            self._found.changed += not cell.same

    async def _people_partitions(self) -> int:
        """How many partitions people have; none if nobody counts them in this generation."""
        if not self._wanted.latest:
            return 0
        async with open_reader(self._kafka) as reader:
            return await reader.assign([PEOPLE.name], tail=0)


class Revisions:
    """What a recount takes of answers."""

    def __init__(self, watched: Collection[Segment], rules_of: Callable[[str], Rules], people_partitions: int) -> None:
        self._watched = watched
        self._rules_of = cache(rules_of)
        self.people_partitions = people_partitions
        self._segments: dict[tuple[str, str | None, bytes], str] = {}

    def of(self, records: Iterable[ConsumerRecord[bytes, bytes]]) -> Iterator[Revision]:
        """Each revision that records tell of; what is no answer is a dead letter and counts nowhere."""
        for record in records:
            try:
                answer = counted.answer_of(record)
            except Malformed:
                continue
            if answer.op != COMMENTED:
                yield self._revision(answer)

    def _revision(self, answer: Answer) -> Revision:
        at = answer.answered_at.astimezone(UTC)
        person = answer.subject if self.people_partitions and self._rules_of(answer.tenant).latest else None
        meets = partition_of(join_key((answer.tenant, person)), self.people_partitions) if person else None
        return Revision(
            tenant=answer.tenant,
            response_id=answer.response_id,
            revision=answer.revision,
            score=answer.score if answer.counts() else None,
            day=at.date().isoformat(),
            bucket=(at.hour * 60 + at.minute) // FINE_MINUTES,
            at_ms=(at - _EPOCH) // _MS,
            segments=self._watched_of(answer),
            person=person,
            meets=meets,
        )

    def _watched_of(self, answer: Answer) -> str:
        key = (answer.tenant, answer.channel, bytes(answer.segments))
        found = self._segments.get(key)
        if found is None:
            if len(self._segments) >= REMEMBERED:
                self._segments.clear()
            names = answer.segment_names(self._rules_of(answer.tenant))
            found = self._segments[key] = json.dumps([name for name in names if (answer.tenant, name) in self._watched])
        return found


async def _answers(kafka: Kafka, number: int, end: int) -> AsyncIterator[Sequence[ConsumerRecord[bytes, bytes]]]:
    """Every record of one partition before an offset, from the first ever written on.

    Raises:
        Halt: if the first is not there any more.
        Transient: if Kafka fails.
    """
    partition = TopicPartition(kafka.topic(RESPONSES.name), number)
    consumer = kafka.reader(reset="none", max_poll_records=RECORDS_AT_ONCE)
    try:
        await start_client(consumer)
        consumer.assign([partition])
        consumer.seek(partition, 0)
        while await consumer.position(partition) < end:
            for records in (await consumer.getmany(timeout_ms=POLL_MS)).values():
                yield [record for record in records if record.offset < end]
    except OffsetOutOfRangeError as error:
        raise Halt(f"{partition.topic}[{number}] does not begin with its first record: it was cut") from error
    except KafkaError as error:
        raise Transient(f"Kafka: {type(error).__name__}") from error
    finally:
        await consumer.stop()
