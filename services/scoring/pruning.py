"""Ends a generation of tallies: everything that was published of it is tombstoned, and nothing else ever is.

What announces it goes first. Cut short, it is then a generation that never stood: a worker that comes back to it
publishes all it has anew, and to end it again takes the rest. Each record is tombstoned through the fence that it was
written through, so that a worker which still counts is refused, or refuses us.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from schemas.tally import Series
from schemas.topic import Topic, join_key, split_key
from schemas.topics import GENERATIONS, PEOPLE, RESPONSES, TALLIES
from services.chassis.failures import Fenced, Halt, Refused
from services.chassis.publishing import FencedPublisher
from services.chassis.reading import Reader, open_reader
from services.chassis.records import Outgoing, Raw
from services.chassis.recovering import GONE_WITHIN, wait_until_alone
from services.scoring import counted

if TYPE_CHECKING:
    from services.chassis.kafka import Kafka

RECORDS_A_TRANSACTION: Final = 500
TOPICS: Final[tuple[Topic[Any], ...]] = (GENERATIONS, PEOPLE, TALLIES)  # payloads of any type
"""In the order in which they are gone through; what is left over stands on the last of them."""

_BY_NAME: Final = {topic.name: topic for topic in TOPICS}

Writer = tuple[Series, int]
"""Which tally wrote a record: its series, and the partition it counts."""

Tell = Callable[[int, int], None]
"""Told how many records have been looked at, of how many."""


async def written(kafka: Kafka) -> set[str]:
    """Every generation of which anything stands.

    Raises:
        Transient: if Kafka fails.
    """
    stands: dict[tuple[str, bytes | None], bool] = {}
    async with open_reader(kafka) as reader:
        await reader.assign([GENERATIONS.name, TALLIES.name])
        async for raw in reader.to_end():
            if _BY_NAME[raw.topic].bears(raw.key, raw.headers, raw.value):
                stands[raw.topic, raw.key] = raw.value is not None
    return {split_key(key or b"")[0] for (_, key), there in stands.items() if there}


async def wait_for_workers(kafka: Kafka, generation: str, patience: timedelta = GONE_WITHIN) -> None:
    """Returns once nobody counts a generation: workers that have stopped take a moment to be noticed.

    Raises:
        Refused: if somebody still does.
        Transient: if Kafka does not answer.
    """
    try:
        for name in (counted.ANSWERS_GROUP, counted.PEOPLE_GROUP):
            await wait_until_alone(kafka, counted.group_of(name, generation), within=patience)
    except Halt as error:
        raise Refused(f"a worker still counts {generation}: stop it first") from error


class Pruning:
    """The end of one generation."""

    def __init__(self, kafka: Kafka, generation: str, tell: Tell) -> None:
        self._kafka = kafka
        self._generation = generation
        self._tell = tell
        self._publishers: dict[Writer, FencedPublisher] = {}
        self._waiting: dict[Writer, list[Outgoing]] = {}
        self._ended = 0

    async def run(self) -> int:
        """Ends it; returns how many records were tombstoned.

        Raises:
            Refused: if a worker takes its fences back.
            Transient: if Kafka fails; doing it again puts it right.
        """
        async with AsyncExitStack() as stack:
            self._stack = stack
            reader = await stack.enter_async_context(open_reader(self._kafka))
            try:
                await self._fence(reader)
                await self._end_all(reader)
            except Fenced as error:
                raise Refused(f"a worker counts {self._generation} again: stop it, then do this once more") from error
        return self._ended

    async def _fence(self, reader: Reader) -> None:
        """Takes every right to publish before anything is looked at: what is there then is all there will be."""
        sources: tuple[tuple[Series, Topic[Any]], ...] = (("all", RESPONSES), ("latest", PEOPLE))
        for series, source in sources:
            for number in range(await reader.assign([source.name], tail=0)):
                await self._publisher((series, number))

    async def _end_all(self, reader: Reader) -> None:
        await reader.assign([topic.name for topic in TOPICS])
        starts, ends = await reader.starts(), await reader.ends()
        of, seen = sum(ends.values()) - sum(starts.values()), 0
        for topic in TOPICS:
            await reader.assign([topic.name])
            async for raw in reader.to_end():
                seen += 1
                if raw.value is not None and self._is_of_it(topic, raw):
                    await self._end(raw)
                if seen % RECORDS_A_TRANSACTION == 0:
                    self._tell(seen, of)
            for writer in list(self._waiting):
                await self._flush(writer)
        self._tell(of, of)

    def _is_of_it(self, topic: Topic[Any], raw: Raw) -> bool:  # whatever the payload
        ours = topic.bears(raw.key, raw.headers, raw.value)
        return ours and split_key(raw.key or b"")[0] == self._generation

    async def _end(self, raw: Raw) -> None:
        writer, meets_by = _writer(raw)
        waiting = self._waiting.setdefault(writer, [])
        waiting.append(Outgoing(raw.topic, raw.key, meets_by, None, ()))
        if len(waiting) >= RECORDS_A_TRANSACTION:
            await self._flush(writer)

    async def _flush(self, writer: Writer) -> None:
        records = self._waiting.pop(writer)
        await (await self._publisher(writer)).publish(records)
        self._ended += len(records)

    async def _publisher(self, writer: Writer) -> FencedPublisher:
        found = self._publishers.get(writer)
        if found is None:
            series, number = writer
            found = FencedPublisher(self._kafka, counted.fence_of(series, self._generation, number))
            self._stack.push_async_callback(found.close)
            await found.take_over()
            self._publishers[writer] = found
        return found


def _writer(raw: Raw) -> tuple[Writer, bytes]:
    """Which tally wrote a record, and what decides its partition."""
    parts = split_key(raw.key or b"")
    if raw.topic == PEOPLE.name:
        return ("all", PEOPLE.decode(raw.headers, raw.value).partition), join_key(parts[1:3])
    if raw.topic == TALLIES.name:
        return (_series(parts[3]), int(parts[5])), join_key(parts[1:3])
    return (_series(parts[1]), int(parts[2])), raw.key or b""


def _series(name: str) -> Series:
    return "latest" if name == "latest" else "all"
