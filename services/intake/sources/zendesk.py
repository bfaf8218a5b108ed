"""Zendesk: a trigger of the business calls when an answer stands on a ticket, also one that another program put there.

What is sent is the trigger's own text, and so its form is ours: docs/guides/sources/zendesk.md has it to copy. An empty
placeholder is an empty text and says nothing. A trigger fires whenever its conditions hold, and what it tells is always
the whole answer of that ticket: the last that comes counts.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field

from services.intake.sources.proofs import check_base64, check_fresh_iso, header
from services.intake.sources.source import (
    Answered,
    Call,
    Said,
    SourceOptions,
    VendorId,
    VendorModel,
    VendorMoment,
    VendorRating,
    VendorScore,
    answer,
    read,
    read_part,
)

SIGNATURE: Final = "x-zendesk-webhook-signature"
TIMESTAMP: Final = "x-zendesk-webhook-signature-timestamp"
CHANNEL: Final = "email"


class Options(SourceOptions):
    """A trigger measures one thing; another measure is another trigger and another source."""

    vendor: Literal["zendesk"]
    metric: Literal["nps", "csat", "ces"] = Field(default="nps", description="what the answer measures")
    values: dict[str, float] = Field(
        default_factory=dict, description="what a word or tag counts for, where the answer is no number"
    )


def _empty(value: object) -> object:
    return None if value == "" else value


_Placeholder = Annotated[str | None, BeforeValidator(_empty)]


class _Ticket(VendorModel):
    id: VendorId
    answer: Any = None  # a number, or a word that the business file gives a value
    comment: _Placeholder = None
    answered_at: Annotated[VendorMoment | None, BeforeValidator(_empty)] = None
    customer_id: _Placeholder = None
    account_id: _Placeholder = None
    email: _Placeholder = None
    phone: _Placeholder = None
    name: _Placeholder = None
    agent: _Placeholder = None
    team: _Placeholder = None
    attributes: dict[str, Any] | None = None  # whatever the trigger tells besides


class _Answer(VendorModel):
    answer: VendorScore | VendorRating = Field(union_mode="left_to_right")


def verify(call: Call, _options: Options, secret: str, now: datetime) -> None:
    """HMAC-SHA-256 over time and body, base64, under the signing secret of the webhook.

    Raises:
        Unverified: if it does not fit.
    """
    sent = header(call, TIMESTAMP)
    check_fresh_iso(sent, TIMESTAMP, now)
    check_base64(header(call, SIGNATURE), SIGNATURE, secret, sent.encode() + call.body)


def parse(call: Call, options: Options) -> list[Said]:
    """The answer of the ticket; a ticket without one says nothing.

    Raises:
        Malformed: naming the field.
    """
    ticket = read(_Ticket, call.body)
    if ticket.answer in (None, ""):
        return []
    told = options.values.get(str(ticket.answer), ticket.answer)
    measured = {
        "metric": options.metric,
        "score" if options.metric == "nps" else "rating": read_part(_Answer, {"answer": told}).answer,
    }
    agent = {"id": ticket.agent} | ({"team": ticket.team} if ticket.team else {}) if ticket.agent else None
    as_told = ticket.model_dump(exclude={"id", "answer", "agent", "team"})
    return [Answered(answer(options, CHANNEL, op="updated", response_id=ticket.id, agent=agent, **measured, **as_told))]
