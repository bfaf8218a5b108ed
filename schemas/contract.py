"""What every model of the contract shares: frozen, strict about types, tolerant of fields added later."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import cache
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

FINAL_REVISION: Final = 2**53 - 1
"""The highest revision there is: the largest integer that every JSON reader holds exactly (RFC 8259 §6)."""

LONGEST_IDENTIFIER: Final = 200
LONGEST_SEGMENT_VALUE: Final = 80
LONGEST_TEXT: Final = 20_000


@cache
def _fields_of(model: type[BaseModel]) -> set[str]:
    """One set for all instances, which are frozen."""
    return set(model.model_fields)


_set: Final = object.__setattr__  # of what is frozen


class Contract(BaseModel):
    """A frozen fact or command. Readers ignore fields they do not know; writers never send any."""

    # an error that quoted its input would carry it into logs; a process builds the few models that it needs
    model_config = ConfigDict(
        frozen=True, strict=True, extra="ignore", allow_inf_nan=False, hide_input_in_errors=True, defer_build=True
    )

    @classmethod
    def of_sound(cls, values: dict[str, Any]) -> Self:  # values of the fields' own types
        """An instance of values that are known to be sound, every field among them. Nothing is looked at again.

        `model_construct` goes from field to field, in the time that validating takes.
        """
        made = cls.__new__(cls)
        _set(made, "__dict__", values)
        _set(made, "__pydantic_fields_set__", _fields_of(cls))
        _set(made, "__pydantic_extra__", None)
        _set(made, "__pydantic_private__", None)
        return made

    def to_json(self) -> bytes:
        """As it is written to a topic: what is none is left out."""
        return self.__pydantic_serializer__.to_json(self, exclude_none=True)


class Stranger(BaseModel):
    """What somebody else sends us: read strictly, so that a misspelt field is an error and not a silence."""

    model_config = ConfigDict(
        frozen=True, strict=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True, defer_build=True
    )


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("must lie between the years 1 and 9999 in UTC") from error


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("must not contain control characters")
    return text


def _storable(text: str) -> str:
    if "\x00" in text:
        raise ValueError("must not contain the NUL character")
    text.encode()  # a lone surrogate has no UTF-8 form; UnicodeEncodeError is a ValueError
    return text


Moment = Annotated[AwareDatetime, AfterValidator(_in_utc)]
"""A point in time with its offset given; kept and written in UTC."""

TENANT_PATTERN: Final = r"^[a-z0-9][a-z0-9_-]{0,62}$"

Tenant = Annotated[str, StringConstraints(pattern=TENANT_PATTERN)]
"""One business or brand. Lower case, so that it may stand in topics, hosts and file names."""

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_.-]{0,62}$")]
"""A name that people configure: a segment key, a rule, a template, a window."""

Channel = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]{1,63}$")]
"""Where the answer was given. `KNOWN_CHANNELS` are understood everywhere; any other name is accepted."""

Identifier = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_IDENTIFIER), AfterValidator(_printable)]
"""An id somebody else gave: any printable text of 1 to 200 characters."""

ShortText = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_IDENTIFIER), AfterValidator(_printable)]
Sentence = Annotated[str, StringConstraints(min_length=1, max_length=2_000), AfterValidator(_printable)]
Text = Annotated[str, StringConstraints(max_length=LONGEST_TEXT), AfterValidator(_storable)]

Points = Annotated[int, Field(ge=0, le=10)]
"""The answer to the one question, 0 to 10. Zero is a score like any other."""

Revision = Annotated[int, Field(ge=1, le=FINAL_REVISION)]
"""Which version of a thing this is; the highest one counts, whatever the order of arrival."""

SegmentKey = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_.-]{0,39}$")]
SegmentValue = Annotated[
    str, StringConstraints(min_length=1, max_length=LONGEST_SEGMENT_VALUE), AfterValidator(_printable)
]
Segments = Annotated[dict[SegmentKey, SegmentValue], Field(max_length=20)]
"""What a sender groups an answer by, for example `{"country": "FI", "plan": "pro"}`; at most 20."""

SettledSegments = Annotated[dict[SegmentKey, SegmentValue], Field(max_length=24)]
"""What an answer is grouped by once it is settled: what was sent, and its touchpoint, agent and team."""

Language = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z]{2,3}(-[a-zA-Z0-9]{2,8})*$")]
"""A BCP 47 language tag."""

Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
Subject = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
"""A person without a name: HMAC under the tenant's secret of the first of customer id, e-mail and phone."""

Band = Literal["promoter", "passive", "detractor"]

KNOWN_CHANNELS: Final = (
    "email",
    "website",
    "social",
    "phone",
    "sms",
    "in_app",
    "live_chat",
    "review_site",
    "focus_group",
    "advisory_board",
    "event",
    "nps_platform",
    "community",
    "hotline",
    "mystery_shopping",
    "chatbot",
    "voicebot",
)

_CHANNEL: Final = re.compile(r"[a-z0-9_]{1,63}")


def is_channel(name: str) -> bool:
    """Whether a name may stand for a channel, and so end the name of an inbound topic."""
    return _CHANNEL.fullmatch(name) is not None


def band_of(score: int) -> Band:
    """Promoter 9 and 10, passive 7 and 8, detractor 0 to 6 (Reichheld, Harvard Business Review, December 2003)."""
    if score >= 9:
        return "promoter"
    return "passive" if score >= 7 else "detractor"
