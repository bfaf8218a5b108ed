"""A record on its way in, read, and a record on its way out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
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


class Envelope(Generic[C]):
    """What all records of one topic that a service writes at one moment have in common: made once for many."""

    def __init__(self, topic: Topic[C], service: str, now: datetime) -> None:
        self._topic = topic
        context = cloudevents.Event(b"", "-", f"/nps-loop/{service}", topic.event_type, now)
        headers, _ = cloudevents.encode(context)
        self._shared = tuple(header for header in headers if header[0] != cloudevents.ID_HEADER)

    def around(self, payload: C, event_id: str, trace: str | None = None, *more: tuple[str, bytes]) -> Outgoing:
        """A payload as a CloudEvent in binary mode, in the trace it belongs to; `more` are headers of its own."""
        topic = self._topic
        headers = (
            (cloudevents.ID_HEADER, event_id.encode()),
            *self._shared,
            (tracing.HEADER, tracing.child_of(trace).encode()),
            *more,
        )
        key = topic.key_of(payload)
        meets_by = topic.meeting_key_of(payload) if topic.meets_by else key
        return Outgoing(topic.name, key, meets_by, payload.to_json(), headers)


def outgoing(topic: Topic[C], payload: C, event_id: str, cause: Cause) -> Outgoing:
    """A payload as a CloudEvent in binary mode, in the trace it belongs to."""
    return _envelope(topic, cause.service, cause.now).around(payload, event_id, cause.trace)


@lru_cache(maxsize=16)
def _envelope(topic: Topic[C], service: str, now: datetime) -> Envelope[C]:
    """Records that are written together are of one moment and of few topics."""
    return Envelope(topic, service, now)
