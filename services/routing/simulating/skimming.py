"""Records of `nps.responses`, read as far as a simulation needs them: whose they are, or what they say.

What they say is validated by msgspec and made an answer without being looked at again, and what is sealed in them
likewise: tests hold both against the models' own reading.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Final, NamedTuple

import msgspec
from msgspec import Meta

from schemas.contract import FINAL_REVISION
from schemas.personal_data import PersonalData
from schemas.response import Agent, Metric, Op, Response
from schemas.sealed import Sealed
from schemas.topics import RESPONSES
from services.chassis.keyring import Erased
from services.routing.playbooks.situation import Person

if TYPE_CHECKING:
    from aiokafka.structs import ConsumerRecord

_IS_RESPONSE: Final = ("ce_type", RESPONSES.event_type.encode())

_Moment = Annotated[datetime, Meta(tz=True)]
_Hash = Annotated[str, Meta(pattern=r"^[0-9a-f]{32}$")]
_Identifier = Annotated[str, Meta(min_length=1, max_length=200)]


class Skimmed(msgspec.Struct, gc=False):
    """Whose answer a record is about; the rest is passed over undecoded."""

    tenant: str
    response_id: _Identifier
    received_at: _Moment
    op: str
    revision: int
    subject: _Hash | None = None


class _Agent(msgspec.Struct, gc=False):
    id: _Identifier
    team: _Identifier | None = None


class _Sealed(msgspec.Struct, gc=False):
    kid: _Hash
    nonce: str
    ciphertext: str


class _Answer(msgspec.Struct, gc=False):
    """Every field of a Response."""

    tenant: str
    response_id: _Identifier
    revision: Annotated[int, Meta(ge=1, le=FINAL_REVISION)]
    op: Op
    answered_at: _Moment
    received_at: _Moment
    digest: _Hash
    metric: Metric = "nps"
    score: Annotated[int, Meta(ge=0, le=10)] | None = None
    rating: float | None = None
    language: str | None = None
    channel: str | None = None
    source: str | None = None
    survey_id: str | None = None
    touchpoint: str | None = None
    subject: _Hash | None = None
    segments: dict[str, str] = msgspec.field(default_factory=dict)
    agent: _Agent | None = None
    callback_requested: bool = False
    solicited: bool = True
    test: bool = False
    history: bool = False
    sealed: _Sealed | None = None


class _Personal(msgspec.Struct, gc=False):
    """Every field of PersonalData."""

    customer_id: str | None = None
    account_id: str | None = None
    email: str | None = None
    phone: str | None = None
    name: str | None = None
    timezone: str | None = None
    locale: str | None = None
    attributes: dict[str, str] = msgspec.field(default_factory=dict)
    comment: str | None = None


class Read(NamedTuple):
    """An answer without what is sealed in it, and that."""

    answer: Response
    sealed: Sealed | None


_skim: Final = msgspec.json.Decoder(Skimmed).decode
_read: Final = msgspec.json.Decoder(_Answer).decode
_read_personal: Final = msgspec.json.Decoder(_Personal).decode
_fields: Final = msgspec.structs.asdict


def skimmed(record: ConsumerRecord[bytes, bytes]) -> Skimmed | None:
    """Whose answer a record is about; none if it is no answer, which is a dead letter and decided about by nobody."""
    if record.value is None or _IS_RESPONSE not in record.headers:
        return None
    try:
        return _skim(record.value)
    except (msgspec.MsgspecError, RecursionError):
        return None


def read(value: bytes) -> Read | None:
    """What a record says; none if it is no answer after all."""
    try:
        found = _read(value)
    except (msgspec.MsgspecError, RecursionError):
        return None
    sealed = Sealed.of_sound(_fields(found.sealed)) if found.sealed else None
    values = _fields(found)
    values |= {
        "sealed": None,
        "agent": Agent.of_sound(_fields(found.agent)) if found.agent else None,
        "answered_at": found.answered_at.astimezone(UTC),
        "received_at": found.received_at.astimezone(UTC),
    }
    return Read(Response.of_sound(values), sealed)


def person_behind(content: bytes | Erased) -> Person:
    """Who is behind what was sealed."""
    if isinstance(content, Erased):
        return Person(erased=True)
    return Person(PersonalData.of_sound(_fields(_read_personal(content))))
