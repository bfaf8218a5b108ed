"""Help Scout: an answer to a survey of its messages, or what somebody thought of a reply by mail.

Only an answer with a band (`category`) is one to the question of NPS. Faces and words have no number: the business file
says what each counts for, as satisfaction. The name of the event stands in a header that is not signed, so what it is
is seen from the body alone. No time is signed: a copy says the same as the first, and counts once.
"""

from __future__ import annotations

import hashlib
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
    VendorScore,
    answer,
    read,
)

SIGNATURE: Final = "x-helpscout-signature"
SURVEYS: Final = "website"
REPLIES: Final = "email"
WORDS: Final = {"Bad": 1.0, "Okay": 2.0, "Great": 3.0, "Sad": 1.0, "Neutral": 2.0, "Happy": 3.0}


class Options(SourceOptions):
    """An account of Help Scout's."""

    vendor: Literal["helpscout"]
    ratings: dict[str, float] = Field(
        default=WORDS, description="what the words and the names of faces count for; others say nothing"
    )


class _Kind(VendorModel):
    response: dict[str, Any] | None = None  # read once it is known to be a survey's
    rating: str | None = None


class _Text(VendorModel):
    value: str | None = None


class _Reach(VendorModel):
    emails: list[_Text] = Field(default_factory=list)
    phones: list[_Text] = Field(default_factory=list)


class _Customer(_Reach):
    """Addresses stand in it, or one level down."""

    first_name: str | None = Field(default=None, alias="firstName")
    last_name: str | None = Field(default=None, alias="lastName")
    embedded: _Reach | None = Field(default=None, alias="_embedded")

    def known(self) -> dict[str, str | None]:
        """Who it is, as an answer has it."""
        mails = self.emails or (self.embedded.emails if self.embedded else [])
        phones = self.phones or (self.embedded.phones if self.embedded else [])
        names = [name for name in (self.first_name, self.last_name) if name]
        return {
            "email": mails[0].value if mails else None,
            "phone": phones[0].value if phones else None,
            "name": " ".join(names) or None,
        }


class _Message(VendorModel):
    name: str | None = None


class _Response(VendorModel):
    name: str | None = None
    category: str | None = None
    comment: str | None = None
    timestamp: VendorMoment


class _Around(VendorModel):
    customer: _Customer | None = None


class _Survey(VendorModel):
    message: _Message = _Message()
    response: _Response
    embedded: _Around | None = Field(default=None, alias="_embedded")


class _Scored(VendorModel):
    value: VendorScore


class _ScoredSurvey(VendorModel):
    response: _Scored


class _Mailbox(VendorModel):
    name: str | None = None


class _Rating(VendorModel):
    id: VendorId
    rating: str
    comments: str | None = None
    customer: _Customer = _Customer()
    mailbox: _Mailbox | None = None
    created_at: VendorMoment = Field(alias="createdAt")
    modified_at: VendorMoment | None = Field(default=None, alias="modifiedAt")


def verify(call: Call, _options: Options, secret: str, _now: datetime) -> None:
    """HMAC-SHA-1 over the body, base64.

    Raises:
        Unverified: if it does not fit.
    """
    check_base64(header(call, SIGNATURE), SIGNATURE, secret, call.body, "sha1")


def parse(call: Call, options: Options) -> list[Said]:
    """The answer or the rating; events of other kinds say nothing.

    Raises:
        Malformed: naming the field.
    """
    kind = read(_Kind, call.body)
    if kind.response is not None:
        return _surveyed(call, options)
    return [] if kind.rating is None else [_rated(call, options)]


def _surveyed(call: Call, options: Options) -> list[Said]:
    survey = read(_Survey, call.body)
    told = survey.response
    if told.category is not None:
        measured: dict[str, Any] = {"score": read(_ScoredSurvey, call.body).response.value}  # fields of an answer
    elif told.name in options.ratings:
        measured = {"metric": "csat", "rating": options.ratings[told.name]}
    else:
        return []
    customer = (survey.embedded and survey.embedded.customer) or _Customer()
    said = answer(
        options,
        SURVEYS,
        **measured,
        survey_id=survey.message.name or None,
        comment=told.comment,
        answered_at=told.timestamp,
        **customer.known(),
    )
    # the vendor names no answer: what comes again is known by its bytes
    return [Answered(said, hashlib.sha256(call.body).hexdigest())]


def _rated(call: Call, options: Options) -> Answered:
    told = read(_Rating, call.body)
    if told.rating not in options.ratings:
        raise Malformed.of("rating", "not one of the words that ratings in the business file names")
    return Answered(
        answer(
            options,
            REPLIES,
            response_id=told.id,
            metric="csat",
            rating=options.ratings[told.rating],
            comment=told.comments,
            answered_at=told.created_at,
            updated_at=told.modified_at,
            attributes={"mailbox": told.mailbox and told.mailbox.name},
            **told.customer.known(),
        )
    )
