"""PostHog: a survey in the product was answered, wholly or in part.

Who stops half way has answered what was answered until then: the same submission comes again with each answer more,
and the latest counts. PostHog signs nothing; a header of the destination holds a token.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, Literal

from pydantic import Field

from schemas.malformed import Malformed
from services.intake.sources.proofs import check_token
from services.intake.sources.source import (
    Answered,
    Call,
    Said,
    SourceOptions,
    VendorId,
    VendorModel,
    VendorMoment,
    VendorScore,
    answer,
    read,
    read_part,
)

CHANNEL: Final = "in_app"
SENT: Final = "survey sent"
FIRST: Final = "0"
DISTINCT_ID: Final = "distinct_id"


class Options(SourceOptions):
    """Which question is which, by its id; by its place, counted from 0, where the library in the product is old."""

    vendor: Literal["posthog"]
    survey: str | None = Field(default=None, description="id of the only survey that is read; every one if left out")
    score: str = Field(description="question from 0 to 10")
    comment: str | None = Field(default=None, description="question that asks why")
    email: str = Field(default="email", description="property of the person that holds the address")
    customer_id: str | None = Field(
        default=None, description="property of the person that holds it, or distinct_id where the product sets that"
    )


class _Event(VendorModel):
    uuid: VendorId
    event: str
    distinct_id: VendorId | None = None
    timestamp: VendorMoment
    properties: dict[str, Any] = Field(default_factory=dict)  # whatever the product sends


class _Person(VendorModel):
    properties: dict[str, Any] | None = None  # whatever the product knows


class _Payload(VendorModel):
    event: _Event
    person: _Person | None = None


class _Survey(VendorModel):
    id: VendorId | None = Field(default=None, alias="$survey_id")
    submission: VendorId | None = Field(default=None, alias="$survey_submission_id")
    completed: bool = Field(default=True, alias="$survey_completed")
    language: str | None = Field(default=None, alias="$survey_language")


class _Score(VendorModel):
    score: VendorScore


def verify(call: Call, _options: Options, secret: str, _now: datetime) -> None:
    """A token of ours.

    Raises:
        Unverified: if there is none or another.
    """
    check_token(call, secret)


def parse(call: Call, options: Options) -> list[Said]:
    """The answer, once the question of the score has one; other events and other surveys say nothing.

    Raises:
        Malformed: naming the field.
    """
    payload = read(_Payload, call.body)
    event = payload.event
    if event.event != SENT:
        return []
    survey = read_part(_Survey, event.properties)
    if options.survey not in (None, survey.id):
        return []
    score = event.properties.get(_property(options.score))
    if score in (None, ""):
        if options.survey and survey.completed and _property(options.score) not in event.properties:
            raise Malformed.of(f"event.properties.{_property(options.score)}", "no answer to this question")
        return []
    return [_answered(payload, survey, options)]


def _answered(payload: _Payload, survey: _Survey, options: Options) -> Answered:
    event, person = payload.event, (payload.person and payload.person.properties) or {}
    why = event.properties.get(_property(options.comment)) if options.comment else None
    return Answered(
        answer(
            options,
            CHANNEL,
            response_id=survey.submission or event.uuid,
            survey_id=survey.id,
            score=read_part(_Score, {"score": event.properties[_property(options.score)]}).score,
            comment=why if isinstance(why, str) else None,
            answered_at=event.timestamp,
            updated_at=event.timestamp,
            customer_id=event.distinct_id
            if options.customer_id == DISTINCT_ID
            else person.get(options.customer_id or ""),
            email=person.get(options.email),
            name=person.get("name"),
            language=survey.language,
            attributes=person,
        ),
        event.uuid,
    )


def _property(question: str) -> str:
    """Where an answer stands: the first question has no number where questions are named by their place."""
    return "$survey_response" if question == FIRST else f"$survey_response_{question}"
