"""Reads `nps.responses` twice: once to see which answers there are, once in the order in which they arrived."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition

from schemas.topics import RESPONSES
from services.chassis.failures import Transient
from services.chassis.kafka import Kafka, start_client
from services.chassis.records import EPOCH
from services.routing.simulating.sharing import Scanned, Seen, Sharing, hash_of, subject_hash
from services.routing.simulating.skimming import Read, Skimmed, read, skimmed

if TYPE_CHECKING:
    from aiokafka import AIOKafkaConsumer
    from aiokafka.structs import ConsumerRecord

POLL_MS: Final = 200
RECORDS_AT_ONCE: Final = 1_000
PARTITION_BYTES: Final = 512 * 1024
GROUP: Final = 1_000
"""Answers whose sealed data is opened together."""

NAMED_AT_ONCE: Final = 5_000
"""Subjects whose persons are looked up together."""

CLOCKS_DIFFER_BY: Final = timedelta(hours=1)
"""A record is written after what it tells of was received; clocks of machines differ by less."""

Tell = Callable[[int], None]
"""Told how many records have been read."""

Named = Callable[[Collection[str]], Awaitable[Mapping[str, str]]]
"""Gives the names of persons, by those of their subjects that are named otherwise."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Whose answers, from when on, and where they lie: offsets by partition."""

    tenant: str
    since: datetime
    starts: Mapping[int, int]
    ends: Mapping[int, int]

    @property
    def records(self) -> int:
        """How many records that are, those of other tenants among them."""
        return self.records_in(self.ends)

    def records_in(self, partitions: Iterable[int]) -> int:
        """How many of them lie in some partitions."""
        return sum(self.ends[number] - self.starts[number] for number in partitions)

    def share(self, number: int, of: int) -> list[int]:
        """The partitions that one of several workers looks through."""
        return sorted(self.starts)[number::of]

    def wants(self, found: Skimmed) -> bool:
        """Whether a record is about such an answer."""
        return found.tenant == self.tenant and found.received_at >= self.since


async def find(kafka: Kafka, tenant: str, since: datetime) -> Wanted:
    """Where the answers of a tenant lie that were received since a moment, as things stand.

    Raises:
        Transient: if Kafka fails.
    """
    at = max((since - CLOCKS_DIFFER_BY - EPOCH) // timedelta(milliseconds=1), 0)
    async with _opened(kafka) as consumer:
        cluster = await consumer._client.fetch_all_metadata()  # noqa: SLF001 the public call keeps a stale copy
        name = kafka.topic(RESPONSES.name)
        partitions = [TopicPartition(name, number) for number in sorted(cluster.partitions_for_topic(name) or ())]
        if not partitions:
            return Wanted(tenant, since, {}, {})
        ends = await consumer.end_offsets(partitions)
        found = await consumer.offsets_for_times(dict.fromkeys(partitions, at))
    starts = {part.partition: place.offset if place else ends[part] for part, place in found.items()}
    return Wanted(tenant, since, starts, {part.partition: offset for part, offset in ends.items()})


async def scan(kafka: Kafka, wanted: Wanted, partitions: Sequence[int], named: Named, tell: Tell) -> Scanned:
    """Looks through some partitions: which answers have several records, and which subjects go by another name.

    Raises:
        Transient: if Kafka or the keyring fails.
    """
    found, seen = Scanned(), {number: Seen() for number in partitions}
    subjects: set[str] = set()
    async with _reading(kafka, wanted, partitions) as reading:
        while reading.open:
            for number, records in (await reading.more(reading.open)).items():
                found.records += len(records)
                for one in filter(None, map(skimmed, records)):
                    if wanted.wants(one):
                        seen[number].note(hash_of(one.response_id), subject_hash(one.subject))
                        subjects.add(one.subject or "")
            if len(subjects) >= NAMED_AT_ONCE or not reading.open:
                for subject, name in (await named(subjects - {""})).items():
                    found.aliases[subject_hash(subject)] = subject_hash(name)
                subjects.clear()
            tell(found.records)
    for held in seen.values():
        found.repeated |= held.repeated()
    return found


class Arrived(NamedTuple):
    """An answer's record as it arrived, and the hashes it is known by."""

    read: Read
    key: int
    person: int


async def arrivals(
    kafka: Kafka, wanted: Wanted, sharing: Sharing, worker: int, tell: Tell
) -> AsyncIterator[Sequence[Arrived]]:
    """What is one worker's to decide about, in groups, in the order in which it was received.

    Within a partition the order is that of the log, as routing sees it.

    Raises:
        Transient: if Kafka fails.
    """
    seen = 0
    waiting: dict[int, deque[_Mine]] = {number: deque() for number in wanted.starts}
    async with _reading(kafka, wanted, list(wanted.starts)) as reading:
        order: list[tuple[datetime, int]] = []
        group: list[Arrived] = []
        while True:
            missing = [number for number in reading.open if not waiting[number]]
            while missing:
                for number, records in (await reading.more(missing)).items():
                    seen += len(records)
                    came = _mine(records, wanted, sharing, worker)
                    if came and not waiting[number]:
                        heapq.heappush(order, (came[0].received_at, number))
                    waiting[number].extend(came)
                missing = [number for number in reading.open if not waiting[number]]
            tell(seen)
            group += _in_order(waiting, order, reading.open, GROUP - len(group))
            if len(group) >= GROUP or (group and not reading.open):
                yield group
                group = []
            elif not reading.open:
                return


class _Mine(NamedTuple):
    """A record that is this worker's, not yet decoded whole."""

    received_at: datetime
    value: bytes
    key: int
    person: int


def _mine(
    records: Iterable[ConsumerRecord[bytes, bytes]], wanted: Wanted, sharing: Sharing, worker: int
) -> list[_Mine]:
    found = []
    for record in records:
        one = skimmed(record)
        if one is None or not wanted.wants(one):
            continue
        key, subject = hash_of(one.response_id), subject_hash(one.subject)
        if sharing.worker(key, subject) == worker:
            assert record.value is not None  # skimmed
            found.append(_Mine(one.received_at, record.value, key, sharing.person(subject)))
    return found


def _in_order(
    waiting: Mapping[int, deque[_Mine]], order: list[tuple[datetime, int]], still_open: Collection[int], most: int
) -> list[Arrived]:
    """The next that are known to come next: until one partition has nothing here, and may have more to come."""
    group: list[Arrived] = []
    while order and len(group) < most:
        number = order[0][1]
        mine = waiting[number].popleft()
        said = read(mine.value)
        if said is not None:
            group.append(Arrived(said, mine.key, mine.person))
        if waiting[number]:
            heapq.heapreplace(order, (waiting[number][0].received_at, number))
        else:
            heapq.heappop(order)
            if number in still_open:
                break
    return group


class _Reading:
    """Some partitions, read up to where they ended."""

    def __init__(self, consumer: AIOKafkaConsumer[bytes, bytes], ends: Mapping[TopicPartition, int]) -> None:
        self._consumer = consumer
        self._ends = ends
        self.open = {part.partition for part in ends}

    async def begin(self, starts: Mapping[int, int]) -> None:
        self._consumer.assign(list(self._ends))
        for part in self._ends:
            self._consumer.seek(part, starts[part.partition])
        await self._close_finished()

    async def more(self, partitions: Iterable[int]) -> dict[int, list[ConsumerRecord[bytes, bytes]]]:
        """What comes next of these partitions."""
        asked = [part for part in self._ends if part.partition in set(partitions)]
        fetched = await self._consumer.getmany(*asked, timeout_ms=POLL_MS, max_records=RECORDS_AT_ONCE)
        await self._close_finished()
        return {
            part.partition: [record for record in records if record.offset < self._ends[part]]
            for part, records in fetched.items()
        }

    async def _close_finished(self) -> None:
        for part, end in self._ends.items():
            if part.partition in self.open and await self._consumer.position(part) >= end:
                self.open.discard(part.partition)
                self._consumer.pause(part)


@asynccontextmanager
async def _reading(kafka: Kafka, wanted: Wanted, partitions: Collection[int]) -> AsyncIterator[_Reading]:
    name = kafka.topic(RESPONSES.name)
    async with _opened(kafka) as consumer:
        reading = _Reading(consumer, {TopicPartition(name, number): wanted.ends[number] for number in partitions})
        await reading.begin(wanted.starts)
        yield reading


@asynccontextmanager
async def _opened(kafka: Kafka) -> AsyncIterator[AIOKafkaConsumer[bytes, bytes]]:
    consumer = kafka.reader(reset="none", max_poll_records=RECORDS_AT_ONCE, partition_bytes=PARTITION_BYTES)
    try:
        await start_client(consumer)
        yield consumer
    except KafkaError as error:
        raise Transient(f"Kafka: {type(error).__name__}") from error
    finally:
        await consumer.stop()
