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

import re
import struct
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Annotated, Final, NamedTuple
from uuid import UUID

import msgspec
from msgspec import Meta

from schemas.contract import TENANT_PATTERN
from services.chassis.failures import Malformed
from services.scoring.cells import BUCKET_S, SCORES, Slots
from services.scoring.names import Names
from services.scoring.segments import NO_RULES, Rules, names, parsed

COMMENTED: Final = "commented"
COUNTED_OPS: Final = frozenset({"submitted", "updated"})
DIGEST_DIGITS: Final = 16
"""Of 32: enough to tell two contents of one revision apart."""
ANSWER: Final = b"A"
"""What the keys of contributions begin with."""


class Answer(msgspec.Struct, gc=False):
    """The fields of a Response that counting needs; the rest is passed over undecoded."""

    tenant: Annotated[str, Meta(pattern=TENANT_PATTERN)]
    response_id: str
    revision: Annotated[int, Meta(ge=1, le=2**63 - 1)]
    op: str
    answered_at: Annotated[datetime, Meta(tz=True)]
    digest: Annotated[str, Meta(min_length=32, max_length=32)]
    metric: str = "nps"
    score: Annotated[int, Meta(ge=0, le=10)] | None = None
    channel: str | None = None
    segments: msgspec.Raw = msgspec.Raw(b"{}")
    subject: Annotated[str, Meta(min_length=32, max_length=32)] | None = None
    test: bool = False

    def counts(self) -> bool:
        """Whether this revision, if it is the highest, is part of NPS."""
        return self.op in COUNTED_OPS and self.metric == "nps" and not self.test and self.score is not None

    def segment_names(self, rules: Rules = NO_RULES) -> list[str]:
        """Every segment this answer belongs to."""
        return names(self.channel, parsed(bytes(self.segments)), rules.combinations)


_decoder: Final = msgspec.json.Decoder(Answer)
_PLACE: Final = re.compile(r"(.*?)(?: - at `\$\.?(.*)`)?$", re.DOTALL)


def decode(value: bytes | None) -> Answer:
    """An answer from the value of a record.

    Raises:
        Malformed: if it is no Response.
    """
    if value is None:
        raise Malformed.of("body", "empty: this topic has no tombstones")
    try:
        answer = _decoder.decode(value)
        digest = bytes.fromhex(answer.digest + (answer.subject or ""))
    except msgspec.ValidationError as error:
        raise _wrong(str(error)) from error
    except (msgspec.DecodeError, RecursionError) as error:
        raise Malformed.of("body", f"no response: {type(error).__name__}") from error
    except ValueError as error:
        raise Malformed.of("digest", "must be hexadecimal digits, as subject must be") from error
    if len(digest) % 16:
        raise Malformed.of("digest", "must be hexadecimal digits, as subject must be")
    parsed(bytes(answer.segments))
    return answer


def _wrong(message: str) -> Malformed:
    """The library's words, which name the place and never repeat the value."""
    match = _PLACE.fullmatch(message)
    reason, place = match.groups() if match else (message, None)
    missing = re.search(r"missing required field `(\w+)`", reason)
    if missing:
        return Malformed.of(missing.group(1), "required")
    return Malformed.of(place or "body", reason[:1].lower() + reason[1:])


class Person(NamedTuple):
    """Whose answer it is and when it was given, where each person's latest answer is counted as well."""

    subject: bytes
    at_ms: int


_HEAD: Final = struct.Struct(">Q8siB")
_REVISION: Final = struct.Struct(">Q8s")
_PERSON: Final = struct.Struct(">16sq")
_NO_SCORE: Final = 0x0F
_WIDE: Final = 0x10
_OF_PERSON: Final = 0x20
_NARROWEST: Final = 2**16
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MS: Final = timedelta(milliseconds=1)


class Codes(NamedTuple):
    """Numbers of segments, and how they are packed: two bytes each, or four if `width` says so."""

    numbers: tuple[int, ...]
    packed: bytes
    width: int

    @classmethod
    def of(cls, numbers: tuple[int, ...]) -> Codes:
        """As narrow as they can be."""
        wide = bool(numbers) and max(numbers) >= _NARROWEST
        return cls(numbers, array("I" if wide else "H", numbers).tobytes(), _WIDE if wide else 0)

    @classmethod
    def unpacked(cls, content: bytes, width: int) -> Codes:
        """The inverse of `packed`."""
        numbers = array("I" if width else "H")
        numbers.frombytes(content)
        return cls(tuple(numbers), content, width)


NO_CODES: Final = Codes((), b"", 0)


class Contribution(NamedTuple):
    """What one answer adds at present: one to `score` in `bucket` (since 1970) of each segment, or nothing."""

    revision: int
    digest: bytes
    bucket: int
    score: int | None
    segments: Codes = NO_CODES
    person: Person | None = None

    def packed(self) -> bytes:
        """About thirty bytes: there is one for every answer ever given."""
        flags = (_NO_SCORE if self.score is None else self.score) | self.segments.width
        if self.person is None:
            return _HEAD.pack(self.revision, self.digest, self.bucket, flags) + self.segments.packed
        head = _HEAD.pack(self.revision, self.digest, self.bucket, flags | _OF_PERSON)
        return head + _PERSON.pack(*self.person) + self.segments.packed

    @classmethod
    def unpacked(cls, content: bytes) -> Contribution:
        """The inverse of `packed`."""
        revision, digest, bucket, flags = _HEAD.unpack_from(content)
        score = flags & _NO_SCORE
        start, person = _HEAD.size, None
        if flags & _OF_PERSON:
            person = Person(*_PERSON.unpack_from(content, start))
            start += _PERSON.size
        codes = Codes.unpacked(content[start:], flags & _WIDE)
        return cls(revision, digest, bucket, None if score == _NO_SCORE else score, codes, person)


def answer_key(tenant: int, response_id: str) -> bytes:
    """Derived from the id alone, since a retraction may name nothing else. Time order in a UUIDv7 is kept."""
    prefix = ANSWER + tenant.to_bytes(4, "big")
    if len(response_id) == 36 and response_id[8] == response_id[13] == response_id[18] == response_id[23] == "-":
        digits = response_id.replace("-", "")
        try:
            number = bytes.fromhex(digits)
        except ValueError:
            pass
        else:
            if number.hex() == digits and len(number) == 16:
                return prefix + b"u" + number
    return prefix + b"s" + response_id.encode()


def response_of(key: bytes) -> tuple[int, str]:
    """The inverse of `answer_key`: the tenant's number and the answer's id."""
    kind, content = key[5:6], key[6:]
    return int.from_bytes(key[1:5], "big"), str(UUID(bytes=content)) if kind == b"u" else content.decode()


@dataclass(slots=True)
class Folded:
    """What a run of answers changes, and what of it was ignored."""

    contributions: dict[bytes, bytes] = field(default_factory=dict)
    more: Slots = field(default_factory=dict)
    less: Slots = field(default_factory=dict)
    people: set[tuple[bytes, bytes]] = field(default_factory=set)
    """Subject and key of each answer of which a fact about a person changed."""
    counted: int = 0
    older: int = 0
    duplicates: int = 0
    conflicts: list[int] = field(default_factory=list)


class Fold:
    """Folds the answers of one source partition."""

    def __init__(self, book: Names, rules_of: Callable[[str], Rules]) -> None:
        self._names = book
        self._rules_of = cache(rules_of)
        self._codes: dict[tuple[str, str | None, bytes], Codes] = {}

    def keys_of(self, answers: Iterable[tuple[int, Answer]]) -> list[bytes]:
        """Keys of the contributions a fold must know, in the order of the answers."""
        tenant = self._names.tenant
        return [answer_key(tenant(answer.tenant), answer.response_id) for _, answer in answers]

    def __call__(
        self, answers: Sequence[tuple[int, Answer]], keys: Sequence[bytes], known: Mapping[bytes, bytes]
    ) -> Folded:
        """Folds answers, each with its offset, into changes. `known` holds the contributions of before."""
        folded = Folded()
        contributions = folded.contributions
        for (offset, answer), key in zip(answers, keys, strict=True):
            if answer.op == COMMENTED:
                continue
            old = contributions.get(key) or known.get(key)
            digest = bytes.fromhex(answer.digest[:DIGEST_DIGITS])
            if old is not None:
                if not _supersedes(folded, offset, (answer.revision, digest), old):
                    continue
                self._take_back(folded, key, old)
            folded.counted += 1
            contributions[key] = self._added(folded, key, answer, digest)
        return folded

    def _added(self, folded: Folded, key: bytes, answer: Answer, digest: bytes) -> bytes:
        bucket = int(answer.answered_at.timestamp() // BUCKET_S)
        if not answer.counts() or answer.score is None:
            return Contribution(answer.revision, digest, bucket, None).packed()
        codes = self._segments(answer)
        slots = folded.more.get(codes.numbers)
        if slots is None:
            slots = folded.more[codes.numbers] = []
        slots.append(bucket * SCORES + answer.score)
        person = None
        if answer.subject and self._rules_of(answer.tenant).latest:
            person = Person(bytes.fromhex(answer.subject), (answer.answered_at - _EPOCH) // _MS)
            folded.people.add((person.subject, key))
        return Contribution(answer.revision, digest, bucket, answer.score, codes, person).packed()

    def _take_back(self, folded: Folded, key: bytes, content: bytes) -> None:
        old = Contribution.unpacked(content)
        if old.score is None:
            return
        folded.less.setdefault(old.segments.numbers, []).append(old.bucket * SCORES + old.score)
        if old.person:
            folded.people.add((old.person.subject, key))

    def _segments(self, answer: Answer) -> Codes:
        content = bytes(answer.segments)
        key = (answer.tenant, answer.channel, content)
        codes = self._codes.get(key)
        if codes is None:
            if len(self._codes) >= REMEMBERED:
                self._codes.clear()
            segments = names(answer.channel, parsed(content), self._rules_of(answer.tenant).combinations)
            codes = self._codes[key] = Codes.of(self._names.codes(answer.tenant, segments))
        return codes


REMEMBERED: Final = 16_384
"""Groups of segments whose numbers are kept at hand."""


def _supersedes(folded: Folded, offset: int, new: tuple[int, bytes], content: bytes) -> bool:
    """Whether a revision with its digest takes the place of another; if not, it is noted why."""
    old: tuple[int, bytes] = _REVISION.unpack_from(content)
    if new[0] > old[0]:
        return True
    if new[0] < old[0]:
        folded.older += 1
    elif new[1] == old[1]:
        folded.duplicates += 1
    else:
        folded.conflicts.append(offset)
    return False
