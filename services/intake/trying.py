"""Shows what a call of a source becomes, field by field, and lets nothing in: needs neither Kafka nor a database."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from schemas.malformed import Fault, Malformed
from schemas.response import Submission
from services.intake.domain import Arrival, check
from services.intake.sources import generic
from services.intake.sources.catalogue import ADAPTERS
from services.intake.sources.generic import Found
from services.intake.sources.source import Answered, Call, Heard, Lookup, OptedOut, Said, SourceOptions

UNFIT: Final = "does not have the form this field needs"
FETCHED: Final = "the answer is fetched from the vendor once the call comes in; nothing is asked here"

_NOT_OF_ITSELF: Final = frozenset({"event_id", "attributes"})
"""Named in a map, and no field of an answer by this name."""

_DEFAULTS: Final = {name: field.default for name, field in Submission.model_fields.items()}


@dataclass(frozen=True, slots=True)
class Line:
    """One field of an answer: where it stood and what was there, where that is known, and what it becomes.

    With a reason it becomes nothing: the answer goes in without it if it is `left_out`, else not at all.
    """

    field: str
    value: Any = None  # of any type a field has
    where: str | None = None
    found: Any = None  # JSON of any shape
    reason: str | None = None
    left_out: bool = False


@dataclass(frozen=True, slots=True)
class Tried:
    """One of the things that a call says, and what is wrong with it; `kind` is in words."""

    kind: str
    lines: tuple[Line, ...]
    faults: tuple[Fault, ...] = ()


def tried(tenant: str, options: SourceOptions, call: Call, now: datetime) -> list[Tried]:
    """What a call says, each thing by itself; empty if it says nothing.

    Raises:
        Malformed: if nothing in it can be read.
    """
    if isinstance(options, generic.Options):
        return [_one(tenant, said, fields, now) for fields, said in generic.explained(call, options)]
    vendor: str = getattr(options, "vendor", "")
    return [_one(tenant, said, (), now) for said in ADAPTERS[vendor].parse(call, options)]


def _one(tenant: str, said: Said, fields: Sequence[Found], now: datetime) -> Tried:
    if isinstance(said, Malformed):
        return Tried("refused", tuple(_lines(fields, None, said.faults)), tuple(said.faults))
    if isinstance(said, OptedOut):
        told = {name: getattr(said, name) for name in ("customer_id", "email", "phone", "at")}
        lines = [Line(name, _written(value)) for name, value in told.items() if value is not None]
        return Tried("opt-out", (*lines, Line("purposes", ", ".join(said.purposes))))
    if isinstance(said, Lookup):
        return Tried("look-up", (Line("path", said.path), Line("answer", FETCHED)))
    if isinstance(said, Heard):
        told = {"phone": said.phone, "text": said.text, "medium": said.medium}
        return Tried("message", tuple(Line(name, value) for name, value in told.items()))
    faults = _refused_at_the_door(tenant, said, now)
    return Tried("refused" if faults else "answer", tuple(_lines(fields, _flat(said), faults)), tuple(faults))


def _refused_at_the_door(tenant: str, said: Answered, now: datetime) -> list[Fault]:
    submission = said.submission
    try:
        check(Arrival(submission, tenant, submission.channel, received_at=now, identity=""))
    except Malformed as error:
        return error.faults
    return []


def _lines(fields: Sequence[Found], becomes: dict[str, Any] | None, faults: Sequence[Fault]) -> Iterator[Line]:
    """What the map names, then what the answer has besides, then what it lacks; no answer where `becomes` is none."""
    reasons, rest = dict(faults), dict(becomes or {})
    for one in fields:
        value = _written(one.value) if becomes is None or one.name in _NOT_OF_ITSELF else rest.pop(one.name, None)
        refused = reasons.pop(one.name, one.reason)
        reason = refused or (UNFIT if value is None and one.value is not None else None)
        left_out = reason is not None and not one.matters
        yield Line(one.name, None if reason else value, one.where, one.found, reason, left_out)
    yield from (Line(name, value, reason=reasons.pop(name, None)) for name, value in rest.items())
    yield from (Line(name, reason=reason) for name, reason in reasons.items())


def _written(value: Any) -> Any:  # of any type a field has
    return value.isoformat() if isinstance(value, datetime) else value


def _flat(said: Answered) -> dict[str, Any]:  # fields of any type
    """Every field that says something, those of segments, attributes and agent by name."""
    told: dict[str, Any] = {}  # as above
    for name, value in said.submission.model_dump(mode="json", exclude_unset=True, exclude_none=True).items():
        if isinstance(value, dict):
            told |= {f"{name}.{key}": item for key, item in value.items() if item is not None}
        elif value != _DEFAULTS[name] or name in {"op", "metric"}:
            told[name] = value
    return told
