"""Wootric, now InMoment: an answer, a change to one, or somebody who closed the survey without one.

The body is a form with nested names, `response[end_user_properties][plan]`, and all values are text; the same as JSON
is read as well. Times are written `2016-08-04 13:57:26 -0700`. Strange cases:
  a decline has no score, and says nothing
  an answer that was excluded from calculations there is excluded here; a later update can bring it back
  calls from before there was `survey_mode` are about NPS
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Any, Final, Literal
from urllib.parse import parse_qsl

from pydantic import BeforeValidator, Field, ValidationError
from pydantic_core import from_json

from schemas.malformed import Malformed
from services.intake.sources.proofs import check_hex, header
from services.intake.sources.source import (
    Answered,
    Call,
    Said,
    SourceOptions,
    VendorAttributes,
    VendorId,
    VendorModel,
    VendorMoment,
    VendorRating,
    VendorScore,
    answer,
    words,
)

SIGNATURE: Final = "x-wootric-signature"
CHANNEL: Final = "in_app"
OPS: Final = {"created": "submitted", "updated": "updated"}
METRICS: Final = {"NPS": "nps", "CSAT": "csat", "CES": "ces"}
MOST_FIELDS: Final = 500
NESTED: Final = re.compile(r"\[([^\[\]]*)\]")
LOCAL: Final = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) ([+-]\d{4})", re.ASCII)


def _iso(value: object) -> object:
    """ISO 8601 knows no space before the offset."""
    local = LOCAL.fullmatch(value) if isinstance(value, str) else None
    return f"{local[1]}{local[2]}" if local else value


_Moment = Annotated[VendorMoment, BeforeValidator(_iso)]


class Options(SourceOptions):
    """An account of Wootric's is one source."""

    vendor: Literal["wootric"]


class _Response(VendorModel):
    id: VendorId
    score: VendorScore | VendorRating = Field(union_mode="left_to_right")
    text: str | None = None
    survey_id: str | None = None
    external_id: str | None = None
    email: str | None = None
    excluded: bool | None = Field(default=None, alias="excluded_from_calculations")
    properties: VendorAttributes = Field(default_factory=dict, alias="end_user_properties")
    created_at: _Moment
    updated_at: _Moment | None = None


class _Event(VendorModel):
    event_name: str
    survey_mode: str = "NPS"
    response: _Response | None = None
    decline: VendorAttributes | None = None


def verify(call: Call, _options: Options, secret: str, _now: datetime) -> None:
    """HMAC-SHA-1 over the body under the account's secret token, hexadecimal, after `sha1=`.

    Raises:
        Unverified: if it does not fit.
    """
    check_hex(header(call, SIGNATURE).removeprefix("sha1="), SIGNATURE, secret, call.body, "sha1")


def parse(call: Call, options: Options) -> list[Said]:
    """What somebody answered; declines, and events of other kinds, say nothing.

    Raises:
        Malformed: naming the field.
    """
    try:
        event = _Event.model_validate(_told(call))
    except ValidationError as error:
        raise Malformed.from_validation(error) from error
    told = event.response
    if told is None and event.decline is None:
        raise Malformed.of("response", "required, or decline")
    if told is None or event.event_name not in OPS:
        return []
    if told.excluded:
        withdrawn = answer(options, CHANNEL, op="excluded", response_id=told.id, updated_at=told.updated_at)
        return [Answered(withdrawn)]
    metric = METRICS.get(event.survey_mode, "review")
    return [
        Answered(
            answer(
                options,
                CHANNEL,
                op=OPS[event.event_name],
                response_id=told.id,
                survey_id=words(told.survey_id),
                metric=metric,
                comment=words(told.text),
                answered_at=told.created_at,
                updated_at=told.updated_at,
                customer_id=words(told.external_id),
                email=told.email,
                attributes=told.properties,
                **{"score" if metric == "nps" else "rating": told.score},
            )
        )
    ]


def _told(call: Call) -> Any:  # JSON of any shape
    if call.headers.get("content-type", "").lower().startswith("application/json"):
        try:
            return from_json(call.body, allow_inf_nan=False)
        except ValueError as error:
            raise Malformed.of("body", "not JSON") from error
    try:
        pairs = parse_qsl(call.body.decode(), keep_blank_values=True, max_num_fields=MOST_FIELDS)
    except ValueError as error:
        raise Malformed.of("body", "not a form") from error
    tree: dict[str, Any] = {}
    for name, value in pairs:
        _plant(tree, name, value)
    return tree


def _plant(tree: dict[str, Any], name: str, value: str) -> None:
    """Puts `a[b][c]` where it belongs; a name that is a value and a group at once stays what it was first."""
    path = [name.partition("[")[0], *NESTED.findall(name)]
    for part in path[:-1]:
        tree = tree.setdefault(part, {})
        if not isinstance(tree, dict):
            return
    tree.setdefault(path[-1], value)
