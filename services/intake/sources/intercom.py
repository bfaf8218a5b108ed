"""Intercom: what somebody thought of a conversation, 1 to 5, or a survey that was answered to its end.

A conversation's rating is satisfaction and never NPS. Of a survey only the completion is read: it has all answers, and
each of them has come alone before. No time is signed: a copy says the same as the first, and counts once.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, Literal

from pydantic import Field

from services.intake.sources.proofs import check_hex, header
from services.intake.sources.source import (
    Answered,
    Call,
    Said,
    SourceOptions,
    VendorId,
    VendorModel,
    VendorMoment,
    VendorScore,
    VendorStars,
    answer,
    read,
    read_part,
)

SIGNATURE: Final = "x-hub-signature"
RATED: Final = "conversation.rating.added"
SURVEYED: Final = "content_stat.survey"
COMPLETED: Final = "completion"
CONVERSATIONS: Final = "live_chat"
SURVEYS: Final = "in_app"


class Options(SourceOptions):
    """An app of Intercom's; questions of surveys are named by their `question_id`."""

    vendor: Literal["intercom"]
    score: str | None = Field(
        default=None, description="question from 0 to 10; surveys without it, and all if it is left out, say nothing"
    )
    comment: str | None = Field(default=None, description="question that asks why")


class _Notification(VendorModel):
    topic: str
    created_at: VendorMoment | None = None


class _Person(VendorModel):
    id: VendorId | None = None
    external_id: str | None = None
    email: str | None = None
    phone: str | None = None
    name: str | None = None


class _Rating(VendorModel):
    rating: VendorStars
    remark: str | None = None
    contact: _Person | None = None
    teammate: _Person | None = None


class _Source(VendorModel):
    author: _Person | None = None


class _Conversation(VendorModel):
    id: VendorId
    conversation_rating: _Rating
    source: _Source | None = None


class _ConversationData(VendorModel):
    item: _Conversation


class _Rated(_Notification):
    data: _ConversationData


class _Answer(VendorModel):
    question_id: VendorId
    response: Any = None  # read once it is known to be the score
    answered_at: VendorMoment | None = None


class _Score(VendorModel):
    response: VendorScore


class _Stat(VendorModel):
    id: VendorId
    stat_type: str
    content_id: VendorId | None = None
    content_title: str | None = None
    answers: list[_Answer] = Field(default_factory=list)


class _Survey(VendorModel):
    content_stat: _Stat
    contact: _Person = _Person()
    answers: list[_Answer] = Field(default_factory=list)


class _SurveyData(VendorModel):
    item: _Survey


class _Surveyed(_Notification):
    data: _SurveyData


def verify(call: Call, _options: Options, secret: str, _now: datetime) -> None:
    """HMAC-SHA-1 over the body under the app's client secret, hexadecimal, after `sha1=`.

    Raises:
        Unverified: if it does not fit.
    """
    check_hex(header(call, SIGNATURE).removeprefix("sha1="), SIGNATURE, secret, call.body, "sha1")


def parse(call: Call, options: Options) -> list[Said]:
    """The rating, or the score of the survey; other topics say nothing.

    Raises:
        Malformed: naming the field.
    """
    topic = read(_Notification, call.body).topic
    if topic == RATED:
        return [_rated(read(_Rated, call.body), options)]
    if topic == SURVEYED and options.score is not None:
        return _surveyed(read(_Surveyed, call.body), options)
    return []


def _rated(told: _Rated, options: Options) -> Answered:
    conversation = told.data.item
    rating = conversation.conversation_rating
    contact, teammate = rating.contact or _Person(), rating.teammate or _Person()
    author = (conversation.source and conversation.source.author) or _Person()
    # who began the conversation may be a colleague: only the customer's own address is the customer's
    known = author if contact.id is not None and author.id == contact.id else _Person()
    return Answered(
        answer(
            options,
            CONVERSATIONS,
            response_id=conversation.id,
            metric="csat",
            rating=rating.rating,
            comment=rating.remark,
            answered_at=told.created_at,
            updated_at=told.created_at,
            customer_id=contact.external_id,
            email=known.email,
            name=known.name,
            agent={"id": teammate.id} if teammate.id else None,
        )
    )


def _surveyed(told: _Surveyed, options: Options) -> list[Said]:
    survey = told.data.item
    stat, contact = survey.content_stat, survey.contact
    by_question = {each.question_id: each for each in survey.answers or stat.answers}
    scored, why = by_question.get(options.score or ""), by_question.get(options.comment or "")
    if stat.stat_type != COMPLETED or scored is None:
        return []
    return [
        Answered(
            answer(
                options,
                SURVEYS,
                response_id=f"survey-{stat.id}",
                score=read_part(_Score, {"response": scored.response}).response,
                comment=why.response if why and isinstance(why.response, str) else None,
                survey_id=stat.content_id,
                answered_at=scored.answered_at or told.created_at,
                customer_id=contact.external_id,
                email=contact.email,
                phone=contact.phone,
                name=contact.name,
                attributes={"survey": stat.content_title},
            )
        )
    ]
