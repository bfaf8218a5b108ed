"""An alert about the score: opened once, resolved once, in words that a person understands."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from schemas.contract import Band, Contract, Identifier, Moment, Name, Sentence, Tenant
from schemas.tally import Segment

AlertKind = Literal["moved", "target", "silent", "band"]


class AlertSpan(Contract):
    """The answers of one span of time, as the rule saw them."""

    start: Moment = Field(description="inclusive")
    end: Moment = Field(description="exclusive")
    n: int = Field(ge=0)
    nps: float | None = Field(default=None, description="none where n is 0")
    share: float | None = Field(default=None, description="of the band in question, 0 to 1")


class Alert(Contract):
    """The state of one alert; the last record of a key is how it stands.

    Figures are those at the moment it was opened, and in the record that resolves it those at that moment.
    """

    alert_id: Identifier
    tenant: Tenant
    segment: Segment
    rule: Name = Field(description="nps-fell, nps-rose, target-missed, target-reached, silent, detractors-up and so on")
    state: Literal["open", "resolved"]
    text: Sentence
    p: float | None = Field(default=None, description="evidence, where the rule weighs any")
    opened_at: Moment
    resolved_at: Moment | None = None
    kind: AlertKind | None = Field(default=None, description="the rule's section")
    window: AlertSpan | None = Field(default=None, description="the span in question")
    baseline: AlertSpan | None = Field(default=None, description="what it was held against")
    band: Band | None = None
    low: float | None = Field(default=None, description="lower control limit of the band's share")
    high: float | None = Field(default=None, description="upper control limit of the band's share")
    target: float | None = Field(default=None, description="the target that was crossed")
    usual: float | None = Field(default=None, description="how many answers are usual in such a span")
