"""The tally's fold: what a run of answers adds to and takes from exact counts. Pure; a function of the log alone.

An answer's contribution is remembered, so that a later revision can take it back. The highest revision counts, whatever
the order of arrival; log order decides only between two contents of one revision. Strange cases, each with its rule:

  a revision arrives twice                    ignored; if its content differs it is reported, and the first stays
  a revision arrives before its first         counts; the first is older when it comes
  a retraction of an unknown answer           remembered: what it retracts adds nothing when it comes
  a test, an excluded answer, another metric  remembered, adds nothing; a higher revision may bring it in
  a late comment                              not scoring's: it has an order of its own and changes no count
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

from schemas.tally import ALL
from services.chassis.failures import Malformed

BUCKET_S: Final = 300
BUCKETS_A_DAY: Final = 24 * 3600 // BUCKET_S
SCORES: Final = 11
NO_SCORE: Final = 255
COMMENTED: Final = "commented"
COUNTED_OPS: Final = frozenset({"submitted", "updated"})


class Answer(msgspec.Struct, gc=False):
    """The fields of a Response that counting needs; the rest is passed over undecoded."""

    tenant: str
    response_id: str
    revision: int
    op: str
    answered_at: datetime
    digest: str
    metric: str = "nps"
    score: int | None = None
    channel: str | None = None
    segments: dict[str, str] = {}
    test: bool = False

    def counts(self) -> bool:
        """Whether this revision, if it is the highest, is part of NPS."""
        return self.op in COUNTED_OPS and self.metric == "nps" and not self.test and self.score is not None

    def segment_names(self) -> list[str]:
        """Every segment this answer belongs to."""
        names = [ALL]
        if self.channel:
            names.append(f"channel={self.channel}")
        names += [f"{key}={value}" for key, value in self.segments.items()]
        return names


_HEX: Final = frozenset("0123456789abcdef")
_decoder: Final = msgspec.json.Decoder(Answer)


def decode(value: bytes | None) -> Answer:
    """An answer from the value of a record.

    Raises:
        Malformed: if it is no Response.
    """
    if value is None:
        raise Malformed.of("body", "empty: this topic has no tombstones")
    try:
        answer = _decoder.decode(value)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Malformed.of("body", f"no response: {type(error).__name__}") from error
    if answer.score is not None and not 0 <= answer.score <= 10:
        raise Malformed.of("score", "must be 0 to 10")
    if answer.answered_at.tzinfo is None:
        raise Malformed.of("answered_at", "has no offset")
    if not 1 <= answer.revision < 2**63:
        raise Malformed.of("revision", "out of range")
    if len(answer.digest) != 32 or not _HEX.issuperset(answer.digest):
        raise Malformed.of("digest", "must be 32 hexadecimal digits")
    return answer


@dataclass(slots=True)
class Names:
    """Short numbers for tenants and segments, given in log order and never changed. `added` waits to be stored."""

    tenants: dict[str, int] = field(default_factory=dict)
    segments: dict[tuple[str, str], int] = field(default_factory=dict)
    by_code: list[tuple[str, str]] = field(default_factory=list)
    added: list[tuple[str, ...]] = field(default_factory=list)

    def tenant(self, name: str) -> int:
        """The number of a tenant."""
        code = self.tenants.get(name)
        if code is None:
            code = self.tenants[name] = len(self.tenants)
            self.added.append((name,))
        return code

    def segment(self, tenant: str, name: str) -> int:
        """The number of a tenant's segment."""
        code = self.segments.get((tenant, name))
        if code is None:
            code = self.segments[tenant, name] = len(self.by_code)
            self.by_code.append((tenant, name))
            self.added.append((tenant, name))
        return code


_CONTRIBUTION: Final = struct.Struct(">QQiB")
_CELL_KEY: Final = struct.Struct(">Ii")


@dataclass(frozen=True, slots=True)
class Contribution:
    """What one answer adds at present: one to `score` in `bucket` (since 1970) of each segment, or nothing."""

    revision: int
    digest: int
    bucket: int
    score: int
    segments: tuple[int, ...]

    def packed(self) -> bytes:
        """About thirty bytes: there is one for every answer ever given."""
        return (
            _CONTRIBUTION.pack(self.revision, self.digest, self.bucket, self.score)
            + array("I", self.segments).tobytes()
        )

    @classmethod
    def unpacked(cls, content: bytes) -> Contribution:
        """The inverse of `packed`."""
        segments = array("I")
        segments.frombytes(content[_CONTRIBUTION.size :])
        revision, digest, bucket, score = _CONTRIBUTION.unpack_from(content)
        return cls(revision, digest, bucket, score, tuple(segments))


Cell = dict[int, int]
"""Counts of one segment and day: bucket of the day times eleven plus score, to how many."""

CellKey = tuple[int, int]
"""Number of the segment, day since 1970."""


def pack_cell(cell: Cell) -> bytes:
    """Sparse: zeros are left out."""
    slots = array("H", cell.keys())
    return slots.tobytes() + array("I", cell.values()).tobytes()


def unpack_cell(content: bytes | None) -> Cell:
    """The inverse of `pack_cell`; an absent cell is empty."""
    if not content:
        return {}
    slots, counts = array("H"), array("I")
    size = len(content) // (slots.itemsize + counts.itemsize)
    slots.frombytes(content[: size * slots.itemsize])
    counts.frombytes(content[size * slots.itemsize :])
    return dict(zip(slots, counts, strict=True))


def pack_cell_key(key: CellKey) -> bytes:
    """Sorts by segment, then day."""
    return _CELL_KEY.pack(*key)


def unpack_cell_key(content: bytes) -> CellKey:
    """The inverse of `pack_cell_key`."""
    segment, day = _CELL_KEY.unpack(content)
    return segment, day


def answer_key(tenant: int, response_id: str) -> bytes:
    """Derived from the id alone, since a retraction may name nothing else. Time order in a UUIDv7 is kept."""
    prefix = tenant.to_bytes(4, "big")
    if len(response_id) == 36:
        try:
            uuid = UUID(response_id)
        except ValueError:
            pass
        else:
            if str(uuid) == response_id:
                return prefix + b"u" + uuid.bytes
    return prefix + b"s" + response_id.encode()


@dataclass(slots=True)
class Folded:
    """What a run of answers changes, and what of it was ignored."""

    contributions: dict[bytes, Contribution] = field(default_factory=dict)
    deltas: dict[CellKey, Cell] = field(default_factory=dict)
    changed_at: dict[CellKey, int] = field(default_factory=dict)
    counted: int = 0
    older: int = 0
    duplicates: int = 0
    conflicts: list[int] = field(default_factory=list)


def keys_of(answers: Iterable[tuple[int, Answer]], names: Names) -> list[bytes]:
    """Keys of the contributions a fold must know, in the order of the answers."""
    return [answer_key(names.tenant(answer.tenant), answer.response_id) for _, answer in answers]


def fold(
    answers: Sequence[tuple[int, Answer]], keys: Sequence[bytes], known: Mapping[bytes, Contribution], names: Names
) -> Folded:
    """Folds answers, each with its offset, into changes. `known` holds the contributions of before."""
    folded = Folded()
    for (offset, answer), key in zip(answers, keys, strict=True):
        if answer.op == COMMENTED:
            continue
        old = folded.contributions.get(key) or known.get(key)
        digest = int(answer.digest[:16], 16)
        if old is not None and answer.revision <= old.revision:
            if answer.revision < old.revision:
                folded.older += 1
            elif digest == old.digest:
                folded.duplicates += 1
            else:
                folded.conflicts.append(offset)
            continue
        new = _contribution(answer, digest, names)
        folded.contributions[key] = new
        folded.counted += 1
        if old is not None:
            _add(folded, old, -1, offset)
        _add(folded, new, 1, offset)
    return folded


def _contribution(answer: Answer, digest: int, names: Names) -> Contribution:
    bucket = int(answer.answered_at.timestamp()) // BUCKET_S
    if not answer.counts() or answer.score is None:
        return Contribution(answer.revision, digest, bucket, NO_SCORE, ())
    codes = tuple(dict.fromkeys(names.segment(answer.tenant, name) for name in answer.segment_names()))
    return Contribution(answer.revision, digest, bucket, answer.score, codes)


def _add(folded: Folded, contribution: Contribution, by: int, offset: int) -> None:
    if contribution.score == NO_SCORE:
        return
    day, bucket = divmod(contribution.bucket, BUCKETS_A_DAY)
    slot = bucket * SCORES + contribution.score
    for segment in contribution.segments:
        cell = folded.deltas.setdefault((segment, day), {})
        cell[slot] = cell.get(slot, 0) + by
        folded.changed_at[segment, day] = offset


def applied(cell: Cell, delta: Cell) -> Cell:
    """A cell after a change.

    Raises:
        AssertionError: if a count would fall below zero, which no log can bring about.
    """
    result = dict(cell)
    for slot, by in delta.items():
        count = result.get(slot, 0) + by
        assert count >= 0, f"slot {slot} would hold {count} answers"
        if count:
            result[slot] = count
        else:
            result.pop(slot, None)
    return result
