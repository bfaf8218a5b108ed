"""What tasks look like over HTTP: what is asked for, given and answered."""

from __future__ import annotations

import base64
import json
from typing import Final, NamedTuple, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator

from schemas.contract import Contract, Identifier, Moment, ShortText, Stranger, Tenant, Text
from schemas.malformed import Malformed
from schemas.outreach_request import Priority
from schemas.task import Outcome, Task, TaskStatus
from services.outreach.domain import Field as TaskField


class Place(NamedTuple):
    """Where a page of the list begins: after this task. Neither part ever changes, so none is missed or doubled."""

    created_at: Moment
    task_id: UUID

    def cursor(self) -> str:
        """As a token for the next request."""
        content = json.dumps([self.created_at.isoformat(), str(self.task_id)])
        return base64.urlsafe_b64encode(content.encode()).decode().rstrip("=")


_PLACE: Final = TypeAdapter(Place)


def place_of(cursor: str) -> Place:
    """The place a token stands for.

    Raises:
        Malformed: if it is none of ours.
    """
    try:
        content = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        return _PLACE.validate_json(content, strict=True)
    except ValueError as error:  # bad base64, bad UTF-8 and what pydantic finds
        raise Malformed.of("cursor", "none that this list gave") from error


class TaskFilter(BaseModel):
    """Which tasks to list, oldest first."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    tenant: Tenant | None = None
    status: list[TaskStatus] = Field(default=[], description="one or several")
    owner: Identifier | None = None
    priority: list[Priority] = Field(default=[], description="one or several")
    due_before: Moment | None = Field(default=None, description="due earlier than this")
    response_id: Identifier | None = Field(default=None, description="the answer that led to the task")
    limit: int = Field(default=100, ge=1, le=500)
    cursor: str | None = Field(default=None, max_length=200, description="`next` of the page before")


class TaskAnswer(Task):
    """A task as it stands."""

    sla_breached: bool = Field(description="it was not done in time, or is not")


class TaskPage(Contract):
    """Some tasks, and where the list goes on."""

    tasks: list[TaskAnswer]
    next: str | None = Field(default=None, description="cursor of the next page; not there on the last one")


class TaskChange(Stranger):
    """What is to change; what is not named, or null, stays. Only `owner` may be null: then nobody owns the task."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    status: TaskStatus | None = None
    owner: Identifier | None = None
    priority: Priority | None = None
    due_at: Moment | None = None
    outcome: Outcome | None = Field(default=None, description="how it ended; only of a task that is done")

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.words():
            raise ValueError("one of status, owner, priority, due_at and outcome is required")
        return self

    def words(self) -> dict[TaskField, str | None]:
        """What is said, field by field."""
        said: dict[TaskField, str | None] = {}
        if self.status:
            said["status"] = self.status
        if "owner" in self.model_fields_set:
            said["owner"] = self.owner
        if self.priority:
            said["priority"] = self.priority
        if self.due_at:
            said["due_at"] = self.due_at.isoformat()
        if self.outcome:
            said["outcome"] = self.outcome
        return said


class NewNote(Stranger):
    """What somebody writes about a task."""

    text: Text = Field(min_length=1)
    author: ShortText | None = None
