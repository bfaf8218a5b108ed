"""Trustpilot: reviews of the business that were written, changed or taken back, several in one call.

Stars are a review and never NPS. Trustpilot gives no address of who wrote, by design; the reference of the order or
customer, if the invitation had one, is all that tells. Nothing is signed: a token stands in the address.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, Literal

from pydantic import ConfigDict, Field
from pydantic.alias_generators import to_camel

from services.intake.sources.proofs import check_token
from services.intake.sources.source import (
    Answered,
    Call,
    Said,
    SourceOptions,
    VendorId,
    VendorModel,
    VendorMoment,
    VendorStars,
    answer,
    read,
    read_part,
)

CHANNEL: Final = "review_site"
OPS: Final = {"service-review-created": "submitted", "service-review-updated": "updated"}
DELETED: Final = "service-review-deleted"


class Options(SourceOptions):
    """A business unit of Trustpilot's."""

    vendor: Literal["trustpilot"]
    reference: Literal["customer_id", "account_id"] | None = Field(
        default=None, description="what the reference of an invitation is; of orders it is an attribute, as always"
    )


class _Camel(VendorModel):
    model_config = ConfigDict(alias_generator=to_camel)


class _Event(_Camel):
    event_name: str
    event_data: dict[str, Any]  # read once the name is known


class _Batch(VendorModel):
    events: list[_Event]


class _Consumer(_Camel):
    name: str | None = None


class _Tag(_Camel):
    group: str
    value: str


class _Review(_Camel):
    id: VendorId
    stars: VendorStars
    created_at: VendorMoment
    language: str | None = None
    title: str | None = None
    text: str | None = None
    reference_id: str | None = None
    is_verified: bool | None = None
    location_id: str | None = None
    consumer: _Consumer | None = None
    tags: list[_Tag] | None = None


class _Gone(_Camel):
    id: VendorId


def verify(call: Call, _options: Options, secret: str, _now: datetime) -> None:
    """A token of ours.

    Raises:
        Unverified: if there is none or another.
    """
    check_token(call, secret)


def parse(call: Call, options: Options) -> list[Said]:
    """What became of each review; events of other kinds, reviews of products among them, say nothing.

    Raises:
        Malformed: naming the field.
    """
    said: list[Said] = []
    for event in read(_Batch, call.body).events:
        if event.event_name == DELETED:
            gone = read_part(_Gone, event.event_data)
            said.append(Answered(answer(options, CHANNEL, op="retracted", response_id=gone.id, metric="review")))
        elif event.event_name in OPS:
            said.append(_reviewed(read_part(_Review, event.event_data), OPS[event.event_name], options))
    return said


def _reviewed(review: _Review, op: str, options: Options) -> Answered:
    attributes = {f"tag.{tag.group}": tag.value for tag in review.tags or ()}
    attributes |= {
        "reference": review.reference_id or "",
        "location": review.location_id or "",
        "verified": "" if review.is_verified is None else str(review.is_verified).lower(),
    }
    known = {options.reference: review.reference_id} if options.reference else {}
    return Answered(
        answer(
            options,
            CHANNEL,
            op=op,
            response_id=review.id,
            metric="review",
            rating=review.stars,
            comment="\n\n".join(part for part in (review.title, review.text) if part) or None,
            language=review.language,
            answered_at=review.created_at,
            name=review.consumer.name if review.consumer else None,
            attributes=attributes,
            **known,
        )
    )
