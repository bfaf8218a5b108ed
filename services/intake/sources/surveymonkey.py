"""SurveyMonkey: a response was completed, changed or deleted. The call names it, and its answers are fetched.

An answer of a question with choices is the id of a choice, and nothing says which number that is but the survey itself:
the business file has the table. A slider or a text carries the number. A response counts once it is complete; what was
changed later replaces it, by the time SurveyMonkey gives. No time is signed: a copy of a call fetches the same again.
"""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Any, Final, Literal

from pydantic import Field, model_validator

from schemas.contract import Points
from schemas.malformed import Malformed
from services.intake.sources.proofs import check_base64, header
from services.intake.sources.source import (
    Access,
    Answered,
    ApiAddress,
    Call,
    Lookup,
    PathPart,
    Said,
    SourceOptions,
    Told,
    VendorId,
    VendorModel,
    VendorMoment,
    answer,
    bearer,
    points,
    read,
)

SIGNATURE: Final = "sm-signature"
CHANNEL: Final = "website"
FETCHED: Final = frozenset({"response_completed", "response_updated"})
DELETED: Final = "response_deleted"
COMPLETED: Final = "completed"
TRIALS: Final = frozenset({"preview", "survey_preview"})


class Options(SourceOptions):
    """Which question is which. The ids are those of `/v3/surveys/{id}/details`."""

    vendor: Literal["surveymonkey"]
    api: ApiAddress = Field(
        default="https://api.surveymonkey.com", description="where the account's data lies; its access_url"
    )
    score: VendorId = Field(description="id of the question from 0 to 10")
    choices: dict[VendorId, Points] = Field(
        default_factory=dict,
        description="the score that each choice's id means; not for a slider, which has the number",
    )
    comment: VendorId | None = Field(default=None, description="id of the question that says why")
    email: str | None = Field(default=None, description="custom variable that holds it; the recipient's if left out")
    customer_id: str | None = Field(
        default=None, description="custom variable that holds it; custom_value for the response's custom value"
    )


class _Resources(VendorModel):
    survey_id: PathPart


class _EventKind(VendorModel):
    event_type: str

    @model_validator(mode="before")
    @classmethod
    def _unwrapped(cls, value: Any) -> Any:  # JSON of any shape
        """The event itself, where it comes inside of `data`."""
        wrapped = isinstance(value, dict) and "event_type" not in value and isinstance(value.get("data"), dict)
        return value["data"] if wrapped else value


class _Event(_EventKind):
    event_id: VendorId
    object_id: PathPart
    event_datetime: VendorMoment
    resources: _Resources


class _Choice(VendorModel):
    choice_id: VendorId | None = None
    text: str | None = None


class _Question(VendorModel):
    id: VendorId
    answers: list[_Choice] = Field(default_factory=list)


class _Page(VendorModel):
    questions: list[_Question] = Field(default_factory=list)


class _Details(VendorModel):
    id: VendorId
    survey_id: VendorId
    response_status: str
    collection_mode: str = "default"
    date_created: VendorMoment
    date_modified: VendorMoment
    first_name: str | None = None
    last_name: str | None = None
    email_address: str | None = None
    custom_value: str | None = None
    custom_variables: dict[str, Any] = Field(default_factory=dict)  # whatever the survey's link carried
    pages: list[_Page] = Field(default_factory=list)


def verify(call: Call, _options: Options, secret: str, _now: datetime) -> None:
    """HMAC-SHA-1 over the body, base64; the secret is the app's client id, `&` and its secret.

    Raises:
        Unverified: if it does not fit.
    """
    check_base64(header(call, SIGNATURE), SIGNATURE, secret, call.body, "sha1")


def access(options: Options, token: str) -> Access:
    """The app's access token."""
    return bearer(options.api, token)


def parse(call: Call, options: Options) -> list[Said]:
    """What happened; events of other kinds say nothing.

    Raises:
        Malformed: naming the field.
    """
    kind = read(_EventKind, call.body).event_type
    if kind not in FETCHED and kind != DELETED:
        return []
    event = read(_Event, call.body)
    if kind == DELETED:
        taken_back = answer(
            options,
            CHANNEL,
            op="retracted",
            response_id=event.object_id,
            survey_id=event.resources.survey_id,
            updated_at=event.event_datetime,
        )
        return [Answered(taken_back, event.event_id)]
    path = f"v3/surveys/{event.resources.survey_id}/responses/{event.object_id}/details"
    return [Lookup(path, partial(read_details, options))]


def read_details(options: Options, body: bytes) -> list[Told]:
    """A response with the answers to its questions; one that is not complete, or did not qualify, says nothing.

    Raises:
        Malformed: naming the field.
    """
    details = read(_Details, body)
    if details.response_status != COMPLETED:
        return []
    answers = {question.id: question.answers for page in details.pages for question in page.questions}
    variables = details.custom_variables | {"custom_value": details.custom_value}
    names = (details.first_name, details.last_name)
    return [
        Answered(
            answer(
                options,
                CHANNEL,
                response_id=details.id,
                survey_id=details.survey_id,
                score=_score(answers.get(options.score), options),
                comment=_text(answers.get(options.comment or "")),
                email=variables.get(options.email or "") or details.email_address,
                name=" ".join(name for name in names if name) or None,
                customer_id=variables.get(options.customer_id or ""),
                answered_at=details.date_created,
                updated_at=details.date_modified,
                attributes=details.custom_variables,
                test=details.collection_mode in TRIALS,
            )
        )
    ]


def _score(answers: list[_Choice] | None, options: Options) -> int:
    """The number the chosen choice means, or the number itself."""
    if not answers:
        raise Malformed.of("pages.questions", f"no answer to the question {options.score}")
    chosen = answers[0].choice_id
    if chosen is None:
        return points(answers[0].text, "pages.questions.answers.text")
    if chosen not in options.choices:
        raise Malformed.of(
            "pages.questions.answers.choice_id", f"{chosen} is not among the choices of the business file"
        )
    return options.choices[chosen]


def _text(answers: list[_Choice] | None) -> str | None:
    return next((one.text for one in answers or () if one.text), None)
