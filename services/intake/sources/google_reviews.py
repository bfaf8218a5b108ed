"""Google Business Profile: a review was written or changed. The call names it, and it is fetched.

Calls come through Pub/Sub, which wraps the notification in base64. Stars are a rating and never enter the
score. Two pages of Google's spell the field that names the review differently, so it is known by the form of the name;
other notifications have no such name, and say nothing.
"""

from __future__ import annotations

import re
from datetime import datetime
from functools import partial
from typing import Any, Final, Literal, Self

from pydantic import Base64Bytes, Field, TypeAdapter, ValidationError, model_validator

from schemas.malformed import Malformed
from services.intake.sources.id_tokens import Holder, check_id_token
from services.intake.sources.proofs import check_token
from services.intake.sources.source import (
    Access,
    Answered,
    ApiAddress,
    Call,
    Grant,
    Lookup,
    Said,
    SourceOptions,
    Told,
    VendorId,
    VendorModel,
    VendorMoment,
    answer,
    bearer,
    read,
)

CHANNEL: Final = "review_site"
ISSUERS: Final = frozenset({"https://accounts.google.com", "accounts.google.com"})
STARS: Final = {"ONE": 1, "TWO": 2, "THREE": 3, "FOUR": 4, "FIVE": 5}
REVIEW: Final = re.compile(
    r"accounts/[A-Za-z0-9_-]{1,100}/(locations/[A-Za-z0-9_-]{1,100})/reviews/[A-Za-z0-9_-]{1,500}"
)
LOCATION: Final = "location"
"""The attribute in which the place stands that was reviewed."""

_NOTIFICATION: Final[TypeAdapter[dict[str, Any]]] = TypeAdapter(dict[str, Any])  # JSON of any shape


class Options(SourceOptions):
    """An account has one topic, and so one source."""

    vendor: Literal["google_reviews"]
    api: ApiAddress = Field(default="https://mybusiness.googleapis.com", description="where reviews are fetched")
    grant: ApiAddress = Field(
        default="https://oauth2.googleapis.com/token", description="where a refresh token is exchanged"
    )
    service_account: str | None = Field(
        default=None, description="address of the account Pub/Sub signs as; a token of ours is asked for if left out"
    )
    audience: str | None = Field(default=None, description="audience of the push subscription, with service_account")
    keys: ApiAddress = Field(
        default="https://www.googleapis.com/oauth2/v3/certs", description="where Google's public keys stand"
    )

    @model_validator(mode="after")
    def _says_whose_and_for_whom(self) -> Self:
        if (self.service_account is None) != (self.audience is None):
            raise ValueError("service_account and audience: both or neither")
        return self


class _Message(VendorModel):
    data: Base64Bytes
    message_id: VendorId = Field(alias="messageId")


class _Push(VendorModel):
    message: _Message


class _Reviewer(VendorModel):
    display_name: str | None = Field(default=None, alias="displayName")
    is_anonymous: bool = Field(default=False, alias="isAnonymous")


class _Review(VendorModel):
    review_id: VendorId = Field(alias="reviewId")
    reviewer: _Reviewer = _Reviewer()
    stars: Literal["ONE", "TWO", "THREE", "FOUR", "FIVE"] = Field(alias="starRating")
    comment: str | None = None
    created_at: VendorMoment = Field(alias="createTime")
    updated_at: VendorMoment = Field(alias="updateTime")


def verify(call: Call, options: Options, secret: str, now: datetime) -> None:
    """The id token of the account that Pub/Sub signs as; else a token of ours in the address it pushes to.

    Raises:
        Unverified: if it does not fit.
    """
    if options.service_account and options.audience:
        check_id_token(call, secret, Holder(options.service_account, options.audience, ISSUERS), now)
    else:
        check_token(call, secret)


def keys(options: Options) -> str | None:
    """Where the keys stand that id tokens are verified with."""
    return options.keys if options.service_account else None


def access(options: Options, token: str) -> Access:
    """Client id, client secret and refresh token, joined by `&`; or an access token, which lasts an hour."""
    parts = token.split("&")
    if len(parts) != len(("client id", "client secret", "refresh token")):
        return bearer(options.api, token)
    return Access(options.api, grant=Grant(options.grant, *parts))


def parse(call: Call, options: Options) -> list[Said]:
    """The review to look up; notifications about anything else say nothing.

    Raises:
        Malformed: naming the field.
    """
    message = read(_Push, call.body).message
    try:
        told = _NOTIFICATION.validate_json(message.data)
    except ValidationError as error:
        raise Malformed.of("message.data", "not a JSON object in base64") from error
    found = (REVIEW.fullmatch(value) for value in told.values() if isinstance(value, str))
    name = next((match for match in found if match), None)
    return [Lookup(f"v4/{name[0]}", partial(read_review, options, name[1]))] if name else []


def read_review(options: Options, location: str, body: bytes) -> list[Told]:
    """A review: stars as a rating, and who wrote it unless that was kept back.

    Raises:
        Malformed: naming the field.
    """
    review = read(_Review, body)
    return [
        Answered(
            answer(
                options,
                CHANNEL,
                metric="review",
                response_id=review.review_id,
                rating=float(STARS[review.stars]),
                comment=review.comment,
                name=None if review.reviewer.is_anonymous else review.reviewer.display_name,
                solicited=False,
                answered_at=review.created_at,
                updated_at=review.updated_at,
                attributes={LOCATION: location},
            )
        )
    ]
