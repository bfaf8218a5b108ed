"""What a tally may count, answers from `nps.responses` or people from `nps.people`, and how counts are published."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Final

import msgspec

from schemas import cloudevents
from schemas.malformed import Malformed
from schemas.person_answer import PersonAnswer
from schemas.tally import Series
from schemas.topic import Topic, join_key
from schemas.topics import PEOPLE, RESPONSES, TALLIES
from services.chassis.records import Cause, Outgoing, outgoing
from services.scoring import people, tally
from services.scoring.answers_tally import AnswersTally
from services.scoring.partition_tally import PartitionTally, Pending, PendingFact
from services.scoring.people_tally import PeopleTally
from services.scoring.segments import Rules
from services.scoring.store import Store

if TYPE_CHECKING:
    from aiokafka.structs import ConsumerRecord

ANSWERS_GROUP: Final = "scoring.tally"
PEOPLE_GROUP: Final = "scoring.people"
FIRST_GENERATION: Final = "g1"

_NAMES: Final[Mapping[Series, str]] = {"all": "tally", "latest": "people"}
NAMES: Final = tuple(_NAMES.values())
_TYPE: Final = "ce_type"
_IS_RESPONSE: Final = (_TYPE, RESPONSES.event_type.encode())
_encode: Final = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """One kind of thing that is counted, by the rules of one generation.

    `dense` says that no offset is missing in its topic. `read` gives what is to be folded of a record, or none where it
    is no concern of this generation.
    """

    topic: Topic[Any]
    series: Series
    generation: str
    group: str
    dense: bool
    read: Callable[[ConsumerRecord[bytes, bytes]], Any]
    open: Callable[[Store, date], PartitionTally]

    @property
    def name(self) -> str:
        """For fences and folders: unique among all that a worker counts."""
        return _NAMES[self.series]

    def fence(self, partition: int) -> str:
        """The right to publish what is counted of one partition."""
        return fence_of(self.series, self.generation, partition)


def group_of(name: str, generation: str) -> str:
    """Each generation has a group of its own; that of the first has the plain name."""
    return name if generation == FIRST_GENERATION else f"{name}.{generation}"


def fence_of(series: Series, generation: str, partition: int) -> str:
    """The right to publish what one generation counts of one partition, by its transactional id."""
    return f"{_NAMES[series]}.{generation}.{partition}"


def answers(generation: str, rules_of: Callable[[str], Rules], slots_in_memory: int) -> Counted:
    """Every answer."""
    return Counted(
        topic=RESPONSES,
        series="all",
        generation=generation,
        group=group_of(ANSWERS_GROUP, generation),
        dense=True,
        read=answer_of,
        open=lambda store, today: AnswersTally(store, today, rules_of, slots_in_memory),
    )


def people_of(generation: str, slots_in_memory: int) -> Counted:
    """Of each person, the latest answer."""

    def read(record: ConsumerRecord[bytes, bytes]) -> people.Fact | None:
        fact = people.decode(record.value) if record.value is not None else None
        return fact if fact is not None and fact.generation == generation else None

    return Counted(
        topic=PEOPLE,
        series="latest",
        generation=generation,
        group=group_of(PEOPLE_GROUP, generation),
        dense=False,
        read=read,
        open=lambda store, today: PeopleTally(store, today, slots_in_memory),
    )


def answer_of(record: ConsumerRecord[bytes, bytes]) -> tally.Answer:
    """An answer, if the record says that it is one.

    Raises:
        Malformed: if it is none.
    """
    if _IS_RESPONSE in record.headers:
        return tally.decode(record.value)
    raise Malformed.of(_TYPE, f"this topic carries {RESPONSES.event_type}")


def cell_record(counted: Counted, cell: Pending, partition: int) -> Outgoing:
    """A cell as a record of `nps.tallies`; built by hand, since there are many (a test reads them back)."""
    generation, series, day = counted.generation, counted.series, cell.day.isoformat()
    value = {
        "generation": generation,
        "tenant": cell.tenant,
        "segment": cell.segment,
        "series": series,
        "day": day,
        "partition": partition,
        "offset": cell.offset,
        "resolution": cell.minutes,
        "counts": cell.counts,
    }
    event_id = f"{generation}/{series}/{partition}/{cell.offset}/{cell.key[0]}/{cell.key[1]}/{cell.minutes}"
    headers = (
        ("ce_specversion", cloudevents.SPEC_VERSION.encode()),
        ("ce_id", event_id.encode()),
        ("ce_source", b"/nps-loop/scoring"),
        (_TYPE, TALLIES.event_type.encode()),
        ("content-type", cloudevents.JSON_TYPE.encode()),
    )
    key = join_key((generation, cell.tenant, cell.segment, series, day, str(partition)))
    return Outgoing(TALLIES.name, key, join_key((cell.tenant, cell.segment)), _encode(value), headers)


def fact_record(counted: Counted, fact: PendingFact, partition: int, now: datetime) -> Outgoing:
    """A fact about a person as a record of `nps.people`."""
    payload = PersonAnswer(
        generation=counted.generation,
        tenant=fact.tenant,
        subject=fact.subject,
        response_id=fact.response_id,
        partition=partition,
        offset=fact.offset,
        answered_at=fact.answered_at,
        score=fact.score,
        segments=list(fact.segments),
    )
    event_id = f"{counted.generation}/{partition}/{fact.offset}/{fact.subject}/{fact.response_id}"
    return outgoing(PEOPLE, payload, event_id, Cause("scoring", now))
