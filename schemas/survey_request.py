"""Asks an upstream survey app to ask a customer again, once their task is closed."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from pydantic import Field

from schemas.contract import Contract, Identifier, Moment, Name, Subject, Tenant
from schemas.sealed import Sealed


class SurveyRequest(Contract):
    """One per closed task, or per answer that a rule of the playbook wants asked about again."""

    request_id: UUID
    tenant: Tenant
    response_id: Identifier = Field(description="the answer that led to the task")
    task_id: UUID | None = None
    cause: Literal["task_closed", "playbook"]
    survey: Name | None = Field(default=None, description="which survey is to ask, if the rule says")
    subject: Subject | None = None
    not_before: Moment
    sealed: Sealed | None = None
