"""An alert about the score: opened once, resolved once, in words that a person understands."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from schemas.contract import Contract, Identifier, Moment, Name, ShortText, Tenant
from schemas.tally import Segment


class Alert(Contract):
    """The state of one alert; the last record of a key is how it stands."""

    alert_id: Identifier
    tenant: Tenant
    segment: Segment
    rule: Name
    state: Literal["open", "resolved"]
    text: ShortText
    p: float | None = Field(default=None, description="evidence, where the rule weighs any")
    opened_at: Moment
    resolved_at: Moment | None = None
