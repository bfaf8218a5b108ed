"""Jotform: a form was sent in, as multipart form data whose field `rawRequest` holds the answers as JSON.

Answers are named by their question's id and unique name, `q5_howLikely`. No time is told, so that of receipt holds, and
an answer that somebody changes later cannot be told from the first: the first stays. Nothing is signed.
"""

from __future__ import annotations

import re
from datetime import datetime
from email.parser import BytesParser
from email.policy import compat32
from typing import Any, Final, Literal

from pydantic import Field, ValidationError
from pydantic_core import from_json

from schemas.malformed import Malformed
from services.intake.sources.proofs import check_token
from services.intake.sources.source import (
    Answered,
    Call,
    Said,
    SourceOptions,
    VendorId,
    VendorModel,
    answer,
    points,
    words,
)

CHANNEL: Final = "website"
ANSWERS: Final = "rawRequest"
QUESTION: Final = re.compile(r"q\d+_(.+)", re.DOTALL)


class Options(SourceOptions):
    """Which of a form's questions is what, by their unique names."""

    vendor: Literal["jotform"]
    score: str = Field(description="unique name of the scale from 0 to 10")
    comment: str | None = Field(default=None, description="unique name of the question that asks why")
    email: str | None = Field(default=None, description="unique name of the question for the address")
    customer_id: str | None = Field(default=None, description="unique name of the hidden field that holds it")


class _Form(VendorModel):
    form_id: VendorId = Field(alias="formID")
    submission_id: VendorId = Field(alias="submissionID")
    answers: str = Field(alias=ANSWERS)


def verify(call: Call, _options: Options, secret: str, _now: datetime) -> None:
    """A token of ours, in the address that Jotform was given.

    Raises:
        Unverified: if it does not fit.
    """
    check_token(call, secret)


def parse(call: Call, options: Options) -> list[Said]:
    """The answer to the question, with why and who where the form asks for them; none if it was left open.

    Raises:
        Malformed: naming the field.
    """
    try:
        form = _Form.model_validate(_fields(call))
    except ValidationError as error:
        raise Malformed.from_validation(error) from error
    by_name = _answers(form.answers)
    if options.score not in by_name:
        raise Malformed.of(ANSWERS, f"no question {options.score}")
    if words(by_name[options.score]) is None:
        return []
    questions = (options.score, options.comment)
    return [
        Answered(
            answer(
                options,
                CHANNEL,
                response_id=form.submission_id,
                survey_id=form.form_id,
                score=points(by_name[options.score], f"{ANSWERS}.{options.score}"),
                comment=words(by_name.get(options.comment or "")),
                email=words(by_name.get(options.email or "")),
                customer_id=words(by_name.get(options.customer_id or "")),
                attributes={name: value for name, value in by_name.items() if name not in questions},
            )
        )
    ]


def _fields(call: Call) -> dict[str, str]:
    """The parts of multipart form data (RFC 7578), by their names. What is none has no parts."""
    head = f"content-type: {call.headers.get('content-type', '')}\r\n\r\n".encode(errors="replace")
    parts = BytesParser(policy=compat32).parsebytes(head + call.body).walk()
    named = ((part.get_param("name", header="content-disposition"), part.get_payload(decode=True)) for part in parts)
    return {
        name: body.decode(errors="replace") for name, body in named if isinstance(name, str) and isinstance(body, bytes)
    }


def _answers(text: str) -> dict[str, Any]:  # JSON of any shape
    try:
        told = from_json(text, allow_inf_nan=False)
    except ValueError as error:
        raise Malformed.of(ANSWERS, "not JSON") from error
    if not isinstance(told, dict):
        raise Malformed.of(ANSWERS, "must be an object")
    return {match[1]: value for name, value in told.items() if (match := QUESTION.fullmatch(name))}
