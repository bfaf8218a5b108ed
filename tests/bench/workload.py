"""Answers as intake writes them, byte for byte, made fast: what the benchmarks of scoring read.

Each stream is a share of the workload with answers of its own: of a hundred records three repeat an answer, three edit
one and one retracts one; they arrive shuffled by the thousand, over ninety days of event time.
"""

from __future__ import annotations

import base64
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from schemas.response import Response
from schemas.sealed import Sealed
from schemas.topic import join_key, partition_of
from schemas.topics import RESPONSES
from services.chassis.records import Cause, outgoing

TENANT: Final = "default"
CHANNELS: Final = ("email", "website", "sms", "in_app", "phone", "live_chat")
COUNTRIES: Final = (
    *("AT", "BE", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GB"),
    *("IE", "IT", "LT", "LV", "NL", "NO", "PL", "PT", "SE", "US"),
)
FIRST: Final = datetime(2026, 3, 1, tzinfo=UTC)
DAYS: Final = 90
SHUFFLED: Final = 4_000
REMEMBERED: Final = 20_000
SEALED_BYTES: Final = 180
"""Ciphertext of a customer id, an address, a name and a comment of a sentence."""

Headers = list[tuple[str, bytes]]


class Event(NamedTuple):
    """One record, and what counting needs to know of it."""

    response_id: str
    revision: int
    op: str
    score: int
    channel: str
    country: str
    answered_at: datetime


@dataclass(frozen=True, slots=True)
class Workload:
    """How many records, with which ids. Two with the same values are the same."""

    records: int
    ids: str = "time"
    streams: int = 2
    seed: int = 1
    after_days: int = 0

    def events(self, stream: int) -> Iterator[Event]:
        """The records of one stream, in the order in which they are written."""
        chance = random.Random(self.seed * 1_000 + stream)
        block: list[Event] = []
        for event in self._in_order(chance):
            block.append(event)
            if len(block) == SHUFFLED:
                chance.shuffle(block)
                yield from block
                block.clear()
        chance.shuffle(block)
        yield from block

    def _in_order(self, chance: random.Random) -> Iterator[Event]:
        share = self.records // self.streams
        step = timedelta(days=DAYS) / share
        begin = FIRST + timedelta(days=self.after_days)
        recent: list[Event] = []
        for number in range(share):
            at = begin + number * step
            kind = chance.randrange(100) if recent else 99
            if kind < 7:
                place = chance.randrange(len(recent))
                event = recent[place]
                if kind >= 3:
                    op = "updated" if kind < 6 else "retracted"
                    event = event._replace(revision=event.revision + 1, op=op, score=chance.randrange(11))
                    recent[place] = event
            else:
                event = Event(
                    self._id(at, chance),
                    1,
                    "submitted",
                    chance.randrange(11),
                    CHANNELS[chance.randrange(6)],
                    COUNTRIES[chance.randrange(20)],
                    at - timedelta(seconds=chance.randrange(600)),
                )
                if len(recent) < REMEMBERED:
                    recent.append(event)
                else:
                    recent[number % REMEMBERED] = event
            yield event

    def _id(self, at: datetime, chance: random.Random) -> str:
        bits = chance.getrandbits(128)
        version = 0x4000
        if self.ids == "time":
            bits = (int(at.timestamp() * 1000) << 80) | (bits & (2**80 - 1))
            version = 0x7000
        text = f"{bits:032x}"
        fields = (text[:8], text[8:12], f"{int(text[12:16], 16) & 0x0FFF | version:04x}")
        return f"{'-'.join(fields)}-{int(text[16:20], 16) & 0x3FFF | 0x8000:04x}-{text[20:]}"


class Writer:
    """Turns events into records. A template is filled in: building each anew would take twenty times as long.

    Every answer is another person's; or, if so many `people` give them, an edit says that it was somebody else.
    """

    def __init__(self, seed: int, people: int | None = None) -> None:
        self._chance = random.Random(seed)
        self._people = people

    def record(self, event: Event) -> tuple[bytes, bytes, Headers]:
        """Key, value and headers."""
        key = join_key((TENANT, event.response_id))
        at = event.answered_at.isoformat().replace("+00:00", "Z")
        score = "" if event.op == "retracted" else f'"score":{event.score},'
        digest = f"{event.revision:02x}{event.response_id.replace('-', '')[2:]}"
        subject = digest
        if self._people:
            subject = f"{(int(event.response_id[-8:], 16) + event.revision) % self._people:032x}"
        sealed = base64.b64encode(self._chance.randbytes(SEALED_BYTES)).decode()
        value = (
            f'{{"tenant":"{TENANT}","response_id":"{event.response_id}","revision":{event.revision},"op":"{event.op}",'
            f'"metric":"nps",{score}"channel":"{event.channel}","source":"http","subject":"{subject}",'
            f'"segments":{{"country":"{event.country}"}},"callback_requested":false,"solicited":true,"test":false,'
            f'"history":false,"answered_at":"{at}","received_at":"{at}","digest":"{digest}",'
            f'"sealed":{{"kid":"{digest}","nonce":"{sealed[:16]}","ciphertext":"{sealed}"}}}}'
        )
        return key, value.encode(), self._headers(event, at)

    def _headers(self, event: Event, at: str) -> Headers:
        trace = f"00-{self._chance.getrandbits(128):032x}-{self._chance.getrandbits(64):016x}-01"
        return [
            ("ce_specversion", b"1.0"),
            ("ce_id", f"{event.response_id}/{event.revision}".encode()),
            ("ce_source", b"/nps-loop/intake"),
            ("ce_type", RESPONSES.event_type.encode()),
            ("ce_time", at.encode()),
            ("content-type", b"application/json"),
            ("traceparent", trace.encode()),
        ]


def partition(key: bytes, partitions: int) -> int:
    """Where a record goes."""
    return partition_of(key, partitions)


def as_intake_writes(event: Event) -> tuple[bytes | None, bytes | None, Headers]:
    """The same record made as the service makes it, to hold the template against."""
    _, value, _ = Writer(1).record(event)
    payload = Response.model_validate_json(value)
    assert isinstance(payload.sealed, Sealed)
    record = outgoing(RESPONSES, payload, f"{event.response_id}/{event.revision}", Cause("intake", payload.received_at))
    return record.key, record.value, list(record.headers)
