"""Typeform: a form was sent in.

`calculated.score` is the score of a quiz, never the answer to the question: that is found by the `ref` of its field.
Typeform signs the body and no time; a copy has the token of the first, and counts once.
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
    read,
)

SIGNATURE: Final = "typeform-signature"
CHANNEL: Final = "website"


class Options(SourceOptions):
    """Which of a form's fields is what."""

    vendor: Literal["typeform"]
    score: str = Field(description="ref of the opinion scale from 0 to 10")
    comment: str | None = Field(default=None, description="ref of the text that says why")
    email: str | None = Field(default=None, description="ref of an e-mail field, or name of a hidden field")
    customer_id: str | None = Field(default=None, description="name of the hidden field that holds it")


class _Field(VendorModel):
    ref: str = ""


class _Answer(VendorModel):
    field: _Field
    number: float | None = None
    text: str | None = None
    email: str | None = None


class _Form(VendorModel):
    form_id: VendorId
    token: VendorId
    submitted_at: VendorMoment
    hidden: dict[str, Any] = Field(default_factory=dict)  # whatever the form's link carried
    answers: list[_Answer] = Field(default_factory=list)


class _Payload(VendorModel):
    event_id: VendorId
    event_type: Literal["form_response"]
    form_response: _Form


def verify(call: Call, _options: Options, secret: str, _now: datetime) -> None:
    """HMAC-SHA-256 over the body, base64, after `sha256=`.

    Raises:
        Unverified: if it does not fit.
    """
    check_base64(header(call, SIGNATURE).removeprefix("sha256="), SIGNATURE, secret, call.body)


def parse(call: Call, options: Options) -> list[Said]:
    """The answer to the question, with why and who where the form asks for them.

    Raises:
        Malformed: naming the field.
    """
    payload = read(_Payload, call.body)
    form = payload.form_response
    by_ref = {each.field.ref: each for each in form.answers}
    if options.score not in by_ref:
        raise Malformed.of("form_response.answers", f"no answer to the field {options.score}")
    comment, email = by_ref.get(options.comment or ""), by_ref.get(options.email or "")
    return [
        Answered(
            answer(
                options,
                CHANNEL,
                response_id=form.token,
                survey_id=form.form_id,
                score=_whole(by_ref[options.score].number),
                comment=comment.text if comment else None,
                email=email.email if email else form.hidden.get(options.email or ""),
                customer_id=form.hidden.get(options.customer_id or ""),
                answered_at=form.submitted_at,
                attributes=form.hidden,
            ),
            payload.event_id,
        )
    ]


def _whole(number: float | None) -> int | float | None:
    return int(number) if number is not None and number.is_integer() else number
