"""What a topic is: a typed constant with its payload, key, one writer, readers and how long it keeps.

Keys are length-prefixed (`7:default4:r-17`), so that no two tuples of parts share a key. The partition is CRC-32 of the
parts that must meet, modulo the number of partitions (what librdkafka calls `consistent`): for most topics that is the
whole key. Both are part of the contract: changing either needs a new topic.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from operator import attrgetter
from typing import Final, Generic, Literal, TypeVar

from pydantic import BaseModel, ValidationError

from schemas import cloudevents
from schemas.contract import Contract, is_channel
from schemas.malformed import Malformed

Service = Literal["intake", "scoring", "routing", "delivery", "outreach", "monitor", "console", "outside"]

P = TypeVar("P", bound=Contract)
M = TypeVar("M", bound=BaseModel)

FOR_EVER: Final = None

RESPONSES_NAME: Final = "nps.responses"
"""The one topic that may be copied into one with more partitions, and then has another name on that cluster."""

INBOUND_PREFIX: Final = "responses."
INBOUND_PATTERN: Final = r"responses\.[a-z0-9_]+"
INBOUND_RETENTION: Final = timedelta(days=7)
DEAD_LETTER_SUFFIX: Final = ".dlq"
DEAD_LETTER_RETENTION: Final = timedelta(days=90)

KEY_SEPARATOR: Final = b":"
LONGEST_LENGTH: Final = 9  # digits


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Topic(Generic[P]):
    """One topic of ours. `key` and `meets_by` name fields of the payload; `meets_by` decides the partition.

    Of a compacted one, `compaction_lag` is when a record that is no more is gone at the latest, `kept_whole_for` at the
    earliest.
    """

    name: str
    payload: type[P]
    key: tuple[str, ...]
    writer: Service
    readers: frozenset[Service]
    meaning: str
    meets_by: tuple[str, ...] = ()
    scaled: bool = True
    retention: timedelta | None = FOR_EVER
    compacted: bool = False
    compaction_lag: timedelta | None = None
    kept_whole_for: timedelta | None = None

    @property
    def event_type(self) -> str:
        """CloudEvents type of what it carries; the number is the major version of the payload."""
        return _event_type(self.payload)

    def key_of(self, payload: P) -> bytes:
        """The record's key."""
        return join_key(_values(payload, self.key))

    def meeting_key_of(self, payload: P) -> bytes:
        """The part of the key that decides the partition (see `partition_of`)."""
        return join_key(_values(payload, self.meets_by or self.key))

    def bears(self, key: bytes | None, headers: cloudevents.Headers, value: bytes | None) -> bool:
        """Whether a record has a key of this topic's form and says its type: what does not, a stranger wrote."""
        try:
            parts = split_key(key or b"")
        except Malformed:
            return False
        said = cloudevents.first_header(headers, "ce_type")
        return len(parts) == len(self.key) and (value is None or said == self.event_type)

    def decode(self, headers: cloudevents.Headers, value: bytes | None) -> P:
        """The payload of a record; after this nobody checks types again.

        Raises:
            Malformed: if it is no CloudEvent of this topic's type, or does not fit the model.
        """
        event = cloudevents.decode(headers, value)
        if event.type != self.event_type:
            raise Malformed.of("ce_type", f"this topic carries {self.event_type}")
        return decode_json(self.payload, event.data)


@cache
def _event_type(payload: type[Contract]) -> str:
    noun = "".join("-" + char.lower() if char.isupper() else char for char in payload.__name__).lstrip("-")
    return f"nps-loop.{noun}.v1"


def decode_json(model: type[M], data: bytes) -> M:
    """A model from JSON.

    Raises:
        Malformed: naming each field and the reason.
    """
    try:
        return model.model_validate_json(data)
    except ValidationError as error:
        raise Malformed.from_validation(error) from error


def _values(payload: Contract, fields: tuple[str, ...]) -> tuple[str, ...]:
    return tuple([str(value_of(payload)) for value_of in _getters(fields)])


@cache
def _getters(fields: tuple[str, ...]) -> list[attrgetter[object]]:
    return [attrgetter(field) for field in fields]


def join_key(parts: Iterable[str]) -> bytes:
    """Parts with their length in bytes before each: `("default", "r-17")` is `7:default4:r-17`."""
    return b"".join([b"%d:%b" % (len(part), part) for part in map(str.encode, parts)])


def split_key(key: bytes) -> tuple[str, ...]:
    """The parts of a key.

    Raises:
        Malformed: if it is no such key.
    """
    parts = []
    rest = key
    while rest:
        digits, separator, rest = rest.partition(KEY_SEPARATOR)
        length = int(digits) if digits.isdigit() and len(digits) < LONGEST_LENGTH else len(rest) + 1
        if not separator or length > len(rest):
            raise Malformed.of("key", "not a length-prefixed key")
        parts.append(_part(rest[:length]))
        rest = rest[length:]
    return tuple(parts)


def _part(content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise Malformed.of("key", "not UTF-8") from error


def partition_of(key: bytes, partitions: int) -> int:
    """CRC-32 (ISO 3309) of the key, modulo the number of partitions."""
    return zlib.crc32(key) % partitions


def inbound(channel: str) -> str:
    """The name of the topic a channel's apps publish to.

    Raises:
        ValueError: if the name cannot stand in a topic.
    """
    if not is_channel(channel):
        raise ValueError(f"channel {channel!r}: lower case letters, digits and _ only")
    return INBOUND_PREFIX + channel


def dead_letters_of(topic: str) -> str:
    """Where the dead letters of a topic go."""
    return topic + DEAD_LETTER_SUFFIX
