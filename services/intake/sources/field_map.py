"""Which field of an answer stands where in what a sender sends: the part of the business file that replaces code."""

from __future__ import annotations

from typing import Annotated, Any, Final, Self

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator

from schemas.contract import SegmentKey, ShortText
from services.chassis.business import Section
from services.intake.sources.expressions import Expression, Json, evaluate

Constant = bool | int | float | str


def _as_text(table: Any) -> Any:  # YAML of any shape
    """YAML reads `1:` and `true:` as number and boolean; what is looked up is text."""
    return {plain(key): value for key, value in table.items()} if isinstance(table, dict) else table


def plain(value: object) -> str | None:
    """A value as text; none of a list or an object."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str | int | float) else None


class Rule(Section):
    """A value that is constant, is translated, or stands outside the item that tells of one answer."""

    at: Expression | None = Field(default=None, description="where it stands")
    call: Expression | None = Field(
        default=None, description="where it stands in the whole call, if one call carries several answers"
    )
    value: Constant | None = Field(default=None, description="the same for every answer")
    values: Annotated[dict[str, Constant], BeforeValidator(_as_text)] = Field(
        default_factory=dict, description="the sender's words, and ours for each; any other word is refused"
    )
    otherwise: Constant | None = Field(default=None, description="instead of any other word, or of none")

    @model_validator(mode="after")
    def _says_where(self) -> Self:
        if sum(each is not None for each in (self.at, self.call, self.value)) != 1:
            raise ValueError("must have one of at, call and value")
        if self.value is not None and (self.values or self.otherwise is not None):
            raise ValueError("a constant value needs neither values nor otherwise")
        return self


_EXPRESSION: Final = "expression"
_RULE: Final = "rule"
_NAMED: Final = "named"

Where = Annotated[
    Annotated[Expression, Tag(_EXPRESSION)] | Annotated[Rule, Tag(_RULE)],
    Discriminator(lambda given: _RULE if isinstance(given, dict | Rule) else _EXPRESSION),
]
"""An expression, or a rule with one."""

Attributes = Annotated[
    Annotated[Expression, Tag(_EXPRESSION)] | Annotated[dict[ShortText, Where], Tag(_NAMED)],
    Discriminator(lambda given: _NAMED if isinstance(given, dict) else _EXPRESSION),
]
"""Where an object of attributes stands, or where each stands by itself."""


class AgentMap(Section):
    """Who served the customer."""

    id: Where
    team: Where | None = None


class FieldMap(Section):
    """Where each field of an answer stands. Times, numbers and ids may be text."""

    response_id: Where | None = Field(default=None, description="the sender's id: the same id is the same answer")
    event_id: Where | None = Field(default=None, description="the same when a call is repeated; instead of response_id")
    revision: Where | None = None
    op: Where | None = Field(default=None, description="submitted, updated, commented, retracted or excluded")
    metric: Where | None = Field(default=None, description="nps, csat, ces or review; nps if left out")
    score: Where | None = Field(default=None, description="0 to 10")
    rating: Where | None = None
    comment: Where | None = None
    answered_at: Where | None = None
    updated_at: Where | None = None
    channel: Where | None = None
    survey_id: Where | None = None
    touchpoint: Where | None = None
    language: Where | None = None
    customer_id: Where | None = None
    account_id: Where | None = None
    email: Where | None = None
    phone: Where | None = None
    name: Where | None = None
    timezone: Where | None = None
    locale: Where | None = None
    callback_requested: Where | None = None
    solicited: Where | None = None
    test: Where | None = None
    history: Where | None = None
    agent: AgentMap | None = None
    segments: dict[SegmentKey, Where] = Field(default_factory=dict, max_length=20)
    attributes: Attributes = Field(default_factory=dict)

    @model_validator(mode="after")
    def _says_what(self) -> Self:
        if self.score is None and self.rating is None and self.op is None:
            raise ValueError("one of score, rating and op is required")
        return self


def find(where: str | Rule, item: Json, call: Json, field: str) -> Json:
    """What stands there, as the sender wrote it; none where nothing stands.

    Raises:
        Malformed: if its expression cannot take what was sent.
    """
    if isinstance(where, str):
        return evaluate(where, item, field)
    if where.value is not None:
        return where.value
    return evaluate(where.call, call, field) if where.call else evaluate(where.at, item, field)


def translate(where: str | Rule, found: Json) -> Json:
    """The same in our words, where the business file has any for it.

    Raises:
        ValueError: if the sender's word is in no table.
    """
    if isinstance(where, str):
        return found
    word = plain(found)
    if where.values and word is not None and word in where.values:
        return where.values[word]
    if where.values and where.otherwise is None and found is not None:
        raise ValueError("not among the values that the business file translates")
    return where.otherwise if where.values or found is None else found


def told(where: str | Rule) -> str:
    """The place as people read it."""
    if isinstance(where, str):
        return where
    return str(where.value) if where.value is not None else where.at or f"call: {where.call}"
