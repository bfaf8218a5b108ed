"""Formbricks: a response began, went on, or was finished; each call carries all of it so far.

An answer is there once its element is. Until then
  a response that goes on says nothing yet
  a finished one whose element was seen (`ttc` has the time spent on it) was dismissed, and says nothing
  a finished one that knows nothing of the element is malformed: another survey, or another id than was configured
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, Literal

from pydantic import Field

from schemas.malformed import Malformed
from services.intake.sources.proofs import check_standard
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

OPS: Final = {"responseCreated": "submitted", "responseUpdated": "updated", "responseFinished": "updated"}
CHANNELS: Final = {"app": "in_app", "link": "website"}
CHANNEL: Final = "website"


class Options(SourceOptions):
    """Which of a survey's elements is what."""

    vendor: Literal["formbricks"]
    score: str = Field(description="id of the NPS element")
    comment: str | None = Field(default=None, description="id of the element that asks why")
    email: str = Field(default="email", description="id of an element or hidden field, or name of a contact attribute")
    customer_id: str = Field(default="userId", description="hidden field or contact attribute that holds it")


class _Survey(VendorModel):
    type: str | None = None


class _Response(VendorModel):
    id: VendorId
    survey_id: VendorId = Field(alias="surveyId")
    created_at: VendorMoment = Field(alias="createdAt")
    updated_at: VendorMoment = Field(alias="updatedAt")
    finished: bool = False
    data: VendorAttributes = Field(default_factory=dict)
    ttc: VendorAttributes = Field(default_factory=dict)
    contact: VendorAttributes = Field(default_factory=dict, alias="contactAttributes")
    language: str | None = None
    survey: _Survey | None = None


class _Event(VendorModel):
    event: str


class _ResponseEvent(_Event):
    data: _Response


def verify(call: Call, _options: Options, secret: str, now: datetime) -> None:
    """Standard Webhooks.

    Raises:
        Unverified: if it does not fit.
    """
    check_standard(call, secret, now)


def parse(call: Call, options: Options) -> list[Said]:
    """The answer so far, if there is one; events of other kinds, trials of the address among them, say nothing.

    Raises:
        Malformed: naming the field.
    """
    event = read(_Event, call.body).event
    if event not in OPS:
        return []
    response = read(_ResponseEvent, call.body).data
    score = response.data.get(options.score)
    if score is None:
        _check_known(response, options.score)
        return []
    kind = response.survey.type if response.survey else None
    known: dict[str, Any] = response.contact | response.data  # JSON of any shape
    questions = (options.score, options.comment)
    return [
        Answered(
            answer(
                options,
                CHANNELS.get(kind or "", CHANNEL),
                op=OPS[event],
                response_id=response.id,
                survey_id=response.survey_id,
                score=points(score, f"data.data.{options.score}"),
                comment=words(response.data.get(options.comment or "")),
                email=words(known.get(options.email)),
                customer_id=words(known.get(options.customer_id)),
                language=response.language,
                answered_at=response.created_at,
                updated_at=response.updated_at,
                attributes={name: value for name, value in known.items() if name not in questions},
            )
        )
    ]


def _check_known(response: _Response, element: str) -> None:
    if response.finished and element not in response.ttc:
        raise Malformed.of("data.data", f"finished, and neither answered nor seen: {element}")
