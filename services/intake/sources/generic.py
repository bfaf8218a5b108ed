"""A sender nobody ever saw: how it proves itself, and where each field stands, is said in the business file.

Types are as loose as senders are: numbers as text, times in the usual forms, empty text for nothing. What is known of
people and does not have the form it needs is left out, as with every source; anything else that is wrong is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache, partial
from typing import Annotated, Any, Final, Literal, Self
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, Field, TypeAdapter, ValidationError, model_validator

from schemas.contract import Revision
from schemas.malformed import Fault, Malformed
from services.intake.sources.expressions import Expression, Json, evaluate, holds, payload
from services.intake.sources.field_map import AgentMap, FieldMap, Rule, find, plain, told, translate
from services.intake.sources.proofs import WEBHOOK_ID
from services.intake.sources.proving import Proof, prove
from services.intake.sources.source import (
    Answered,
    Call,
    Said,
    SourceOptions,
    VendorId,
    VendorRating,
    VendorScore,
    answer,
)

MOST_ITEMS: Final = 500
LONGEST_TIME: Final = 40


def _zone(name: str) -> str:
    if name not in _zones():
        raise ValueError("not an IANA time zone")
    return name


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def _time_format(form: str) -> str:
    moment = datetime(2026, 5, 20, 11, 59, 40, tzinfo=UTC)
    try:
        datetime.strptime(moment.strftime(form), form)  # noqa: DTZ007 the form itself is tried, no time is read
    except (ValueError, UnicodeError) as error:
        raise ValueError("no form of a time, such as %d.%m.%Y %H:%M") from error
    return form


class Options(SourceOptions):
    """How a sender of any kind proves itself, and what its JSON means."""

    vendor: Literal["generic"]
    proof: Proof
    map: FieldMap
    each: Expression | None = Field(default=None, description="where the list is, if one call carries several answers")
    skip_unless: Expression | None = Field(
        default=None, description="true for what is an answer; anything else says nothing"
    )
    timezone: Annotated[str, AfterValidator(_zone)] | None = Field(
        default=None, description="of times that have no offset; without it they are refused"
    )
    time_format: Annotated[str, AfterValidator(_time_format)] | None = Field(
        default=None, description="of times in no usual form, as strptime has it"
    )

    @property
    def names_answers(self) -> bool:
        """Whether what comes twice can be told from two that are alike."""
        return bool(self.map.response_id or self.map.event_id or self.proof.kind == "standard")

    @model_validator(mode="after")
    def _knows_the_channel(self) -> Self:
        if self.channel is None and self.map.channel is None:
            raise ValueError("channel: required, here or in map")
        return self


def verify(call: Call, options: Options, secret: str, now: datetime) -> None:
    """Whichever of the ways the business file names.

    Raises:
        Unverified: if it does not fit.
    """
    prove(call, options.proof, secret, now)


def parse(call: Call, options: Options) -> list[Said]:
    """An answer, or as many as the call carries; one of several that is wrong holds up no other.

    Raises:
        Malformed: naming the field.
    """
    whole = payload(call.body)
    named = call.headers.get(WEBHOOK_ID) if options.proof.kind == "standard" else None
    if options.each is None:
        return [_answered(Item(whole, whole, options), named)] if is_wanted(whole, options) else []
    said: list[Said] = []
    for index, item in items_of(whole, options):
        try:
            said.append(replace(_answered(Item(item, whole, options), named and f"{named}|{index}"), place=index))
        except Malformed as error:
            said.append(Malformed([Fault(f"[{index}].{field}", reason) for field, reason in error.faults]))
    return said


def explained(call: Call, options: Options) -> list[tuple[list[Found], Answered | Malformed]]:
    """What `parse` makes of a call, with each field as it is found: for people who write the map.

    Raises:
        Malformed: if there is nothing in it to find fields in.
    """
    whole = payload(call.body)
    items = [Item(item, whole, options) for _, item in items_of(whole, options)]
    return [(list(fields_of(item)), _tried(item)) for item in items]


def _tried(item: Item) -> Answered | Malformed:
    try:
        return _answered(item, None)
    except Malformed as error:
        return error


def items_of(whole: Json, options: Options) -> list[tuple[int, Json]]:
    """What tells of one answer each, with its place in the call; what is to be skipped is not among them.

    Raises:
        Malformed: if there is no list, or too long a one.
    """
    items = [whole] if options.each is None else evaluate(options.each, whole, "each")
    if not isinstance(items, list):
        raise Malformed.of("each", "finds no list")
    if len(items) > MOST_ITEMS:
        raise Malformed.of("each", f"finds more than {MOST_ITEMS}")
    return [(index, item) for index, item in enumerate(items) if is_wanted(item, options)]


def is_wanted(item: Json, options: Options) -> bool:
    """Whether this is an answer at all, as the business file has it."""
    return options.skip_unless is None or holds(evaluate(options.skip_unless, item, "skip_unless"))


@dataclass(frozen=True, slots=True)
class Item:
    """What tells of one answer, and the call it came in."""

    item: Json
    call: Json
    options: Options


@dataclass(frozen=True, slots=True)
class Found:
    """One field: where it stands, what was found there, what that means, and why it means nothing."""

    name: str
    where: str
    found: Json = None
    value: Json = None
    reason: str | None = None
    matters: bool = True
    """Whether an answer without it is none."""


def fields_of(item: Item) -> Iterator[Found]:
    """Each field of the map, as it is found in what was sent."""
    mapping = item.options.map
    for name in FieldMap.model_fields:
        where = getattr(mapping, name)
        if isinstance(where, str | Rule) and name != "attributes":
            yield _field(name, where, item, _READ.get(name, _text))
    if isinstance(mapping.agent, AgentMap):
        yield _field("agent.id", mapping.agent.id, item, _text)
        if mapping.agent.team is not None:
            yield _field("agent.team", mapping.agent.team, item, _text)
    for key, where in mapping.segments.items():
        yield _field(f"segments.{key}", where, item, _text)
    if isinstance(mapping.attributes, str):
        yield _field("attributes", mapping.attributes, item, _mapping)
    else:
        for key, where in mapping.attributes.items():
            yield _field(f"attributes.{key}", where, item, _text)


def _field(name: str, where: str | Rule, item: Item, read: Callable[[Json, Options], Json]) -> Found:
    matters = name not in _MAY_BE_LEFT_OUT and not name.startswith("attributes")
    known = partial(Found, name, told(where), matters=matters)
    found = None
    try:
        found = find(where, item.item, item.call, name)
        meant = translate(where, found)
        return known(found, None if meant is None or meant == "" else read(meant, item.options))
    except ValidationError as error:
        return known(found, reason=Malformed.from_validation(error).faults[0].reason)
    except Malformed as error:
        return known(found, reason=error.faults[0].reason)
    except ValueError as error:
        return known(found, reason=str(error))


def _answered(item: Item, named: str | None) -> Answered:
    fields = list(fields_of(item))
    faults = [Fault(field.name, field.reason) for field in fields if field.reason and field.matters]
    if faults:
        raise Malformed(faults)
    known = {field.name: field.value for field in fields if field.value is not None}
    event = known.pop("event_id", named)
    said = {name: value for name, value in known.items() if "." not in name}
    grouped = {part: _below(part, known) for part in ("agent", "segments", "attributes")}
    said |= {part: values for part, values in grouped.items() if values}
    channel = said.pop("channel", None)
    if channel is None and item.options.channel is None:
        raise Malformed.of("channel", "required")
    return Answered(answer(item.options, channel or "", **said), event)


def _below(part: str, known: Mapping[str, Json]) -> Mapping[str, Json]:
    """The fields whose names begin so, by the rest of their names; or the object that stands for all."""
    if part in known:
        whole: Mapping[str, Json] = known[part]
        return whole
    return {name.removeprefix(f"{part}."): value for name, value in known.items() if name.startswith(f"{part}.")}


def _text(found: Json, _options: Options) -> str:
    text = plain(found)
    if text is None:
        raise ValueError("must be text")
    return text


def _language(found: Json, options: Options) -> str:
    return _text(found, options).replace("_", "-")


def _mapping(found: Json, _options: Options) -> dict[str, Any]:  # JSON of any shape
    if not isinstance(found, dict):
        raise ValueError("must be an object")  # noqa: TRY004 what a sender sent, no mistake of ours
    return found


def _moment(found: Json, options: Options) -> datetime:
    moment = _written_time(found, options)
    if moment.tzinfo is not None:
        return moment
    if options.timezone is None:
        raise ValueError("has no offset, and the source has no timezone")
    return moment.replace(tzinfo=ZoneInfo(options.timezone))


def _written_time(found: Json, options: Options) -> datetime:
    if isinstance(found, bool) or not isinstance(found, str | int | float):
        raise ValueError("must be a time")  # noqa: TRY004 what a sender sent, no mistake of ours
    if isinstance(found, str) and len(found) > LONGEST_TIME:
        raise ValueError("no time")
    if options.time_format is not None and isinstance(found, str):
        try:
            return datetime.strptime(found, options.time_format)  # noqa: DTZ007 the caller gives it a zone
        except ValueError as error:
            raise ValueError("does not have the form of time_format") from error
    try:
        return _TIMES.validate_python(found)
    except ValidationError as error:
        return _mail_time(found, error)


def _mail_time(found: Json, error: ValidationError) -> datetime:
    """The form of mails and of HTTP (RFC 5322 §3.3), where no other fits."""
    try:
        return parsedate_to_datetime(str(found))
    except (ValueError, IndexError, TypeError, OverflowError):
        raise error from None


def _read_by(kind: Any) -> Callable[[Json, Options], Json]:  # a type, annotated or not
    adapter: TypeAdapter[Any] = TypeAdapter(kind)

    def read(found: Json, _options: Options) -> Json:
        return adapter.validate_python(found)

    return read


def _number(found: Json, _options: Options) -> int:
    if isinstance(found, bool):
        raise ValueError("must be a number")  # noqa: TRY004 what a sender sent, no mistake of ours
    return _REVISIONS.validate_python(found)


_TIMES: Final[TypeAdapter[datetime]] = TypeAdapter(datetime)
_REVISIONS: Final[TypeAdapter[int]] = TypeAdapter(Revision)
_FLAG: Final = _read_by(bool)

_READ: Final[Mapping[str, Callable[[Json, Options], Json]]] = {
    "response_id": _read_by(VendorId),
    "event_id": _read_by(VendorId),
    "revision": _number,
    "score": _read_by(VendorScore),
    "rating": _read_by(VendorRating),
    "answered_at": _moment,
    "updated_at": _moment,
    "timezone": lambda found, options: _zone(_text(found, options)),
    "language": _language,
    "locale": _language,
    "callback_requested": _FLAG,
    "solicited": _FLAG,
    "test": _FLAG,
    "history": _FLAG,
}
"""How a field is read; the others are text."""

_MAY_BE_LEFT_OUT: Final = frozenset(
    {"customer_id", "account_id", "email", "phone", "name", "timezone", "locale", "language", "touchpoint"}
)
"""What is known of people: an answer is worth more than what nobody can use."""
