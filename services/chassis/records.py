"""A record on its way in, read, and a record on its way out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from schemas import cloudevents
from schemas.contract import Contract
from schemas.topic import Topic
from services.chassis import tracing

if TYPE_CHECKING:
    from aiokafka.structs import ConsumerRecord

LOG_APPEND_TIME: Final = 1

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
# a day less than a datetime can hold, so that it has room for any offset
FIRST_MS: Final = (datetime(1, 1, 2, tzinfo=UTC) - EPOCH) // timedelta(milliseconds=1)
LAST_MS: Final = (datetime(9999, 12, 30, tzinfo=UTC) - EPOCH) // timedelta(milliseconds=1)

T = TypeVar("T")
C = TypeVar("C", bound=Contract)


@dataclass(frozen=True, slots=True)
class Raw:
    """A record as Kafka handed it over; `topic` without the cluster's prefix.

    `at` is the record's timestamp: the broker's own if `appended` (LogAppendTime), else the producer's.
    """

    topic: str
    partition: int
    offset: int
    at: datetime
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    appended: bool = False

    @classmethod
    def of(cls, record: ConsumerRecord[bytes, bytes], topic: str) -> Raw:
        """From aiokafka's record."""
        return cls(
            topic=topic,
            partition=record.partition,
            offset=record.offset,
            at=_moment(record.timestamp),
            key=record.key,
            value=record.value,
            headers=tuple((name, content if content is not None else b"") for name, content in record.headers),
            appended=record.timestamp_type == LOG_APPEND_TIME,
        )

    @property
    def traceparent(self) -> str | None:
        """The trace this record belongs to."""
        return cloudevents.first_header(self.headers, tracing.HEADER)


def _moment(timestamp_ms: int) -> datetime:
    """A producer may have written anything, microseconds for example: what no calendar holds is brought into it."""
    return EPOCH + timedelta(milliseconds=min(max(timestamp_ms, FIRST_MS), LAST_MS))


@dataclass(frozen=True, slots=True)
class Received(Generic[T]):
    """A record together with what it says."""

    raw: Raw
    payload: T


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A record to be published: the topic's catalogue name, and the key its partition is chosen by."""

    topic: str
    key: bytes | None
    meets_by: bytes
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, slots=True)
class Cause:
    """What leads to a record: the service that writes it, when, and the trace it belongs to."""

    service: str
    now: datetime
    trace: str | None = None


def outgoing(topic: Topic[C], payload: C, event_id: str, cause: Cause) -> Outgoing:
    """A payload as a CloudEvent in binary mode, in the trace it belongs to."""
    event = cloudevents.Event(
        data=payload.to_json(),
        id=event_id,
        source=f"/nps-loop/{cause.service}",
        type=topic.event_type,
        time=cause.now,
    )
    headers, value = cloudevents.encode(event)
    headers.append((tracing.HEADER, tracing.child_of(cause.trace).encode()))
    return Outgoing(topic.name, topic.key_of(payload), topic.meeting_key_of(payload), value, tuple(headers))
