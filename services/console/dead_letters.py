"""Dead letters as people work with them: what could not be read, why, what became of it, and another try.

A letter is told by the newest that is known of it: one that is written again after it was replayed is open again, one
that was dropped stays dropped. What strangers sent goes through intake's door, what we wrote back onto its topic.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from aiokafka.errors import KafkaError

from schemas.cloudevents import first_header
from schemas.malformed import Malformed
from schemas.topic import DEAD_LETTER_SUFFIX, Topic, dead_letters_of, join_key, split_key
from schemas.topics import CATALOGUE
from services.chassis.dead_letters import DeadLetter, Fate, Mark, mark_of, read_letter
from services.chassis.failures import Transient
from services.chassis.reading import open_reader
from services.chassis.records import Outgoing
from services.chassis.topic_admin import open_topic_admin

if TYPE_CHECKING:
    from services.chassis.dead_letters import Sealer
    from services.chassis.kafka import Kafka
    from services.chassis.publishing import Publisher
    from services.chassis.records import Raw

_BY_NAME: Final = {topic.name: topic for topic in CATALOGUE}


@dataclass(frozen=True, slots=True)
class Sought:
    """Which dead letters are meant; what is none or empty leaves none out."""

    ids: tuple[str, ...] = ()
    topic: str | None = None
    error: str | None = None
    source: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    everything: bool = False
    """Those that have been replayed or dropped as well."""

    @property
    def is_narrow(self) -> bool:
        """Whether anything is said of them at all."""
        return any((self.ids, self.topic, self.error, self.source, self.since, self.until))

    def fits(self, kept: Kept) -> bool:
        """Whether this one is meant."""
        letter = kept.letter
        return all(
            (
                self.everything or kept.fate is None,
                not self.ids or str(letter.letter_id).startswith(self.ids),
                self.error is None or self.error.lower() in f"{letter.error}: {letter.message}".lower(),
                self.source is None or self.source == source_of(letter),
                self.since is None or letter.failed_at >= self.since,
                self.until is None or letter.failed_at < self.until,
            )
        )


@dataclass(frozen=True, slots=True)
class Kept:
    """A dead letter and what became of it; none while it waits for somebody."""

    letter: DeadLetter
    mark: Mark | None = None

    @property
    def fate(self) -> Fate | None:
        """What holds: a letter that was written again after it was replayed waits again."""
        if self.mark is None or (self.mark.fate == "replayed" and self.letter.failed_at > self.mark.at):
            return None
        return self.mark.fate


@dataclass(frozen=True, slots=True)
class Outcome:
    """How it went with one letter; `reason` is why it stays as it is."""

    letter: DeadLetter
    reason: str | None = None


def source_of(letter: DeadLetter) -> str | None:
    """Who sent it: of a call tenant/source, else what the event names, if it names anything."""
    if letter.topic not in _BY_NAME and letter.key and letter.key.startswith(b"["):
        try:
            return "/".join(json.loads(letter.key))
        except (ValueError, TypeError):
            return None
    return first_header(letter.headers, "ce_source")


async def letters(kafka: Kafka, sealer: Sealer | None, sought: Sought) -> list[Kept]:
    """Every dead letter that is meant, once however often it was written, the oldest first.

    Raises:
        Transient: if Kafka does not answer.
    """
    found: dict[UUID, DeadLetter] = {}
    marks: dict[UUID, Mark] = {}
    async with open_reader(kafka) as reader:
        await reader.assign(await _topics(kafka, sought.topic))
        async for raw in reader.to_end():
            mark = mark_of(raw)
            if mark is not None:
                marks[mark.letter_id] = _weightier(marks.get(mark.letter_id), mark)
                continue
            letter = await _read(raw, sealer)
            if letter is not None and _is_newer(letter, found.get(letter.letter_id), marks.get(letter.letter_id)):
                found[letter.letter_id] = letter
    kept = [Kept(letter, marks.get(letter.letter_id)) for letter in found.values()]
    return sorted((each for each in kept if sought.fits(each)), key=lambda each: each.letter.failed_at)


async def _topics(kafka: Kafka, topic: str | None) -> list[str]:
    try:
        async with open_topic_admin(kafka, 1) as admin:
            names = [name for name in await admin.names() if name.endswith(DEAD_LETTER_SUFFIX)]
    except KafkaError as error:
        raise Transient(f"Kafka: {type(error).__name__}") from error
    return [name for name in names if topic is None or name == dead_letters_of(topic)]


async def _read(raw: Raw, sealer: Sealer | None) -> DeadLetter | None:
    try:
        return await read_letter(raw, sealer)
    except Malformed:
        return None


def _weightier(one: Mark | None, other: Mark) -> Mark:
    """Of two marks the one that holds: dropped is for good, else the newer."""
    if one is None or other.fate == "dropped":
        return other
    return one if one.fate == "dropped" or one.at > other.at else other


def _is_newer(letter: DeadLetter, known: DeadLetter | None, mark: Mark | None) -> bool:
    """A letter is told as it was first written, unless it was written again after a mark."""
    return known is None or (mark is not None and known.failed_at <= mark.at < letter.failed_at)


async def publish_again(publisher: Publisher, some: Sequence[DeadLetter]) -> AsyncIterator[Outcome]:
    """Puts records of our own topics back where they were, byte for byte, for every reader to read again.

    Raises:
        Transient: if Kafka does not answer.
    """
    for letter in some:
        try:
            record = _back(letter)
            await publisher.publish([record])
        except Malformed as error:
            yield Outcome(letter, str(error))
        else:
            yield Outcome(letter)


def _back(letter: DeadLetter) -> Outgoing:
    """The record as it was; read once before, so that what nobody can read is not published again."""
    topic = _BY_NAME.get(letter.topic)
    if topic is None:
        raise Malformed.of("topic", "none of ours")
    if topic.compacted:
        raise Malformed.of("topic", "the last record of a key counts there, and there may be a newer one")
    topic.decode(letter.headers, letter.value)
    key = letter.key or b""
    return Outgoing(letter.topic, letter.key, _meets_by(topic, key), letter.value, letter.headers)


def _meets_by(topic: Topic[Any], key: bytes) -> bytes:  # payloads of any type
    """The part of a key that decides the partition."""
    parts = dict(zip(topic.key, split_key(key), strict=False))
    wanted = topic.meets_by or topic.key
    if not all(part in parts for part in wanted):
        raise Malformed.of("key", "not of this topic")
    return join_key(parts[part] for part in wanted)
