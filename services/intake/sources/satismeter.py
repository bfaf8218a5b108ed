"""SatisMeter: a survey was completed or closed.

Somebody who closes it may have given a score first: that counts, and without a score nothing is said. `rating` is the
answer to the NPS question alone; surveys of other kinds have none. Nothing is signed.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final, Literal

from pydantic import Field

from services.intake.sources.proofs import check_token
from services.intake.sources.source import (
    Answered,
    Call,
    Said,
    SourceOptions,
    VendorAttributes,
    VendorId,
    VendorModel,
    VendorMoment,
    VendorScore,
    answer,
    read,
    words,
)

EVENTS: Final = frozenset({"completed", "dismissed"})
CHANNELS: Final = {"in-app": "in_app", "mobile": "in_app", "email": "email"}
CHANNEL: Final = "in_app"


class Options(SourceOptions):
    """A project of SatisMeter's is one source."""

    vendor: Literal["satismeter"]


class _User(VendorModel):
    user_id: str | int | None = Field(default=None, alias="userId")
    name: str | None = None
    email: str | None = None
    traits: VendorAttributes = Field(default_factory=dict)


class _Location(VendorModel):
    country: str | None = None


class _Response(VendorModel):
    id: VendorId
    rating: VendorScore | None = None
    feedback: str | None = None
    created: VendorMoment
    method: str | None = None
    user: _User | None = None
    location: _Location | None = None


class _Event(VendorModel):
    event: str


class _ResponseEvent(_Event):
    response: _Response


def verify(call: Call, _options: Options, secret: str, _now: datetime) -> None:
    """A token of ours, in the address that SatisMeter was given.

    Raises:
        Unverified: if it does not fit.
    """
    check_token(call, secret)


def parse(call: Call, options: Options) -> list[Said]:
    """The answer, if a score was given.

    Raises:
        Malformed: naming the field.
    """
    if read(_Event, call.body).event not in EVENTS:
        return []
    response = read(_ResponseEvent, call.body).response
    if response.rating is None:
        return []
    user = response.user or _User()
    place = {"country": response.location.country} if response.location else {}
    return [
        Answered(
            answer(
                options,
                CHANNELS.get((response.method or "").lower(), CHANNEL),
                response_id=response.id,
                score=response.rating,
                comment=words(response.feedback),
                customer_id=words(user.user_id),
                email=user.email,
                name=user.name,
                answered_at=response.created,
                attributes=place | user.traits,
            )
        )
    ]
