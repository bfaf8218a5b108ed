"""Delighted: an answer, a change to one, or somebody who wants no more surveys.

The score comes first and alone; the comment follows as an update of the whole answer. Two pages of the vendor name the
opt-out differently, and both are read. No time is signed: a copy has the same id and `updated_at`, and counts once.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, Literal

from pydantic import Field

from services.intake.sources.proofs import check_hex, header
from services.intake.sources.source import (
    Answered,
    Call,
    OptedOut,
    Said,
    SourceOptions,
    VendorId,
    VendorModel,
    VendorMoment,
    VendorRating,
    VendorScore,
    answer,
    read,
)

SIGNATURE: Final = "x-delighted-webhook-signature"
CHANNEL: Final = "email"
OPS: Final = {"survey_response.created": "submitted", "survey_response.updated": "updated"}
OPT_OUTS: Final = frozenset({"unsubscribe.created", "survey_response.unsubscribed"})
METRICS: Final = {"nps": "nps", "csat": "csat", "ces": "ces"}


class Options(SourceOptions):
    """A project of Delighted's has one API key, and so one source."""

    vendor: Literal["delighted"]


class _Person(VendorModel):
    id: VendorId | None = None
    email: str | None = None
    name: str | None = None
    phone_number: str | None = None


class _Answer(VendorModel):
    id: VendorId
    person: _Person = _Person()
    survey_type: str = "nps"
    score: VendorScore | VendorRating | None = Field(default=None, union_mode="left_to_right")
    comment: str | None = None
    created_at: VendorMoment
    updated_at: VendorMoment | None = None
    person_properties: dict[str, Any] | None = None  # whatever the business sends along


class _Event(VendorModel):
    event_type: str
    event_id: VendorId


class _AnswerEvent(_Event):
    event_data: _Answer


class _OptOut(VendorModel):
    person_id: VendorId | None = None
    email: str | None = None
    person: _Person = _Person()
    unsubscribed_at: VendorMoment | None = None


class _OptOutEvent(_Event):
    event_data: _OptOut


def verify(call: Call, _options: Options, secret: str, _now: datetime) -> None:
    """HMAC-SHA-256 over the body under the project's API key, hexadecimal, after `sha256=`.

    Raises:
        Unverified: if it does not fit.
    """
    check_hex(header(call, SIGNATURE).removeprefix("sha256="), SIGNATURE, secret, call.body)


def parse(call: Call, options: Options) -> list[Said]:
    """What happened; events of other kinds say nothing.

    Raises:
        Malformed: naming the field.
    """
    event = read(_Event, call.body)
    if event.event_type in OPT_OUTS:
        gone = read(_OptOutEvent, call.body).event_data
        return [OptedOut(email=gone.email or gone.person.email, at=gone.unsubscribed_at)]
    if event.event_type not in OPS:
        return []
    told = read(_AnswerEvent, call.body).event_data
    metric = METRICS.get(told.survey_type, "review")
    return [
        Answered(
            answer(
                options,
                CHANNEL,
                op=OPS[event.event_type],
                response_id=told.id,
                metric=metric,
                comment=told.comment,
                answered_at=told.created_at,
                updated_at=told.updated_at,
                email=told.person.email,
                phone=told.person.phone_number,
                name=told.person.name,
                attributes=told.person_properties,
                **{"score" if metric == "nps" else "rating": told.score},
            ),
            event.event_id,
        )
    ]
