"""AskNicely: a score, and each change to it or to its comment.

All calls are of one kind. `count` numbers those about one answer from 1 and is its revision, so that what comes late or
twice changes nothing. Numbers and times are text. Nothing is signed: the app sends whatever headers one sets there.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final, Literal

from pydantic import ConfigDict, Field

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
    words,
)

CHANNEL: Final = "email"
NO_ATTRIBUTES: Final = frozenset({"id", "firstname", "lastname", "created", "sent", "opened"})


class Options(SourceOptions):
    """Which of a contact's fields is the customer."""

    vendor: Literal["asknicely"]
    customer_id: str | None = Field(default=None, description="name of the contact's field that holds it")


class _Person(VendorModel):
    model_config = ConfigDict(extra="allow")  # the account's own fields stand among the vendor's

    name: str | None = None
    email: str | None = None


class _Question(VendorModel):
    model_config = ConfigDict(extra="allow")  # themes, scorecards and more, as the account has them

    id: VendorId
    score: VendorScore
    comment: str | None = None
    responded: VendorMoment | None = None


class _Payload(VendorModel):
    count: int = Field(ge=1)
    person: _Person | None = None
    question: _Question


def verify(call: Call, _options: Options, secret: str, _now: datetime) -> None:
    """A token of ours, in a header that is set in AskNicely's Webhooks app.

    Raises:
        Unverified: if it does not fit.
    """
    check_token(call, secret)


def parse(call: Call, options: Options) -> list[Said]:
    """The answer as it stands now.

    Raises:
        Malformed: naming the field.
    """
    payload = read(_Payload, call.body)
    person, question = payload.person or _Person(), payload.question
    told = {**(person.model_extra or {}), **(question.model_extra or {})}
    attributes = {name: value for name, value in told.items() if name not in NO_ATTRIBUTES}
    return [
        Answered(
            answer(
                options,
                CHANNEL,
                op="submitted" if payload.count == 1 else "updated",
                revision=payload.count,
                response_id=question.id,
                score=question.score,
                comment=words(question.comment),
                answered_at=question.responded,
                customer_id=words(told.get(options.customer_id or "")),
                email=person.email,
                name=person.name,
                attributes=attributes,
            )
        )
    ]
