"""Records on their way out, dead letters there and back, and bounds of size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import cast
from uuid import UUID

import pytest
from aiokafka.structs import ConsumerRecord
from hypothesis import given
from hypothesis import strategies as st

from schemas.malformed import Malformed
from schemas.sealed import Sealed
from schemas.tally import Tally
from schemas.topics import RESPONSES, TALLIES
from services.chassis import tracing
from services.chassis.dead_letters import DeadLetter, DeadLetters, letter_id, read_letter
from services.chassis.publishing import LARGEST_RECORD, Publisher, check_size
from services.chassis.records import Cause, Outgoing, Raw, outgoing
from tests.support.answers import answered

NOON = datetime(2026, 5, 20, 12, tzinfo=UTC)
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def raw(
    value: bytes | None = b"{",
    *,
    key: bytes | None = b"k",
    headers: tuple[tuple[str, bytes], ...] = (),
    offset: int = 7,
) -> Raw:
    return Raw("responses.website", 3, offset, NOON, key, value, headers)


@dataclass
class FakePublisher:
    """Keeps what is published."""

    records: list[Outgoing] = field(default_factory=list)
    refuses_above: int = 10**9

    async def publish(self, records: Sequence[Outgoing]) -> None:
        if any(len(record.value or b"") > self.refuses_above for record in records):
            raise Malformed.of("body", "larger than Kafka takes")
        self.records += records

    def name_here(self, topic: str) -> str:
        return topic

    def read(self, offset: int = 0) -> Raw:
        """The last record, as a reader would find it."""
        record = self.records[-1]
        return Raw(record.topic, 0, offset, NOON, record.key, record.value, record.headers)


@dataclass
class FakeSealer:
    """Turns bytes round; forgets whom it is told to forget."""

    erased: bool = False

    async def seal_letter(self, letter: UUID, content: bytes) -> Sealed | None:
        return None if self.erased else Sealed(kid=letter.hex, nonce="AAAA", ciphertext=content[::-1].hex() + "==")

    async def open_letter(self, letter: UUID, sealed: Sealed) -> bytes | None:
        assert sealed.kid == letter.hex
        return None if self.erased else bytes.fromhex(sealed.ciphertext.removesuffix("=="))[::-1]


def letters(publisher: FakePublisher, sealer: FakeSealer | None = None, group: str = "intake") -> DeadLetters:
    return DeadLetters(cast("Publisher", publisher), group, sealer)


def test_a_payload_becomes_a_cloud_event_in_binary_mode() -> None:
    answer = answered(9, response_id="r-1")
    record = outgoing(RESPONSES, answer, "e-1", Cause("intake", NOON, PARENT))
    headers = dict(record.headers)
    assert record.topic == "nps.responses"
    assert record.key == record.meets_by == b"7:default3:r-1"
    assert headers["ce_id"] == b"e-1"
    assert headers["ce_type"] == b"nps-loop.response.v1"
    assert headers["ce_source"] == b"/nps-loop/intake"
    assert headers["ce_time"] == b"2026-05-20T12:00:00Z"
    assert tracing.trace_id(headers["traceparent"].decode()) == tracing.trace_id(PARENT)
    assert RESPONSES.decode(record.headers, record.value) == answer


def test_where_records_meet_may_be_less_than_their_key() -> None:
    tally = Tally(
        generation="g1",
        tenant="default",
        segment="all",
        series="all",
        day=NOON.date(),
        partition=3,
        offset=1,
        resolution=5,
        counts={},
    )
    record = outgoing(TALLIES, tally, "e-1", Cause("scoring", NOON))
    assert record.key == b"2:g17:default3:all3:all10:2026-05-201:3"
    assert record.meets_by == b"7:default3:all"


def test_a_record_knows_the_trace_it_belongs_to() -> None:
    assert raw(headers=(("TraceParent", PARENT.encode()),)).traceparent == PARENT
    assert raw().traceparent is None


@pytest.mark.parametrize("sealer", [None, FakeSealer()], ids=["plain", "sealed"])
@given(
    st.none() | st.binary(max_size=50),
    st.none() | st.binary(max_size=200),
    st.lists(st.tuples(st.text(max_size=10), st.binary(max_size=20)), max_size=4),
)
async def test_a_dead_letter_is_recoverable_byte_for_byte(
    sealer: FakeSealer | None, key: bytes | None, value: bytes | None, headers: list[tuple[str, bytes]]
) -> None:
    publisher = FakePublisher()
    dead = raw(value, key=key, headers=tuple(headers))
    written = await letters(publisher, sealer).write(dead, Malformed.of("score", "too high"), attempts=1, now=NOON)
    assert await read_letter(publisher.read(), sealer) == DeadLetter(
        letter_id=written,
        group="intake",
        topic="responses.website",
        partition=3,
        offset=7,
        error="Malformed",
        message="score: too high",
        failed_at=NOON,
        attempts=1,
        erased=False,
        key=key,
        value=value,
        headers=tuple(headers),
        at=dead.at,
        appended=dead.appended,
    )


async def test_what_strangers_sent_is_sealed() -> None:
    publisher = FakePublisher()
    dead = raw(b"robin@example.org", key=b"robin", headers=(("from", b"robin"),))
    await letters(publisher, FakeSealer()).write(dead, Malformed.of("score", "too high"), attempts=1, now=NOON)
    (record,) = publisher.records
    assert b"robin" not in b"".join([record.key or b"", record.value or b"", *dict(record.headers).values()])


async def test_a_dead_letter_that_was_erased_says_so() -> None:
    publisher, sealer = FakePublisher(), FakeSealer()
    await letters(publisher, sealer).write(raw(), Malformed.of("score", "too high"), attempts=1, now=NOON)
    sealer.erased = True
    letter = await read_letter(publisher.read(), sealer)
    assert (letter.erased, letter.key, letter.value, letter.headers) == (True, None, None, ())
    await letters(publisher, sealer).write(raw(), Malformed.of("score", "too high"), attempts=1, now=NOON)
    assert publisher.records[-1].value is None
    assert (await read_letter(publisher.read(), sealer)).erased


def test_a_letter_has_one_id_a_group_and_record() -> None:
    ids = {letter_id(group, raw(offset=offset)) for group in ("intake", "routing") for offset in (7, 8)}
    assert len(ids) == 4
    assert letter_id("intake", raw(b"other")) == letter_id("intake", raw())


async def test_only_what_promises_to_quote_nothing_is_quoted() -> None:
    publisher, address = FakePublisher(), "robin@" + "example.org"
    try:
        raise ValueError(address)
    except ValueError as error:
        await letters(publisher).write(raw(), error, attempts=3, now=NOON)
    letter = await read_letter(publisher.read(), None)
    assert (letter.error, letter.message, letter.attempts) == ("ValueError", "see the stack trace", 3)
    stack = dict(publisher.records[0].headers)["__connect.errors.exception.stacktrace"].decode()
    assert "test_records.py" in stack
    assert "robin@" not in stack


async def test_tools_for_kafka_connect_find_their_headers() -> None:
    publisher = FakePublisher()
    await letters(publisher).write(raw(), Malformed.of("score", "too high"), attempts=1, now=NOON)
    headers = dict(publisher.records[0].headers)
    assert headers["__connect.errors.topic"] == b"responses.website"
    assert headers["__connect.errors.partition"] == b"3"
    assert headers["__connect.errors.offset"] == b"7"
    assert headers["__connect.errors.stage"] == b"VALUE_CONVERTER"


@pytest.mark.parametrize("sealer", [None, FakeSealer()], ids=["plain", "sealed"])
async def test_of_what_is_larger_than_kafka_takes_the_letter_says_that_it_was_there(sealer: FakeSealer | None) -> None:
    publisher = FakePublisher(refuses_above=100)
    await letters(publisher, sealer).write(raw(b"x" * 200), Malformed.of("score", "bad"), attempts=1, now=NOON)
    letter = await read_letter(publisher.read(), sealer)
    assert (letter.offset, letter.message, letter.value) == (7, "body: larger than Kafka takes", None)


@pytest.mark.parametrize(
    "headers",
    [(), (("nps.dlq.id", b"no uuid"),), (("content-type", b"application/vnd.nps-loop.sealed+json"),)],
    ids=["none", "a wrong id", "no id"],
)
async def test_what_is_no_dead_letter_is_malformed(headers: tuple[tuple[str, bytes], ...]) -> None:
    with pytest.raises(Malformed, match="no dead letter of ours"):
        await read_letter(raw(headers=headers), FakeSealer())


def _outgoing(topic: str, size: int) -> Outgoing:
    return Outgoing(topic, b"k", b"k", b"x" * size, ())


def test_a_record_is_refused_before_kafka_would_refuse_it() -> None:
    check_size(_outgoing("nps.tasks", LARGEST_RECORD - 2_000))
    check_size(_outgoing("nps.tasks.dlq", 3 * LARGEST_RECORD))
    with pytest.raises(Malformed, match="larger than Kafka takes"):
        check_size(_outgoing("nps.tasks", LARGEST_RECORD))
    with pytest.raises(Malformed, match="larger than Kafka takes"):
        check_size(_outgoing("nps.tasks.dlq", 5 * LARGEST_RECORD))


@pytest.mark.parametrize(
    ("timestamp", "year"),
    [(1_700_000_000_000, 2023), (1_700_000_000_000_000, 9999), (2**63 - 1, 9999), (-1, 1969), (-(2**63), 1)],
)
def test_a_time_no_calendar_holds_is_brought_into_it(timestamp: int, year: int) -> None:
    record = ConsumerRecord(
        topic="responses.website",
        partition=0,
        offset=0,
        timestamp=timestamp,
        timestamp_type=0,
        key=None,
        value=b"{}",
        checksum=None,
        serialized_key_size=-1,
        serialized_value_size=2,
        headers=(),
    )
    assert Raw.of(record, "responses.website").at.year == year
