"""What every source has in common: a call as it came, the failure to prove who sent it, and what a call can say.

A source is somebody else's program that calls us. Its module has `Options`, its part of the business file; `verify`, on
the raw bytes; and `parse`. Whatever the bytes, `verify` fails as `Unverified` alone and `parse` as `Malformed` alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from ipaddress import ip_address
from typing import Annotated, Any, Final, Literal, TypeVar
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
)

from schemas.consent import Purpose
from schemas.contract import LONGEST_SEGMENT_VALUE, Channel, Identifier, Language, SegmentKey, Segments, ShortText
from schemas.malformed import Malformed
from schemas.response import Email, Phone, Submission
from services.chassis.business import Section

LONGEST_NAME: Final = 200
LONGEST_ATTRIBUTE: Final = 500
MOST_ATTRIBUTES: Final = 30


class Unverified(Exception):
    """The bytes are not from whom they claim to be. The message says which check failed, never what was expected."""


@dataclass(frozen=True, slots=True)
class Call:
    """One HTTP request of a source, its bytes untouched. Names of headers are in lower case."""

    headers: Mapping[str, str]
    body: bytes
    query: Mapping[str, str] = field(default_factory=dict)
    url: str = ""
    """As the sender wrote it: some sign it."""

    @classmethod
    def of(cls, headers: Mapping[str, str], body: bytes, query: Mapping[str, str] | None = None, url: str = "") -> Call:
        """With headers in any case, and no white space around their values."""
        return cls({name.lower(): value.strip() for name, value in headers.items()}, body, query or {}, url)


class SourceOptions(Section):
    """What a business says of one source. A source's own options are added to these."""

    channel: Channel | None = Field(default=None, description="where customers answered; the vendor's own if left out")
    survey_id: Identifier | None = Field(default=None, description="instead of the id that the vendor gives")
    touchpoint: ShortText | None = Field(default=None, description="what customers had just done")
    segments: Segments = Field(default_factory=dict, description="pairs that every answer of this source carries")
    segment_by: dict[SegmentKey, str] = Field(
        default_factory=dict, description="segment keys, and the attribute of the sender each is taken from"
    )
    test: bool = Field(default=False, description="a trial: answers enter no count and reach nobody")

    @property
    def names_answers(self) -> bool:
        """Whether what comes twice can be told from two that are alike: the vendor gives each an id."""
        return True


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer, or a change to one."""

    submission: Submission
    event_id: str | None = None
    """The same when the same event comes again; names an answer that has no id of its own."""
    place: int = 0
    """Which of several in its call; names, with the call, an answer that has no id and no event."""


@dataclass(frozen=True, slots=True)
class OptedOut:
    """Somebody wants none of these surveys any more: neither do we ask them, nor write to them."""

    customer_id: str | None = None
    email: str | None = None
    phone: str | None = None
    at: datetime | None = None
    purposes: tuple[Purpose, ...] = ("survey", "mail")


@dataclass(frozen=True, slots=True)
class Heard:
    """A message of a conversation, and from whom. What it means, the conversation knows."""

    phone: str
    text: str
    message_id: str | None
    """The same when the same message comes again."""
    medium: Literal["sms", "whatsapp"]
    opts_out: bool = False
    """Whether the vendor itself took it for a stop."""


Told = Answered | OptedOut | Heard | Malformed
"""One of the things that a call says; Malformed is one of several that cannot be used, and holds up no other."""


@dataclass(frozen=True, slots=True)
class Lookup:
    """An answer that a call names and does not carry: it must be fetched from the vendor."""

    path: str
    """What to GET below the address of the vendor's API."""
    read: Callable[[bytes], list[Told]] = field(compare=False)
    """What the vendor's API answered; fails as `Malformed` alone."""


Said = Told | Lookup


@dataclass(frozen=True, slots=True)
class Grant:
    """A token that lasts, and where it is exchanged for one that is good for an hour or so (RFC 6749 §6)."""

    address: str
    client_id: str
    client_secret: str = field(repr=False)
    refresh_token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Access:
    """Where a vendor's API is, and what shows it who asks: headers, or a grant that has to be exchanged first."""

    address: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    grant: Grant | None = None


def bearer(address: str, token: str) -> Access:
    """The usual way to show a token (RFC 6750 §2.1)."""
    return Access(address, {"authorization": f"Bearer {token}"})


def _api_address(value: str) -> str:
    """Over plain HTTP a token would be read by whoever listens; a sandbox on this machine is another matter."""
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise ValueError("must be an address: https://host") from error
    if not host or parts.query or parts.fragment or "@" in parts.netloc or not value.isascii() or " " in value:
        raise ValueError("must be an address: https://host")
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(host)):
        raise ValueError("must be https, or http on loopback")
    return value.rstrip("/")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


ApiAddress = Annotated[str, AfterValidator(_api_address)]
"""Where a vendor's API is: https, or http on loopback, where a sandbox may stand in."""


class VendorModel(BaseModel):
    """A vendor's payload as far as we read it: types as loose as vendors are, unknown fields passed over."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False, hide_input_in_errors=True)


M = TypeVar("M", bound=VendorModel)
T = TypeVar("T")


def read(model: type[M], body: bytes) -> M:
    """A vendor's JSON.

    Raises:
        Malformed: naming each field and the reason.
    """
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        raise Malformed.from_validation(error) from error


def read_list(model: type[M], body: bytes) -> list[M]:
    """A vendor's JSON that is a list.

    Raises:
        Malformed: naming each field and the reason.
    """
    try:
        return _list_of(model).validate_json(body)
    except ValidationError as error:
        raise Malformed.from_validation(error) from error


@cache
def _list_of(model: type[M]) -> TypeAdapter[list[M]]:
    return TypeAdapter(list[model])  # type: ignore[valid-type]  # a model that is only known when it is called


def read_part(model: type[M], part: Mapping[str, Any]) -> M:  # JSON of any shape
    """An object within a vendor's JSON, once it is known what it is.

    Raises:
        Malformed: naming each field and the reason.
    """
    try:
        return model.model_validate(part)
    except ValidationError as error:
        raise Malformed.from_validation(error) from error


def _no_boolean(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("must be a number")  # noqa: TRY004 what pydantic takes for a failed check
    return value


VendorScore = Annotated[int, BeforeValidator(_no_boolean), Field(ge=0, le=10)]
"""0 to 10, as a number or as text."""

VendorRating = Annotated[float, BeforeValidator(_no_boolean)]
"""Stars or CSAT, as a number or as text."""

VendorStars = Annotated[VendorRating, Field(ge=1, le=5)]
"""1 to 5, as a number or as text."""

VendorId = Annotated[
    str, BeforeValidator(lambda value: str(value) if type(value) is int else value), Field(min_length=1)
]
"""An id, as text or as a number."""

PathPart = Annotated[
    str,
    BeforeValidator(lambda value: str(value) if type(value) is int else value),
    Field(pattern=r"^[A-Za-z0-9_-]{1,200}$"),
]
"""An id that stands in the path of a look-up: it must not lead anywhere else."""

VendorMoment = Annotated[AwareDatetime, BeforeValidator(_no_boolean)]
"""ISO 8601, or seconds since 1970 as a number or text (milliseconds where they are too many for seconds)."""


VendorAttributes = Annotated[dict[str, Any], BeforeValidator(lambda value: value if isinstance(value, dict) else {})]
"""What else is known of somebody: an object of any shape, or whatever a vendor writes instead of an empty one."""

_SCORE: Final[TypeAdapter[int]] = TypeAdapter(VendorScore)
_MOMENT: Final[TypeAdapter[datetime]] = TypeAdapter(VendorMoment)


def points(value: object, field: str) -> int:
    """The score, where a vendor's own model cannot say which of many answers is the one.

    Raises:
        Malformed: naming the field.
    """
    try:
        return _SCORE.validate_python(value)
    except ValidationError as error:
        raise Malformed.of(field, "must be a whole number from 0 to 10") from error


def moment(value: object, field: str) -> datetime | None:
    """A time, in the same place; none if there is none.

    Raises:
        Malformed: naming the field.
    """
    if value in (None, ""):
        return None
    try:
        return _MOMENT.validate_python(value)
    except ValidationError as error:
        raise Malformed.of(field, "must be a time with its offset, or seconds since 1970") from error


def words(value: object) -> str | None:
    """What somebody wrote, also where it came as a number; none if it is nothing, or neither."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) and value.strip() else None


def answer(options: SourceOptions, channel: str, **said: Any) -> Submission:  # fields of a submission, checked here
    """An answer out of what a vendor said, with what the business says of this source.

    What is known of the person and does not have the form it needs is left out: an answer is worth more than an address
    that nobody can write to. `attributes` may be of any shape.

    Raises:
        Malformed: if what remains is no answer, naming the field.
    """
    attributes = _attributes(said.pop("attributes", None) or {})
    known = {name: value for name, value in said.items() if value is not None}
    fields = known | {
        "channel": options.channel or channel,
        "attributes": attributes,
        "segments": _segments(known.pop("segments", {}), attributes, options),
        "test": options.test or known.get("test", False),
    }
    fields |= {name: value for name in ("survey_id", "touchpoint") if (value := getattr(options, name))}
    try:
        return Submission.model_validate({name: value for name, value in fields.items() if fits(name, value)})
    except ValidationError as error:
        raise Malformed.from_validation(error) from error


_ABOUT_PEOPLE: Final[Mapping[str, TypeAdapter[Any]]] = {  # each of another type
    name: TypeAdapter(form)
    for name, form in {
        "customer_id": Identifier,
        "account_id": Identifier,
        "email": Email,
        "phone": Phone,
        "name": ShortText,
        "locale": Language,
        "language": Language,
        "touchpoint": ShortText,
    }.items()
}


def fits(name: str, value: object) -> bool:
    """Whether a field is worth keeping: what is said about people, only in the form that it needs."""
    form = _ABOUT_PEOPLE.get(name)
    if form is None:
        return True
    try:
        form.validate_python(value, strict=True)
    except ValidationError:
        return False
    return True


def _attributes(told: Mapping[str, Any]) -> dict[str, str]:  # JSON of any shape
    """What else is known of somebody, as text; nested and empty values are left out."""
    texts = {_printable(name)[:LONGEST_NAME]: _text(value) for name, value in told.items()}
    kept = [(name, text[:LONGEST_ATTRIBUTE]) for name, text in texts.items() if name and text]
    return dict(kept[:MOST_ATTRIBUTES])


def _segments(sent: dict[str, str], attributes: Mapping[str, str], options: SourceOptions) -> dict[str, str]:
    """What the answer is grouped by: the business's own word wins."""
    taken = {key: attributes[name] for key, name in options.segment_by.items() if name in attributes}
    cut = {key: _printable(text)[:LONGEST_SEGMENT_VALUE].strip() for key, text in (sent | taken).items()}
    return {key: text for key, text in cut.items() if text} | options.segments


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str | int | float) else ""


def _printable(text: str) -> str:
    return "".join(letter for letter in text if letter.isprintable()).strip()
