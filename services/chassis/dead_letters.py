"""Dead letters: what could not be read goes to `<topic>.dlq` as it came, once per consumer group.

Headers are those of Kafka Connect (KIP-298), so that its tools read them. The id is a function of group, topic,
partition and offset: whoever lists dead letters sees one, however often it was written. What strangers sent is
sealed, since nobody knows what is in it. What became of a letter is a mark, a record of headers alone beside it.
"""

from __future__ import annotations

import base64
import json
import traceback
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Final, Literal, Protocol, get_args
from uuid import UUID, uuid5

from schemas import cloudevents
from schemas.malformed import Malformed
from schemas.sealed import Sealed
from schemas.topic import dead_letters_of
from services.chassis.records import Outgoing, Raw

if TYPE_CHECKING:
    from services.chassis.publishing import Publisher

LETTERS: Final = UUID("0f0d4a52-7a52-5d0b-9d4e-0b6a9d2f5c11")
"""Namespace of the ids of dead letters (RFC 9562 §5.5)."""

CONNECT: Final = "__connect.errors."
OWN: Final = "nps.dlq."
SEALED_TYPE: Final = "application/vnd.nps-loop.sealed+json"
MARK: Final = OWN + "mark"

Fate = Literal["replayed", "dropped"]
"""replayed: let in after all; dropped: given up, and its content destroyed where it was sealed."""


class Sealer(Protocol):
    """Seals and opens bytes under the key of one dead letter."""

    async def seal_letter(self, letter_id: UUID, content: bytes) -> Sealed | None:
        """Sealed content; none if the letter's owner has been erased."""
        ...

    async def open_letter(self, letter_id: UUID, sealed: Sealed) -> bytes | None:
        """The content; none if it has been erased."""
        ...


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One record that could not be read, and why. Key, value and headers are as received; none where erased.

    `at` is the record's timestamp: the broker's own if `appended`, else the producer's.
    """

    letter_id: UUID
    group: str
    topic: str
    partition: int
    offset: int
    error: str
    message: str
    failed_at: datetime
    attempts: int
    erased: bool
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    at: datetime
    appended: bool

    def as_raw(self) -> Raw:
        """The record as it was, to be read again."""
        return Raw(self.topic, self.partition, self.offset, self.at, self.key, self.value, self.headers, self.appended)


@dataclass(frozen=True, slots=True)
class Mark:
    """What became of a letter, and when."""

    letter_id: UUID
    fate: Fate
    at: datetime

    def record(self, topic: str) -> Outgoing:
        """As it stands beside the dead letters of a topic."""
        told = {OWN + "id": str(self.letter_id), MARK: self.fate, OWN + "marked_at": self.at.isoformat()}
        headers = tuple((name, content.encode()) for name, content in told.items())
        return _outgoing(topic, self.letter_id.bytes, None, headers)


def letter_id(group: str, raw: Raw) -> UUID:
    """The same for the same record in the same group, whoever computes it and when."""
    return uuid5(LETTERS, f"{group}|{raw.topic}|{raw.partition}|{raw.offset}")


class DeadLetters:
    """Writes the dead letters of one consumer group."""

    def __init__(self, publisher: Publisher, group: str, sealer: Sealer | None) -> None:
        self._publisher = publisher
        self._group = group
        self._sealer = sealer

    async def write(
        self, raw: Raw, error: Exception, *, attempts: int, now: datetime, letter: UUID | None = None
    ) -> UUID:
        """Returns once the letter is durable. Of a record larger than Kafka takes, it says that there was one.

        What never was a record, and so has no offset to be known by, brings the id of its letter along.

        Raises:
            Transient: if Kafka or the keyring does not answer.
        """
        # in a copy of a topic other records have these offsets
        letter = letter or letter_id(self._group, replace(raw, topic=self._publisher.name_here(raw.topic)))
        ours = (
            (OWN + "id", str(letter).encode()),
            (OWN + "attempts", str(attempts).encode()),
            (OWN + "failed_at", now.isoformat().encode()),
            (OWN + "at", raw.at.isoformat().encode()),
            (OWN + "appended", b"true" if raw.appended else b"false"),
        )
        record = await self._record(letter, raw, (*_connect_headers(self._group, raw, error), *ours))
        try:
            await self._publisher.publish([record])
        except Malformed as too_large:
            headers = (*_connect_headers(self._group, raw, too_large), *ours)
            await self._publisher.publish([_outgoing(raw.topic, letter.bytes, None, headers)])
        return letter

    async def _record(self, letter: UUID, raw: Raw, headers: tuple[tuple[str, bytes], ...]) -> Outgoing:
        if self._sealer is None:
            if raw.key is None and raw.value is None:  # Kafka's client takes no record of neither
                return _outgoing(raw.topic, b"", None, (*raw.headers, *headers, (OWN + "empty", b"key")))
            return _outgoing(raw.topic, raw.key, raw.value, (*raw.headers, *headers))
        sealed = await self._sealer.seal_letter(letter, _packed(raw))
        value = sealed.model_dump_json().encode() if sealed else None
        return _outgoing(raw.topic, letter.bytes, value, (("content-type", SEALED_TYPE.encode()), *headers))


async def read_letter(raw: Raw, sealer: Sealer | None) -> DeadLetter:
    """A dead letter from its record, opened if it is sealed.

    Raises:
        Malformed: if it is no dead letter of ours.
    """
    told = {name: content.decode(errors="replace") for name, content in raw.headers if name.startswith((CONNECT, OWN))}
    try:
        letter = UUID(told[OWN + "id"])
        key, value, headers = raw.key, raw.value, tuple(h for h in raw.headers if not h[0].startswith((CONNECT, OWN)))
        if OWN + "empty" in told:
            key = None
        erased = False
        if cloudevents.first_header(raw.headers, "content-type") == SEALED_TYPE and sealer:
            content = (
                await sealer.open_letter(letter, Sealed.model_validate_json(raw.value or b"")) if raw.value else None
            )
            erased = content is None
            key, value, headers = _unpacked(content) if content else (None, None, ())
        return DeadLetter(
            letter_id=letter,
            group=told[CONNECT + "connector.name"],
            topic=told[CONNECT + "topic"],
            partition=int(told[CONNECT + "partition"]),
            offset=int(told[CONNECT + "offset"]),
            error=told[CONNECT + "exception.class.name"],
            message=told[CONNECT + "exception.message"],
            failed_at=datetime.fromisoformat(told[OWN + "failed_at"]),
            attempts=int(told[OWN + "attempts"]),
            erased=erased,
            key=key,
            value=value,
            headers=headers,
            at=datetime.fromisoformat(told[OWN + "at"]),
            appended=told[OWN + "appended"] == "true",
        )
    except (KeyError, ValueError) as error:
        raise Malformed.of("headers", f"no dead letter of ours: {error}") from error


def mark_of(raw: Raw) -> Mark | None:
    """The mark that a record is; none if it is none."""
    told = {name: content.decode(errors="replace") for name, content in raw.headers if name.startswith(OWN)}
    fate = next((fate for fate in get_args(Fate) if told.get(MARK) == fate), None)
    if fate is None:
        return None
    try:
        return Mark(UUID(told[OWN + "id"]), fate, datetime.fromisoformat(told[OWN + "marked_at"]))
    except (KeyError, ValueError):
        return None


def key_of_letter(raw: Raw) -> str | None:
    """Which key a dead letter is sealed with; none if it is not sealed, or erased."""
    if raw.value is None or cloudevents.first_header(raw.headers, "content-type") != SEALED_TYPE:
        return None
    try:
        return Sealed.model_validate_json(raw.value).kid
    except ValueError:
        return None


def _connect_headers(group: str, raw: Raw, error: Exception) -> tuple[tuple[str, bytes], ...]:
    # Only Malformed promises to repeat no values; other messages may quote what was being written.
    message = str(error) if isinstance(error, Malformed) else "see the stack trace"
    stack = "".join(traceback.format_tb(error.__traceback__))
    told = {
        CONNECT + "topic": raw.topic,
        CONNECT + "partition": str(raw.partition),
        CONNECT + "offset": str(raw.offset),
        CONNECT + "connector.name": group,
        CONNECT + "stage": "VALUE_CONVERTER" if isinstance(error, Malformed) else "TASK_PUT",
        CONNECT + "class.name": "services.chassis.consuming.Consumer",
        CONNECT + "exception.class.name": type(error).__name__,
        CONNECT + "exception.message": message,
        CONNECT + "exception.stacktrace": "" if isinstance(error, Malformed) else stack,
    }
    return tuple((name, content.encode()) for name, content in told.items())


def _outgoing(topic: str, key: bytes | None, value: bytes | None, headers: tuple[tuple[str, bytes], ...]) -> Outgoing:
    return Outgoing(dead_letters_of(topic), key, key or b"", value, headers)


def _packed(raw: Raw) -> bytes:
    def text(content: bytes | None) -> str | None:
        return None if content is None else base64.b64encode(content).decode()

    headers = [(name, text(content)) for name, content in raw.headers]
    return json.dumps({"key": text(raw.key), "value": text(raw.value), "headers": headers}).encode()


def _unpacked(content: bytes) -> tuple[bytes | None, bytes | None, tuple[tuple[str, bytes], ...]]:
    packed = json.loads(content)

    def raw_bytes(text: str | None) -> bytes | None:
        return None if text is None else base64.b64decode(text)

    headers = tuple((name, raw_bytes(text) or b"") for name, text in packed["headers"])
    return raw_bytes(packed["key"]), raw_bytes(packed["value"]), headers
