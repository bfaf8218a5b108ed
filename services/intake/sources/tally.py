"""Tally: a form was sent in.

Answers are named by their key, which is unique, or by the text of their question, which is easier to find. A question
that was left open comes as null. Tally signs the body and no time; a copy has the id of the first, and counts once.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, Literal

from pydantic import Field

from schemas.malformed import Malformed
from services.intake.sources.proofs import check_base64, header
from services.intake.sources.source import (
    Answered,
    Call,
    Said,
    SourceOptions,
    VendorId,
    VendorModel,
    VendorMoment,
    answer,
    points,
    read,
    words,
)

SIGNATURE: Final = "tally-signature"
CHANNEL: Final = "website"
SUBMITTED: Final = "FORM_RESPONSE"


class Options(SourceOptions):
    """Which of a form's questions is what, by key or label."""

    vendor: Literal["tally"]
    score: str = Field(description="key or label of the linear scale from 0 to 10")
    comment: str | None = Field(default=None, description="key or label of the question that asks why")
    email: str | None = Field(default=None, description="key or label of a question or hidden field")
    customer_id: str | None = Field(default=None, description="label of the hidden field that holds it")


class _Field(VendorModel):
    key: str
    label: str | None = None
    value: Any = None  # of the question's own kind


class _Form(VendorModel):
    response_id: VendorId = Field(alias="responseId")
    form_id: VendorId = Field(alias="formId")
    created_at: VendorMoment = Field(alias="createdAt")
    fields: list[_Field] = Field(default_factory=list)


class _Event(VendorModel):
    event_type: str = Field(alias="eventType")


class _FormEvent(_Event):
    event_id: VendorId = Field(alias="eventId")
    data: _Form


def verify(call: Call, _options: Options, secret: str, _now: datetime) -> None:
    """HMAC-SHA-256 over the body under the signing secret, base64.

    Raises:
        Unverified: if it does not fit.
    """
    check_base64(header(call, SIGNATURE), SIGNATURE, secret, call.body)


def parse(call: Call, options: Options) -> list[Said]:
    """The answer to the question, with why and who where the form asks for them; none if it was left open.

    Raises:
        Malformed: naming the field.
    """
    if read(_Event, call.body).event_type != SUBMITTED:
        return []
    event = read(_FormEvent, call.body)
    form = event.data
    labelled = {each.label: each.value for each in reversed(form.fields) if each.label}
    told = labelled | {each.key: each.value for each in form.fields}
    if options.score not in told:
        raise Malformed.of("data.fields", f"no question {options.score}")
    if told[options.score] is None:
        return []
    questions = (options.score, options.comment)
    return [
        Answered(
            answer(
                options,
                CHANNEL,
                response_id=form.response_id,
                survey_id=form.form_id,
                score=points(told[options.score], "data.fields"),
                comment=words(told.get(options.comment or "")),
                email=words(told.get(options.email or "")),
                customer_id=words(told.get(options.customer_id or "")),
                answered_at=form.created_at,
                attributes={label: value for label, value in labelled.items() if label not in questions},
            ),
            event.event_id,
        )
    ]
