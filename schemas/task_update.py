"""What a CRM says happened to a task. Applied once per `update_id`, in any order."""

from __future__ import annotations

from uuid import UUID

from pydantic import Field

from schemas.contract import Contract, Identifier, Moment, Name, ShortText, Tenant
from schemas.sealed import Sealed
from schemas.task import Outcome, TaskStatus


class TaskUpdate(Contract):
    """Only what changed is set. The note is sealed: people write names into notes."""

    update_id: Identifier
    tenant: Tenant
    task_id: UUID
    system: Name = Field(description="which CRM")
    external_id: Identifier | None = Field(default=None, description="the task's id over there")
    status: TaskStatus | None = None
    owner: Identifier | None = None
    outcome: Outcome | None = None
    author: ShortText | None = None
    sealed: Sealed | None = Field(default=None, description="the note, under the key of the task")
    occurred_at: Moment
