"""The task an answer should lead to: desired state, not a difference. One task per answer, whatever the revision."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from pydantic import Field

from schemas.contract import (
    Channel,
    Contract,
    Identifier,
    Moment,
    Name,
    Points,
    Revision,
    SettledSegments,
    ShortText,
    Subject,
    Tenant,
)
from schemas.decision import Reason
from schemas.response import Metric
from schemas.sealed import Sealed

Priority = Literal["low", "normal", "high", "urgent"]


class OutreachRequest(Contract):
    """The highest revision wins. `none` withdraws what is open."""

    tenant: Tenant
    response_id: Identifier
    revision: Revision = Field(description="number of the decision behind it")
    command: Literal["open", "none"]
    task_id: UUID
    rule: Name | None = None
    priority: Priority = "normal"
    owner: Identifier | None = Field(default=None, description="who gets it, if the rule says; else outreach decides")
    due_at: Moment | None = None
    metric: Metric = "nps"
    score: Points | None = None
    rating: float | None = None
    channel: Channel | None = None
    touchpoint: ShortText | None = None
    segments: SettledSegments = Field(default_factory=dict)
    callback_requested: bool = False
    late: bool = Field(default=False, description="routing itself was away for more than seven days")
    answered_at: Moment | None = None
    subject: Subject | None = None
    reason: Reason | None = Field(default=None, description="why it is withdrawn")
    sealed: Sealed | None = Field(default=None, description="carried on unchanged from the answer")
    sealed_comment: Sealed | None = Field(default=None, description="carried on unchanged from a late comment")
