"""HubSpot: a property of a contact changed, and the property is the one that holds the last answer.

HubSpot sends nothing of the answer but the value of that property: neither why, nor the address of the contact. The
contact's number is the customer's id. Method and address are signed along with body and time, the address as HubSpot
called it; in an address of ours there is nothing that could be written in two ways.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, Literal

from pydantic import ConfigDict, Field
from pydantic.alias_generators import to_camel

from services.intake.sources.proofs import check_base64, check_fresh, header
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
    read_list,
    read_part,
)

SIGNATURE: Final = "x-hubspot-signature-v3"
TIMESTAMP: Final = "x-hubspot-request-timestamp"
METHOD: Final = b"POST"
CHANNEL: Final = "email"
OF_CONTACTS: Final = frozenset({("contact.propertyChange", None), ("object.propertyChange", "0-1")})
"""Subscription and type of object: the older form, and the newer one with the number that contacts have."""


class Options(SourceOptions):
    """An app of HubSpot's has one client secret, and one address that it calls."""

    vendor: Literal["hubspot"]
    score: str = Field(
        default="hs_feedback_last_nps_rating", description="internal name of the contact property that holds the answer"
    )
    metric: Literal["nps", "csat", "ces"] = Field(default="nps", description="what the property measures")


class _Event(VendorModel):
    model_config = ConfigDict(alias_generator=to_camel)

    subscription_type: str
    object_type_id: str | None = None
    property_name: str | None = None
    object_id: VendorId | None = None
    occurred_at: Any = None  # read once it is known to be an answer
    property_value: Any = None  # the same


class _Answer(VendorModel):
    model_config = ConfigDict(alias_generator=to_camel)

    object_id: VendorId
    occurred_at: VendorMoment
    property_value: VendorScore | VendorRating = Field(union_mode="left_to_right")


def verify(call: Call, _options: Options, secret: str, now: datetime) -> None:
    """HMAC-SHA-256 over method, address, body and time in milliseconds, base64, under the app's client secret.

    Raises:
        Unverified: if it does not fit.
    """
    sent = header(call, TIMESTAMP)
    check_fresh(sent[:-3], TIMESTAMP, now)
    signed = METHOD + call.url.encode() + call.body + sent.encode()
    check_base64(header(call, SIGNATURE), SIGNATURE, secret, signed)


def parse(call: Call, options: Options) -> list[Said]:
    """The answers among the changes; a property that was emptied says nothing.

    Raises:
        Malformed: naming the field.
    """
    events = read_list(_Event, call.body)
    return [_answered(event, options) for event in events if _is_answer(event, options)]


def _is_answer(event: _Event, options: Options) -> bool:
    of_contact = (event.subscription_type, event.object_type_id) in OF_CONTACTS
    return of_contact and event.property_name == options.score and event.property_value not in (None, "")


def _answered(event: _Event, options: Options) -> Answered:
    told = read_part(_Answer, event.model_dump(by_alias=True))
    return Answered(
        answer(
            options,
            CHANNEL,
            metric=options.metric,
            answered_at=told.occurred_at,
            customer_id=told.object_id,
            **{"score" if options.metric == "nps" else "rating": told.property_value},
        ),
        # HubSpot's own ids of events are not unique
        f"{told.object_id}|{options.score}|{event.occurred_at}",
    )
