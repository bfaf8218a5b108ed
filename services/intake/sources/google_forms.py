"""Google Forms: a form was sent in, told by a script of ours that the owner of the form installs.

The form itself calls nobody. The script (docs/guides/sources/google_forms.gs) names answers by the titles of their
questions. Whoever changes an answer keeps its id; the script's own clock then tells which of the two is newer.
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
    answer,
    points,
    read,
    words,
)

CHANNEL: Final = "website"


class Options(SourceOptions):
    """Which of a form's questions is what, by their titles."""

    vendor: Literal["google_forms"]
    score: str = Field(description="title of the linear scale from 0 to 10")
    comment: str | None = Field(default=None, description="title of the question that asks why")
    email: str | None = Field(
        default=None, description="title of a question for the address; what the form collects itself if left out"
    )
    customer_id: str | None = Field(
        default=None, description="title of the question that holds it, filled in by a link"
    )


class _Answer(VendorModel):
    title: str
    value: Any = None  # text, a list of texts or a grid


class _Form(VendorModel):
    form_id: VendorId
    response_id: VendorId
    submitted_at: VendorMoment
    sent_at: VendorMoment
    email: str | None = None
    answers: list[_Answer] = Field(default_factory=list)


def verify(call: Call, _options: Options, secret: str, _now: datetime) -> None:
    """A token of ours, that the script keeps among its properties.

    Raises:
        Unverified: if it does not fit.
    """
    check_token(call, secret)


def parse(call: Call, options: Options) -> list[Said]:
    """The answer to the question, with why and who where the form asks for them.

    Raises:
        Malformed: naming the field.
    """
    form = read(_Form, call.body)
    by_title = {each.title: each.value for each in form.answers}
    if options.score not in by_title:
        raise Malformed.of("answers", f"no answer to the question {options.score}")
    asked = words(by_title.get(options.email or ""))
    questions = (options.score, options.comment)
    return [
        Answered(
            answer(
                options,
                CHANNEL,
                response_id=form.response_id,
                survey_id=form.form_id,
                score=points(by_title[options.score], f"answers.{options.score}"),
                comment=words(by_title.get(options.comment or "")),
                email=asked if options.email else form.email,
                customer_id=words(by_title.get(options.customer_id or "")),
                answered_at=form.submitted_at,
                updated_at=form.sent_at,
                attributes={title: value for title, value in by_title.items() if title not in questions},
            )
        )
    ]
