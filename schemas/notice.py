"""What a rule of the playbook tells somebody: a team that wants to know, or a survey app that is to ask again."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from pydantic import Field

from schemas.contract import (
    Band,
    Channel,
    Contract,
    Identifier,
    Moment,
    Name,
    Points,
    SettledSegments,
    ShortText,
    Subject,
    Tenant,
)
from schemas.response import Metric
from schemas.sealed import Sealed


class Notice(Contract):
    """One per answer and rule, whatever the number of revisions. What was told stays told."""

    notice_id: UUID
    tenant: Tenant
    response_id: Identifier
    kind: Literal["notify", "survey_request"]
    rule: Name
    to: Name | None = Field(default=None, description="who is told, or which survey asks")
    not_before: Moment | None = Field(default=None, description="of a survey request: when to ask at the earliest")
    metric: Metric = "nps"
    score: Points | None = None
    rating: float | None = None
    band: Band | None = None
    channel: Channel | None = None
    touchpoint: ShortText | None = None
    segments: SettledSegments = Field(default_factory=dict)
    answered_at: Moment
    subject: Subject | None = None
    sealed: Sealed | None = Field(default=None, description="carried on unchanged from the answer")
