"""The fold of the second series: of each person, the latest answer alone. Pure.

It reads `nps.people`, where every answer of a person stands as an absolute fact; the last record of a key wins. All
answers of a person are kept, so that a retraction brings back the one before. The latest is the one given last, of two
at the same moment the one whose id sorts last.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final, NamedTuple

import msgspec
from msgspec import Meta

from services.chassis.failures import Malformed
from services.scoring.cells import BUCKET_S, SCORES, Slots
from services.scoring.names import Names

SUBJECT_BYTES: Final = 16

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MS: Final = timedelta(milliseconds=1)
_FACT: Final = struct.Struct(">qB")


class Fact(msgspec.Struct, gc=False):
    """A PersonAnswer as it is read back."""

    generation: str
    tenant: str
    subject: Annotated[str, Meta(min_length=32, max_length=32)]
    response_id: str
    answered_at: Annotated[datetime, Meta(tz=True)]
    score: Annotated[int, Meta(ge=0, le=10)] | None = None
    segments: list[str] = []


_decoder: Final = msgspec.json.Decoder(Fact)


def decode(value: bytes) -> Fact:
    """A fact from the value of a record.

    Raises:
        Malformed: if it is none; nobody but the tally writes them.
    """
    try:
        fact = _decoder.decode(value)
        bytes.fromhex(fact.subject)
    except (msgspec.DecodeError, ValueError) as error:
        raise Malformed.of("body", f"no fact about a person: {type(error).__name__}") from error
    return fact


class Counted(NamedTuple):
    """An answer that counts: when it was given, its score and segments."""

    at_ms: int
    score: int
    segments: Sequence[int]

    def packed(self) -> bytes:
        """As it is stored."""
        return _FACT.pack(self.at_ms, self.score) + array("I", self.segments).tobytes()

    @classmethod
    def unpacked(cls, content: bytes) -> Counted:
        """The inverse of `packed`."""
        codes = array("I")
        codes.frombytes(content[_FACT.size :])
        at_ms, score = _FACT.unpack_from(content)
        return cls(at_ms, score, tuple(codes))

    @property
    def slot(self) -> int:
        """Bucket since 1970 times eleven plus score."""
        return self.at_ms // (BUCKET_S * 1000) * SCORES + self.score


Latest = tuple[Counted, bytes]
"""The answer of a person that counts, and its key."""


@dataclass(slots=True)
class FoldedPeople:
    """What a run of facts changes. An answer without content counts no more."""

    answers: dict[bytes, bytes | None] = field(default_factory=dict)
    more: Slots = field(default_factory=dict)
    less: Slots = field(default_factory=dict)


def person_key(names: Names, fact: Fact) -> bytes:
    """What all answers of a person begin with."""
    return names.tenant(fact.tenant).to_bytes(4, "big") + bytes.fromhex(fact.subject)


def fold(facts: Sequence[Fact], known: Mapping[bytes, Mapping[bytes, bytes]], names: Names) -> FoldedPeople:
    """Folds facts into changes. `known` holds all answers of each person named, by key of person and of answer.

    An answer that was the latest for a while within the run is both added and taken back: its cells are published anew.
    """
    folded = FoldedPeople()
    people = {person: dict(answers) for person, answers in known.items()}
    newest = {person: latest(answers) for person, answers in known.items()}
    for fact in facts:
        person = person_key(names, fact)
        key = person + fact.response_id.encode()
        content = None
        if fact.score is not None:
            codes = names.codes(fact.tenant, fact.segments)
            content = Counted((fact.answered_at - _EPOCH) // _MS, fact.score, codes).packed()
        folded.answers[key] = content
        if content is None:
            people[person].pop(key, None)
        else:
            people[person][key] = content
        before, newest[person] = newest[person], _latest_now(newest[person], key, people[person])
        if newest[person] != before:
            _count(folded.less, before)
            _count(folded.more, newest[person])
    return folded


def latest(answers: Mapping[bytes, bytes]) -> Latest | None:
    """The answer of a person that counts."""
    return max(((Counted.unpacked(content), key) for key, content in answers.items()), key=_order, default=None)


def _latest_now(before: Latest | None, changed: bytes, answers: Mapping[bytes, bytes]) -> Latest | None:
    """The same after one of them changed: looks at all only if that one was the latest."""
    if before is not None and before[1] == changed:
        return latest(answers)
    content = answers.get(changed)
    new = (Counted.unpacked(content), changed) if content is not None else None
    return max((one for one in (before, new) if one is not None), key=_order, default=None)


def _order(item: Latest) -> tuple[int, bytes]:
    return item[0].at_ms, item[1]


def _count(slots: Slots, counted: Latest | None) -> None:
    if counted is not None:
        answer, _ = counted
        slots.setdefault(tuple(answer.segments), []).append(answer.slot)
