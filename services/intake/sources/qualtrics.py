"""Qualtrics: a survey was completed. The call names the response, and its answers are fetched.

An event subscription calls with a form of `Topic`, `HMAC` and `MSG`, the event itself; it must not be encrypted. A task
of a workflow calls with JSON of its own, in which the business names the survey and the response as an event does.
Qualtrics does not describe the HMAC; that it is SHA-512 over the text of `MSG` is how SAP read it while Qualtrics was
SAP's, and fits what they recorded. No time is signed: a copy of a call fetches the same response, and counts once.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any, Final, Literal
from urllib.parse import unquote_to_bytes

from pydantic import Field

from schemas.contract import Points
from schemas.malformed import Malformed
from services.intake.sources.proofs import check_hex, check_token
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
    Unverified,
    VendorId,
    VendorModel,
    VendorMoment,
    answer,
    points,
    read,
)

CHANNEL: Final = "website"
COMPLETED: Final = "completedResponse"
MESSAGE: Final = "MSG"
TOPIC: Final = "Topic"
HMAC: Final = "HMAC"
API_TOKEN: Final = "x-api-token"  # noqa: S105 a name, no secret


class Options(SourceOptions):
    """Which field of a response is which."""

    vendor: Literal["qualtrics"]
    api: ApiAddress = Field(description="https://<data centre>.qualtrics.com")
    proof: Literal["signature", "token"] = Field(
        default="signature", description="signature of an event subscription with a shared key, or a token of ours"
    )
    score: str = Field(description="field of the question from 0 to 10, QID1")
    choices: dict[VendorId, Points] = Field(
        default_factory=dict, description="the score that each value means, where it is not the score itself"
    )
    comment: str | None = Field(default=None, description="field of the text that says why, QID2_TEXT")
    email: str = Field(default="recipientEmail", description="field that holds it")
    customer_id: str = Field(default="externalDataReference", description="field that holds it")
    attributes: tuple[str, ...] = Field(default=(), description="fields of embedded data to keep")
    trials: tuple[int, ...] = Field(default=(1,), description="values of `status` that mark a trial; 1 is a preview")


class _Event(VendorModel):
    survey_id: PathPart = Field(alias="SurveyID")
    response_id: PathPart = Field(alias="ResponseID")


class _Values(VendorModel, extra="allow"):
    ended_at: VendorMoment = Field(alias="endDate")
    status: int | None = None


class _Result(VendorModel):
    response_id: VendorId = Field(alias="responseId")
    values: _Values


class _Response(VendorModel):
    result: _Result


def verify(call: Call, options: Options, secret: str, _now: datetime) -> None:
    """The form's HMAC under the subscription's shared key, hexadecimal; or a token of ours.

    Raises:
        Unverified: if it does not fit.
    """
    if options.proof == "token":
        check_token(call, secret)
        return
    form = _form(call.body)
    if not form.get(HMAC):
        raise Unverified(f"{HMAC}: missing")
    check_hex(form[HMAC].decode(errors="replace"), HMAC, secret, form.get(MESSAGE, b""), "sha512")


def access(options: Options, token: str) -> Access:
    """The API token of a user who may read the survey."""
    return Access(options.api, {API_TOKEN: token})


def parse(call: Call, options: Options) -> list[Said]:
    """The response to look up; events of other kinds say nothing.

    Raises:
        Malformed: naming the field.
    """
    form = _form(call.body)
    topic = form.get(TOPIC, b"").decode(errors="replace")
    if topic and COMPLETED not in topic.split("."):
        return []
    event = read(_Event, form.get(MESSAGE, call.body))
    path = f"API/v3/surveys/{event.survey_id}/responses/{event.response_id}"
    return [Lookup(path, partial(read_response, options, event.survey_id))]


def read_response(options: Options, survey_id: str, body: bytes) -> list[Told]:
    """A response with the answers to its questions.

    Raises:
        Malformed: naming the field.
    """
    result = read(_Response, body).result
    fields = result.values.model_extra or {}
    if fields.get(options.score) is None:
        raise Malformed.of("result.values", f"no answer to the question {options.score}")
    wanted = (*options.attributes, *options.segment_by.values())
    return [
        Answered(
            answer(
                options,
                CHANNEL,
                response_id=result.response_id,
                survey_id=survey_id,
                score=_score(fields[options.score], options),
                comment=_text(fields, options.comment),
                email=_text(fields, options.email),
                customer_id=_text(fields, options.customer_id),
                name=" ".join(filter(None, (_text(fields, f"recipient{part}Name") for part in ("First", "Last")))),
                language=(_text(fields, "userLanguage") or "").lower(),
                answered_at=result.values.ended_at,
                attributes={name: fields[name] for name in wanted if name in fields},
                test=result.values.status in options.trials,
            )
        )
    ]


def _score(value: Any, options: Options) -> int:  # JSON of any shape
    known = options.choices.get(str(value))
    return points(value, f"result.values.{options.score}") if known is None else known


def _text(fields: Mapping[str, Any], name: str | None) -> str | None:
    value = fields.get(name or "")
    return value if isinstance(value, str) and value else None


def _form(body: bytes) -> dict[str, bytes]:
    """The fields of a form, byte for byte as they were before they were encoded."""
    pairs = (pair.partition(b"=") for pair in body.split(b"&"))
    return {
        name.decode(errors="replace"): unquote_to_bytes(value.replace(b"+", b" "))
        for name, equals, value in pairs
        if equals
    }
