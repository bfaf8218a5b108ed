"""Retently: an answer, somebody who opted out, or a survey that bounced, in a form that the account's users edit.

The body of the call is a template, so the business file says where in it each value lies. Strange cases:
  an answer without an id is named by the bytes of its call: a copy is the same answer, a later comment another one
  somebody who opted out, but whom no field names, is malformed: nobody could be left alone
  a survey that bounced says nothing
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any, Final, Literal

from pydantic import Field

from schemas.malformed import Malformed
from services.chassis.business import Section
from services.intake.sources.expressions import Expression, evaluate, payload
from services.intake.sources.proofs import check_token
from services.intake.sources.source import (
    Answered,
    Call,
    OptedOut,
    Said,
    SourceOptions,
    answer,
    fits,
    moment,
    points,
    words,
)

CHANNEL: Final = "email"
TEXTS: Final = (
    "response_id", "survey_id", "touchpoint", "language", "comment", "customer_id", "account_id", "email", "phone",
    "name",
)  # fmt: skip
TIMES: Final = ("answered_at", "updated_at")
PEOPLE: Final = ("customer_id", "email", "phone")


class FieldMap(Section):
    """Where each value lies in the template: dotted paths, or any JMESPath."""

    score: Expression = Field(description="the score, 0 to 10")
    response_id: Expression | None = Field(default=None, description="the id of the answer")
    survey_id: Expression | None = None
    touchpoint: Expression | None = None
    language: Expression | None = None
    comment: Expression | None = None
    customer_id: Expression | None = None
    account_id: Expression | None = None
    email: Expression | None = None
    phone: Expression | None = None
    name: Expression | None = None
    answered_at: Expression | None = Field(default=None, description="ISO 8601 or seconds since 1970")
    updated_at: Expression | None = Field(default=None, description="the same; the newest counts")
    attributes: Expression | None = Field(default=None, description="an object of whatever else is known")


class Options(SourceOptions):
    """How to read the template of a campaign's webhook."""

    vendor: Literal["retently"]
    fields: FieldMap
    opted_out: Expression | None = Field(default=None, description="true of somebody who wants no more surveys")
    bounced: Expression | None = Field(default=None, description="true of a survey that could not be delivered")


def verify(call: Call, _options: Options, secret: str, _now: datetime) -> None:
    """A token of ours, in a header that is set beside the template.

    Raises:
        Unverified: if it does not fit.
    """
    check_token(call, secret)


def parse(call: Call, options: Options) -> list[Said]:
    """What the template says.

    Raises:
        Malformed: naming the field.
    """
    told = payload(call.body)
    if evaluate(options.bounced, told, "bounced"):
        return []
    if evaluate(options.opted_out, told, "opted_out"):
        return [_opted_out(options.fields, told)]
    return [_answered(call, options, told)]


def _answered(call: Call, options: Options, told: Any) -> Answered:  # JSON of any shape
    fields = options.fields
    values = {name: words(evaluate(getattr(fields, name), told, f"fields.{name}")) for name in TEXTS}
    times = {name: moment(evaluate(getattr(fields, name), told, f"fields.{name}"), f"fields.{name}") for name in TIMES}
    attributes = evaluate(fields.attributes, told, "fields.attributes")
    submission = answer(
        options,
        CHANNEL,
        score=points(evaluate(fields.score, told, "fields.score"), "fields.score"),
        attributes=attributes if isinstance(attributes, dict) else None,
        **values,
        **times,
    )
    return Answered(submission, hashlib.sha256(call.body).hexdigest())


def _opted_out(fields: FieldMap, told: Any) -> OptedOut:  # JSON of any shape
    named = {name: words(evaluate(getattr(fields, name), told, f"fields.{name}")) for name in PEOPLE}
    who = {name: value if value and fits(name, value) else None for name, value in named.items()}
    if not any(who.values()):
        raise Malformed.of("fields", "somebody opted out, and neither customer, address nor telephone is told")
    at = moment(evaluate(fields.updated_at or fields.answered_at, told, "fields.updated_at"), "fields.updated_at")
    return OptedOut(who["customer_id"], who["email"], who["phone"], at)
