"""Settles an answer at the door: its id, its revision, whether it may come in. Pure.

Ids. The sender's own; else made from what is the same when the same thing is sent again: the sender's event id, the
Idempotency-Key and item, the place in the topic, the file and row. Only HTTP with none of these gets a random one.

Revisions. The sender's number. A source that never numbers has its updated_at in milliseconds, else 1 for an answer
and the time of receipt for what comes after. From a source that numbers
  an unnumbered update or exclusion is malformed: nobody can tell what it replaces
  an unnumbered retraction is final: nothing comes after it

Segments. The pairs the sender chose, and touchpoint, agent and team as pairs of their own, all under one bound. What is
cut off or told apart no more there stays in its field as it was sent.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from operator import itemgetter
from typing import Final, NamedTuple
from uuid import UUID
from zoneinfo import available_timezones

from pydantic_core import to_json

from schemas.contract import FINAL_REVISION, LONGEST_SEGMENT_VALUE
from schemas.malformed import Malformed
from schemas.personal_data import PersonalData
from schemas.response import Response, Submission
from schemas.sealed import Sealed

IDS: Final = UUID("e2b7f6a0-5c83-5f0e-8a43-1f0f7a1f4c2d")
"""Namespace of response ids that intake makes (RFC 9562 §5.5)."""

AHEAD_AT_MOST: Final = timedelta(minutes=5)
RESERVED_SEGMENTS: Final = frozenset({"all", "channel", "touchpoint", "agent", "team"})
"""Fields of an answer that are segments by themselves; of `all` and `channel` scoring makes them."""

NO_SOURCE: Final = ""

PERSONAL: Final = tuple(PersonalData.model_fields)
_PERSONAL: Final = frozenset(PERSONAL)
_SETTLED: Final = frozenset(
    {"tenant", "response_id", "revision", "channel", "source", "segments", "history", "answered_at"}
)
_AS_SUBMITTED: Final = tuple(
    name for name in Response.model_fields if name in Submission.model_fields and name not in _SETTLED
)
_as_submitted: Final = itemgetter(*_AS_SUBMITTED)

SegmentPair = tuple[str, str]


class Arrival(NamedTuple):
    """A submission and how it came: all that intake knows before it looks anything up.

    `identity` is the same when the same thing comes again; `history` is the import's mark.
    """

    submission: Submission
    tenant: str
    channel: str | None
    received_at: datetime
    identity: str
    source: str | None = None
    history: bool = False
    traceparent: str | None = None

    @property
    def response_id(self) -> str:
        """The sender's id, or one made from the identity."""
        return self.submission.response_id or made_id(f"{self.tenant}|{self.identity}")

    @property
    def source_name(self) -> str:
        """Who numbers: revisions of one source are compared, never those of two."""
        return self.submission.source or self.source or NO_SOURCE

    @property
    def segments(self) -> dict[str, str]:
        """What the answer is grouped by: the pairs sent, and its touchpoint, agent and team."""
        agent = self.submission.agent
        if agent is None and self.submission.touchpoint is None:
            return self.submission.segments
        fields = {
            "touchpoint": self.submission.touchpoint,
            "agent": agent.id if agent else None,
            "team": agent.team if agent else None,
        }
        cut = {key: _segment_value(text) for key, text in fields.items() if text}
        return self.submission.segments | {key: value for key, value in cut.items() if value}


def _segment_value(text: str) -> str:
    """A field's text as the value of a segment; empty if there is nothing in it but spaces."""
    return text.strip()[:LONGEST_SEGMENT_VALUE].rstrip()


@dataclass(frozen=True, slots=True)
class Admitted:
    """Which segments of a tenant are told apart: pairs of key and value, and keys that have such a value."""

    pairs: frozenset[SegmentPair]
    keys: frozenset[str]

    def bounded(self, segments: Mapping[str, str], overflow: str) -> dict[str, str]:
        """Segments within the bound: a value beyond it is the overflow, a key that has no value within is left out.

        Senders choose keys as freely as values; a key with nothing but the overflow would tell nothing.
        """
        if segments.items() <= self.pairs:
            return dict(segments)
        return {
            key: value if (key, value) in self.pairs else overflow
            for key, value in segments.items()
            if key in self.keys
        }


class Settled(NamedTuple):
    """An arrival that may come in, with its place in the order of revisions."""

    arrival: Arrival
    response_id: str
    revision: int
    segments: dict[str, str]


def made_id(name: str) -> str:
    """`str(uuid5(IDS, name))` in a third of its time: version 5 and variant 10 set in a SHA-1 (RFC 9562 §5.5)."""
    digest = hashlib.sha1(IDS.bytes + name.encode(), usedforsecurity=False).hexdigest()
    variant = "89ab"[int(digest[16], 16) & 3]
    return f"{digest[:8]}-{digest[8:12]}-5{digest[13:16]}-{variant}{digest[17:20]}-{digest[20:32]}"


def check(arrival: Arrival) -> None:
    """Refuses what no look-up could save.

    Raises:
        Malformed: naming the field.
    """
    submission = arrival.submission
    if submission.answered_at and submission.answered_at > arrival.received_at + AHEAD_AT_MOST:
        raise Malformed.of("answered_at", "more than five minutes in the future")
    reserved = RESERVED_SEGMENTS & submission.segments.keys()
    if reserved:
        raise Malformed.of(f"segments.{min(reserved)}", "reserved: it is a segment by itself")
    if submission.timezone and submission.timezone not in _zones():
        raise Malformed.of("timezone", "not an IANA time zone")
    if arrival.channel is None and submission.op == "submitted":
        raise Malformed.of("channel", "required")


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def revision_of(arrival: Arrival, *, source_numbers: bool) -> int:
    """The place of this revision among those of its answer.

    Raises:
        Malformed: if its source numbers and this one does not.
    """
    submission = arrival.submission
    if submission.revision is not None:
        return submission.revision
    if submission.op == "commented":
        return _milliseconds(submission.updated_at or arrival.received_at)
    if source_numbers:
        if submission.op in {"updated", "excluded"}:
            raise Malformed.of("revision", f"required: this source numbers, and op is {submission.op}")
        return FINAL_REVISION if submission.op == "retracted" else 1
    if submission.updated_at is not None:
        return _milliseconds(submission.updated_at)
    return 1 if submission.op == "submitted" else _milliseconds(arrival.received_at)


def _milliseconds(moment: datetime) -> int:
    return max(1, int(moment.timestamp() * 1000))


def personal_content(submission: Submission) -> bytes:
    """What of a submission is sealed, as the JSON of PersonalData; empty if there is nothing to seal, and so no key."""
    if _PERSONAL.isdisjoint(submission.model_fields_set):
        return b""
    told = {field: value for field in PERSONAL if (value := getattr(submission, field))}
    return to_json(told) if told else b""


def digest_of(submission: Submission, secret: bytes) -> str:
    """Decides whether two of one revision are the same: over what was sent, before any default."""
    told = submission.__dict__
    sent = to_json({name: told[name] for name in sorted(submission.model_fields_set)})
    return hmac.digest(secret, sent, "sha256")[:16].hex()


def response(settled: Settled, *, digest: str, subject: str | None, sealed: Sealed | None) -> Response:
    """The answer as it goes on `nps.responses`. What it is made of has been validated: as submission, or by `check`."""
    arrival, submission = settled.arrival, settled.arrival.submission
    sent = submission.__dict__
    received_at = arrival.received_at if arrival.received_at.tzinfo is UTC else arrival.received_at.astimezone(UTC)
    values = {
        **dict(zip(_AS_SUBMITTED, _as_submitted(sent), strict=True)),
        "tenant": arrival.tenant,
        "response_id": settled.response_id,
        "revision": settled.revision,
        "channel": arrival.channel,
        "source": submission.source or arrival.source,
        "subject": subject,
        "segments": settled.segments,
        "history": submission.history or arrival.history,
        "answered_at": submission.answered_at or received_at,
        "received_at": received_at,
        "digest": digest,
        "sealed": sealed,
    }
    return Response.of_sound(values)
