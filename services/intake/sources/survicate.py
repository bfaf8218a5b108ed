"""Survicate: one call for each question that somebody answers.

The answer to the NPS question comes first and alone, its score as the id of the choice; that to the question why
follows as a late comment. The same is told once more when the survey is completed, which is passed over. Calls from
before Survicate named its responses have no `responseUuid`: their score counts, and their comment has no place.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, Literal

from pydantic import Field

from schemas.malformed import Malformed
from services.intake.sources.proofs import check_hex, header
from services.intake.sources.source import (
    Answered,
    Call,
    Said,
    SourceOptions,
    VendorAttributes,
    VendorId,
    VendorModel,
    VendorMoment,
    answer,
    points,
    read,
    words,
)

SIGNATURE: Final = "hmac"
CHANNEL: Final = "website"


class Options(SourceOptions):
    """Which of a survey's questions is what, and which of a respondent's attributes."""

    vendor: Literal["survicate"]
    score: VendorId = Field(description="id of the NPS question")
    comment: VendorId | None = Field(default=None, description="id of the text question that asks why")
    email: str = Field(default="email", description="name of the respondent's attribute that holds it")
    customer_id: str | None = Field(default=None, description="name of the respondent's attribute that holds it")


class _Named(VendorModel):
    id: VendorId


class _Respondent(VendorModel):
    attributes: VendorAttributes = Field(default_factory=dict)


class _Choice(VendorModel):
    id: Any = None  # of the NPS question the score, of others an id
    comment: str | None = None


class _Answer(VendorModel):
    response: VendorId | None = Field(default=None, alias="responseUuid")
    survey: _Named
    timestamp: VendorMoment
    respondent: _Respondent | None = None
    question: _Named
    choice: _Choice | None = None
    text: str | None = None


class _Kinds(VendorModel):
    answered: _Answer | None = Field(default=None, alias="questionAnswered")


class _Event(VendorModel):
    message: VendorId = Field(alias="messageId")
    event: _Kinds


def verify(call: Call, _options: Options, secret: str, _now: datetime) -> None:
    """HMAC-SHA-256 over the body under the signing secret, hexadecimal.

    Raises:
        Unverified: if it does not fit.
    """
    check_hex(header(call, SIGNATURE), SIGNATURE, secret, call.body)


def parse(call: Call, options: Options) -> list[Said]:
    """The score or the comment; answers to other questions, and events of other kinds, say nothing.

    Raises:
        Malformed: naming the field.
    """
    event = read(_Event, call.body)
    told = event.event.answered
    if told is None:
        return []
    if told.question.id == options.score:
        return [_score(event.message, told, options)]
    if told.question.id == options.comment:
        return _comment(event.message, told, options)
    return []


def _score(message: str, told: _Answer, options: Options) -> Answered:
    attributes = told.respondent.attributes if told.respondent else {}
    choice = told.choice or _Choice()
    submission = answer(
        options,
        CHANNEL,
        response_id=told.response,
        survey_id=told.survey.id,
        score=points(choice.id, "event.questionAnswered.choice.id"),
        comment=words(choice.comment),
        answered_at=told.timestamp,
        updated_at=told.timestamp,
        email=words(attributes.get(options.email)),
        customer_id=words(attributes.get(options.customer_id or "")),
        attributes=attributes,
    )
    return Answered(submission, message)


def _comment(message: str, told: _Answer, options: Options) -> list[Said]:
    text = words(told.text) or words(told.choice.comment if told.choice else None)
    if text is None:
        return []
    if told.response is None:
        raise Malformed.of("event.questionAnswered.responseUuid", "required to know whose comment this is")
    submission = answer(
        options,
        CHANNEL,
        op="commented",
        response_id=told.response,
        survey_id=told.survey.id,
        comment=text,
        answered_at=told.timestamp,
        updated_at=told.timestamp,
    )
    return [Answered(submission, message)]
