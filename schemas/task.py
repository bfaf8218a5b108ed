"""A task for a person: the one thing in clear, since a CRM must be able to read it."""

from __future__ import annotations

from typing import Annotated, Final, Literal
from uuid import UUID

from pydantic import Field

from schemas.contract import (
    Channel,
    Contract,
    Identifier,
    Language,
    Moment,
    Points,
    Revision,
    SettledSegments,
    ShortText,
    Tenant,
    Text,
)
from schemas.decision import Reason
from schemas.outreach_request import Priority
from schemas.response import Metric

TaskStatus = Literal["open", "in_progress", "waiting", "done", "cancelled"]

CLOSED: Final[frozenset[TaskStatus]] = frozenset({"done", "cancelled"})

Outcome = Literal["resolved", "unreachable", "no_action", "churned"]


class Customer(Contract):
    """Whom to talk to."""

    customer_id: Identifier | None = None
    account_id: Identifier | None = None
    email: str | None = None
    phone: str | None = None
    name: ShortText | None = None
    timezone: ShortText | None = None
    locale: Language | None = None


class Note(Contract):
    """What somebody wrote about the task."""

    text: Text
    author: ShortText | None = None
    at: Moment


class Task(Contract):
    """The whole task as it stands; `version` grows with every change."""

    task_id: UUID
    tenant: Tenant
    response_id: Identifier
    version: Revision
    revision: Revision = Field(description="revision of the request it follows")
    title: Annotated[str, Field(max_length=150)]
    status: TaskStatus
    priority: Priority
    kind: Literal["call", "email", "todo"]
    owner: Identifier | None = None
    due_at: Moment
    metric: Metric = "nps"
    score: Points | None = None
    rating: float | None = None
    comment: Text | None = None
    channel: Channel | None = None
    touchpoint: ShortText | None = None
    segments: SettledSegments = Field(default_factory=dict)
    customer: Customer
    notes: list[Note] = Field(default_factory=list)
    outcome: Outcome | None = Field(default=None, description="how it ended; set when done")
    reason: Reason | None = Field(default=None, description="why it was cancelled")
    late: bool = False
    created_at: Moment
    updated_at: Moment
    closed_at: Moment | None = None
